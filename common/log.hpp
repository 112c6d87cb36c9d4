#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "common/secret.hpp"

namespace imageclassifier::log {

enum class Level { kDebug, kInfo, kWarning, kError };

/// One key/value pair of a log line. Numbers and booleans print bare, text as a JSON string (invalid UTF-8 replaced).
class Field {
 public:
  Field(std::string_view key, std::string_view value);
  Field(std::string_view key, const std::string& value) : Field(key, std::string_view(value)) {}
  Field(std::string_view key, const char* value) : Field(key, std::string_view(value)) {}
  Field(std::string_view key, bool value) : key_(key), json_(value ? "true" : "false") {}
  template <typename Number, typename = std::enable_if_t<std::is_arithmetic_v<Number> && !std::is_same_v<Number, bool>>>
  Field(std::string_view key, Number value) : key_(key), json_(std::to_string(value)) {}

  /// A JSON object of fields.
  static Field object(std::string_view key, std::initializer_list<Field> fields);

  std::string_view key() const { return key_; }
  const std::string& json() const { return json_; }

 private:
  std::string_view key_;
  std::string json_;
};

/// As long as it lives, every line that this thread writes carries these fields, after those of the line itself; a
/// field that the line has under the same key wins. Other threads are not affected. Scopes nest; destroy them in
/// reverse order and on the thread that made them.
class Scope {
 public:
  explicit Scope(std::initializer_list<Field> fields);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  std::size_t before_;
};

/// The least level that is written from now on; kWarning until the first call. Thread safe.
void set_level(Level level);
/// "debug", "info", "warning", "error"; anything else gives false and leaves `level` alone.
bool parse_level(std::string_view text, Level& level);

/// From now on every line shows "[redacted]" in this text's place, whoever put it there: a server that quotes our own
/// request, for example. What is shorter than 8 bytes is no credential but may be part of any word, and is left alone.
/// The last 16 texts count. Thread safe; cheap if the text is known.
void conceal(std::string_view secret);
/// As long as it lives, what this thread writes shows nothing of these texts, nor any part of them (redact_parts). For
/// what is in use for one request only. Scopes do not nest; destroy it on the thread that made it.
class Confidential {
 public:
  explicit Confidential(std::vector<Secret> texts);
  ~Confidential();
  Confidential(const Confidential&) = delete;
  Confidential& operator=(const Confidential&) = delete;
};

/// What conceal() and Confidential do, for a text that goes elsewhere, is cut, or is yet to be escaped: what is left of
/// a secret would not be known any more.
void redact_concealed(std::string& text);

/// The line that write() puts behind time and level, without braces; for tests.
std::string format_line(std::string_view message, std::initializer_list<Field> fields);

/// To standard error, one JSON object per line: {"time","level","message",...fields}. `message` is a constant sentence;
/// what varies goes into fields. Thread safe. Never pass a secret: conceal() is for those that others pass.
void write(Level level, std::string_view message, std::initializer_list<Field> fields = {});

inline void debug(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::kDebug, message, fields);
}
inline void info(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::kInfo, message, fields);
}
inline void warning(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::kWarning, message, fields);
}
inline void error(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::kError, message, fields);
}

}  // namespace imageclassifier::log
