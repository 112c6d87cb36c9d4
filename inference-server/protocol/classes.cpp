#include <nlohmann/json.hpp>

#include "inference-server/protocol/answer.hpp"
#include "inference-server/protocol/compression.hpp"
#include "inference-server/protocol/request_context.hpp"
#include "inference-server/protocol/routes.hpp"

namespace imageclassifier::protocol {

HttpHandler classes_handler(ServerState& state) {
  return [&state](const HttpRequest& request, const HttpResponder& responder) {
    const std::string id = request_id(request);
    const ServerState::Snapshot now = state.get();
    if (const auto problem = problem_of_model(now, {})) return responder.respond(problem_response(*problem, id));
    const auto manifest = now.classifier->manifest();
    nlohmann::ordered_json classes = nlohmann::ordered_json::array();
    for (std::size_t index = 0; index < manifest->labels.size(); ++index) {
      nlohmann::ordered_json item = {{"index", index}, {"label", manifest->labels[index]}};
      if (index < manifest->wnids.size()) item["wnid"] = manifest->wnids[index];
      classes.push_back(std::move(item));
    }
    const nlohmann::ordered_json json = {
        {"classes", std::move(classes)}, {"model", model_json(now.classifier->info())}, {"request_id", id}};
    HttpResponse response{.content_type = "application/json",
                          .body = json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n"};
    add_common_headers(response, id);
    compress_body(response, accepted_coding(request));
    responder.respond(std::move(response));
  };
}

}  // namespace imageclassifier::protocol
