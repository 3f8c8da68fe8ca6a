#!/usr/bin/env bash
# Fetches uPlot (MIT), which draws the charts of `ndcao report`, from npm. The next build embeds it.
#
#   scripts/fetch_uplot.sh [DIRECTORY]      # default: node_modules/uplot of this checkout
#
# Says nothing when all is well, and does nothing when the files are already there. The files are
# checked before they get their names.
set -euo pipefail

readonly PACKAGE=uplot@1.6.32
# SHA-256, name.
readonly FILES="\
19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f  dist/uPlot.iife.min.js
df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04  dist/uPlot.min.css
8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd  LICENSE"

fail() {
  echo "fetch_uplot: $*" >&2
  exit 1
}

whole() { [ -d "$1" ] && (cd "$1" && sha256sum --quiet --check - <<<"$FILES") >/dev/null 2>&1; }

[ $# -le 1 ] || fail "one argument at most: the directory for the files"
target=${1:-$(cd "$(dirname "$0")/.." && pwd)/node_modules/uplot}
! whole "$target" || exit 0

command -v npm >/dev/null ||
  fail "npm is not installed (apt-get install npm); it fetches the package $PACKAGE"
mkdir -p "$target/dist" || fail "the directory '$target' cannot be made"
work=$(mktemp -d "$target/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

log=$work/npm.log
(cd "$work" && npm pack --loglevel=error "$PACKAGE") >"$log" 2>&1 ||
  fail "npm cannot fetch the package $PACKAGE: $(tail -n 3 "$log" | tr '\n' ' ')"
tar --no-same-owner -xzf "$work"/uplot-*.tgz -C "$work" package
whole "$work/package" || fail "the package $PACKAGE is not what it was"

while read -r _ name; do
  mv "$work/package/$name" "$target/$name"
done <<<"$FILES"
