"""Networks: shapes, names, what they refuse, and that a saved one comes back the same."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from processes import run
from segmentation_tf.models import MaxPoolingWithPlaces, MaxUnpooling, build_segnet, build_unet
from segmentation_tf.training import train

BUILDERS = [build_unet, build_segnet]


@pytest.mark.parametrize(("shape", "classes"), [((64, 128, 3), 4), ((64, 64, 1), 1)])
@pytest.mark.parametrize("build", BUILDERS)
def test_logits_have_the_size_of_the_image(build, shape, classes):
    model = build(shape, classes=classes)
    assert model.output_shape == (None, *shape[:2], classes)
    assert model(np.zeros((2, *shape))).shape == (2, *shape[:2], classes)


@pytest.mark.parametrize("build", BUILDERS)
def test_output_is_logits_not_probabilities(build):
    head = build((64, 64, 3)).get_layer("head")
    assert head.activation is keras.activations.linear


@pytest.mark.parametrize("shape", [(100, 128, 3), (128, 8, 3)])
@pytest.mark.parametrize("build", BUILDERS)
def test_size_that_does_not_divide_is_refused(build, shape):
    with pytest.raises(ValueError, match="multiples of 32"):
        build(shape)


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("shape", [(64, 64), (0, 64, 3)])
def test_other_shapes_are_refused(build, shape):
    with pytest.raises(ValueError, match="give height, width and channels, as"):
        build(shape)


def test_segnet_needs_a_height_and_a_width():
    with pytest.raises(ValueError, match=r"\(None, None, 3\): unpooling needs height"):
        build_segnet((None, None, 3))


def test_size_and_depth_can_be_chosen():
    # Nine blocks and four up-convolutions between stem and head; the original has two convolutions
    # in each block and no stride.
    original = build_unet((64, 64, 3), convolutions=2, stem_stride=1)
    assert sum(isinstance(x, keras.layers.Conv2D) for x in original.layers) == 1 + 2 * 9 + 4 + 1
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


def test_without_skips_nothing_is_joined():
    model = build_unet((64, 64, 3), skips=False)
    assert not any(isinstance(layer, keras.layers.Concatenate) for layer in model.layers)
    assert model.count_params() < build_unet((64, 64, 3)).count_params()


@pytest.mark.parametrize("build", BUILDERS)
def test_saved_model_predicts_the_same(tmp_path, build):
    model = build((64, 64, 3))
    image = np.random.default_rng(0).random((1, 64, 64, 3), "float32")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(image), model(image))


LOAD = """
import sys
import keras, numpy as np
assert not [name for name in sys.modules if name.startswith("segmentation_tf")]
model = keras.saving.load_model(sys.argv[1])
np.save(sys.argv[3], keras.ops.convert_to_numpy(model(np.load(sys.argv[2]))))
"""


@pytest.mark.parametrize("build", BUILDERS)
def test_trained_model_loads_without_the_course_and_trains_on(tmp_path, build):
    model = build((32, 32, 3), filters=(4, 8))
    images = np.random.default_rng(0).random((4, 32, 32, 3), "float32")
    masks = (images[..., :1] > 0.5).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((images, masks)).batch(2)
    train(model, data, epochs=1, verbose=False)
    image_file, logits_file = tmp_path / "images.npy", tmp_path / "logits.npy"
    np.save(image_file, images)
    model.save(tmp_path / "model.keras")
    run(LOAD, tmp_path / "model.keras", image_file, logits_file)
    np.testing.assert_allclose(np.load(logits_file), model(images), atol=1e-5)

    loaded = keras.saving.load_model(tmp_path / "model.keras")
    before = loaded.get_weights()
    assert train(loaded, data, epochs=2, verbose=False).epoch == [0, 1]
    assert not all(map(np.array_equal, before, loaded.get_weights()))


def test_layers_of_segnet_can_be_exchanged_by_name():
    class TurnedPlaces(MaxPoolingWithPlaces):
        def call(self, x):
            values, places = super().call(x)
            return values, keras.ops.flip(places, axis=(1, 2))

    def exchange(layer):
        return TurnedPlaces(name=layer.name) if layer.name == "encoder2_pool" else layer

    model = build_segnet((64, 64, 3))
    image = np.random.default_rng(0).random((1, 64, 64, 3), "float32")
    data = tf.data.Dataset.from_tensors((image, image[..., :1].round()))
    train(model, data, epochs=1, verbose=False)  # a trained network is cloned with its compilation
    turned = keras.models.clone_model(model, clone_function=exchange)
    assert isinstance(turned.get_layer("encoder2_pool"), TurnedPlaces)
    assert not np.allclose(turned(image), model(image))


def with_many_equal_values(shape=(3, 8, 12, 5)):
    """What ReLU leaves: half of the values are 0, so many windows have several maxima."""
    return np.maximum(np.random.default_rng(0).normal(size=shape), 0).astype("float32")


def test_pooling_remembers_what_tensorflow_finds():
    x = with_many_equal_values()
    pooled, places = map(keras.ops.convert_to_numpy, MaxPoolingWithPlaces()(x))
    expected, argmax = tf.nn.max_pool_with_argmax(x, 2, 2, "SAME", include_batch_in_index=True)
    np.testing.assert_array_equal(pooled, expected)
    # One place a window, and the same one: TensorFlow counts through the flattened batch.
    assert set(np.unique(places)) == {0, 1} and places.sum() == pooled.size
    np.testing.assert_array_equal(np.flatnonzero(places), np.sort(argmax.numpy().ravel()))


def test_unpooling_puts_values_where_tensorflows_argmax_points():
    x, values = with_many_equal_values(), np.random.default_rng(1).random((3, 4, 6, 5), "float32")
    _, places = MaxPoolingWithPlaces()(x)
    _, argmax = tf.nn.max_pool_with_argmax(x, 2, 2, "SAME", include_batch_in_index=True)
    expected = np.zeros(x.size, "float32")
    expected[argmax.numpy().ravel()] = values.ravel()
    np.testing.assert_array_equal(MaxUnpooling()([values, places]), expected.reshape(x.shape))


def test_gradient_of_the_pooling_goes_to_the_maximum_alone():
    x = tf.constant(with_many_equal_values())
    with tf.GradientTape() as tape:
        tape.watch(x)
        pooled, places = MaxPoolingWithPlaces()(x)
    np.testing.assert_array_equal(tape.gradient(pooled, x), places)


def test_segnet_unpools_with_the_places_of_its_own_level():
    model = build_segnet((64, 64, 3))
    for level in range(1, 5):
        (call,) = model.get_layer(f"decoder{level}_unpool")._inbound_nodes
        _, places = call.input_tensors
        assert places._keras_history.operation.name == f"encoder{level}_pool"
        assert places._keras_history.tensor_index == 1
