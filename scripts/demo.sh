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

model=mlp:784-256-10
echo "A network of 203,530 weights in two blocks. Each sees its own inputs and hears of the loss;"
echo "nothing else passes between them, and no gradient is taken."
echo
echo "Before training:"
"$ndcao" eval --model $model --data fashion-mnist --seed 1
echo
echo "Training by forward passes alone, with probes of the activations:"
"$ndcao" train --model $model --data fashion-mnist --probe activations --epochs 5 --seed 1 \
  --threads 2 --max-seconds 60 --out "$out"
echo
echo "What each block probes, and how well it foresees the loss (R2):"
"$ndcao" inspect "$out" | sed -n '/^sites/,$p'
echo
echo "The first test images, and what the network says:"
echo
"$ndcao" eval --run "$out" --pictures 8
