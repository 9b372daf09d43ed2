"""What happens to learners' machines: programs are killed, disks are full, Ctrl-C is pressed.

A drawn set is complete or absent, and a training keeps what it had.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from jupyter_client.manager import start_new_kernel

from processes import REPOSITORY, contents, run, start, unfinished
from segmentation_tf.drawn.dermoscopy import draw_ph2
from segmentation_tf.training import train

# --- drawing -----------------------------------------------------------------------------------

DRAW = """
import sys
from functools import partial
from segmentation_tf.datasets.folders import complete_folder
from segmentation_tf.drawn.dermoscopy import draw_ph2
complete_folder(sys.argv[1], partial(draw_ph2, indices=range(3), processes=2), "the images")
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_drawing_is_complete_or_absent_and_two_at_once_both_succeed(tmp_path):
    complete = contents(draw_ph2(tmp_path / "complete", indices=range(3), processes=1))
    folder, cut = tmp_path / "killed" / "PH2Dataset", 0
    folder.parent.mkdir()
    for count in (1, 2, 3):
        before = set(unfinished(folder))
        drawing = start(DRAW, folder)
        wait_for_pictures(folder, before, count)
        drawing.kill()
        drawing.communicate(timeout=60)  # returns when the workers, which share its pipes, end
        if folder.exists():
            assert contents(folder) == complete
            folder.rename(tmp_path / f"complete {count}")
        cut += bool(set(unfinished(folder)) - before)
    assert cut, "at least one was killed in the middle"

    both = [start(DRAW, folder) for _ in range(2)]
    for drawing in both:
        drawing.communicate(timeout=120)
    assert [drawing.returncode for drawing in both] == [0, 0]
    assert contents(folder) == complete, "no file of a killed drawing is mixed in"


def wait_for_pictures(folder, before, count):
    """Wait until a place beside `folder` that was not there `before` holds `count` pictures."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError):  # a place that is just renamed
            places = set(unfinished(folder)) - before
            if any(len(list(place.rglob("*.bmp"))) >= count for place in places):
                return
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [("true", "No space left on device"), ('mount -o remount,ro "$1"', "Read-only file system")],
    ids=["full disk", "read-only disk"],
)
def test_without_room_a_drawing_says_so_and_leaves_nothing(tmp_path, prepare, reason):
    drawing = in_two_megabytes(
        tmp_path, f'{prepare} && "$2" -c "$3" "$1/PH2Dataset"; echo left: $(ls -A "$1")'
    )
    last_line = drawing.stderr.splitlines()[-1]
    assert "PH2Dataset: cannot write the images" in last_line and reason in last_line
    assert "free some space" in last_line
    assert drawing.stdout.splitlines()[-1] == "left:"


def in_two_megabytes(disk, script):
    """Run a shell script in which "$1" is a disk of 2 MB, "$2" is Python and "$3" is DRAW."""
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    mount = 'mount -t tmpfs -o size=2m tmpfs "$1"'
    arguments = ["sh", disk, sys.executable, DRAW]
    try:
        subprocess.run([*command, mount, *arguments], capture_output=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("this system has no unshare, or does not let users mount")
    return subprocess.run(
        [*command, f"{mount} && {script}", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
    )


# --- Ctrl-C ------------------------------------------------------------------------------------


def press(epoch, times=1):
    """A callback that presses Ctrl-C in an epoch, the first being 1."""

    def on_epoch_begin(number, logs):
        if number + 1 == epoch:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    return keras.callbacks.LambdaCallback(on_epoch_begin=on_epoch_begin)


def spoil(model, epoch):
    """A callback that makes the average of the weights worse in an epoch."""

    def on_epoch_begin(number, logs):
        if number + 1 == epoch:
            model.optimizer.average.assign(-9 * model.optimizer.average)

    return keras.callbacks.LambdaCallback(on_epoch_begin=on_epoch_begin)


@pytest.fixture
def ctrl_c():
    """Ctrl-C as in a terminal; a program that was started in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def data():
    """Two batches of images whose red pixels are the object."""
    images = np.random.default_rng(0).random((4, 8, 8, 3), "float32")
    masks = (images[..., :1] > 0.5).astype("float32")
    return tf.data.Dataset.from_tensor_slices((images, masks)).batch(2)


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(1, 1)])


def test_ctrl_c_ends_a_training_with_the_best_weights_so_far(model, data, ctrl_c, capsys):
    history = train(model, data, data, epochs=40, callbacks=[spoil(model, 8), press(9)])

    losses = history.history["val_loss"]
    assert len(losses) == 9 and np.argmin(losses) == 6
    assert model.evaluate(data, verbose=0)[0] == pytest.approx(min(losses), rel=1e-5)
    said = capsys.readouterr().out
    assert "stopping after this step; Ctrl-C once more" in said
    kept = f"the weights are those of epoch 7, val_loss {min(losses):.3f}"
    assert said.splitlines()[-1] == f"stopped in epoch 9; {kept}"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_validation_it_keeps_the_average_and_ends_what_is_silent(
    model, data, ctrl_c, capsys
):
    with pytest.raises(KeyboardInterrupt):
        train(model, data, epochs=9, verbose=False, callbacks=[press(3)])

    assert "stopped in epoch 3; without a validation, the weights are" in capsys.readouterr().out
    weights = np.concatenate([weight.numpy().ravel() for weight in model.trainable_weights])
    np.testing.assert_array_equal(weights, model.optimizer.average.numpy())


def test_ctrl_c_twice_interrupts_at_once(model, data, ctrl_c, capsys):
    with pytest.raises(KeyboardInterrupt):
        train(model, data, epochs=9, callbacks=[press(3, times=2)])
    assert "stopped in epoch" not in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_ctrl_c_is_ignored_it_stays_so(model, data, ctrl_c):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    history = train(model, data, epochs=4, callbacks=[press(2)])
    assert len(history.epoch) == 4
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_training_in_a_thread_leaves_ctrl_c_alone(model, data, ctrl_c):
    histories = []
    thread = threading.Thread(target=lambda: histories.append(train(model, data, epochs=1)))
    thread.start()
    thread.join()
    assert len(histories) == 1


TRAIN = """
import sys
import segmentation_tf
import keras
import numpy as np
import tensorflow as tf
from segmentation_tf.models import build_unet
from segmentation_tf.training import train

images = np.random.default_rng(0).random((4, 8, 8, 3), "float32")
data = tf.data.Dataset.from_tensor_slices((images, images[..., :1] > 0.5)).batch(2)
data = data.map(lambda image, mask: (image, tf.cast(mask, "float32")))
keras.utils.set_random_seed(0)
model = build_unet((8, 8, 3), filters=(4, 8))
"""


def test_the_stop_button_of_jupyter_lets_the_notebook_go_on():
    said = []
    manager, client = start_new_kernel(cwd=str(REPOSITORY))

    def listen(message):
        said.append(message["content"].get("text", ""))
        if "epoch   1" in said[-1]:
            manager.interrupt_kernel()

    try:
        for cell in (TRAIN, "history = train(model, data, data, epochs=10**6)", "print(history)"):
            reply = client.execute_interactive(cell, output_hook=listen, timeout=300)
            assert reply["content"]["status"] == "ok", reply["content"]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert re.search("the weights are those of epoch .*History", "".join(said), re.DOTALL)


# --- a training that is killed -----------------------------------------------------------------

CRASHING = """
import json, os

class Crash(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 3 and "crash" in sys.argv:
            os._exit(9)

def train_with(callbacks):
    keras.utils.set_random_seed(0)
    model = build_unet((8, 8, 3), filters=(4, 8))
    history = train(model, data, data, epochs=5, verbose=False, callbacks=callbacks)
    return history.epoch, int(model.optimizer.iterations), history.history["val_loss"][-1]

keep = keras.callbacks.BackupAndRestore(sys.argv[1])
print(json.dumps([train_with([keep, Crash()]), train_with([])]))
"""


def test_a_training_that_was_killed_goes_on_when_it_is_started_again(tmp_path):
    backup = tmp_path / "backup"
    crashed = start(TRAIN + CRASHING, backup, "crash")
    crashed.communicate(timeout=300)
    assert crashed.returncode == 9 and any(backup.iterdir())

    resumed, unbroken = json.loads(run(TRAIN + CRASHING, backup).splitlines()[-1])
    assert resumed[:2] == [[3, 4], 10], "the last two epochs, and all ten steps"
    assert unbroken[:2] == [[0, 1, 2, 3, 4], 10]
    assert resumed[2] == pytest.approx(unbroken[2], rel=1e-4)
    assert not backup.exists()
