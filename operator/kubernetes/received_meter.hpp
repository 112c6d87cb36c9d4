#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>

#include "operator/kubernetes/receive_budget.hpp"

struct ssl_ctx_st;  // SSL_CTX of OpenSSL

namespace imageclassifier::kubernetes {

/// Counts what a TLS connection has received and its reader has not handed on, for an HTTP library that holds a head or
/// a chunk of any size before it does. Counted are TLS records with their headers, a few per cent more than the bytes
/// in them. Thread safe.
class ReceivedMeter {
 public:
  /// Makes every connection of `context` count here; the context keeps the meter alive. False: OpenSSL has no memory.
  static bool attach(ssl_ctx_st* context, std::shared_ptr<ReceivedMeter> meter);

  /// A new exchange: from now on `over` is called, once, when more than `limit` bytes are held back, or all that this
  /// process receives exceeds the budget. It runs on the
  /// thread that reads, without a lock of the meter.
  void start(std::size_t limit, std::function<void()> over);
  /// Another limit for the rest of the exchange.
  void set_limit(std::size_t limit);
  /// The reader has handed on what it had.
  void handed_on();

 private:
  void received(std::size_t bytes);
  void drop();

  std::mutex mutex_;
  std::size_t held_ = 0;
  ReceiveBudget::Share share_{receive_budget()};
  std::size_t limit_ = 0;
  std::function<void()> over_;
};

}  // namespace imageclassifier::kubernetes
