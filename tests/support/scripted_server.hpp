#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tests/support/test_authority.hpp"

struct ssl_st;  // SSL of OpenSSL

namespace imageclassifier::testing {

/// One accepted TCP connection. Blocking; used by one thread.
class Connection {
 public:
  explicit Connection(int socket, ssl_st* tls = nullptr) : socket_(socket), tls_(tls) {}
  /// One HTTP request, head and body, as received; "" when the peer has closed.
  std::string read_request();
  /// So many bytes, of a protocol that is not HTTP; fewer when the peer has closed.
  std::string read_bytes(std::size_t count);
  /// False when the peer has closed.
  bool send(const std::string& bytes);
  /// Blocks until the peer closes, reading and dropping what comes.
  void wait_for_close();
  void close();
  /// As close, but the peer sees a reset.
  void reset();
  /// What a tunnel does; looked at every 10 ms.
  struct Tunnel {
    bool frozen = false;  ///< forwards nothing, closes nothing
    bool closing = false;
    /// The server's answer to more than so many bytes is dropped and the connection closed instead.
    std::size_t lose_answer_after = std::string::npos;
  };
  /// Forwards in both directions to 127.0.0.1:`port` until one side closes.
  void tunnel(int port, const std::function<Tunnel()>& state = {});
  /// Common name of the peer's certificate; "" without one.
  std::string peer() const;

 private:
  long receive(char* data, std::size_t size);
  bool has_more() const;

  int socket_;
  ssl_st* tls_;
};

/// What a server of a test presents, for connections from then on. Thread safe.
class ServerTls {
 public:
  /// `client_authority_pem`: asks for a client certificate of this authority, and refuses others; "": asks for none.
  explicit ServerTls(const Certified& certified, const std::string& client_authority_pem = "");
  ~ServerTls();
  void present(const Certified& certified);

 private:
  friend class ScriptedServer;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct ScriptedServerOptions {
  bool ipv6 = false;         ///< [::1] instead of 127.0.0.1
  ServerTls* tls = nullptr;  ///< must outlive the server; the function is not called for a handshake that failed
};

/// A server on the loopback interface that does on each connection, in a thread of its own, what the test says; the
/// connection is closed when the function returns. Everything ends with the object.
class ScriptedServer {
 public:
  using Options = ScriptedServerOptions;
  explicit ScriptedServer(std::function<void(Connection&, int number)> serve, Options options = {});
  ~ScriptedServer();
  int port() const;
  /// By address.
  std::string url() const;
  /// Accepted so far.
  int connections() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Forwards TCP connections from a port of its own to 127.0.0.1:`target`.
class TcpProxy {
 public:
  explicit TcpProxy(int target);
  ~TcpProxy();
  int port() const;
  /// Closes every connection; new ones are accepted.
  void cut();
  /// Where new connections go from now on.
  void retarget(int target);
  /// While frozen, nothing is forwarded and no connection is closed.
  void freeze(bool frozen);
  /// Once a client has sent so many bytes on a connection, what the server says next is dropped and both are closed.
  void lose_answer_after(std::size_t bytes);
  /// Accepted so far.
  int connections() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace imageclassifier::testing
