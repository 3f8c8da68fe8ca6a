#!/usr/bin/env bash
# Configures and builds a preset (default: release). Quiet unless something fails.
#   scripts/build.sh [PRESET [TARGET...]]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-release}
shift || true

log=$(mktemp)
trap 'rm -f "$log"' EXIT
launcher=()
command -v ccache >/dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
# Clones of the repository share what ccache holds.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
echo "ndcao: building ($preset)" >&2
cmake --preset "$preset" "${launcher[@]}" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
if [ -t 2 ]; then
  cmake --build --preset "$preset" ${1:+--target "$@"}
else
  cmake --build --preset "$preset" ${1:+--target "$@"} >"$log" 2>&1 || {
    grep -E -A 12 'FAILED|error' "$log" >&2 || tail -n 40 "$log" >&2
    exit 1
  }
fi
