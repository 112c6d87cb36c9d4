// Whether the fast decode of large JPEGs changes answers: decode_agreement MODEL PICTURES. Prints JSON.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "inference-server/model/model.hpp"
#include "inference-server/preprocess/preprocess.hpp"
#include "tests/inference-server/support/camera.hpp"

using namespace imageclassifier;

namespace {

/// How the fast decode of a number of pictures compares with the exact one.
struct DecodeAgreement {
  int pictures = 0;
  int reduced = 0;  ///< pictures that the fast decode made smaller
  int same_top1 = 0;
  double mean = 0;  ///< difference of the crops' samples, of 255
  int max = 0;
};

/// The answers of the model, and the pixels that it sees, for both decodes. False: the model failed.
bool compare_decodes(model::Model& model, int first, int count, DecodeAgreement& found) {
  const preprocess::TransformSpec& spec = model.manifest().transform;
  for (int index = first; index < first + count; ++index) {
    const auto file = test::camera_jpeg(index);
    image::DecodeOptions fast;
    fast.least_shorter_side = 2 * spec.resize;
    const auto left = image::decode(file, {}, fast);
    const auto right = image::decode(file);
    if (!left || !right) return false;
    const std::vector<preprocess::Input> inputs{preprocess::preprocess(*left, spec),
                                                preprocess::preprocess(*right, spec)};
    const auto logits = model.forward(inputs);
    if (!logits) return false;
    const auto top = [&](std::size_t row) {
      const auto& values = logits->rows[row];
      return std::max_element(values.begin(), values.end()) - values.begin();
    };
    const image::Image seen = preprocess::resize_and_crop(*left, spec);
    const image::Image exact = preprocess::resize_and_crop(*right, spec);
    double sum = 0;
    for (std::size_t i = 0; i < seen.pixels.size(); ++i) {
      const int difference = std::abs(seen.pixels[i] - exact.pixels[i]);
      sum += difference;
      found.max = std::max(found.max, difference);
    }
    found.mean += (sum / static_cast<double>(seen.pixels.size()) - found.mean) / (found.pictures + 1);
    found.same_top1 += top(0) == top(1) ? 1 : 0;
    found.reduced += left->image.width < right->image.width ? 1 : 0;
    ++found.pictures;
    if (found.pictures % 50 == 0) std::fprintf(stderr, "%d of %d pictures\n", found.pictures, count);
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  model::LoadOptions options;
  options.path = argv[1];
  options.threads = 1;  // nothing here is timed, and a second one starves on a busy machine
  const auto model = model::load_model(options);
  if (!model) {
    std::fprintf(stderr, "decode_agreement: %s\n", model.error().describe().c_str());
    return 1;
  }
  DecodeAgreement found;
  if (!compare_decodes(**model, 0, std::atoi(argv[2]), found)) return 1;
  std::printf("{\"pictures\": %d, \"reduced\": %d, \"same_top1\": %d, \"mean\": %.4f, \"max\": %d}\n", found.pictures,
              found.reduced, found.same_top1, found.mean, found.max);
}
