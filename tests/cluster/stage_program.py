"""What the tests of partitioned runs share."""

import subprocess

from cluster_program import ClusterProgram


class StageProgram(ClusterProgram):
    """A test case that cuts networks and runs their stages on its server."""

    def split(self, name: str, stages: int, *flags: str) -> dict:
        """Cuts a network into DIR/name; what `split` says."""
        return self.json("split", "--stages", str(stages), "--out", self.path(name), "--json",
                         *flags)

    def stage(self, name: str, stage: int, run: str, *more: str) -> subprocess.Popen:
        return self.start("stage", "--file", self.path(f"{name}/stage-{stage}.ndcao"),
                          *self.at(run), "--quiet", "--json", *more)

    def stages(self, name: str, count: int, run: str, *more: str) -> list[subprocess.Popen]:
        return [self.stage(name, i + 1, run, *more) for i in range(count)]

    def summaries(self, processes: list[subprocess.Popen]) -> list[dict]:
        return [self.summary(process, 240) for process in processes]

    def exported(self, name: str) -> dict:
        return self.json("export", "--stages", self.path(name), "--out", self.path("model.pt"),
                         "--json")

    def trained(self, *flags: str) -> dict:
        """The same run in one process."""
        return self.json("train", *flags, "--threads", "1", "--quiet", "--json", "--no-report",
                         "--out", self.path("one"), timeout=240)


__all__ = ["StageProgram"]
