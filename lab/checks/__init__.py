"""The checks of the lab: each tries one function of the learner on small data made up for it.

    checks.check_read_pairs(read_pairs)

prints one line if the function is right, else raises a Hint: what was seen, the likely mistake,
and the way out. Each task has a module, which begins with the words of its hints; `common` holds
what they share. A hint may rely on all that was checked before it, so mistakes that are frequent
and easy to tell are looked for first. A right answer may be written in any way. `seed` makes other
data of the same kind, for the hidden tests.
"""

from lab.checks.build_network import check_build_network
from lab.checks.common import Hint
from lab.checks.compose import check_compose
from lab.checks.judge import check_scores, check_threshold
from lab.checks.make_batches import check_make_batches
from lab.checks.person_loss import check_person_loss
from lab.checks.read_pairs import check_read_pairs
from lab.checks.split_sequences import check_split_sequences

__all__ = [
    "Hint",
    "check_build_network",
    "check_compose",
    "check_make_batches",
    "check_person_loss",
    "check_read_pairs",
    "check_scores",
    "check_split_sequences",
    "check_threshold",
]
