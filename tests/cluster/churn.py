"""Workers that are killed and replaced all the time."""

import random
import subprocess
import time
from collections.abc import Callable


def churn(main: subprocess.Popen, start: Callable[[], subprocess.Popen], workers: int,
          seconds: float, every: float) -> tuple[int, list[subprocess.Popen]]:
    """For so many seconds, or until `main` ends, one of the workers that `start` starts is killed
    (-9) every so often and another one started. How many were killed, and who is left."""
    rng = random.Random(1)
    helpers = [start() for _ in range(workers)]
    end = time.time() + seconds
    killed = 0
    while time.time() < end and main.poll() is None:
        time.sleep(every)
        victim = rng.randrange(len(helpers))
        killed += helpers[victim].poll() is None
        helpers[victim].kill()
        helpers[victim].communicate()
        helpers[victim] = start()
    return killed, helpers
