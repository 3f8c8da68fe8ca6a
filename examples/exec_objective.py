#!/usr/bin/env python3
"""A program as the objective: a noisy quadratic, its least value 0 where all parameters are 1.

    ndcao train --objective "exec:python3 examples/exec_objective.py" --init-zeros 50 --budget 50k
"""

import array
import json
import mmap
import os
import random
import sys

COUNT = int(os.environ["NDCAO_COUNT"])
NOISE = 0.001


def loss(parameters: array.array, rng: random.Random) -> float:
    mean = sum((x - 1) ** 2 for x in parameters) / len(parameters)
    return mean + NOISE * rng.gauss(0, 1)


def main() -> None:
    rng = random.Random(os.getpid())
    with open(os.environ["NDCAO_PARAMS"], "rb") as file:
        memory = mmap.mmap(file.fileno(), 4 * COUNT, access=mmap.ACCESS_READ)
    for line in sys.stdin:
        json.loads(line)  # {"trial": T, "batch": B}: this objective needs neither
        parameters = array.array("f", memory[:])
        print(json.dumps({"loss": loss(parameters, rng)}), flush=True)


if __name__ == "__main__":
    main()
