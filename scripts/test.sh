#!/usr/bin/env bash
# Every test: installs what is missing, builds, checks the layers and the formatting, runs all
# suites and, for some seconds each, the fuzzers. Ends with a line that counts the tests.
#   scripts/test.sh                 what CI runs
#   scripts/test.sh --sanitizers    then also the suites without LibTorch under ASan, UBSan and TSan
set -euo pipefail
cd "$(dirname "$0")/.."
fuzz_seconds=${NDCAO_FUZZ_SECONDS:-20}

scripts/setup.sh
scripts/check_layers
scripts/check_format
scripts/build.sh release
export OMP_WAIT_POLICY=passive

scripts/build.sh fuzz journal_fuzz nats_fuzz idx_fuzz stage_fuzz
for target in journal_fuzz nats_fuzz idx_fuzz stage_fuzz; do
  echo "ndcao: fuzzing $target for $fuzz_seconds s" >&2
  corpus=$(mktemp -d)
  build/fuzz/tests/fuzz/$target -max_total_time="$fuzz_seconds" "$corpus" >"$corpus.log" 2>&1 || {
    tail -n 40 "$corpus.log" >&2
    exit 1
  }
  rm -rf "$corpus" "$corpus.log"
done

if [ "${1:-}" = --sanitizers ]; then
  suites=(base_test random_test params_test journal_test replica_test data_test worker_test partitioned_test)
  for preset in asan-ubsan tsan; do
    scripts/build.sh "$preset" "${suites[@]}"
    for suite in "${suites[@]}"; do
      echo "ndcao: $suite under $preset" >&2
      "build/$preset/tests/${suite%_test}/$suite" --gtest_brief=1
    done
  done
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
ctest --test-dir build/release --output-on-failure -j "$(nproc)" --timeout 600 | tee "$log" || status=$?
sed -n 's/.* \([0-9]*\) tests failed out of \([0-9]*\).*/\2 \1/p' "$log" | {
  read -r total failed
  skipped=$(grep -c '\*\*\*Skipped' "$log") || true
  echo "$((total - failed - skipped)) passed, $failed failed, $skipped skipped"
}
exit "$status"
