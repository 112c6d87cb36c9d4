// Writes seeded weights for make_parity_goldens.py and tests of the program:
// write_seeded_model ARCHITECTURE CLASSES SEED FILE [proven]; with the word the file has reference logits.
#include <cstdlib>
#include <iostream>

#include "inference-server/model/reference_logits.hpp"
#include "inference-server/model/seeded_weights.hpp"
#include "inference-server/model/weights_file.hpp"

int main(int argc, char** argv) {
  using namespace imageclassifier;
  if (argc != 5 && argc != 6) return 2;
  const auto architecture = model::find_architecture(argv[1]);
  if (!architecture) return 2;
  const int classes = std::atoi(argv[2]);
  model::Manifest manifest;
  manifest.architecture = architecture->name;
  manifest.weights = "seeded";
  const auto seed = std::strtoull(argv[3], nullptr, 10);
  const auto weights = model::make_seeded_weights(*architecture, classes, seed);
  if (argc == 6) {
    auto reference = model::make_reference_logits(*architecture, classes, model::as_bytes(weights), manifest.transform);
    if (!reference) return 1;
    manifest.reference = std::move(*reference);
  }
  const auto written = model::write_weights(argv[4], *architecture, classes, model::as_bytes(weights), manifest);
  if (!written) std::cerr << written.error().describe() << "\n";
  return written ? 0 : 1;
}
