#!/usr/bin/env bash
# The demo: installs what is missing, builds, and trains a network on Fashion-MNIST by forward
# passes alone, in less than a minute on two cores. Shows accuracy before and after, and pictures.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
scripts/build.sh release ndcao
ndcao=build/release/ndcao
out=$(mktemp -d)/demo
trap 'rm -rf "$(dirname "$out")"' EXIT

echo "A network of 25,450 weights in two blocks that share nothing but the loss."
echo
echo "Before training:"
"$ndcao" eval --model mlp:784-32-10 --data fashion-mnist --seed 1
echo
echo "Training by forward passes alone:"
"$ndcao" train --model mlp:784-32-10 --data fashion-mnist --blocks layer --budget 6M --seed 1 \
  --threads 2 --max-seconds 60 --out "$out"
echo
echo "The first test images, and what the network says:"
echo
"$ndcao" eval --run "$out" --pictures 8
