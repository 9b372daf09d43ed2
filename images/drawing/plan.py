"""The plan of a network, read off the built Keras model: every number comes from a layer."""

import re
from typing import NamedTuple


class Level(NamedTuple):
    """One grid size of a network; numbers are channels, from left to right.

    `encoder`: what comes in, and what the convolution makes of it. `joined`: what the decoder
    starts from, the encoder's copy first where there is one. `decoder`: what it makes of that.
    `across`: what the encoder hands over, "skip", "places" or None.
    """

    grid: tuple
    encoder: tuple
    joined: tuple
    decoder: int
    across: str | None


class Plan(NamedTuple):
    """A U-Net or SegNet: its levels from the largest grid to the smallest.

    `image`, `logits`: `(H, W, C)`. `bottom`: the grid below the last level, and its channels after
    the last pooling and, where there is one, after the bottleneck.
    """

    image: tuple
    levels: list
    bottom: tuple
    logits: tuple


def read_plan(model):
    """The Plan of a model that `build_unet` or `build_segnet` made."""
    depth = sum(bool(re.fullmatch(r"encoder\d+_pool", layer.name)) for layer in model.layers)
    lowest = [f"encoder{depth}_pool", last(model, "bottleneck_relu")]
    bottom = [output(model, name) for name in lowest if name]
    return Plan(
        image=output(model, "image"),
        levels=[read_level(model, k) for k in range(1, depth + 1)],
        bottom=(bottom[0][:2], tuple(channels for _, _, channels in bottom)),
        logits=output(model, "logits"),
    )


def read_level(model, k):
    entry = f"encoder{k - 1}_pool" if k > 1 else last(model, "stem_relu")
    encoder = [output(model, name) for name in (entry, last(model, f"encoder{k}_relu"))]
    joined, across = read_joined(model, k)
    return Level(
        grid=encoder[1][:2],
        encoder=tuple(channels for _, _, channels in encoder),
        joined=joined,
        decoder=output(model, last(model, f"decoder{k}_(out_)?relu"))[2],
        across=across,
    )


def read_joined(model, k):
    """Channels that the decoder starts from at level k, and what the encoder handed over."""
    names = {layer.name for layer in model.layers}
    if f"decoder{k}_skip" in names:
        enlarged, copied = model.get_layer(f"decoder{k}_skip").input
        return (copied.shape[-1], enlarged.shape[-1]), "skip"
    if f"decoder{k}_unpool" in names:
        return (output(model, f"decoder{k}_unpool")[2],), "places"
    return (output(model, f"decoder{k}_up")[2],), None


def output(model, name):
    """The shape `(H, W, C)` of what a layer returns, without the batch; of several, the first."""
    tensors = model.get_layer(name).output
    return (tensors[0] if isinstance(tensors, list | tuple) else tensors).shape[1:]


def last(model, pattern):
    """The name of the last layer of a block, which has one convolution or more; None without."""
    names = [layer.name for layer in model.layers if re.fullmatch(rf"{pattern}\d+", layer.name)]
    return names[-1] if names else None
