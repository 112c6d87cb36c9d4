#pragma once

// Internal to common/http_server*.cpp: the server side of TLS, by OpenSSL.
#include <memory>
#include <span>
#include <string_view>

#include "common/http_server.hpp"

struct ssl_st;
struct ssl_ctx_st;

namespace imageclassifier {

/// A certificate in use, with all that its connections share. Immutable. TLS 1.2 with forward secrecy and authenticated
/// encryption only (RFC 9325), or 1.3; no renegotiation, no compression; sessions live in tickets, never in memory
/// here.
class HttpTlsContext {
 public:
  /// kInvalidArgument: not PEM, encrypted, too weak, or the key is not the certificate's. No message holds key
  /// material.
  static Result<std::shared_ptr<const HttpTlsContext>> make(const HttpTlsPair& pair);
  ssl_ctx_st* get() const { return context_.get(); }

 private:
  explicit HttpTlsContext(std::shared_ptr<ssl_ctx_st> context) : context_(std::move(context)) {}
  std::shared_ptr<ssl_ctx_st> context_;
};

/// TLS on one connected, non-blocking socket, which must stay open as long as this is used. Not thread safe.
class HttpTls {
 public:
  enum class Outcome {
    kDone,
    kWantRead,   ///< again when the socket is readable
    kWantWrite,  ///< again when the socket is writable
    kEnd,        ///< the peer ended its side
    kFailed      ///< nothing more can be read or written
  };

  HttpTls(const HttpTlsContext& context, int socket);
  ~HttpTls();
  HttpTls(const HttpTls&) = delete;
  HttpTls& operator=(const HttpTls&) = delete;

  Outcome handshake();
  /// At most one record; `count` bytes of `into` are filled when kDone.
  Outcome read(std::span<char> into, std::size_t& count);
  /// Whether read() would give something, without taking it.
  Outcome peek();
  /// kDone: some bytes were taken from the front of `bytes`, which must not be empty.
  Outcome write(std::string_view& bytes);
  /// Decrypted bytes wait to be read; the socket need not be readable for that.
  bool has_pending() const;
  /// Tells the peer that nothing follows, if that can be sent at once and the handshake is done.
  void close_notify();

 private:
  Outcome outcome_of(int result);

  std::unique_ptr<ssl_st, void (*)(ssl_st*)> ssl_;
  int socket_;
  bool failed_ = false;
};

}  // namespace imageclassifier
