#include "operator/kubernetes/status.hpp"

#include <catch2/catch.hpp>

#include "common/log.hpp"

using namespace imageclassifier;
using namespace imageclassifier::kubernetes;
using namespace std::chrono_literals;

TEST_CASE("the server's explanation is read from the body and Retry-After from body or header") {
  const Status status = status_of(422, {{"retry-after", "3"}}, R"({"kind":"Status","code":422,"reason":"Invalid",
      "message":"no","details":{"causes":[{"reason":"FieldValueInvalid","field":"spec.x","message":"bad"}]}})");
  CHECK(status.reason == "Invalid");
  CHECK(status.message == "no");
  REQUIRE(status.causes.size() == 1);
  CHECK(status.causes[0].field == "spec.x");
  CHECK(status.retry_after == 3s);
  const Status own = status_of(429, {{"Retry-After", "3"}},
                               R"({"kind":"Status","message":"slow down","details":{"retryAfterSeconds":9}})");
  CHECK(own.retry_after == 9s);
}

TEST_CASE("a refusal without a Status gets a sentence of ours") {
  const Status status = status_of(502, {}, "<html>");
  CHECK(status.code == 502);
  CHECK(status.message == "the server answered HTTP 502");
  CHECK_FALSE(status.retry_after);
}

TEST_CASE("status codes and reasons become error codes") {
  const auto code = [](int http, const std::string& reason = "") {
    Status status;
    status.code = http;
    status.reason = reason;
    return error_code(status);
  };
  CHECK(code(404) == ErrorCode::kNotFound);
  CHECK(code(409, "AlreadyExists") == ErrorCode::kAlreadyExists);
  CHECK(code(409, "Conflict") == ErrorCode::kConflict);
  CHECK(code(401) == ErrorCode::kUnauthenticated);
  CHECK(code(403) == ErrorCode::kPermissionDenied);
  CHECK(code(422) == ErrorCode::kInvalidArgument);
  CHECK(code(429) == ErrorCode::kExhausted);
  CHECK(code(500) == ErrorCode::kInternal);
  CHECK(code(503) == ErrorCode::kUnavailable);
  CHECK(code(302) == ErrorCode::kInternal);
}

TEST_CASE("an expired and a too large resource version are told apart by code and cause, never by text") {
  CHECK(is_expired(status_of(410, {}, "")));
  CHECK_FALSE(is_expired(status_of(500, {}, R"({"kind":"Status","message":"Expired"})")));
  const Status large = status_of(504, {}, R"({"kind":"Status","reason":"Timeout",
      "details":{"retryAfterSeconds":1,"causes":[{"reason":"ResourceVersionTooLarge"}]}})");
  CHECK(is_too_large_resource_version(large));
  CHECK_FALSE(is_too_large_resource_version(status_of(504, {}, "")));
}

TEST_CASE("hostile Status bodies are cut to size") {
  std::string body = R"({"kind":"Status","message":")" + std::string(100000, 'x') +
                     R"(","details":{"retryAfterSeconds":1e300,"causes":[)";
  for (int i = 0; i < 1000; ++i) body += std::string(i ? "," : "") + "{}";
  const Status status = status_of(400, {}, body + "]}}");
  CHECK(status.message.size() == 4096);
  CHECK(status.causes.size() == 64);
  CHECK(status.retry_after == 3600s);
  CHECK_FALSE(parse_status(R"({"kind":["Status"]})"));
  CHECK_FALSE(parse_status("[1,2"));
}

TEST_CASE("a credential that a server quotes is redacted in what is decoded of it, before it is cut") {
  log::conceal("long \"sentinel\" token");
  const std::string quoted = R"(long \u0022sentinel\" toke\u006e)";
  CHECK(status_of(400, {}, R"({"kind":"Status","message":"no )" + quoted + R"(!"})").message == "no [redacted]!");
  const std::string before(4090, 'x');
  const Status cut = status_of(400, {}, R"({"kind":"Status","message":")" + before + quoted + R"("})");
  CHECK(cut.message.find("long") == std::string::npos);
}

TEST_CASE("what is too large for a refusal is not read as one") {
  std::string body = R"({"kind":"Status","message":"boom","details":{"causes":[{})";
  while (body.size() < 300'000) body += ",{}";
  body += "]}}";
  CHECK(!parse_status(body));
  CHECK(status_of(500, {}, body).message == "the server answered HTTP 500");
}

TEST_CASE("a namespace that is being deleted is told from a right that is missing by the cause") {
  const std::string body =
      R"({"kind":"Status","reason":"Forbidden","details":{"causes":[{"reason":"NamespaceTerminating"}]}})";
  CHECK(is_namespace_terminating(status_of(403, {}, body)));
  CHECK_FALSE(is_namespace_terminating(status_of(403, {}, R"({"kind":"Status","reason":"Forbidden"})")));
}
