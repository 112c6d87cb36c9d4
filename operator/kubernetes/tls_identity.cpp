#include "operator/kubernetes/tls_identity.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <vector>

#include "operator/kubernetes/c_handle.hpp"

namespace imageclassifier::kubernetes {
namespace {

using Store = std::unique_ptr<X509_STORE, Free<X509_STORE_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, Free<BIO_free>>;
using Context = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;

Bio reader(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::vector<Certificate> parse_certificates(const std::string& pem) {
  std::vector<Certificate> certificates;
  const Bio bio = reader(pem);
  while (Certificate next{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    // Decodes the extensions now, not in the handshakes of several threads at once.
    X509_check_purpose(next.get(), -1, 0);
    certificates.push_back(std::move(next));
  }
  ERR_clear_error();  // the loop always ends with "no start line"
  return certificates;
}

}  // namespace

struct TlsIdentity::Impl {
  Store trust;
  std::vector<Certificate> chain;
  Key key;
};

Result<TlsIdentity> TlsIdentity::parse(const TlsConfig& config) {
  auto impl = std::make_shared<Impl>();
  impl->trust.reset(X509_STORE_new());
  // As Go: each certificate of the bundle is an anchor, also one that another CA has signed.
  X509_STORE_set_flags(impl->trust.get(), X509_V_FLAG_PARTIAL_CHAIN);
  const auto authorities = parse_certificates(config.ca_pem);
  if (authorities.empty() && !config.ca_pem.empty()) {
    return fail(ErrorCode::kInvalidArgument, "the certificate authority of the API server holds no PEM certificate");
  }
  for (const Certificate& authority : authorities) X509_STORE_add_cert(impl->trust.get(), authority.get());
  TlsIdentity identity;
  if (!config.client_certificate_pem.empty()) {
    impl->chain = parse_certificates(config.client_certificate_pem);
    const Bio bio = reader(config.client_key_pem.reveal());
    impl->key.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
    if (impl->chain.empty()) return fail(ErrorCode::kInvalidArgument, "the client certificate is not PEM");
    if (!impl->key) return fail(ErrorCode::kInvalidArgument, "the key of the client certificate is not PEM");
  }
  identity.impl_ = std::move(impl);
  const Context context(SSL_CTX_new(TLS_client_method()));
  const bool usable = context && identity.apply(context.get());
  ERR_clear_error();
  if (!usable) return fail(ErrorCode::kInvalidArgument, "the client certificate and its key do not belong together");
  return identity;
}

bool TlsIdentity::apply(ssl_ctx_st* context) const {
  if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) return false;
  SSL_CTX_set1_cert_store(context, impl_->trust.get());
  if (impl_->chain.empty()) return true;
  if (SSL_CTX_use_certificate(context, impl_->chain.front().get()) != 1) return false;
  for (std::size_t i = 1; i < impl_->chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, impl_->chain[i].get()) != 1) return false;
  }
  return SSL_CTX_use_PrivateKey(context, impl_->key.get()) == 1 && SSL_CTX_check_private_key(context) == 1;
}

}  // namespace imageclassifier::kubernetes
