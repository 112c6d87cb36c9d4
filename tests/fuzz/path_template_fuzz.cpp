// Path templates: the input is the path. A value that is encoded again must lead to the same value.
#include <array>
#include <cstdint>
#include <cstdlib>

#include "common/path_template.hpp"
#include "common/percent_encode.hpp"

using namespace imageclassifier;

namespace {

constexpr std::array<std::string_view, 5> kTemplates = {"/v1/classify", "/v2/models/{m}",
                                                        "/v2/models/{m}/versions/{v}/infer", "/predictions/{m}/{v}",
                                                        "/v1/models/{m}:predict"};

std::string filled(std::string_view path_template, const std::vector<std::string>& values) {
  std::string path;
  std::size_t next = 0;
  while (!path_template.empty()) {
    const auto open = path_template.find('{');
    path += path_template.substr(0, open);
    if (open == std::string_view::npos) break;
    path += percent_encode(values.at(next++));
    path_template.remove_prefix(path_template.find('}') + 1);
  }
  return path;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string path(data, data + size);
  for (const std::string_view path_template : kTemplates) {
    const auto values = match_path(path_template, path);
    if (values && match_path(path_template, filled(path_template, *values)) != values) std::abort();
  }
  return 0;
}
