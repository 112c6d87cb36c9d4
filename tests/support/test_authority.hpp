#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace imageclassifier::testing {

/// A certificate with its key, as PEM.
struct Certified {
  std::string certificate_pem;
  std::string key_pem;
};

/// A certificate authority of a test's own, made in milliseconds. Not thread safe.
class TestAuthority {
 public:
  explicit TestAuthority(const std::string& common_name);
  /// One that exists.
  explicit TestAuthority(const Certified& existing);
  ~TestAuthority();
  const std::string& certificate_pem() const;
  /// Valid for a day from an hour ago, or as much later. `names` are as OpenSSL spells them: "DNS:localhost",
  /// "IP:127.0.0.1", "IP:::1".
  Certified issue(const std::string& common_name, const std::vector<std::string>& names = {},
                  std::chrono::seconds later = {}) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace imageclassifier::testing
