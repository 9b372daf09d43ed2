"""What all drawn sets share: several processes with one progress bar, and painting tools."""

import math
import os
import time

import numpy as np
import pytest

from processes import start
from segmentation_tf.cases import DatasetError
from segmentation_tf.drawn import drawing

# --- processes -------------------------------------------------------------------------------


def test_results_come_in_the_order_of_the_jobs_and_the_bar_leaves_one_line(capfd):
    results = drawing.draw_parallel(pow, [(n, 2) for n in range(9)], "squares", 2)
    assert results == [n * n for n in range(9)]
    output, errors = capfd.readouterr()
    assert output.count("\n") <= 1 and "9/9" in output and errors == ""


@pytest.mark.parametrize(
    ("draw", "number", "error"), [(math.sqrt, -1, ValueError), (os._exit, 1, DatasetError)]
)
def test_what_goes_wrong_in_a_worker_is_raised_here(draw, number, error):
    with pytest.raises(error):
        drawing.draw_parallel(draw, [(number,)], "drawing", processes=1)


def test_a_script_without_a_main_guard_draws_and_does_without_tensorflow(tmp_path):
    (tmp_path / "script.py").write_text("""
import sys
from segmentation_tf.drawn import dancers, dermoscopy, meadow

print("once")
print(dermoscopy.draw_parallel(pow, [(2, 5)], "drawing", 1))
print([name for name in ("tensorflow", "keras") if name in sys.modules])
""")
    run = start("import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__')",
                tmp_path / "script.py")  # fmt: skip
    output, errors = run.communicate(timeout=60)
    assert run.returncode == 0, errors
    assert output.count("once") == 1, "workers do not run the caller's script again"
    assert "[32]" in output and "[]" in output


def test_workers_end_with_a_caller_that_is_killed(tmp_path):
    code = """
import sys
from pathlib import Path
from segmentation_tf.drawn.drawing import draw_parallel
draw_parallel(Path.touch, [(Path(sys.argv[1]),)] + [(Path(),)] * 10**6, "touching", 1)
"""
    run = start(code, tmp_path / "working")
    deadline = time.monotonic() + 60
    while not (tmp_path / "working").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    run.kill()
    run.communicate(timeout=30)  # returns once the workers, which share its pipes, are gone, too


# --- painting tools --------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1, 5, 40])
def test_smooth_noise_has_mean_0_and_deviation_1(scale):
    noise = drawing.smooth_noise(np.random.default_rng(0), (300, 401), scale)
    assert noise.shape == (300, 401) and noise.dtype == np.float32
    assert abs(noise.mean()) < 0.3 and 0.6 < noise.std() < 1.3


def test_cells_know_their_centre_and_walls():
    y, x = np.indices((60, 80), dtype=np.float32)
    centre, wall, own = drawing.cells(np.random.default_rng(0), y, x, spacing=10, jitter=0.8)
    assert centre.shape == wall.shape == own.shape == (60, 80)
    assert centre.min() < 0.1 and wall.min() < 0.05, "some pixel is near a centre, some on a wall"
    assert (wall >= 0).all() and 30 < len(np.unique(own)) < 90, "about one cell per 100 px"
