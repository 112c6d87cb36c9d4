#include "inference-server/config/config_file.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>

namespace imageclassifier::config {
namespace {

tl::unexpected<Error> refuse(const YAML::Mark& mark, const std::string& why) {
  const std::string where = mark.is_null() ? "" : "line " + std::to_string(mark.line + 1) + ": ";
  return fail(ErrorCode::kInvalidArgument, where + why);
}

Result<std::string> list_value(const std::string& key, const YAML::Node& value) {
  std::string text;
  for (const auto& element : value) {
    if (!element.IsScalar()) return refuse(element.Mark(), key + " must be a list of texts");
    if (element.Scalar().empty() || element.Scalar().find(',') != std::string::npos) {
      return refuse(element.Mark(), key + " has an element that is empty or has a comma");
    }
    text += (text.empty() ? "" : ",") + element.Scalar();
  }
  if (text.empty()) return refuse(value.Mark(), key + " is an empty list; leave it out instead");
  return text;
}

Result<Setting> setting_of(const YAML::Node& name, const YAML::Node& value) {
  if (!name.IsScalar()) return refuse(name.Mark(), "a key must be the name of an option");
  Setting setting{name.Scalar(), {}, value.IsSequence(), name.Mark().line + 1};
  if (value.IsNull()) return refuse(name.Mark(), setting.key + " has no value; leave it out instead");
  if (value.IsMap()) return refuse(name.Mark(), setting.key + " must be one value, not a mapping");
  if (value.IsScalar()) {
    setting.value = value.Scalar();
    return setting;
  }
  auto text = list_value(setting.key, value);
  if (!text) return fail(text.error());
  setting.value = std::move(*text);
  return setting;
}

Result<std::vector<Setting>> settings_of(const std::string& text) {
  const std::vector<YAML::Node> documents = YAML::LoadAll(text);
  std::vector<Setting> settings;
  if (documents.size() > 1) return refuse(documents[1].Mark(), "there must be one document in the file");
  if (documents.empty() || documents[0].IsNull()) return settings;
  if (!documents[0].IsMap()) return refuse(documents[0].Mark(), "there must be lines of the form \"option: value\"");
  for (const auto& pair : documents[0]) {
    auto setting = setting_of(pair.first, pair.second);
    if (!setting) return fail(setting.error());
    const auto same = std::find_if(settings.begin(), settings.end(),
                                   [&setting](const Setting& other) { return other.key == setting->key; });
    if (same != settings.end()) {
      return refuse(pair.first.Mark(), setting->key + " was already given in line " + std::to_string(same->line));
    }
    settings.push_back(std::move(*setting));
  }
  return settings;
}

}  // namespace

Result<std::vector<Setting>> parse_config(const std::string& text) {
  try {
    return settings_of(text);
  } catch (const YAML::Exception& error) {
    return refuse(error.mark, error.msg);
  }
}

std::string config_text(const std::vector<Effective>& options) {
  std::string text;
  for (const Effective& option : options) {
    if (option.value.empty()) {
      text += "# " + option.key + ":  # not set\n";
      continue;
    }
    YAML::Emitter scalar;
    scalar << option.value;
    text += option.key + ": " + scalar.c_str() + "  # " + option.source + "\n";
  }
  return text;
}

}  // namespace imageclassifier::config
