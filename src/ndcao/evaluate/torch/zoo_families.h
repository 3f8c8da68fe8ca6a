// The descriptions behind DescribeZooModel, one file for each family. Internal to evaluate/torch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/evaluate/torch/zoo.h"

namespace ndcao::zoo {

/// What is asked for.
struct Request {
  std::string name;      ///< As given: "mlp:784-32-10".
  std::string argument;  ///< What follows the colon.
  DataShape data;
};

/// `pass` of the convolutional networks.
constexpr std::int64_t kConvolutionPass = 64;

struct Image {
  std::int64_t channels = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
};

/// The example's shape as an image; the error says that the model needs one.
Result<Image> ImageOf(const Request& request);
/// Product of the example's shape.
std::int64_t FeaturesOf(const DataShape& data);
/// "784-256-10": two or more widths, of which the first fits the data's
/// features and the last its classes; the error says both.
Result<std::vector<std::int64_t>> ParseWidths(const Request& request);

Result<NetworkDescription> Mlp(const Request& request);
Result<NetworkDescription> Cnn11k(const Request& request);
Result<NetworkDescription> LeNet5(const Request& request);
Result<NetworkDescription> ResNet8(const Request& request);
Result<NetworkDescription> ResNet20(const Request& request);
Result<NetworkDescription> Lstm(const Request& request);
Result<NetworkDescription> VitTiny(const Request& request);
Result<NetworkDescription> BinaryMlp(const Request& request);
Result<NetworkDescription> IntegerMlp(const Request& request);

}  // namespace ndcao::zoo
