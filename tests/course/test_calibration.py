"""The calibration curve that lesson 7 works out by hand is scikit-learn's."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

LESSON = Path(__file__).resolve().parents[2] / "notebooks" / "07_can_it_be_trusted.ipynb"


@pytest.fixture(scope="module")
def lesson():
    """The functions of the cell that defines `bin_sums`."""
    cells = json.loads(LESSON.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    (source,) = [source for source in sources if "def bin_sums(" in source]
    names = {"np": np}
    exec(source, names)
    return names


@pytest.mark.parametrize("seed", range(3))
def test_bins_are_those_of_scikit_learn(lesson, seed):
    rng = np.random.default_rng(seed)
    probability = rng.beta(0.5, 0.8, 2000)
    lesion = rng.random(2000) < probability**1.5
    pixels, said, true = lesson["bin_sums"](probability, lesion, bins=10)
    expected_true, expected_said = calibration_curve(lesion, probability, n_bins=10)
    np.testing.assert_allclose(said / pixels, expected_said)
    np.testing.assert_allclose(true / pixels, expected_true)


def test_error_is_the_mean_gap_weighted_by_pixels(lesson):
    sums = np.array([[30, 10], [30 * 0.2, 10 * 0.9], [30 * 0.1, 10 * 0.7]])
    assert lesson["calibration_error"](sums) == pytest.approx(0.75 * 0.1 + 0.25 * 0.2)
