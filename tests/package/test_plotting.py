"""Figures: the right panels, colours that mean what the legend says, nothing blank."""

import keras
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest

from ph2_tree import write_ph2
from segmentation_tf import plotting
from segmentation_tf.datasets import ph2
from segmentation_tf.evaluation import Interval
from segmentation_tf.images import read_mask
from segmentation_tf.panoptic.plotting import class_colours

COLOURS = tuple(plotting.ERRORS.values())


@pytest.fixture
def cases(tmp_path):
    return ph2.load_cases(write_ph2(tmp_path / "PH2Dataset", [0, 1, 2]))


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def titles():
    places = ("center", "left", "right")
    return [panel.get_title(loc) for panel in plt.gcf().axes for loc in places]


def test_overlay_colours_true_and_false_positives_and_false_negatives():
    image = np.full((2, 2, 3), 100, np.uint8)
    mask = np.array([[True, True], [False, False]])
    predicted = np.array([[True, False], [True, False]])
    overlay = plotting.error_overlay(image, mask, predicted)
    expected = [0.4 * 100 + 0.6 * np.array(colour) for colour in COLOURS]
    np.testing.assert_allclose(
        [overlay[0, 0], overlay[0, 1], overlay[1, 0]], np.floor(expected), atol=1
    )
    np.testing.assert_array_equal(overlay[1, 1], image[1, 1])


def test_true_positives_are_blue_on_red_too():
    red = np.full((1, 1, 3), (175, 40, 50), np.uint8)
    mask = np.array([[True]])
    shade = plotting.error_overlay(red, mask, mask)[0, 0].astype(float)
    grey = np.dot(red[0, 0], (0.299, 0.587, 0.114))
    np.testing.assert_allclose(shade, 0.4 * grey + 0.6 * np.array(COLOURS[0]), atol=1.5)


def test_error_colours_differ_for_colour_blind_readers():
    # Lightness alone tells them apart: hue may be lost.
    lightness = sorted(np.dot(colour, (0.299, 0.587, 0.114)) for colour in COLOURS)
    assert np.diff(lightness).min() > 30


def test_predictions_have_four_panels_a_case_and_the_dice(cases):
    masks = [read_mask(case.mask) for case in cases]
    plotting.show_predictions(cases, masks)
    figure = plt.gcf()
    assert len(figure.axes) == 12
    assert all(axis.spines["top"].get_visible() for axis in figure.axes)
    shown = titles()
    assert {"image", "mask", "prediction", "errors"} <= set(shown)
    assert [axis.get_xlabel() for axis in figure.axes].count("Dice 1.00") == 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(plotting.ERRORS)


def test_cases_show_outline_name_and_diagnosis(cases):
    plotting.show_cases(cases, columns=2)
    assert "IMD004\nmelanoma" in titles()
    assert all(panel.collections for panel in plt.gcf().axes[:3])


def test_batch_shows_every_image_with_its_outline():
    masks = np.zeros((6, 16, 16, 1), "float32")
    masks[:, 4:9, 4:9] = 1
    plotting.show_batch(np.random.default_rng(0).random((6, 16, 16, 3)), masks)
    assert [len(panel.images) for panel in plt.gcf().axes] == [1] * 6 + [0] * 2
    assert all(panel.collections for panel in plt.gcf().axes[:6])


def test_small_maps_have_their_numbers_written_in_and_pictures_do_not():
    pictures = {"mask": np.eye(2, dtype=int), "photograph": np.zeros((2, 2, 3), np.uint8)}
    plotting.show_arrays(pictures, values="d")
    left, right = plt.gcf().axes
    assert [text.get_text() for text in left.texts] == ["1", "0", "0", "1"]
    assert not right.texts and [left.get_title(), right.get_title()] == ["mask", "photograph"]


def test_outlines_have_their_colours_a_legend_and_a_window():
    image, mask = np.zeros((20, 30, 3), np.uint8), np.zeros((20, 30), bool)
    mask[5:15, 5:15] = True
    colours = {"mask": "white", "U-Net": plotting.UNET}
    window = [(slice(2, 12), slice(3, 23))]
    plotting.show_outlines(
        {"IMD002": image}, {"mask": [mask], "U-Net": [mask]}, colours, zoom=window
    )
    figure = plt.gcf()
    (axis,) = figure.axes
    assert len(axis.collections) == 2 and axis.get_xlim() == (3, 23) and axis.get_ylim() == (12, 2)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["mask", "U-Net"]
    white, blue = axis.collections
    assert white.get_path_effects() and not blue.get_path_effects()  # seen on pale skin


def test_outlines_stand_in_rows_and_panels_without_image_are_empty():
    mask = np.eye(12, dtype=bool)
    images = {name: np.zeros((12, 12, 3), np.uint8) for name in "abc"}
    plotting.show_outlines(images, {"mask": [mask] * 3}, {"mask": "white"}, columns=2)
    axes = plt.gcf().axes
    assert [axis.get_title() for axis in axes] == ["a", "b", "c", ""]
    assert [len(axis.collections) for axis in axes] == [1, 1, 1, 0] and not axes[3].axison
    assert axes[0].spines["top"].get_visible()
    assert axes[0].get_subplotspec().rowspan.start < axes[2].get_subplotspec().rowspan.start


def test_boxes_lie_around_their_pixels_with_their_names():
    image = np.zeros((10, 12, 3), np.uint8)
    plotting.show_boxes({"a": image}, [{"4 x 3": (slice(2, 6), slice(1, 4))}], [plotting.SEGNET])
    (axis,) = plt.gcf().axes
    (box,) = axis.patches
    assert (box.get_x(), box.get_y(), box.get_width(), box.get_height()) == (0.5, 1.5, 3, 4)
    assert [text.get_text() for text in axis.texts] == ["4 x 3"]


def test_intervals_stand_below_each_other_in_their_order():
    plotting.show_intervals(
        {"Dice": Interval(0.2, 0.1, 0.3), "NSD": Interval(0, -0.1, 0.1)}, "difference"
    )
    (axis,) = plt.gcf().axes
    np.testing.assert_array_equal(axis.lines[0].get_xdata(), [0.1, 0.3])
    assert [label.get_text() for label in axis.get_yticklabels()] == ["Dice", "NSD"]
    assert axis.get_ylim()[0] > axis.get_ylim()[1], "the first one is the upper one"


def test_reliability_has_a_curve_and_a_histogram_for_each_diagram():
    said = np.array([0.1, 0.6, 0.9])
    bins = np.array([said, said**2, said**2 - 0.05, said**2 + 0.05, [0.5, 0.2, 0.3]])
    plotting.show_reliability({"before": bins, "after": bins})
    curve, other, counts, _ = plt.gcf().axes
    assert [axis.get_title() for axis in (curve, other)] == ["before", "after"]
    np.testing.assert_allclose(curve.lines[1].get_xydata(), np.stack([said, said**2], axis=1))
    assert [bar.get_height() for bar in counts.patches] == [0.5, 0.2, 0.3]


def test_the_style_writes_no_text_below_nine_points():
    with plt.rc_context():
        plotting.set_style()
        sizes = [plt.rcParams[name] for name in ("font.size", "axes.labelsize", "legend.fontsize")]
        assert min(sizes) >= 9 and plt.rcParams["figure.dpi"] == 140


def test_no_colour_has_two_meanings():
    right_or_wrong = [matplotlib.colors.to_hex(np.array(c) / 255).upper() for c in COLOURS]
    others = [
        plotting.SKIN, plotting.LESION, plotting.SEGNET, plotting.UNET, plotting.BASELINE,
        plotting.TRAINING, plotting.VALIDATION, *plotting.OTHER,
    ]  # fmt: skip
    assert len({*right_or_wrong, *others}) == len(right_or_wrong) + len(others)


def test_history_shows_loss_and_dice(cases):
    history = keras.callbacks.History()
    history.history = {"loss": [1, 0.5], "val_loss": [1.1, 0.7], "dice": [0.2, 0.6]}
    plotting.show_history(history)
    left, right = plt.gcf().axes
    np.testing.assert_array_equal(left.lines[1].get_ydata(), [1.1, 0.7])
    np.testing.assert_array_equal(right.lines[0].get_ydata(), [0.2, 0.6])
    assert len(right.lines) == 1, "what was not watched is not drawn"
    assert left.get_xlabel() == "epoch" and right.get_ylabel() == "mean Dice"


def test_history_of_one_epoch_is_drawn_as_points():
    history = keras.callbacks.History()
    history.history = {"loss": [1], "dice": [0.2]}
    plotting.show_history(history)
    assert [axis.lines[0].get_marker() for axis in plt.gcf().axes] == ["o", "o"]


def test_maps_have_titles_labels_and_a_legend():
    picture, share = np.zeros((6, 8, 3), np.uint8), np.linspace(0, 1, 48).reshape(6, 8)
    legend = class_colours(["grass", "sky"])
    plotting.show_maps([[picture, share]] * 2, ["image", "distance"], legend, labels=["a", "b"])
    figure = plt.gcf()
    assert [len(panel.images) for panel in figure.axes] == [1] * 4
    assert [title for title in titles() if title] == ["image", "distance"]
    assert [panel.get_ylabel() for panel in figure.axes] == ["a", "", "b", ""]
    assert figure.axes[1].images[0].get_clim() == (0, 1)
    assert all(panel.spines["top"].get_visible() for panel in figure.axes)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["grass", "sky"]


@pytest.mark.parametrize(
    ("rows", "titles"), [([], ["a"]), ([[]], ["a"]), ([[np.zeros((4, 4))]], [])]
)
def test_maps_of_nothing_are_refused(rows, titles):
    with pytest.raises(ValueError, match="show_maps got no pictures"):
        plotting.show_maps(rows, titles)


def test_stacked_bars_begin_where_the_part_before_ends():
    bars = {"one run": {"seeds": 2.0, "cases": 1.0}, "five runs": {"seeds": 0.5, "cases": 1.0}}
    plotting.show_stacked_bars(bars, "variance")
    (axis,) = plt.gcf().axes
    assert [text.get_text() for text in axis.get_yticklabels()] == list(bars)
    assert [(bar.get_x(), bar.get_width()) for bar in axis.patches] == [
        (0, 2.0),
        (0, 0.5),
        (2.0, 1.0),
        (0.5, 1.0),
    ]
    (legend,) = plt.gcf().legends
    assert [text.get_text() for text in legend.get_texts()] == ["seeds", "cases"]


@pytest.mark.parametrize("count", [2, 17])
def test_bars_stand_side_by_side_in_their_groups(count):
    groups = [f"group {i}" for i in range(count)]
    bars = {"one": np.linspace(0, 1, count), "two": np.full(count, 0.5)}
    plotting.show_bars(groups, bars, ("area", "share"), {"one": "#000000", "two": "#E69F00"})
    (axis,) = plt.gcf().axes
    assert [bar.get_height() for bar in axis.patches] == [*bars["one"], *bars["two"]]
    middles = [bar.get_x() + bar.get_width() / 2 for bar in axis.patches]
    for i in range(count):
        assert i - 0.5 < middles[i] < i < middles[count + i] < i + 0.5
    assert [tick.get_text() for tick in axis.get_xticklabels()] == groups
    (legend,) = plt.gcf().legends
    assert [text.get_text() for text in legend.get_texts()] == ["one", "two"]


def test_curves_have_their_colours_and_a_legend():
    curves = {"a": [1, 2], "b": [2, 3], "c": [3, 4]}
    colours = {"b": plotting.BASELINE}
    options = {"colours": colours, "dashed": ["c"], "xscale": "log"}
    plotting.show_curves([0.1, 10], curves, ("rate", "loss"), **options)
    (axis,) = plt.gcf().axes
    assert [line.get_linestyle() for line in axis.lines] == ["-", "-", "--"]
    assert [line.get_marker() for line in axis.lines] == ["o", "o", "None"]
    drawn = [line.get_color() for line in axis.lines]
    assert drawn == [plotting.UNET, plotting.BASELINE, plotting.OTHER[0]]
    np.testing.assert_array_equal(axis.lines[1].get_ydata(), [2, 3])
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["a", "b", "c"]
    assert (axis.get_xlabel(), axis.get_ylabel(), axis.get_xscale()) == ("rate", "loss", "log")


def test_thresholds_have_a_histogram_and_a_curve_for_each_channel():
    image = np.arange(16, dtype=np.uint8).reshape(4, 4) * 16
    mask = image < 100
    plotting.show_thresholds(
        {"grey": image, "blue": image // 2},
        mask,
        [0, 100, 200],
        dices={"grey": [0, 1, 0.6], "blue": [0, 0.7, 0.6]},
        chosen={"grey": 100, "blue": 50},
    )
    histograms, curves = plt.gcf().axes[:2], plt.gcf().axes[2:]
    assert [axis.get_title() for axis in histograms] == ["grey", "blue"]
    drawn = [patch.get_height() for axis in histograms for patch in axis.patches]
    assert sum(drawn) == 2 * image.size
    assert [list(axis.lines[0].get_ydata()) for axis in curves] == [[0, 1, 0.6], [0, 0.7, 0.6]]
    assert [axis.lines[1].get_xdata()[0] for axis in curves] == [100, 50]
