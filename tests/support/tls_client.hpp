#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace imageclassifier::test {

struct TlsClientOptions {
  std::string trusted_pem;  ///< the authority of the server's certificate, which must name "localhost"
  int version = 0;          ///< TLS1_2_VERSION, TLS1_3_VERSION...; 0: the best
  bool shake_hands = true;
};

/// RawClient over TLS: sends exactly the bytes it is given, for tests of an HTTPS server on 127.0.0.1. Blocking, every
/// read ends after 10 s at the latest. Not thread safe.
class TlsClient {
 public:
  /// Throws when the handshake fails; the message holds OpenSSL's reason.
  TlsClient(std::uint16_t port, const TlsClientOptions& options);
  ~TlsClient();

  bool send(std::string_view bytes);
  /// One answer by its Content-Length; empty when the peer closed first.
  std::string read_response();
  /// Everything until the peer says that it is the end; "CUT" is appended when it did not say so.
  std::string read_to_end();
  /// The end of our side, as TLS knows it; the other side stays open.
  void close_notify();
  /// For example "TLSv1.3".
  std::string version() const;
  /// The common name of the server's certificate.
  std::string server_name() const;
  /// How many certificates the server sent.
  int chain_size() const;

 private:
  bool fill();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace imageclassifier::test
