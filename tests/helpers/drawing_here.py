"""Small drawn sets without the cost of a whole one."""

import functools


def draw_here(patch, module, name):
    """Make a module of `drawn/` draw in this process, and each picture once.

    `patch` is a MonkeyPatch, `name` that of the function that draws one picture: its results are
    kept, by their arguments.
    """
    patch.setattr(module, name, functools.lru_cache(maxsize=None)(getattr(module, name)))
    patch.setattr(module, "draw_parallel", lambda draw, jobs, *_: [draw(*job) for job in jobs])
