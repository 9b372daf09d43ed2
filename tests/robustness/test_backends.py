"""The same code on every backend of Keras: networks, losses, training, masks at full size.

The backend is fixed when Keras is imported, so each one needs a process.
"""

import importlib.util
import os
import subprocess
import sys

import pytest

from ph2_tree import write_ph2
from processes import REPOSITORY, run

LEARN = """
import sys
import segmentation_tf
import keras
from segmentation_tf import evaluation, models, pipeline, training
from segmentation_tf.datasets import ph2

cases = ph2.load_cases(sys.argv[1])
data = pipeline.make_dataset(cases, 32, 4, training=True)
validation_data = pipeline.make_dataset(cases, 32, 4)
for build in models.build_unet, models.build_segnet:
    keras.utils.set_random_seed(0)
    model = build((32, 32, 3), filters=(8, 16))
    history = training.train(model, data, validation_data, epochs=50)
    assert set(history.history) == {"loss", "dice", "val_loss", "val_dice"}
    model.save(sys.argv[2])
    loaded = keras.models.load_model(sys.argv[2], safe_mode=True)
    mean = evaluation.evaluate(loaded, cases).means["dice"].mean
    assert mean > 0.8, mean
print(keras.backend.backend())
"""


@pytest.mark.parametrize("backend", ["tensorflow", "torch", "jax"])
def test_training_learns_on_every_backend(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    root = write_ph2(tmp_path / "PH2Dataset", [0, 1, 2] * 4)
    said = run(LEARN, root, tmp_path / "model.keras", KERAS_BACKEND=backend)
    assert said.splitlines()[-1] == backend


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is installed")
def test_missing_backend_is_named():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", __file__],
        env={**os.environ, "KERAS_BACKEND": "torch"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "pip install torch" in done.stdout + done.stderr
