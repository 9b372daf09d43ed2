"""Networks: shapes, names, what they refuse, and that a saved one comes back the same."""

import keras
import numpy as np
import pytest

from segmentation_tf.models import build_unet


@pytest.mark.parametrize("shape", [(64, 64, 3), (32, 96, 3), (64, 64, 1)])
@pytest.mark.parametrize("classes", [1, 4])
def test_logits_have_the_size_of_the_image(shape, classes):
    model = build_unet(shape, classes=classes)
    assert model.output_shape == (None, *shape[:2], classes)
    assert model.predict(np.zeros((2, *shape)), verbose=0).shape == (2, *shape[:2], classes)


def test_output_is_logits_not_probabilities():
    head = build_unet((64, 64, 3)).get_layer("head")
    assert head.activation is keras.activations.linear


@pytest.mark.parametrize("shape", [(100, 128, 3), (128, 8, 3)])
def test_size_that_does_not_divide_is_refused(shape):
    with pytest.raises(ValueError, match="multiples of 32"):
        build_unet(shape)


def test_size_and_depth_can_be_chosen():
    # Nine blocks between stem and head; the original has two convolutions in each and no stride.
    original = build_unet((64, 64, 3), convolutions=2, stem_stride=1)
    assert sum(isinstance(x, keras.layers.Conv2D) for x in original.layers) == 1 + 2 * 9 + 1
    assert original.get_layer("encoder1_relu2").output.shape[1:3] == (64, 64)
    assert build_unet((64, 64, 3)).get_layer("encoder1_relu1").output.shape[1:3] == (32, 32)


def test_layers_have_telling_names():
    names = [layer.name for layer in build_unet((64, 64, 3)).layers]
    for name in ("stem_conv1", "encoder1_conv1", "bottleneck_norm1", "decoder1_skip", "logits"):
        assert name in names
    assert not any(name.startswith(("conv2d", "batch_norm")) for name in names)


def test_every_skip_joins_equal_sizes_of_the_encoder():
    model = build_unet((64, 64, 3))
    skips = [layer for layer in model.layers if layer.name.endswith("_skip")]
    assert len(skips) == 4
    for skip in skips:
        level = skip.name[len("decoder")]
        sources = {tensor._keras_history.operation.name for tensor in skip.input}
        assert sources == {f"decoder{level}_up", f"encoder{level}_relu1"}


def test_saved_model_predicts_the_same(tmp_path):
    model = build_unet((32, 32, 3))
    image = np.random.default_rng(0).random((1, 32, 32, 3), "float32")
    model.save(tmp_path / "unet.keras")
    loaded = keras.models.load_model(tmp_path / "unet.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded.predict(image, verbose=0), model.predict(image, verbose=0))
