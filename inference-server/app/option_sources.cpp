#include "inference-server/app/option_sources.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string_view>

#include "common/file.hpp"
#include "inference-server/config/nearest.hpp"

namespace imageclassifier::app {
namespace {

constexpr std::uint64_t kMaximumFile = 1024 * 1024;

/// What a configuration file can set: all that has an environment variable, but the file's own name.
std::vector<const CLI::Option*> settable(const CLI::App& command) {
  std::vector<const CLI::Option*> options = command.get_options();
  const std::vector<const CLI::Option*> common = command.get_parent()->get_options();
  options.insert(options.end(), common.begin(), common.end());
  options.erase(std::remove_if(options.begin(), options.end(),
                               [](const CLI::Option* option) {
                                 return option->get_envname().empty() || option->check_lname("config");
                               }),
                options.end());
  return options;
}

const std::string& name_of(const CLI::Option& option) {
  return option.get_lnames().front();
}

bool takes_list(const CLI::Option& option) {
  return option.get_delimiter() != '\0';
}

CLI::Option* find(CLI::App& command, const std::string& key) {
  const auto options = settable(command);
  const auto named = [&key](const CLI::Option* option) { return name_of(*option) == key; };
  if (std::none_of(options.begin(), options.end(), named)) return nullptr;
  CLI::Option* const own = command.get_option_no_throw("--" + key);
  return own != nullptr ? own : command.get_parent()->get_option_no_throw("--" + key);
}

Result<void> apply(CLI::App& command, const config::Setting& setting) {
  CLI::Option* const option = find(command, setting.key);
  if (option == nullptr) {
    std::vector<std::string> names;
    for (const CLI::Option* each : settable(command)) names.push_back(name_of(*each));
    return fail(ErrorCode::kInvalidArgument, "there is no option " + setting.key + config::hint(setting.key, names));
  }
  if (setting.list && !takes_list(*option)) {
    return fail(ErrorCode::kInvalidArgument, setting.key + " must be one value, not a list");
  }
  try {
    option->default_val(setting.value)->required(false);
  } catch (const CLI::Error& error) {
    return fail(ErrorCode::kInvalidArgument, error.what());
  }
  return {};
}

bool was_flag(const CLI::App& command, const CLI::Option* option) {
  const auto in = [option](const std::vector<CLI::Option*>& order) {
    return std::find(order.begin(), order.end(), option) != order.end();
  };
  return in(command.parse_order()) || in(command.get_parent()->parse_order());
}

std::string joined(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) text += (text.empty() ? "" : ",") + value;
  return text;
}

std::string default_of(const CLI::Option& option) {
  const std::string text = option.get_default_str();
  if (option.get_type_name() != "BOOLEAN") return text;
  if (text == "1") return "true";
  return text == "0" ? "false" : text;
}

constexpr std::string_view kPrefix = "INFERENCE_";

std::vector<std::string> variables_of_environment() {
  std::vector<std::string> names;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (text.starts_with(kPrefix)) names.emplace_back(text.substr(0, text.find('=')));
  }
  return names;
}

std::vector<std::string> variables_of_options(const CLI::App& program) {
  std::vector<const CLI::App*> apps = program.get_subcommands({});
  apps.push_back(&program);
  std::vector<std::string> names;
  for (const CLI::App* app : apps) {
    for (const CLI::Option* option : app->get_options()) {
      if (!option->get_envname().empty()) names.push_back(option->get_envname());
    }
  }
  return names;
}

/// "INFERENCE" or "INFERENCE_B" of each INFERENCE_SERVICE_HOST or INFERENCE_B_SERVICE_HOST.
std::vector<std::string> services_in(const std::vector<std::string>& variables) {
  constexpr std::string_view kHost = "_SERVICE_HOST";
  std::vector<std::string> services;
  for (const std::string& name : variables) {
    if (name.ends_with(kHost)) services.push_back(name.substr(0, name.size() - kHost.size()));
  }
  return services;
}

bool is_of_service(const std::string& variable, const std::string& service) {
  if (!variable.starts_with(service)) return false;
  const std::string_view rest = std::string_view(variable).substr(service.size());
  return rest == "_SERVICE_HOST" || rest == "_SERVICE_PORT" || rest.starts_with("_SERVICE_PORT_") || rest == "_PORT" ||
         rest.starts_with("_PORT_");
}

}  // namespace

Result<std::vector<config::Setting>> apply_config_file(CLI::App& command, const std::string& path) {
  const auto text = read_file(path, kMaximumFile);
  if (!text) return fail(Error(text.error().code, "the configuration file cannot be used", text.error()));
  auto settings = config::parse_config(*text);
  if (!settings) return fail(ErrorCode::kInvalidArgument, path + ": " + settings.error().message);
  for (const config::Setting& setting : *settings) {
    const auto applied = apply(command, setting);
    if (applied) continue;
    return fail(ErrorCode::kInvalidArgument,
                path + ": line " + std::to_string(setting.line) + ": " + applied.error().message);
  }
  return settings;
}

std::vector<config::Effective> effective_options(const CLI::App& command, const std::vector<config::Setting>& file) {
  std::vector<config::Effective> effective;
  for (const CLI::Option* option : settable(command)) {
    const std::string& name = name_of(*option);
    if (option->count() > 0) {
      const bool flag = was_flag(command, option);
      effective.push_back({name, joined(option->results()), flag ? "flag" : "environment " + option->get_envname()});
      continue;
    }
    const auto set = std::find_if(file.begin(), file.end(), [&](const auto& setting) { return setting.key == name; });
    if (set != file.end()) {
      effective.push_back({name, set->value, "file, line " + std::to_string(set->line)});
    } else {
      effective.push_back({name, default_of(*option), "default"});
    }
  }
  return effective;
}

std::vector<UnknownVariable> unknown_variables(const CLI::App& program) {
  const auto given = variables_of_environment();
  const auto known = variables_of_options(program);
  const auto services = services_in(given);
  std::vector<UnknownVariable> unknown;
  for (const std::string& name : given) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const auto has_it = [&name](const std::string& service) { return is_of_service(name, service); };
    if (std::any_of(services.begin(), services.end(), has_it)) continue;
    unknown.push_back({name, config::nearest(name, known)});
  }
  return unknown;
}

std::string unknown_word(const CLI::App& program) {
  const auto chosen = program.get_subcommands();
  const auto words = program.remaining(true);
  const bool wants_option = !chosen.empty();
  const auto word = std::find_if(words.begin(), words.end(), [wants_option](const std::string& text) {
    return wants_option ? text.size() > 1 && text.starts_with('-') : !text.starts_with('-');
  });
  if (word == words.end()) return {};
  std::vector<std::string> known;
  if (!wants_option) {
    for (const CLI::App* command : program.get_subcommands({})) known.push_back(command->get_name());
    return *word + ": there is no such command" + config::hint(*word, known);
  }
  for (const CLI::App* app : {&program, static_cast<const CLI::App*>(chosen.front())}) {
    for (const CLI::Option* option : app->get_options()) {
      for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
    }
  }
  const std::string option = word->substr(0, word->find('='));
  return option + ": there is no such option" + config::hint(option, known);
}

}  // namespace imageclassifier::app
