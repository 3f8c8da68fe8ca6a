#include "ndcao/evaluate/functions/hold_the_line.h"

#include <cmath>
#include <string>

#include "ndcao/random/sequence.h"

namespace ndcao {
namespace {

constexpr double kGap = 1;  // wanted between neighbours
constexpr double kStartWeight = 0.01;
constexpr std::uint64_t kSeed = 20091234;

double Square(double x) { return x * x; }

// Mean squared distance of the points to the line that fits them best: the least eigenvalue of
// their covariance.
double OffLine(std::span<const float> x) {
  const double n = static_cast<double>(x.size() / 2);
  double mean_x = 0, mean_y = 0;
  for (std::size_t i = 0; i < x.size(); i += 2) mean_x += x[i] / n, mean_y += x[i + 1] / n;
  double xx = 0, xy = 0, yy = 0;
  for (std::size_t i = 0; i < x.size(); i += 2) {
    xx += Square(x[i] - mean_x) / n;
    xy += (x[i] - mean_x) * (x[i + 1] - mean_y) / n;
    yy += Square(x[i + 1] - mean_y) / n;
  }
  return 0.5 * (xx + yy - std::sqrt(Square(xx - yy) + 4 * xy * xy));
}

double OffSpacing(std::span<const float> x) {
  double sum = 0;
  for (std::size_t i = 2; i < x.size(); i += 2) {
    const double dx = x[i] - x[i - 2];
    const double dy = x[i + 1] - x[i - 1];
    sum += Square(std::sqrt(dx * dx + dy * dy) - kGap);
  }
  return sum / (static_cast<double>(x.size()) / 2 - 1);
}

}  // namespace

HoldTheLine::HoldTheLine(std::uint32_t robots) : start_(2 * robots) {
  RandomSequence random(kSeed, Purpose::kTest, robots);
  for (std::uint32_t i = 0; i < robots; ++i) {
    layout_.Add("robot" + std::to_string(i), {2});
    const double along = (i - 0.5 * (robots - 1)) * kGap;
    start_[2 * i] = static_cast<float>(along + random.Normal());
    start_[2 * i + 1] = static_cast<float>(random.Normal());
  }
}

ParameterVector HoldTheLine::Start(std::uint64_t) const { return start_; }

double HoldTheLine::Value(std::span<const float> x) const {
  double moved = 0;
  for (std::size_t i = 0; i < x.size(); ++i) moved += Square(x[i] - start_[i]);
  const double robots = static_cast<double>(x.size() / 2);
  return OffLine(x) + OffSpacing(x) + kStartWeight * moved / robots;
}

}  // namespace ndcao
