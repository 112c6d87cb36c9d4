#include "operator/resources/ranges.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace imageclassifier::resources {
namespace {

struct Network {
  int family = AF_INET;
  std::array<unsigned char, 16> address{};
  unsigned bits = 0;
};

std::optional<Network> parse(const std::string& text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) return std::nullopt;
  Network network;
  network.family = text.find(':') == std::string::npos ? AF_INET : AF_INET6;
  const unsigned most = network.family == AF_INET ? 32 : 128;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + slash + 1, end, network.bits);
  if (error != std::errc() || rest != end || network.bits > most) return std::nullopt;
  if (inet_pton(network.family, text.substr(0, slash).c_str(), network.address.data()) != 1) return std::nullopt;
  return network;
}

bool holds(const Network& outer, const Network& inner) {
  if (outer.family != inner.family || outer.bits > inner.bits) return false;
  for (unsigned bit = 0; bit < outer.bits; ++bit) {
    const unsigned char mask = 0x80U >> bit % 8;
    if (((outer.address[bit / 8] ^ inner.address[bit / 8]) & mask) != 0) return false;
  }
  return true;
}

/// Those of `list` that lie within one of `others`.
std::vector<std::string> within(const std::vector<std::string>& list, const std::vector<std::string>& others) {
  std::vector<std::string> found;
  std::copy_if(list.begin(), list.end(), std::back_inserter(found), [&](const std::string& text) {
    const auto inner = parse(text);
    return inner && std::any_of(others.begin(), others.end(), [&](const std::string& other) {
             const auto outer = parse(other);
             return outer && holds(*outer, *inner);
           });
  });
  return found;
}

}  // namespace

std::vector<std::string> common_ranges(const std::vector<std::string>& first, const std::vector<std::string>& second) {
  if (first.empty()) return second;
  if (second.empty()) return first;
  std::vector<std::string> common = within(first, second);
  for (std::string& range : within(second, first)) {
    if (std::find(common.begin(), common.end(), range) == common.end()) common.push_back(std::move(range));
  }
  return common.empty() ? second : common;
}

}  // namespace imageclassifier::resources
