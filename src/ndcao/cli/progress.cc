#include "ndcao/cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <utility>

namespace ndcao {
namespace {

constexpr int kBarWidth = 24;

std::string Bar(double fraction) {
  std::string bar;
  const int full = static_cast<int>(std::lround(std::min(1.0, fraction) * kBarWidth));
  for (int i = 0; i < kBarWidth; ++i) bar += i < full ? "━" : "╌";
  return bar;
}

std::string Describe(const SessionProgress& p) {
  std::string text = fmt::format("{:5.1f} %  {} forwards", 100 * std::min(1.0, p.fraction),
                                 FormatCount(static_cast<double>(p.image_forwards)));
  if (!std::isnan(p.train_loss)) text += fmt::format("  loss {:.4f}", p.train_loss);
  if (p.test && !std::isnan(p.test->accuracy)) {
    text += fmt::format("  test {:.2f} %", 100 * p.test->accuracy);
  }
  text += fmt::format("  {}/s", FormatCount(p.images_per_second));
  if (p.fraction > 0.005 && p.fraction < 1 && p.seconds > 1) {
    text += fmt::format("  {} left", FormatDuration(p.seconds * (1 - p.fraction) / p.fraction));
  }
  return text;
}

}  // namespace

ProgressDisplay::ProgressDisplay(bool quiet, std::string label)
    : quiet_(quiet), terminal_(isatty(STDERR_FILENO)), label_(std::move(label)) {}

void ProgressDisplay::Update(const SessionProgress& progress) {
  if (quiet_) return;
  if (terminal_) {
    fmt::print(stderr, "\r\033[K{}{}  {}", label_, Bar(progress.fraction), Describe(progress));
    std::fflush(stderr);
    drawn_ = true;
  } else if (progress.seconds >= next_line_) {
    fmt::print(stderr, "{}{}\n", label_, Describe(progress));
    next_line_ = std::max(next_line_ + 2, progress.seconds * 1.25);
  }
}

void ProgressDisplay::Finish() {
  if (drawn_) fmt::print(stderr, "\n");
  drawn_ = false;
}

std::string FormatDuration(double seconds) {
  const auto s = static_cast<long>(std::lround(seconds));
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

std::string FormatCount(double count) {
  if (count >= 1e9) return fmt::format("{:.2f}G", count * 1e-9);
  if (count >= 1e6) return fmt::format("{:.2f}M", count * 1e-6);
  if (count >= 1e4) return fmt::format("{:.0f}k", count * 1e-3);
  return fmt::format("{:.0f}", count);
}

}  // namespace ndcao
