"""Figures: cases, predictions with their errors, learning curves, rows of pictures.

True positives, false negatives and false positives differ in hue and in lightness. The colours are
those of Okabe and Ito, which colour-blind readers can tell apart.
"""

from collections.abc import Callable, Iterable, Sequence

import keras
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from PIL import Image

from segmentation_tf.cases import Case
from segmentation_tf.evaluation import Interval, check_masks, predict_masks, score
from segmentation_tf.images import OBJECT, read_image, read_mask, tint

TRUE_POSITIVE, FALSE_NEGATIVE, FALSE_POSITIVE = OBJECT, (240, 228, 66), (213, 94, 0)
ERRORS = {
    "true positive": TRUE_POSITIVE,
    "false negative": FALSE_NEGATIVE,
    "false positive": FALSE_POSITIVE,
}
# One meaning for each colour. What is right or wrong has the colours of ERRORS.
SKIN, LESION = "#E3B59A", "#7A4B2A"
SEGNET, UNET, BASELINE = "#009E73", "#0072B2", "#999999"
TRAINING, VALIDATION = "#CC79A7", "#000000"
OTHER = ("#E69F00", "#332288", "#661100")  # for curves that are none of these
PANEL = 2.3  # inches
MAX_SIDE = 1500  # pixels of a picture; a figure has fewer than 1300 across


def set_style() -> None:
    """Make matplotlib draw as the lessons do: 140 dots an inch, text of at least 9 points."""
    plt.rcParams.update(
        {
            "figure.dpi": 140,
            "font.size": 9,
            "axes.titlesize": 10,
            "axes.labelsize": 9.5,
            "legend.fontsize": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": False,
        }
    )


def show_arrays(pictures: dict[str, np.ndarray], values: str | None = None, **options) -> None:
    """Draw arrays side by side, each below its name.

    Args:
        pictures: Maps `(H, W)` or pictures `(H, W, 3)`.
        values: How to write the number of each pixel into the maps, such as "d" or ".2f".
        options: More for matplotlib's imshow, such as cmap.
    """
    tallest = max(len(picture) / len(picture[0]) for picture in pictures.values())
    size = (4 * PANEL, 4 * PANEL * tallest / len(pictures) + 0.3)
    _, axes = plt.subplots(1, len(pictures), figsize=size, squeeze=False, layout="constrained")
    for axis, (title, picture) in zip(axes[0], pictures.items(), strict=True):
        numbered = values and picture.ndim == 2
        pale = {"cmap": "Blues", "vmin": 0, "vmax": 2 * np.max(picture)} if numbered else {}
        _show(axis, picture, interpolation="nearest", **{**pale, **options})
        axis.set(xticks=[], yticks=[], title=title)
        axis.spines[:].set_visible(True)
        for (row, column), value in np.ndenumerate(picture) if numbered else ():
            axis.text(column, row, f"{value:{values}}", ha="center", va="center")
    plt.show()


def show_outlines(
    images: dict[str, np.ndarray],
    outlines: dict[str, Sequence[np.ndarray]],
    colours: dict[str, str],
    *,
    zoom: Sequence[tuple[slice, slice]] | None = None,
    columns: int | None = None,
) -> None:
    """Draw images in rows with several outlines in each.

    Args:
        images: uint8 RGB `(H, W, 3)` below their names.
        outlines: For each name of the legend, one bool mask `(H, W)` for each image.
        colours: For each name of the legend its colour.
        zoom: For each image the rows and columns to show; all of them by default.
        columns: How many images stand in a row; all of them by default.
    """
    columns = columns or len(images)
    rows, width = -(-len(images) // columns), 4 * PANEL / columns
    size = (4 * PANEL, rows * width * (1.0 if zoom else 0.78) + 0.5)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.flat[len(images) :]:
        axis.axis("off")
    for i, (axis, (title, image)) in enumerate(zip(axes.flat, images.items(), strict=False)):
        _show(axis, image)
        for name, masks in outlines.items():
            contour = axis.contour(masks[i], levels=[0.5], colors=colours[name], linewidths=1.8)
            if colours[name] == "white":  # on pale skin a white line needs a dark edge
                contour.set(path_effects=[withStroke(linewidth=3.5, foreground="black")])
        if zoom:
            down, across = zoom[i]
            axis.set(xlim=(across.start, across.stop), ylim=(down.stop, down.start))
        axis.set(xticks=[], yticks=[], title=title)
        axis.spines[:].set_visible(True)
    lines = [Line2D([], [], color=colours[name], linewidth=2) for name in outlines]
    figure.legend(
        lines, outlines, loc="outside lower center", ncols=len(lines), facecolor="#D9D9D9"
    )
    plt.show()


def show_boxes(
    images: dict[str, np.ndarray],
    boxes: Sequence[dict[str, tuple[slice, slice]]],
    colours: Sequence[str],
) -> None:
    """Draw images in a row with boxes in each; the name of a box stands at its upper right corner.

    Args:
        images: uint8 RGB `(H, W, 3)` below their names.
        boxes: For each image, names with the rows and columns of their boxes.
        colours: For each image the colour of its boxes.
    """
    size = (4 * PANEL, 4 * PANEL / len(images) + 0.3)
    _, axes = plt.subplots(1, len(images), figsize=size, squeeze=False, layout="constrained")
    for axis, (title, image), named, colour in zip(
        axes[0], images.items(), boxes, colours, strict=True
    ):
        _show(axis, image)
        for name, (rows, columns) in named.items():
            left, top = columns.start - 0.5, rows.start - 0.5
            width, height = columns.stop - columns.start, rows.stop - rows.start
            axis.add_patch(
                Rectangle((left, top), width, height, fill=False, color=colour, linewidth=2.5)
            )
            # Beside the box, or inside where the image ends: so nested boxes hide no name.
            inside = columns.stop > 0.85 * image.shape[1]
            axis.text(
                left + width + (-1 if inside else 1),
                top + 1,
                name,
                ha="right" if inside else "left",
                va="top",
                color="white",
                bbox={"facecolor": colour, "edgecolor": "none", "pad": 1.5},
            )
        axis.set(xticks=[], yticks=[], title=title)
    plt.show()


def show_intervals(intervals: dict[str, Interval], label: str, zero: bool = True) -> None:
    """Draw means with their 95 % intervals, one below the other.

    Args:
        intervals: Mean, low and high end for each name.
        label: What the horizontal axis shows.
        zero: Draw a line at 0, where two things that are compared are equal.
    """
    _, axis = plt.subplots(figsize=(7, 0.42 * len(intervals) + 0.8), layout="constrained")
    for place, (mean, low, high) in enumerate(intervals.values()):
        axis.plot([low, high], [place, place], color="black", linewidth=2)
        axis.plot(mean, place, "o", color="black")
    if zero:
        axis.axvline(0, color="grey", linestyle=":")
    axis.set(yticks=range(len(intervals)), yticklabels=intervals, xlabel=label)
    axis.set_ylim(len(intervals) - 0.5, -0.5)
    plt.show()


def show_stacked_bars(bars: dict[str, dict[str, float]], label: str) -> None:
    """Draw one bar below the other, each made of parts.

    Args:
        bars: For each bar the sizes of its parts by name. All bars have the same parts, at most
            four.
        label: What the horizontal axis shows.
    """
    figure, axis = plt.subplots(figsize=(7, 0.42 * len(bars) + 1.1), layout="constrained")
    ends = np.zeros(len(bars))
    for part, colour in zip(next(iter(bars.values())), (*OTHER, UNET), strict=False):
        sizes = np.array([parts[part] for parts in bars.values()])
        axis.barh(list(bars), sizes, left=ends, color=colour, edgecolor="white", label=part)
        ends += sizes
    axis.set(xlabel=label, ylim=(len(bars) - 0.5, -0.5))
    figure.legend(loc="outside lower center", ncols=4)
    plt.show()


def show_bars(
    groups: Sequence[str],
    bars: dict[str, Sequence[float]],
    labels: tuple[str, str],
    colours: dict[str, str],
) -> None:
    """Draw for each group one bar beside the other, each a share in [0, 1].

    Args:
        groups: Their names; many are written aslant.
        bars: For each name in the legend, one share for each group.
        labels: What the horizontal and the vertical axis show.
        colours: For each name of the legend its colour.
    """
    figure, axis = plt.subplots(figsize=(9.2 if len(groups) > 8 else 7, 3.2), layout="constrained")
    width, places = 0.8 / len(bars), np.arange(len(groups))
    for number, (name, values) in enumerate(bars.items()):
        shift = (number - (len(bars) - 1) / 2) * width
        axis.bar(places + shift, values, 0.95 * width, color=colours[name], label=name)
    axis.set(xlabel=labels[0], ylabel=labels[1], ylim=(0, 1.05))
    slant = {"rotation": 45, "ha": "right"} if len(groups) > 8 else {}
    axis.set_xticks(places, groups, **slant)
    if len(bars) > 1:
        figure.legend(loc="outside upper center", ncols=len(bars))
    plt.show()


def show_curves(
    x: Sequence[float],
    curves: dict[str, Sequence[float]],
    labels: tuple[str, str],
    *,
    colours: dict[str, str] | None = None,
    dashed: Sequence[str] = (),
    **options,
) -> None:
    """Draw curves over the same x, each with its name in a legend.

    Args:
        x: Up to 30 places are marked by points.
        curves: For each name its values, at most four unless `colours` names more.
        labels: What the horizontal and the vertical axis show.
        colours: For some names their colours. The others take UNET and OTHER in turn.
        dashed: Names that are drawn dashed, without points: they were not measured.
        options: More for matplotlib's Axes.set, such as xscale or ylim.
    """
    _, axis = plt.subplots(figsize=(7, 3), layout="constrained")
    free = iter((UNET, *OTHER))
    for name, values in curves.items():
        colour = (colours or {}).get(name) or next(free)
        style = "--" if name in dashed else "o-" if len(x) <= 30 else "-"
        axis.plot(x, values, style, color=colour, label=name)
    axis.set(xlabel=labels[0], ylabel=labels[1], **options)
    axis.grid(alpha=0.3)
    if len(curves) > 1:
        axis.legend()
    plt.show()


def show_thresholds(
    channels: dict[str, np.ndarray],
    mask: np.ndarray,
    thresholds: Sequence[float],
    *,
    dices: dict[str, Sequence[float]],
    chosen: dict[str, float],
) -> None:
    """Draw for each channel how bright skin and lesion are, and below it Dice by threshold.

    Args:
        channels: uint8 maps `(H, W)` below their names.
        mask: Ground truth, bool `(H, W)`.
        thresholds: The values from 0 to 255 that were tried.
        dices: For each channel the Dice of each threshold.
        chosen: For each channel the threshold that a dashed line marks.
    """
    size = (4 * PANEL, 4.4)
    figure, axes = plt.subplots(
        2, len(channels), figsize=size, sharex=True, sharey="row", squeeze=False
    )
    figure.set_layout_engine("constrained")
    bins = np.arange(0, 257, 4)
    for (pixels, curve), (name, values) in zip(axes.T, channels.items(), strict=True):
        for region, colour, label in ((~mask, SKIN, "skin"), (mask, LESION, "lesion")):
            pixels.hist(values[region], bins=bins, color=colour, alpha=0.75, label=label)
        curve.plot(thresholds, dices[name], color=OTHER[1])
        for axis in (pixels, curve):
            axis.axvline(chosen[name], color="black", linestyle="--", label="Otsu's threshold")
        pixels.set_title(name)
        curve.set(xlabel="value of the pixel, and threshold", xlim=(0, 255), ylim=(0, 1))
    axes[0, 0].set_ylabel("pixels")
    axes[1, 0].set_ylabel("Dice")
    parts = axes[0, 0].get_legend_handles_labels()
    figure.legend(*parts, loc="outside lower center", ncols=3)
    plt.show()


def show_reliability(diagrams: dict[str, np.ndarray]) -> None:
    """Draw reliability diagrams side by side, and below each how many pixels every bin has.

    Args:
        diagrams: For each title an array `(5, bins)`: the mean probability of the bin's pixels,
            the share of them that is lesion, the low and the high end of its interval, and the
            bin's share of all pixels. A bin without pixels is NaN.
    """
    figure, axes = plt.subplots(
        2,
        len(diagrams),
        figsize=(3.05 * len(diagrams), 4.2),
        sharex=True,
        sharey="row",
        squeeze=False,
        height_ratios=(3, 1),
        layout="constrained",
    )
    for (curve, counts), (title, bins) in zip(axes.T, diagrams.items(), strict=True):
        said, true, low, high, share = bins
        curve.plot([0, 1], [0, 1], color=BASELINE, linestyle=":", label="calibrated")
        curve.vlines(said, low, high, color=UNET, linewidth=1.5)
        curve.plot(said, true, "o-", color=UNET, markersize=4, label="measured")
        curve.set(title=title, xticks=(0, 0.5, 1), xlim=(0, 1), ylim=(0, 1))
        places = (np.arange(len(share)) + 0.5) / len(share)
        counts.bar(places, share, width=0.9 / len(share), color=UNET)
        counts.set(xlabel="predicted probability", ylim=(0, 1))
    axes[0, 0].set_ylabel("share that is lesion")
    axes[1, 0].set_ylabel("share of pixels")
    axes[0, 0].legend(loc="upper left")
    plt.show()


def show_cases(cases: Sequence[Case], columns: int = 4) -> None:
    """Draw the image of each case with the outline of its mask; the title has name and label."""
    panels = grid(len(cases), columns, height=0.95)
    for panel, case in zip(panels, cases, strict=False):
        _show(panel, read_image(case.image))
        _outline(panel, read_mask(case.mask, case.classes))
        panel.set_title(f"{case.name}\n{case.label or ''}".strip(), fontsize=9)
    plt.show()


def show_batch(images: np.ndarray, masks: np.ndarray, columns: int = 4) -> None:
    """Draw a batch as the network gets it, each image with the outline of its mask.

    Images are float `(N, H, W, 3)` in [0, 1], masks `(N, H, W, 1)` in {0, 1}.
    """
    panels = grid(len(images), columns, height=1.0)
    for panel, image, mask in zip(panels, images, masks, strict=False):
        _show(panel, image)
        _outline(panel, mask[..., 0])
    plt.show()


def _in_two_lines(name):
    """A long name, broken at an underscore, so that it fits beside its row."""
    middle = name.rfind("_", 0, 2 * len(name) // 3)
    return name if len(name) < 20 or middle < 0 else f"{name[:middle]}\n{name[middle + 1 :]}"


def show_predictions(cases: Sequence[Case], predictions: Iterable[np.ndarray]) -> None:
    """Draw one row for each case: image, ground truth, prediction (bool `(H, W)`) and errors."""
    _, axes = plt.subplots(
        len(cases), 4, figsize=(4 * PANEL, len(cases) * PANEL * 0.82), squeeze=False, layout="tight"
    )
    for row, case, prediction in zip(axes, cases, predictions, strict=True):
        image, mask = read_image(case.image), read_mask(case.mask, case.classes)
        pictures = (image, mask, prediction, error_overlay(image, mask, prediction))
        for panel, picture in zip(row, pictures, strict=True):
            _show(panel, picture, cmap="gray", vmin=0, vmax=1)
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(True)  # a white mask needs its edge
        row[0].set_ylabel(_in_two_lines(case.name), fontsize=9)
        row[3].set_xlabel(f"Dice {score(mask, prediction)['dice']:.2f}", fontsize=9)
    for panel, title in zip(axes[0], ("image", "mask", "prediction", "errors"), strict=True):
        panel.set_title(title, fontsize=10)
    add_legend(plt.gcf(), ERRORS)
    plt.show()


def show_model(model: Callable, cases: Sequence[Case]) -> None:
    """Draw what a model predicts for each case, as `show_predictions` does."""
    show_predictions(cases, predict_masks(model, (read_image(case.image) for case in cases)))


def show_history(
    history: keras.callbacks.History, metric: str = "dice", label: str = "mean Dice"
) -> None:
    """Draw the loss and one metric by epoch, for training and validation.

    `metric` is the name of a metric between 0 and 1, and `label` what its axis says.
    """
    _, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="tight")
    for panel, name in zip(axes, ("loss", metric), strict=True):
        for prefix, part, colour in (
            ("", "training", TRAINING),
            ("val_", "validation", VALIDATION),
        ):
            if values := history.history.get(prefix + name):
                marker = "o" if len(values) == 1 else None  # one value makes no line
                panel.plot(
                    range(1, len(values) + 1), values, marker=marker, color=colour, label=part
                )
        panel.set(xlabel="epoch", ylabel="loss" if name == "loss" else label)
        panel.grid(alpha=0.3)
    axes[1].set_ylim(0, 1)
    axes[1].legend(loc="lower right")
    plt.show()


def error_overlay(image: np.ndarray, mask: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Tint uint8 RGB `(H, W, 3)` in the colours of ERRORS; both masks are bool `(H, W)`."""
    check_masks(mask, prediction)
    # skimage.color.label2rgb gives its colours to the labels that occur: without any true
    # positive in a picture, false positives would change their colour.
    overlay = image
    for region, colour in (
        (mask & prediction, TRUE_POSITIVE),
        (mask & ~prediction, FALSE_NEGATIVE),
        (prediction & ~mask, FALSE_POSITIVE),
    ):
        overlay = tint(overlay, region, colour, share=0.6)
    return overlay


def show_maps(
    rows: Sequence[Sequence[np.ndarray]],
    titles: Sequence[str],
    legend: dict[str, tuple] | None = None,
    *,
    labels: Sequence[str] = (),
) -> None:
    """Draw rows of pictures.

    Args:
        rows: Each has one picture for each title: uint8 RGB `(H, W, 3)`, or a map `(H, W)` from 0
            (dark) to 1 (light).
        titles: What stands above the columns.
        legend: What colours mean: name to RGB.
        labels: What stands to the left of the rows.

    Raises:
        ValueError: There is no picture.
    """
    if not len(rows) or not len(titles) or not len(rows[0]):
        raise ValueError(
            "show_maps got no pictures; give it rows of pictures, and a title for each column"
        )
    width, (height, across) = 4 * PANEL / len(titles), rows[0][0].shape[:2]
    size = 4 * PANEL, len(rows) * (width * height / across + 0.05) + 0.3
    figure, axes = plt.subplots(
        len(rows), len(titles), figsize=size, squeeze=False, layout="constrained"
    )
    for panels, pictures in zip(axes, rows, strict=True):
        for panel, picture in zip(panels, pictures, strict=True):
            _show(panel, picture, cmap="viridis", vmin=0, vmax=1)
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(True)
    for panel, title in zip(axes[0], titles, strict=True):
        panel.set_title(title, fontsize=10)
    for panel, label in zip(axes[:, 0], labels, strict=False):
        panel.set_ylabel(label, fontsize=9)
    if legend:
        add_legend(figure, legend)
    plt.show()


def grid(count: int, columns: int, height: float) -> Iterable[Axes]:
    """Make at least `count` empty panels in rows; each is `height` times as high as wide."""
    rows = -(-count // columns)
    size = (columns * PANEL, rows * PANEL * height)
    _, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="tight")
    for panel in axes.flat:
        panel.axis("off")
    return axes.flat


def add_legend(figure: Figure, colours: dict[str, tuple]) -> None:
    """Put a legend below a figure: `colours` gives RGB (0 to 255) for each name."""
    patches = [
        Patch(facecolor=np.array(colour) / 255, edgecolor="0.5", label=name)
        for name, colour in colours.items()
    ]
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "ncols": len(patches)}
    figure.legend(handles=patches, fontsize=9, **place)


def _show(panel, picture, **options):
    """Show a picture in its own coordinates, with at most MAX_SIDE pixels a side.

    For each pixel, imshow needs some 30 bytes. A photograph of 7 megapixels would take 200 MB.
    """
    height, width = picture.shape[:2]
    step = -(-max(height, width) // MAX_SIDE)
    is_photo = picture.dtype == np.uint8 and picture.ndim == 3
    small = Image.fromarray(picture).reduce(step) if is_photo else picture[::step, ::step]
    panel.imshow(small, extent=(-0.5, width - 0.5, height - 0.5, -0.5), **options)


def _outline(panel, mask):
    panel.contour(mask, levels=[0.5], colors="white", linewidths=1.5)
