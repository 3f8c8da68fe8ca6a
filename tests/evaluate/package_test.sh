#!/bin/sh
# Installs the build, then builds and runs the examples against what was installed.
# usage: package_test.sh BUILD_DIRECTORY EXAMPLES
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cmake --install "$1" --prefix "$folder/prefix" > "$folder/log" || { cat "$folder/log"; exit 1; }
cmake -S "$2" -B "$folder/build" -DCMAKE_PREFIX_PATH="$folder/prefix" -DCMAKE_BUILD_TYPE=Release \
  -DNDCAO_TORCH_EXAMPLES=OFF
cmake --build "$folder/build"
"$folder/build/train_callable"
