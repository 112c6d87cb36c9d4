#include "operator/diagnosis/reasons.hpp"

#include <catch2/catch.hpp>
#include <set>
#include <string>

using namespace imageclassifier;
using namespace imageclassifier::diagnosis;

TEST_CASE("every reason is found by its name and has a name that conditions accept") {
  for (const Reason& reason : all_reasons()) {
    INFO(reason.name);
    CHECK(find_reason(reason.name) == &reason);
    CHECK(reason.name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") ==
          std::string_view::npos);
    CHECK((reason.name[0] >= 'A' && reason.name[0] <= 'Z'));
  }
  CHECK(find_reason("Nonsense") == nullptr);
}

TEST_CASE("whatever needs somebody's help says what to do") {
  for (const Reason& reason : all_reasons()) {
    INFO(reason.name);
    CHECK(!reason.message.empty());
    if (reason.outlook == Outlook::kFailing || reason.outlook == Outlook::kStalled) CHECK(!reason.remedy.empty());
    if (reason.outlook == Outlook::kGood) CHECK(reason.depth == 0);
  }
}

TEST_CASE("placeholders are filled with values made fit for a status") {
  const Finding finding = make_finding("SecretNotFound", {{"secret", "a\nb\x01"}, {"namespace", "n"}});
  CHECK(finding.message == "Secret a b does not exist in namespace n.");
  CHECK(finding.text() == finding.message + " " + finding.remedy);
}

TEST_CASE("a message that is too long is cut and still ends with the remedy") {
  Finding finding = make_finding("SecretNotFound");
  finding.message = std::string(5000, 'x');
  CHECK(finding.text().size() <= api::kMaxMessageBytes);
  CHECK(finding.text().ends_with("... " + finding.remedy));
}

TEST_CASE("foreign text becomes one line of valid UTF-8 that is never cut inside a character") {
  CHECK(clean_text("a\t\tb\r\n", 10) == "a b");
  CHECK(clean_text("\xC3\xA4\xFF\xC3", 10) == "\xC3\xA4??");
  CHECK(clean_text("\xED\xA0\x80", 10) == "???");  // a surrogate
  const std::string umlauts = "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4";
  for (std::size_t limit = 0; limit <= umlauts.size(); ++limit) {
    const std::string cut = clean_text(umlauts, limit);
    INFO(limit);
    CHECK(cut.size() <= limit);
    CHECK(clean_text(cut, 100) == cut);
  }
}

TEST_CASE("marks that turn the reading direction do not reach a terminal") {
  CHECK(clean_text("a\xE2\x80\xAE"
                   "b",
                   10) == "a b");
  CHECK(clean_text("a\xE2\x81\xA6"
                   "b",
                   10) == "a b");
  CHECK(clean_text("a\xE2\x80\xA6", 10) == "a\xE2\x80\xA6");
}

TEST_CASE("the deeper of two findings wins, the first of equals") {
  const Finding shallow = make_finding("PodsStarting"), deep = make_finding("OOMKilled");
  CHECK(&deeper(shallow, deep) == &deep);
  CHECK(&deeper(deep, shallow) == &deep);
  const Finding same = deep;
  CHECK(&deeper(deep, same) == &deep);
}
