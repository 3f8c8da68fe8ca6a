#!/usr/bin/env bash
# Kills runs with -9 at N random moments each (default 100) and checks what is left.
#   tests/crash.sh [N]
set -euo pipefail
cd "$(dirname "$0")/cli"
NDCAO=${NDCAO:-../../build/release/ndcao} NDCAO_KILLS=${1:-100} python3 -m unittest -v crash_test
