"""The course's figures: cases, predictions with their errors, learning curves.

Hit, missed and false differ in hue and in lightness, in Okabe and Ito's colours, so that
colour-blind readers tell them apart.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Patch

from segmentation_tf.evaluation import predict_masks, score
from segmentation_tf.images import read_image, read_mask

HIT, MISSED, FALSE = (86, 180, 233), (240, 228, 66), (213, 94, 0)
ERRORS = {"hit": HIT, "missed": MISSED, "false": FALSE}
TRAINING, VALIDATION = "#0072B2", "#D55E00"
PANEL = 2.3  # inches


def show_cases(cases, columns=4):
    """Draw each case's image with the outline of its mask, titled with name and diagnosis."""
    panels = grid(len(cases), columns, height=0.95)
    for panel, case in zip(panels, cases, strict=False):
        panel.imshow(read_image(case.image))
        _outline(panel, read_mask(case.mask))
        panel.set_title(f"{case.name}\n{case.label or ''}".strip(), fontsize=9)
    plt.show()


def show_batch(images, masks, columns=4):
    """Draw a batch as the network gets it, each image with the outline of its mask.

    images: float `(N, H, W, 3)` in [0, 1]; masks: `(N, H, W, 1)` in {0, 1}.
    """
    panels = grid(len(images), columns, height=1.0)
    for panel, image, mask in zip(panels, images, masks, strict=False):
        panel.imshow(image)
        _outline(panel, mask[..., 0])
    plt.show()


def show_predictions(cases, predictions):
    """Draw a row a case: image, mask, prediction, errors; `predictions` are bool `(H, W)`."""
    _, axes = plt.subplots(
        len(cases), 4, figsize=(4 * PANEL, len(cases) * PANEL * 0.82), squeeze=False, layout="tight"
    )
    for row, case, predicted in zip(axes, cases, predictions, strict=True):
        image, mask = read_image(case.image), read_mask(case.mask)
        pictures = (image, mask, predicted, error_overlay(image, mask, predicted))
        for panel, picture in zip(row, pictures, strict=True):
            panel.imshow(picture, cmap="gray", vmin=0, vmax=1)
            panel.set(xticks=[], yticks=[])  # the frame stays: a white mask needs its edge
        row[0].set_ylabel(case.name, fontsize=7)
        row[3].set_title(f"Dice {score(mask, predicted)['dice']:.2f}", fontsize=9, loc="right")
    for panel, title in zip(axes[0], ("image", "mask", "prediction", "errors"), strict=True):
        panel.set_title(title, fontsize=10)
    add_legend(plt.gcf(), ERRORS)
    plt.show()


def show_model(model, cases):
    """Draw what a model predicts for each case, as `show_predictions` does."""
    show_predictions(cases, predict_masks(model, (read_image(case.image) for case in cases)))


def show_history(history, score="dice", label="mean Dice"):
    """Draw a Keras `History`: loss and `score` by epoch, training and validation.

    `score` is a metric's name and `label` what its axis says; it lies in [0, 1].
    """
    _, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="tight")
    for panel, name in zip(axes, ("loss", score), strict=True):
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


def error_overlay(image, mask, predicted):
    """Tint uint8 RGB `(H, W, 3)` where mask and prediction, bool `(H, W)`, meet or differ."""
    overlay = image.astype(float)
    for region, colour in (
        (mask & predicted, HIT),
        (mask & ~predicted, MISSED),
        (predicted & ~mask, FALSE),
    ):
        overlay[region] = 0.4 * overlay[region] + 0.6 * np.array(colour)
    return overlay.astype(np.uint8)


def show_maps(rows, titles, legend=None, labels=()):
    """Draw rows of pictures, each with one for each title; `labels` name the rows.

    A picture is uint8 RGB `(H, W, 3)`, or a map `(H, W)` from 0 (dark) to 1 (light). `legend`
    says what colours mean: a dict, name to RGB. Raises ValueError where there is no picture.
    """
    if not len(rows) or not len(titles) or not len(rows[0]):
        raise ValueError("show_maps got no pictures; give it rows of them, and a title for each")
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


def grid(count, columns, height):
    """Empty panels in rows of `columns`; `height` is a panel's share of its width."""
    rows = -(-count // columns)
    size = (columns * PANEL, rows * PANEL * height)
    _, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="tight")
    for panel in axes.flat:
        panel.axis("off")
    return axes.flat


def _outline(panel, mask):
    panel.contour(mask, levels=[0.5], colors="white", linewidths=1.5)


def add_legend(figure, colours):
    patches = [
        Patch(facecolor=np.array(colour) / 255, edgecolor="0.5", label=name)
        for name, colour in colours.items()
    ]
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "ncols": len(patches)}
    figure.legend(handles=patches, fontsize=9, **place)
