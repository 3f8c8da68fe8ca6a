// Parameters per second of perturbing, of summing perturbations and of copying memory, each of
// the kernels in turn, in CPU time of one thread; medians of interleaved measurements.
//
//   build/release/bench/signs --parameters 203530 --evaluations 64
#include <fmt/format.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "ndcao/random/signs_kernels.h"

namespace ndcao::signs_internal {
namespace {

double ThreadSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct Measurement {
  std::string name;
  double parameters;  ///< Of one call.
  std::function<void()> call;
  std::vector<double> rates = {};
};

double Rate(const Measurement& measurement, double seconds) {
  // The clock is a system call: asked rarely.
  const int calls = std::max(1, static_cast<int>(1e7 / measurement.parameters));
  double parameters = 0;
  const double begin = ThreadSeconds();
  double now = begin;
  for (; now - begin < seconds; now = ThreadSeconds()) {
    for (int i = 0; i < calls; ++i) measurement.call();
    parameters += calls * measurement.parameters;
  }
  return parameters / (now - begin);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void Measure(std::size_t parameters, std::uint32_t evaluations, int repeats, double seconds) {
  const std::size_t size =
      (parameters + kSignsPerPosition - 1) / kSignsPerPosition * kSignsPerPosition;
  std::vector<float> base(size, 0.5f);
  std::vector<float> out(size);
  std::vector<Term> terms;
  for (std::uint32_t k = 0; k < evaluations; ++k) terms.push_back({k, 1 << 20});
  const SignKey key{1, 2, 3};
  const auto d = static_cast<double>(size);
  std::vector<Measurement> all = {
      {"copy", d, [&] { std::memcpy(out.data(), base.data(), size * sizeof(float)); }}};
  for (const Kernels& kernels : SupportedKernels()) {
    all.push_back({fmt::format("perturb {}", kernels.name), d,
                   [&] { kernels.add(key, 1e-3f, 0, base.data(), out.data(), size); }});
    all.push_back({fmt::format("accumulate {}", kernels.name), d * evaluations,
                   [&] { kernels.add_terms(key, terms, 1e-9f, 0, out.data(), size); }});
  }
  for (int i = 0; i < repeats; ++i) {
    for (Measurement& m : all) m.rates.push_back(Rate(m, seconds));
  }
  for (const Measurement& m : all) {
    fmt::print("{:<20} {:8.2f} G parameters/s\n", m.name, Median(m.rates) * 1e-9);
  }
}

}  // namespace
}  // namespace ndcao::signs_internal

int main(int argc, char** argv) {
  CLI::App app("Parameters per second of the sign kernels, and of a copy of the same memory.");
  std::size_t parameters = 203530;
  std::uint32_t evaluations = 64;
  int repeats = 5;
  double seconds = 0.1;
  app.add_option("--parameters", parameters, "d")->check(CLI::PositiveNumber);
  app.add_option("--evaluations", evaluations, "Terms of a sum")->check(CLI::PositiveNumber);
  app.add_option("--repeats", repeats, "Medians are of so many")->check(CLI::PositiveNumber);
  app.add_option("--seconds", seconds, "CPU time of one measurement")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  ndcao::signs_internal::Measure(parameters, evaluations, repeats, seconds);
}
