"""Exported networks: the masks that their own runtimes compute are Keras' masks.

The runtimes are optional packages; where one is missing, its tests are skipped.
"""

import importlib.util
import sys

import keras
import numpy as np
import pytest

from ph2_tree import write_ph2
from segmentation_tf.datasets import ph2
from segmentation_tf.evaluation import (
    PACKAGES,
    evaluate,
    load_exported,
    predict_logits,
    predict_masks,
)
from segmentation_tf.images import read_image
from segmentation_tf.models import build_segnet, build_unet
from segmentation_tf.pipeline import make_dataset
from segmentation_tf.training import train

FORMATS = {".tflite": "litert", ".onnx": "onnx"}


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return ph2.load_cases(write_ph2(tmp_path_factory.mktemp("data") / "PH2Dataset", [0, 1, 2] * 4))


@pytest.fixture(scope="module", params=[build_unet, build_segnet], ids=["unet", "segnet"])
def model(request, cases):
    keras.utils.set_random_seed(0)
    model = request.param((32, 32, 3), filters=(8, 16))
    train(model, make_dataset(cases, 32, 4, training=True), epochs=40, verbose=False)
    return model


@pytest.fixture(scope="module", params=FORMATS)
def suffix(request):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("TensorFlow is the backend that exports to both")
    for package in PACKAGES[request.param].split():
        if importlib.util.find_spec(package.replace("-", "_")) is None:
            pytest.skip(f"not installed: pip install {PACKAGES[request.param]}")
    return request.param


@pytest.fixture(scope="module")
def exported(suffix, model, tmp_path_factory):  # in this order: no training for a skipped test
    path = tmp_path_factory.mktemp("exported") / f"model{suffix}"
    model.export(path, format=FORMATS[suffix], verbose=False)
    return load_exported(path)


def test_masks_at_full_size_and_scores_are_those_of_keras(exported, model, cases):
    photos = [read_image(case.image) for case in cases]
    expected = np.stack(list(predict_masks(model, photos)))
    masks = np.stack(list(predict_masks(exported, photos)))
    assert expected.any() and not expected.all()
    assert np.mean(masks != expected) < 0.001
    scores = [evaluate(network, cases).means["dice"].mean for network in (model, exported)]
    assert scores[0] > 0.8 and scores[1] == pytest.approx(scores[0], abs=0.001)


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
