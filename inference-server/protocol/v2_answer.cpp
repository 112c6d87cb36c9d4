#include "inference-server/protocol/v2_answer.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "inference-server/protocol/request_context.hpp"
#include "inference-server/protocol/v2_binary.hpp"

namespace imageclassifier::protocol {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<float> values_of(const V2Output& output, const PictureResult& result, const model::Manifest& manifest) {
  if (output.name == kV2Logits) return result.logits;
  const std::vector<double> probabilities = postprocess::softmax(result.logits, manifest.temperature);
  return {probabilities.begin(), probabilities.end()};
}

/// The shortest text that reads back as the same float.
void append_number(std::string& text, float value) {
  if (!std::isfinite(value)) {
    text += "null";
    return;
  }
  std::array<char, 32> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  text.append(digits.data(), end);
}

/// "0.912345:281:tabby" of the best classes.
std::vector<std::string> best_classes(const V2Output& output, const PictureResult& result,
                                      const model::Manifest& manifest) {
  const auto best = postprocess::top_k(result.logits, manifest.labels, output.classification, manifest.temperature);
  std::vector<std::string> classes;
  for (const postprocess::Prediction& prediction : best) {
    const double value = output.name == kV2Logits
                             ? static_cast<double>(result.logits[static_cast<std::size_t>(prediction.index)])
                             : prediction.probability;
    std::array<char, 64> number{};
    std::snprintf(number.data(), number.size(), "%.6f:%d", value, prediction.index);
    classes.push_back(number.data() + (prediction.label.empty() ? std::string() : ":" + prediction.label));
  }
  return classes;
}

/// One tensor: its JSON goes to `json`, its bytes, when they are wanted so, to `binary`.
void append_output(const V2Output& output, const std::vector<PictureResult>& results, const model::Manifest& manifest,
                   std::string& json, std::string& binary) {
  const bool classes = output.classification > 0;
  const std::size_t binary_before = binary.size();
  std::string data;
  std::size_t columns = 0;
  const auto separate = [&data] {
    if (!data.empty()) data += ',';
  };
  for (const PictureResult& result : results) {
    if (classes) {
      const auto texts = best_classes(output, result, manifest);
      columns = texts.size();
      for (const std::string& text : texts) {
        if (output.binary) {
          append_v2_bytes(binary, text);
        } else {
          separate();
          data += dump(text);
        }
      }
      continue;
    }
    const std::vector<float> values = values_of(output, result, manifest);
    columns = values.size();
    if (output.binary) {
      append_v2_floats(binary, values);
      continue;
    }
    for (const float value : values) {
      separate();
      append_number(data, value);
    }
  }
  Json head = {{"name", output.name}, {"datatype", classes ? "BYTES" : "FP32"}, {"shape", {results.size(), columns}}};
  if (output.binary) head["parameters"] = {{"binary_data_size", binary.size() - binary_before}};
  std::string text = dump(head);
  if (!output.binary) {
    text.back() = ',';
    text += "\"data\":[" + data + "]}";
  }
  json += text;
}

}  // namespace

HttpResponse v2_answer(const V2Wanted& wanted, const std::vector<PictureResult>& results, const model::ModelInfo& info,
                       const model::Manifest& manifest) {
  Json head = {{"model_name", info.name}, {"model_version", info.version}};
  if (wanted.id) head["id"] = *wanted.id;
  std::string json = dump(head);
  json.back() = ',';
  json += "\"outputs\":[";
  std::string binary;
  bool any_binary = false;
  for (const V2Output& output : wanted.outputs) {
    if (&output != &wanted.outputs.front()) json += ',';
    append_output(output, results, manifest, json, binary);
    any_binary = any_binary || output.binary;
  }
  json += "]}";
  HttpResponse response{.content_type = "application/json", .body = {}};
  if (any_binary) {
    response.content_type = "application/octet-stream";
    response.headers.push_back({"Inference-Header-Content-Length", std::to_string(json.size())});
  }
  response.body = std::move(json) + binary;
  return response;
}

HttpResponse v2_problem_response(const Problem& problem, const std::string& request_id) {
  HttpResponse response{.status = status_of(problem),
                        .content_type = "application/json",
                        .body = dump({{"error", problem.detail}}) + "\n"};
  if (problem.retry_after > 0) response.headers.push_back({"Retry-After", std::to_string(problem.retry_after)});
  add_common_headers(response, request_id);
  return response;
}

bool is_v2_path(std::string_view path) {
  return path == "/v2" || path.starts_with("/v2/");
}

}  // namespace imageclassifier::protocol
