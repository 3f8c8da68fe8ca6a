// The progress display: one line on standard error that is redrawn on a terminal, plain lines
// now and then elsewhere.
#pragma once

#include <string>

#include "ndcao/worker/session.h"

namespace ndcao {

class ProgressDisplay {
 public:
  /// `label` stands before every line.
  explicit ProgressDisplay(bool quiet, std::string label = "");

  void Update(const SessionProgress& progress);
  /// Ends the line on a terminal.
  void Finish();

 private:
  bool quiet_;
  bool terminal_;
  std::string label_;
  bool drawn_ = false;
  double next_line_ = 2;  // seconds: plain lines come after 2 s, then ever more rarely
};

/// "1:23:45", "4:05", "12 s".
std::string FormatDuration(double seconds);
/// "1.23M", "450k", "312".
std::string FormatCount(double count);

}  // namespace ndcao
