#include "inference-server/protocol/upload.hpp"

#include "inference-server/protocol/multipart.hpp"
#include "inference-server/protocol/request_context.hpp"

namespace imageclassifier::protocol {
namespace {

constexpr std::size_t kMaxImages = 32;

tl::unexpected<Problem> refuse(ProblemCode code, std::string detail) {
  return tl::unexpected<Problem>(Problem{code, std::move(detail)});
}

tl::expected<std::vector<Picture>, Problem> pictures_of_form(const HttpRequest& request, std::string_view field) {
  const auto parts = parse_multipart(request.body, multipart_boundary(request.header("content-type")));
  if (!parts) return tl::unexpected<Problem>(parts.error());
  std::vector<Picture> pictures;
  for (const Part& part : *parts) {
    // A browser sends a file field that nobody filled as an empty name and an empty body.
    if (part.name != field || (part.filename.empty() && part.body.empty())) continue;
    Picture picture{std::nullopt, part.body};
    if (part.has_file) picture.file = display_name(part.filename);
    pictures.push_back(std::move(picture));
  }
  if (pictures.empty()) {
    return refuse(ProblemCode::kNoImagePart,
                  "No picture was sent. Choose one in the form field \"" + std::string(field) + "\".");
  }
  if (pictures.size() > kMaxImages) {
    return refuse(ProblemCode::kTooManyImages, "At most 32 pictures can be sent at once.");
  }
  return pictures;
}

}  // namespace

tl::expected<std::vector<Picture>, Problem> pictures_of(const HttpRequest& request, std::string_view field) {
  if (request.body.empty()) {
    return refuse(ProblemCode::kEmptyBody, "The upload is empty. Send a JPEG, PNG, WebP, GIF or BMP picture.");
  }
  if (media_type(request.header("content-type")) == "multipart/form-data") return pictures_of_form(request, field);
  return std::vector<Picture>{{std::nullopt, request.body}};
}

}  // namespace imageclassifier::protocol
