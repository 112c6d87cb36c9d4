#include "tests/support/test_authority.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <stdexcept>

#include "operator/kubernetes/c_handle.hpp"

namespace imageclassifier::testing {
namespace {

using kubernetes::Free;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, Free<BIO_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>>;

void require(bool done, const char* what) {
  if (!done) throw std::runtime_error(std::string("OpenSSL refused to make a test's ") + what);
}

template <typename Write>
std::string to_pem(Write write) {
  const Bio bio(BIO_new(BIO_s_mem()));
  require(write(bio.get()) == 1, "PEM text");
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string to_pem(X509* certificate) {
  return to_pem([&](BIO* to) { return PEM_write_bio_X509(to, certificate); });
}

void add_extension(X509* to, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  require(extension && X509_add_ext(to, extension.get(), -1) == 1, "certificate extension");
}

// Signed by `signer`; without an issuer by itself.
Certificate make(const std::string& common_name, EVP_PKEY* key, X509* issuer, EVP_PKEY* signer,
                 const std::string& names, std::chrono::seconds later = {}) {
  static std::atomic<long> serial{1};
  Certificate made(X509_new());
  X509_set_version(made.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), serial++);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600 + later.count());
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 24 * 3600 + later.count());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
  X509* const parent = issuer == nullptr ? made.get() : issuer;
  X509_set_issuer_name(made.get(), X509_get_subject_name(parent));
  X509_set_pubkey(made.get(), key);
  add_extension(made.get(), parent, NID_basic_constraints, issuer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
  add_extension(made.get(), parent, NID_subject_key_identifier, "hash");
  if (!names.empty()) add_extension(made.get(), parent, NID_subject_alt_name, names);
  require(X509_sign(made.get(), signer, EVP_sha256()) != 0, "signature");
  return made;
}

}  // namespace

struct TestAuthority::Impl {
  Key key{EVP_EC_gen("P-256")};
  Certificate certificate;
  std::string certificate_pem;
};

TestAuthority::TestAuthority(const std::string& common_name) : impl_(std::make_unique<Impl>()) {
  impl_->certificate = make(common_name, impl_->key.get(), nullptr, impl_->key.get(), "");
  impl_->certificate_pem = to_pem(impl_->certificate.get());
}

TestAuthority::TestAuthority(const Certified& existing) : impl_(std::make_unique<Impl>()) {
  const Bio certificate(BIO_new_mem_buf(existing.certificate_pem.data(), -1));
  const Bio key(BIO_new_mem_buf(existing.key_pem.data(), -1));
  impl_->certificate.reset(PEM_read_bio_X509(certificate.get(), nullptr, nullptr, nullptr));
  impl_->key.reset(PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr));
  require(impl_->certificate && impl_->key, "authority of what was given");
  impl_->certificate_pem = existing.certificate_pem;
}
TestAuthority::~TestAuthority() = default;

const std::string& TestAuthority::certificate_pem() const {
  return impl_->certificate_pem;
}

Certified TestAuthority::issue(const std::string& common_name, const std::vector<std::string>& names,
                               std::chrono::seconds later) const {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ",") + name;
  const Key key(EVP_EC_gen("P-256"));
  const Certificate made = make(common_name, key.get(), impl_->certificate.get(), impl_->key.get(), list, later);
  return {to_pem(made.get()), to_pem([&](BIO* to) {
            return PEM_write_bio_PrivateKey(to, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

}  // namespace imageclassifier::testing
