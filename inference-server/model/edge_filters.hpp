#pragma once

#include <vector>

namespace imageclassifier::model {

/// Weights of the first convolution (64 x 3 x 7 x 7) for a backbone that is never trained: edges and lines in eight
/// directions, by brightness and by two pairs of opposite colours, and soft colour spots. They resemble what trained
/// networks learn there, and make random layers behind them far more telling than random edges would.
std::vector<float> make_edge_filters();

}  // namespace imageclassifier::model
