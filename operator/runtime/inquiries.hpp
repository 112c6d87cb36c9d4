#pragma once

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/clock.hpp"
#include "operator/runtime/object_key.hpp"

namespace imageclassifier::runtime {

/// Asks what the outside world alone can answer, outside the reconcile workers, and again from time to time. Objects
/// that have the same question, by its id, share one answer: of a question no more than one is under way, also while
/// those who asked it come and go.
///
/// An object has one question at a time. watch(), forget() and an answer cost O(log n), and O(askers) if it is a new
/// one. Answers that are equal by == are no news. Thread safe. `ask` runs on threads of its own, started as they are
/// needed; `on_change` there and in watch(), with no lock held.
template <typename Question, typename Answer>
class Inquiries {
 public:
  struct Reply {
    std::optional<Answer> answer;  ///< nothing: there is none yet, or still the one from before
    Duration again;                ///< ask again after that
  };
  /// `before`: the last answer to this question; null if there is none.
  using Ask = std::function<Reply(const Question& question, std::shared_ptr<const Answer> before, std::stop_token)>;
  using OnChange = std::function<void(const ObjectKey&)>;

  Inquiries(int threads, Ask ask, OnChange on_change, Clock& clock)
      : limit_(threads), ask_(std::move(ask)), on_change_(std::move(on_change)), clock_(clock) {}
  ~Inquiries() { stop(); }
  Inquiries(const Inquiries&) = delete;
  Inquiries& operator=(const Inquiries&) = delete;

  void start() {
    const std::unique_lock lock(mutex_);
    add_thread();
  }

  /// Joins the threads. Called by the destructor too.
  void stop() {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    std::vector<std::jthread> threads = std::move(threads_);
    lock.unlock();
    for (std::jthread& thread : threads) thread.request_stop();
  }

  /// The object has this question from now on, in place of any other. Where it is answered already, on_change is
  /// called. Until it is asked first it takes as long as the most urgent of all who have it says by `delay`.
  ///
  /// `still`: whether the answer to the object's question so far is one to this question too, until it is asked; called
  /// with the lock held.
  void watch(const ObjectKey& key, const std::string& id, const Question& question, Duration delay = {},
             const std::function<bool(const Question& before, const Answer& answer)>& still = {}) {
    std::unique_lock lock(mutex_);
    const SteadyTime wanted = clock_.steady_now() + delay;
    const auto known = watched_.find(key);
    if (known != watched_.end() && known->second == id) return hasten(*entries_.find(id), wanted);
    std::shared_ptr<const Answer> kept;
    if (known != watched_.end()) {
      const Entry& before = entries_.at(known->second);
      if (still && before.answer && still(*before.question, *before.answer)) kept = before.answer;
      leave(key, known->second);
    }
    watched_[key] = id;
    const auto [entry, is_new] = entries_.try_emplace(id);
    entry->second.askers.insert(key);
    if (is_new) {
      entry->second.question = std::make_shared<const Question>(question);
      entry->second.answer = std::move(kept);
      entry->second.due = wanted;
      enter_line(*entry);
    } else {
      hasten(*entry, wanted);
    }
    const bool answered = entry->second.answer != nullptr;
    lock.unlock();
    if (answered) on_change_(key);
  }

  void forget(const ObjectKey& key) {
    const std::unique_lock lock(mutex_);
    const auto known = watched_.find(key);
    if (known == watched_.end()) return;
    leave(key, known->second);
    watched_.erase(known);
  }

  /// The last answer to this object's question; null: there is none yet, or it has another question than `id`.
  std::shared_ptr<const Answer> answer(const ObjectKey& key, const std::string& id) const {
    const std::unique_lock lock(mutex_);
    const auto known = watched_.find(key);
    if (known == watched_.end() || known->second != id) return nullptr;
    return entries_.at(id).answer;
  }

 private:
  struct Entry {
    std::shared_ptr<const Question> question;
    std::shared_ptr<const Answer> answer;
    std::set<ObjectKey> askers;
    SteadyTime due{};
    bool busy = false;
    bool asked = false;  ///< once at least
  };
  using Entries = std::map<std::string, Entry>;

  void enter_line(const typename Entries::value_type& entry) {
    line_.emplace(entry.second.due, entry.first);
    changed_.notify_all();
  }

  void hasten(typename Entries::value_type& entry, SteadyTime wanted) {
    Entry& one = entry.second;
    if (one.busy || one.asked || wanted >= one.due) return;
    line_.erase({one.due, entry.first});
    one.due = wanted;
    enter_line(entry);
  }

  void leave(const ObjectKey& key, const std::string& id) {
    const auto entry = entries_.find(id);
    entry->second.askers.erase(key);
    // What is under way may still be wanted by the next one.
    if (!entry->second.askers.empty() || entry->second.busy) return;
    line_.erase({entry->second.due, id});
    entries_.erase(entry);
  }

  void work(std::stop_token stop) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
      if (line_.empty() || line_.begin()->first > clock_.steady_now()) {
        const SteadyTime until = line_.empty() ? clock_.steady_now() + std::chrono::hours(1) : line_.begin()->first;
        ++idle_;
        clock_.wait_until(changed_, lock, stop, until, [&] { return !line_.empty() && line_.begin()->first < until; });
        --idle_;
        continue;
      }
      typename Entries::value_type& entry = *entries_.find(line_.begin()->second);
      line_.erase(line_.begin());
      answer_one(lock, entry, stop);
    }
  }

  void answer_one(std::unique_lock<std::mutex>& lock, typename Entries::value_type& entry, std::stop_token stop) {
    Entry& one = entry.second;
    one.busy = one.asked = true;
    if (idle_ == 0) add_thread();
    const auto question = one.question;
    const auto before = one.answer;
    lock.unlock();
    Reply reply = ask_(*question, before, stop);
    lock.lock();
    one.busy = false;
    if (one.askers.empty()) {
      entries_.erase(entries_.find(entry.first));
      return;
    }
    one.due = clock_.steady_now() + reply.again;
    enter_line(entry);
    if (stop.stop_requested() || !reply.answer) return;
    one.answer = std::make_shared<const Answer>(std::move(*reply.answer));
    if (before && *before == *one.answer) return;
    const std::vector<ObjectKey> askers(one.askers.begin(), one.askers.end());
    lock.unlock();
    for (const ObjectKey& key : askers) on_change_(key);
    lock.lock();
  }

  void add_thread() {
    if (stopping_ || static_cast<int>(threads_.size()) >= limit_) return;
    threads_.emplace_back([this](std::stop_token stop) { work(stop); });
  }

  const int limit_;
  const Ask ask_;
  const OnChange on_change_;
  Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  Entries entries_;                                    ///< by id; busy ones stay until they are answered
  std::map<ObjectKey, std::string> watched_;           ///< id of the question that an object has
  std::set<std::pair<SteadyTime, std::string>> line_;  ///< of the entries that no thread is busy with
  int idle_ = 0;
  bool stopping_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace imageclassifier::runtime
