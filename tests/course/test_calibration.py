"""The calibration curve that lesson 6 works out by hand is scikit-learn's."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

LESSON = Path(__file__).resolve().parents[2] / "notebooks" / "06_honest_scores.ipynb"


@pytest.fixture(scope="module")
def lesson():
    """The functions of the cell that defines `calibration`."""
    cells = json.loads(LESSON.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    (source,) = [source for source in sources if "def calibration(" in source]
    names = {"np": np}
    exec(source, names)
    return names


@pytest.mark.parametrize("seed", range(3))
def test_bins_are_those_of_scikit_learn(lesson, seed):
    rng = np.random.default_rng(seed)
    probability = rng.beta(0.5, 0.8, 2000)
    lesion = rng.random(2000) < probability**1.5
    count, said, true = lesson["calibration"](probability, lesion, bins=10)
    expected_true, expected_said = calibration_curve(lesion, probability, n_bins=10)
    np.testing.assert_allclose(said[count > 0], expected_said)
    np.testing.assert_allclose(true[count > 0], expected_true)


def test_error_is_the_mean_gap_weighted_by_pixels(lesson):
    count, said, true = np.array([30, 10]), np.array([0.2, 0.9]), np.array([0.1, 0.7])
    assert lesson["calibration_error"](count, said, true) == pytest.approx(0.75 * 0.1 + 0.25 * 0.2)
