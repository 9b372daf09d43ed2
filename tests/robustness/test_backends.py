"""The same code on every backend of Keras: networks, losses, training, masks at full size.

The backend is fixed when Keras is imported, so each runs in a process of its own.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ph2_tree import write_ph2

SCRIPT = """
import sys
import segmentation_tf
import keras
from segmentation_tf import evaluation, models, pipeline, training
from segmentation_tf.datasets import ph2

cases = ph2.load_cases(sys.argv[1])
build = getattr(models, sys.argv[2])
keras.utils.set_random_seed(0)
model = build((32, 32, 3), filters=(8, 16))
data = pipeline.make_dataset(cases, 32, 4, training=True)
history = training.train(model, data, pipeline.make_dataset(cases, 32, 4), epochs=40)
assert set(history.history) == {"loss", "dice", "val_loss", "val_dice"}
model.save(sys.argv[3])
loaded = keras.models.load_model(sys.argv[3], safe_mode=True)
mean = evaluation.evaluate(loaded, cases).means["dice"].mean
print(keras.backend.backend(), "mean Dice", mean)
assert mean > 0.8, mean
"""


@pytest.mark.parametrize("build", ["build_unet", "build_segnet"])
@pytest.mark.parametrize("backend", ["tensorflow", "torch", "jax"])
def test_training_learns_on_every_backend(backend, build, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    root = write_ph2(tmp_path / "PH2Dataset", [0, 1, 2] * 4)
    arguments = [str(root), build, str(tmp_path / "model.keras")]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1].startswith(backend)


def test_missing_backend_is_named():
    if importlib.util.find_spec("torch") is not None:
        pytest.skip("torch is installed")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", __file__],
        env={**os.environ, "KERAS_BACKEND": "torch"},
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install torch" in done.stdout + done.stderr
