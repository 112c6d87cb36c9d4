#pragma once

#include "common/result.hpp"
#include "common/secret.hpp"
#include "operator/reconciler/observed.hpp"
#include "operator/resources/manifest.hpp"

namespace imageclassifier::reconciler {

// The user name and the password that callers of a classifier need. All but random_password() pure.

/// The decoded value of a Secret's key, or what is wrong with it: it is missing, not base64 or empty.
Result<Secret> value_of(const ObservedSecret& secret, const std::string& key);

/// Whether the server could use the keys `username` and `password`; else what is wrong with them.
Result<void> check_credentials(const ObservedSecret& secret);

/// The Secret that we make: with what it holds as long as that can be used, else with `observed.drawn_password`.
resources::Manifest access_secret(const Observed& observed);

/// 32 letters, digits, '-' and '_' from OpenSSL's generator for secrets: 192 bits. kUnavailable: it has none.
Result<Secret> random_password();

}  // namespace imageclassifier::reconciler
