"""How long the lessons will take on this machine: their stored minutes, times a factor."""

import math
import time
from collections.abc import Iterable

import numpy as np

REFERENCE = 0.19  # what `calibrate` returned on the machine that stored the minutes
UNKNOWN = 2  # minutes of a notebook that has no stored ones


def calibrate() -> float:
    """Seconds that this machine takes to multiply matrices, which is most of a training's work."""
    a = np.random.default_rng(0).random((1000, 1000), np.float32)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(10):
            a @ a
        seconds.append(time.perf_counter() - start)
    return min(seconds)


class Forecast:
    """Seconds that lessons will take. It starts with a factor and learns from those that have run.

    Args:
        minutes: What each lesson took on the machine that stored it.
        factor: How many times as long this machine takes.
    """

    def __init__(self, minutes: dict[str, float], factor: float):
        self.minutes, self.factor = minutes, factor
        self.expected = self.taken = 0.0

    def seconds(self, names: Iterable[str]) -> float:
        return self.factor * self._stored(names)

    def learn(self, name: str, seconds: float) -> None:
        """Take in what a lesson really took."""
        self.expected += self._stored([name])
        self.taken += seconds
        self.factor = self.taken / self.expected

    def _stored(self, names):
        return 60 * sum(self.minutes.get(name, UNKNOWN) for name in names)


def in_minutes(seconds: float) -> str:
    """Such as: about 3 minutes."""
    minutes = math.ceil(seconds / 60)
    return f"about {minutes} minute{'s' * (minutes != 1)}"
