#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "operator/kubernetes/transport.hpp"

namespace imageclassifier::testing {

/// An API server by scenario: the exact requests in their order, each with its answer. A request that is not the next
/// expected one is answered with kInternal and remembered in problems(); so is what is left at the end (finish()).
/// After the script, streams block until they are stopped. Thread safe.
class FakeTransport final : public kubernetes::Transport {
 public:
  struct Answer {
    Result<kubernetes::Response> response = kubernetes::Response{200, {}, "{}"};
    std::vector<std::string> lines = {};  ///< streams only, before the end
    kubernetes::StreamEnd::Cause end = kubernetes::StreamEnd::Cause::kEndOfStream;
    std::function<void()> before = {};  ///< called before answering, on the caller's thread
  };

  /// "GET /api/v1/secrets?limit=500". A trailing '*' matches any rest.
  FakeTransport& expect(std::string request, Answer answer) {
    std::lock_guard hold(mutex_);
    script_.push_back({std::move(request), std::move(answer)});
    return *this;
  }
  FakeTransport& expect(std::string request, int status, std::string body,
                        std::vector<kubernetes::Header> headers = {}) {
    return expect(std::move(request), Answer{kubernetes::Response{status, std::move(headers), std::move(body)}, {}});
  }
  FakeTransport& expect_error(std::string request, ErrorCode code) {
    return expect(std::move(request), Answer{tl::unexpected<Error>(Error(code, "scripted")), {}});
  }
  FakeTransport& expect_watch(std::string request, std::vector<std::string> lines,
                              kubernetes::StreamEnd::Cause end = kubernetes::StreamEnd::Cause::kEndOfStream) {
    Answer answer;
    answer.lines = std::move(lines);
    answer.end = end;
    return expect(std::move(request), std::move(answer));
  }

  Result<kubernetes::Response> send(const kubernetes::Request& request, SteadyTime, std::stop_token) override {
    Answer answer = take(request);
    if (answer.before) answer.before();
    return answer.response;
  }

  Result<kubernetes::StreamEnd> stream(const kubernetes::Request& request, kubernetes::LineSink& sink, Duration,
                                       std::stop_token stop) override {
    if (is_done()) return block(request, stop);
    Answer answer = take(request);
    if (answer.before) answer.before();
    if (!answer.response) return fail(answer.response.error());
    kubernetes::StreamEnd end;
    end.status = answer.response->status;
    end.headers = answer.response->headers;
    end.cause = answer.end;
    if (end.status >= 400) {
      end.cause = kubernetes::StreamEnd::Cause::kRefusedByServer;
      end.body = answer.response->body;
      return end;
    }
    for (const std::string& line : answer.lines) {
      if (!sink.on_line(line)) {
        end.cause = kubernetes::StreamEnd::Cause::kEndedBySink;
        break;
      }
    }
    return end;
  }

  std::vector<kubernetes::Request> requests() const {
    std::lock_guard hold(mutex_);
    return requests_;
  }
  /// Blocks until the script is used up and, if `blocked`, a further stream waits for its stop.
  void wait_until_done(bool blocked = false) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return script_.empty() && (!blocked || blocked_ > 0); });
  }
  std::vector<std::string> finish() const {
    std::lock_guard hold(mutex_);
    std::vector<std::string> all = problems_;
    for (const auto& [request, answer] : script_) all.push_back("not sent: " + request);
    return all;
  }

 private:
  bool is_done() const {
    std::lock_guard hold(mutex_);
    return script_.empty();
  }

  static bool matches(const std::string& expected, const std::string& actual) {
    if (!expected.empty() && expected.back() == '*')
      return actual.rfind(expected.substr(0, expected.size() - 1), 0) == 0;
    return expected == actual;
  }

  Answer take(const kubernetes::Request& request) {
    std::lock_guard hold(mutex_);
    const std::string line = std::string(to_string(request.method)) + " " + request.target;
    requests_.push_back(request);
    if (script_.empty() || !matches(script_.front().first, line)) {
      problems_.push_back("unexpected: " + line + (script_.empty() ? "" : "; expected: " + script_.front().first));
      return Answer{tl::unexpected<Error>(Error(ErrorCode::kInternal, problems_.back())), {}};
    }
    Answer answer = std::move(script_.front().second);
    script_.pop_front();
    changed_.notify_all();
    return answer;
  }

  Result<kubernetes::StreamEnd> block(const kubernetes::Request& request, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    requests_.push_back(request);
    ++blocked_;
    changed_.notify_all();
    std::condition_variable_any until_stop;
    until_stop.wait(lock, stop, [] { return false; });
    return fail(ErrorCode::kCancelled, "stopped");
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<std::string, Answer>> script_;
  std::vector<kubernetes::Request> requests_;
  std::vector<std::string> problems_;
  int blocked_ = 0;
};

}  // namespace imageclassifier::testing
