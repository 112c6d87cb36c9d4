// Mints credentials as the operator does, one after the other, for mint_test.py: reads {"authority": PEM, "servers":
// those that are allowed, "shown": those that tokens may be shown to, "entra": host, "questions": [...]} and writes a
// list of what came of each.
#include <iostream>
#include <nlohmann/json.hpp>

#include "common/sha256.hpp"
#include "operator/registry/mint.hpp"
#include "operator/registry/web.hpp"

using namespace imageclassifier;
using nlohmann::json;

namespace {

registry::MintQuestion question_of(const json& source) {
  registry::MintQuestion question;
  question.server = source.at("server");
  question.repositories = source.at("repositories");
  question.tenant = source.at("tenant");
  question.client = source.at("client");
  question.secret = Secret(source.value("secret", ""));
  if (const std::string assertion = source.value("assertion", ""); !assertion.empty()) {
    question.identity = registry::MintQuestion::Identity::kFederated;
    question.subject = sha256_hex(assertion);
    question.assertion = [assertion]() -> registry::Minting<Secret> { return Secret(assertion); };
  }
  return question;
}

json result_of(const registry::Minting<registry::Minted>& minted, WallTime now) {
  if (!minted) {
    return {{"problem", to_string(minted.error().problem)},
            {"detail", minted.error().detail},
            {"host", minted.error().host},
            {"retryAfter", minted.error().retry_after.count()}};
  }
  return {{"username", minted->username.reveal()},
          {"password", minted->password.reveal()},
          {"left", (minted->expires - now) / std::chrono::seconds(1)}};
}

}  // namespace

int main() {
  const json input = json::parse(std::cin);
  registry::Settings settings;
  settings.servers = input.at("servers");
  settings.clouds["Public"] = {.authority = input.at("entra"), .servers = input.at("shown")};
  SystemClock clock;
  const auto web = registry::Web::make(input.at("authority"), nullptr, clock);
  if (!web) return 2;
  registry::Minter minter(
      settings, web->ask({}, {}),
      [](const kubernetes::Request&) { return fail(ErrorCode::kUnavailable, "This is no machine of Azure's."); },
      clock);
  json results = json::array();
  for (const json& question : input.at("questions"))
    results.push_back(result_of(minter.mint(question_of(question)), clock.wall_now()));
  std::cout << results << "\n";
  return 0;
}
