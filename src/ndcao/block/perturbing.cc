#include "ndcao/block/perturbing.h"

#include <algorithm>

namespace ndcao {
namespace {

// Parameters per piece: so many that what is prepared for each is little beside the work, and few
// enough for two threads to share those of a small network. Pieces end at multiples of it, where
// the random numbers begin a position.
constexpr std::uint64_t kPiece = 8192;

}  // namespace

void StreamProposal::Perturb(std::uint32_t k, std::span<const float> point,
                             std::span<float> out) const {
  const bool minus = antithetic_ && k % 2 == 1;
  const std::uint32_t index = antithetic_ ? k / 2 : k;
  const float scale = minus ? -sigma_ : sigma_;
  for (const Run& run : slice_->runs()) {
    stream_.Perturb(trial_, index, scale, run.global, point.subspan(run.local, run.length),
                    out.subspan(run.local, run.length));
  }
}

bool StreamProposal::Mirror(std::uint32_t k, std::span<const float> point,
                            std::span<float> out) const {
  return antithetic_ && MirrorPair(*slice_, k, point, out);
}

std::optional<float> StreamProposal::step() const {
  if (stream_.distribution() != Distribution::kRademacher) return std::nullopt;
  return sigma_;
}

void StillProposal::Perturb(std::uint32_t, std::span<const float> point,
                            std::span<float> out) const {
  for (const Run& run : slice_->runs()) {
    std::copy_n(point.begin() + static_cast<std::ptrdiff_t>(run.local), run.length,
                out.begin() + static_cast<std::ptrdiff_t>(run.local));
  }
}

bool MirrorPair(const Slice& slice, std::uint32_t k, std::span<const float> point,
                std::span<float> out) {
  if (k % 2 == 0) return false;
  for (const Run& run : slice.runs()) {
    const float* centre = point.data() + run.local;
    float* values = out.data() + run.local;
    for (std::uint64_t i = 0; i < run.length; ++i) values[i] = 2 * centre[i] - values[i];
  }
  return true;
}

void ForEachPiece(const Slice& slice, Executor& executor,
                  const std::function<void(const Run&, std::uint64_t packed)>& work) {
  struct Piece {
    Run run;
    std::uint64_t packed;
  };
  std::vector<Piece> pieces;
  std::uint64_t packed = 0;
  for (const Run& run : slice.runs()) {
    std::uint64_t length = 0;
    for (std::uint64_t done = 0; done < run.length; done += length) {
      length = std::min(kPiece - (run.global + done) % kPiece, run.length - done);
      pieces.push_back({{run.global + done, run.local + done, length}, packed + done});
    }
    packed += run.length;
  }
  // Short runs are handed out many at a time.
  const std::size_t batch =
      std::max<std::size_t>(1, pieces.size() * kPiece / (slice.size() + 1) / 2);
  executor.Run((pieces.size() + batch - 1) / batch, [&](std::size_t i) {
    const std::size_t end = std::min(pieces.size(), (i + 1) * batch);
    for (std::size_t p = i * batch; p < end; ++p) work(pieces[p].run, pieces[p].packed);
  });
}

void AddMoves(const Slice& slice, const PerturbationStream& stream, std::span<const Move> moves,
              std::span<float> target, Executor& executor) {
  if (moves.empty()) return;
  ForEachPiece(slice, executor, [&](const Run& run, std::uint64_t) {
    for (const Move& move : moves) {
      stream.Accumulate(move.trial, move.coefficients, run.global,
                        target.subspan(run.local, run.length));
    }
  });
}

}  // namespace ndcao
