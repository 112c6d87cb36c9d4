#include "tests/support/tls_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

namespace imageclassifier::test {

struct TlsClient::Impl {
  ~Impl() {
    SSL_free(ssl);
    SSL_CTX_free(context);
    if (socket >= 0) ::close(socket);
  }
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL* ssl = nullptr;
  int socket = -1;
  std::string rest;
  bool ended = false;
};

TlsClient::TlsClient(std::uint16_t port, const TlsClientOptions& options) : impl_(std::make_unique<Impl>()) {
  // In this thread only: the server under test must do without.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  impl_->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{10, 0};
  setsockopt(impl_->socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(impl_->socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  // NOLINTNEXTLINE: the sockets API takes the generic type.
  if (connect(impl_->socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error("cannot connect to the server under test");
  }
  BIO* const pem = BIO_new_mem_buf(options.trusted_pem.data(), static_cast<int>(options.trusted_pem.size()));
  X509* const authority = PEM_read_bio_X509(pem, nullptr, nullptr, nullptr);
  if (authority != nullptr) X509_STORE_add_cert(SSL_CTX_get_cert_store(impl_->context), authority);
  X509_free(authority);
  BIO_free(pem);
  SSL_CTX_set_verify(impl_->context, SSL_VERIFY_PEER, nullptr);
  if (options.version != 0) {
    SSL_CTX_set_security_level(impl_->context, 0);  // old versions need it
    SSL_CTX_set_min_proto_version(impl_->context, options.version);
    SSL_CTX_set_max_proto_version(impl_->context, options.version);
  }
  impl_->ssl = SSL_new(impl_->context);
  SSL_set_fd(impl_->ssl, impl_->socket);
  SSL_set1_host(impl_->ssl, "localhost");
  if (!options.shake_hands) return;
  ERR_clear_error();
  if (SSL_connect(impl_->ssl) != 1) {
    const char* const reason = ERR_reason_error_string(ERR_peek_error());
    throw std::runtime_error(std::string("no handshake: ") + (reason != nullptr ? reason : "connection closed"));
  }
}

TlsClient::~TlsClient() = default;

bool TlsClient::send(std::string_view bytes) {
  std::size_t sent = 0;
  return SSL_write_ex(impl_->ssl, bytes.data(), bytes.size(), &sent) == 1 && sent == bytes.size();
}

bool TlsClient::fill() {
  char buffer[16 * 1024];
  std::size_t count = 0;
  ERR_clear_error();
  const int result = SSL_read_ex(impl_->ssl, buffer, sizeof buffer, &count);
  if (result == 1) impl_->rest.append(buffer, count);
  if (result == 1) return true;
  const int error = SSL_get_error(impl_->ssl, result);
  if (error == SSL_ERROR_WANT_READ || (error == SSL_ERROR_SYSCALL && errno == EAGAIN)) {
    throw std::runtime_error("the server under test sends nothing");
  }
  impl_->ended = error == SSL_ERROR_ZERO_RETURN;
  return false;
}

std::string TlsClient::read_response() {
  std::string& rest = impl_->rest;
  std::size_t end = 0;
  while ((end = rest.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) return {};
  }
  static constexpr std::string_view kLength = "Content-Length: ";
  const auto length = rest.find(kLength);
  std::size_t size = end + 4;
  if (length < end) size += std::strtoul(rest.c_str() + length + kLength.size(), nullptr, 10);
  while (rest.size() < size) {
    if (!fill()) return {};
  }
  std::string response = rest.substr(0, size);
  rest.erase(0, size);
  return response;
}

std::string TlsClient::read_to_end() {
  while (fill()) {
  }
  std::string all;
  all.swap(impl_->rest);
  return impl_->ended ? all : all + "CUT";
}

void TlsClient::close_notify() {
  SSL_shutdown(impl_->ssl);
}

std::string TlsClient::version() const {
  return SSL_get_version(impl_->ssl);
}

int TlsClient::chain_size() const {
  return sk_X509_num(SSL_get_peer_cert_chain(impl_->ssl));
}

std::string TlsClient::server_name() const {
  X509* const certificate = SSL_get1_peer_certificate(impl_->ssl);
  char name[200] = "";
  if (certificate != nullptr) {
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
  }
  X509_free(certificate);
  return name;
}

}  // namespace imageclassifier::test
