#include "inference-server/app/application.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

#include "common/file.hpp"
#include "inference-server/app/admin_server.hpp"
#include "inference-server/app/file_watch.hpp"
#include "inference-server/app/memory_limit.hpp"
#include "inference-server/app/process_age.hpp"
#include "inference-server/app/served_model.hpp"
#include "inference-server/app/server_log.hpp"
#include "inference-server/app/thread_check.hpp"
#include "inference-server/app/tls_files.hpp"
#include "inference-server/model/cpu_count.hpp"
#include "inference-server/protocol/basic_auth.hpp"
#include "inference-server/protocol/bearer_auth.hpp"
#include "inference-server/protocol/cors.hpp"
#include "inference-server/protocol/request_context.hpp"
#include "inference-server/protocol/routes.hpp"

namespace imageclassifier::app {
namespace {

/// How soon a changed file is noticed; a kubelet takes a minute to change it.
constexpr std::chrono::seconds kLookInterval{1};

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

/// As many connections as the server allows need more descriptors than the usual soft limit of 1024.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

ServeOptions with_threads(ServeOptions options) {
  if (options.model.threads == 0) options.model.threads = model::usable_cores();
  options.model.lanes = std::min(options.model.lanes, options.model.threads);
  return options;
}

/// Owns everything while the server runs. Members are destroyed from the last to the first: the server, whose handlers
/// use the rest, goes before the state with its classifier.
class Application {
 public:
  Application(const ServeOptions& options, SignalStop& signals)
      : options_(with_threads(options)), signals_(signals), metrics_(registry_) {}
  ~Application() { signals_.on_hangup({}); }
  Application(const Application&) = delete;
  Application& operator=(const Application&) = delete;

  int run();

 private:
  Result<void> prepare_files();
  Result<void> change_certificate();
  Result<void> listen();
  Result<void> listen_for_admin(std::optional<HttpTlsPair> tls);
  bool admits(const HttpRequest& head);
  void load_and_warm_up();
  Result<void> check_self_test() const;
  int drain();

  const ServeOptions options_;
  SignalStop& signals_;
  SystemClock clock_;
  MetricsRegistry registry_;
  protocol::InferenceMetrics metrics_;
  StartStages stages_{clock_, process_age()};
  protocol::ServerState state_{stages_};
  ServedModel model_{options_, clock_, metrics_, state_};
  std::mutex mutex_;
  std::condition_variable_any failed_;
  std::optional<Failure> failure_;  // under mutex_
  bool drain_asked_ = false;        // under mutex_
  std::optional<protocol::BasicAuth> auth_;
  std::optional<protocol::BearerAuth> tokens_;
  std::optional<protocol::BearerAuth> admin_tokens_;
  protocol::Cors cors_;
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<HttpServer> admin_;
  std::optional<FileWatch> watch_;
  std::jthread watcher_;
  std::jthread loader_;
  std::jthread reloader_;
};

Result<void> Application::prepare_files() {
  std::vector<WatchedFiles> files;
  std::vector<std::pair<std::string, std::function<Result<void>()>>> credentials;
  const auto add = [&](const std::string& option, const std::string& path, auto& auth) {
    if (path.empty()) return;
    auth.emplace(path);
    files.push_back({"credentials", auth->files(), [&auth] { return auth->load(); }});
    credentials.emplace_back(option, files.back().reload);
  };
  add("--auth-basic-file", options_.auth_basic_file, auth_);
  add("--auth-bearer-file", options_.auth_bearer_file, tokens_);
  add("--admin-token-file", options_.admin_token_file, admin_tokens_);
  if (!options_.tls_certificate.empty()) {
    files.push_back(
        {"TLS certificate", {options_.tls_certificate, options_.tls_key}, [this] { return change_certificate(); }});
  }
  // Before they are read for the first time: no change is missed.
  watch_.emplace(std::move(files));
  for (const auto& [option, load] : credentials) {
    const auto read = load();
    // Whatever is wrong with them, only somebody who mends them helps.
    if (!read) return fail(Error(ErrorCode::kInvalidArgument, option + " cannot be used", read.error()));
  }
  auto cors = protocol::Cors::make(options_.cors_origins);
  if (!cors) return fail(Error(ErrorCode::kInvalidArgument, "--cors-origin cannot be used", cors.error()));
  cors_ = std::move(*cors);
  return {};
}

bool Application::admits(const HttpRequest& head) {
  if (!auth_ && !tokens_) return true;
  return cors_.is_preflight(head) || (auth_ && auth_->admits(head)) || (tokens_ && tokens_->admits(head));
}

Result<void> Application::check_self_test() const {
  if (options_.self_test_image.empty() != options_.self_test_label.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "--self-test-image and --self-test-label are given together or not at all");
  }
  if (options_.self_test_image.empty()) return {};
  // It is read again before each test.
  const auto picture = read_regular_file(options_.self_test_image, kMaximumSelfTestPicture);
  if (picture) return {};
  return fail(Error(ErrorCode::kInvalidArgument, "--self-test-image cannot be used", picture.error()));
}

Result<void> Application::change_certificate() {
  const auto pair = read_tls_files(options_);
  if (!pair) return fail(pair.error());
  auto changed = server_->change_certificate(**pair);
  if (!changed || !admin_) return changed;
  changed = admin_->change_certificate(**pair);
  const bool plain = !changed && changed.error().code == ErrorCode::kUnsupported;
  return plain ? Result<void>() : changed;
}

Result<void> Application::listen() {
  const auto stage = stages_.begin("listen");
  const auto address = parse_listen(options_.listen);
  if (!address) return fail(address.error());
  const protocol::ProtocolOptions protocol{.top_k = options_.model.top_k,
                                           .max_upload_bytes = options_.max_upload_bytes,
                                           .request_timeout = milliseconds(options_.request_timeout),
                                           .upload_page = options_.upload_page};
  HttpServerOptions http;
  http.address = address->address;
  http.port = address->port;
  http.refusal_response =
      [this, answer = protocol::refusals({auth_.has_value(), tokens_.has_value()})](const HttpRefusalContext& refusal) {
        metrics_.rejected(protocol::problem_of(refusal));
        return answer(refusal);
      };
  http.before_answer = [this](const HttpRequest& head, HttpResponse& response) {
    protocol::add_traceparent(head, response);
    cors_.add_headers(head, response);
  };
  http.observer = [this](const HttpExchange& exchange) {
    metrics_.request(exchange.route, exchange.response->status, exchange.duration);
    log_exchange(exchange);
  };
  auto tls = read_tls_files(options_);
  if (!tls) return fail(Error(ErrorCode::kInvalidArgument, "HTTPS cannot be served", tls.error()));
  const bool secure = tls->has_value();
  http.tls = *tls;
  http.admit = [this](const HttpRequest& head) { return admits(head); };
  auto server =
      HttpServer::start(std::move(http), cors_.with_preflights(protocol::make_routes(state_, metrics_, protocol)));
  if (!server) {
    const std::string with = secure ? " with " + options_.tls_certificate + " and " + options_.tls_key : "";
    return fail(Error(server.error().code, "cannot serve" + with, server.error()));
  }
  server_ = std::move(*server);
  log::info("listening", {{"address", address->address}, {"port", server_->port()}, {"tls", secure}});
  return listen_for_admin(std::move(*tls));
}

Result<void> Application::listen_for_admin(std::optional<HttpTlsPair> tls) {
  auto admin = start_admin_server(options_, std::move(tls), admin_tokens_ ? &*admin_tokens_ : nullptr,
                                  {.reload = [this] { return model_.reload_alone(); },
                                   .drain =
                                       [this] {
                                         const std::unique_lock hold(mutex_);
                                         drain_asked_ = true;
                                         failed_.notify_all();
                                       },
                                   .configuration = [this] { return options_.effective; }});
  if (!admin) return fail(admin.error());
  admin_ = std::move(*admin);
  return {};
}

void Application::load_and_warm_up() {
  auto failure = model_.start(stages_);
  if (!failure) return;
  std::unique_lock hold(mutex_);
  failure_ = std::move(failure);
  failed_.notify_all();
}

int Application::run() {
  log::info("started", {{"seconds", std::chrono::duration<double>(stages_.since_start()).count()}});
  raise_descriptor_limit();
  log_configuration(options_);
  warn_of_oversubscription(options_.model.threads);
  auto listening = prepare_files();
  if (listening) listening = check_self_test();
  if (listening) listening = listen();
  if (!listening) {
    const bool ours = listening.error().code == ErrorCode::kInvalidArgument;
    if (ours) report_fatal(options_.termination_log, "ConfigurationInvalid", listening.error().describe());
    if (!ours) log::error("cannot listen", {{"error", listening.error().describe()}});
    return ours ? kExitConfiguration : 1;
  }
  watcher_ = std::jthread([this](const std::stop_token& stop) { watch_->run(clock_, kLookInterval, stop); });
  loader_ = std::jthread([this] { load_and_warm_up(); });
  reloader_ = std::jthread([this](const std::stop_token& stop) { model_.serve_requests(stop); });
  signals_.on_hangup([this] { model_.request_reload(); });
  std::unique_lock lock(mutex_);
  failed_.wait(lock, signals_.token(), [this] { return failure_.has_value() || drain_asked_; });
  if (!failure_) {
    lock.unlock();
    return drain();
  }
  if (failure_->reason.empty()) {
    log::error("the model could not be loaded", {{"error", failure_->error.describe()}});
    return 1;
  }
  report_fatal(options_.termination_log, failure_->reason, failure_->error.describe());
  return kExitConfiguration;
}

int Application::drain() {
  const bool was_ready = state_.get().stage == protocol::Stage::kReady;
  state_.draining();
  server_->announce_drain();
  log::info("draining", {{"drain_delay", options_.drain_delay}, {"exit_timeout", options_.exit_timeout}});
  // While endpoints forget this server, new requests still arrive; before it was ready none did.
  if (was_ready) clock_.sleep_for(milliseconds(options_.drain_delay), signals_.fast_token());
  const bool finished = server_->drain(milliseconds(options_.exit_timeout), signals_.fast_token());
  log::info("stopped", {{"finished_all", finished}});
  // Nobody waits for a model that is still being made, and making it cannot be broken off.
  if (model_.is_loading()) std::_Exit(0);
  return 0;
}

}  // namespace

image::DecodeLimits limits_of(const ModelOptions& options) {
  const std::uint64_t memory = options.max_image_memory;
  return {.max_pixels = options.max_image_pixels, .max_memory = memory > 0 ? memory : picture_memory(memory_limit())};
}

Result<std::unique_ptr<model::Model>> load(const ModelOptions& options, StartStages* stages) {
  model::LoadOptions how{.path = options.model,
                         .expected_sha256 = options.sha256,
                         .name = options.name,
                         .labels = {},
                         .transform = {},
                         .engine = options.engine,
                         .precision = options.precision,
                         .threads = options.threads == 0 ? 0 : std::max(1, options.threads / options.lanes),
                         .lanes = options.lanes,
                         .allow_torchscript = options.allow_torchscript,
                         .stages = stages};
  if (options.preprocessing == "imagenet-v1") how.transform = preprocess::kImagenetV1;
  if (options.preprocessing == "imagenet-v2") how.transform = preprocess::kImagenetV2;
  if (!options.labels.empty()) {
    auto labels = read_labels(options.labels);
    if (!labels) return fail(labels.error());
    how.labels = std::move(labels->names);
    how.wnids = std::move(labels->wnids);
  }
  auto model = model::load_model(how);
  if (model && !options.architecture.empty() && (*model)->info().architecture != options.architecture) {
    return fail(ErrorCode::kInvalidArgument,
                "the model file holds a " + (*model)->info().architecture + ", not a " + options.architecture);
  }
  return model;
}

void report_fatal(const std::string& termination_log, const std::string& reason, const std::string& message) {
  log::error("the server cannot ever become ready", {{"reason", reason}, {"error", message}});
  write_termination_log(termination_log, reason, message);
}

void write_termination_log(const std::string& termination_log, const std::string& reason, const std::string& message) {
  const std::string text = nlohmann::ordered_json({{"reason", reason}, {"message", message}})
                               .dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  // Never created: outside a pod there is no such file, and none is wanted.
  const int file = open(termination_log.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
  if (file < 0) return;
  if (write(file, text.data(), text.size()) < 0) log::warning("the termination log cannot be written");
  close(file);
}

int serve(const ServeOptions& options, SignalStop& signals) {
  give_large_blocks_back();
  return Application(options, signals).run();
}

}  // namespace imageclassifier::app
