#include "operator/registry/settings.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace imageclassifier::registry {
namespace {

using nlohmann::json;

constexpr std::size_t kLongest = 512;

/// What is wrong first; members are read on, but nobody sees what comes of it.
using Problem = std::optional<Error>;

void refuse(Problem& problem, const std::string& where, const std::string& instead) {
  if (!problem) problem = Error(ErrorCode::kInvalidArgument, (where.empty() ? "It" : where) + " " + instead);
}

bool consists_of(std::string_view text, std::string_view others, bool upper) {
  return !text.empty() && text.size() <= kLongest && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (upper && c >= 'A' && c <= 'Z') ||
           others.find(c) != std::string_view::npos;
  });
}

/// A domain or an address with an optional port, as it stands in an image's name.
bool is_server(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view host = text.substr(0, colon);
  const std::string_view port = colon == std::string_view::npos ? "443" : text.substr(colon + 1);
  const bool digits = std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  return consists_of(host, ".-", false) && host.find('.') != std::string_view::npos &&
         host.find("..") == std::string_view::npos && host.front() != '.' && host.front() != '-' &&
         host.back() != '.' && host.back() != '-' && !port.empty() && port.size() <= 5 && digits;
}

bool is_url(std::string_view text, std::string_view scheme) {
  return text.starts_with(scheme) && text.back() != '/' && consists_of(text.substr(scheme.size()), ".-:/", true);
}

/// An object whose members are all known.
class Members {
 public:
  Members(const json& object, std::string where, std::vector<std::string> known, Problem& problem)
      : object_(object), where_(std::move(where)), problem_(problem) {
    std::string list;
    for (const std::string& name : known) list += (list.empty() ? "" : ", ") + name;
    if (!object.is_object()) {
      refuse(problem, where_, "is no mapping; write one with the members " + list + ".");
      return;
    }
    for (const auto& [name, value] : object.items()) {
      if (std::find(known.begin(), known.end(), name) == known.end())
        refuse(problem, at(name), "is not known; the members are " + list + ".");
    }
  }

  std::string at(const std::string& name) const { return where_.empty() ? name : where_ + "." + name; }

  const json* find(const std::string& name) const {
    const auto found = object_.is_object() ? object_.find(name) : object_.end();
    return found == object_.end() ? nullptr : &*found;
  }

  /// Leaves `into` alone if there is no such member.
  void text(const std::string& name, std::string& into, const std::function<bool(const std::string&)>& good,
            const std::string& instead) const {
    const json* value = find(name);
    if (value == nullptr) return;
    if (!value->is_string() || !good(value->get_ref<const std::string&>()))
      return refuse(problem_, at(name), "must be " + instead + ".");
    into = value->get<std::string>();
  }

  /// Every entry with the words that name it.
  void each(const std::string& name, const std::function<void(const json&, const std::string&)>& visit) const {
    const json* list = find(name);
    if (list == nullptr) return;
    if (!list->is_array()) return refuse(problem_, at(name), "is no list; write one.");
    for (std::size_t i = 0; i < list->size(); ++i) visit((*list)[i], at(name) + "[" + std::to_string(i) + "]");
  }

 private:
  const json& object_;
  std::string where_;
  Problem& problem_;
};

void read_servers(const Members& members, std::vector<std::string>& servers, Problem& problem) {
  if (members.find("servers") != nullptr) servers.clear();
  members.each("servers", [&](const json& value, const std::string& where) {
    if (!value.is_string() || !is_server(value.get_ref<const std::string&>()))
      return refuse(problem, where, "must be a domain in lower case, such as azurecr.io or registry.example.com:5000.");
    servers.push_back(value.get<std::string>());
  });
}

void read_cloud(const json& value, const std::string& where, Cloud& cloud, Problem& problem) {
  const Members members(value, where, {"authority", "audience", "fallbackAudience", "servers"}, problem);
  const auto audience = [](const std::string& text) { return is_url(text, "https://") || is_url(text, "api://"); };
  members.text("authority", cloud.authority, is_server, "the host of Entra, such as login.microsoftonline.com");
  members.text("audience", cloud.audience, audience, "an https:// URL without a slash at its end");
  members.text("fallbackAudience", cloud.fallback_audience, audience, "an https:// URL without a slash at its end");
  read_servers(members, cloud.servers, problem);
  if (cloud.authority.empty()) refuse(problem, members.at("authority"), "is missing; write the host of its Entra.");
}

ManagedIdentity read_identity(const json& value, const std::string& where, Problem& problem) {
  ManagedIdentity identity;
  const Members members(value, where, {"namespace", "clientID", "resourceID"}, problem);
  const auto name = [](const std::string& text) { return consists_of(text, "-", false); };
  const auto client = [](const std::string& text) { return consists_of(text, "-", true); };
  const auto resource = [](const std::string& text) {
    return text.starts_with('/') && consists_of(text, "/-_.()", true);
  };
  members.text("namespace", identity.namespace_name, name, "the name of a namespace");
  members.text("clientID", identity.client_id, client, "the identity's client ID");
  members.text("resourceID", identity.resource_id, resource, "the identity's resource ID: /subscriptions/...");
  if (identity.namespace_name.empty())
    refuse(problem, members.at("namespace"), "is missing; write whose resources may use the identity.");
  if (identity.client_id.empty() == identity.resource_id.empty())
    refuse(problem, where, "must name the identity by either clientID or resourceID.");
  return identity;
}

}  // namespace

Result<Settings> parse_settings(const json& document) {
  Settings settings;
  if (document.is_null()) return settings;
  Problem problem;
  const Members members(document, "", {"servers", "clouds", "certificateAuthorities", "identities", "imds"}, problem);
  read_servers(members, settings.servers, problem);
  if (const json* clouds = members.find("clouds"); clouds != nullptr && !clouds->is_object()) {
    refuse(problem, "clouds", "is no mapping; write one from the names of clouds to their members.");
  } else if (clouds != nullptr) {
    for (const auto& [name, value] : clouds->items())
      read_cloud(value, "clouds." + name, settings.clouds[name], problem);
  }
  members.text("certificateAuthorities", settings.ca_pem, are_certificates, "certificates in PEM");
  members.each("identities", [&](const json& value, const std::string& where) {
    settings.identities.push_back(read_identity(value, where, problem));
  });
  members.text(
      "imds", settings.imds, [](const std::string& text) { return is_url(text, "http://"); },
      "an http:// URL without a slash at its end");
  if (problem) return fail(std::move(*problem));
  return settings;
}

bool are_certificates(const std::string& pem) {
  constexpr std::string_view kBegin = "-----BEGIN ";
  std::size_t blocks = 0;
  for (std::size_t at = pem.find(kBegin); at != std::string::npos; at = pem.find(kBegin, at + 1)) ++blocks;
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                      &BIO_free);
  std::size_t certificates = 0;
  while (X509* const each = bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr) {
    X509_free(each);
    ++certificates;
  }
  ERR_clear_error();  // the end is one
  return certificates > 0 && certificates == blocks;
}

bool is_same_identity(std::string_view left, std::string_view right) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [&](char a, char b) { return lower(a) == lower(b); });
}

}  // namespace imageclassifier::registry
