#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace imageclassifier::registry {

/// Where the Entra of a cloud is, and what its tokens for a registry are for.
struct Cloud {
  std::string authority = {};                                    ///< host, with a port if it is not 443
  std::string audience = "https://containerregistry.azure.net";  ///< a token for that opens registries alone
  /// Azure Resource Manager's, for registries that take no other; asked for only where Entra does not know `audience`.
  /// A token for it opens more than registries, hence empty: never.
  std::string fallback_audience = {};
  /// Registries, as is_allowed() takes them, that its tokens are shown to; nowhere else, not even where the operator
  /// may look images up. Empty: nowhere.
  std::vector<std::string> servers = {};
  friend bool operator==(const Cloud&, const Cloud&) = default;
};

/// An identity of the machines that the operator runs on, which resources of one namespace may use.
struct ManagedIdentity {
  std::string namespace_name = {};
  std::string client_id = {};    ///< or
  std::string resource_id = {};  ///< /subscriptions/.../userAssignedIdentities/name
  friend bool operator==(const ManagedIdentity&, const ManagedIdentity&) = default;
};

/// Whether the text holds certificates in PEM, and nothing else in PEM that cannot be read: what is left out silently
/// would be looked for in vain.
bool are_certificates(const std::string& pem);

/// Whether two client IDs or resource IDs name the same identity: Azure's tools print them in this and that case.
bool is_same_identity(std::string_view left, std::string_view right);

/// What the operator may do for registries. Whoever writes a resource chooses among this and adds nothing to it: else a
/// resource could have a credential sent to a host of its choice.
struct Settings {
  /// Servers that the operator asks, and sends users' credentials to: see is_allowed(). Tokens of a cloud also need
  /// Cloud::servers.
  std::vector<std::string> servers = {"azurecr.io", "azurecr.us", "azurecr.cn"};
  std::map<std::string, Cloud> clouds = {
      {"Public", {.authority = "login.microsoftonline.com", .servers = {"azurecr.io"}}},
      {"USGovernment", {.authority = "login.microsoftonline.us", .servers = {"azurecr.us"}}},
      {"China", {.authority = "login.chinacloudapi.cn", .servers = {"azurecr.cn"}}}};
  std::string ca_pem = {};  ///< certificate authorities that are trusted beside the system's
  std::vector<ManagedIdentity> identities = {};
  /// Of the Instance Metadata Service, without a trailing slash; another one for tests and other platforms only.
  std::string imds = "http://169.254.169.254";
};

/// From the document of --registry-config: members `servers` (in place of the default), `clouds` (each changes or adds
/// one; its `servers` come in place of what it has), `certificateAuthorities`, `identities`, `imds`. kInvalidArgument:
/// an unknown member or a wrong value; the message names it and says what to write. Pure.
Result<Settings> parse_settings(const nlohmann::json& document);

}  // namespace imageclassifier::registry
