"""Training with Keras: losses on logits, Dice as the metric, and a recipe for small data sets.

BCE is binary cross-entropy. Dice is twice the area that two masks share, divided by the sum of
their areas.
"""

import contextlib
import dataclasses
import gc
import inspect
import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from tqdm import tqdm

import segmentation_tf.models  # noqa: F401  (it sets Keras to channels last)

# A saved model can then be loaded with its loss and its learning rate schedule.
register = keras.saving.register_keras_serializable("segmentation_tf")

Tensor = Any  # of Keras' backend: TensorFlow, PyTorch or JAX


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Image size, batch size and number of steps for which `train`'s defaults were chosen.

    Loss, optimizer and learning rate are the defaults of `train` and `make_optimizer`. We chose
    them and these numbers by 5-fold cross-validation on real cases of PH2, first on all 200 and
    then on 60. So the scores of this recipe on PH2 are too good, by an unknown amount.
    """

    size: int = 96  # pixels, height and width of the images
    batch_size: int = 8
    steps: int = 1500


RECIPE = Recipe()
# Below this, `train` warns. Networks that we trained on 8 drawn moles, with 3 or 4 seeds, had on 20
# others a Dice of .42 to .78 after 20 steps, .88 to .93 after 100, .90 to .94 after 200, and .92 to
# .94 after 600.
FEW_STEPS = 200


def train(
    model: keras.Model,
    train_data: tf.data.Dataset,
    validation_data: tf.data.Dataset | None = None,
    *,
    epochs: int | None = None,
    loss: Callable | None = None,
    metrics: Sequence[Callable | str] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: bool = True,
) -> keras.callbacks.History:
    """Compile and fit a model that returns logits.

    Validation uses the running average of the weights, and the model keeps this average. Ctrl-C,
    or Jupyter's stop button, ends the training after the current step and one more validation; the
    model then keeps the average with the lowest validation loss so far. A second Ctrl-C stops at
    once.

    Args:
        model: Trained in place, with the `tf.distribute` strategy it was built under, if any.
        train_data: Finite dataset of `(image, mask)` batches, as `make_dataset` makes it.
        validation_data: A dataset of the same kind, made without `training=True`.
        epochs: By default about as many as make `RECIPE.steps` steps, and at least one. So a small
            set gets as many steps as a large one.
        loss: Takes `(mask, logits)`. BCE / 2 + Jaccard loss by default, for masks of one channel.
        metrics: Functions like the loss, or Keras metrics. Dice by default, which is meant for one
            output channel.
        callbacks: More Keras callbacks, but none that sets the learning rate: it has a schedule. At
            the end of an epoch they see the running average of the
            weights, which was validated. So EarlyStopping and ModelCheckpoint keep that average.
        verbose: Print how many steps the training will make, a warning where they are too few to
            trust, and a line for each epoch, or about ten lines for a long training. If False,
            Ctrl-C also raises KeyboardInterrupt at the end, so that a loop of silent trainings
            does not go on with a half trained network.

    Returns:
        The Keras History: `loss` and each metric by epoch, as means over images at network size.

    Raises:
        TypeError: The data are no `tf.data.Dataset`.
        ValueError: The data are empty, infinite or of unknown length, or do not fit the model; the
            model has no trainable weights; `epochs` is below 1; or the default loss becomes
            negative, as it does with masks of 0 and 255, or is not a number.
    """
    _check_model(model, loss)
    if epochs is not None and (epochs < 1 or epochs % 1):
        raise ValueError(f"epochs is {epochs}; it must be a whole number, at least 1")
    steps_per_epoch = _count_batches(train_data, "train_data", model, loss)
    if validation_data is not None:
        _count_batches(validation_data, "validation_data", model, loss)
    if epochs is None:
        epochs = default_epochs(steps_per_epoch)
    metrics = [dice] if metrics is None else metrics
    # After a resumed training, BackupAndRestore leaves its first epoch in the model. The next
    # training would skip that many epochs.
    model._initial_epoch = None
    gc.collect()  # frees the graphs of earlier models, which are cycles of small objects
    with Interruption() as interruption:
        _compile(model, epochs * steps_per_epoch, loss or bce_jaccard_loss, metrics)
        watching = [ValidateAverage(), interruption]
        if loss is None:
            watching.append(RefuseImpossibleLoss())
        if verbose:
            print(describe_steps(epochs, steps_per_epoch))
            watching.append(Progress(epochs))
        history = model.fit(
            train_data.repeat(),  # one iterator for all epochs starts up only once
            validation_data=validation_data,
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            callbacks=[*watching, *callbacks],
            shuffle=False,  # the dataset shuffles
            verbose=0,
        )
    if interruption.asked and not verbose:
        raise KeyboardInterrupt
    return history


def _check_model(model, loss):
    """Refuse a model that cannot be trained, and warn of one that will hardly learn."""
    if not model.trainable_variables:
        raise ValueError(
            "the model has no trainable weights: unfreeze a layer, or build the model first, for "
            "example with keras.Input((96, 96, 3)) as the first layer of a Sequential"
        )
    if model.trainable_variables[0].dtype == "float16":
        warnings.warn(
            "the weights are float16, and small steps are lost in them. Call "
            'keras.config.set_floatx("float32") before you build the model, or correct floatx in '
            "~/.keras/keras.json",
            stacklevel=3,
        )
    shape = getattr(model, "output_shape", None)
    if loss is None and isinstance(shape, tuple) and shape[-1] != 1:
        raise ValueError(
            f"the model has {shape[-1]} output channels, and the default loss takes one: build it "
            "with classes=1, or give loss, and metrics=[] or your own"
        )
    activation = getattr(model.layers[-1], "activation", None) if model.layers else None
    if loss is None and activation in (keras.activations.sigmoid, keras.activations.softmax):
        raise ValueError(
            f"the model ends in a {activation.__name__}, and the default loss takes logits: leave "
            "the activation of its last layer out"
        )


def _count_batches(data, name, model, loss):
    """The number of batches in data that the model can be trained with."""
    if not isinstance(data, tf.data.Dataset):
        raise TypeError(
            f"{name} is a {type(data).__name__}; give a tf.data.Dataset of (image, mask) batches: "
            "make_dataset makes one of cases, and for two arrays there is "
            "tf.data.Dataset.from_tensor_slices((images / 255, masks)).batch(8)"
        )
    count = int(data.cardinality())
    if count <= 0:
        raise ValueError(f"{name} must be finite, of known length, and hold at least one batch")
    batch = data.element_spec
    if not isinstance(batch, tuple) or len(batch) < 2:
        raise ValueError(f"{name} must hold pairs (image, mask), and its elements are {batch}")
    if not getattr(getattr(batch[0], "dtype", tf.float32), "is_floating", True):
        raise ValueError(
            f"{name} has images of {batch[0].dtype.name}; make them float32 in [0, 1], for example "
            "by data.map(lambda image, mask: (tf.cast(image, tf.float32) / 255, mask))"
        )
    fits = [("images", batch[0], getattr(model, "input_shape", None))]
    if loss is None:  # other losses may take other targets
        fits.append(("masks", batch[1], getattr(model, "output_shape", None)))
    for part, spec, shape in fits:
        found = getattr(spec, "shape", None)
        if isinstance(shape, tuple) and not tf.TensorShape(shape).is_compatible_with(found):
            raise ValueError(
                f"{name} has batches of {part} of the shape {tuple(found)}, and the model needs "
                f"{shape}, where None is any number"
            )
    return count


def _compile(model, steps, loss, metrics):
    """Compile for a training of `steps`, under the strategy that the model was built under."""
    strategy = getattr(model, "distribute_strategy", None)  # only TensorFlow's models have one
    with strategy.scope() if strategy else contextlib.nullcontext():
        # For a bare function, Keras creates the metric's variables inside the graph. It then has
        # to trace the graph twice, which costs seconds.
        metrics = [
            keras.metrics.MeanMetricWrapper(metric, name=metric.__name__)
            if inspect.isfunction(metric)
            else metric
            for metric in metrics
        ]
        model.compile(
            make_optimizer(steps),
            loss,
            metrics=metrics,
            # XLA makes TensorFlow slower on a CPU: at 128 px, 37 ms a step instead of 29, and
            # seconds more at the start. JAX would run operation by operation without it.
            jit_compile=keras.backend.backend() == "jax",
        )
        model.optimizer.build(model.trainable_variables)  # its variables too come before the graph
    # Saved without loss, metrics and optimizer, the model loads where the course is not installed.
    # `train` compiles it again.
    model.get_compile_config = _no_config


def _no_config():
    return {}  # keras.models.clone_model fails on None


def default_epochs(steps_per_epoch: int) -> int:
    """The number of epochs that makes about `RECIPE.steps` steps, at least one."""
    return max(1, round(RECIPE.steps / steps_per_epoch))


def describe_steps(epochs: int, steps_per_epoch: int) -> str:
    """Say how many steps a training makes, and warn in a second line if they are few."""
    steps = epochs * steps_per_epoch
    said = f"{steps:,} steps: {epochs:,} epoch{'s' * (epochs > 1)} of {steps_per_epoch:,}"
    if steps >= FEW_STEPS:
        return said
    enough, usual = math.ceil(FEW_STEPS / steps_per_epoch), default_epochs(steps_per_epoch)
    return (
        f"{said}\nFewer than {FEW_STEPS} steps: the result depends on chance. Take at least "
        f"{enough} epochs; the usual {usual * steps_per_epoch:,} steps would be {usual:,} epochs."
    )


# --- optimizer


def make_optimizer(
    steps: int, learning_rate: float = 2e-3, weight_decay: float = 1e-3
) -> keras.optimizers.Optimizer:
    """Make AdamW with warm-up, cosine decay, and a running average of the weights.

    The rate rises for a twentieth of the steps and then falls as half a cosine. The average
    reaches back over about a sixteenth of the steps, which smooths out the noise of small batches.

    Args:
        steps: Steps of the whole training.
        learning_rate: The highest rate.
        weight_decay: Each step multiplies each weight by 1 - weight_decay * learning rate.
    """
    rate = WarmCosine(learning_rate, steps)
    return AveragingAdamW(rate, decay=weight_decay, average_momentum=max(0, 1 - 16 / steps))


@register
class AveragingAdamW(keras.optimizers.Optimizer):
    """AdamW on one long vector of all weights, with their running average.

    keras.optimizers.AdamW computes the same, except that it does not decay variables without a
    gradient. It needs some fifteen small operations for each of a network's thirty variables. On
    one long vector each operation runs once. So a training starts in less than half of the CPU
    time.

    Args:
        learning_rate: A schedule or a number.
        decay: Each step multiplies each weight by 1 - decay * learning rate.
        average_momentum: Share of the old average that stays in each step, in [0, 1).

    Source:
        I. Loshchilov, F. Hutter, arXiv:1711.05101 and arXiv:1608.03983; B. Polyak, A. Juditsky,
        "Acceleration of stochastic approximation by averaging", 1992.
    """

    MOMENTUM, VELOCITY_MOMENTUM, EPSILON = 0.9, 0.999, 1e-7

    def __init__(self, learning_rate, decay, average_momentum, name="adamw", **options):
        super().__init__(learning_rate, name=name, **options)
        self.decay, self.average_momentum = decay, average_momentum

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.places = np.cumsum([math.prod(v.shape) for v in variables]).tolist()
        self.momentum, self.velocity, self.average = (
            self.add_variable((self.places[-1],), dtype=variables[0].dtype, name=name)
            for name in ("momentum", "velocity", "average")
        )
        # 1 while the model holds the average and `average` holds the last step's weights. It is
        # a variable so that a backup keeps it.
        self.swapped = self.add_variable((), dtype=variables[0].dtype, name="swapped")

    def _filter_empty_gradients(self, grads, variables):
        super()._filter_empty_gradients(grads, variables)  # warns of those without one
        filled = [ops.zeros_like(v) if g is None else g for g, v in zip(grads, variables)]
        return filled, variables

    def _backend_update_step(self, grads, variables, learning_rate):
        # TensorFlow's version adds up the gradients of several devices. It also keeps the graph of
        # the step forever, about 25 MB for each training, so one device goes without it.
        if keras.backend.backend() == "tensorflow" and tf.distribute.has_strategy():
            return super()._backend_update_step(grads, variables, learning_rate)
        self._update(grads, variables, learning_rate)

    def _distributed_tf_update_step(self, strategy, grads_and_vars, learning_rate):
        grads, variables = zip(*grads_and_vars, strict=True)

        def update(momentum, grads, learning_rate):
            self._update(grads, variables, learning_rate)

        strategy.extended.update(
            self.momentum.value, update, args=(grads, learning_rate), group=False
        )

    def _update(self, grads, variables, rate):
        gradient, weights = _as_vector(grads), _as_vector(variables)
        step, rate = (ops.cast(x, weights.dtype) for x in (self.iterations + 1, rate))
        momentum = self.momentum + (1 - self.MOMENTUM) * (gradient - self.momentum)
        velocity = self.velocity + (1 - self.VELOCITY_MOMENTUM) * (gradient**2 - self.velocity)
        # Both begin at zero; the two powers correct for that.
        pace = rate * ops.sqrt(1 - self.VELOCITY_MOMENTUM**step) / (1 - self.MOMENTUM**step)
        weights -= rate * self.decay * weights
        weights -= pace * momentum / (ops.sqrt(velocity) + self.EPSILON)
        kept = ops.where(step > 1, self.average_momentum, 0.0)
        self.average.assign(weights + kept * (self.average - weights))
        self.momentum.assign(momentum)
        self.velocity.assign(velocity)
        self._set(variables, weights)

    def _set(self, variables, vector):
        if len(variables) != len(self.places):
            raise ValueError("layers were frozen or unfrozen since compile: compile again")
        for variable, part in zip(variables, ops.split(vector, self.places[:-1]), strict=True):
            variable.assign(ops.reshape(part, variable.shape))

    def show_average(self, variables: Sequence[keras.Variable], shown: bool = True) -> None:
        """Let a model hold the running average of its weights, `variables`, or not any more."""
        if self.built and bool(ops.convert_to_numpy(self.swapped)) != shown:
            weights = _as_vector(variables)
            self._set(variables, ops.convert_to_tensor(self.average))
            self.average.assign(weights)
            self.swapped.assign(float(shown))

    def finalize_variable_values(self, variables):
        """Leave the average in the model; Keras calls this at the end of `fit`."""
        self.show_average(variables)
        self.average.assign(_as_vector(variables))
        self.swapped.assign(0.0)

    def get_config(self) -> dict:
        own = {"decay": self.decay, "average_momentum": self.average_momentum}
        return {**super().get_config(), **own}


def _as_vector(tensors):
    return ops.concatenate([ops.reshape(tensor, (-1,)) for tensor in tensors])


@register
class WarmCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate with warm-up and cosine decay, as one formula.

    keras.optimizers.schedules.CosineDecay gives the same rates. It chooses between its two parts
    by a condition that is traced once for each variable. With it, the start of a training takes
    about one CPU second more.
    """

    def __init__(self, peak: float, steps: int):
        self.peak, self.steps = peak, steps
        self.warm_up = max(1, steps // 20)

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rise = ops.minimum((1 + 19 * step / self.warm_up) / 20, 1.0)
        fallen = ops.clip((step - self.warm_up) / (self.steps - self.warm_up + 1e-9), 0.0, 1.0)
        return self.peak * rise * (1 + ops.cos(math.pi * fallen)) / 2

    def get_config(self) -> dict:
        return {"peak": self.peak, "steps": self.steps}


# --- losses and metrics, for masks and logits of shape `(N, H, W, 1)`


@register
def bce_loss(mask: Tensor, logits: Tensor) -> Tensor:
    """Binary cross-entropy on logits, as the mean over the pixels of each image: `(N,)`."""
    return ops.mean(ops.binary_crossentropy(mask, logits, from_logits=True), axis=(1, 2, 3))


@register
def dice_loss(mask: Tensor, logits: Tensor) -> Tensor:
    """One minus Dice of each image, `(N,)`, with probabilities in place of a predicted mask.

    Source:
        After F. Milletari, N. Navab, S.-A. Ahmadi, "V-Net", 3DV 2016, arXiv:1606.04797, who sum
        squares in the denominator.
    """
    return 1 - _soft_dice(mask, ops.sigmoid(logits))


@register
def jaccard_loss(mask: Tensor, logits: Tensor) -> Tensor:
    """One minus IoU of each image, `(N,)`, with probabilities in place of a predicted mask.

    Source:
        M. A. Rahman, Y. Wang, "Optimizing intersection-over-union in deep neural networks for
        image segmentation", ISVC 2016.
    """
    both = _soft_dice(mask, ops.sigmoid(logits))
    return 1 - both / (2 - both)  # IoU as a function of Dice


@register
def bce_jaccard_loss(mask: Tensor, logits: Tensor) -> Tensor:
    """Half of BCE, which sees each pixel, plus Jaccard loss, which sees the whole: `(N,)`."""
    return bce_loss(mask, logits) / 2 + jaccard_loss(mask, logits)


@register
def bce_dice_loss(mask: Tensor, logits: Tensor) -> Tensor:
    """BCE, which looks at each pixel, plus Dice loss, which looks at the whole: `(N,)`."""
    return bce_loss(mask, logits) + dice_loss(mask, logits)


@register
def dice(mask: Tensor, logits: Tensor) -> Tensor:
    """Dice of each image, `(N,)` in [0, 1], for the mask of all logits above 0.

    One is added above and below the line, so it is a little higher than `evaluation.score`'s Dice.
    """
    return _soft_dice(mask, ops.cast(logits > 0, mask.dtype))


def _soft_dice(a, b):
    # The added 1 makes Dice of two empty masks 1, and keeps the gradient finite.
    both = ops.sum(a * b, axis=(1, 2, 3))
    return (2 * both + 1) / (ops.sum(a, axis=(1, 2, 3)) + ops.sum(b, axis=(1, 2, 3)) + 1)


# --- callbacks


class ValidateAverage(keras.callbacks.Callback):
    """Puts the average of the weights into the model from an epoch's last step to the next.

    So the validation, and callbacks that come after this one, meet the average, and not the weights
    after the last step.
    """

    def on_epoch_begin(self, epoch, logs=None):
        self._show_average(False)

    def on_test_begin(self, logs=None):
        self._show_average(True)

    def on_epoch_end(self, epoch, logs=None):
        self._show_average(True)

    def _show_average(self, shown):
        optimizer = self.model.optimizer
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # mixed precision wraps it
        optimizer.show_average(self.model.trainable_variables, shown)


class RefuseImpossibleLoss(keras.callbacks.Callback):
    """Ends a training if the default loss is not a number or is below 0."""

    def on_epoch_end(self, epoch, logs=None):
        for name in {"loss", "val_loss"} & logs.keys():
            if math.isnan(logs[name]):
                raise ValueError(f"{name} is not a number: look for NaN in images and masks")
            if logs[name] < 0:
                raise ValueError(
                    f"{name} is {logs[name]:.3g}. Below 0 means that masks hold values above 1: "
                    "divide masks of 0 and 255 by 255"
                )


class Progress(keras.callbacks.Callback):
    """Prints a line for each epoch, or about ten for a long training, and in between the step.

    The step and the time left stand in a line that the next one overwrites.
    """

    def __init__(self, epochs: int, lines: int = 10):
        super().__init__()
        self.epochs, self.every = epochs, max(1, round(epochs / lines))

    def on_train_begin(self, logs=None):
        self.start = self.shown = time.perf_counter()
        self.step, self.epoch, self.status = 0, 0, ""
        self.steps = self.params["steps"] * self.params["epochs"]

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        now = time.perf_counter()
        if self.step == 1:
            self.first = now  # the first step takes long: it compiles the network
        if now < self.shown + 1 or self.step < 5:
            return
        self.shown = now
        left = (now - self.first) / (self.step - 1) * (self.steps - self.step)
        self.status = f"epoch {self.epoch + 1:>3}/{self.epochs}  step {batch + 1}/"
        self.status += f"{self.params['steps']}  about {left:.0f} s left".ljust(25)
        print(f"\r{self.status}", end="", flush=True)

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every and epoch not in (0, self.epochs - 1):
            return
        shown = "  ".join(f"{name} {value:.3f}" for name, value in logs.items())
        seconds = time.perf_counter() - self.start
        line = f"epoch {epoch + 1:>3}/{self.epochs}  {shown}  after {seconds:.0f} s"
        print("\r" * bool(self.status) + line.ljust(len(self.status)))
        self.status = ""


class StepBar(keras.callbacks.Callback):
    """Shows on stderr how many steps are done, and the time left. For a command, not a notebook."""

    def on_train_begin(self, logs=None):
        steps = self.params["epochs"] * self.params["steps"]
        self.bar = tqdm(total=steps, desc="training", unit="step", mininterval=0.5)

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update()

    def on_train_end(self, logs=None):
        self.bar.close()


class Interruption(keras.callbacks.Callback):
    """Lets Ctrl-C end a training after the current step and one more validation.

    It is a context manager around `fit` and one of its callbacks. The weights with the lowest
    validation loss stay; without a validation, those that `fit` leaves. A second Ctrl-C stops at
    once. Nothing changes outside of the main thread, or where Python does not handle Ctrl-C.
    """

    def __enter__(self):
        self.asked, self.epoch = False, 0
        self.lowest, self.weights = float("inf"), None
        self.before = signal.getsignal(signal.SIGINT)
        in_main_thread = threading.current_thread() is threading.main_thread()
        self.installed = in_main_thread and callable(self.before)
        if self.installed:
            signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *error):
        if self.installed:
            signal.signal(signal.SIGINT, self.before)
        if not self.asked or any(error):
            return
        kept = "without a validation, the weights are their running average up to the last step"
        if self.weights is not None:
            self.model.set_weights(self.weights)
            kept = f"the weights are those of epoch {self.best}, val_loss {self.lowest:.3f}"
        print(f"stopped in epoch {self.epoch}; {kept}")

    def _ask(self, number, frame):
        self.asked = True
        signal.signal(signal.SIGINT, self.before)
        with contextlib.suppress(RuntimeError):  # in the middle of another print
            words = "stopping after this step; Ctrl-C once more stops at once"
            print("\r" + words.ljust(70), flush=True)  # over the line with the time left

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch + 1

    def on_train_batch_end(self, batch, logs=None):
        self._stop_if_asked()

    def on_epoch_end(self, epoch, logs=None):
        self._stop_if_asked()

    def on_test_end(self, logs=None):
        if logs["loss"] < self.lowest:
            self.best, self.lowest = self.epoch, logs["loss"]
            self.weights = self.model.get_weights()

    def _stop_if_asked(self):
        if self.asked:
            self.model.stop_training = True
