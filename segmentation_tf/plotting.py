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
TRAINING, VALIDATION = "#0072B2", "#D55E00"
PANEL = 2.3  # inches


def show_cases(cases, columns=4):
    """Draw each case's image with the outline of its mask, titled with name and diagnosis."""
    panels = _grid(len(cases), columns, height=0.95)
    for panel, case in zip(panels, cases, strict=False):
        panel.imshow(read_image(case.image))
        _outline(panel, read_mask(case.mask))
        panel.set_title(f"{case.name}\n{case.label or ''}".strip(), fontsize=9)
    plt.show()


def show_batch(images, masks, columns=4):
    """Draw a batch as the network gets it, each image with the outline of its mask.

    images: float `(N, H, W, 3)` in [0, 1]; masks: `(N, H, W, 1)` in {0, 1}.
    """
    panels = _grid(len(images), columns, height=1.0)
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
    _legend(plt.gcf())
    plt.show()


def show_model(model, cases):
    """Draw what a model predicts for each case, as `show_predictions` does."""
    show_predictions(cases, predict_masks(model, (read_image(case.image) for case in cases)))


def show_history(history):
    """Draw a Keras `History`: loss and Dice by epoch, training and validation."""
    _, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="tight")
    for panel, name in zip(axes, ("loss", "dice"), strict=True):
        for prefix, label, colour in (
            ("", "training", TRAINING),
            ("val_", "validation", VALIDATION),
        ):
            values = history.history.get(prefix + name, [])
            panel.plot(range(1, len(values) + 1), values, color=colour, label=label)
        panel.set(xlabel="epoch", ylabel={"loss": "loss", "dice": "mean Dice"}[name])
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


def _grid(count, columns, height):
    """Empty panels in rows of `columns`; `height` is a panel's share of its width."""
    rows = -(-count // columns)
    size = (columns * PANEL, rows * PANEL * height)
    _, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="tight")
    for panel in axes.flat:
        panel.axis("off")
    return axes.flat


def _outline(panel, mask):
    panel.contour(mask, levels=[0.5], colors="white", linewidths=1.5)


def _legend(figure):
    names = {"hit": HIT, "missed": MISSED, "false": FALSE}
    patches = [Patch(color=np.array(c) / 255, label=name) for name, c in names.items()]
    figure.legend(handles=patches, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=3, fontsize=9)
