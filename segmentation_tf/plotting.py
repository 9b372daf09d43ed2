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
from matplotlib.patches import Patch

from segmentation_tf.cases import Case
from segmentation_tf.evaluation import check_masks, predict_masks, score
from segmentation_tf.images import read_image, read_mask

TRUE_POSITIVE, FALSE_NEGATIVE, FALSE_POSITIVE = (86, 180, 233), (240, 228, 66), (213, 94, 0)
ERRORS = {
    "true positive": TRUE_POSITIVE,
    "false negative": FALSE_NEGATIVE,
    "false positive": FALSE_POSITIVE,
}
TRAINING, VALIDATION = "#0072B2", "#D55E00"
PANEL = 2.3  # inches


def show_cases(cases: Sequence[Case], columns: int = 4) -> None:
    """Draw the image of each case with the outline of its mask; the title has name and label."""
    panels = grid(len(cases), columns, height=0.95)
    for panel, case in zip(panels, cases, strict=False):
        panel.imshow(read_image(case.image))
        _outline(panel, read_mask(case.mask))
        panel.set_title(f"{case.name}\n{case.label or ''}".strip(), fontsize=9)
    plt.show()


def show_batch(images: np.ndarray, masks: np.ndarray, columns: int = 4) -> None:
    """Draw a batch as the network gets it, each image with the outline of its mask.

    Images are float `(N, H, W, 3)` in [0, 1], masks `(N, H, W, 1)` in {0, 1}.
    """
    panels = grid(len(images), columns, height=1.0)
    for panel, image, mask in zip(panels, images, masks, strict=False):
        panel.imshow(image)
        _outline(panel, mask[..., 0])
    plt.show()


def show_predictions(cases: Sequence[Case], predictions: Iterable[np.ndarray]) -> None:
    """Draw one row for each case: image, ground truth, prediction (bool `(H, W)`) and errors."""
    _, axes = plt.subplots(
        len(cases), 4, figsize=(4 * PANEL, len(cases) * PANEL * 0.82), squeeze=False, layout="tight"
    )
    for row, case, prediction in zip(axes, cases, predictions, strict=True):
        image, mask = read_image(case.image), read_mask(case.mask)
        pictures = (image, mask, prediction, error_overlay(image, mask, prediction))
        for panel, picture in zip(row, pictures, strict=True):
            panel.imshow(picture, cmap="gray", vmin=0, vmax=1)
            panel.set(xticks=[], yticks=[])  # the frame stays: a white mask needs its edge
        row[0].set_ylabel(case.name, fontsize=7)
        row[3].set_title(f"Dice {score(mask, prediction)['dice']:.2f}", fontsize=9, loc="right")
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
                panel.plot(range(1, len(values) + 1), values, color=colour, label=part)
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
    overlay = image.astype(float)
    for region, colour in (
        (mask & prediction, TRUE_POSITIVE),
        (mask & ~prediction, FALSE_NEGATIVE),
        (prediction & ~mask, FALSE_POSITIVE),
    ):
        overlay[region] = 0.4 * overlay[region] + 0.6 * np.array(colour)
    return overlay.astype(np.uint8)


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
            panel.imshow(picture, cmap="viridis", vmin=0, vmax=1)
            panel.set(xticks=[], yticks=[])
    for panel, title in zip(axes[0], titles, strict=True):
        panel.set_title(title, fontsize=10)
    for panel, label in zip(axes[:, 0], labels, strict=False):
        panel.set_ylabel(label, fontsize=8)
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


def _outline(panel, mask):
    panel.contour(mask, levels=[0.5], colors="white", linewidths=1.5)
