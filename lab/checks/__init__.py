"""The checks of the lab: each tries one function of the learner on small data made up for it.

    checks.check_read_pairs(read_pairs)

prints one line where the function is right, else raises a Hint: what is seen, what the likely
mistake is and the way out. Frequent and definite mistakes are looked for first, so each hint may
count on all before it being right. A right answer may be written in any way. `seed` makes other
data of the same kind. What the hints say stands in hints.py.
"""

import textwrap
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from PIL import Image

from lab.checks.hints import HINTS


class Hint(AssertionError):
    """What a check found: `key` names the mistake in HINTS, `values` are what was seen."""

    def __init__(self, key, **values):
        self.key = key
        super().__init__(" ".join(HINTS[key].format(**values).split()))

    def _render_traceback_(self):
        """What a notebook shows (IPython asks for it): the words, not the lines of this file."""
        cause = traceback.format_exception(self.__cause__) if self.__cause__ else []
        return [*"".join(cause).splitlines(), *textwrap.wrap(f"Hint: {self}", 92)]


def _name(function):
    return getattr(function, "__name__", "the function")


TASKS = {
    "read_pairs": 1,
    "split_sequences": 2,
    "make_batches": 3,
    "build_network": 4,
    "person_loss": 5,
    "judge": 6,
    "compose": 8,
}


def _undone(name):
    """What a notebook shows of a stub, in place of the way through this file."""
    task = f"Task {TASKS[name]}" if name in TASKS else "This task"
    return f"{task} is still to be done: {name} raises NotImplementedError."


def _call(function, *arguments, **options):
    """What the learner's function returns. Its errors become a Hint, but for that of the stub."""
    name = _name(function)
    try:
        result = function(*arguments, **options)
    except Hint:
        raise
    except Exception as error:
        if isinstance(error, NotImplementedError) and not error.args:
            error._render_traceback_ = lambda: [_undone(name)]
            raise
        lines = str(error).strip().splitlines() or ["no message"]
        line = lines[-1 if lines[0].startswith("in user code") else 0].strip()  # inside of map
        said = f"{type(error).__name__}: {line}"[:300]
        raise Hint("stopped", function=name, error=said) from error
    if result is None:
        raise Hint("nothing returned", function=name)
    return result


def _call_for(names, function, *arguments, **options):
    """What the learner's function returns, one part for each of the names."""
    result = _call(function, *arguments, **options)
    several = isinstance(result, (tuple, list))
    if not several or len(result) != len(names):
        found = f"{type(result).__name__} of {len(result)}" if several else type(result).__name__
        values = {"found": f"a {found}", "count": len(names), "names": ", ".join(names)}
        raise Hint("other parts", function=_name(function), **values)
    return result


def _say(passed, why, seed):
    print(f"{passed}: {why}." if seed == 0 else f"{passed}, with other data too.")


# --- 1. read_pairs ------------------------------------------------------------------------------

# Red is the strongest in each and blue the weakest, so that exchanged channels show.
# What NumPy (twice) and TensorFlow say where arrays of other shapes are to become one.
UNEQUAL = ("must have the same shape", "inhomogeneous", "Shapes of all inputs must match")
COLOURS = ((190, 90, 40), (130, 120, 30), (230, 190, 130), (100, 60, 10), (240, 130, 70))


def check_read_pairs(read_pairs, seed=0):
    """Names, images and masks belong together, in the size asked for and with the right values."""
    with TemporaryDirectory() as folder:
        made = _write_frames(Path(folder), seed)
        files = made.image_files, made.mask_files
        try:
            result = _call_for(("names", "images", "masks"), read_pairs, *files, made.size)
            masks = np.asarray(result[2])
        except (Hint, ValueError) as error:
            cause = error.__cause__ or error
            if any(words in str(cause) for words in UNEQUAL):
                raise Hint("masks: stacked") from cause
            raise
    names, images = list(result[0]), np.asarray(result[1])
    _check_names(names, made.names)
    _check_images(images, (len(names), *made.size, 3))
    _check_masks(masks, (len(names), *made.size), names)
    _check_pairs(images, masks, made)
    _check_outlines(masks, made.shares)
    _check_grain(images)
    _say("Task 1 passed", "names, images and masks belong together", seed)


def _write_frames(folder, seed):
    """Five frames as PNG files, masks with one channel, three, or four with an opaque alpha.

    A lone colour tells which frame an image is. The lists of files come in different orders.
    """
    rng = np.random.default_rng(seed)
    height, width, factor = ((48, 64, 2), (32, 56, 4))[seed % 2]
    full, count = (height * factor, width * factor), len(COLOURS)
    names = [f"Jazz_Jazz{i}_C{rng.integers(3)}_{45 * i:05}" for i in range(count)]
    masks = [_ellipse(full, rng.uniform(0.35, 0.45), (i + 0.5) / count) for i in range(count)]
    image_files, mask_files = [], []
    for i in (3, 1, 4, 0, 2):
        image = np.where(masks[i][..., None], (250, 240, 200), COLOURS[i]).astype(np.uint8)
        # Fine grain at the bottom, which turns grey where it is shrunk smoothly.
        image[-full[0] // 5 :] = rng.choice([0, 255], (*full, 1))[-full[0] // 5 :]
        image_files.append(folder / f"{names[i]}.png")
        Image.fromarray(image).save(image_files[-1])
        mask_files.append(folder / "masks" / f"{names[i]}.png")
        mask_files[-1].parent.mkdir(exist_ok=True)
        mask = Image.fromarray(masks[i].astype(np.uint8) * 255)
        mask.convert(("RGB", "L", "RGBA")[i % 3]).save(mask_files[-1])
    shares = np.reshape(masks, (count, height, factor, width, factor)).mean(axis=(2, 4))
    return SimpleNamespace(
        names=names,
        image_files=image_files,
        mask_files=mask_files[2:] + mask_files[:2],
        size=(height, width),
        shares=shares,  # of each small pixel, how much of it was the person
    )


def _ellipse(size, middle_row, middle_column):
    """An upright ellipse in a bool mask of that size; its middle is given in shares of the size."""
    row, column = (np.arange(n) / n for n in size)
    return np.hypot((row[:, None] - middle_row) / 0.28, (column - middle_column) / 0.06) < 1


def _check_names(names, expected):
    if any(not isinstance(name, str) for name in names):
        raise Hint("names: no text", kind=type(names[0]).__name__)
    if any(name.endswith(".png") for name in names):
        raise Hint("names: with ending", name=names[0])
    if sorted(names) != expected:
        raise Hint(
            "names: others", count=len(names), first="".join(names[:1]), expected=expected[:2]
        )
    if names != expected:
        raise Hint("names: not sorted")


def _check_images(images, expected):
    count, height, width, _ = expected
    if images.shape == (count, width, height, 3):
        raise Hint("images: width first", shape=images.shape)
    if images.shape in (expected[:3], (*expected[:3], 1)):
        raise Hint("images: no colour", shape=images.shape)
    if images.shape != expected:
        raise Hint("images: shape", shape=images.shape, expected=expected)
    if images.dtype != np.uint8:
        raise Hint("images: not uint8", dtype=images.dtype, top=images.max())


def _check_masks(masks, expected, names):
    count, height, width = expected
    if masks.shape[:3] == (count, width, height):
        raise Hint("masks: width first", shape=masks.shape)
    if masks.ndim == 4 and masks.shape[:3] == expected:
        raise Hint("masks: channels", shape=masks.shape)
    if masks.shape != expected:
        raise Hint("masks: shape", shape=masks.shape, expected=expected)
    values = np.unique(masks)
    if masks.dtype != bool and len(values) > 2:
        raise Hint("masks: grey", count=len(values), value=values[len(values) // 2])
    if masks.dtype != bool:
        raise Hint("masks: not bool", dtype=masks.dtype, values=values.tolist())
    shares = masks.mean(axis=(1, 2))
    if not shares.all():
        raise Hint("masks: empty", count=int((shares == 0).sum()), name=names[shares.argmin()])
    if shares.min() < 0.5 and shares.max() > 0.95:
        raise Hint("masks: alpha", name=names[shares.argmax()], share=shares.max())
    if masks.mean() > 0.5:
        raise Hint("masks: background", share=masks.mean())


def _check_pairs(images, masks, made):
    top = images[:, : made.size[0] // 2]
    if (top == top[..., :1]).all():
        raise Hint("images: grey")
    found = np.median(top, axis=(1, 2))  # the colour of each background
    apart, turned = (np.linalg.norm(c[:, None] - COLOURS, axis=2) for c in (found, found[:, ::-1]))
    seen = {"colour": COLOURS[0], "found": tuple(found[0].astype(int).tolist())}
    if turned.min(axis=1).mean() < apart.min(axis=1).mean():
        raise Hint("images: BGR", **seen)
    if apart.min(axis=1).mean() > 12:
        raise Hint("images: other colours", **seen)
    of_images = apart.argmin(axis=1)
    of_masks = (masks[:, None] & (made.shares >= 0.5)).sum(axis=(2, 3)).argmax(axis=1)
    if wrong := int((of_images != of_masks).sum()):
        raise Hint("pairs: shuffled", wrong=wrong, count=len(masks))
    if of_images[0] != 0 or len(set(of_images)) < len(of_images):
        raise Hint("pairs: names of others", name=made.names[0], image=made.names[of_images[0]])


def _check_outlines(masks, shares):
    growth = masks.sum() / shares.sum()
    if growth > 1.08:
        raise Hint("masks: grown", share=growth - 1)
    if growth < 0.92:
        raise Hint("masks: shrunk", share=1 - growth)
    voted = shares >= 0.5
    overlap = (masks & voted).sum() / (masks | voted).sum()
    if overlap < 0.75:
        raise Hint("masks: elsewhere", share=overlap)


def _check_grain(images):
    contrast = images[:, -images.shape[1] // 8 :].std() / 127.5
    if contrast > 0.75:
        raise Hint("images: pixels left out", share=contrast)


# --- 2. split_sequences -------------------------------------------------------------------------

PARTS = ("train", "validation", "test")
ASKED = {"validation": 0.1, "test": 0.3}


def check_split_sequences(split_sequences, seed=0):
    """Whole sequences on one side, every frame once, the shares asked for, repeatable."""

    def split(names, seed, **shares):
        parts = _call_for(PARTS, split_sequences, list(names), seed=seed, **(shares or ASKED))
        return [list(part) for part in parts]

    names = _film_names(seed)
    parts = split(names, seed)
    _check_frames(parts, names)
    _check_groups(parts)
    drawn = [split(names, other) for other in range(5)]
    if drawn.count(drawn[0]) < 5 and not any(_on_several_sides(p, _number) for p in drawn):
        raise Hint("split: by number")
    _check_shares(parts)
    few = [f"Kata_F{i}_C{camera}_00045" for i in range(4) for camera in range(3)]
    for name, part in zip(PARTS, split(few, seed, validation=0.15, test=0.2)):
        if not part:
            raise Hint("split: too few", part=name)
    for name, part in zip(PARTS, parts):
        if part != sorted(part):
            raise Hint("split: not sorted", part=name)
    if split(names, seed) != parts:
        raise Hint("split: unseeded")
    rng = np.random.default_rng(seed)
    if any(split(rng.permutation(names).tolist(), seed) != parts for _ in range(3)):
        raise Hint("split: by order")
    if drawn.count(drawn[0]) == 5:
        raise Hint("split: seed unused")
    _say("Task 2 passed", "no sequence is on two sides, and the seed alone decides", seed)


def _sequence(name):
    return "_".join(name.split("_")[:2])


def _number(name):
    return name.split("_")[1]


def _film_names(seed):
    """Names of frames in mixed order: 24 sequences, three cameras, two to four frames each.

    Kata and Taichi have sequences of the same number, which are other people all the same.
    """
    rng = np.random.default_rng(seed)
    activities = (("HipHop", "HipHop"), ("Jazz", "Jazz"), ("Kata", "F"), ("Taichi", "F"))
    names = [
        f"{activity}_{letter}{number}_C{camera}_{45 * frame:05}"
        for activity, letter in activities
        for number in range(1, 7)
        for last in [rng.integers(3, 6)]
        for camera in range(3)
        for frame in range(1, last)
    ]
    return rng.permutation(names).tolist()


def _check_frames(parts, names):
    found = [name for part in parts for name in part]
    if strange := set(map(str, found)) - set(names):
        raise Hint("split: no frames", strange=min(strange))
    for name, part in zip(PARTS, parts):
        if not part:
            raise Hint("split: empty part", part=name)
    if len(found) > len(set(found)):
        twice = next(name for name in found if found.count(name) > 1)
        raise Hint("split: frames twice", count=len(found) - len(set(found)), name=twice)
    if lost := set(names) - set(found):
        raise Hint("split: frames lost", count=len(lost), total=len(names), name=min(lost))


def _on_several_sides(parts, group):
    a, b, c = ({group(name) for name in part} for part in parts)
    return sorted(a & b | a & c | b & c)


def _check_groups(parts):
    torn = _on_several_sides(parts, _sequence)
    if torn and not _on_several_sides(parts, lambda name: name.rsplit("_", 1)[0]):
        raise Hint("split: by camera", count=len(torn), name=torn[0])
    if torn:
        raise Hint("split: by frame", count=len(torn), name=torn[0])
    if not _on_several_sides(parts, lambda name: name.split("_")[0]):
        raise Hint("split: by activity")


def _check_shares(parts):
    shares = dict(zip(PARTS, np.array([len(part) for part in parts]) / sum(map(len, parts))))
    if all(abs(shares[name] - share) < 0.08 for name, share in ASKED.items()):
        return
    said = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    exchanged = {"validation": ASKED["test"], "test": ASKED["validation"]}
    if all(abs(shares[name] - share) < 0.08 for name, share in exchanged.items()):
        raise Hint("split: exchanged", shares=said)
    raise Hint("split: shares", shares=said)


# --- 3. make_batches ----------------------------------------------------------------------------

EPOCHS = 5
MEETINGS = 10  # epochs; that by chance as many persons meet in each batch does not last so long


def check_make_batches(make_batches, seed=0):
    """Batches in the right form: for validation as given, for training shuffled and augmented."""
    images, masks, size = _film(seed)
    for training in (False, True):
        data = _call(make_batches, images.copy(), masks.copy(), size, training=training, seed=seed)
        _check_dataset(data, training)
        # Errors inside map show when batches are made. Endless data were refused before.
        epochs = _call(_read_epochs, data, EPOCHS if training else 1)
        image, mask = _check_form(epochs[0], images, size, training)
        _check_values(image, mask, training)
        if not training:
            _check_validation(image, mask, images, masks)
    _check_training([[np.concatenate(part) for part in zip(*epoch)] for epoch in epochs], images)
    _check_company(epochs + _call(_read_epochs, data, MEETINGS - EPOCHS))
    _say("Task 3 passed", "image and mask move together, and validation stays as it is", seed)


def _film(seed):
    """Frames without a person, then as many with one and the same person, who stands at the left.

    Each frame's background has another shade, and the last batch will be short.
    """
    rng = np.random.default_rng(seed)
    size = int(rng.integers(3, 7))
    half = size * 2 + size // 2 + 1
    height, width = ((32, 48), (40, 56))[seed % 2]
    images = np.repeat(rng.integers(30, 60, (1, height, width, 3), np.uint8), 2 * half, axis=0)
    images += np.arange(2 * half, dtype=np.uint8)[:, None, None, None]
    masks = np.zeros(images.shape[:3], bool)
    top, left = rng.integers(7, 10), rng.integers(8, 11)
    masks[half:, top : top + 13, left : left + 8] = True
    images[masks] += 120
    return images, masks, size


def _read_epochs(data, count):
    return [list(data.as_numpy_iterator()) for _ in range(count)]


def _check_dataset(data, training):
    if not isinstance(data, tf.data.Dataset):
        raise Hint("batches: no dataset", kind=type(data).__name__)
    if not isinstance(data.element_spec, tuple) or len(data.element_spec) != 2:
        raise Hint("batches: no pairs")
    if data.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise Hint("batches: endless", training=training)
    if data.cardinality() == tf.data.UNKNOWN_CARDINALITY:
        raise Hint("batches: unknown length")


def _check_form(batches, images, size, training):
    """Returns the images and the masks of all batches."""
    said = {"training": training, "count": len(images), "size": size}
    first = batches[0]
    if np.ndim(first[0]) == 3:
        raise Hint("batches: none", training=training, shape=first[0].shape)
    lengths = [len(image) for image, _ in batches]
    if sum(lengths) < len(images) and set(lengths) == {size}:
        raise Hint("batches: last dropped", found=sum(lengths), **said)
    if sum(lengths) != len(images) or max(lengths) != size:
        raise Hint("batches: lengths", lengths=lengths, **said)
    if first[1].shape == first[0].shape[:3]:
        raise Hint("batches: no channel", training=training, shape=first[1].shape)
    expected = (size, *images.shape[1:]), (size, *images.shape[1:3], 1)
    found = first[0].shape, first[1].shape
    if found != expected:
        raise Hint("batches: shape", training=training, found=found, expected=expected)
    return [np.concatenate(part) for part in zip(*batches)]


def _check_values(image, mask, training):
    low, top = image.min(), image.max()
    if top > 1.5:
        raise Hint("batches: not scaled", training=training, top=top)
    if top < 0.02:
        raise Hint("batches: scaled twice", training=training, top=top)
    if image.dtype != np.float32 or mask.dtype != np.float32:
        raise Hint("batches: not float32", training=training, image=image.dtype, mask=mask.dtype)
    if not (low >= -1e-3 and top <= 1 + 1e-3):  # nan is neither
        raise Hint("batches: out of range", training=training, low=low, top=top)
    if 0 < mask.max() < 0.02:
        raise Hint("batches: mask divided", training=training, top=mask.max())
    if mask.max() > 1.5:
        raise Hint("batches: mask of 255", training=training, top=mask.max())
    between = mask[(mask != 0) & (mask != 1)]
    usual = np.median(mask.reshape(len(mask), -1), axis=1)  # the background: persons are small
    if between.size and usual.any():
        raise Hint("batches: mask recoloured", training=training, value=max(usual, key=abs))
    if between.size:
        raise Hint("batches: mask grey", training=training, value=between[0])


def _check_validation(image, mask, images, masks):
    expected = images.astype("float32") / 255
    known = [np.abs(expected - one).max(axis=(1, 2, 3)).min() < 1e-3 for one in image]
    if not all(known):
        raise Hint("batches: validation augmented", count=known.count(False), total=len(known))
    kept = np.abs(expected - image).max(axis=(1, 2, 3)) < 1e-3
    if not kept.all():
        raise Hint("batches: validation shuffled", count=kept.sum(), total=len(kept))
    if (mask[..., 0] != masks).any():
        raise Hint("batches: validation masks")


def _check_training(epochs, images):
    """epochs: for each, all images and all masks in the order in which they came."""
    count = len(images)
    given = images[count // 2 :] / 255
    pairs = [(i, m[..., 0]) for epoch in epochs for i, m in zip(*epoch) if 0 < m.mean() < 0.5]
    if len(pairs) < EPOCHS * count / 4:
        said = {"total": EPOCHS * count, "expected": EPOCHS * count // 2}
        raise Hint("batches: persons lost", count=len(pairs), **said)
    apart = sum(_overlap(*pair) < 0.6 for pair in pairs)
    first_mask = given[0].mean(axis=-1) > 0.5  # where the person stands before any change
    still_masks = all((mask == first_mask).all() for _, mask in pairs)
    still_images = all(_overlap(image, first_mask) > 0.6 for image, _ in pairs)
    if apart > len(pairs) / 10:
        kind = "image moved" if still_masks else "mask moved" if still_images else "two draws"
        raise Hint(f"batches: {kind}", count=apart, total=len(pairs))
    if all(np.abs(given - image).max(axis=(1, 2, 3)).min() < 1e-3 for image, _ in pairs):
        raise Hint("batches: not augmented", epochs=EPOCHS)
    flipped = [np.nonzero(mask)[1].mean() > mask.shape[1] / 2 for _, mask in pairs]
    if not any(flipped):
        raise Hint("batches: never flipped", total=len(flipped))
    if all(flipped):
        raise Hint("batches: always flipped", total=len(flipped))
    _check_shuffling([[bool(mask.any()) for mask in masks] for _, masks in epochs])
    seen = [sorted(image.tobytes() for image in epoch[0]) for epoch in epochs]
    if all(epoch == seen[0] for epoch in seen):
        raise Hint("batches: same augmentation", epochs=EPOCHS)


def _overlap(image, mask):
    """Which share of the mask is among as many of the lightest pixels, which are the person's."""
    lightest = np.argsort(image.sum(axis=-1), axis=None)[-np.count_nonzero(mask) :]
    return np.mean(mask.ravel()[lightest] > 0.5)


def _check_shuffling(orders):
    """orders: for each epoch whether a frame holds a person; given were first all those without."""
    if all(order == sorted(order) for order in orders):
        raise Hint("batches: not shuffled")
    first = min(order.index(True) for order in orders)
    if first > len(orders[0]) // 4:
        raise Hint("batches: small buffer", epochs=EPOCHS, first=first)
    if all(order == orders[0] for order in orders):
        raise Hint("batches: same order", epochs=EPOCHS)


def _check_company(epochs):
    """How many frames and persons meet in a batch tells whether the same ones always do."""
    met = [sorted((len(m), int(m.any(axis=(1, 2, 3)).sum())) for _, m in epoch) for epoch in epochs]
    if all(one == met[0] for one in met):
        raise Hint("batches: same company", epochs=MEETINGS)


# --- 4. build_network ---------------------------------------------------------------------------

VIEW = 40  # pixels across and down that a logit must depend on
MOMENTUM = 0.97  # of batch normalisation, at most: the 0.95 of the docstring, with some leeway


def check_build_network(build_network, seed=0):
    """A Keras model from images to logits of the same size, with skips and a wide view."""
    height, width = ((96, 160), (160, 96))[seed % 2]
    model = _call(build_network, height, width)
    _check_model(model, height, width)
    _check_layers(model)
    shapes, others = (
        [weights.shape for weights in one.weights] for one in (model, _call(build_network, 64, 64))
    )
    if shapes != others:
        raise Hint("network: weights of one size", height=height, width=width)
    rng = np.random.default_rng(seed)
    for weights in model.trainable_variables:
        if not np.any(weights):  # a layer that starts at zero hides what is before it
            weights.assign(rng.normal(0, 0.05, weights.shape))
    image = tf.constant(rng.random((4, height, width, 3)), tf.float32)
    # Wide ranging inputs: no logits stay in [0, 1] by chance, nor by another division by 255.
    _check_logits(_call(model, 255 * (100 * image - 50), training=False), height, width)
    _check_skips(model)
    _check_gradients(model, image, rng)
    said = f"{model.count_params():,} weights, logits out, skips, and a wide view"
    _say("Task 4 passed", said, seed)


def _check_model(model, height, width):
    if not isinstance(model, keras.Model):
        raise Hint("network: no model", kind=type(model).__name__)
    shape = tuple(getattr(model, "input_shape", (None, height, width, 3)))  # if it is known
    if shape[1:] == (width, height, 3):
        raise Hint("network: width first", shape=shape)
    if len(shape) != 4 or any(a not in (b, None) for a, b in zip(shape[1:], (height, width, 3))):
        raise Hint("network: input", shape=shape, height=height, width=width)


def _check_layers(model):
    layers = list(model._flatten_layers(include_self=False))
    norms = [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
    slow = [layer.momentum for layer in norms if layer.momentum > MOMENTUM]
    if slow:
        raise Hint("network: momentum", count=len(slow), momentum=slow[0])
    learners = [layer for layer in layers if layer.weights]
    if frozen := [layer.name for layer in learners if not layer.trainable]:
        raise Hint("network: frozen", count=len(frozen), total=len(learners), name=frozen[0])


def _check_logits(logits, height, width):
    expected = (4, height, width, 1)
    if not tf.is_tensor(logits):
        raise Hint("network: outputs", count=len(logits))
    logits = logits.numpy()
    if logits.ndim == 4 and logits.shape[1] < height:
        found = f"{logits.shape[1]} x {logits.shape[2]}"
        raise Hint("network: small output", height=height, width=width, found=found)
    if logits.ndim == 4 and logits.shape[:3] == expected[:3] and logits.shape[3] != 1:
        raise Hint("network: classes", count=logits.shape[3])
    if logits.shape != expected:
        raise Hint("network: output", shape=logits.shape, expected=expected)
    if (logits == 1).all():
        raise Hint("network: softmax")
    if logits.min() >= 0 and logits.max() <= 1:
        raise Hint("network: sigmoid", low=logits.min(), top=logits.max())
    if logits.min() >= 0 and (logits == 0).mean() > 0.01:
        raise Hint("network: relu")


def _check_skips(model):
    """Looks at how the layers are joined; a subclassed model does not show it and is let off."""
    model = getattr(model, "_functional", None) or model  # of a Sequential
    nodes = [node for layer in getattr(model, "operations", ()) for node in layer._inbound_nodes]
    tensors = [tensor for node in nodes for tensor in node.output_tensors]
    rows = [tensor.shape[1] for tensor in tensors if len(tensor.shape) == 4 and tensor.shape[1]]
    if rows and min(rows) < max(rows) and not _avoids(min(rows), model.outputs[0], set()):
        raise Hint("network: no skips", rows=min(rows))


def _avoids(rows, tensor, seen):
    """Whether a way back from the tensor to the image never meets a grid of so many rows."""
    if id(tensor) in seen or (len(tensor.shape) == 4 and tensor.shape[1] == rows):
        return False
    seen.add(id(tensor))
    layer, node, _ = tensor._keras_history
    before = layer._inbound_nodes[node].input_tensors
    return not before or any(_avoids(rows, one, seen) for one in before)


def _check_gradients(model, image, rng):
    height, width = image.shape[1:3]
    weights = model.trainable_variables
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(image)
        logits = model(image, training=False)
        centre = logits[:, height // 2, width // 2, 0]
        mixed = tf.reduce_sum(logits * rng.normal(size=logits.shape))
    pull = tape.gradient(centre, image)
    if pull is None or not np.any(pull):
        raise Hint("network: blind")
    pull = np.abs(pull).max(axis=(0, 3))
    rows, columns = (np.ptp(where) + 1 for where in np.nonzero(pull > 1e-7 * pull.max()))
    if min(rows, columns) < VIEW:
        raise Hint("network: narrow view", rows=rows, columns=columns)
    slopes = tape.gradient(mixed, [one.value for one in weights])
    # A bias may do nothing (normalisation takes it away again), a kernel may not.
    kernels = [(one.path, slope) for one, slope in zip(weights, slopes) if len(one.shape) > 1]
    dead = [path for path, slope in kernels if slope is None or not np.any(slope)]
    if dead:
        raise Hint("network: dead weights", count=len(dead), total=len(kernels), name=dead[0])


# --- 5. person_loss -----------------------------------------------------------------------------


def check_person_loss(person_loss, seed=0):
    """Cheap where the logits are right, with a way to get there, however small the person."""
    mask = _person(4, seed)  # one pixel in 25
    mild = np.random.default_rng(seed).uniform(-2, 2, mask.shape).astype("float32")
    shape = np.shape(_call(person_loss, tf.constant(mask), tf.constant(mild)))
    if len(shape) > 2:
        raise Hint("loss: a number a pixel", shape=shape)
    if shape not in ((), (len(mask),)):
        raise Hint("loss: shape", shape=shape, count=len(mask))
    for logits in (mild, 6, -6):
        if not np.isfinite(cost := _cost(person_loss, mask, logits)):
            raise Hint("loss: log of negative", value=cost)
    slope = _slope(person_loss, mask, mild)
    if slope is None or not np.any(slope):
        raise Hint("loss: no gradient")
    _check_costs(person_loss, mask)
    if not np.any(slope[mask == 0]):
        swapped = _rises(_costs(_swap(person_loss), mask))
        raise Hint("loss: swapped" if swapped else "loss: background ignored")
    _check_perfect(person_loss, seed)
    _check_nobody(person_loss, mask)
    _check_extremes(person_loss, mask)
    _say("Task 5 passed", "right is cheap, missing the person is not, and nothing is nan", seed)


def _person(size, seed):
    """Three masks float32 (3, 20, 20, 1) with a square person, each in another place."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((3, 20, 20, 1), "float32")
    for one, (top, left) in zip(mask, rng.integers(0, 20 - size, (3, 2))):
        one[top : top + size, left : left + size] = 1
    return mask


def _cost(person_loss, mask, logits):
    """The mean loss of a batch; logits may be one number for all pixels."""
    logits = tf.constant(np.broadcast_to(logits, mask.shape), tf.float32)
    return float(np.mean(_call(person_loss, tf.constant(mask), logits)))


def _costs(person_loss, mask, sizes=(6, 0, -6)):
    """What right logits cost (of the first size), logits of 0, and wrong ones."""
    return [_cost(person_loss, mask, size * (2 * mask - 1)) for size in sizes]


def _rises(costs):
    return all(a < b for a, b in zip(costs, costs[1:]))


def _swap(person_loss):
    return lambda mask, logits: person_loss(logits, mask)


def _slope(person_loss, mask, logits):
    logits = tf.constant(logits, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        total = tf.reduce_sum(_call(person_loss, tf.constant(mask), logits))
    gradient = tape.gradient(total, logits)
    return None if gradient is None else np.asarray(gradient)


def _check_costs(person_loss, mask):
    right, nothing, wrong = costs = _costs(person_loss, mask)
    mild_right, _, mild = _costs(person_loss, mask, sizes=(1.5, 0, -1.5))
    if _rises(costs[::-1]):
        raise Hint("loss: upside down", right=right, wrong=wrong)
    if not _rises(costs) and _rises(_costs(_swap(person_loss), mask)):
        raise Hint("loss: swapped")
    if not _rises(costs):
        raise Hint("loss: raw logits", right=right, nothing=nothing, wrong=wrong)
    if wrong - mild < 0.01 * (mild - mild_right):
        raise Hint("loss: clipped", mild=mild, wrong=wrong)


def _check_perfect(person_loss, seed):
    """Perfect logits cost the same for every person, unless something keeps them from 0 and 1."""
    masks = _person(4, seed), _person(12, seed)
    small, large = (_cost(person_loss, mask, 60 * mask - 30) for mask in masks)
    if abs(small - large) > 0.05 * abs(_cost(person_loss, masks[0], 0) - small):
        raise Hint("loss: sigmoid twice", small=small, large=large)


def _check_nobody(person_loss, mask):
    """Compares with plain cross-entropy how well an answer does that marks all pixels alike."""

    def share(loss):
        best = min(_cost(loss, mask, logit) for logit in np.arange(-5, 1, 0.5))
        perfect, ignorant = _cost(loss, mask, 60 * mask - 30), _cost(loss, mask, 0)
        return (best - perfect) / (ignorant - perfect)

    def plain(mask, logits):
        return ops.mean(ops.binary_crossentropy(mask, logits, from_logits=True), axis=(1, 2, 3))

    if share(person_loss) < 1.1 * share(plain):
        raise Hint("loss: empty mask cheap", share=share(person_loss))


def _check_extremes(person_loss, mask):
    for size in (200, -200):
        logits = size * (2 * mask - 1)
        slope = _slope(person_loss, mask, logits)
        if not np.isfinite([_cost(person_loss, mask, logits), *slope.ravel()]).all():
            raise Hint("loss: large logits")
    for logits in (-200, -6, 6):
        if not np.isfinite(cost := _cost(person_loss, np.zeros_like(mask), logits)):
            raise Hint("loss: empty frame", value=cost)


# --- 6. judge -----------------------------------------------------------------------------------

SCORED = (  # name; pixels hit, missed and false
    ("Kata_F2_C0_00045", 12, 8, 4),
    ("Taichi_S1_C1_00045", 0, 0, 0),
    ("Sports_Tennis_C0_00090", 0, 0, 9),
    ("Sports_Tennis_C2_00090", 0, 7, 0),
    ("HipHop_HipHop1_C0_00045", 50, 6, 4),
    ("HipHop_HipHop1_C0_00090", 4, 5, 9),
    ("HipHop_HipHop1_C1_00045", 3, 1, 2),
)
TUNED = "Jazz_Jazz9"


def check_scores(judge, seed=0):
    """The table: Dice and IoU of each frame, averaged over the frames of a sequence."""
    rng = np.random.default_rng(seed)
    scored = [(name, *(c and c + int(rng.integers(3)) for c in counts)) for name, *counts in SCORED]
    validation = [_frame(rng, f"{TUNED}_C{camera}_00045", 20, 0, 0) for camera in range(3)]
    test = [_frame(rng, *scored[i]) for i in rng.permutation(len(scored))]
    _, table = _judged(judge, validation, test)
    _check_frame_scores([table[_sequence(name)] for name, *_ in scored], scored[0])
    _check_means(table[_sequence(scored[-1][0])], scored[4:])
    _say("Task 6 passed, scores", "frames count alike, empty masks count right", seed)


def _judged(judge, validation, test):
    """Threshold and table, which has a pair of numbers for each sequence."""
    try:
        threshold, table = _call_for(("threshold", "table"), judge, validation, test)
    except Hint as hint:
        if isinstance(hint.__cause__, ZeroDivisionError):
            raise Hint("scores: both empty", found=hint.__cause__) from hint.__cause__
        raise
    _check_rows(table, [name for name, *_ in test], [name for name, *_ in validation])
    return threshold, table


def _frame(rng, name, hit, missed, false):
    """A mask and logits that differ in exactly so many pixels, in a size drawn for this frame."""
    shape = rng.integers(11, 16, 2)
    mask, found = np.zeros((2, *shape), bool)
    pixels = rng.permutation(mask.size)
    mask.flat[pixels[: missed + hit]] = True
    found.flat[pixels[missed : missed + hit + false]] = True
    return name, mask, np.where(found, 1, -1) * rng.uniform(3, 8, shape)


def _dice_and_iou(hit, missed, false):
    area = hit + missed + false
    return (2 * hit / (hit + area), hit / area) if area else (1.0, 1.0)


def _check_rows(table, names, tuned):
    if not isinstance(table, dict):
        raise Hint("scores: no dict", kind=type(table).__name__)
    found, expected = set(map(str, table)), set(map(_sequence, names))
    if found == {name.rsplit("_", 1)[0] for name in names}:
        raise Hint("scores: by camera", row=min(found))
    if found == expected | set(map(_sequence, tuned)):
        raise Hint("scores: validation too", row=_sequence(tuned[0]))
    if found != expected:
        raise Hint("scores: rows", found=sorted(found)[:2], expected=sorted(expected)[:2])
    for row in table.values():
        if np.shape(_numbers(row)) != (2,):
            raise Hint("scores: no pair", row=f"{row}"[:80])


def _numbers(value):
    """As an array of floats, or None."""
    try:
        return np.asarray(value, float)
    except (TypeError, ValueError):
        return None


def _same(found, expected):
    return np.allclose(found, expected, atol=2e-3)


def _check_frame_scores(rows, first):
    """rows: those of the sequences of SCORED, one after the other."""

    def shown(row):
        return f"({row[0]:.3f}, {row[1]:.3f})"

    if np.isnan(rows[1]).any():
        raise Hint("scores: both empty", found=shown(rows[1]))
    dice, iou = _dice_and_iou(*first[1:])
    seen = {"dice": dice, "iou": iou, "found": shown(rows[0])}
    if _same(rows[0], (iou, dice)):
        raise Hint("scores: exchanged", **seen)
    if _same(rows[0], (dice, dice)):
        raise Hint("scores: Dice as IoU", **seen)
    if not _same(rows[0], (dice, iou)):
        raise Hint("scores: formula", **seen)
    if not _same(rows[1], 1):
        raise Hint("scores: both empty", found=shown(rows[1]))
    if not _same(rows[2], 0):
        raise Hint("scores: one empty", found=shown(rows[2]))


def _check_means(row, scored):
    """scored: the frames of one sequence, two of C0 and one of C1."""
    frames = np.array([_dice_and_iou(*counts) for _, *counts in scored])
    right = frames.mean(axis=0)
    if _same(row, right):
        return
    dices = " and ".join(f"{dice:.2f}" for dice in frames[:, 0])
    seen = {"name": _sequence(scored[0][0]), "dices": dices, "right": right[0], "found": row[0]}
    if _same(row, _dice_and_iou(*np.sum([counts for _, *counts in scored], axis=0))):
        raise Hint("scores: pooled", **seen)
    if _same(row, (frames[:2].mean(axis=0) + frames[2]) / 2):
        raise Hint("scores: mean of cameras", **seen)
    if _same(row[0], right[0]) and _same(row[1], right[0] / (2 - right[0])):
        raise Hint("scores: IoU of means", name=seen["name"])
    raise Hint("scores: means", **seen)


GRID = np.arange(1, 10) / 10
# The best thresholds of small validation frames, of a large one, and of most test frames.
BEST = ((0.3, 0.8, 0.6), (0.4, 0.9, 0.7), (0.2, 0.8, 0.4), (0.6, 0.9, 0.4))


def check_threshold(judge, seed=0):
    """The threshold: a probability, the best of nine for the mean Dice of validation frames."""
    small, large, other = BEST[seed % len(BEST)]
    validation = [_certain(f"Jazz_Jazz{i // 2}_C{i % 2}_00045", small, 6) for i in range(4)]
    validation.append(_certain("Kata_F2_C0_00045", large, 60))
    # One test frame for every threshold too, so that each gives another score.
    bests = np.append(GRID, np.full(27, other))
    test = [_certain(f"Taichi_S{i // 3}_C{i % 3}_00090", b, 6) for i, b in enumerate(bests)]
    threshold, table = _chosen(judge, validation, test)
    _check_choice(threshold, validation, test)
    _check_use(threshold, table, test)
    for mistake, frames, right in _subtle(small, large):
        found, _ = _chosen(judge, frames, test)
        if not np.isclose(found, right):
            usual = mistake if np.isclose(found, small + large - right) else "not the best"
            raise Hint(f"threshold: {usual}", found=found, right=right)
    _say("Task 6 passed, threshold", "chosen on validation, used on the test", seed)


def _chosen(judge, validation, test):
    threshold, table = _judged(judge, validation, test)
    number = _numbers(threshold)
    if number is None or np.shape(number) or not np.isclose(GRID, number).any():
        raise Hint("threshold: not of the nine", found=f"{threshold!r}"[:80])
    return float(number), table


def _subtle(low, high):
    """Mistakes, validation frames where each chooses the other of two thresholds, the right one.

    A frame that is right at `high` has Dice 2/3 and IoU 1/2 at `low`; the other way round it is 0.
    """

    def frames(lows, highs, name):
        bests = [low] * lows + [high] * highs
        return [_certain(name.format(i) + "_00045", best, 6) for i, best in enumerate(bests)]

    one = [(f"Jazz_Jazz1_C0_{45 * i:05}", m, z) for i, (_, m, z) in enumerate(frames(4, 0, "{}"))]
    nobody = [
        (name, np.zeros_like(mask), _logit(np.where(mask, high - 0.04, 0.02)))
        for name, mask, _ in frames(3, 0, "Taichi_S{}_C0")
    ]
    yield "mean of sequences", one + frames(0, 5, "Kata_F{}_C0"), low
    yield "IoU", frames(2, 5, "Kata_F{}_C0"), low
    yield "empty masks", frames(2, 1, "Kata_F{}_C0") + nobody, high


def _certain(name, best, size):
    """A frame that is right at one threshold; lower ones find too much, higher ones nothing."""
    pixel = np.arange(16 * 16)
    chance = np.select([pixel < size, pixel < 2 * size], [best + 0.04, best - 0.04], 0.02)
    return name, (pixel < size).reshape(16, 16), _logit(chance).reshape(16, 16)


def _logit(probability):
    return np.log(probability / (1 - probability))


def _mean_dice(frames, cut):
    """Mean Dice of frames whose logits are cut at `cut`."""
    return np.mean([2 * (m & (z > cut)).sum() / (m.sum() + (z > cut).sum()) for _, m, z in frames])


def _pooled_dice(frames, cut):
    _, masks, logits = zip(*frames)
    return _mean_dice([(None, np.stack(masks), np.stack(logits))], cut)


def _check_choice(threshold, validation, test):
    def best(score, frames, cut=_logit):
        return GRID[np.argmax([score(frames, cut(t)) for t in GRID])]

    right = best(_mean_dice, validation)
    if np.isclose(threshold, right):
        return
    mistakes = (
        ("tuned on test", best(_mean_dice, test)),
        ("tuned on test", best(_mean_dice, validation + test)),
        ("pooled", best(_pooled_dice, validation)),
        ("on logits", best(_mean_dice, validation, cut=float)),
        ("one half", 0.5),
        ("not the best", threshold),
    )
    mistake = next(name for name, chosen in mistakes if np.isclose(threshold, chosen))
    raise Hint(f"threshold: {mistake}", found=threshold, right=right)


def _check_use(threshold, table, test):
    sequences = sorted(table)
    found = [float(table[sequence][0]) for sequence in sequences]

    def dices(cut):
        groups = ([frame for frame in test if _sequence(frame[0]) == s] for s in sequences)
        return [_mean_dice(group, cut) for group in groups]

    right = dices(_logit(threshold))
    if _same(found, right):
        return
    mistake = "scores"  # they are those of no threshold
    if any(_same(found, dices(_logit(other))) for other in GRID):
        mistake = "not used"
    if _same(found, dices(threshold)):
        mistake = "table on logits"
    seen = {"right": np.mean(right), "found": np.mean(found)}
    raise Hint(f"threshold: {mistake}", threshold=threshold, **seen)


# --- 8. compose ---------------------------------------------------------------------------------


def check_compose(compose, seed=0):
    """The person before the background, blended by the probability, in uint8."""
    rng = np.random.default_rng(seed)
    shape = int(rng.integers(20, 30)), int(rng.integers(48, 60)), 3
    # The image is lighter, and the sum of both stays below 255: nothing can overflow yet.
    image = rng.integers(120, 180, shape, np.uint8)
    background = rng.integers(20, 60, shape, np.uint8)
    # From 0 at the left to 1 at the right.
    slope = np.clip((np.arange(shape[1]) - 10) / (shape[1] - 21), 0, 1)
    slope = np.tile(slope.astype("float32"), (shape[0], 1))
    _check_picture(compose, image, slope, background)
    _check_sides(compose, image, background)
    _check_edge(compose, slope, shape)
    dark, light = (rng.integers(low, low + 40, shape, np.uint8) for low in (0, 215))
    for front, back in ((dark, light), (light, dark)):
        picture = _call(compose, front, slope, back).astype(int)
        wrong = (picture < dark.astype(int) - 3) | (picture > light.astype(int) + 3)
        if wrong.mean() > 0.01:
            raise Hint("compose: overflow", share=wrong.mean())
    _say("Task 8 passed", "the presenter stands before the map, with soft edges", seed)


def _check_picture(compose, *arrays):
    given = [array.copy() for array in arrays]
    try:
        result = _call(compose, *given)
    except Hint as hint:
        if "broadcast" in str(hint.__cause__):
            raise Hint("compose: no channel") from hint.__cause__
        raise
    if not isinstance(result, np.ndarray):
        raise Hint("compose: no array", kind=type(result).__name__)
    if result.shape != arrays[0].shape:
        raise Hint("compose: shape", shape=result.shape, expected=arrays[0].shape)
    if result.dtype != np.uint8:
        raise Hint("compose: not uint8", dtype=result.dtype, top=result.max())
    if result.max() <= 1:
        raise Hint("compose: black")
    for name, now, before in zip(("image", "probability", "background"), given, arrays):
        if not np.array_equal(now, before):
            raise Hint("compose: changed in place", name=name)


def _check_sides(compose, image, background):
    def off(picture, other):
        return abs(picture.astype(float) - other).mean()

    sure = np.ones(image.shape[:2], "float32")
    front, back = (_call(compose, image, p, background) for p in (sure, 0 * sure))
    if off(front, background) < 3 and off(back, image) < 3:
        raise Hint("compose: exchanged")
    if off(front, image[..., ::-1]) < 3:
        raise Hint("compose: BGR")
    if off(front, image) > 3:
        raise Hint("compose: shines through", off=off(front, image))
    if off(back, background) > 3:
        raise Hint("compose: no background", off=off(back, background))


def _check_edge(compose, slope, shape):
    light, dark = np.full(shape, 200, np.uint8), np.full(shape, 40, np.uint8)
    row = _call(compose, light, slope, dark)[shape[0] // 2, :, 0]
    soft, p = (row > 50) & (row < 190), slope[0]
    # Sharper is fine, but neither half of the way from 0 to 1 may be all of one kind.
    lower, upper = soft[(p > 0) & (p < 0.5)].mean(), soft[(p > 0.5) & (p < 1)].mean()
    if min(lower, upper) < 0.15:
        raise Hint("compose: hard edge", width=shape[1] - 20, lower=lower, upper=upper)
