#pragma once

#include <catch2/catch.hpp>
#include <fstream>
#include <future>
#include <iterator>
#include <memory>
#include <string>
#include <thread>

#include "inference-server/protocol/routes.hpp"
#include "tests/support/raw_client.hpp"

namespace imageclassifier::test {

/// Two classes, "dark" and "bright", by the mean of the picture; with a gate that holds the first batch.
class BrightnessModel final : public model::Model {
 public:
  const model::ModelInfo& info() const override { return info_; }
  const model::Manifest& manifest() const override { return manifest_; }
  Result<model::Logits> forward(std::span<const preprocess::Input> inputs) override {
    ++entered;
    if (while_computing) while_computing();
    if (gate.valid()) gate.wait();
    if (broken) return fail(ErrorCode::kInternal, "secret detail of the library");
    model::Logits logits;
    for (const preprocess::Input& input : inputs) {
      double sum = 0;
      for (const float value : input.values) sum += value;
      const auto mean = static_cast<float>(sum / static_cast<double>(input.values.size()));
      logits.rows.push_back({-mean, mean});
    }
    return logits;
  }

  model::ModelInfo info_{"brightness", "1", "resnet18", "float32", "onednn", std::string(64, 'a'), true};
  model::Manifest manifest_{"resnet18", "demo", {}, {"dark <b>", "bright"}, 1.0, {"n00000000", "n00000001"}};
  std::shared_future<void> gate;
  std::function<void()> while_computing;
  std::atomic<bool> broken{false};
  std::atomic<int> entered{0};
};

inline std::string read_picture(const std::string& name) {
  std::ifstream file("tests/inference-server/goldens/pictures/" + name, std::ios::binary);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Every endpoint behind a real HTTP server on 127.0.0.1, with a model that needs no LibTorch.
class ProtocolFixture {
 public:
  explicit ProtocolFixture(bool ready = true, protocol::ProtocolOptions options = {}, batching::LaneOptions lane = {},
                           std::function<bool(const HttpRequest&)> admit = {}) {
    HttpServerOptions http;
    http.admit = std::move(admit);
    http.address = "127.0.0.1";
    http.refusal_response = protocol::refusal_response;
    http.observer = [this](const HttpExchange& exchange) {
      metrics.request(exchange.route, exchange.response->status, exchange.duration);
    };
    auto started = HttpServer::start(std::move(http), protocol::make_routes(state, metrics, options));
    REQUIRE(started.has_value());
    server = std::move(*started);
    auto made = std::make_unique<BrightnessModel>();
    model = made.get();
    classifier = std::make_shared<protocol::Classifier>(protocol::ClassifierOptions{{}, lane, 2}, std::move(made),
                                                        clock, metrics);
    if (!ready) return;
    REQUIRE(classifier->warm_up().has_value());
    REQUIRE(classifier->warm_up_batches().has_value());
    state.ready(classifier);
  }

  /// One request on a connection of its own; `headers` end each with CRLF.
  std::string request(const std::string& method, const std::string& target, const std::string& headers = {},
                      const std::string& body = {}) const {
    RawClient client(server->port());
    client.send(method + " " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " +
                std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body);
    return client.read_to_end();
  }
  std::string get(const std::string& target, const std::string& headers = {}) const {
    return request("GET", target, headers);
  }
  std::string post(const std::string& body, const std::string& query = {}, const std::string& headers = {}) const {
    return request("POST", "/v1/classify" + query, headers, body);
  }

  /// One picture is being computed, behind the gate, and `count` wait.
  void wait_for_queue(int entered, std::size_t count) const {
    while (model->entered < entered || classifier->queued() < count) std::this_thread::yield();
  }

  SystemClock clock;
  MetricsRegistry registry;
  protocol::InferenceMetrics metrics{registry};
  StartStages stages{clock};
  protocol::ServerState state{stages};
  BrightnessModel* model = nullptr;
  std::shared_ptr<protocol::Classifier> classifier;
  std::unique_ptr<HttpServer> server;
};

constexpr const char* kFormHeader = "Content-Type: multipart/form-data; boundary=XX\r\n";

inline std::string form_part(const std::string& name, const std::string& filename, const std::string& body) {
  return "--XX\r\nContent-Disposition: form-data; name=\"" + name + "\"; filename=\"" + filename +
         "\"\r\nContent-Type: application/octet-stream\r\n\r\n" + body + "\r\n";
}

}  // namespace imageclassifier::test
