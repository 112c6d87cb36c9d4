#include "operator/api/quantity.hpp"

#include <array>
#include <cmath>
#include <cstdlib>
#include <string>

namespace imageclassifier::api {
namespace {

struct Suffix {
  std::string_view text;
  double factor;
};

constexpr std::array<Suffix, 15> kSuffixes = {{{"", 1.0},
                                               {"n", 1e-9},
                                               {"u", 1e-6},
                                               {"m", 1e-3},
                                               {"k", 1e3},
                                               {"M", 1e6},
                                               {"G", 1e9},
                                               {"T", 1e12},
                                               {"P", 1e15},
                                               {"E", 1e18},
                                               {"Ki", 1024.0},
                                               {"Mi", 1048576.0},
                                               {"Gi", 1073741824.0},
                                               {"Ti", 1099511627776.0},
                                               {"Pi", 1125899906842624.0}}};

}  // namespace

std::optional<double> parse_quantity(std::string_view text) {
  const std::size_t digits_end = text.find_first_not_of("+-.0123456789");
  std::string_view number = text.substr(0, digits_end);
  std::string_view suffix = digits_end == std::string_view::npos ? std::string_view() : text.substr(digits_end);
  if (suffix.size() > 1 && (suffix[0] == 'e' || suffix[0] == 'E') && suffix[1] != 'i') {
    number = text;
    suffix = {};
  }
  const std::string copy(number);
  if (copy.find_first_of("0123456789") == std::string::npos) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(copy.c_str(), &end);
  if (end != copy.c_str() + copy.size() || !std::isfinite(value)) return std::nullopt;
  if (suffix == "Ei") return value * 1152921504606846976.0;
  for (const Suffix& known : kSuffixes) {
    if (known.text == suffix) return value * known.factor;
  }
  return std::nullopt;
}

}  // namespace imageclassifier::api
