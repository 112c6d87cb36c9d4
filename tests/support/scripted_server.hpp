#pragma once

#include <functional>
#include <memory>
#include <string>

namespace imageclassifier::testing {

/// One accepted TCP connection. Blocking; used by one thread.
class Connection {
 public:
  explicit Connection(int socket) : socket_(socket) {}
  /// One HTTP request, head and body, as received; "" when the peer has closed.
  std::string read_request();
  /// False when the peer has closed.
  bool send(const std::string& bytes);
  /// Blocks until the peer closes, reading and dropping what comes.
  void wait_for_close();
  void close();

 private:
  int socket_;
};

/// A TCP server on 127.0.0.1 that does on each connection, in a thread of its own, what the test says; the connection
/// is closed when the function returns. Everything ends with the object.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::function<void(Connection&, int number)> serve);
  ~ScriptedServer();
  int port() const;
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port()); }
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
  /// Accepted so far.
  int connections() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace imageclassifier::testing
