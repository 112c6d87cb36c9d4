#include "operator/app/health.hpp"

#include <algorithm>
#include <chrono>
#include <set>
#include <string_view>
#include <utility>

#include "common/guarded.hpp"
#include "common/log.hpp"

namespace imageclassifier::app {
namespace {

HttpResponse text(int status, std::string body) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

struct Question {
  bool verbose = false;
  std::set<std::string, std::less<>> excluded;
};

Question parse(std::string_view query) {
  Question question;
  while (!query.empty()) {
    const std::string_view part = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), part.size() + 1));
    const std::string_view name = part.substr(0, part.find('='));
    if (name == "verbose") question.verbose = true;
    if (name == "exclude" && name.size() < part.size()) question.excluded.emplace(part.substr(name.size() + 1));
  }
  return question;
}

/// All checks of one path.
class Endpoint {
 public:
  Endpoint(std::string name, std::vector<HealthCheck> checks) : name_(std::move(name)), checks_(std::move(checks)) {
    checks_.insert(checks_.begin(), {"ping", [] { return Result<void>{}; }});
  }

  HttpResponse answer(std::string_view query) {
    Question question = parse(query);
    std::string lines;
    bool failed = false;
    for (const HealthCheck& check : checks_) {
      if (question.excluded.erase(check.name) != 0) {
        lines += "[+]" + check.name + " excluded: ok\n";
        continue;
      }
      const Result<void> checked = run(check);
      failed = failed || !checked;
      lines +=
          checked ? "[+]" + check.name + " ok\n" : "[-]" + check.name + " failed: " + checked.error().describe() + "\n";
    }
    for (const std::string& unknown : question.excluded) {
      lines += "warn: no check is named \"" + unknown + "\", nothing was excluded\n";
    }
    if (failed) return text(500, lines + name_ + " check failed\n");
    return text(200, question.verbose ? lines + name_ + " check passed\n" : "ok");
  }

  std::vector<HttpRoute> routes(const std::shared_ptr<Endpoint>& self) const {
    std::vector<HttpRoute> routes;
    const auto add = [&](const std::string& path, auto answer) {
      HttpRoute route{"GET", path, [answer](const HttpRequest& request, const HttpResponder& responder) {
                        responder.respond(answer(request));
                      }};
      route.quick = true;
      routes.push_back(std::move(route));
    };
    add("/" + name_, [self](const HttpRequest& request) { return self->answer(request.query); });
    for (const HealthCheck& check : checks_) {
      add("/" + name_ + "/" + check.name, [self, check](const HttpRequest&) {
        const Result<void> checked = self->run(check);
        return checked ? text(200, "ok") : text(500, check.name + " failed: " + checked.error().describe() + "\n");
      });
    }
    return routes;
  }

 private:
  Result<void> run(const HealthCheck& check) {
    Result<void> checked = check.check();
    const bool changed = failing_.with(
        [&](auto& failing) { return checked ? failing.erase(check.name) != 0 : failing.insert(check.name).second; });
    if (!changed) return checked;
    if (checked) {
      log::info("A check is in order again", {{"endpoint", name_}, {"check", check.name}});
    } else {
      log::warning("A check fails",
                   {{"endpoint", name_}, {"check", check.name}, {"error", checked.error().describe()}});
    }
    return checked;
  }

  std::string name_;
  std::vector<HealthCheck> checks_;
  Guarded<std::set<std::string>> failing_;
};

void append(std::vector<HttpRoute>& routes, std::string name, std::vector<HealthCheck> checks) {
  const auto endpoint = std::make_shared<Endpoint>(std::move(name), std::move(checks));
  for (HttpRoute& route : endpoint->routes(endpoint)) routes.push_back(std::move(route));
}

}  // namespace

Result<std::unique_ptr<HttpServer>> serve_health(const RunOptions& options, HealthChecks checks,
                                                 const MetricsRegistry& metrics) {
  std::vector<HttpRoute> routes;
  append(routes, "healthz", std::move(checks.live));
  append(routes, "readyz", std::move(checks.ready));
  routes.push_back({"GET", "/metrics", [&metrics](HttpRequest, HttpResponder responder) {
                      HttpResponse response = text(200, metrics.text());
                      response.content_type = MetricsRegistry::kContentType;
                      responder.respond(std::move(response));
                    }});
  HttpServerOptions server;
  server.address = options.listen_address;
  server.port = options.listen_port;
  server.handler_threads = 1;
  // Probes of the kubelet, a scraper or two and a curious person: a few. The rest is room for an attack, which costs 1
  // KB per connection that says nothing.
  server.max_connections = 256;
  server.max_header_bytes = 8 * 1024;
  server.header_timeout = std::chrono::seconds(5);
  server.write_timeout = std::chrono::seconds(5);
  server.linger = std::chrono::milliseconds(200);
  return HttpServer::start(std::move(server), std::move(routes));
}

}  // namespace imageclassifier::app
