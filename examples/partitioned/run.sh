#!/usr/bin/env bash
# Four stages on one machine, each a process with its own part of the network, meeting on a
# nats-server of their own. Ends with the accuracy of the network that they trained together.
#   examples/partitioned/run.sh [PORT]
# What differs on four machines: copy one stage file to each, and give all of them the same server.
set -euo pipefail
cd "$(dirname "$0")/../.."
ndcao=${NDCAO:-$PWD/build/release/ndcao}
port=${1:-4333}
stages=4
[ -x "$ndcao" ] || scripts/build.sh release ndcao

work=$(mktemp -d)
children=()
trap 'kill "${children[@]}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT

"$ndcao" split --model mlp:784-256-256-256-10 --data fashion-mnist --budget 1M --stages "$stages" \
  --out "$work"
PATH=$PATH:/usr/sbin nats-server -js -sd "$work/nats" -a 127.0.0.1 -p "$port" >"$work/server.log" 2>&1 &
children+=($!)
until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.1; done

pids=()
for i in $(seq "$stages"); do
  "$ndcao" stage --file "$work/stage-$i.ndcao" --journal "nats://127.0.0.1:$port" --run demo --json \
    >"$work/stage-$i.json" &
  pids+=($!)
  children+=($!)
done
for pid in "${pids[@]}"; do wait "$pid"; done

for i in $(seq "$stages"); do
  sed -E 's/.*("stage":[0-9]+).*("resident_parameter_bytes":[0-9]+).*("groups":[0-9]+).*/\1 \3 \2/' \
    "$work/stage-$i.json"
done
"$ndcao" export --stages "$work" --out "$work/model.pt" --json
"$ndcao" eval --model "$work/model.pt" --data fashion-mnist
