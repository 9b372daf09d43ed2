"""Losses against numbers worked by hand, and a training run that learns."""

import contextlib
import io
import itertools
import os
import subprocess
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from ph2_tree import write_ph2
from segmentation_tf import training
from segmentation_tf.datasets import ph2
from segmentation_tf.models import build_unet
from segmentation_tf.pipeline import make_dataset
from segmentation_tf.training import (
    FEW_STEPS,
    RECIPE,
    AveragingAdamW,
    WarmCosine,
    bce_dice_loss,
    bce_jaccard_loss,
    bce_loss,
    default_epochs,
    describe_steps,
    dice,
    dice_loss,
    jaccard_loss,
    make_optimizer,
    train,
)

MASK = np.array([[1, 1], [0, 0]], "float32").reshape(1, 2, 2, 1)
LOGITS = np.array([[2, -1], [-3, 0.5]], "float32").reshape(1, 2, 2, 1)


def by_hand():
    probabilities = 1 / (1 + np.exp(-LOGITS))
    return np.where(MASK == 1, -np.log(probabilities), -np.log(1 - probabilities)).mean()


def test_bce_is_the_mean_log_loss_and_keras_agrees():
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    assert float(bce_loss(MASK, LOGITS)[0]) == pytest.approx(by_hand(), rel=1e-5)
    assert float(loss(MASK, LOGITS)) == pytest.approx(by_hand(), rel=1e-5)


def test_dice_loss_of_certain_predictions():
    certain = np.where(MASK == 1, 40, -40).astype("float32")
    assert float(dice_loss(MASK, certain)[0]) == pytest.approx(0, abs=1e-6)
    assert float(dice_loss(MASK, -certain)[0]) == pytest.approx(1 - 1 / 5, abs=1e-6)
    total = bce_loss(MASK, LOGITS) + dice_loss(MASK, LOGITS)
    assert float(bce_dice_loss(MASK, LOGITS)[0]) == pytest.approx(float(total[0]))


def test_jaccard_loss_takes_probabilities_in_place_of_a_mask():
    probabilities = 1 / (1 + np.exp(-LOGITS))
    both = (MASK * probabilities).sum()
    either = MASK.sum() + probabilities.sum() - both
    # Each area of Dice's fraction has half of its added pixel: 1/2 of 2 * both, 1 of the sum.
    expected = 1 - (both + 1 / 2) / (either + 1 / 2)
    assert float(jaccard_loss(MASK, LOGITS)[0]) == pytest.approx(expected, rel=1e-5)
    total = bce_loss(MASK, LOGITS) / 2 + jaccard_loss(MASK, LOGITS)
    assert float(bce_jaccard_loss(MASK, LOGITS)[0]) == pytest.approx(float(total[0]))


def test_dice_loss_takes_probabilities_in_place_of_a_mask():
    probabilities = 1 / (1 + np.exp(-LOGITS))
    both = (MASK * probabilities).sum()
    expected = 1 - (2 * both + 1) / (MASK.sum() + probabilities.sum() + 1)
    assert float(dice_loss(MASK, LOGITS)[0]) == pytest.approx(expected, rel=1e-5)


def test_dice_thresholds_the_logit_at_zero():
    # One tp, one fn, one fp, and the added pixel: (2 * 1 + 1) / (2 + 2 + 1).
    assert float(dice(MASK, LOGITS)[0]) == pytest.approx(3 / 5)


def test_dice_is_per_image_and_two_empty_masks_agree():
    masks = np.zeros((2, 4, 4, 1), "float32")
    masks[0, :2] = 1
    logits = np.full((2, 4, 4, 1), -5, "float32")
    np.testing.assert_allclose(dice(masks, logits), [1 / 9, 1], rtol=1e-6)


def test_loss_is_finite_for_extreme_logits():
    for value in (-1e4, 0, 1e4):
        for loss in (bce_dice_loss, bce_jaccard_loss):
            assert np.isfinite(loss(MASK, np.full_like(LOGITS, value))).all()


def test_learning_rate_rises_and_falls():
    optimizer = make_optimizer(steps=100, learning_rate=0.01)
    rates = [float(optimizer._learning_rate(step)) for step in (0, 5, 50, 100)]
    assert rates[0] < 0.001 and rates[1] == pytest.approx(0.01) and rates[3] < 1e-6
    assert rates[1] > rates[2] > rates[3]


def test_optimizer_takes_the_steps_of_keras_adamw_and_averages_as_it_does():
    rng = np.random.default_rng(0)
    start = [rng.normal(size=shape).astype("float32") for shape in ((3, 2), (2,))]
    ours = AveragingAdamW(WarmCosine(0.02, 9), decay=0.1, average_momentum=0.7)
    other = keras.optimizers.AdamW(
        WarmCosine(0.02, 9), weight_decay=0.1, use_ema=True, ema_momentum=0.7
    )
    weights = [[keras.Variable(value) for value in start] for _ in (ours, other)]
    for _ in range(9):
        grads = [keras.ops.convert_to_tensor(rng.normal(size=v.shape), "float32") for v in start]
        for optimizer, variables in zip((ours, other), weights, strict=True):
            optimizer.apply_gradients(zip(grads, variables, strict=True))
    for what in ("weights after the last step", "average"):
        for a, b in zip(*weights, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6, err_msg=what)
        for optimizer, variables in zip((ours, other), weights, strict=True):
            optimizer.finalize_variable_values(variables)


def test_variable_without_a_gradient_keeps_its_value():
    used, unused = keras.Variable([1.0]), keras.Variable([2.0])
    optimizer = AveragingAdamW(0.1, decay=0, average_momentum=0.5)
    with pytest.warns(UserWarning, match="Gradients do not exist for variables"):
        optimizer.apply([keras.ops.ones(1), None], [used, unused])
    assert float(used[0]) < 1 and float(unused[0]) == 2


@pytest.mark.parametrize("steps", [1, 3, 40, 800])
def test_learning_rate_is_keras_cosine_decay_with_warm_up(steps):
    warm_up = max(1, steps // 20)
    keras_rate = keras.optimizers.schedules.CosineDecay(
        0.02 / 20, max(1, steps - warm_up), warmup_target=0.02, warmup_steps=warm_up
    )
    ours = WarmCosine(0.02, steps)
    for step in range(steps):
        assert float(ours(step)) == pytest.approx(float(keras_rate(step)), abs=1e-7)


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return ph2.load_cases(write_ph2(tmp_path_factory.mktemp("data") / "PH2Dataset", [0, 1, 2] * 4))


class Note(keras.callbacks.Callback):
    """Notes at which epochs it was called."""

    def __init__(self):
        super().__init__()
        self.epochs = []

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(epoch)


@pytest.fixture(scope="module")
def trained(cases):
    """A training of 30 epochs: its model, history, data, printed text, batches and callback."""
    keras.utils.set_random_seed(0)
    model, batches, note = build_unet((32, 32, 3), filters=(8, 16)), [], Note()

    def spy(images, masks):
        tf.py_function(lambda i: batches.append(i.numpy()), [images], [])
        return images, masks

    data = make_dataset(cases[:11], 32, 3, training=True).map(spy)
    validation_data = make_dataset(cases, 32, 4)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        history = train(model, data, validation_data, epochs=30, callbacks=[note])
    return SimpleNamespace(
        model=model,
        history=history,
        validation_data=validation_data,
        lines=printed.getvalue().splitlines(),
        batches=batches,
        note=note,
    )


def test_training_learns_and_reports(trained):
    history = trained.history.history
    assert isinstance(trained.history, keras.callbacks.History)
    assert set(history) == {"loss", "dice", "val_loss", "val_dice"}
    assert history["loss"][-1] < 0.75 * history["loss"][0]
    assert history["val_dice"][-1] > 0.8
    assert trained.lines[0] == "90 steps: 30 epochs of 3"
    assert len([line for line in trained.lines if " after " in line]) <= 12
    assert trained.lines[-1].startswith("epoch  30/30")


def test_steps_and_time_left_stand_in_a_line_that_is_overwritten(monkeypatch, capsys):
    clock = itertools.count()
    monkeypatch.setattr(training.time, "perf_counter", lambda: next(clock))
    progress = training.Progress(epochs=2)
    progress.set_params({"steps": 10, "epochs": 2})
    progress.on_train_begin()
    for batch in range(10):
        progress.on_train_batch_end(batch)
    progress.on_epoch_end(0, {"loss": 0.5})
    shown = capsys.readouterr().out.split("\r")
    assert shown[1].startswith("epoch   1/2  step 5/10  about 15 s left")
    assert shown[-1].rstrip() == "epoch   1/2  loss 0.500  after 11 s"
    assert len(shown[-1].rstrip("\n")) >= len(shown[1])


def test_weights_after_training_are_the_ones_that_were_validated(trained):
    again = trained.model.evaluate(trained.validation_data, return_dict=True, verbose=0)
    assert again["dice"] == pytest.approx(trained.history.history["val_dice"][-1], abs=1e-5)


def test_every_epoch_takes_every_batch_once_and_differs_from_the_one_before(trained):
    assert int(trained.model.optimizer.iterations) == 30 * 3
    assert [len(batch) for batch in trained.batches[:6]] == [3] * 6  # 9 of 11 cases, twice
    first, second = (np.concatenate(trained.batches[i : i + 3]) for i in (0, 3))
    assert not np.array_equal(first, second)


def test_callbacks_join_the_training(trained):
    assert trained.note.epochs == list(range(30))


def one_layer():
    """A network that is traced in no time."""
    inputs = keras.Input((32, 32, 3))
    return keras.Model(inputs, keras.layers.Conv2D(1, 1)(inputs))


def test_graph_of_a_step_is_traced_once(cases):
    model, traces = one_layer(), []
    step = model.train_step

    def count(data):
        traces.append(data)
        return step(data)

    model.train_step = count
    data = make_dataset(cases, 32, 5)  # with a short last batch
    train(model, data, data, epochs=3, verbose=False)
    assert len(traces) == 1


def test_default_epochs_make_about_the_steps_of_the_recipe():
    assert default_epochs(18) * 18 == pytest.approx(RECIPE.steps, rel=0.01)
    assert default_epochs(10 * RECIPE.steps) == 1


def test_steps_are_counted_and_few_of_them_bring_a_warning():
    assert describe_steps(30, 18) == "540 steps: 30 epochs of 18"
    assert describe_steps(1, 2500) == "2,500 steps: 1 epoch of 2,500"
    assert describe_steps(FEW_STEPS, 1) == "200 steps: 200 epochs of 1"
    for epochs, steps_per_epoch, enough, usual in ((20, 1, 200, "1,500"), (1, 199, 2, "1,592")):
        said, warning = describe_steps(epochs, steps_per_epoch).splitlines()
        assert said.startswith(f"{epochs * steps_per_epoch} steps: ")
        assert "Fewer than 200 steps" in warning and f"at least {enough} epochs" in warning
        assert f"the usual {usual} steps would be" in warning


def test_the_line_of_steps_is_true_and_not_an_error(cases, capsys):
    model = one_layer()
    train(model, make_dataset(cases, 32, 4, training=True), epochs=2)
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{int(model.optimizer.iterations)} steps: 2 epochs of 3\nFewer")
    assert "steps" not in printed.err


def test_loss_and_metrics_can_be_chosen(cases):
    def share(mask, logits):
        return keras.ops.mean(mask, axis=(1, 2, 3))

    model, data = one_layer(), make_dataset(cases, 32, 4)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    history = train(model, data, data, loss=loss, metrics=[share, dice], epochs=1).history
    assert set(history) == {"loss", "share", "dice", "val_loss", "val_share", "val_dice"}
    images, masks = (np.concatenate(part) for part in zip(*data, strict=True))
    assert history["share"] == history["val_share"] == [pytest.approx(masks.mean(), rel=1e-5)]
    expected = float(np.mean(bce_loss(masks, model(images))))
    assert history["val_loss"] == [pytest.approx(expected, rel=1e-4)]


def test_metrics_can_be_those_of_keras(cases):
    data = make_dataset(cases, 32, 4)
    mine = keras.metrics.BinaryIoU([1], name="iou")
    history = train(one_layer(), data, epochs=1, metrics=[mine, "mse"], verbose=False).history
    assert set(history) == {"loss", "iou", "mse"}


def test_metrics_can_be_left_out(cases):
    data = make_dataset(cases, 32, 4)
    history = train(one_layer(), data, epochs=1, metrics=[], verbose=False).history
    assert set(history) == {"loss"}


def test_after_a_resumed_training_the_next_one_makes_all_its_epochs(cases, tmp_path):
    model, data = one_layer(), make_dataset(cases, 32, 4)

    def epochs_of(epochs, *callbacks):
        return train(model, data, epochs=epochs, callbacks=callbacks, verbose=False).epoch

    state = keras.callbacks.BackupAndRestore(tmp_path / "state", delete_checkpoint=False)
    assert epochs_of(2, state) == [0, 1]
    assert epochs_of(3, state) == [2]
    assert epochs_of(3) == [0, 1, 2]


@pytest.mark.parametrize(("verbose", "lines"), [(True, 4), (2, 4), (False, 0)])
def test_each_line_is_printed_once_or_not_at_all(cases, capsys, verbose, lines):
    train(one_layer(), make_dataset(cases, 32, 4), epochs=2, verbose=verbose)
    assert len(capsys.readouterr().out.splitlines()) == lines


def test_endless_or_empty_data_are_refused(cases):
    data = make_dataset(cases, 32, 4)
    for bad in (data.repeat(), data.take(0), data.filter(lambda image, mask: True)):
        with pytest.raises(ValueError, match="^train_data must be finite, of known length"):
            train(one_layer(), bad)
        with pytest.raises(ValueError, match="^validation_data must be finite"):
            train(one_layer(), data, bad)


def test_frozen_or_unbuilt_models_and_no_epochs_are_refused(cases):
    data, frozen = make_dataset(cases, 32, 4), one_layer()
    frozen.trainable = False
    for model in (frozen, keras.Sequential([keras.layers.Conv2D(1, 1)])):
        with pytest.raises(ValueError, match="no trainable weights: build it, or unfreeze"):
            train(model, data)
    with pytest.raises(ValueError, match="epochs is 0; it must be at least 1"):
        train(one_layer(), data, epochs=0)


def test_data_set_of_another_size_fails_early(cases):
    with pytest.raises(ValueError):
        train(one_layer(), make_dataset(cases, 48, 4), epochs=1)


def test_package_switches_onednn_on_unless_the_user_decided():
    show = "import os, segmentation_tf; print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    for given, expected in ((None, "1"), ("0", "0")):
        clean = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
        environment = clean if given is None else {**clean, "TF_ENABLE_ONEDNN_OPTS": given}
        command = [sys.executable, "-c", show]
        shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert shown.stdout.strip() == expected
