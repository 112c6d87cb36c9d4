// Looks an image up as the operator does, for preflight_test.py: look_up CA-FILE ALLOWED IMAGE [USER PASSWORD
// [DIGEST]]; DIGEST: what it was resolved to before.
#include <iostream>
#include <nlohmann/json.hpp>

#include "common/file.hpp"
#include "operator/registry/web.hpp"

using namespace imageclassifier;

int main(int argc, char** argv) {
  if (argc != 4 && argc != 6 && argc != 7) return 2;
  const auto reference = registry::parse_image_reference(argv[3]);
  const auto authority = read_file(argv[1], 1U << 20U);
  if (!reference || !authority) return 2;
  std::optional<registry::Credential> credential;
  if (argc > 4) credential = registry::Credential{Secret(argv[4]), Secret(argv[5])};
  SystemClock clock;
  const auto web = registry::Web::make(*authority, nullptr, clock);
  if (!web) return 2;
  const registry::Ask ask = web->ask({}, {});
  registry::Preflight known{registry::Verdict::kResolved, argc == 7 ? argv[6] : "", {{{"linux", "amd64", ""}}}, "", {}};
  const registry::Preflight found =
      registry::look_up(*reference, credential, {argv[2]}, ask, clock.wall_now(), argc == 7 ? &known : nullptr);
  nlohmann::json platforms;
  for (const auto& platform : found.platforms.value_or(std::vector<registry::Platform>{}))
    platforms.push_back(to_string(platform));
  std::cout << nlohmann::json{{"verdict", to_string(found.verdict)},
                              {"digest", found.digest},
                              {"platforms", platforms},
                              {"detail", found.detail},
                              {"retryAfter", found.retry_after.count()}}
            << "\n";
  return 0;
}
