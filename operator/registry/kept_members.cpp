#include "operator/registry/kept_members.hpp"

#include <nlohmann/json.hpp>

namespace imageclassifier::registry {

nlohmann::json parse_kept(std::string_view text, const std::function<bool(int depth, const std::string& key)>& keep,
                          std::size_t most) {
  using Event = nlohmann::json::parse_event_t;
  std::size_t values = 0;
  const auto choose = [&](int depth, Event event, nlohmann::json& parsed) {
    if (event == Event::key) return keep(depth, parsed.get_ref<const std::string&>());
    if (event == Event::object_end || event == Event::array_end) return true;
    return ++values <= most;
  };
  return nlohmann::json::parse(text, choose, false);
}

}  // namespace imageclassifier::registry
