"""What the demo sees of a job while it runs, whether its workers are bare processes or Pods."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass, field

from digits_home import say

ROUND = re.compile(r"^ROUND (\d+) updates=(\d+) clients=(\d+) samples=\S+ seconds=(\S+) bytes_received=(\d+) bytes_sent=(\d+)")
STALL_SECONDS = 120.0


@dataclass
class Run:
    """What one federated job gave, round by round."""

    algorithm: str
    accuracy: list[float] = field(default_factory=list)
    bytes: int = 0
    seconds: float = 0.0


class Progress:
    """One line that is written over on a terminal; elsewhere a line for the first and for every tenth round."""

    def __init__(self, rounds: int) -> None:
        self.rounds, self.told, self.begin = rounds, 0, time.monotonic()

    def show(self, run: Run, reports: dict[int, re.Match[str]]) -> None:
        # The aggregator and the client that tests tell of a round independently: it has ended when both have.
        done = min(len(run.accuracy), max(reports, default=0))
        for number in range(self.told + 1, done + 1):
            text = (f"   round {number:>3}/{self.rounds}  {reports[number][2]} updates  accuracy "
                    f"{run.accuracy[number - 1]:6.2%}  {run.bytes / 1e6:7.2f} MB  {time.monotonic() - self.begin:5.1f} s")
            if sys.stdout.isatty():
                print("\r" + text, end="\n" if number == self.rounds else "", flush=True)
            elif number == 1 or number % 10 == 0 or number == self.rounds:
                say(text)
        self.told = max(self.told, done)
