// Watch lines, lists and Status bodies. Beyond "does not crash": what a JSON library accepts must be found the same
// way.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "common/json_scan.hpp"
#include "operator/kubernetes/status.hpp"
#include "operator/kubernetes/watch_decoder.hpp"

using namespace imageclassifier;
using namespace imageclassifier::kubernetes;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

// The scanner and the library agree on the elements of every array and object that the library accepts.
void compare_with_library(std::string_view text) {
  const auto parsed = nlohmann::json::parse(text, nullptr, false);
  if (parsed.is_array()) {
    std::size_t count = 0;
    require(for_each_element(text, [&](std::string_view element) {
      require(nlohmann::json::parse(element, nullptr, false) == parsed.at(count++));
      return true;
    }));
    require(count == parsed.size());
  } else if (parsed.is_object()) {
    require(for_each_member(text, [](std::string_view, std::string_view value) {
      require(!nlohmann::json::parse(value, nullptr, false).is_discarded());
      return true;
    }));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto event = decode_watch_event(text)) {
    require(event->object.empty() ||
            (event->object.data() >= text.data() && event->object.data() + event->object.size() <= text.data() + size));
  }
  (void)decode_list(text, [](std::string_view) {});
  const Status status = status_of(410, {}, text);
  require(status.causes.size() <= 64 && status.message.size() <= 4096);
  if (size < 4096) compare_with_library(text);
  return 0;
}
