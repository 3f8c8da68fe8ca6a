// Test images in the terminal, with what a network says about them.
#pragma once

#include <string>
#include <vector>

#include "ndcao/data/dataset.h"
#include "ndcao/evaluate/torch/predict.h"

namespace ndcao {

/// Rows of images in half-block characters and 24 shades of grey, captions below:
/// what is right, and what the network says if that is wrong.
std::string DrawPredictions(const Dataset& data, const std::vector<Prediction>& predictions);

/// "sneaker" for Fashion-MNIST, the digit for MNIST, "class 7" elsewhere.
std::string ClassName(const std::string& data, int label);

}  // namespace ndcao
