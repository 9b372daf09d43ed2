"""Training with Keras: losses on logits, Dice as the metric, and a recipe for small data sets."""

import contextlib
import math
import signal
import threading
import time

import keras
from keras import ops

# So that a trained model can be saved and loaded with its loss.
register = keras.saving.register_keras_serializable("segmentation_tf")

STEPS = 900  # of train's recipe: with batches of 8 at 128 px, under two minutes on two cores


def train(
    model,
    train_data,
    validation_data=None,
    loss=None,
    epochs=None,
    learning_rate=4e-3,
    weight_decay=1e-3,
    metrics=None,
    verbose=True,
    callbacks=(),
):
    """Compile and fit a model that returns logits; return the Keras `History`.

    `train_data`, `validation_data`: finite datasets of `(image, mask)` batches.
    `loss` takes `(mask, logits)`; by default BCE + Dice. `epochs`: by default as many as make
    STEPS steps, so that a small set is trained as long as a large one. `metrics`: a list of
    functions like the loss, by default Dice of one class; [] for none. `callbacks`: more of
    Keras' callbacks; at the end of an epoch they meet the weights of its last step.
    A model built in the scope of a `tf.distribute` strategy is trained by that strategy.

    Ctrl-C, or Jupyter's stop button, ends the training after the step it is in and a validation,
    with the weights of the best epoch so far by the validation's loss; a second one interrupts at
    once. No error is raised, but for trainings that are not `verbose`: those stand in loops, and
    comparisons, which must not go on with half of it.

    The history holds `loss` and each metric, per image and at network size; those of the
    validation, and the weights that stay, belong to the running average of the weights.
    """
    steps_an_epoch = int(train_data.cardinality())
    if steps_an_epoch <= 0:
        raise ValueError("train_data must be finite and hold at least one batch")
    if epochs is None:
        epochs = default_epochs(steps_an_epoch)
    with Interruption() as interruption:
        optimizer = epochs * steps_an_epoch, learning_rate, weight_decay
        _compile(model, optimizer, loss or bce_dice_loss, [dice] if metrics is None else metrics)
        # The first meets the averages before they are swapped out again.
        watching = [interruption, keras.callbacks.SwapEMAWeights()]
        if verbose:
            watching.append(Progress(epochs))
        history = model.fit(
            train_data.repeat(),  # one iterator for all epochs, which starts up only once
            validation_data=validation_data,
            epochs=epochs,
            steps_per_epoch=steps_an_epoch,
            callbacks=[*watching, *callbacks],
            shuffle=False,  # the dataset shuffles itself
            verbose=0,
        )
    if interruption.asked and not verbose:
        raise KeyboardInterrupt
    return history


def _compile(model, optimizer, loss, metrics):
    """Compile in the scope of the strategy that the model was built in.

    `optimizer`: arguments of `make_optimizer`, whose state belongs into that scope, too.
    """
    strategy = getattr(model, "distribute_strategy", None)  # of models on TensorFlow alone
    with strategy.scope() if strategy else contextlib.nullcontext():
        model.compile(
            make_optimizer(*optimizer),
            loss,
            metrics=metrics,
            # XLA gains nothing on a CPU with TensorFlow and takes 20 s to compile; JAX needs it.
            jit_compile=keras.backend.backend() == "jax",
        )
        # Made here, the optimizer's state need not be made while the graph is traced, which would
        # have to be traced twice.
        model.optimizer.build(model.trainable_variables)


def default_epochs(steps_an_epoch):
    """As many epochs as make about STEPS steps."""
    return max(1, round(STEPS / steps_an_epoch))


def make_optimizer(steps, learning_rate=4e-3, weight_decay=1e-3):
    """AdamW for a run of `steps`: warm-up, cosine decay, and a running average of the weights.

    The rate rises for a twentieth of the steps and falls as half a cosine. The average reaches
    back over about a sixteenth of them, which smooths out the noise of small batches.
    Sources: I. Loshchilov, F. Hutter, arXiv:1711.05101 and arXiv:1608.03983; B. Polyak,
    A. Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
    """
    return keras.optimizers.AdamW(
        WarmCosine(learning_rate, steps),
        weight_decay=weight_decay,
        use_ema=True,
        ema_momentum=max(0, 1 - 16 / steps),
    )


@register
class WarmCosine(keras.optimizers.schedules.LearningRateSchedule):
    """The rate of `make_optimizer`, as one formula.

    Keras' CosineDecay gives the same rates, but chooses between its two parts by a condition
    that is built anew for every variable, which makes the start of a training seconds longer.
    """

    def __init__(self, peak, steps):
        self.peak, self.steps = peak, steps
        self.warm_up = max(1, steps // 20)

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rise = ops.minimum((1 + 19 * step / self.warm_up) / 20, 1.0)
        fallen = ops.clip((step - self.warm_up) / (self.steps - self.warm_up + 1e-9), 0.0, 1.0)
        return self.peak * rise * (1 + ops.cos(math.pi * fallen)) / 2

    def get_config(self):
        return {"peak": self.peak, "steps": self.steps}


@register
def bce_loss(mask, logits):
    """Binary cross-entropy on logits, averaged over pixels: `(N, H, W, 1)` in, `(N,)` out."""
    return ops.mean(ops.binary_crossentropy(mask, logits, from_logits=True), axis=(1, 2, 3))


@register
def dice_loss(mask, logits):
    """1 - Dice with probabilities in place of the predicted mask, an image: `(N,)` out.

    Source: F. Milletari, N. Navab, S.-A. Ahmadi, "V-Net", 3DV 2016, arXiv:1606.04797.
    """
    return 1 - _overlap(mask, ops.sigmoid(logits))


@register
def bce_dice_loss(mask, logits):
    """BCE (right pixel by pixel) plus Dice loss (right as a whole), an image: `(N,)` out."""
    return bce_loss(mask, logits) + dice_loss(mask, logits)


@register
def dice(mask, logits):
    """Dice of the thresholded prediction, an image: `(N,)` in [0, 1]. A logit's threshold is 0."""
    return _overlap(mask, ops.cast(logits > 0, mask.dtype))


def _overlap(a, b):
    # The added pixel keeps two empty masks at 1 and the gradient finite.
    both = ops.sum(a * b, axis=(1, 2, 3))
    return (2 * both + 1) / (ops.sum(a, axis=(1, 2, 3)) + ops.sum(b, axis=(1, 2, 3)) + 1)


# --- callbacks


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


class Interruption(keras.callbacks.Callback):
    """Around `fit`: Ctrl-C ends the training after the step it is in, and the validation after it.

    The weights that stay are then the best of those that were validated; without a validation,
    those that `fit` leaves. A second Ctrl-C interrupts at once. Outside of the main thread, and
    where Ctrl-C is ignored already, nothing changes.
    """

    def __enter__(self):
        self.asked, self.lowest, self.weights = False, float("inf"), None
        self.before = signal.getsignal(signal.SIGINT)
        self.installed = threading.current_thread() is threading.main_thread()
        self.installed &= callable(self.before)
        if self.installed:
            signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *error):
        if self.installed:
            signal.signal(signal.SIGINT, self.before)
        if not self.asked or any(error):
            return
        kept = "without a validation, the weights are those of the last step"
        if self.weights is not None:
            self.model.set_weights(self.weights)
            kept = f"the weights are those of epoch {self.best}, val_loss {self.lowest:.3f}"
        print(f"stopped in epoch {self.epoch}; {kept}")

    def _ask(self, number, frame):
        self.asked = True
        signal.signal(signal.SIGINT, self.before)
        with contextlib.suppress(RuntimeError):  # in the middle of another print
            print("stopping after this step; once more interrupts at once", flush=True)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch + 1

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training |= self.asked

    def on_test_end(self, logs=None):
        if logs["loss"] < self.lowest:
            self.best, self.lowest = self.epoch, logs["loss"]
            self.weights = self.model.get_weights()

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training |= self.asked
