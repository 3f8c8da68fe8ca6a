#include "ndcao/worker/simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <queue>
#include <vector>

#include "ndcao/base/hash.h"
#include "ndcao/journal/codec.h"
#include "ndcao/random/sequence.h"

namespace ndcao {
namespace {

constexpr std::uint64_t kUnlimited = std::uint64_t{1} << 60;
constexpr double kNever = std::numeric_limits<double>::infinity();

/// What is known of an offset besides its record.
struct Place {
  double time = 0;             ///< When the journal had handed it out.
  std::uint64_t chain = 0;     ///< Before it.
  std::uint64_t round = 0;     ///< Of the fold, before it.
  Offset round_begin = 0;      ///< The first offset of that round.
  std::uint32_t filled = ~0u;  ///< The slot that it filled.
  bool accepted = false;
};

struct SimulatedWorker {
  WorkerId id = 0;
  double latency = 0;
  Offset folded = 0;
  std::uint64_t counter = 0;
  std::uint64_t task = 0;  ///< Grows when what it does is given up: its events are void then.
  double dies = kNever;
  double since = 0;  ///< Of the evaluation under way,
  double until = 0;  ///< and its end.
  bool evaluating = false;
  GroupRecord record;
};

enum class Step { kCatchUp, kFinish, kArrive, kDie, kJoin };

struct Event {
  double time;
  std::uint64_t order;  // among events of one time
  Step step;
  std::uint32_t worker;
  std::uint64_t task;

  bool operator>(const Event& other) const {
    return time != other.time ? time > other.time : order > other.order;
  }
};

class Simulation {
 public:
  Simulation(const SimulationOptions& options, Replica replica)
      : options_(options),
        replica_(std::move(replica)),
        random_(options.seed, Purpose::kTest, 0),
        workers_(options.workers) {}

  Result<SimulationResult> Run() {
    for (std::uint32_t w = 0; w < workers_.size(); ++w) NDCAO_TRY(Join(w, 0));
    while (!events_.empty() && events_.top().time < options_.seconds) {
      const Event event = events_.top();
      events_.pop();
      if (event.task == workers_[event.worker].task) NDCAO_TRY(Handle(event));
    }
    return Finish();
  }

 private:
  double Spread(double median, double spread) {
    return spread > 0 ? median * std::exp(spread * random_.Normal()) : median;
  }

  void Schedule(double time, Step step, std::uint32_t worker) {
    events_.push({time, order_++, step, worker, workers_[worker].task});
  }

  Status Handle(const Event& event) {
    switch (event.step) {
      case Step::kCatchUp:
        CatchUp(event.worker, event.time);
        return Ok();
      case Step::kFinish:
        StopEvaluating(workers_[event.worker], event.time);
        Schedule(event.time + workers_[event.worker].latency, Step::kArrive, event.worker);
        return Ok();
      case Step::kArrive:
        return Append(event.worker, event.time);
      case Step::kDie:
        Lose(event.worker, event.time);
        return Ok();
      case Step::kJoin:
        return Join(event.worker, event.time);
    }
    return Ok();
  }

  // A newcomer begins from a snapshot of the present state.
  Status Join(std::uint32_t w, double now) {
    SimulatedWorker& worker = workers_[w];
    worker.id = replica_.joins();
    worker.counter = 0;
    NDCAO_TRY(Take(JoinRecord{fmt::format("worker-{}", worker.id)}, now));
    worker.folded = replica_.next_offset();
    worker.latency = Spread(options_.latency, options_.latency_spread);
    Schedule(now, Step::kCatchUp, w);
    if (options_.life > 0) {
      Schedule(now - options_.life * std::log(1 - random_.Uniform()), Step::kDie, w);
    }
    return Ok();
  }

  void Lose(std::uint32_t w, double now) {
    SimulatedWorker& worker = workers_[w];
    StopEvaluating(worker, now);
    ++result_.lost;
    ++worker.task;
    Schedule(now + options_.absence, Step::kJoin, w);
  }

  // Folds what has arrived by now; more may have when that is done.
  void CatchUp(std::uint32_t w, double now) {
    SimulatedWorker& worker = workers_[w];
    double work = 0;
    Offset end = worker.folded;
    while (end < places_.size() && places_[end].time + worker.latency <= now) {
      if (places_[end++].accepted) work += options_.fold;
    }
    // One's own record has been acknowledged, so all before it has arrived.
    worker.folded = end;
    if (work > 0) {
      folding_ += work;
      Schedule(now + work, Step::kCatchUp, w);
    } else {
      Begin(w, now);
    }
  }

  void Begin(std::uint32_t w, double now) {
    SimulatedWorker& worker = workers_[w];
    worker.record.base = worker.folded;
    worker.record.base_chain =
        worker.folded < places_.size() ? places_[worker.folded].chain : replica_.chain();
    worker.record.worker = worker.id;
    worker.record.trial = ChooseTrial(worker);
    worker.evaluating = true;
    worker.since = now;
    double time = Spread(options_.group, options_.group_spread);
    if (random_.Uniform() < options_.straggler_share) time *= options_.straggler_factor;
    worker.until = now + time;
    Schedule(worker.until, Step::kFinish, w);
    CancelIfOnItsWay(w);
  }

  TrialId ChooseTrial(SimulatedWorker& worker) {
    if (replica_.spec().mode == RunMode::kAsync) {
      return TrialId::Async(worker.id, worker.counter++);
    }
    const bool present = worker.folded == places_.size();
    const Place now = present ? Here() : places_[worker.folded];
    std::vector<bool> filled(replica_.spec().shape.slots);
    for (Offset o = now.round_begin; o < worker.folded; ++o) {
      if (places_[o].filled < filled.size()) filled[places_[o].filled] = true;
    }
    // From a slot of one's own on, so that workers begin far from each other.
    const auto slots = static_cast<std::uint32_t>(filled.size());
    std::uint32_t slot = worker.id % slots;
    while (filled[slot]) slot = (slot + 1) % slots;
    return TrialId::Sync(now.round, slot);
  }

  Place Here() const {
    Place place;
    place.chain = replica_.chain();
    place.round = replica_.round().round;
    place.round_begin = round_begin_;
    return place;
  }

  void StopEvaluating(SimulatedWorker& worker, double now) {
    if (worker.evaluating) evaluating_ += now - worker.since;
    worker.evaluating = false;
  }

  Status Append(std::uint32_t w, double now) {
    SimulatedWorker& worker = workers_[w];
    if (std::max(journal_free_, now) + ServiceTime() > options_.seconds) return Ok();  // too late
    GroupRecord record = worker.record;
    const RunSpec& spec = replica_.spec();
    record.examples = static_cast<std::uint32_t>(spec.group_cost());
    record.centre = 1;
    for (std::uint32_t k = 0; k < spec.shape.evaluations; ++k) {
      record.losses.push_back(1 + 1e-3f * static_cast<float>(random_.Uniform()));
    }
    ++result_.appended;
    NDCAO_TRY(Take(std::move(record), now));
    Schedule(places_.back().time + worker.latency, Step::kCatchUp, w);
    return Ok();
  }

  // Of the journal's server, for one record: taking it, and handing it to everybody.
  double ServiceTime() const {
    return 1 / options_.appends_per_second +
           static_cast<double>(workers_.size()) / options_.deliveries_per_second;
  }

  // The journal takes a record: the real codec, the real fold, and the time of its server.
  Status Take(Record record, double now) {
    const std::vector<std::byte> bytes = EncodeRecord(record);
    NDCAO_ASSIGN(Record decoded, DecodeRecord(bytes));
    result_.journal_bytes += bytes.size();
    result_.delivered_bytes += bytes.size() * workers_.size();
    if (now > 0) {
      journal_free_ = std::max(journal_free_, now) + ServiceTime();
      journal_busy_ += ServiceTime();
    }
    Place place = Here();
    place.time = now > 0 ? journal_free_ : 0;
    const Entry entry{replica_.next_offset(), std::move(decoded), Hash64(bytes)};
    NDCAO_ASSIGN(const Outcome outcome, replica_.Apply(entry, executor_));
    if (const auto* group = std::get_if<GroupRecord>(&entry.record)) {
      place.accepted = outcome == Outcome::kFolded;
      if (place.accepted) CountAccepted(*group, place);
    }
    places_.push_back(place);
    if (replica_.round().round != place.round) round_begin_ = replica_.next_offset();
    return Ok();
  }

  void CountAccepted(const GroupRecord& group, Place& place) {
    ++result_.staleness[std::bit_floor(replica_.last_staleness())];
    if (group.trial.is_async()) return;
    place.filled = group.trial.slot();
    for (std::uint32_t w = 0; w < workers_.size(); ++w) {
      SimulatedWorker& worker = workers_[w];
      if (worker.evaluating && worker.record.trial == group.trial) Cancel(w, place.time);
    }
  }

  // The record that fills its slot may be there already, and not have reached it.
  void CancelIfOnItsWay(std::uint32_t w) {
    const SimulatedWorker& worker = workers_[w];
    const TrialId trial = worker.record.trial;
    if (trial.is_async()) return;
    for (Offset o = worker.folded; o < places_.size(); ++o) {
      if (places_[o].round != trial.round() || places_[o].filled != trial.slot()) continue;
      return Cancel(w, places_[o].time);
    }
  }

  // Its slot is filled: it stops when it hears of that.
  void Cancel(std::uint32_t w, double handed_out) {
    SimulatedWorker& worker = workers_[w];
    const double hears = handed_out + worker.latency;
    if (worker.until <= hears) return;  // too late: a duplicate
    StopEvaluating(worker, hears);
    ++result_.cancelled;
    GiveUp(w, hears);
  }

  // Voids what was scheduled, but for the end of its life.
  void GiveUp(std::uint32_t w, double now) {
    ++workers_[w].task;
    Schedule(now, Step::kCatchUp, w);
    if (options_.life > 0) {
      // Lives have no memory: another draw is as good as the rest of the first.
      Schedule(now - options_.life * std::log(1 - random_.Uniform()), Step::kDie, w);
    }
  }

  SimulationResult Finish() {
    for (SimulatedWorker& worker : workers_) StopEvaluating(worker, options_.seconds);
    const double all = options_.seconds * static_cast<double>(workers_.size());
    result_.counters = replica_.counters();
    result_.evaluating = evaluating_ / all;
    result_.folding = folding_ / all;
    result_.journal_busy = std::min(1.0, journal_busy_ / options_.seconds);
    return std::move(result_);
  }

  SimulationOptions options_;
  Replica replica_;
  SerialExecutor executor_;
  RandomSequence random_;
  std::vector<SimulatedWorker> workers_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::vector<Place> places_;  // by offset
  std::uint64_t order_ = 0;
  Offset round_begin_ = 0;
  double journal_free_ = 0;
  double journal_busy_ = 0;
  double evaluating_ = 0;
  double folding_ = 0;
  SimulationResult result_;
};

}  // namespace

Status SimulationOptions::Validate() const {
  const auto require = [](bool right, const char* flag, double value, const char* allowed) {
    return right ? Ok() : Invalid(fmt::format("{} {}: must be {}", flag, value, allowed));
  };
  NDCAO_TRY(require(workers >= 1 && workers <= 10000, "workers", workers, "1 to 10000"));
  NDCAO_TRY(require(seconds > 0, "seconds", seconds, "positive"));
  NDCAO_TRY(require(group > 0, "group", group, "positive"));
  NDCAO_TRY(require(fold >= 0, "fold", fold, "0 or more"));
  NDCAO_TRY(require(latency >= 0, "latency", latency, "0 or more"));
  NDCAO_TRY(require(straggler_share >= 0 && straggler_share <= 1, "stragglers", straggler_share,
                    "0 to 1"));
  NDCAO_TRY(require(straggler_factor >= 1, "straggler factor", straggler_factor, "1 or more"));
  NDCAO_TRY(require(life >= 0, "life", life, "0 (never lost) or more"));
  NDCAO_TRY(require(appends_per_second > 0, "appends/s", appends_per_second, "positive"));
  return require(deliveries_per_second > 0, "deliveries/s", deliveries_per_second, "positive");
}

Result<SimulationResult> Simulate(const RunSpec& spec, const Layout& layout,
                                  const ParameterVector& initial,
                                  const SimulationOptions& options) {
  NDCAO_TRY(options.Validate());
  RunSpec unlimited = spec;
  unlimited.budget = kUnlimited;
  NDCAO_ASSIGN(Replica replica, Replica::Create(unlimited, layout, initial));
  return Simulation(options, std::move(replica)).Run();
}

}  // namespace ndcao
