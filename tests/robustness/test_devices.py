"""More than one device, and mixed precision: the same training, the same losses."""

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
from segmentation_tf import evaluation, models
from segmentation_tf.datasets import ph2
from segmentation_tf.pipeline import make_dataset
from segmentation_tf.training import train

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
devices = json.loads(sys.argv[3])
# TensorFlow's own choice for CPUs mixes up the sums of two layers that both devices make at once.
strategy = tf.distribute.MirroredStrategy(
    devices, cross_device_ops=tf.distribute.ReductionToOneDevice()
)
assert strategy.num_replicas_in_sync == len(devices)
cases = ph2.load_cases(sys.argv[1])
keras.utils.set_random_seed(0)
with strategy.scope():
    model = getattr(models, sys.argv[2])((32, 32, 3), filters=(8, 16), synchronized=True)
data = make_dataset(cases, 32, 4)
history = train(model, data, data, epochs=12, verbose=False).history
for value in model.optimizer.iterations.value, model.trainable_weights[0].value:
    assert len(strategy.experimental_local_results(value)) == len(devices)
history["full size"] = [evaluation.evaluate(model, cases).means["dice"].mean]
print(json.dumps(history))
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_ph2(tmp_path_factory.mktemp("data") / "PH2Dataset", [0, 1, 2] * 4)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.distribute")
@pytest.mark.parametrize("build", ["build_unet", "build_segnet"])
def test_two_devices_reach_the_losses_of_one(root, build):
    one, two = (
        json.loads(run(MIRRORED, root, build, json.dumps(devices)).splitlines()[-1])
        for devices in (["CPU:0"], ["CPU:0", "CPU:1"])
    )
    assert one.keys() == two.keys() and one["full size"][0] > 0.8
    for name in one:
        np.testing.assert_allclose(one[name], two[name], rtol=0.01, atol=0.01, err_msg=name)
    np.testing.assert_allclose(one["loss"][:3], two["loss"][:3], rtol=1e-4)


@pytest.fixture
def mixed(request):
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("mixed", ["mixed_float16", "mixed_bfloat16"], indirect=True)
@pytest.mark.parametrize("build", [build_unet, build_segnet])
def test_mixed_precision_learns_and_keeps_logits_in_float32(root, mixed, build):
    cases = ph2.load_cases(root)
    keras.utils.set_random_seed(0)
    model = build((32, 32, 3), filters=(8, 16))
    data = make_dataset(cases, 32, 4, training=True), make_dataset(cases, 32, 4)
    history = train(model, *data, epochs=40, verbose=False).history
    assert model.output.dtype == "float32"
    assert model.layers[1].compute_dtype == mixed.removeprefix("mixed_")
    assert np.isfinite(history["loss"]).all()
    again = model.evaluate(data[1], verbose=0, return_dict=True)
    assert again["dice"] == pytest.approx(history["val_dice"][-1], abs=0.01)
    assert evaluate(model, cases).means["dice"].mean > 0.8
