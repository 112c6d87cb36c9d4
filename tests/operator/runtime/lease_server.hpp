#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>

#include "operator/kubernetes/transport.hpp"

namespace imageclassifier::testing {

/// The part of an API server that keeps one Lease: GET, POST, PUT with versions, and its watch. Thread safe.
class LeaseServer {
 public:
  /// How one process reaches it.
  class Connection final : public kubernetes::Transport {
   public:
    explicit Connection(LeaseServer& server) : server_(server) {}
    void break_down(bool broken) { set(broken_, broken); }
    void hang(bool hanging) { set(hanging_, hanging); }

    Result<kubernetes::Response> send(const kubernetes::Request& request, SteadyTime deadline,
                                      std::stop_token stop) override {
      std::unique_lock lock(server_.mutex_);
      if (hanging_) {
        server_.changed_.wait_until(lock, stop, deadline, [this] { return !hanging_; });
        return fail(ErrorCode::kDeadlineExceeded, "no answer");
      }
      if (broken_) return fail(ErrorCode::kUnavailable, "no way");
      return server_.answer(request);
    }

    Result<kubernetes::StreamEnd> stream(const kubernetes::Request&, kubernetes::LineSink& sink, Duration idle_timeout,
                                         std::stop_token stop) override {
      std::unique_lock lock(server_.mutex_);
      if (broken_) return fail(ErrorCode::kUnavailable, "no way");
      if (server_.watches_refused_) return refused();
      ++server_.watches_;
      server_.changed_.notify_all();
      kubernetes::StreamEnd end;
      end.status = 200;
      if (server_.watches_fail_) {
        end.cause = kubernetes::StreamEnd::Cause::kEndedBySink;
        (void)sink.on_line(R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}})");
        return end;
      }
      for (int seen = server_.version_;;) {
        const bool moved =
            server_.changed_.wait_for(lock, stop, idle_timeout, [&] { return server_.version_ != seen || broken_; });
        if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "stopped");
        end.cause = moved ? kubernetes::StreamEnd::Cause::kBroken : kubernetes::StreamEnd::Cause::kIdleTimeout;
        if (!moved || broken_) return end;
        seen = server_.version_;
        const std::string line = nlohmann::json{
            {"type", server_.lease_.is_null() ? "DELETED" : "MODIFIED"},
            {"object",
             server_.lease_}}.dump();
        lock.unlock();
        const bool more = sink.on_line(line);
        lock.lock();
        end.cause = kubernetes::StreamEnd::Cause::kEndedBySink;
        if (!more) return end;
      }
    }

   private:
    static kubernetes::StreamEnd refused() {
      kubernetes::StreamEnd end;
      end.status = 403;
      end.cause = kubernetes::StreamEnd::Cause::kRefusedByServer;
      return end;
    }
    void set(bool& what, bool value) {
      std::lock_guard hold(server_.mutex_);
      what = value;
      server_.changed_.notify_all();
    }

    LeaseServer& server_;
    bool broken_ = false;
    bool hanging_ = false;
  };

  std::string holder() {
    std::lock_guard hold(mutex_);
    return lease_.is_null() ? "" : lease_["spec"].value("holderIdentity", "");
  }
  void take(const std::string& holder) {
    change([&] {
      if (lease_.is_null()) lease_ = {{"metadata", {{"name", "lease"}}}, {"spec", {{"leaseDurationSeconds", 1}}}};
      lease_["spec"]["holderIdentity"] = holder;
    });
  }
  void touch() {
    change([&] { lease_["metadata"]["labels"]["touched"] = "yes"; });
  }
  void remove() {
    change([&] { lease_ = nullptr; });
  }
  void refuse_watches() {
    std::lock_guard hold(mutex_);
    watches_refused_ = true;
  }
  /// Each watch is answered with an ERROR line from now on.
  void fail_watches() {
    std::lock_guard hold(mutex_);
    watches_fail_ = true;
  }
  /// Each write is answered so from now on, and changes nothing.
  void answer_writes(int status, const nlohmann::json& body) {
    std::lock_guard hold(mutex_);
    answer_to_writes_ = kubernetes::Response{status, {}, body.dump()};
  }
  int writes() {
    std::lock_guard hold(mutex_);
    return writes_;
  }
  int watches() {
    std::lock_guard hold(mutex_);
    return watches_;
  }
  void wait_for_watches(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return watches_ >= count; });
  }
  /// Looks every millisecond, for at most ten seconds.
  void wait_until(const std::function<bool()>& condition) {
    for (int i = 0; i < 10000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (!condition()) throw std::runtime_error("waited in vain");
  }

 private:
  void change(const std::function<void()>& how) {
    std::lock_guard hold(mutex_);
    how();
    ++version_;
    if (!lease_.is_null()) lease_["metadata"]["resourceVersion"] = std::to_string(version_);
    changed_.notify_all();
  }

  Result<kubernetes::Response> answer(const kubernetes::Request& request) {
    const auto reply = [](int status, const nlohmann::json& body) {
      return kubernetes::Response{status, {}, body.dump()};
    };
    if (request.method == kubernetes::Method::kGet) {
      return lease_.is_null() ? reply(404, {{"reason", "NotFound"}, {"kind", "Status"}}) : reply(200, lease_);
    }
    ++writes_;
    if (answer_to_writes_) return *answer_to_writes_;
    const nlohmann::json sent = nlohmann::json::parse(request.body);
    if (request.method == kubernetes::Method::kPost) {
      if (!lease_.is_null()) return reply(409, {{"reason", "AlreadyExists"}, {"kind", "Status"}});
    } else {
      if (lease_.is_null()) return reply(404, {{"reason", "NotFound"}, {"kind", "Status"}});
      if (sent["metadata"].value("resourceVersion", "") != lease_["metadata"]["resourceVersion"]) {
        return reply(409, {{"reason", "Conflict"}, {"kind", "Status"}});
      }
    }
    lease_ = sent;
    lease_["metadata"]["resourceVersion"] = std::to_string(++version_);
    changed_.notify_all();
    return reply(200, lease_);
  }

  std::mutex mutex_;
  std::condition_variable_any changed_;
  nlohmann::json lease_;
  int version_ = 0;
  int watches_ = 0;
  int writes_ = 0;
  std::optional<kubernetes::Response> answer_to_writes_;
  bool watches_refused_ = false;
  bool watches_fail_ = false;
};

}  // namespace imageclassifier::testing
