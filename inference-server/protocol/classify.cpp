#include <algorithm>
#include <charconv>

#include "inference-server/protocol/answer.hpp"
#include "inference-server/protocol/multipart.hpp"
#include "inference-server/protocol/request_context.hpp"
#include "inference-server/protocol/routes.hpp"
#include "inference-server/web/page.hpp"

namespace imageclassifier::protocol {
namespace {

constexpr std::size_t kMaxImages = 32;

tl::unexpected<Problem> refuse(ProblemCode code, std::string detail) {
  return tl::unexpected<Problem>(Problem{code, std::move(detail)});
}

std::optional<std::string_view> query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const auto equals = pair.find('=');
    if (pair.substr(0, equals) != name) continue;
    return equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
  }
  return std::nullopt;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

tl::expected<int, Problem> parse_k(const HttpRequest& request, int fallback) {
  const auto given = query_value(request.query, "k");
  if (!given) return fallback;
  const auto k = whole_number(*given);
  if (!k || *k < 1 || *k > 100) return refuse(ProblemCode::kBadParameter, "k must be a whole number from 1 to 100.");
  return static_cast<int>(*k);
}

/// Whether the parameter has its second value; absent means the first, which is the default.
tl::expected<bool, Problem> parse_choice(const HttpRequest& request, std::string_view name, std::string_view first,
                                         std::string_view second) {
  const auto given = query_value(request.query, name);
  if (!given || *given == first) return false;
  if (*given == second) return true;
  return refuse(ProblemCode::kBadParameter,
                std::string(name) + " must be " + std::string(first) + " or " + std::string(second) + ".");
}

/// k and how the pictures are read.
tl::expected<ClassifyOptions, Problem> parse_query(const HttpRequest& request, int fallback_k) {
  const auto k = parse_k(request, fallback_k);
  if (!k) return tl::unexpected<Problem>(k.error());
  const auto exact = parse_choice(request, "decode", "fast", "exact");
  if (!exact) return tl::unexpected<Problem>(exact.error());
  const auto ignore_exif = parse_choice(request, "exif", "apply", "ignore");
  if (!ignore_exif) return tl::unexpected<Problem>(ignore_exif.error());
  const auto drop_alpha = parse_choice(request, "alpha", "white", "drop");
  if (!drop_alpha) return tl::unexpected<Problem>(drop_alpha.error());
  ClassifyOptions options;
  options.k = *k;
  options.exact_decode = *exact;
  options.apply_orientation = !*ignore_exif;
  options.composite_alpha = !*drop_alpha;
  return options;
}

tl::expected<LabelStyle, Problem> parse_label_style(const HttpRequest& request) {
  const std::string_view given = query_value(request.query, "labels").value_or("name");
  if (given == "name") return LabelStyle::kName;
  if (given == "wnid") return LabelStyle::kWnid;
  if (given == "none") return LabelStyle::kNone;
  return refuse(ProblemCode::kBadParameter, "labels must be name, wnid or none.");
}

/// The client may only shorten the time limit.
tl::expected<SteadyTime, Problem> parse_deadline(const HttpRequest& request, std::chrono::milliseconds limit) {
  const std::string_view given = request.header("x-request-timeout-ms");
  if (!given.empty()) {
    const auto milliseconds = whole_number(given);
    if (!milliseconds || *milliseconds < 1) {
      return refuse(ProblemCode::kBadParameter, "X-Request-Timeout-Ms must be a whole number of at least 1.");
    }
    limit = std::min(limit, std::chrono::milliseconds(*milliseconds));
  }
  return request.received + limit;
}

tl::expected<std::vector<Picture>, Problem> pictures_of_form(const HttpRequest& request) {
  const auto parts = parse_multipart(request.body, multipart_boundary(request.header("content-type")));
  if (!parts) return tl::unexpected<Problem>(parts.error());
  std::vector<Picture> pictures;
  for (const Part& part : *parts) {
    // A browser sends a file field that nobody filled as an empty name and an empty body.
    if (part.name != "image" || (part.filename.empty() && part.body.empty())) continue;
    Picture picture{std::nullopt, part.body};
    if (part.has_file) picture.file = display_name(part.filename);
    pictures.push_back(std::move(picture));
  }
  if (pictures.empty()) {
    return refuse(ProblemCode::kNoImagePart, "No picture was sent. Choose one in the form field \"image\".");
  }
  if (pictures.size() > kMaxImages) {
    return refuse(ProblemCode::kTooManyImages, "At most 32 pictures can be sent at once.");
  }
  return pictures;
}

tl::expected<std::vector<Picture>, Problem> pictures_of(const HttpRequest& request) {
  const std::string_view encoding = request.header("content-encoding");
  if (!encoding.empty() && media_type(encoding) != "identity") {
    return refuse(ProblemCode::kUnsupportedEncoding,
                  "The body must not be compressed: send it without Content-Encoding.");
  }
  if (request.body.empty())
    return refuse(ProblemCode::kEmptyBody, "The upload is empty. Send a JPEG, PNG, WebP, GIF or BMP picture.");
  if (media_type(request.header("content-type")) == "multipart/form-data") return pictures_of_form(request);
  return std::vector<Picture>{{std::nullopt, request.body}};
}

/// One request on its way: everything that its answer needs.
struct Exchange {
  HttpResponder responder;
  std::string request_id;
  bool html;
  LabelStyle style = LabelStyle::kName;

  void refuse(const Problem& problem) const {
    HttpResponse response = problem_response(problem, request_id);
    if (html) web::become_page(response, problem_html(problem, request_id));
    responder.respond(std::move(response));
  }

  void answer(const std::vector<PictureResult>& results, const model::ModelInfo& info) const {
    // A single picture that fails is the request's failure; among several it stands in its place.
    if (results.size() == 1 && results.front().problem) return refuse(*results.front().problem);
    HttpResponse response{.content_type = "application/json", .body = {}};
    add_common_headers(response, request_id);
    if (html) {
      web::become_page(response, answer_html(results, info, request_id));
    } else {
      response.body = answer_json(results, info, request_id, style);
    }
    responder.respond(std::move(response));
  }
};

}  // namespace

HttpHandler classify_handler(ServerState& state, InferenceMetrics& metrics, const ProtocolOptions& options) {
  return [&state, &metrics, options](HttpRequest received, const HttpResponder& responder) {
    // The pictures are parts of its body, and are decoded after this has returned.
    const auto owner = std::make_shared<const HttpRequest>(std::move(received));
    const HttpRequest& request = *owner;
    Exchange exchange{responder, request_id(request), wants_html(request)};
    const auto refuse_and_count = [&](const Problem& problem) {
      metrics.rejected(problem);
      exchange.refuse(problem);
    };
    metrics.stage(InferenceMetrics::Stage::kRead, request.received - request.started);
    const auto classifier = state.get().classifier;
    if (!classifier) {
      return refuse_and_count({ProblemCode::kLoading, "The model is still being loaded. Try again in a moment.", 1});
    }
    auto how = parse_query(request, options.top_k);
    if (!how) return refuse_and_count(how.error());
    const auto style = parse_label_style(request);
    if (!style) return refuse_and_count(style.error());
    exchange.style = *style;
    const auto deadline = parse_deadline(request, options.request_timeout);
    if (!deadline) return refuse_and_count(deadline.error());
    const auto pictures = pictures_of(request);
    if (!pictures) return refuse_and_count(pictures.error());
    how->deadline = *deadline;
    how->abandoned = [responder] { return responder.client_gone(); };
    // The lane's last callback must not be the one that lets go of the classifier: it would join its own thread.
    const auto problem = classifier->classify(
        *pictures, owner, *how,
        [exchange, &metrics, info = classifier->info()](const std::vector<PictureResult>& results) {
          const SteadyTime begin = SystemClock().steady_now();
          exchange.answer(results, info);
          metrics.stage(InferenceMetrics::Stage::kEncode, SystemClock().steady_now() - begin);
        });
    if (problem) exchange.refuse(*problem);
  };
}

}  // namespace imageclassifier::protocol
