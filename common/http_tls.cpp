#include "common/http_tls.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

namespace imageclassifier {
namespace {

constexpr const char* kCiphers12 = "ECDHE+AESGCM:ECDHE+CHACHA20";

template <typename T, void (*release)(T*)>
struct Release {
  void operator()(T* object) const { release(object); }
};
using Certificate = std::unique_ptr<X509, Release<X509, X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Release<EVP_PKEY, EVP_PKEY_free>>;
using Method = std::unique_ptr<BIO_METHOD, Release<BIO_METHOD, BIO_meth_free>>;
struct ReleaseBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, ReleaseBio>;

/// The library's words for what just failed: constant sentences, without content.
std::string reason() {
  const char* const text = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return text != nullptr ? text : "unknown reason";
}

tl::unexpected<Error> refuse(std::string message) {
  return fail(ErrorCode::kInvalidArgument, std::move(message));
}

Bio reader(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// Without it OpenSSL asks for the passphrase of an encrypted key at the terminal.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

Result<void> use_chain(SSL_CTX* context, const std::string& pem) {
  const Bio source = reader(pem);
  const Certificate leaf(PEM_read_bio_X509(source.get(), nullptr, no_passphrase, nullptr));
  if (!leaf) return refuse("the certificate is not PEM: " + reason());
  if (SSL_CTX_use_certificate(context, leaf.get()) != 1) return refuse("the certificate cannot be used: " + reason());
  for (;;) {
    const Certificate next(PEM_read_bio_X509(source.get(), nullptr, no_passphrase, nullptr));
    if (!next) break;
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1) return refuse("the chain cannot be used: " + reason());
  }
  // The end of the text is the one failure that is none.
  const bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (!end) return refuse("a certificate of the chain is malformed: " + reason());
  ERR_clear_error();
  return {};
}

Result<void> use_key(SSL_CTX* context, const Secret& pem) {
  const Bio source = reader(pem.reveal());
  const Key key(PEM_read_bio_PrivateKey(source.get(), nullptr, no_passphrase, nullptr));
  if (!key) return refuse("the key is not PEM, or is encrypted: " + reason());
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return refuse("the key does not belong to the certificate: " + reason());
  }
  return {};
}

int socket_of(BIO* bio) {
  return *static_cast<int*>(BIO_get_data(bio));
}

int again(ssize_t result) {
  return result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

int bio_read(BIO* bio, char* into, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t got = recv(socket_of(bio), into, static_cast<std::size_t>(size), 0);
  if (again(got) != 0) BIO_set_retry_read(bio);
  if (got == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(got);
}

/// OpenSSL's own socket BIO would raise SIGPIPE when the client is gone.
int bio_write(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t sent = send(socket_of(bio), bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (again(sent) != 0) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

long bio_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

Method make_method() {
  Method method(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "http server socket"));
  BIO_meth_set_read(method.get(), bio_read);
  BIO_meth_set_write(method.get(), bio_write);
  BIO_meth_set_ctrl(method.get(), bio_control);
  return method;
}

BIO* socket_bio(int* socket) {
  static const Method method = make_method();
  BIO* const bio = BIO_new(method.get());
  BIO_set_data(bio, socket);
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace

Result<std::shared_ptr<const HttpTlsContext>> HttpTlsContext::make(const HttpTlsPair& pair) {
  ERR_clear_error();
  const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) return fail(ErrorCode::kInternal, "OpenSSL gave no context: " + reason());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context.get(), kCiphers12);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  // One record per call, so that a client's endless stream of empty messages gives way to the others.
  SSL_CTX_clear_mode(context.get(), SSL_MODE_AUTO_RETRY);
  if (auto used = use_chain(context.get(), pair.certificate_chain); !used) return fail(used.error());
  if (auto used = use_key(context.get(), pair.key); !used) return fail(used.error());
  return std::shared_ptr<const HttpTlsContext>(new HttpTlsContext(context));
}

HttpTls::HttpTls(const HttpTlsContext& context, int socket) : ssl_(SSL_new(context.get()), SSL_free), socket_(socket) {
  BIO* const bio = socket_bio(&socket_);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_accept_state(ssl_.get());
}

HttpTls::~HttpTls() = default;

HttpTls::Outcome HttpTls::outcome_of(int result) {
  if (result > 0) return Outcome::kDone;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Outcome::kWantRead;
    case SSL_ERROR_WANT_WRITE:
      return Outcome::kWantWrite;
    case SSL_ERROR_ZERO_RETURN:
      return Outcome::kEnd;
    default:
      failed_ = true;
      ERR_clear_error();
      return Outcome::kFailed;
  }
}

HttpTls::Outcome HttpTls::handshake() {
  ERR_clear_error();
  return outcome_of(SSL_do_handshake(ssl_.get()));
}

HttpTls::Outcome HttpTls::read(std::span<char> into, std::size_t& count) {
  ERR_clear_error();
  return outcome_of(SSL_read_ex(ssl_.get(), into.data(), into.size(), &count));
}

HttpTls::Outcome HttpTls::peek() {
  ERR_clear_error();
  char byte = 0;
  return outcome_of(SSL_peek(ssl_.get(), &byte, 1));
}

HttpTls::Outcome HttpTls::write(std::string_view& bytes) {
  ERR_clear_error();
  std::size_t taken = 0;
  const Outcome outcome = outcome_of(SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &taken));
  bytes.remove_prefix(taken);
  return outcome;
}

bool HttpTls::has_pending() const {
  return SSL_pending(ssl_.get()) > 0;
}

void HttpTls::close_notify() {
  if (failed_ || SSL_is_init_finished(ssl_.get()) == 0) return;
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

}  // namespace imageclassifier
