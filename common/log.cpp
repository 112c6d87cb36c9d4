#include "common/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <deque>
#include <nlohmann/json.hpp>
#include <vector>

#include "common/guarded.hpp"
#include "common/log_level.hpp"
#include "common/redaction.hpp"

namespace imageclassifier::log {
namespace {

std::string quote(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

struct ContextField {
  std::string key;
  std::string json;
};

std::vector<ContextField>& context() {
  thread_local std::vector<ContextField> fields;
  return fields;
}

void append(std::string& line, std::string_view key, std::string_view json) {
  line += ',';
  line += quote(key);
  line += ':';
  line += json;
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

spdlog::logger& logger() {
  static const auto kLogger = [] {
    auto made = std::make_shared<spdlog::logger>("log", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})", spdlog::pattern_time_type::utc);
    made->set_level(spdlog::level::warn);
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return *kLogger;
}

constexpr std::size_t kMostSecrets = 16;

struct Concealed {
  std::string text;
  std::string in_json;  ///< as it stands within a JSON string
};

Guarded<std::deque<Concealed>>& secrets() {
  static Guarded<std::deque<Concealed>> known;
  return known;
}

std::vector<Secret>& confidential() {
  thread_local std::vector<Secret> texts;
  return texts;
}

}  // namespace

Field::Field(std::string_view key, std::string_view value) : key_(key), json_(quote(value)) {}

Field Field::object(std::string_view key, std::initializer_list<Field> fields) {
  Field made(key, "");
  made.json_ = "{";
  for (const Field& field : fields) {
    if (made.json_.size() > 1) made.json_ += ',';
    made.json_ += quote(field.key()) + ":" + field.json();
  }
  made.json_ += "}";
  return made;
}

Scope::Scope(std::initializer_list<Field> fields) : before_(context().size()) {
  for (const Field& field : fields) context().push_back({std::string(field.key()), field.json()});
}

Scope::~Scope() {
  context().resize(before_);
}

void set_level(Level level) {
  logger().set_level(to_spdlog(level));
}

Level level() {
  switch (logger().level()) {
    case spdlog::level::trace:
    case spdlog::level::debug:
      return Level::kDebug;
    case spdlog::level::info:
      return Level::kInfo;
    case spdlog::level::warn:
      return Level::kWarning;
    default:
      return Level::kError;
  }
}

std::string_view to_string(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarning:
      return "warning";
    case Level::kError:
      break;
  }
  return "error";
}

bool parse_level(std::string_view text, Level& level) {
  if (text == "debug")
    level = Level::kDebug;
  else if (text == "info")
    level = Level::kInfo;
  else if (text == "warning")
    level = Level::kWarning;
  else if (text == "error")
    level = Level::kError;
  else
    return false;
  return true;
}

void conceal(std::string_view secret) {
  if (secret.size() < kShortestSecret) return;
  const auto known = secrets().lock();
  if (std::any_of(known->begin(), known->end(), [&](const Concealed& each) { return each.text == secret; })) return;
  const std::string quoted = quote(secret);
  known->push_front({std::string(secret), quoted.substr(1, quoted.size() - 2)});
  if (known->size() > kMostSecrets) known->pop_back();
}

Confidential::Confidential(std::vector<Secret> texts) {
  confidential() = std::move(texts);
}

Confidential::~Confidential() {
  confidential().clear();
}

void redact_concealed(std::string& text) {
  for (const Secret& each : confidential()) redact_parts(text, each.reveal());
  const auto known = secrets().lock();
  for (const Concealed& each : *known) {
    redact(text, each.text);
    if (each.in_json != each.text) redact(text, each.in_json);
  }
}

std::string format_line(std::string_view message, std::initializer_list<Field> fields) {
  std::string line = "\"message\":" + quote(message);
  for (const Field& field : fields) append(line, field.key(), field.json());
  const auto& around = context();
  for (std::size_t i = 0; i < around.size(); ++i) {
    const auto is_it = [&](const auto& other) { return other.key == around[i].key; };
    const bool in_line =
        std::any_of(fields.begin(), fields.end(), [&](const Field& field) { return field.key() == around[i].key; });
    const bool in_inner_scope = std::any_of(around.begin() + static_cast<std::ptrdiff_t>(i) + 1, around.end(), is_it);
    if (!in_line && !in_inner_scope) append(line, around[i].key, around[i].json);
  }
  return line;
}

void write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  if (!logger().should_log(to_spdlog(level))) return;
  std::string line = format_line(message, fields);
  redact_concealed(line);
  logger().log(to_spdlog(level), "{}", line);
}

}  // namespace imageclassifier::log
