#include "inference-server/protocol/v2_json.hpp"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace imageclassifier::protocol {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDataDepth = 8;

class Reader final : public nlohmann::json_sax<Json> {
 public:
  Reader(Json& root, std::vector<V2Data>& data) : root_(root), data_(data) {}

  const std::string& failure() const { return failure_; }

  bool null() override { return scalar(nullptr); }
  bool boolean(bool value) override { return scalar(value); }
  bool number_integer(number_integer_t value) override { return number(value); }
  bool number_unsigned(number_unsigned_t value) override { return number(value); }
  bool number_float(number_float_t value, const string_t&) override { return number(value); }
  bool binary(binary_t&) override { return fail("Binary values are not JSON."); }

  bool string(string_t& value) override {
    if (depth_ == 0) return scalar(std::move(value));
    if (++strings_ > kMaxV2Strings) return fail("The data has too many strings.");
    data_.back().strings.push_back(std::move(value));
    return true;
  }

  bool key(string_t& value) override {
    if (stack_.size() == 1) root_key_ = value;
    key_ = std::move(value);
    return true;
  }

  bool start_array(std::size_t) override {
    if (depth_ == 0 && !at_data()) return open(Json::array());
    if (depth_ == 0) {
      data_.emplace_back();
      if (add(data_.size() - 1) == nullptr) return false;
    }
    return ++depth_ <= kMaxDataDepth || fail("The data is nested too deeply.");
  }

  bool end_array() override {
    if (depth_ > 0) {
      --depth_;
    } else {
      stack_.pop_back();
    }
    return true;
  }

  bool start_object(std::size_t) override {
    return depth_ == 0 && !at_data() ? open(Json::object()) : fail(kNotTensorData);
  }

  bool end_object() override {
    stack_.pop_back();
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    return fail("The JSON is malformed at byte " + std::to_string(position) + ".");
  }

 private:
  static constexpr const char* kNotTensorData = "The data of an input must be an array of numbers or of strings.";

  /// The value that comes next is that of `data` in an element of the root's `inputs`.
  bool at_data() const {
    return stack_.size() == 3 && root_key_ == "inputs" && key_ == "data" && stack_[1]->is_array() &&
           stack_[2]->is_object();
  }

  bool fail(std::string why) {
    failure_ = std::move(why);
    return false;
  }

  Json* add(Json value) {
    if (++nodes_ > kMaxV2Nodes) {
      fail("The JSON has too many values.");
      return nullptr;
    }
    if (stack_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *stack_.back();
    if (parent.is_object()) return &(parent[key_] = std::move(value));
    parent.push_back(std::move(value));
    return &parent.back();
  }

  bool open(Json container) {
    Json* added = add(std::move(container));
    if (added != nullptr) stack_.push_back(added);
    return added != nullptr;
  }

  bool scalar(Json value) {
    if (depth_ > 0 || at_data()) return fail(kNotTensorData);
    return add(std::move(value)) != nullptr;
  }

  template <typename Number>
  bool number(Number value) {
    if (depth_ == 0) return scalar(value);
    const auto wide = static_cast<double>(value);
    const bool fits = std::abs(wide) <= static_cast<double>(std::numeric_limits<float>::max());
    data_.back().numbers.push_back(fits ? static_cast<float>(wide) : std::numeric_limits<float>::infinity());
    return true;
  }

  Json& root_;
  std::vector<V2Data>& data_;
  std::vector<Json*> stack_;  // the open objects and arrays beside the data
  std::string root_key_;
  std::string key_;
  int depth_ = 0;  // of arrays in the data being read; 0: not in data
  std::size_t nodes_ = 0;
  std::size_t strings_ = 0;
  std::string failure_;
};

}  // namespace

std::optional<Problem> read_v2_json(std::string_view text, Json& root, std::vector<V2Data>& data) {
  Reader reader(root, data);
  if (Json::sax_parse(text, &reader)) return std::nullopt;
  return Problem{ProblemCode::kBadRequest, reader.failure()};
}

}  // namespace imageclassifier::protocol
