"""The checks of the lab: each tries one function of the learner on small data made up for it.

    checks.check_read_pairs(read_pairs)

prints one line if the function is right, else raises a Hint: what was seen, the likely mistake,
and the way out. Each task has a module; `common` and `values` hold what they share. A hint may rely
on all that was checked before it, so mistakes that are frequent and easy to tell are looked for
first. A right answer may be written in any way. `seed` makes other data of the same kind: the
grader runs each check with several.

TASKS is the one place for the numbers, titles and points of the tasks.
"""

from collections.abc import Callable
from dataclasses import dataclass

from lab.checks.build_network import check_build_network
from lab.checks.common import Hint
from lab.checks.compose import check_compose
from lab.checks.judge import check_scores, check_threshold
from lab.checks.make_batches import check_make_batches
from lab.checks.person_loss import check_person_loss
from lab.checks.read_pairs import check_read_pairs
from lab.checks.split_sequences import check_split_sequences

__all__ = [
    "TASKS",
    "Hint",
    "Task",
    "check_build_network",
    "check_compose",
    "check_make_batches",
    "check_person_loss",
    "check_read_pairs",
    "check_scores",
    "check_split_sequences",
    "check_threshold",
]


@dataclass(frozen=True)
class Task:
    """A task: its title, the function that a learner writes, and each check with its points."""

    title: str
    function: str
    checks: dict[Callable, int]


TASKS = (
    Task("1. Pair and read", "read_pairs", {check_read_pairs: 15}),
    Task("2. Split by sequence", "split_sequences", {check_split_sequences: 10}),
    Task("3. Batches", "make_batches", {check_make_batches: 15}),
    Task("4. The network", "build_network", {check_build_network: 15}),
    Task("5. The loss", "person_loss", {check_person_loss: 10}),
    Task("6. Threshold and scores", "judge", {check_scores: 10, check_threshold: 10}),
    Task("8. The presenter", "compose", {check_compose: 15}),
)
