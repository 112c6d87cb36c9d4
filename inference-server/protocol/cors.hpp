#pragma once

#include <string>
#include <vector>

#include "common/http_server.hpp"
#include "common/result.hpp"

namespace imageclassifier::protocol {

/// Which pages of other origins may read answers: the protocol of the Fetch standard ("CORS"). Immutable.
class Cors {
 public:
  /// Nobody: no answer says anything about origins.
  Cors() = default;
  /// `origins` as browsers send them ("https://shop.example", with a port unless it is the scheme's own), or "*" alone.
  /// kInvalidArgument: one that no browser sends.
  static Result<Cors> make(const std::vector<std::string>& origins);

  bool enabled() const { return everyone_ || !origins_.empty(); }

  /// A browser's question whether it may send a request: it comes without credentials and is answered to everyone.
  bool is_preflight(const HttpRequest& head) const;
  /// Whether the page may read this answer; with a list of origins it may also send credentials of the browser's, with
  /// "*" it may not.
  void add_headers(const HttpRequest& head, HttpResponse& response) const;
  /// The routes, and with them OPTIONS for every path that has none, for preflights.
  std::vector<HttpRoute> with_preflights(std::vector<HttpRoute> routes) const;

 private:
  bool everyone_ = false;
  std::vector<std::string> origins_;
};

}  // namespace imageclassifier::protocol
