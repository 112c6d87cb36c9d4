#include "inference-server/protocol/v2_request.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "inference-server/protocol/base64.hpp"
#include "inference-server/protocol/query.hpp"
#include "inference-server/protocol/v2_binary.hpp"
#include "inference-server/protocol/v2_json.hpp"

namespace imageclassifier::protocol {
namespace {

using Json = nlohmann::json;
using MaybeProblem = std::optional<Problem>;

Problem bad_request(std::string detail) {
  return {ProblemCode::kBadRequest, std::move(detail)};
}
Problem bad_parameter(std::string detail) {
  return {ProblemCode::kBadParameter, std::move(detail)};
}

/// The member as an object; an empty one when it is absent.
tl::expected<Json, Problem> parameters_of(const Json& object) {
  const auto found = object.find("parameters");
  if (found == object.end() || found->is_null()) return Json::object();
  if (!found->is_object()) return tl::unexpected<Problem>(bad_parameter("parameters must be an object."));
  return *found;
}

std::string text_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// The only input, in whichever of the two forms its data come.
struct Tensor {
  std::string name;
  std::string datatype;
  std::vector<std::uint64_t> shape;
  V2Data* data = nullptr;
  std::optional<std::string_view> bytes;
};

MaybeProblem read_shape(const Json& input, Tensor& tensor) {
  const auto shape = input.find("shape");
  if (shape == input.end() || !shape->is_array()) return bad_request("The input needs a shape: an array of numbers.");
  for (const Json& side : *shape) {
    if (!side.is_number_unsigned()) return bad_request("A shape consists of whole numbers that are not negative.");
    tensor.shape.push_back(side.get<std::uint64_t>());
  }
  return std::nullopt;
}

MaybeProblem read_data(const Json& input, std::string_view binary, std::vector<V2Data>& data, Tensor& tensor) {
  const auto parameters = parameters_of(input);
  if (!parameters) return parameters.error();
  const auto size = parameters->find("binary_data_size");
  const auto index = input.find("data");
  if (size == parameters->end()) {
    if (index == input.end()) return bad_request("The input \"" + tensor.name + "\" has no data.");
    if (!binary.empty()) return bad_request("There are bytes behind the JSON that no binary_data_size names.");
    // Where the data stand in the text the reader has left their index.
    if (!index->is_number_unsigned() || index->get<std::size_t>() >= data.size()) {
      return bad_request("The data of an input must be an array of numbers or of strings.");
    }
    tensor.data = &data[index->get<std::size_t>()];
    return std::nullopt;
  }
  if (index != input.end()) return bad_request("The input has both data and binary_data_size.");
  if (!size->is_number_unsigned() || size->get<std::uint64_t>() != binary.size()) {
    return bad_request("binary_data_size is not the number of bytes behind the JSON, which is " +
                       std::to_string(binary.size()) + ".");
  }
  tensor.bytes = binary;
  return std::nullopt;
}

MaybeProblem take_pictures(const Tensor& tensor, V2Request& request) {
  if (tensor.datatype != "BYTES") return bad_request("The datatype of the input \"image\" is BYTES.");
  if (tensor.shape.size() != 1 || tensor.shape[0] < 1) {
    return bad_request("The shape of the input \"image\" is [N], one number of at least 1.");
  }
  const std::uint64_t count = tensor.shape[0];
  if (tensor.bytes) {
    const auto elements = split_v2_bytes(*tensor.bytes, count);
    if (!elements) {
      return bad_request(
          "The bytes of the input \"image\" are not as many elements as its shape says, each with its "
          "length in 32 bits in front.");
    }
    for (const std::string_view element : *elements) request.pictures.push_back({std::nullopt, element});
    return std::nullopt;
  }
  if (tensor.data->strings.size() != count || !tensor.data->numbers.empty()) {
    return bad_request("The input \"image\" needs as many strings as its shape says: pictures in base64.");
  }
  request.decoded.reserve(count);
  for (const std::string& text : tensor.data->strings) {
    auto bytes = base64_decode(text);
    if (!bytes) return bad_request("A picture is not in base64 (the standard alphabet, padded, no line ends).");
    request.decoded.push_back(std::move(*bytes));
  }
  for (const std::string& bytes : request.decoded) request.pictures.push_back({std::nullopt, bytes});
  return std::nullopt;
}

MaybeProblem take_inputs(const Tensor& tensor, int crop, V2Request& request) {
  const auto side = static_cast<std::uint64_t>(crop);
  if (tensor.datatype != "FP32") return bad_request("The datatype of the input \"input\" is FP32.");
  if (tensor.shape.size() != 4 || tensor.shape[0] < 1 || tensor.shape[1] != 3 || tensor.shape[2] != side ||
      tensor.shape[3] != side) {
    const std::string text = std::to_string(crop);
    return bad_request("The shape of the input \"input\" is [N, 3, " + text + ", " + text + "], N at least 1.");
  }
  std::vector<float> values;
  if (tensor.bytes) {
    auto split = split_v2_floats(*tensor.bytes);
    if (!split) return bad_request("The bytes of the input \"input\" are not whole numbers of 32 bits.");
    values = std::move(*split);
  } else {
    if (!tensor.data->strings.empty()) return bad_request("The data of the input \"input\" must be numbers.");
    values = std::move(tensor.data->numbers);
  }
  const std::size_t each = 3 * side * side;
  if (values.size() % each != 0 || values.size() / each != tensor.shape[0]) {
    return bad_request("The input \"input\" has " + std::to_string(values.size()) +
                       " numbers, which is not what its shape says.");
  }
  if (!std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); })) {
    return bad_request("The input \"input\" has numbers that are not finite.");
  }
  for (auto begin = values.begin(); begin != values.end(); begin += static_cast<std::ptrdiff_t>(each)) {
    request.inputs.push_back(
        {.channels = 3, .height = crop, .width = crop, .values = {begin, begin + static_cast<std::ptrdiff_t>(each)}});
  }
  return std::nullopt;
}

MaybeProblem read_input(const Json& root, std::string_view binary, std::vector<V2Data>& data, int crop,
                        V2Request& request) {
  const auto inputs = root.find("inputs");
  if (inputs == root.end() || !inputs->is_array() || inputs->size() != 1 || !inputs->front().is_object()) {
    return bad_request("The request needs inputs: exactly one, \"image\" or \"input\".");
  }
  const Json& input = inputs->front();
  Tensor tensor{.name = text_of(input, "name"), .datatype = text_of(input, "datatype"), .shape = {}, .bytes = {}};
  if (tensor.name != kV2ImageInput && tensor.name != kV2TensorInput) {
    return bad_request("The model has the inputs \"image\" and \"input\", and no other.");
  }
  if (auto problem = read_shape(input, tensor)) return problem;
  if (auto problem = read_data(input, binary, data, tensor)) return problem;
  return tensor.name == kV2ImageInput ? take_pictures(tensor, request) : take_inputs(tensor, crop, request);
}

tl::expected<bool, Problem> flag(const Json& parameters, const char* name, bool fallback) {
  const auto found = parameters.find(name);
  if (found == parameters.end()) return fallback;
  if (!found->is_boolean()) {
    return tl::unexpected<Problem>(bad_parameter(std::string(name) + " must be true or false."));
  }
  return found->get<bool>();
}

MaybeProblem read_output(const Json& output, bool binary, V2Wanted& wanted) {
  const std::string name = output.is_object() ? text_of(output, "name") : std::string();
  if (name != kV2Logits && name != kV2Probabilities) {
    return bad_request("The model has the outputs \"logits\" and \"probabilities\", and no other.");
  }
  const auto same = [&name](const V2Output& other) { return other.name == name; };
  if (std::any_of(wanted.outputs.begin(), wanted.outputs.end(), same)) {
    return bad_request("The output \"" + name + "\" is asked for twice.");
  }
  const auto parameters = parameters_of(output);
  if (!parameters) return parameters.error();
  const auto as_binary = flag(*parameters, "binary_data", binary);
  if (!as_binary) return as_binary.error();
  int classification = 0;
  if (const auto found = parameters->find("classification"); found != parameters->end()) {
    if (!found->is_number_unsigned() || found->get<std::uint64_t>() < 1) {
      return bad_parameter("classification must be a whole number of at least 1.");
    }
    const std::uint64_t most = std::numeric_limits<int>::max();
    classification = static_cast<int>(std::min(found->get<std::uint64_t>(), most));
  }
  wanted.outputs.push_back({name, *as_binary, classification});
  return std::nullopt;
}

MaybeProblem read_outputs(const Json& root, bool binary, V2Wanted& wanted) {
  const auto outputs = root.find("outputs");
  if (outputs == root.end() || outputs->is_null() || (outputs->is_array() && outputs->empty())) {
    wanted.outputs = {{std::string(kV2Logits), binary, 0}, {std::string(kV2Probabilities), binary, 0}};
    return std::nullopt;
  }
  if (!outputs->is_array()) return bad_request("outputs must be an array.");
  for (const Json& output : *outputs) {
    if (auto problem = read_output(output, binary, wanted)) return problem;
  }
  return std::nullopt;
}

MaybeProblem read_schedule(const Json& parameters, V2Request& request) {
  if (const auto priority = parameters.find("priority"); priority != parameters.end()) {
    if (!priority->is_number_unsigned()) return bad_parameter("priority must be a whole number that is not negative.");
    if (*priority == 1) request.options.priority = batching::Priority::kHigh;
  }
  const auto timeout = parameters.find("timeout");
  if (timeout == parameters.end()) return std::nullopt;
  if (!timeout->is_number_unsigned()) {
    return bad_parameter("timeout must be a whole number of microseconds that is not negative.");
  }
  constexpr std::uint64_t kLongest = std::chrono::microseconds(std::chrono::hours(24)).count();
  const std::uint64_t microseconds = std::min(timeout->get<std::uint64_t>(), kLongest);
  if (microseconds > 0) request.timeout = std::chrono::microseconds(microseconds);
  return std::nullopt;
}

MaybeProblem read_request(const Json& root, std::string_view binary, std::vector<V2Data>& data, int crop,
                          V2Request& request) {
  if (!root.is_object()) return bad_request("The request must be a JSON object.");
  if (const auto id = root.find("id"); id != root.end() && !id->is_null()) {
    if (!id->is_string()) return bad_request("id must be a string.");
    request.wanted.id = id->get<std::string>();
  }
  const auto parameters = parameters_of(root);
  if (!parameters) return parameters.error();
  if (auto problem = read_schedule(*parameters, request)) return problem;
  for (const char* name : {"decode", "exif", "alpha"}) {
    if (!parameters->contains(name)) continue;
    if (auto problem = set_reading(request.options, name, text_of(*parameters, name))) return problem;
  }
  const auto as_binary = flag(*parameters, "binary_data_output", false);
  if (!as_binary) return as_binary.error();
  if (auto problem = read_outputs(root, *as_binary, request.wanted)) return problem;
  return read_input(root, binary, data, crop, request);
}

}  // namespace

tl::expected<V2Request, Problem> parse_v2_request(std::string_view body, std::optional<std::size_t> json_bytes,
                                                  int crop) {
  const std::size_t size = json_bytes.value_or(body.size());
  if (size > body.size()) {
    return tl::unexpected<Problem>(bad_request("Inference-Header-Content-Length is larger than the body."));
  }
  Json root;
  std::vector<V2Data> data;
  if (auto problem = read_v2_json(body.substr(0, size), root, data)) return tl::unexpected<Problem>(*problem);
  V2Request request;
  if (auto problem = read_request(root, body.substr(size), data, crop, request)) {
    return tl::unexpected<Problem>(*problem);
  }
  request.options.k = 0;
  request.options.keep_logits = true;
  return request;
}

}  // namespace imageclassifier::protocol
