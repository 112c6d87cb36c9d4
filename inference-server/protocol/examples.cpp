#include <algorithm>
#include <array>
#include <map>

#include "common/guarded.hpp"
#include "inference-server/demo/pictures.hpp"
#include "inference-server/protocol/request_context.hpp"
#include "inference-server/protocol/routes.hpp"

namespace imageclassifier::protocol {
namespace {

/// Which of the drawings of a class is shown; none of them was among those that the demo model is fitted to.
struct Example {
  std::string_view label;
  int index;
};
constexpr std::array kExamples = {Example{"sailboat", 0}, Example{"house", 0}, Example{"tree", 0},
                                  Example{"heart", 0},    Example{"sun", 0},   Example{"spiral", 0}};
constexpr std::string_view kSuffix = ".jpg";

std::string draw(const Example& example) {
  const auto& labels = demo::labels();
  const auto label = std::find(labels.begin(), labels.end(), example.label) - labels.begin();
  const auto file = demo::draw_jpeg(static_cast<int>(label), demo::PictureSet::kHeldOut, 1, example.index);
  return {reinterpret_cast<const char*>(file.data()), file.size()};
}

}  // namespace

const std::vector<std::string>& example_names() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names;
    for (const Example& example : kExamples) names.push_back(std::string(example.label) + std::string(kSuffix));
    return names;
  }();
  return kNames;
}

HttpRoute example_route() {
  const auto drawn = std::make_shared<Guarded<std::map<std::string, std::string>>>();
  const HttpHandler handler = [drawn](const HttpRequest& request, const HttpResponder& responder) {
    const std::string id = request_id(request);
    const auto& names = example_names();
    const auto found = std::find(names.begin(), names.end(), request.parameters.at(0));
    if (found == names.end()) {
      return responder.respond(problem_response({ProblemCode::kNotFound, "There is no such example."}, id));
    }
    HttpResponse response{.content_type = "image/jpeg"};
    {
      auto pictures = drawn->lock();
      std::string& picture = (*pictures)[*found];
      if (picture.empty()) picture = draw(kExamples.at(static_cast<std::size_t>(found - names.begin())));
      response.body = picture;
    }
    response.headers = {
        {"Cache-Control", "private, max-age=3600"}, {"X-Content-Type-Options", "nosniff"}, {"X-Request-Id", id}};
    responder.respond(std::move(response));
  };
  return {"GET", "/examples/{name}", handler};
}

}  // namespace imageclassifier::protocol
