#pragma once

#include <span>
#include <string>
#include <vector>

namespace imageclassifier::postprocess {

struct Prediction {
  int index = 0;  ///< the class; labels may repeat, indices do not
  std::string label;
  double probability = 0;      ///< softmax(logits / temperature)
  double probability_raw = 0;  ///< softmax(logits)
  std::string wnid{};          ///< the class in WordNet; empty: not known
};

/// softmax(logits / temperature), summed in double.
std::vector<double> softmax(std::span<const float> logits, double temperature = 1.0);

/// Whether an answer deserves trust, from all probabilities.
struct Certainty {
  /// The first class is more likely right than wrong (probability >= 0.5), and no more than ten classes are in play.
  bool sure = false;
  /// exp(entropy): as many classes, all equally likely, would be as uncertain. From 1 to the number of classes.
  double effective_classes = 1;
};

/// Of softmax(logits / temperature). Logits that are not finite are never sure.
Certainty certainty_of(std::span<const float> logits, double temperature = 1.0);

/// The k most probable classes, descending, ties by the lower index; k is cut at the class count. Sums in double.
std::vector<Prediction> top_k(std::span<const float> logits, std::span<const std::string> labels, int k,
                              double temperature = 1.0);

}  // namespace imageclassifier::postprocess
