"""Activation probing and Adam (LibTorch, autograd) on the same network, data, batch and schedule."""

import json
import pathlib
import statistics
import subprocess
import sys

RATES = [5e-4, 1e-3, 2e-3]


def run_json(command: list[str]) -> dict:
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{result.stderr}")
    return json.loads(result.stdout.strip().splitlines()[-1])


def cached(args, name: str, command: list[str]) -> dict:
    """A run that is finished is not run again."""
    safe = "".join(c if c.isalnum() or c in "-." else "_" for c in name)
    path = pathlib.Path(args.runs) / f"{safe}.json"
    if not path.exists():
        subprocess.run(["rm", "-rf", str(path.with_suffix(""))], check=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        summary = run_json([part.replace("OUT", str(path.with_suffix(""))) for part in command])
        path.write_text(json.dumps(summary))
    return json.loads(path.read_text())


def common(args, seed: int) -> list[str]:
    flags = ["--model", args.model, "--data", args.data, "--epochs", str(args.epochs),
             "--seed", str(seed), "--threads", str(args.threads)]
    if args.data_dir:
        flags += ["--data-dir", args.data_dir]
    if args.hold_out:
        flags += ["--hold-out", str(args.hold_out)]
    return flags


def seconds_to(curve: list[tuple[float, float]], accuracy: float) -> float | None:
    """Wall time at the first measurement of at least `accuracy`."""
    return next((seconds for seconds, reached in curve if reached >= accuracy), None)


def adam_at(args, rate: float) -> list[dict]:
    return [cached(args, f"adam-quarter-{args.model}-{args.data}-{args.epochs}-{rate}-s{seed}",
                   [args.adam, *common(args, seed), "--rate", repr(rate)])
            for seed in args.seeds]


def adam(args) -> dict:
    by_rate = {}
    waiting = list(RATES)
    while waiting:
        for rate in waiting:
            by_rate[rate] = adam_at(args, rate)
        best = max(by_rate, key=lambda r: statistics.mean(s["test_accuracy"] for s in by_rate[r]))
        # Beyond an end of the rates tried, if the best lies there.
        waiting = [best * 2] if best == max(by_rate) else [best / 2] if best == min(by_rate) else []
    return {"name": f"adam (rate {best:g}, best of {len(by_rate)})", "runs": by_rate[best],
            "curves": [[(e["seconds"], e["test_accuracy"]) for e in run["epochs"]]
                       for run in by_rate[best]]}


def probing(args, estimator: str) -> dict:
    runs = []
    curves = []
    for seed in args.seeds:
        name = f"{estimator}-{args.model}-{args.data}-{args.epochs}-s{seed}" + "".join(args.extra)
        run = cached(args, name, [
            args.program, "train", "--probe", "activations", "--estimator", estimator,
            *common(args, seed), "--json", "--quiet", "--out", "OUT", *args.extra])
        lines = (pathlib.Path(run["run_dir"]) / "metrics.jsonl").read_text().splitlines()
        marks = [json.loads(line) for line in lines]
        curves.append([(m["seconds"], m["test_accuracy"]) for m in marks if m["type"] == "mark"])
        runs.append(run)
    return {"name": estimator, "runs": runs, "curves": curves}


def compare(args) -> int:
    rows = [adam(args)] + [probing(args, e) for e in args.estimators]
    reference = statistics.mean(r["test_accuracy"] for r in rows[0]["runs"])
    goal = reference - 0.015
    print(f"| {args.model}, {args.data}, {args.epochs} epochs | accuracy | wall s "
          f"| s to {100 * goal:.2f} % |")
    print("|---|---|---|---|")
    for row in rows:
        values = [100 * run["test_accuracy"] for run in row["runs"]]
        spread = statistics.stdev(values) if len(values) > 1 else 0
        reached = [seconds_to(curve, goal) for curve in row["curves"]]
        row["mean"] = statistics.mean(values)
        row["seconds_to_goal"] = None if None in reached else statistics.mean(reached)
        text = "-" if row["seconds_to_goal"] is None else f"{row['seconds_to_goal']:.1f}"
        wall = statistics.mean(run["wall_seconds"] for run in row["runs"])
        print(f"| {row['name']} | {row['mean']:.2f} ± {spread:.2f} | {wall:.1f} | {text} |",
              flush=True)
    if args.json:
        print(json.dumps({"model": args.model, "data": args.data, "rows": rows}))
    return 0


if __name__ == "__main__":
    sys.exit("run bench/learning --against adam")
