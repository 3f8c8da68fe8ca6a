#include "ndcao/block/cao_history.h"

#include <algorithm>
#include <utility>

namespace ndcao {
namespace {

// How the best point of an entry is written.
enum class Best : std::uint8_t { kOwn = 0, kAsBefore = 1, kWritten = 2 };

void SavePoint(ByteWriter& out, const CaoPoint& point) {
  out.PutAll(std::span<const float>(*point));
}

CaoPoint LoadPoint(ByteReader& in, std::size_t size) {
  std::vector<float> values(size);
  in.GetAll(std::span<float>(values));
  return std::make_shared<const std::vector<float>>(std::move(values));
}

void SaveKept(ByteWriter& out, const std::vector<Monomial>& kept) {
  out.Put(static_cast<std::uint32_t>(kept.size()));
  for (const Monomial& monomial : kept) {
    out.Put(monomial.order);
    for (const std::uint32_t coordinate : monomial.coordinates) out.Put(coordinate);
  }
}

std::vector<Monomial> LoadKept(ByteReader& in, std::size_t size) {
  std::vector<Monomial> kept;
  const auto count = in.Get<std::uint32_t>();
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    Monomial monomial;
    monomial.order = in.Get<std::uint32_t>();
    bool sound = monomial.order >= 1 && monomial.order <= monomial.coordinates.size();
    for (std::uint32_t& coordinate : monomial.coordinates) {
      coordinate = in.Get<std::uint32_t>();
      sound = sound && coordinate < size;
    }
    if (!sound) in.Fail();
    kept.push_back(monomial);
  }
  return kept;
}

}  // namespace

void CaoHistory::Add(CaoEntry entry) {
  const CaoEntry* last = entries_.empty() ? nullptr : &entries_.back();
  entry.count = last == nullptr ? 1 : last->count + 1;
  const bool better = last == nullptr || entry.loss < last->best_loss;
  entry.best_loss = better ? entry.loss : last->best_loss;
  entry.best = better ? entry.point : last->best;
  entries_.push_back(std::move(entry));
  if (entries_.size() > window_ + spare_) {
    entries_.erase(entries_.begin());
    forgotten_ = true;
  }
}

std::optional<std::span<const CaoEntry>> CaoHistory::At(std::uint64_t version) const {
  const auto end = std::upper_bound(
      entries_.begin(), entries_.end(), version,
      [](std::uint64_t wanted, const CaoEntry& entry) { return wanted < entry.version; });
  const auto known = static_cast<std::size_t>(end - entries_.begin());
  if (forgotten_ && known < window_) return std::nullopt;
  return View(known);
}

std::span<const CaoEntry> CaoHistory::Now() const { return View(entries_.size()); }

std::span<const CaoEntry> CaoHistory::View(std::size_t end) const {
  const std::size_t size = std::min(end, window_);
  return std::span(entries_).subspan(end - size, size);
}

void CaoHistory::Save(ByteWriter& out) const {
  out.Put(static_cast<std::uint8_t>(forgotten_));
  out.Put(static_cast<std::uint32_t>(entries_.size()));
  const CaoEntry* before = nullptr;
  for (const CaoEntry& entry : entries_) {
    out.Put(entry.version);
    out.Put(entry.count);
    out.Put(entry.progress);
    out.Put(entry.loss);
    SavePoint(out, entry.point);
    const Best best = entry.best == entry.point                         ? Best::kOwn
                      : before != nullptr && entry.best == before->best ? Best::kAsBefore
                                                                        : Best::kWritten;
    out.Put(entry.best_loss);
    out.Put(static_cast<std::uint8_t>(best));
    if (best == Best::kWritten) SavePoint(out, entry.best);
    SaveKept(out, entry.kept);
    before = &entry;
  }
}

void CaoHistory::Load(ByteReader& in, std::size_t size) {
  entries_.clear();
  forgotten_ = in.Get<std::uint8_t>() != 0;
  const auto count = in.Get<std::uint32_t>();
  if (count > window_ + spare_) in.Fail();
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    CaoEntry entry;
    entry.version = in.Get<std::uint64_t>();
    entry.count = in.Get<std::uint64_t>();
    entry.progress = in.Get<double>();
    entry.loss = in.Get<float>();
    entry.point = LoadPoint(in, size);
    entry.best_loss = in.Get<float>();
    const auto best = static_cast<Best>(in.Get<std::uint8_t>());
    const bool as_before = best == Best::kAsBefore && !entries_.empty();
    entry.best = best == Best::kWritten ? LoadPoint(in, size)
                 : as_before            ? entries_.back().best
                                        : entry.point;
    entry.kept = LoadKept(in, size);
    entries_.push_back(std::move(entry));
  }
}

}  // namespace ndcao
