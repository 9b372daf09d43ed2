"""The checks of the lab: right answers pass however they are written, mistakes get their hint.

The reference answers are those of the solution notebook. Beside them stand answers written in other
ways, with switches: each switch makes one classical mistake.
"""

import re
from functools import cache, partial
from pathlib import Path

import keras
import nbformat
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from PIL import Image

from lab import checks
from lab.checks.hints import HINTS
from segmentation_tf.cases import Case, split_cases
from segmentation_tf.evaluation import score
from segmentation_tf.images import read_image, read_mask, resize_image, resize_mask
from segmentation_tf.models import build_segnet, build_unet
from segmentation_tf.training import bce_dice_loss, bce_loss, dice_loss

LAB = Path(__file__).resolve().parents[2] / "lab"
CHECKS = {
    "read_pairs": [checks.check_read_pairs],
    "split_sequences": [checks.check_split_sequences],
    "make_batches": [checks.check_make_batches],
    "build_network": [checks.check_build_network],
    "person_loss": [checks.check_person_loss],
    "judge": [checks.check_scores, checks.check_threshold],
    "compose": [checks.check_compose],
}
THRESHOLDS = np.arange(1, 10) / 10
SEEDS = (0, 7, 10)  # of the visible checks and of the hidden ones


@cache
def solutions():
    """The functions of the solution notebook, by name."""
    notebook = nbformat.read(LAB / "solution" / "BodySegmentation.ipynb", as_version=4)
    scope = {}
    for cell in notebook.cells:
        solved = cell.metadata.get("nbgrader", {}).get("solution")
        if cell.cell_type == "code" and (solved or cell.id in ("imports", "constants")):
            exec(cell.source, scope)
    return scope


# --- 1. read_pairs ------------------------------------------------------------------------------

SMOOTH, NEAREST = Image.Resampling.BILINEAR, Image.Resampling.NEAREST


def voted(file, size):
    """A mask as it should be: bool, True where at least half of the area was."""
    return resize_mask(read_mask(file), size)


def grey_mask(file, size, method=SMOOTH, mode="L"):
    return np.asarray(Image.open(file).convert(mode).resize(size[::-1], method))


def any_channel(file, size):
    return np.asarray(Image.open(file).resize(size[::-1], NEAREST)).reshape(*size, -1).any(axis=-1)


def read(
    image_files,
    mask_files,
    size,
    sort=sorted,
    sort_masks=None,
    name=lambda file: file.stem,
    image=lambda file, size: resize_image(read_image(file), size),
    mask=voted,
    finish=lambda names, images, masks: (names, images, masks),
):
    """With the helpers of the course's package."""
    image_files, mask_files = sort(image_files), (sort_masks or sort)(mask_files)
    images = np.stack([image(file, size) for file in image_files])
    masks = np.stack([mask(file, size) for file in mask_files])
    return finish([name(file) for file in image_files], images, masks)


def read_with_tensorflow(image_files, mask_files, size):
    masks = {file.stem: file for file in mask_files}
    rows = []
    for file in sorted(image_files):
        image = tf.io.decode_png(tf.io.read_file(str(file)), channels=3)
        mask = tf.io.decode_png(tf.io.read_file(str(masks[file.stem])), channels=1)
        image = tf.cast(tf.round(tf.image.resize(image, size, antialias=True)), tf.uint8)
        mask = tf.image.resize(mask, size, method="nearest")[..., 0] > 127
        rows.append((file.stem, image.numpy(), mask.numpy()))
    return tuple(list(part) for part in zip(*rows))


def read_with_numpy(image_files, mask_files, size):
    """Averages blocks of pixels, and cuts the average of a mask at half."""

    def shrink(array):
        height, width = size
        blocks = array.reshape(height, len(array) // height, width, -1, *array.shape[2:])
        return blocks.mean(axis=(1, 3))

    pairs = list(zip(sorted(image_files), sorted(mask_files, key=lambda file: file.name)))
    images = [shrink(np.asarray(Image.open(image)).astype(float)) for image, _ in pairs]
    masks = [shrink(np.asarray(Image.open(mask).convert("L")) / 255) > 0.5 for _, mask in pairs]
    names = np.array([image.name.removesuffix(".png") for image, _ in pairs])
    return names.tolist(), np.round(images).astype(np.uint8), np.array(masks)


def smooth_cut_at_half(file, size):
    return grey_mask(file, size, Image.Resampling.BICUBIC) > 127


def image_as(change):
    return lambda file, size: change(resize_image(read_image(file), size))


def small(method):
    return lambda file, size: np.asarray(Image.open(file).resize(size[::-1], method))


READ = [
    ("names: no text", {"name": lambda file: file}),
    ("names: with ending", {"name": lambda file: file.name}),
    ("names: others", {"name": lambda file: file.stem.rsplit("_", 1)[0]}),
    ("names: not sorted", {"sort": list, "sort_masks": lambda masks: reorder(masks)}),
    ("images: width first", {"image": lambda f, s: resize_image(read_image(f), s[::-1])}),
    ("images: no colour", {"image": image_as(lambda image: image[..., 0])}),
    ("images: shape", {"image": lambda file, size: read_image(file)}),
    ("images: shape", {"image": lambda f, s: np.asarray(Image.open(f).convert("RGBA").resize(s))}),
    ("images: not uint8", {"image": image_as(lambda image: image / 255)}),
    ("images: not uint8", {"image": image_as(lambda image: image.astype("float32"))}),
    ("images: grey", {"image": image_as(lambda i: np.repeat(i[..., :1], 3, axis=-1))}),
    ("images: BGR", {"image": image_as(lambda image: image[..., ::-1])}),
    ("images: other colours", {"image": image_as(lambda image: image // 2)}),
    ("images: pixels left out", {"image": small(NEAREST)}),
    ("masks: width first", {"mask": lambda file, size: voted(file, size[::-1])}),
    ("masks: channels", {"mask": lambda f, s: grey_mask(f, s, NEAREST, mode="RGB") > 0}),
    ("masks: channels", {"mask": lambda f, s: voted(f, s)[..., None]}),
    ("masks: shape", {"mask": lambda file, size: read_mask(file)}),
    ("masks: grey", {"mask": grey_mask}),
    ("masks: grey", {"mask": lambda file, size: grey_mask(file, size) / 255}),
    ("masks: not bool", {"mask": lambda file, size: grey_mask(file, size, NEAREST)}),
    ("masks: stacked", {"mask": small(NEAREST)}),
    ("masks: empty", {"mask": lambda file, size: grey_mask(file, size, NEAREST) == 1}),
    ("masks: alpha", {"mask": any_channel}),
    ("masks: background", {"mask": lambda file, size: ~voted(file, size)}),
    ("pairs: shuffled", {"sort_masks": list}),
    ("pairs: shuffled", {"sort": list, "finish": lambda n, i, m: (sorted(n), i, m)}),
    ("pairs: names of others", {"finish": lambda n, i, m: (n, i[::-1], m[::-1])}),
    ("masks: grown", {"mask": lambda file, size: grey_mask(file, size) > 0}),
    ("masks: shrunk", {"mask": lambda file, size: grey_mask(file, size) == 255}),
    ("masks: elsewhere", {"mask": lambda file, size: np.roll(voted(file, size), 5, axis=0)}),
    ("other parts", {"finish": lambda names, images, masks: (images, masks)}),
    ("nothing returned", {"finish": lambda names, images, masks: None}),
]


def reorder(files, names=None):
    """The files in the order in which the check gives the images."""
    names = names or ["Jazz3", "Jazz1", "Jazz4", "Jazz0", "Jazz2"]
    return [next(file for file in files if name in file.name) for name in names]


# --- 2. split_sequences -------------------------------------------------------------------------


def sequence(name):
    return "_".join(name.split("_")[:2])


def split(
    names,
    validation=0.15,
    test=0.2,
    seed=0,
    group=sequence,
    groups=lambda groups: sorted(set(groups)),
    draw=lambda groups, seed: np.random.default_rng(seed).permutation(groups).tolist(),
    count=lambda share: max(1, round(share)),
    finish=lambda train, validation, test: (train, validation, test),
    sort=sorted,
):
    order = draw(groups([group(name) for name in names]), seed)
    end = len(order) - count(test * len(order))
    middle = end - count(validation * len(order))
    parts = order[:middle], order[middle:end], order[end:]
    return finish(*(sort(name for name in names if group(name) in part) for part in parts))


def split_with_package(names, validation=0.15, test=0.2, seed=0):
    cases = [Case(name, Path(name), Path(name), sequence(name)) for name in names]
    rest, last = split_cases(cases, test, seed)
    first, middle = split_cases(rest, validation / (1 - test), seed)
    return [[case.name for case in part] for part in (first, middle, last)]


def split_by_random_module(names, validation=0.15, test=0.2, seed=0):
    """Fills test and validation until they have their share of the frames."""
    import random

    films = {}
    for name in sorted(names):
        films.setdefault(name[: name.index("_C", name.index("_") + 1)], []).append(name)
    order = sorted(films)
    random.Random(seed).shuffle(order)
    parts = {"test": [], "validation": [], "train": []}
    for film in order:
        for part, share in (("test", test), ("validation", validation), ("train", 1)):
            if not parts[part] or len(parts[part]) < share * len(names) - 3:
                parts[part] += films[film]
                break
    return tuple(sorted(parts[part]) for part in ("train", "validation", "test"))


def alone(name):
    return name


def twice(train, validation, test):
    return train, validation, sorted(test + train[:2])


SPLIT = [
    ("split: by frame", {"group": alone}),
    ("split: by camera", {"group": lambda name: name.rsplit("_", 1)[0]}),
    (
        "split: by activity",
        {"group": lambda n: n.split("_")[0], "count": lambda x: max(1, round(x))},
    ),
    ("split: no frames", {"finish": lambda *parts: [sorted(set(map(sequence, p))) for p in parts]}),
    ("split: empty part", {"finish": lambda train, val, test: (sorted(train + val), [], test)}),
    ("split: empty part", {"count": lambda share: int(share / 4)}),
    ("split: too few", {"count": int}),
    ("split: by number", {"group": lambda name: name.split("_")[1]}),
    ("split: frames twice", {"finish": twice}),
    ("split: frames lost", {"finish": lambda train, val, test: (train[1:], val, test)}),
    ("split: exchanged", {"finish": lambda train, val, test: (train, test, val)}),
    ("split: shares", {"count": lambda share: 4}),
    ("split: not sorted", {"sort": list}),
    ("split: unseeded", {"draw": lambda groups, seed: np.random.permutation(groups).tolist()}),
    ("split: by order", {"groups": lambda groups: list(dict.fromkeys(groups))}),
    (
        "split: seed unused",
        {"draw": lambda g, seed: np.random.default_rng(0).permutation(g).tolist()},
    ),
    ("other parts", {"finish": lambda train, val, test: (train, test)}),
]


# --- 3. make_batches ----------------------------------------------------------------------------


def to_float(image, mask):
    return tf.cast(image, tf.float32) / 255, tf.cast(mask, tf.float32)


def flip_together(image, mask):
    """One draw for each image of a batch."""
    flip = tf.random.uniform((tf.shape(image)[0], 1, 1, 1)) < 0.5
    return [tf.where(flip, one[:, :, ::-1], one) for one in (image, mask)]


def flip_apart(image, mask):
    flip = tf.image.random_flip_left_right
    return flip(image), flip(mask)


def brighter(image, mask):
    image, mask = flip_together(image, mask)
    return tf.clip_by_value(tf.image.random_brightness(image, 0.2), 0, 1), mask


def brighter_too(image, mask):
    change = tf.random.uniform((), 0.05, 0.2)
    image, mask = flip_together(image, mask)
    return tf.clip_by_value(image + change, 0, 1), mask + change


def smaller(method):
    """Flips, and shrinks image and mask a little, the mask by `method`."""

    def augment(image, mask):
        image, mask = flip_together(image, mask)
        height, width = image.shape[1:3]
        sizes = height - 6, width - 6
        small_image, small_mask = (
            tf.image.resize(image, sizes),
            tf.image.resize(mask, sizes, method),
        )
        return [
            tf.image.resize_with_crop_or_pad(x, height, width) for x in (small_image, small_mask)
        ]

    return augment


def batches(
    images,
    masks,
    batch_size,
    training,
    seed=0,
    axis=lambda masks: masks[..., None],
    convert=to_float,
    augment=flip_together,
    shuffle=lambda data, count, seed: data.shuffle(count, seed=seed),
    batch=lambda data, size: data.batch(size),
    finish=lambda data: data,
    always=False,
):
    data = tf.data.Dataset.from_tensor_slices((images, axis(masks)))
    if training or always:
        data = shuffle(data, len(images), seed)
    data = batch(data, batch_size).map(convert)
    if training or always:
        data = data.map(lambda image, mask: tuple(augment(image, mask)))
    return finish(data)


def batches_with_layers(images, masks, batch_size, training, seed=0):
    """Keras' own layers, on image and mask put on one another."""
    move = keras.Sequential(
        [
            layers.RandomFlip("horizontal", seed=seed),
            layers.RandomTranslation(0.05, 0.05, fill_mode="reflect", interpolation="nearest"),
        ]
    )

    def augment(both):
        both = move(both, training=True)
        image = tf.image.random_contrast(both[..., :3], 0.8, 1.2)
        return tf.clip_by_value(image, 0, 1), both[..., 3:]

    both = np.concatenate([images / 255, masks[..., None]], axis=-1).astype("float32")
    data = tf.data.Dataset.from_tensor_slices(both).cache()
    if not training:
        return data.batch(batch_size).map(lambda both: (both[..., :3], both[..., 3:]))
    return data.shuffle(len(images)).batch(batch_size).map(augment).prefetch(1)


def batches_one_by_one(images, masks, batch_size, training, seed=0):
    """Stateless functions, both with the same seed, before batching."""

    def augment(image, mask, draw):
        image, mask = (tf.image.stateless_random_flip_left_right(x, draw) for x in (image, mask))
        return tf.clip_by_value(tf.image.stateless_random_hue(image, 0.05, draw), 0, 1), mask

    data = tf.data.Dataset.from_tensor_slices((images, masks[..., None])).map(to_float).cache()
    if training:
        draws = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2)
        data = tf.data.Dataset.zip(data.shuffle(len(images)), draws)
        data = data.map(lambda pair, draw: augment(*pair, tf.cast(draw, tf.int32)))
    return data.batch(batch_size)


def batched_before_shuffling(images, masks, batch_size, training, seed=0, mix=False):
    if training and mix:
        order = np.random.default_rng(seed).permutation(len(images))
        images, masks = images[order], masks[order]
    data = tf.data.Dataset.from_tensor_slices((images, masks[..., None])).batch(batch_size)
    data = data.map(to_float)
    if not training:
        return data
    return data.shuffle(len(images), seed=seed).map(lambda *pair: tuple(flip_together(*pair)))


def scaled_by(image=255.0, mask=1.0, dtype=tf.float32):
    return lambda i, m: (tf.cast(i, dtype) / image, tf.cast(m, dtype) / mask)


def move_only(image=False, mask=False):
    def augment(i, m):
        moved = flip_together(i, m)
        return moved[0] if image else i, moved[1] if mask else m

    return augment


def changed_once(images, masks, batch_size, training, seed=0):
    data = tf.data.Dataset.from_tensor_slices((images, masks[..., None])).batch(1).map(to_float)
    if training:
        data = data.map(lambda *pair: tuple(flip_together(*pair))).cache().shuffle(len(images))
    return data.map(lambda *pair: tuple(one[0] for one in pair)).batch(batch_size)


BATCHES = [
    ("batches: no dataset", {"finish": lambda data: list(data)}),
    ("batches: no pairs", {"finish": lambda data: data.map(lambda image, mask: image)}),
    ("batches: endless", {"finish": lambda data: data.repeat()}),
    ("batches: unknown length", {"finish": lambda data: data.filter(lambda i, m: True)}),
    ("batches: none", {"batch": lambda data, _: data, "augment": lambda i, m: (i, m)}),
    ("batches: last dropped", {"batch": lambda data, n: data.batch(n, drop_remainder=True)}),
    ("batches: lengths", {"batch": lambda data, n: data.batch(2)}),
    ("batches: no channel", {"axis": lambda m: m, "augment": lambda i, m: (i, m)}),
    ("batches: shape", {"augment": lambda i, m: (tf.image.resize(i, (19, 25)), m)}),
    ("batches: not scaled", {"convert": scaled_by(image=1)}),
    ("batches: scaled twice", {"convert": scaled_by(image=255.0**2)}),
    ("batches: not float32", {"convert": lambda i, m: (to_float(i, m)[0], m)}),
    (
        "batches: out of range",
        {"convert": lambda i, m: (2 * to_float(i, m)[0] - 1, to_float(i, m)[1])},
    ),
    ("batches: out of range", {"augment": lambda i, m: (flip_together(i, m)[0] + 0.4, m)}),
    ("batches: mask divided", {"convert": scaled_by(mask=255)}),
    ("batches: mask of 255", {"convert": scaled_by(mask=1 / 255)}),
    ("batches: mask recoloured", {"augment": brighter_too}),
    ("batches: mask grey", {"augment": smaller("bilinear")}),
    ("batches: validation augmented", {"always": True}),
    ("batches: validation shuffled", {"always": True, "augment": lambda i, m: (i, m)}),
    ("batches: validation masks", {"axis": lambda masks: masks[::-1, ..., None]}),
    ("batches: persons lost", {"augment": lambda i, m: (i, 0 * m)}),
    ("batches: image moved", {"augment": move_only(image=True)}),
    ("batches: mask moved", {"augment": move_only(mask=True)}),
    ("batches: two draws", {"augment": flip_apart}),
    ("batches: not augmented", {"augment": lambda i, m: (i, m)}),
    ("batches: never flipped", {"augment": lambda i, m: (0.8 * i, m)}),
    ("batches: always flipped", {"augment": lambda i, m: (i[:, :, ::-1], m[:, :, ::-1])}),
    ("batches: not shuffled", {"shuffle": lambda data, count, seed: data}),
    ("batches: small buffer", {"shuffle": lambda data, count, seed: data.shuffle(3)}),
    (
        "batches: same order",
        {"shuffle": lambda d, n, seed: d.shuffle(n, seed, reshuffle_each_iteration=False)},
    ),
    ("stopped", {"augment": lambda i, m: (i.numpy(), m)}),
]


# --- 4. build_network ---------------------------------------------------------------------------


def network(
    height,
    width,
    filters=(8, 16, 24, 32, 40),
    norm=lambda: layers.BatchNormalization(momentum=0.9),
    skip=lambda x, encoded: layers.Concatenate()([x, encoded]),
    decoded=None,
    head=lambda x: layers.Conv2D(1, 1)(x),
    finish=lambda image, logits: keras.Model(image, logits),
    bottom=lambda x: x,
):
    """A U-Net without a stem; transposed convolutions on the way up."""

    def block(x, channels):
        return layers.ReLU()(norm()(layers.Conv2D(channels, 3, padding="same")(x)))

    image = keras.Input((height, width, 3))
    x, encoded = image, []
    for channels in filters[:-1]:
        encoded.append(block(x, channels))
        x = layers.MaxPooling2D()(encoded[-1])
    x = bottom(block(x, filters[-1]))
    for channels, side in list(zip(filters[-2::-1], encoded[::-1]))[:decoded]:
        x = layers.Conv2DTranspose(channels, 2, 2)(x)
        x = block(skip(x, side), channels)
    return finish(image, head(x))


def attention_unet(height, width):
    """Gates decide what of a skip passes; residual sums, group normalisation, a head of zeros."""

    def gated(x, side):
        gate = layers.Conv2D(1, 1, activation="sigmoid")(layers.Concatenate()([x, side]))
        return layers.Add()([x, layers.Multiply()([side, gate])])

    head = partial(
        layers.Conv2D,
        1,
        1,
        kernel_initializer="zeros",
        bias_initializer=lambda s, dtype=None: -3 + ops.zeros(s),
    )
    return network(
        height, width, norm=lambda: layers.GroupNormalization(4), skip=gated, head=head()
    )


def encoder_as_a_model(height, width):
    """The encoder is a model of its own with several outputs, as pretrained ones are used."""
    image = keras.Input((height, width, 3))
    x, sides = image, []
    for channels in (8, 16, 32, 32):
        x = layers.SeparableConv2D(channels, 3, strides=2, padding="same", activation="relu")(x)
        sides.append(x)
    encoder = keras.Model(image, sides, name="encoder")
    inputs = keras.Input((height, width, 3))
    *sides, x = encoder(layers.Rescaling(2.0, -1.0)(inputs))
    for side in sides[::-1]:
        x = layers.Concatenate()([layers.UpSampling2D()(x), side])
        x = layers.Conv2D(16, 3, padding="same", activation="relu")(x)
    return keras.Model(inputs, layers.Conv2DTranspose(1, 2, 2)(x))


def subclassed(height, width):
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = network(height, width)

        def call(self, x, training=False):
            return self.inner(x, training=training)

    net = Net()
    net(np.zeros((1, height, width, 3)))
    return net


def frozen(image, logits):
    model = keras.Model(image, logits)
    model.layers[1].trainable = False
    return model


NETWORKS = [
    ("network: no model", {"finish": lambda image, logits: logits}),
    ("network: momentum", {"norm": layers.BatchNormalization}),
    ("network: frozen", {"finish": frozen}),
    ("network: small output", {"decoded": 3}),
    ("network: classes", {"head": lambda x: layers.Conv2D(2, 1)(x)}),
    ("network: output", {"head": lambda x: layers.Reshape(x.shape[1:3])(layers.Conv2D(1, 1)(x))}),
    ("network: outputs", {"finish": lambda image, z: keras.Model(image, [z, ops.sigmoid(z)])}),
    ("network: softmax", {"head": layers.Conv2D(1, 1, activation="softmax")}),
    ("network: sigmoid", {"head": lambda x: layers.Conv2D(1, 1, activation="sigmoid")(x)}),
    ("network: relu", {"head": lambda x: layers.Conv2D(1, 1, activation="relu")(x)}),
    ("network: no skips", {"skip": lambda x, side: x}),
    ("network: blind", {"head": lambda x: layers.Conv2D(1, 1)(ops.stop_gradient(x))}),
    ("network: blind", {"head": lambda x: ops.round(layers.Conv2D(1, 1)(x))}),
    ("network: narrow view", {"filters": (8, 8)}),
    ("network: dead weights", {"bottom": ops.stop_gradient}),
]


def sequential(height, width):
    """Without a way around, as a chain of layers must be."""
    down = [layers.Conv2D(16, 3, 2, padding="same", activation="relu") for _ in range(4)]
    up = [layers.Conv2DTranspose(16, 3, 2, padding="same", activation="relu") for _ in range(4)]
    return keras.Sequential([keras.Input((height, width, 3)), *down, *up, layers.Conv2D(1, 1)])


def with_sizes(height, width):
    return network(192, 256)


def of_one_size(height, width):
    """A bottleneck that sees everything through a Dense layer, whose weights count positions."""

    def dense(x):
        flat = layers.Dense(x.shape[1] * x.shape[2])(layers.Flatten()(x))
        return layers.Multiply()([x, layers.Reshape((*x.shape[1:3], 1))(flat)])

    return network(height, width, bottom=dense)


# --- 5. person_loss -----------------------------------------------------------------------------


def total(x):
    return ops.sum(x, axis=(1, 2, 3))


def soft_dice(mask, p, smooth=1.0):
    return (2 * total(mask * p) + smooth) / (total(mask) + total(p) + smooth)


def clipped_log_and_dice(mask, logits):
    """Cross-entropy by hand, kept away from the logarithm of 0; Dice of the whole batch."""
    p = ops.clip(ops.sigmoid(logits), 1e-6, 1 - 1e-6)
    return ops.mean(log_by_hand(mask, p)) + keras.losses.Dice()(mask, p)


def weighted_bce(mask, logits):
    """TensorFlow's, with the person ten times as heavy, one number for the batch."""
    return tf.reduce_mean(tf.nn.weighted_cross_entropy_with_logits(mask, logits, 10.0))


def focal_and_dice(mask, logits):
    focal = keras.losses.BinaryFocalCrossentropy(from_logits=True)
    return focal(mask, logits) + 1 - soft_dice(mask, ops.sigmoid(logits))


def tversky(mask, logits):
    p = ops.sigmoid(logits)
    hit = total(mask * p)
    missed, false = total(mask * (1 - p)), total((1 - mask) * p)
    return 1 - (hit + 1e-3) / (hit + 0.7 * missed + 0.3 * false + 1e-3)


def negative_dice(mask, logits):
    return -soft_dice(mask, ops.sigmoid(logits), smooth=1e-6)


def log_iou(mask, logits):
    p = ops.sigmoid(logits)
    both = total(mask * p)
    return -ops.log((both + 1) / (total(mask) + total(p) - both + 1))


def balanced_bce(mask, logits):
    """Person and background weigh half each, whatever their areas."""
    cost = ops.binary_crossentropy(mask, logits, from_logits=True)
    person, other = total(mask), total(1 - mask)
    return total(cost * mask) / (person + 1) + total(cost * (1 - mask)) / (other + 1)


def bce(mask, p, from_logits=False):
    return ops.mean(ops.binary_crossentropy(mask, p, from_logits=from_logits), axis=(1, 2, 3))


def log_by_hand(mask, p):
    return -ops.mean(mask * ops.log(p) + (1 - mask) * ops.log(1 - p), axis=(1, 2, 3))


def weighted_by_area(mask, logits):
    cost = ops.binary_crossentropy(mask, logits, from_logits=True)
    return total(cost * mask) / total(mask) + total(cost * (1 - mask)) / total(1 - mask)


def with_numpy(mask, logits):
    return tf.constant(np.mean((np.asarray(logits) - np.asarray(mask)) ** 2, axis=(1, 2, 3)))


LOSSES = [
    ("loss: a number a pixel", lambda m, z: ops.binary_crossentropy(m, z, from_logits=True)),
    ("loss: shape", lambda m, z: ops.mean(bce_dice_loss(m, z)[:, None] * m[:, :, 0, 0])[None]),
    ("loss: log of negative", log_by_hand),
    ("loss: no gradient", lambda m, z: 1 - soft_dice(m, ops.cast(z > 0, "float32"))),
    ("loss: no gradient", with_numpy),
    ("loss: upside down", lambda m, z: soft_dice(m, ops.sigmoid(z))),
    ("loss: clipped", bce),
    ("loss: clipped", lambda m, z: bce(m, z) + dice_loss(m, z)),
    ("loss: raw logits", lambda m, z: 1 - soft_dice(m, z)),
    ("loss: swapped", lambda m, z: bce_dice_loss(z, m)),
    ("loss: swapped", lambda m, z: bce_loss(z, m)),
    ("loss: background ignored", lambda m, z: 1 - total(m * ops.sigmoid(z)) / (total(m) + 1)),
    ("loss: sigmoid twice", lambda m, z: 1 - soft_dice(m, ops.sigmoid(ops.sigmoid(z)))),
    ("loss: sigmoid twice", lambda m, z: bce_dice_loss(m, ops.sigmoid(z))),
    ("loss: sigmoid twice", lambda m, z: bce_loss(m, 1 / (1 + ops.exp(-z))) + dice_loss(m, z)),
    ("loss: empty mask cheap", bce_loss),
    ("loss: empty mask cheap", lambda m, z: 400 * bce_loss(m, z)),
    ("loss: empty frame", weighted_by_area),
    ("loss: empty frame", lambda m, z: 1 - soft_dice(m, ops.sigmoid(z), smooth=0)),
    ("loss: large logits", lambda m, z: log_by_hand(m, ops.sigmoid(z)) + dice_loss(m, z)),
]


# --- 6. judge -----------------------------------------------------------------------------------


def dice_iou(mask, found):
    row = score(mask, found)
    return row["dice"], row["iou"]


def cut_probability(logits, threshold):
    return 1 / (1 + np.exp(-logits)) > threshold


def cut_logits(logits, threshold):
    return logits > threshold


def judged(
    validation,
    test,
    of_frame=dice_iou,
    cut=cut_probability,
    use=None,
    tuned=lambda validation, test: validation,
    value=lambda frames, of_frame: np.mean([of_frame(*frame)[0] for frame in frames]),
    choose=lambda values: THRESHOLDS[int(np.argmax(values))],
    rows=lambda validation, test: test,
    row=sequence,
    mean=lambda frames, of_frame: tuple(np.mean([of_frame(*f[1:]) for f in frames], axis=0)),
    scored_at=lambda threshold: threshold,
    finish=lambda threshold, table: (threshold, table),
):
    """With the package's score, and probabilities."""
    frames = tuned(validation, test)
    values = [value([(m, cut(z, t)) for _, m, z in frames], of_frame) for t in THRESHOLDS]
    threshold = choose(values)
    grouped = {}
    for name, mask, logits in rows(validation, test):
        found = (use or cut)(logits, scored_at(threshold))
        grouped.setdefault(row(name), []).append((name, mask, found))
    return finish(threshold, {key: mean(frames, of_frame) for key, frames in grouped.items()})


def judged_by_loops(validation, test):
    """Plain loops, a smoothing constant too small to matter, lists for rows."""

    def both(mask, logits, threshold):
        found = logits > np.log(threshold) - np.log1p(-threshold)
        hit = np.logical_and(mask, found).sum()
        dice = (2 * hit + 1e-7) / (mask.sum() + found.sum() + 1e-7)
        return [dice, (hit + 1e-7) / (np.logical_or(mask, found).sum() + 1e-7)]

    best, threshold = -1, None
    for t in THRESHOLDS:
        mean = sum(both(mask, logits, t)[0] for _, mask, logits in validation) / len(validation)
        if mean > best:
            best, threshold = mean, float(t)
    frames = {}
    for name, mask, logits in test:
        frames[sequence(name)] = [*frames.get(sequence(name), []), both(mask, logits, threshold)]
    return threshold, {name: np.mean(rows, axis=0) for name, rows in sorted(frames.items())}


def plain_dice(mask, found):
    hit = (mask & found).sum()
    with np.errstate(invalid="ignore"):
        return 2 * hit / (mask.sum() + found.sum()), hit / (mask | found).sum()


def python_dice(mask, found):
    hit = int((mask & found).sum())
    return 2 * hit / int(mask.sum() + found.sum()), hit / int((mask | found).sum())


def zero_where_empty(mask, found):
    return dice_iou(mask, found) if mask.any() or found.any() else (0.0, 0.0)


def one_where_mask_is_empty(mask, found):
    return dice_iou(mask, found) if mask.any() else (1.0, 1.0)


def smoothed(mask, found):
    hit = (mask & found).sum()
    return (2 * hit + 1) / (mask.sum() + found.sum() + 1), (hit + 1) / ((mask | found).sum() + 1)


def pool(frames, of_frame):
    masks, found = (np.concatenate([f[i].ravel() for f in frames]) for i in (-2, -1))
    return dice_iou(masks[:, None], found[:, None])


def mean_of_cameras(frames, of_frame):
    cameras = {}
    for name, mask, found in frames:
        cameras.setdefault(name.split("_")[2], []).append(of_frame(mask, found))
    return np.mean([np.mean(rows, axis=0) for rows in cameras.values()], axis=0)


def mean_of_frames(frames, of_frame):
    return tuple(np.mean([of_frame(*frame[1:]) for frame in frames], axis=0))


def without_empty(frames, of_frame):
    return np.mean([of_frame(mask, found)[0] for mask, found in frames if mask.any()])


def tuned_by_sequence(validation, test):
    """The mean over sequences, where the docstring asks for the mean over frames."""

    def mean_dice(threshold):
        rows = {}
        for name, mask, logits in validation:
            dice = dice_iou(mask, cut_probability(logits, threshold))[0]
            rows.setdefault(sequence(name), []).append(dice)
        return np.mean([np.mean(row) for row in rows.values()])

    best = max(THRESHOLDS, key=mean_dice)
    return judged(validation, test, choose=lambda values: best)


def iou_of_mean(frames, of_frame):
    dice = np.mean([of_frame(mask, found)[0] for _, mask, found in frames])
    return dice, dice / (2 - dice)


def never_empty(frames, of_frame):
    rows = [of_frame(mask, found) for _, mask, found in frames]
    return np.nanmean(rows, axis=0) if not np.isnan(rows).all() else (0, 0)


SCORES = [
    ("scores: no dict", {"finish": lambda threshold, table: (threshold, list(table.values()))}),
    ("scores: by camera", {"row": lambda name: name.rsplit("_", 1)[0]}),
    ("scores: validation too", {"rows": lambda validation, test: validation + test}),
    ("scores: rows", {"row": lambda name: name.split("_")[0]}),
    ("scores: rows", {"row": alone}),
    ("scores: no pair", {"mean": lambda frames, of: np.mean([of(*f[1:])[0] for f in frames])}),
    ("scores: both empty", {"of_frame": plain_dice}),
    ("scores: both empty", {"of_frame": python_dice}),
    ("scores: both empty", {"of_frame": zero_where_empty}),
    ("scores: both empty", {"of_frame": plain_dice, "mean": never_empty}),
    ("scores: one empty", {"of_frame": one_where_mask_is_empty}),
    ("scores: exchanged", {"of_frame": lambda *masks: dice_iou(*masks)[::-1]}),
    ("scores: Dice as IoU", {"of_frame": lambda *masks: dice_iou(*masks)[:1] * 2}),
    ("scores: formula", {"of_frame": smoothed}),
    ("scores: formula", {"of_frame": lambda m, f: ((m == f).mean(), (m == f).mean())}),
    ("scores: pooled", {"mean": pool}),
    ("scores: mean of cameras", {"mean": mean_of_cameras}),
    ("scores: IoU of means", {"mean": iou_of_mean}),
    ("scores: means", {"mean": lambda f, of: np.median([of(*x[1:]) for x in f], axis=0)}),
    ("other parts", {"finish": lambda threshold, table: table}),
]
THRESHOLD = [
    ("threshold: not of the nine", {"choose": lambda values: int(np.argmax(values))}),
    ("threshold: not of the nine", {"choose": lambda v: np.log(1 / THRESHOLDS[np.argmax(v)] - 1)}),
    ("threshold: tuned on test", {"tuned": lambda validation, test: test}),
    ("threshold: tuned on test", {"tuned": lambda validation, test: validation + test}),
    ("threshold: IoU", {"value": lambda frames, of: np.mean([of(*f)[1] for f in frames])}),
    ("threshold: empty masks", {"of_frame": zero_where_empty}),
    ("threshold: empty masks", {"value": without_empty}),
    ("threshold: pooled", {"value": lambda frames, of_frame: pool(frames, of_frame)[0]}),
    ("threshold: on logits", {"cut": cut_logits}),
    ("threshold: one half", {"choose": lambda values: 0.5}),
    ("threshold: not the best", {"choose": lambda values: THRESHOLDS[int(np.argmin(values))]}),
    ("threshold: table on logits", {"use": cut_logits}),
    ("threshold: not used", {"scored_at": lambda threshold: 0.5}),
    ("threshold: scores", {"mean": pool}),
    ("threshold: scores", {"of_frame": smoothed}),
    ("threshold: scores", {"mean": lambda frames, of: mean_of_frames(frames, of)[::-1]}),
    ("threshold: not of the nine", {"finish": lambda threshold, table: ("half", table)}),
    ("threshold: not of the nine", {"finish": lambda threshold, table: ([threshold], table)}),
    ("scores: no dict", {"finish": lambda threshold, table: (table, threshold)}),
    ("scores: no pair", {"mean": lambda frames, of: [of(*f[1:]) for f in frames]}),
    ("scores: no pair", {"mean": lambda frames, of: [f[0] for f in frames][:2]}),
    ("scores: no pair", {"mean": lambda f, of: dict(zip(("dice", "iou"), mean_of_frames(f, of)))}),
    ("scores: both empty", {"of_frame": python_dice}),
]


# --- 8. compose ---------------------------------------------------------------------------------


def blend(
    image,
    probability,
    background,
    weight=lambda p: p,
    mix=lambda p, image, background: p * image + (1 - p) * background,
    finish=lambda picture: picture.astype(np.uint8),
):
    p = weight(np.repeat(probability[..., None], 3, axis=-1))
    return finish(mix(p, image, background))


def blend_with_pillow(image, probability, background):
    mask = Image.fromarray(np.round(probability * 255).astype(np.uint8))
    return np.asarray(Image.composite(Image.fromarray(image), Image.fromarray(background), mask))


def blend_sharper(image, probability, background):
    p = np.clip((probability.astype(float) - 0.5) * 3 + 0.5, 0, 1)[..., None]
    return (background + p * (image.astype(float) - background)).round().astype("uint8")


def in_place(image, probability, background):
    background[probability > 0.5] = image[probability > 0.5]
    return background


COMPOSED = [
    ("compose: no channel", {"mix": lambda p, i, b: p[..., 0] * i + (1 - p[..., 0]) * b}),
    ("compose: shape", {"finish": lambda picture: picture.astype(np.uint8)[..., 0]}),
    ("compose: no array", {"finish": lambda picture: Image.fromarray(picture.astype(np.uint8))}),
    ("compose: not uint8", {"finish": lambda picture: picture}),
    ("compose: not uint8", {"finish": lambda picture: picture / 255}),
    ("compose: black", {"finish": lambda picture: (picture / 255).astype(np.uint8)}),
    ("compose: exchanged", {"weight": lambda p: 1 - p}),
    ("compose: BGR", {"mix": lambda p, i, b: p * i[..., ::-1] + (1 - p) * b}),
    ("compose: shines through", {"mix": lambda p, image, b: p * image + b}),
    ("compose: no background", {"mix": lambda p, image, b: p * image}),
    ("compose: hard edge", {"weight": lambda p: p > 0.5, "mix": lambda p, i, b: np.where(p, i, b)}),
    ("compose: hard edge", {"weight": np.round}),
    ("compose: hard edge", {"weight": lambda p: np.where(p < 0.5, 0, p)}),
    ("compose: hard edge", {"weight": lambda p: np.where(p > 0.5, 1, p)}),
    ("compose: hard edge", {"weight": lambda p: 1 / (1 + np.exp(-60 * (p - 0.5)))}),
    ("compose: overflow", {"mix": lambda p, image, b: b + p * (image - b)}),
]


# --- the tests ----------------------------------------------------------------------------------

RIGHT = {
    "read_pairs": [
        read,
        read_with_tensorflow,
        read_with_numpy,
        partial(read, mask=smooth_cut_at_half),
    ],
    "split_sequences": [split, split_with_package, split_by_random_module],
    "make_batches": [
        batches,
        batches_with_layers,
        batches_one_by_one,
        partial(batches, augment=brighter),
        partial(batches, augment=smaller("nearest")),
    ],
    "build_network": [
        network,
        attention_unet,
        encoder_as_a_model,
        subclassed,
        lambda height, width: build_unet((height, width, 3)),
        lambda height, width: build_segnet((height, width, 3), filters=(16, 32, 64, 128)),
        lambda height, width: build_unet((None, None, 3), filters=(8, 16, 32), convolutions=2),
    ],
    "person_loss": [
        bce_dice_loss,
        dice_loss,
        weighted_bce,
        clipped_log_and_dice,
        focal_and_dice,
        tversky,
        negative_dice,
        log_iou,
        balanced_bce,
    ],
    "judge": [judged, judged_by_loops, partial(judged, use=cut_probability)],
    "compose": [
        blend,
        blend_with_pillow,
        blend_sharper,
        partial(blend, weight=np.square),
        partial(blend, weight=np.sqrt),
        partial(blend, weight=lambda p: p * p * (3 - 2 * p)),
    ],
}
MISTAKES = [
    *(("read_pairs", 0, key, partial(read, **wrong)) for key, wrong in READ),
    *(("split_sequences", 0, key, partial(split, **wrong)) for key, wrong in SPLIT),
    *(("make_batches", 0, key, partial(batches, **wrong)) for key, wrong in BATCHES),
    ("make_batches", 0, "batches: same augmentation", changed_once),
    ("make_batches", 0, "batches: same company", batched_before_shuffling),
    ("make_batches", 0, "batches: same company", partial(batched_before_shuffling, mix=True)),
    *(("build_network", 0, key, partial(network, **wrong)) for key, wrong in NETWORKS),
    ("build_network", 0, "network: width first", lambda height, width: network(width, height)),
    ("build_network", 0, "network: input", with_sizes),
    ("build_network", 0, "network: weights of one size", of_one_size),
    ("build_network", 0, "network: no skips", sequential),
    *(("person_loss", 0, key, wrong) for key, wrong in LOSSES),
    *(("judge", 0, key, partial(judged, **wrong)) for key, wrong in SCORES),
    *(("judge", 1, key, partial(judged, **wrong)) for key, wrong in THRESHOLD),
    ("judge", 1, "threshold: mean of sequences", tuned_by_sequence),
    *(("compose", 0, key, partial(blend, **wrong)) for key, wrong in COMPOSED),
    ("compose", 0, "compose: changed in place", in_place),
]


def label(value):
    """What pytest calls a parameter: an answer by its name, and by what it changes."""
    if isinstance(value, partial):
        return "-".join([value.func.__name__, *value.keywords])
    return getattr(value, "__name__", str(value)).strip("<>")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("task", CHECKS)
def test_the_solution_passes(task, seed, capsys):
    answer = solutions()[task]
    capsys.readouterr()
    for check in CHECKS[task]:
        check(answer, seed=seed)
        assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "task, answer", [(task, answer) for task in RIGHT for answer in RIGHT[task]], ids=label
)
def test_another_right_answer_passes(task, answer, seed):
    for check in CHECKS[task]:
        check(answer, seed=seed)


@pytest.mark.filterwarnings("ignore:.*(softmax over axis|from_logits=True):UserWarning")
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("task, number, key, answer", MISTAKES, ids=label)
def test_a_mistake_gets_its_hint(task, number, key, answer, seed):
    with pytest.raises(checks.Hint) as caught:
        CHECKS[task][number](answer, seed=seed)
    assert caught.value.key == key, caught.value


def test_every_hint_has_been_given():
    assert {key for _, _, key, _ in MISTAKES} == set(HINTS)


@pytest.mark.parametrize("task", CHECKS)
def test_an_empty_stub_stays_not_implemented(task):
    def stub(*arguments, **options):
        raise NotImplementedError

    for check in CHECKS[task]:
        with pytest.raises(NotImplementedError):
            check(stub)


def test_an_empty_stub_is_one_line_in_a_notebook():
    def read_pairs(*arguments):
        raise NotImplementedError

    with pytest.raises(NotImplementedError) as caught:
        checks.check_read_pairs(read_pairs)
    assert caught.type is NotImplementedError and not caught.value.args
    said = "Task 1 is still to be done: read_pairs raises NotImplementedError."
    assert caught.value._render_traceback_() == [said]


def test_a_hint_is_two_to_four_sentences():
    for hint in HINTS.values():
        text = " ".join(hint.split())
        sentences = re.split(r"(?<=[.?]) (?=[A-Z{])", text)
        assert 2 <= len(sentences) <= 4 and len(text.split()) <= 75, sentences


def test_a_notebook_shows_the_words_of_a_hint_and_the_error_behind_it():
    def judge(validation, test):
        return 1 / 0, {}

    with pytest.raises(checks.Hint) as caught:
        checks.check_threshold(judge)
    shown = "\n".join(caught.value._render_traceback_())
    assert "return 1 / 0, {}" in shown and "ZeroDivisionError" in shown
    assert shown.rstrip().splitlines()[-1] in str(caught.value)
    assert "checks.py" not in "\n".join(checks.Hint("compose: BGR")._render_traceback_())
