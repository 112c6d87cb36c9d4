#include "common/result.hpp"

#include <catch2/catch.hpp>

using namespace imageclassifier;

TEST_CASE("an error describes itself with its causes") {
  const Error error(ErrorCode::kUnavailable, "cannot list pods",
                    Error(ErrorCode::kUnavailable, "cannot connect", Error(ErrorCode::kInternal, "refused")));
  CHECK(error.describe() == "cannot list pods: cannot connect: refused");
}

TEST_CASE("a result carries a value or an error") {
  const Result<int> value = 3;
  const Result<int> failure = fail(ErrorCode::kNotFound, "no such thing");
  CHECK(*value == 3);
  REQUIRE_FALSE(failure);
  CHECK(failure.error().code == ErrorCode::kNotFound);
  CHECK(std::string(to_string(failure.error().code)) == "not_found");
}
