#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

/// Finds values in JSON text without building a tree: a watch needs four short strings of an object of kilobytes. Only
/// what is passed over is checked (brackets, quotes), so a hit does not prove that the whole text is valid JSON;
/// whoever uses the value parses it (find_string does: what it gives is valid UTF-8). Recursion-free; any bytes may
/// come in; linear time. Pure.
namespace imageclassifier {

/// The raw text of the value of `key` in `object` (the first, if repeated), without surrounding space; nothing if
/// `object` is no JSON object, has no such member, or is broken before it.
std::optional<std::string_view> find_member(std::string_view object, std::string_view key);

/// As find_member, one level after the other.
std::optional<std::string_view> find_path(std::string_view object, std::initializer_list<std::string_view> keys);

/// find_path for a string value, unescaped; "" if it is missing or no string.
std::string find_string(std::string_view object, std::initializer_list<std::string_view> keys);

/// Raw text of a value as what it is: an unescaped string of valid UTF-8 ("" if it is none), a whole number (nothing if
/// it is none), true (false if it is anything else).
std::string json_text(std::string_view raw);
std::optional<std::int64_t> json_integer(std::string_view raw);
bool json_boolean(std::string_view raw);

/// Calls `visit(key, value)` with raw texts (the key without quotes) until it returns false. False if the text is
/// broken.
bool for_each_member(std::string_view object,
                     const std::function<bool(std::string_view key, std::string_view value)>& visit);

/// Calls `visit(value)` with the raw text of each element until it returns false. False if the text is broken.
bool for_each_element(std::string_view array, const std::function<bool(std::string_view value)>& visit);

}  // namespace imageclassifier
