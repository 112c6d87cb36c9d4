#include "inference-server/protocol/admin.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/log_level.hpp"
#include "inference-server/protocol/answer.hpp"
#include "inference-server/protocol/bearer_auth.hpp"
#include "inference-server/protocol/problem.hpp"
#include "inference-server/protocol/request_context.hpp"

namespace imageclassifier::protocol {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxBody = 1024;

/// localhost or a literal address, with or without a port.
bool is_address(std::string_view host) {
  if (host.starts_with('[')) return true;
  host = host.substr(0, host.find(':'));
  return host == "localhost" || (!host.empty() && host.find_first_not_of("0123456789.") == std::string_view::npos);
}

bool is_from_page(const HttpRequest& request, bool names) {
  const std::string_view site = request.header("sec-fetch-site");
  return !request.header("origin").empty() || !(site.empty() || site == "none") ||
         !(names || is_address(request.header("host")));
}

/// RFC 9457, with a code that is not among those of the public interface.
HttpResponse admin_problem(int status, const char* code, const char* title, const std::string& detail,
                           const std::string& id) {
  HttpResponse response = problem_response({.detail = detail, .status = status}, id);
  const Json json = {{"type", "about:blank"}, {"title", title}, {"status", status},
                     {"detail", detail},      {"code", code},   {"request_id", id}};
  response.body = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  return response;
}

HttpResponse refused_reload(const Error& error, const std::string& id) {
  if (error.code == ErrorCode::kUnavailable) {
    return problem_response({ProblemCode::kLoading, "The first model is not ready yet.", 1}, id);
  }
  if (error.code != ErrorCode::kConflict) {
    return admin_problem(422, "reload_failed", "The model stays as it was", error.describe(), id);
  }
  HttpResponse response = admin_problem(409, "conflict", "Already under way", "Another reload is under way.", id);
  response.headers.push_back({"Retry-After", "1"});
  return response;
}

HttpResponse reload(const AdminActions& actions, const std::string& id) {
  const auto info = actions.reload();
  return info ? json_response({{"model", model_json(*info)}}) : refused_reload(info.error(), id);
}

HttpResponse change_level(const HttpRequest& request, const std::string& id) {
  const Json body = Json::parse(request.body, nullptr, false);
  const auto text = body.is_object() ? body.find("level") : body.end();
  log::Level level = log::Level::kInfo;
  if (text == body.end() || !text->is_string() || !log::parse_level(text->get<std::string>(), level)) {
    return problem_response({ProblemCode::kBadParameter, "Send {\"level\": LEVEL} with debug, info, warning or error."},
                            id);
  }
  const std::string before(log::to_string(log::level()));
  log::set_level(level);
  log::warning("log level changed", {{"from", before}, {"to", log::to_string(level)}});
  return json_response({{"level", log::to_string(level)}});
}

using Action = std::function<HttpResponse(const HttpRequest& request, const std::string& id)>;

HttpHandler guarded(bool names, Action action) {
  return [names, action = std::move(action)](const HttpRequest& request, const HttpResponder& responder) {
    const std::string id = request_id(request);
    HttpResponse response;
    if (is_from_page(request, names)) {
      response =
          admin_problem(403, "forbidden", "Not from here", "The admin port does not answer pages in browsers.", id);
    } else {
      response = action(request, id);
    }
    const auto has_id = [](const HttpHeader& header) { return header.name == "X-Request-Id"; };
    if (std::none_of(response.headers.begin(), response.headers.end(), has_id)) add_common_headers(response, id);
    responder.respond(std::move(response));
  };
}

}  // namespace

HttpResponse admin_refusal(const HttpRefusalContext& refusal) {
  const std::string id = refusal.head != nullptr ? request_id(*refusal.head) : new_request_id();
  Problem problem = problem_of(refusal);
  const bool unauthorized = problem.code == ProblemCode::kUnauthorized;
  if (unauthorized) problem.detail = "A bearer token is needed here.";
  HttpResponse response = problem_response(problem, id);
  if (unauthorized) response.headers.push_back({"WWW-Authenticate", bearer_challenge(refusal.head)});
  return response;
}

std::vector<HttpRoute> admin_routes(AdminActions actions, bool names) {
  const Action do_reload = [reload_it = actions](const HttpRequest&, const std::string& id) {
    return reload(reload_it, id);
  };
  const Action drain = [begin = actions.drain](const HttpRequest&, const std::string&) {
    begin();
    return json_response({{"stage", "draining"}}, 202);
  };
  const Action configuration = [text = actions.configuration](const HttpRequest&, const std::string&) {
    return HttpResponse{.content_type = "application/yaml", .body = text()};
  };
  const Action tell_level = [](const HttpRequest&, const std::string&) {
    return json_response({{"level", log::to_string(log::level())}});
  };
  return {{"POST", "/admin/reload", guarded(names, do_reload), kMaxBody},
          {"POST", "/admin/drain", guarded(names, drain), kMaxBody, true},
          {"GET", "/admin/config", guarded(names, configuration), 0, true},
          {"GET", "/admin/log-level", guarded(names, tell_level), 0, true},
          {"PUT", "/admin/log-level", guarded(names, change_level), kMaxBody, true}};
}

}  // namespace imageclassifier::protocol
