#include "operator/registry/way.hpp"

#include <algorithm>

namespace imageclassifier::registry {
namespace {

constexpr std::size_t kLongestHost = 253;

std::string words_of(const Error& error, const char* otherwise) {
  return error.cause ? error.cause->message : otherwise;
}

}  // namespace

WayFailure way_failure(const Error& error) {
  using Kind = WayFailure::Kind;
  switch (error.code) {
    case ErrorCode::kUnauthenticated: {
      const bool time = error.cause && error.cause->code == ErrorCode::kDeadlineExceeded;
      return {time ? Kind::kOutOfTime : Kind::kUntrusted, words_of(error, "it was refused")};
    }
    case ErrorCode::kPermissionDenied:
      return {Kind::kAddressRefused, "its name stands for an address that the operator does not connect to"};
    case ErrorCode::kTooLarge:
      return {Kind::kTooLarge, "its answer is too large"};
    case ErrorCode::kDeadlineExceeded:
      return {Kind::kUnreachable, "it does not answer in time"};
    default:
      return {Kind::kUnreachable, words_of(error, "no connection to it comes about")};
  }
}

std::string shown_host(std::string_view host) {
  const std::string_view name = host.substr(0, host.find(':'));
  const bool plain = std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == ':';
  });
  const bool bounded = !name.empty() && name.front() != '.' && name.front() != '-' && name.back() != '-';
  if (!plain || !bounded || host.size() > kLongestHost || name.find("..") != std::string_view::npos)
    return "a name that is no host's";
  return std::string(host);
}

}  // namespace imageclassifier::registry
