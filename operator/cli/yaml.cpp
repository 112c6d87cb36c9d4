#include "operator/cli/yaml.hpp"

#include <yaml-cpp/yaml.h>

#include <array>
#include <nlohmann/json.hpp>

namespace imageclassifier::cli {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 64;

json scalar(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "!" || node.Tag() == "tag:yaml.org,2002:str") return text;  // quoted, or said to be text
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  // JSON's numbers are a subset of YAML's that leaves nothing to guess.
  const json number = json::parse(text, nullptr, false);
  return number.is_number() ? number : json(text);
}

Result<json> convert(const YAML::Node& node, int depth) {
  if (depth > kMaxDepth) return fail(ErrorCode::kTooLarge, "The YAML is nested too deeply.");
  switch (node.Type()) {
    case YAML::NodeType::Scalar:
      return scalar(node);
    case YAML::NodeType::Sequence: {
      json list = json::array();
      for (const YAML::Node& entry : node) {
        auto value = convert(entry, depth + 1);
        if (!value) return value;
        list.push_back(std::move(*value));
      }
      return list;
    }
    case YAML::NodeType::Map: {
      json object = json::object();
      for (const auto& entry : node) {
        if (!entry.first.IsScalar()) return fail(ErrorCode::kInvalidArgument, "A key of the YAML is not text.");
        auto value = convert(entry.second, depth + 1);
        if (!value) return value;
        object[entry.first.Scalar()] = std::move(*value);
      }
      return object;
    }
    default:
      return json();
  }
}

bool is_plain(const std::string& text) {
  constexpr std::array<std::string_view, 12> kWords = {"true", "false", "null", "yes", "no",  "on",
                                                       "off",  "y",     "n",    "nan", "inf", "none"};
  if (text.empty() || !std::isalpha(static_cast<unsigned char>(text.front()))) return false;
  std::string lower;
  for (const char c : text) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && std::string_view("./_-").find(c) == std::string_view::npos) {
      return false;
    }
    lower.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  }
  for (const std::string_view word : kWords) {
    if (lower == word) return false;
  }
  return true;
}

std::string quoted(const std::string& text) {
  return is_plain(text) ? text : json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

bool is_block(const json& value) {
  return (value.is_object() || value.is_array()) && !value.empty();
}

void write(const json& value, std::size_t indent, std::string& out);

void write_member(const json& value, std::size_t indent, std::string& out) {
  if (!is_block(value)) {
    out += " ";
    write(value, indent, out);
    out += "\n";
    return;
  }
  out += "\n";
  // A list below a key stands at the key's own column, as kubectl prints it.
  write(value, value.is_array() ? indent : indent + 2, out);
}

void write(const json& value, std::size_t indent, std::string& out) {
  const std::string margin(indent, ' ');
  if (value.is_object() && !value.empty()) {
    for (const auto& [key, member] : value.items()) {
      out += margin + quoted(key) + ":";
      write_member(member, indent, out);
    }
  } else if (value.is_array() && !value.empty()) {
    for (const json& entry : value) {
      std::string block;
      if (is_block(entry)) {
        write(entry, indent + 2, block);
        out += margin + "- " + block.substr(indent + 2);
      } else {
        write(entry, indent, block);
        out += margin + "- " + block + "\n";
      }
    }
  } else if (value.is_string()) {
    out += quoted(value.get_ref<const std::string&>());
  } else {
    out += value.dump();
  }
}

}  // namespace

Result<json> read_yaml(std::string_view text) {
  try {
    return convert(YAML::Load(std::string(text)), 0);
  } catch (const YAML::Exception& error) {
    return fail(ErrorCode::kInvalidArgument,
                "Line " + std::to_string(error.mark.line + 1) + " cannot be read as YAML: " + error.msg);
  }
}

std::string write_yaml(const json& value) {
  std::string out;
  write(value, 0, out);
  if (!is_block(value)) out += "\n";
  return out;
}

}  // namespace imageclassifier::cli
