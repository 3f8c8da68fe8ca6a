#include "ndcao/cli/pictures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace ndcao {
namespace {

constexpr std::size_t kColumns = 4;
constexpr int kGap = 2;
constexpr int kFirstGrey = 232;  // of the 256-colour palette: 24 shades up to 255

int Shade(std::uint8_t pixel) { return kFirstGrey + pixel * 23 / 255; }

/// Pixels are drawn two rows to a line: the upper one is the character's colour.
std::string ImageLine(const Dataset& data, const Prediction& prediction, std::int64_t line) {
  const std::int64_t height = data.shape()[1];
  const std::int64_t width = data.shape()[2];
  const std::uint8_t* image =
      data.test().bytes.data() + std::size_t{prediction.example} * data.features();
  std::string text;
  for (std::int64_t x = 0; x < width; ++x) {
    const int upper = Shade(image[2 * line * width + x]);
    const int lower = 2 * line + 1 < height ? Shade(image[(2 * line + 1) * width + x]) : kFirstGrey;
    text += fmt::format("\033[38;5;{};48;5;{}m▀", upper, lower);
  }
  return text + "\033[0m" + std::string(kGap, ' ');
}

std::string Caption(const Dataset& data, const Prediction& prediction, std::int64_t width) {
  const int label = data.test().labels[prediction.example];
  const bool right = label == prediction.predicted;
  std::string text = ClassName(data.name(), label);
  if (!right) text += ", not " + ClassName(data.name(), prediction.predicted);
  text = (right ? "+ " : "- ") + text + fmt::format(" {:.0f} %", 100 * prediction.confidence);
  text.resize(static_cast<std::size_t>(width), ' ');
  return fmt::format("\033[{}m{}\033[0m", right ? 32 : 31, text) + std::string(kGap, ' ');
}

}  // namespace

std::string ClassName(const std::string& data, int label) {
  static constexpr std::array<const char*, 10> kFashion = {
      "T-shirt", "trousers", "pullover", "dress",   "coat",
      "sandal",  "shirt",    "sneaker",  "handbag", "ankle boot"};
  if (data == "fashion-mnist" && label >= 0 && label < 10) {
    return kFashion[static_cast<std::size_t>(label)];
  }
  if (data == "mnist" || data == "digits") return fmt::format("{}", label);
  return fmt::format("class {}", label);
}

std::string DrawPredictions(const Dataset& data, const std::vector<Prediction>& predictions) {
  if (data.shape().size() != 3 || data.shape()[0] != 1 || data.test().bytes.empty()) return "";
  const std::int64_t lines = (data.shape()[1] + 1) / 2;
  std::string text;
  for (std::size_t begin = 0; begin < predictions.size(); begin += kColumns) {
    const std::size_t end = std::min(predictions.size(), begin + kColumns);
    for (std::int64_t line = 0; line < lines; ++line) {
      for (std::size_t i = begin; i < end; ++i) text += ImageLine(data, predictions[i], line);
      text += '\n';
    }
    for (std::size_t i = begin; i < end; ++i) {
      text += Caption(data, predictions[i], data.shape()[2]);
    }
    text += "\n\n";
  }
  return text;
}

}  // namespace ndcao
