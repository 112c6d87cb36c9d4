#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.hpp"
#include "common/result.hpp"
#include "common/secret.hpp"

namespace imageclassifier::registry {

/// What a JSON Web Token says of itself (RFC 7519, 4.1). Nothing here is proof of anything: its signature is for the
/// one whom it is shown to.
struct Claims {
  std::optional<WallTime> expires;     ///< exp
  std::optional<WallTime> not_before;  ///< nbf
  std::optional<WallTime> issued;      ///< iat
  std::vector<std::string> audiences;  ///< aud, a text or a list of texts
};

/// kInvalidArgument: it is no JWT in compact form with a JSON object in the middle. Times that are no numbers, or
/// beyond the year 9999, are left out. Pure.
Result<Claims> parse_claims(const Secret& token);

/// Whether the token lets its bearer pull from all of these repositories, by its claim `access` (distribution's token
/// authentication: token servers give a token with fewer rights than were asked for, and no error). Nothing: it has no
/// such claim. Pure.
std::optional<bool> grants_pull(const Secret& token, const std::vector<std::string>& repositories);

/// A token for a registry, and until when it is good.
struct Token {
  Secret value;
  WallTime expires;
};

/// From the answer of a token endpoint (distribution's token specification: `token` or `access_token`, `expires_in`
/// seconds from now, also as text, 60 if it is left out; ACR leaves it out, and the token's own exp counts). `member`
/// names another member that holds the token: "refresh_token". kDataLoss: there is no token in it. Never quotes the
/// answer. Pure.
Result<Token> parse_token(const Secret& body, WallTime now, std::string_view member = {});

/// RFC 4648, 5, with or without padding. kInvalidArgument: it is none.
Result<std::string> base64url_decode(std::string_view text);

}  // namespace imageclassifier::registry
