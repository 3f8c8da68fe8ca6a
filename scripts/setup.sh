#!/usr/bin/env bash
# Installs the packages of scripts/packages.txt, and npm, that are missing. Silent when none is.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t wanted < <(sed -e 's/#.*//' -e '/^\s*$/d' scripts/packages.txt)
# Where Node.js is not Debian's own, npm comes with it, and Debian's package would conflict.
command -v npm >/dev/null || wanted+=(npm)
missing=()
installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' 2>/dev/null | sed -n 's/ installed$//p')
for package in "${wanted[@]}"; do
  grep -qxF "$package" <<<"$installed" || missing+=("$package")
done
# The charts of `ndcao report` are no Debian package; everything else works without them.
fetch_charts() {
  scripts/fetch_uplot.sh || echo "ndcao: the build goes on without the charts of 'ndcao report'" >&2
}
[ "${#missing[@]}" -eq 0 ] && { fetch_charts; exit 0; }

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || {
    echo "ndcao: ${#missing[@]} packages are missing; run as root, or install sudo: ${missing[*]}" >&2
    exit 1
  }
  as_root=(sudo)
fi
echo "ndcao: installing ${#missing[@]} packages: ${missing[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"${as_root[@]}" apt-get update -qq >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$log" 2>&1 || {
  tail -n 20 "$log" >&2
  exit 1
}
fetch_charts

