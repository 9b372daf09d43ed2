"""Scores against numbers worked by hand; masks at the image's own size."""

import weakref
from functools import partial

import keras
import numpy as np
import pytest
from keras import layers
from scipy import ndimage

from ph2_tree import disc, skin, write_ph2
from segmentation_tf.cases import DatasetError
from segmentation_tf.datasets import ph2
from segmentation_tf.evaluation import (
    METRICS,
    Evaluation,
    bootstrap,
    evaluate,
    evaluate_masks,
    hd95,
    load_network,
    nsd,
    otsu_mask,
    predict_classes,
    predict_logits,
    predict_mask,
    predict_masks,
    predict_tiles,
    score,
    surface_distances,
)
from segmentation_tf.images import read_image, read_mask
from segmentation_tf.models import build_unet

EMPTY = np.zeros((30, 40), bool)
BLOCK = EMPTY.copy()
BLOCK[10:20, 10:20] = True


def shifted(mask, x):
    return np.roll(mask, x, axis=1)


def test_scores_by_hand():
    found = score(BLOCK, shifted(BLOCK, 5))  # half of the block is found
    assert found["dice"] == pytest.approx(0.5)
    assert found["iou"] == pytest.approx(1 / 3)
    assert found["precision"] == found["recall"] == pytest.approx(0.5)
    assert found["accuracy"] == pytest.approx(1 - 100 / 1200)
    assert found["hd95"] == 5
    # Of 36 outline pixels 10 lie on the other outline, and 8 are 1 or 2 pixels away from it.
    assert found["nsd"] == nsd(BLOCK, shifted(BLOCK, 5), tolerance=2) == 18 / 36


def test_iou_never_exceeds_dice():
    rng = np.random.default_rng(0)
    for _ in range(50):
        found = score(rng.random((8, 8)) < 0.3, rng.random((8, 8)) < 0.5)
        assert found["iou"] <= found["dice"]
        assert found["iou"] == pytest.approx(found["dice"] / (2 - found["dice"]))


def test_precision_and_recall_are_not_swapped():
    found = score(BLOCK, np.ones_like(BLOCK))
    assert found["recall"] == 1 and found["precision"] == pytest.approx(100 / 1200)


def test_empty_masks():
    names = ("dice", "iou", "nsd", "precision", "recall")
    agree = score(EMPTY, EMPTY)
    assert [agree[name] for name in names] == [1] * 5 and agree["hd95"] == 0
    for pair in ((EMPTY, BLOCK), (BLOCK, EMPTY)):
        differ = score(*pair)
        assert [differ[name] for name in names] == [0] * 5
        assert differ["hd95"] == pytest.approx(50)  # the diagonal of 30 x 40


def test_hd95_passes_over_a_speck_and_is_symmetric():
    speck = BLOCK.copy()
    speck[25, 35] = True  # one of 37 outline pixels: less than 5 percent
    assert hd95(BLOCK, speck) == hd95(speck, BLOCK) == 0
    assert hd95(BLOCK, BLOCK) == 0 and nsd(BLOCK, BLOCK, 0) == 1
    assert nsd(BLOCK, speck) == pytest.approx(72 / 73)


def test_hd95_is_the_95th_percentile():
    line = np.zeros((3, 101), bool)
    line[1] = True
    short = line.copy()
    short[:, 94:] = False  # of 101 distances 94 are 0, and 7 are 1, 2 to 7
    assert hd95(line, short) == hd95(short, line) == 2


def test_nsd_counts_what_lies_within_its_tolerance():
    moved = shifted(BLOCK, 3)
    scores = [nsd(BLOCK, moved, tolerance) for tolerance in (0, 1, 2, 3)]
    assert scores == sorted(scores) and scores[0] < scores[-1] == 1


def blobs(seed):
    """Two masks that overlap more or less: smooth noise, cut at two heights."""
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.standard_normal((80, 100)), 6)
    other = field + 0.4 * ndimage.gaussian_filter(rng.standard_normal((80, 100)), 3)
    return field > 0.5 * field.std(), other > 0.6 * field.std()


def test_distances_against_all_pairs_of_outline_pixels():
    mask, prediction = blobs(0)
    points = [np.argwhere(m & ~ndimage.binary_erosion(m)) for m in (mask, prediction)]
    distances = np.linalg.norm(points[0][:, None] - points[1][None], axis=-1)
    for found, axis in zip(surface_distances(mask, prediction), (1, 0), strict=True):
        np.testing.assert_allclose(np.sort(found), np.sort(distances.min(axis=axis)))
    expected = max(np.percentile(distances.min(axis=axis), 95) for axis in (0, 1))
    assert hd95(mask, prediction) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(8))
def test_hd95_and_nsd_are_close_to_those_of_surface_distance(seed):
    # It measures along the edges between pixels, so up to a pixel lies between the two.
    reference = pytest.importorskip("surface_distance")
    mask, prediction = blobs(seed)
    distances = reference.compute_surface_distances(mask, prediction, spacing_mm=(1, 1))
    expected = reference.compute_robust_hausdorff(distances, 95)
    assert hd95(mask, prediction) == pytest.approx(expected, abs=1)
    for tolerance in (1, 2, 4):
        expected = reference.compute_surface_dice_at_tolerance(distances, tolerance)
        assert nsd(mask, prediction, tolerance) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("other", [255 * BLOCK.astype("uint8"), BLOCK[..., None], BLOCK * 0.5])
@pytest.mark.parametrize("function", [score, hd95, nsd, surface_distances])
def test_what_is_no_bool_mask_is_refused(function, other):
    # Distances between masks of 0 and 255 would be wrong without an error.
    with pytest.raises(ValueError, match="^mask is .*; give bool .*, for example mask > 0"):
        function(other, BLOCK)
    with pytest.raises(ValueError, match="^prediction is .*; give bool"):
        function(BLOCK, other)


def test_score_refuses_masks_of_two_sizes():
    with pytest.raises(ValueError, match="resize the prediction first"):
        score(BLOCK, BLOCK[:-1])


def test_bootstrap_covers_the_mean_and_narrows_with_more_values():
    rng = np.random.default_rng(1)
    few, many = bootstrap(rng.normal(0.8, 0.1, 20)), bootstrap(rng.normal(0.8, 0.1, 500))
    assert few.low < few.mean < few.high
    assert many.high - many.low < (few.high - few.low) / 2
    assert many.high - many.low == pytest.approx(2 * 1.96 * 0.1 / np.sqrt(500), rel=0.15)
    assert bootstrap([0.5, 0.5]) == (0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match="no values"):
        bootstrap([])


def test_bootstrap_draws_by_its_seed():
    values = np.random.default_rng(1).normal(0.8, 0.1, 30)
    assert bootstrap(values) == bootstrap(values) != bootstrap(values, seed=1)


def darkness_model(shape=(64, 64, 3)):
    """A network with nothing to learn: the logit is positive where the image is dark."""
    inputs = keras.Input(shape)
    flip = keras.initializers.Constant(-10 / 3)
    layer = keras.layers.Conv2D(
        1, 1, kernel_initializer=flip, bias_initializer=keras.initializers.Constant(5.0)
    )
    return keras.Model(inputs, layer(inputs))


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return ph2.load_cases(write_ph2(tmp_path_factory.mktemp("data") / "PH2Dataset", [0, 1, 2]))


def test_predicted_mask_has_the_size_of_the_image(cases):
    image = read_image(cases[0].image)
    mask = predict_mask(darkness_model(), image)
    assert mask.dtype == bool and mask.shape == image.shape[:2] == (57, 77)
    assert score(read_mask(cases[0].mask), mask)["dice"] > 0.9


def test_image_is_scaled_inside(cases):
    image = read_image(cases[0].image)
    small = np.zeros((64, 64, 3), np.uint8)
    assert predict_logits(darkness_model(), small) == pytest.approx(5)
    assert predict_logits(darkness_model(), small + np.uint8(255)) == pytest.approx(-5, abs=1e-4)
    with pytest.raises(ValueError, match="uint8"):
        predict_mask(darkness_model(), image / 255)
    with pytest.raises(ValueError, match="uint8"):
        predict_mask(darkness_model(), image[..., 0])


def test_threshold_is_a_probability(cases):
    image, model = read_image(cases[0].image), darkness_model()
    logits = predict_logits(model, image)
    np.testing.assert_array_equal(predict_mask(model, image), logits > 0)
    np.testing.assert_array_equal(
        predict_mask(model, image, threshold=0.9), 1 / (1 + np.exp(-logits)) > 0.9
    )
    with pytest.raises(ValueError, match="threshold"):
        predict_mask(model, image, threshold=0)


def test_flips_are_turned_back_before_they_are_averaged(cases):
    # A network that looks at one pixel sees the same in every mirror image.
    image, model = read_image(cases[0].image), darkness_model()
    np.testing.assert_allclose(
        predict_logits(model, image, flips=True), predict_logits(model, image), atol=1e-4
    )


def test_flips_average_what_depends_on_the_side():
    # This one's logit is the horizontal position; its mean over the flips is the same everywhere.
    inputs = keras.Input((8, 8, 3))
    across = keras.layers.Lambda(lambda x: x[..., :1] * 0 + np.arange(8, dtype="float32")[:, None])
    model = keras.Model(inputs, across(inputs))
    image = np.zeros((8, 8, 3), np.uint8)
    assert np.ptp(predict_logits(model, image)) == 7
    np.testing.assert_allclose(predict_logits(model, image, flips=True), 3.5)


def side_model(classes):
    """A network whose logits say in which of `classes` upright stripes a pixel lies."""
    inputs = keras.Input((8, 8, 3))
    stripes = np.repeat(np.eye(classes, dtype="float32"), 8 // classes, axis=0)
    return keras.Model(inputs, keras.layers.Lambda(lambda x: x[..., :1] * 0 + stripes)(inputs))


def test_classes_are_those_of_the_largest_logit():
    found = predict_classes(side_model(4), np.zeros((16, 24, 3), np.uint8))
    np.testing.assert_array_equal(found, np.tile(np.repeat(range(4), 6), (16, 1)))


def test_a_network_with_another_number_of_channels_is_refused(cases):
    image = np.zeros((16, 16, 3), np.uint8)
    for predict in (predict_logits, predict_mask):
        with pytest.raises(ValueError, match="4 output channels.*predict_classes.*classes=1"):
            predict(side_model(4), image)
    with pytest.raises(ValueError, match="2 output channels"):
        evaluate(side_model(2), cases)
    with pytest.raises(ValueError, match="one output channel.*use predict_mask"):
        predict_classes(darkness_model(), image)


def test_a_network_without_a_size_is_refused_and_can_get_one():
    image, any_size = skin(disc()), build_unet((None, None, 3), filters=(4, 8))
    for predict in (predict_mask, partial(predict_tiles, scale=1)):
        with pytest.raises(ValueError, match=r"not known to which size .*keras\.Model"):
            predict(any_size, image)
    images = keras.Input((64, 64, 3))
    sized = keras.Model(images, any_size(images))
    assert predict_mask(sized, image).shape == image.shape[:2]


def test_evaluation_has_a_row_a_case_and_means(cases):
    result = evaluate(darkness_model(), cases)
    assert [row["name"] for row in result.rows] == ["IMD002", "IMD003", "IMD004"]
    assert [row["label"] for row in result.rows] == list(ph2.DIAGNOSES)
    assert set(result.means) == set(METRICS)
    for metric in METRICS:
        assert result.means[metric].mean == pytest.approx(np.mean([r[metric] for r in result.rows]))
    assert result.means["dice"].mean > 0.9
    assert "dice" in str(result) and "95 %" in str(result)


def test_perfect_and_shuffled_predictions(cases):
    masks = [read_mask(case.mask) for case in cases]
    assert evaluate_masks(cases, masks).means["dice"] == (1, 1, 1)
    assert evaluate_masks(cases, masks[::-1]).means["dice"].mean < 0.99
    with pytest.raises(ValueError):
        evaluate_masks(cases, masks[:2])


# --- Otsu's threshold


def test_large_images_are_not_kept_until_the_batch_is_full():
    kept = []

    def images():
        for _ in range(5):
            assert sum(image() is not None for image in kept) < 2
            image = np.zeros((40, 50, 3), np.uint8)
            kept.append(weakref.ref(image))
            yield image

    assert len(list(predict_masks(darkness_model(), images()))) == 5


def test_dark_disc_is_found():
    assert (otsu_mask(skin(disc())) == disc()).mean() > 0.99


def test_cleaning_drops_specks_and_fills_holes():
    marks = disc()
    marks[2:5, 2:5] = True
    marks[28, 38] = False
    image = skin(marks)
    assert otsu_mask(image, clean=False)[3, 3] and not otsu_mask(image, clean=False)[28, 38]
    np.testing.assert_array_equal(otsu_mask(image), disc())


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_only_the_channel_that_was_asked_for_counts(channel):
    image = np.full((57, 77, 3), 200, np.uint8)
    image[..., channel] = skin(disc())[..., channel]
    assert (otsu_mask(image, channel) == disc()).mean() > 0.99
    assert (otsu_mask(image, None) == disc()).mean() > 0.99
    assert otsu_mask(image, (channel + 1) % 3).all(), "a flat channel has no darker side"


@pytest.mark.parametrize("value", [0, 128, 255])
def test_flat_image_gives_a_mask_and_no_error(value):
    mask = otsu_mask(np.full((20, 30, 3), value, np.uint8))
    assert mask.shape == (20, 30) and mask.dtype == bool


def scored(names):
    rows = [{"name": name, "label": None, **score(BLOCK, shifted(BLOCK, 1))} for name in names]
    return Evaluation(rows, {name: bootstrap([row[name] for row in rows]) for name in METRICS})


def test_a_table_for_spreadsheets_has_four_decimals_and_no_empty_column(tmp_path):
    scored("ab").write_csv(tmp_path / "scores.csv")
    header, *rows = (tmp_path / "scores.csv").read_text(encoding="utf-8-sig").splitlines()
    assert header == ",".join(["name", *METRICS])
    assert rows[0] == "a,0.9,0.8182,1.0,1.0,0.9,0.9,0.9833"
    assert [row.split(",")[0] for row in rows] == ["a", "b", "mean", "95 % from", "95 % to"]


def test_one_case_has_no_interval(tmp_path):
    assert "95 %" in str(scored("ab")) and "95 %" not in str(scored("a"))
    scored("a").write_csv(tmp_path / "scores.csv")
    assert "95 %" not in (tmp_path / "scores.csv").read_text(encoding="utf-8-sig")


def save(folder, *layers, lists=False):
    """A network of some layers in a file."""
    tensor = inputs = keras.Input((8, 8, 3))
    for layer in layers:
        tensor = layer(tensor)
    model = keras.Model([inputs], [tensor]) if lists else keras.Model(inputs, tensor)
    model.save(folder / "model.keras")
    return folder / "model.keras"


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ([layers.Conv2D(1, 1, strides=2)], r"\(1, 4, 4, 1\), and it needs one of \(1, 8, 8, chann"),
        (
            [layers.Flatten(), layers.Dense(1)],
            r"its output has the shape \(1, 1\), and",
        ),
        ([lambda x: [x, x]], "it has several outputs"),
    ],
    ids=["half the size", "classifier", "two outputs"],
)
def test_a_network_that_predicts_no_mask_is_refused(tmp_path, layers, said):
    with pytest.raises(DatasetError, match=said):
        load_network(save(tmp_path, *layers))


def test_what_is_no_file_of_a_network_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"is a folder; give the file of a network"):
        load_network(tmp_path)
    (tmp_path / "model.keras").write_bytes(b"nothing")
    with pytest.raises(DatasetError, match=r"model\.keras: is damaged, or is not a Keras model"):
        load_network(tmp_path / "model.keras")


@pytest.mark.parametrize("last", ["layer", "argument", "none"])
def test_a_last_sigmoid_is_left_out(tmp_path, last):
    keras.utils.set_random_seed(0)
    ends = {
        "layer": [layers.Conv2D(1, 1), layers.Activation("sigmoid")],
        "argument": [layers.Conv2D(1, 1, activation="sigmoid")],
        "none": [layers.Conv2D(1, 1)],
    }
    image = skin(BLOCK)
    network = load_network(save(tmp_path, *ends[last]))
    weights = network.layers[1].get_weights()
    logits = network(image[None, :8, :8] / np.float32(255))
    np.testing.assert_allclose(logits[0], image[:8, :8] / 255 @ weights[0][0, 0], atol=1e-5)


def test_a_network_with_lists_of_one_input_and_one_output_is_taken(tmp_path, recwarn):
    network = load_network(save(tmp_path, layers.Conv2D(1, 1), lists=True))
    assert predict_mask(network, skin(BLOCK)).shape == BLOCK.shape
    assert not any("structure of `inputs`" in str(one.message) for one in recwarn)
