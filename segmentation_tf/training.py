"""Training with Keras: losses on logits, Dice as the metric, and a recipe for small data sets."""

import time

import keras
from keras import ops


def train(
    model,
    train_data,
    validation_data=None,
    loss=None,
    epochs=None,
    learning_rate=4e-3,
    weight_decay=1e-3,
    ema_momentum=0.98,
    verbose=True,
):
    """Compile and fit a model that returns logits; return the Keras `History`.

    `train_data`, `validation_data`: finite datasets of `(image, mask)` batches.
    `loss` takes `(mask, logits)`; by default BCE + Dice. `epochs`: by default as many as make
    about STEPS steps, so that a small set is trained as long as a large one.
    The learning rate rises for a twentieth of the steps and falls as a cosine (I. Loshchilov,
    F. Hutter, arXiv:1608.03983); validation and the final weights use a running average of the
    weights (B. Polyak, A. Juditsky, 1992). The history holds `dice`, per image, at network size.
    """
    steps_an_epoch = int(train_data.cardinality())
    if steps_an_epoch <= 0:
        raise ValueError("train_data must be finite and hold at least one batch")
    epochs = epochs or max(1, round(STEPS / steps_an_epoch))
    model.compile(
        optimizer=make_optimizer(
            epochs * steps_an_epoch, learning_rate, weight_decay, ema_momentum
        ),
        loss=loss or bce_dice_loss,
        metrics=[dice],
        # XLA gains nothing on a CPU with TensorFlow and takes 20 s to compile; JAX needs it.
        jit_compile=keras.backend.backend() == "jax",
    )
    callbacks = [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)]
    if verbose:
        callbacks.append(Progress(epochs))
    return model.fit(
        train_data,
        validation_data=validation_data,
        epochs=epochs,
        callbacks=callbacks,
        shuffle=False,  # the dataset shuffles itself
        verbose=0,
    )


STEPS = 800


def make_optimizer(steps, learning_rate=4e-3, weight_decay=1e-3, ema_momentum=0.98):
    """AdamW with warm-up, cosine decay over `steps` and a running average of the weights."""
    warm_up = max(1, steps // 20)
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate / 20, steps - warm_up, warmup_target=learning_rate, warmup_steps=warm_up
    )
    return keras.optimizers.AdamW(
        schedule, weight_decay=weight_decay, use_ema=True, ema_momentum=ema_momentum
    )


def bce_loss(mask, logits):
    """Binary cross-entropy on logits, averaged over pixels: `(N, H, W, 1)` in, `(N,)` out."""
    return ops.mean(ops.binary_crossentropy(mask, logits, from_logits=True), axis=(1, 2, 3))


def dice_loss(mask, logits):
    """1 - Dice with probabilities in place of the predicted mask, an image: `(N,)` out.

    Source: F. Milletari, N. Navab, S.-A. Ahmadi, "V-Net", 3DV 2016, arXiv:1606.04797.
    """
    return 1 - _overlap(mask, ops.sigmoid(logits))


def bce_dice_loss(mask, logits):
    """BCE (right pixel by pixel) plus Dice loss (right as a whole), an image: `(N,)` out."""
    return bce_loss(mask, logits) + dice_loss(mask, logits)


def dice(mask, logits):
    """Dice of the thresholded prediction, an image: `(N,)` in [0, 1]. A logit's threshold is 0."""
    return _overlap(mask, ops.cast(logits > 0, mask.dtype))


def _overlap(a, b):
    # The added pixel keeps two empty masks at 1 and the gradient finite.
    both = ops.sum(a * b, axis=(1, 2, 3))
    return (2 * both + 1) / (ops.sum(a, axis=(1, 2, 3)) + ops.sum(b, axis=(1, 2, 3)) + 1)


class Progress(keras.callbacks.Callback):
    """Prints about ten lines in a training run, whatever the number of epochs."""

    def __init__(self, epochs, lines=10):
        super().__init__()
        self.epochs, self.every = epochs, max(1, round(epochs / lines))

    def on_train_begin(self, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every and epoch not in (0, self.epochs - 1):
            return
        shown = "  ".join(f"{name} {value:.3f}" for name, value in logs.items())
        seconds = time.perf_counter() - self.start
        print(f"epoch {epoch + 1:>3}/{self.epochs}  {shown}  {seconds:4.0f} s")
