"""Two devices, and mixed precision: the same training reaches the same losses."""

import json

import keras
import numpy as np
import pytest

from ph2_tree import write_ph2
from processes import run
from segmentation_tf.datasets import ph2
from segmentation_tf.evaluation import evaluate
from segmentation_tf.models import build_segnet, build_unet
from segmentation_tf.pipeline import make_dataset
from segmentation_tf.training import train

MIRRORED = """
import json, sys
import segmentation_tf
import keras
import tensorflow as tf
from segmentation_tf import models
from segmentation_tf.datasets import ph2
from segmentation_tf.pipeline import make_dataset
from segmentation_tf.training import train

def losses(build, devices):
    keras.utils.set_random_seed(0)
    # TensorFlow's own choice for CPUs mixes up sums that both devices make at the same time.
    together = tf.distribute.ReductionToOneDevice()
    strategy = tf.distribute.MirroredStrategy(devices, cross_device_ops=together)
    with strategy.scope():
        model = build((32, 32, 3), filters=(8, 16))
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True  # normalise the whole batch, as one device would
    history = train(model, data, data, epochs=4, verbose=False).history
    for value in model.optimizer.iterations.value, model.trainable_weights[0].value:
        assert len(strategy.experimental_local_results(value)) == len(devices)
    return history["loss"] + history["val_loss"]

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
data = make_dataset(ph2.load_cases(sys.argv[1]), 32, 4)
for build in models.build_unet, models.build_segnet:
    print(json.dumps([losses(build, ["CPU:0"]), losses(build, ["CPU:0", "CPU:1"])]))
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_ph2(tmp_path_factory.mktemp("data") / "PH2Dataset", [0, 1, 2] * 4)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.distribute")
def test_two_devices_reach_the_losses_of_one(root):
    unet, segnet = map(json.loads, run(MIRRORED, root).splitlines()[-2:])
    for one, two in (unet, segnet):
        assert len(one) == 8 and one[3] < one[0]
        np.testing.assert_allclose(one, two, rtol=1e-4)


@pytest.fixture
def mixed(request):
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    ("mixed", "build"),
    [("mixed_float16", build_unet), ("mixed_bfloat16", build_segnet)],
    indirect=["mixed"],
)
def test_mixed_precision_learns_and_keeps_logits_in_float32(root, mixed, build):
    cases = ph2.load_cases(root)
    keras.utils.set_random_seed(0)
    model = build((32, 32, 3), filters=(8, 16))
    data = make_dataset(cases, 32, 4, training=True), make_dataset(cases, 32, 4)
    history = train(model, *data, epochs=50, verbose=False).history
    assert model.output.dtype == "float32"
    assert model.layers[1].compute_dtype == mixed.removeprefix("mixed_")
    assert np.isfinite(history["loss"]).all()
    again = model.evaluate(data[1], verbose=0, return_dict=True)
    assert again["dice"] == pytest.approx(history["val_dice"][-1], abs=0.01)
    assert evaluate(model, cases).means["dice"].mean > 0.8
