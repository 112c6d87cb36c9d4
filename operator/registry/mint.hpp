#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/clock.hpp"
#include "common/secret.hpp"
#include "operator/registry/entra.hpp"
#include "operator/registry/preflight.hpp"
#include "operator/registry/settings.hpp"
#include "operator/registry/shared_tokens.hpp"

namespace imageclassifier::registry {

/// For whom a credential is wanted, and for what.
struct MintQuestion {
  enum class Identity { kSecret, kFederated, kMachine };
  Identity identity = Identity::kSecret;
  std::string server = {};
  std::vector<std::string> repositories = {};  ///< that it is to pull alone; none: whatever the identity may do there
  /// Others that it is to pull from if the identity may.
  std::vector<std::string> wished = {};
  std::string cloud = "Public";  ///< in Settings::clouds
  std::string tenant = {};       ///< not with kMachine
  std::string client = {};       ///< with kMachine it or `resource_id`, or neither
  std::string resource_id = {};
  Secret secret = {};  ///< kSecret
  /// kFederated: asks for the account's token; called only when it is needed.
  std::function<Minting<Secret>()> assertion = {};
  std::string subject = {};  ///< kFederated: the account, so that nobody else's token is taken for its own
};

/// What a node pulls with.
struct Minted {
  Secret username;
  Secret password;
  WallTime minted;
  WallTime expires;
  friend bool operator==(const Minted&, const Minted&) = default;
};

/// Sends a request to Settings::imds; like Ask, but to a link-local address.
using AskMetadata = std::function<Result<kubernetes::Response>(const kubernetes::Request& request)>;

/// Mints credentials for Azure Container Registry: a token of Entra's is exchanged for one of the registry's (its
/// documentation: AAD-OAuth). Before anything secret leaves, the registry has named its token server, which must be
/// itself or, like itself, one that both Settings::servers and the cloud's list. Thread safe if the functions are;
/// `clock` must outlive it.
///
/// Tokens of identities are shared, so that many resources with one identity cost one request at Entra's.
class Minter {
 public:
  Minter(Settings settings, Ask ask, AskMetadata ask_metadata, const Clock& clock);

  Minting<Minted> mint(const MintQuestion& question);

 private:
  struct Door;
  bool may_have_token(const std::string& server, const std::string& cloud) const;
  Minting<Door> find_door(const MintQuestion& question) const;
  Minting<Token> identify(const MintQuestion& question, const std::string& audience);
  Minting<HeldToken> identity_token(const MintQuestion& question, const std::string& identity, const Cloud& cloud);
  Minting<Token> exchange(const MintQuestion& question, const Door& door, const std::string& identity,
                          const Cloud& cloud);
  Minting<Token> narrow(const MintQuestion& question, const std::vector<std::string>& repositories, const Door& door,
                        const Token& refresh) const;
  /// Sends a form to the door; the token is the answer's `member`.
  Minting<Token> hand_in(const MintQuestion& question, const Door& door, const std::string& target, std::string form,
                         std::string_view member) const;

  const Settings settings_;
  const Ask ask_;
  const AskMetadata ask_metadata_;
  const Clock& clock_;
  SharedTokens tokens_;
};

/// Nothing: `token` serves the registry for long enough, half of its life or five minutes. `audience`: whom it must be
/// for, besides the server's own name. Pure.
std::optional<MintFailure> refuse_token(const Token& token, const std::string& server, const std::string& audience,
                                        bool skewed, WallTime now);

}  // namespace imageclassifier::registry
