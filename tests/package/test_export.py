"""Exported networks: the masks that their own runtimes compute are Keras' masks.

The runtimes are optional packages; where one is missing, its tests are skipped.
"""

import importlib.util
import sys
from contextlib import nullcontext
from unittest.mock import Mock

import keras
import numpy as np
import pytest
from keras import layers

from ph2_tree import write_ph2
from segmentation_tf.cases import DatasetError
from segmentation_tf.datasets import ph2
from segmentation_tf.evaluation import (
    LOADERS,
    PACKAGES,
    evaluate,
    export_network,
    load_exported,
    load_network,
    predict_logits,
    predict_masks,
)
from segmentation_tf.images import read_image
from segmentation_tf.models import build_segnet, build_unet
from segmentation_tf.pipeline import make_dataset
from segmentation_tf.training import train

TENSORFLOW = keras.backend.backend() == "tensorflow"


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return ph2.load_cases(write_ph2(tmp_path_factory.mktemp("data") / "PH2Dataset", [0, 1, 2] * 4))


@pytest.fixture(scope="module", params=[build_unet, build_segnet], ids=["unet", "segnet"])
def model(request, cases):
    keras.utils.set_random_seed(0)
    model = request.param((32, 32, 3), filters=(8, 16))
    train(model, make_dataset(cases, 32, 4, training=True), epochs=40, verbose=False)
    return model


@pytest.fixture(scope="module", params=PACKAGES)
def suffix(request):
    if not TENSORFLOW:
        pytest.skip("TensorFlow is the backend that exports to both")
    for package in PACKAGES[request.param].split():
        if importlib.util.find_spec(package.replace("-", "_")) is None:
            pytest.skip(f"not installed: pip install {PACKAGES[request.param]}")
    return request.param


@pytest.fixture(scope="module")
def exported(suffix, model, tmp_path_factory):  # in this order: no training for a skipped test
    path = tmp_path_factory.mktemp("exported") / f"model{suffix}"
    export_network(model, path)
    return load_exported(path)


def test_masks_at_full_size_and_scores_are_those_of_keras(exported, model, cases):
    photos = [read_image(case.image) for case in cases]
    expected = np.stack(list(predict_masks(model, photos)))
    masks = np.stack(list(predict_masks(exported, photos)))
    assert expected.any() and not expected.all()
    assert np.mean(masks != expected) < 0.001
    scores = [evaluate(network, cases).means["dice"].mean for network in (model, exported)]
    assert scores[0] > 0.75 and scores[1] == pytest.approx(scores[0], abs=0.001)


def test_logits_are_those_of_keras_in_batches_of_any_size(exported, model):
    assert exported.input_shape == model.input_shape
    images = np.random.default_rng(0).random((5, 32, 32, 3), "float32")
    for count in (5, 1, 3):
        logits = exported(images[:count], training=False)
        expected = keras.ops.convert_to_numpy(model(images[:count], training=False))
        assert logits.dtype == np.float32
        np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_mirror_images_can_be_averaged(exported, model, cases):
    photo = read_image(cases[0].image)
    logits = [predict_logits(network, photo, flips=True) for network in (model, exported)]
    np.testing.assert_allclose(*logits, atol=1e-4)


def test_an_exported_network_cannot_be_trained(exported):
    with pytest.raises(ValueError, match="cannot be trained"):
        exported(np.zeros((1, 32, 32, 3), "float32"), training=True)


def network(shape):
    return keras.Sequential([keras.Input(shape), layers.Conv2D(1, 1)])


def test_a_network_that_was_never_called_and_options_are_exported(suffix, tmp_path):
    options = {".tflite": {"optimizations": []}, ".onnx": {"opset_version": 15}}[suffix]
    export_network(network((32, 32, 3)), tmp_path / f"model{suffix}", **options)
    assert load_network(tmp_path / f"model{suffix}").input_shape == (None, 32, 32, 3)


# --- what cannot be exported, or read ----------------------------------------------------------


class Subclassed(keras.Model):
    """A model without layers that Keras knows beforehand."""

    def call(self, images):
        return images[..., :1]


@pytest.mark.skipif(not TENSORFLOW, reason="refused for its backend")
@pytest.mark.parametrize("name", ["model.tflite", "model.onnx"])
@pytest.mark.parametrize(
    ("make", "seen"),
    [
        (lambda: network((None, None, 3)), r"\(None, None, None, 3\)"),
        (lambda: keras.Sequential([layers.Conv2D(1, 1)]), "None"),
        (Subclassed, "None"),
    ],
    ids=["any size", "not built", "subclassed"],
)
def test_a_network_without_one_size_is_refused_and_the_advice_helps(make, seen, name, tmp_path):
    model = make()
    match = f"{name}: the network's input shape is {seen}, .* images = keras.Input"
    with pytest.raises(ValueError, match=match):
        export_network(model, tmp_path / name)
    images = keras.Input((96, 96, 3))
    model = keras.Model(images, model(images))
    if name == "model.tflite":  # its converter is in TensorFlow
        export_network(model, tmp_path / name)
        assert (tmp_path / name).stat().st_size > 0


@pytest.mark.skipif(not TENSORFLOW, reason="refused for its backend")
@pytest.mark.parametrize(
    ("version", "old"), [("3.10.0", True), ("3.12.1", True), ("3.13.0", False), ("4.0", False)]
)
def test_litert_needs_a_new_keras(version, old, tmp_path, monkeypatch):
    monkeypatch.setattr(keras, "__version__", version)
    model, export = network((32, 32, 3)), Mock()
    monkeypatch.setattr(keras.Model, "export", export)
    match = rf"need Keras 3\.13 or later, and this is {version}: pip install -U keras"
    with pytest.raises(ImportError, match=match) if old else nullcontext():
        export_network(model, tmp_path / "model.tflite")
    assert export.called != old


@pytest.mark.skipif(not TENSORFLOW, reason="refused for its backend")
def test_onnx_needs_a_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)  # as if it were not installed
    with pytest.raises(ImportError, match="pip install onnxruntime tf2onnx"):
        export_network(network((32, 32, 3)), tmp_path / "model.onnx")


def test_another_backend_or_suffix_is_refused(tmp_path, monkeypatch):
    model = network((32, 32, 3))
    with pytest.raises(ValueError, match=r"moles\.tf: give the name of a \.tflite or \.onnx file"):
        export_network(model, tmp_path / "moles.tf")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="backend is jax, but .* set KERAS_BACKEND=tensorflow"):
        export_network(model, tmp_path / "moles.onnx")


@pytest.mark.parametrize("load", [load_exported, load_network])
@pytest.mark.parametrize(("suffix", "side"), [(".tflite", -1), (".onnx", "unk__10")])
def test_an_exported_network_for_any_size_is_refused(load, suffix, side, tmp_path, monkeypatch):
    # As the runtimes tell the shape; they are seldom installed.
    monkeypatch.setitem(LOADERS, suffix, lambda path, threads: ((side, side, side, 3), None))
    path = tmp_path / f"model{suffix}"
    path.touch()
    with pytest.raises(DatasetError, match=rf"model\{suffix}: takes images of any size; export"):
        load(path)


@pytest.mark.parametrize(
    ("suffix", "module"), [(".tflite", "ai_edge_litert.interpreter"), (".onnx", "onnxruntime")]
)
def test_a_missing_runtime_is_named(suffix, module, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    path = tmp_path / f"model{suffix}"
    path.touch()
    with pytest.raises(ImportError, match=f"pip install {PACKAGES[suffix]}"):
        load_exported(path)


def test_a_file_of_another_kind_or_none_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"moles\.keras: .*\.tflite or \.onnx"):
        load_exported(tmp_path / "moles.keras")
    with pytest.raises(FileNotFoundError, match=r"moles\.onnx"):
        load_exported(tmp_path / "moles.onnx")
