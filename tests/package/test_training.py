"""Losses against numbers worked by hand, and a training run that learns."""

import contextlib
import gc
import io
import itertools
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

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


class Watch(keras.callbacks.Callback):
    """Scores the model at the end of each epoch."""

    def __init__(self, data):
        super().__init__()
        self.data, self.scores = data, []

    def on_epoch_end(self, epoch, logs=None):
        self.scores.append(score_again(self.model, self.data))


def score_again(model, data):
    """The mean Dice of a model, without its compiled metrics."""
    return np.mean(np.concatenate([dice(masks, model(images)) for images, masks in data]))


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


def test_callbacks_keep_the_weights_that_were_scored(cases, tmp_path):
    keras.utils.set_random_seed(0)
    model, data = build_unet((32, 32, 3), filters=(8, 16)), make_dataset(cases, 32, 4)
    watch, best = Watch(data), {"monitor": "val_dice", "mode": "max"}
    callbacks = [
        keras.callbacks.EarlyStopping(**best, patience=3, restore_best_weights=True),
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", **best, save_best_only=True),
        watch,
    ]
    history = train(model, data, data, epochs=12, callbacks=callbacks, verbose=False).history
    assert watch.scores == pytest.approx(history["val_dice"], abs=1e-5)
    saved = keras.saving.load_model(tmp_path / "best.keras")
    for kept in (model, saved):
        assert score_again(kept, data) == pytest.approx(max(history["val_dice"]), abs=1e-5)


def test_without_validation_callbacks_see_the_weights_that_the_training_leaves(cases):
    model, data = build_unet((32, 32, 3), filters=(8, 16)), make_dataset(cases, 32, 4)
    watch = Watch(data)
    train(model, data, epochs=2, callbacks=[watch], verbose=False)
    assert watch.scores[-1] == pytest.approx(score_again(model, data), abs=1e-6)


def test_a_training_that_goes_on_from_a_backup_is_the_same_as_one_without_a_break(cases, tmp_path):
    data = make_dataset(cases, 32, 4)

    def weights_after(*epochs, **backup):
        keras.utils.set_random_seed(0)
        model = build_unet((32, 32, 3), filters=(4, 8))
        for count in epochs:
            callbacks = [keras.callbacks.BackupAndRestore(**backup)] if backup else []
            model.compile(make_optimizer(12), bce_loss)  # the rates of the whole training
            model.optimizer.build(model.trainable_variables)
            watching = [training.ValidateAverage(), *callbacks]
            model.fit(data, validation_data=data, epochs=count, callbacks=watching, verbose=0)
        return model.get_weights()

    whole = weights_after(4)
    halves = weights_after(2, 4, backup_dir=tmp_path / "state", delete_checkpoint=False)
    for a, b in zip(whole, halves, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


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


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's graphs")
def test_the_graphs_of_earlier_trainings_are_freed():
    def graphs_after_a_training():
        train(one_layer(), pairs_of(MASKS), pairs_of(MASKS), epochs=1, verbose=False)
        gc.collect()
        return sum(isinstance(one, FuncGraph) for one in gc.get_objects())

    before = graphs_after_a_training()
    assert graphs_after_a_training() <= before


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
    assert capsys.readouterr().out.count("\n") == lines


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
        with pytest.raises(ValueError, match="no trainable weights: unfreeze a layer, or build"):
            train(model, data)
    for epochs in (0, 1.5):
        with pytest.raises(ValueError, match=f"epochs is {epochs}; it must be a whole number"):
            train(one_layer(), data, epochs=epochs)


IMAGES, MASKS = np.zeros((4, 32, 32, 3), "float32"), np.ones((4, 32, 32, 1), "float32")


def pairs_of(masks, images=IMAGES):
    return tf.data.Dataset.from_tensor_slices((images, masks)).batch(2)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (MASKS, r"train_data is a ndarray; give a tf\.data\.Dataset .*from_tensor_slices"),
        ((MASKS, MASKS), "train_data is a tuple; give a"),
        (tf.data.Dataset.from_tensors(MASKS), "train_data must hold pairs"),
        (pairs_of(MASKS[..., 0]), r"batches of masks of the shape \(None, 32, 32\), .*32, 32, 1\)"),
        (pairs_of(MASKS[:, :16]), r"batches of masks of the shape \(None, 16, 32, 1\)"),
        (pairs_of(MASKS, MASKS), r"batches of images of the shape .*needs \(None, 32, 32, 3\)"),
        (pairs_of(MASKS, np.uint8(IMAGES)), "images of uint8; make them float32 in .*255"),
        (pairs_of(255 * MASKS), "Below 0 means that masks hold values above 1: divide"),
        (pairs_of(np.nan * MASKS), "loss is not a number"),
    ],
    ids=["array", "tuple", "no pairs", "no channel", "other size", "grey", "bytes", "255", "nan"],
)
def test_data_that_do_not_fit_are_refused_in_plain_words(data, words):
    with pytest.raises((TypeError, ValueError), match=words):
        train(one_layer(), data, epochs=60, verbose=False)


def test_validation_data_are_refused_by_their_name():
    with pytest.raises(ValueError, match="^validation_data has batches of masks"):
        train(one_layer(), pairs_of(MASKS), pairs_of(MASKS[..., 0]))
    with pytest.raises(ValueError, match="^val_loss is .* divide masks of 0 and 255 by 255"):
        train(one_layer(), pairs_of(MASKS), pairs_of(255 * MASKS), epochs=60, verbose=False)


def test_a_model_that_ends_in_a_sigmoid_is_refused():
    inputs = keras.Input((32, 32, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(1, 1, activation="sigmoid")(inputs))
    with pytest.raises(ValueError, match="ends in a sigmoid, and the default loss takes logits"):
        train(model, pairs_of(MASKS))


def test_several_output_channels_need_another_loss():
    model = build_unet((32, 32, 3), classes=4, filters=(4, 8))
    with pytest.raises(ValueError, match="has 4 output channels, and the default loss takes one"):
        train(model, pairs_of(MASKS))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    train(model, pairs_of(MASKS), loss=loss, metrics=[], epochs=1, verbose=False)


def test_after_a_layer_is_frozen_the_model_must_be_compiled_again():
    model, data = build_unet((32, 32, 3), filters=(4, 8)), pairs_of(MASKS)
    train(model, data, epochs=1, verbose=False)
    model.get_layer("stem_conv1").trainable = False
    with pytest.raises(ValueError, match="since compile: compile again"):
        model.fit(data, verbose=0)
    assert train(model, data, epochs=1, verbose=False).epoch == [0]


# --- Keras' own settings ------------------------------------------------------------------------

SETTINGS = """
import warnings
import segmentation_tf.training as training
import keras, numpy as np, tensorflow as tf
from segmentation_tf.models import build_unet
model = build_unet((32, 32, 3), filters=(4, 8))
images = np.random.default_rng(0).random((4, 32, 32, 3))
data = tf.data.Dataset.from_tensor_slices((images, images[..., :1].round())).batch(2)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    training.train(model, data, epochs=1, verbose=False)
print(model.output_shape, sum("float16" in str(w.message) for w in caught))
"""


@pytest.mark.parametrize(
    ("settings", "warned"),
    [({"image_data_format": "channels_first"}, 0), ({"floatx": "float16"}, 1)],
    ids=["channels first", "float16"],
)
def test_keras_settings_of_a_user_do_no_harm_or_are_named(settings, warned, tmp_path):
    backend = {"backend": keras.backend.backend()}
    (tmp_path / "keras.json").write_text(json.dumps({**backend, **settings}))
    environment = {**os.environ, "KERAS_HOME": str(tmp_path)}
    command = [sys.executable, "-c", SETTINGS]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == f"(None, 32, 32, 1) {warned}"


def test_package_switches_onednn_on_unless_the_user_decided():
    show = "import os, segmentation_tf; print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    for given, expected in ((None, "1"), ("0", "0")):
        clean = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
        environment = clean if given is None else {**clean, "TF_ENABLE_ONEDNN_OPTS": given}
        command = [sys.executable, "-c", show]
        shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert shown.stdout.strip() == expected
