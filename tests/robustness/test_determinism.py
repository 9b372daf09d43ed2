"""The same seed gives the same: drawn sets, splits and trainings, on every run and machine."""

import hashlib
import json
import os

import numpy as np
import pytest

import drawn_sets
from ph2_tree import write_ph2
from processes import contents, run
from segmentation_tf.cases import Case, fold_cases, split_cases
from segmentation_tf.datasets import coco_panoptic, pairs, ph2
from segmentation_tf.drawn import drawing

STORED = json.loads(drawn_sets.STORED.read_text(encoding="utf-8"))


# --- drawn sets ------------------------------------------------------------------------------


@pytest.mark.parametrize("module", drawn_sets.SETS, ids=lambda module: module.__name__)
def test_every_picture_is_the_stored_one(module):
    name, found = drawn_sets.describe(module)
    stored = STORED["sets"].get(name)
    assert stored, f"new VERSION? {drawn_sets.__doc__}"
    assert found["means"].keys() == stored["means"].keys()
    for case, means in stored["means"].items():
        np.testing.assert_allclose(found["means"][case], means, atol=0.5, err_msg=case)
    if drawn_sets.machine() == STORED["machine"]:  # elsewhere pixels may differ by a level
        assert found["sha256"] == stored["sha256"], (
            f"data/drawn/{name} is not what {drawn_sets.STORED.name} describes: delete it and test "
            f"again. If the drawing has changed, give it a new VERSION. {drawn_sets.__doc__}"
        )


DRAW = """
import sys
from pathlib import Path
from segmentation_tf.drawn import dancers, dermoscopy, leaves, meadow
folder = Path(sys.argv[1])
dermoscopy.draw_ph2(folder / "ph2", indices=[0, 199], processes=int(sys.argv[2]))
meadow.draw_meadows(folder / "meadow", meadows=[5], processes=int(sys.argv[2]))
leaves.draw_pictures(folder / "pictures", indices=[0, 20], processes=int(sys.argv[2]))
dancers.FRAMES = 1
dancers.draw_mads(folder / "mads", sequences=[3], processes=int(sys.argv[2]))
"""


def test_two_runs_draw_the_same_files_however_they_are_run(tmp_path):
    # One worker or two, with other hashes, more threads, and another choice of NumPy's kernels.
    run(DRAW, tmp_path / "one", 1, PYTHONHASHSEED="1", OMP_NUM_THREADS="2")
    run(DRAW, tmp_path / "two", 2, PYTHONHASHSEED="2", OPENBLAS_CORETYPE="Prescott")
    first = contents(tmp_path / "one")
    assert len(first) > 12 and first == contents(tmp_path / "two")
    # And what is drawn now is what lies in data/drawn, drawn once.
    readers = {"ph2": ph2, "meadow": coco_panoptic, "pictures": pairs}
    for name, whole in ((name, reader.drawn_folder()) for name, reader in readers.items()):
        for file in (tmp_path / "one" / name).rglob("*"):
            if file.suffix in (".bmp", ".jpg", ".png"):
                there = whole / file.relative_to(tmp_path / "one" / name)
                assert file.read_bytes() == there.read_bytes(), there


def test_workers_compute_with_the_kernels_that_all_processors_have(monkeypatch):
    monkeypatch.setenv("NPY_ENABLE_CPU_FEATURES", "AVX512F")
    before = dict(os.environ)
    with drawing._environment_of_workers():
        code = "import numpy; print(numpy.show_config(mode='dicts')['SIMD Extensions']['found'])"
        found = run(code)
    assert "X86_V4" not in found and "AVX512" not in found
    assert dict(os.environ) == before


# --- splits ----------------------------------------------------------------------------------

SPLIT = """
from segmentation_tf.datasets.ph2 import DIAGNOSES
from segmentation_tf.cases import Case, fold_cases, split_cases
cases = [Case(f"IMD{n:03}", "", "", f"g{n // 2}", DIAGNOSES[n % 3]) for n in range(200)]
parts = [*split_cases(cases), *split_cases(cases, 0.1, seed=7)]
parts += [part for fold in fold_cases(cases, 5) for part in fold]
print([[case.name for case in part] for part in parts])
"""


def test_splits_are_the_same_in_every_process_and_on_every_machine():
    first = run(SPLIT, PYTHONHASHSEED="1")
    assert first == run(SPLIT, PYTHONHASHSEED="2")
    assert hashlib.sha256(first.strip().encode()).hexdigest()[:16] == "2edac2254354c73d"


def test_splits_do_not_hang_on_the_order_of_the_cases():
    cases = [Case(f"IMD{n:03}", "", "", f"g{n // 2}", "ab"[n % 2]) for n in range(60)]
    assert split_cases(cases) == split_cases(cases[::-1])
    assert list(fold_cases(cases)) == list(fold_cases(cases[::-1]))


# --- training --------------------------------------------------------------------------------

TRAIN = """
import hashlib, sys
import segmentation_tf
import keras
import tensorflow as tf
from segmentation_tf.datasets import ph2
from segmentation_tf.models import build_segnet, build_unet
from segmentation_tf.pipeline import make_dataset
from segmentation_tf.training import train

tf.config.experimental.enable_op_determinism()
cases = ph2.load_cases(sys.argv[1])
for build in build_unet, build_segnet:
    keras.utils.set_random_seed(0)
    model = build((32, 32, 3), filters=(8, 16))
    history = train(model, make_dataset(cases, 32, 4, training=True), epochs=2, verbose=False)
    weights = b"".join(weight.tobytes() for weight in model.get_weights())
    print(build.__name__, hashlib.sha256(weights).hexdigest(), history.history["loss"])
"""


def test_a_deterministic_training_gives_the_same_weights_bit_by_bit(tmp_path):
    root = write_ph2(tmp_path / "PH2Dataset", [0, 1, 2] * 4)
    first, second = (run(TRAIN, root).splitlines()[-2:] for _ in range(2))
    assert [line.split()[0] for line in first] == ["build_unet", "build_segnet"]
    assert first == second
