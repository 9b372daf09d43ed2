"""Small drawn sets without the cost of a whole one."""

import contextlib
import functools
from unittest import mock


@contextlib.contextmanager
def drawing_here(module, name):
    """A module of `drawn/` draws in this process; its function `name` draws each picture once."""
    kept = functools.lru_cache(maxsize=None)(getattr(module, name))
    here = {name: kept, "draw_parallel": lambda draw, jobs, *_: [draw(*job) for job in jobs]}
    with mock.patch.multiple(module, **here):
        yield
