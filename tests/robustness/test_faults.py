"""What happens to learners' machines: power cuts, full disks, folders that cannot be written to,
Ctrl-C. A drawn set is whole or absent, and a training keeps what it had."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time

import keras
import numpy as np
import pytest
from jupyter_client.manager import KernelManager

from ph2_tree import write_ph2
from processes import REPOSITORY, contents, start, unfinished
from segmentation_tf.datasets import ph2
from segmentation_tf.drawn import dermoscopy
from segmentation_tf.models import build_unet
from segmentation_tf.pipeline import make_dataset
from segmentation_tf.training import bce_loss, train

# --- drawing ---------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_killed_twenty_times_at_random_it_is_whole_or_absent(tmp_path):
    began = time.monotonic()
    whole = contents(dermoscopy.draw_ph2(tmp_path / "whole", indices=range(4), processes=2))
    seconds = time.monotonic() - began + 0.5  # and Python's own start
    folder, chance = tmp_path / "killed" / "PH2Dataset", random.Random(0)
    cut = 0
    folder.parent.mkdir()
    for number in range(20):
        before = set(unfinished(folder))
        run = start(DRAW, folder, 4)
        if number < 5:  # surely in the middle; the others at any moment
            wait_for_files(folder, before, number + 1)
        else:
            time.sleep(chance.uniform(0, seconds))
        run.kill()
        run.communicate(timeout=60)  # returns once the workers, which share its pipes, are gone
        if folder.exists():
            assert contents(folder) == whole
            os.rename(folder, tmp_path / f"done{number}")
        cut += bool(set(unfinished(folder)) - before)
    assert cut, "some runs were in the middle"

    assert start(DRAW, folder, 4).wait(timeout=120) == 0
    assert contents(folder) == whole, "no file of a killed run is mixed in"


DRAW = """
import sys
from functools import partial
from segmentation_tf.datasets.folders import complete_folder
from segmentation_tf.drawn.dermoscopy import draw_ph2
fill = partial(draw_ph2, indices=range(int(sys.argv[2])), processes=2)
complete_folder(sys.argv[1], fill, "the drawn images")
"""


def wait_for_files(folder, before, count):
    """Until so many pictures lie beside `folder`, in a place that was not there `before`."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError):  # what killed runs left is just being removed
            new = set(unfinished(folder)) - before
            if sum(len(list(place.rglob("*.bmp"))) for place in new) >= count:
                return
        time.sleep(0.01)


def in_tmpfs(tmp_path, code, options, before=""):
    """Runs `code` where `tmp_path`/disk is a file system in memory with mount's `options`."""
    disk = tmp_path / "disk"
    disk.mkdir(exist_ok=True)
    mount = f'mount -t tmpfs -o {options} tmpfs "$1" && {before or "true"}'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    try:
        tried = subprocess.run([*command, mount, "sh", disk], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("needs unshare, which Linux has")
    if tried.returncode:
        pytest.skip(f"this system lets nobody mount: {tried.stderr.decode().strip()}")
    return subprocess.run(
        [*command, f'{mount} && "$2" -c "$3" "$1"; ls -A "$1"', "sh", disk, sys.executable, code],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


REFUSED = """
import sys
from functools import partial
from segmentation_tf.cases import DatasetError
from segmentation_tf.datasets.folders import complete_folder
from segmentation_tf.drawn.dermoscopy import draw_ph2
fill = partial(draw_ph2, indices=range(8), processes=2)
try:
    complete_folder(sys.argv[1] + "/PH2Dataset", fill, "the drawn images (about 150 MB)")
except DatasetError as error:
    print("refused", error)
"""


@pytest.mark.parametrize(
    ("options", "before", "reason"),
    [
        ("size=2m", "", "No space left on device"),
        ("size=2m", 'mount -o remount,ro "$1"', "Read-only file system"),
    ],
    ids=["full disk", "read-only"],
)
def test_no_room_to_draw_is_one_line_and_leaves_nothing(tmp_path, options, before, reason):
    done = in_tmpfs(tmp_path, REFUSED, options, before)
    said = [line for line in done.stdout.splitlines() if line.startswith("refused")]
    assert len(said) == 1 and reason in said[0], done.stdout + done.stderr
    assert "PH2Dataset: cannot write the drawn images (about 150 MB)" in said[0]
    assert "free some space" in said[0]
    assert done.stdout.splitlines()[-1] == said[0], "ls finds nothing after it"
    assert "Traceback" not in done.stderr


# --- training --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return ph2.load_cases(write_ph2(tmp_path_factory.mktemp("data") / "PH2Dataset", [0, 1, 2] * 4))


class Press(keras.callbacks.Callback):
    """Presses Ctrl-C in a step of an epoch, so often."""

    def __init__(self, epoch, times=1):
        super().__init__()
        self.at, self.times = epoch, times

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch + 1

    def on_train_batch_begin(self, batch, logs=None):
        if self.epoch == self.at and batch == 1:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)


@pytest.fixture
def ctrl_c():
    """Ctrl-C as in a terminal: a program that was started in the background would ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def small_unet():
    keras.utils.set_random_seed(0)
    return build_unet((32, 32, 3), filters=(8, 16))


class Spoil(keras.callbacks.Callback):
    """Makes the average of the weights worse before an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.at = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch + 1 == self.at:
            for average in self.model.optimizer._model_variables_moving_average:
                average.assign(-9 * average)


def test_ctrl_c_ends_training_with_the_best_weights_so_far(cases, ctrl_c, capsys):
    model, watch = small_unet(), make_dataset(cases, 32, 4)
    history = train(model, watch, watch, epochs=40, callbacks=[Spoil(8), Press(9)])
    losses = history.history["val_loss"]
    assert len(losses) == 9 and np.argmin(losses) == 6, losses
    kept = model.evaluate(watch, verbose=0, return_dict=True)
    assert kept["loss"] == pytest.approx(min(losses), rel=1e-5)
    said = capsys.readouterr().out
    assert "stopping after this step; once more interrupts at once" in said
    kept = f"the weights are those of epoch 7, val_loss {min(losses):.3f}"
    assert said.splitlines()[-1] == f"stopped in epoch 9; {kept}"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert len(train(model, watch, epochs=2).history["loss"]) == 2, "and it goes on"


def test_ctrl_c_without_a_validation_keeps_the_average(cases, ctrl_c, capsys):
    model, watch = small_unet(), make_dataset(cases, 32, 4)
    history = train(model, watch, epochs=9, callbacks=[Press(3)])
    assert len(history.history["loss"]) == 3
    assert "the weights are those of the last step" in capsys.readouterr().out
    averages = model.optimizer._model_variables_moving_average
    for weight, average in zip(model.trainable_weights, averages):
        np.testing.assert_array_equal(weight.numpy(), average.numpy())


def test_ctrl_c_ends_what_goes_on_with_silent_trainings_too(cases, ctrl_c, capsys):
    model, watch = small_unet(), make_dataset(cases, 32, 4)
    with pytest.raises(KeyboardInterrupt):
        train(model, watch, watch, epochs=9, verbose=False, callbacks=[Press(3)])
    assert "stopped in epoch 3; the weights are those of epoch" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_outside_of_the_main_thread_training_leaves_ctrl_c_alone(cases, ctrl_c):
    histories, data = [], make_dataset(cases, 32, 4)
    thread = threading.Thread(target=lambda: histories.append(train(small_unet(), data, epochs=1)))
    thread.start()
    thread.join()
    assert len(histories) == 1


def test_where_ctrl_c_is_ignored_it_stays_so(cases, ctrl_c):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    history = train(small_unet(), make_dataset(cases, 32, 4), epochs=4, callbacks=[Press(2)])
    assert len(history.history["loss"]) == 4
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_ctrl_c_twice_interrupts_at_once(cases, ctrl_c):
    with pytest.raises(KeyboardInterrupt):
        train(small_unet(), make_dataset(cases, 32, 4), epochs=9, callbacks=[Press(3, times=2)])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


TRAIN = """
import sys
sys.path.insert(0, {tests!r})
import segmentation_tf
import keras
from segmentation_tf.datasets import ph2
from segmentation_tf.models import build_unet
from segmentation_tf.pipeline import make_dataset
from segmentation_tf.training import train

cases = ph2.load_cases({root!r})
keras.utils.set_random_seed(0)
model = build_unet((32, 32, 3), filters=(8, 16))
data = make_dataset(cases, 32, 4, training=True)
watch = make_dataset(cases, 32, 4)
"""


def test_the_stop_button_of_jupyter_lets_the_notebook_go_on(cases):
    root = cases[0].image.parents[3]
    code = TRAIN.format(tests=str(REPOSITORY / "tests"), root=str(root))
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(REPOSITORY))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=120)
        training = client.execute(code + "history = train(model, data, watch, epochs=100_000)")
        following = client.execute("print('epochs', len(history.history['val_loss']))")
        text, reply = "", {}
        deadline = time.monotonic() + 300
        while not reply and time.monotonic() < deadline:
            message = client.get_iopub_msg(timeout=300)
            content = message["content"]
            assert message["msg_type"] != "error", content
            if message["msg_type"] == "stream" and content["name"] == "stdout":
                first = "epoch   1" not in text
                text += content["text"]
                if first and "epoch   1" in text:
                    manager.interrupt_kernel()
                if "epochs " in text:
                    reply = client.get_shell_msg(timeout=60), client.get_shell_msg(timeout=60)
        assert [r["parent_header"]["msg_id"] for r in reply] == [training, following]
        assert [r["content"]["status"] for r in reply] == ["ok", "ok"], text
        assert "stopped in epoch" in text and "the weights are those of epoch" in text
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


RESUMED = """
from segmentation_tf.evaluation import evaluate

class Say(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        print("done", epoch + 1, flush=True)

history = train(model, data, watch, epochs=60, verbose=False, callbacks=[Say()], backup=BACKUP)
print("Dice", evaluate(model, cases).means["dice"].mean)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_training_that_was_killed_goes_on_to_the_same_dice(cases, tmp_path):
    root = cases[0].image.parents[3]
    code = TRAIN.format(tests=str(REPOSITORY / "tests"), root=str(root)) + RESUMED
    with start(f"BACKUP = None\n{code}") as unbroken:
        expected = float(unbroken.communicate(timeout=600)[0].split("Dice")[-1])
    backup, chance = tmp_path / "backup", random.Random(1)
    for stop in (12, 34, 51):
        with start(f"BACKUP = {str(backup)!r}\n{code}") as run:
            for line in run.stdout:
                if line == f"done {stop}\n":
                    break
            time.sleep(chance.uniform(0, 0.1))  # also while the state is being written
            run.kill()
        assert list(backup.iterdir())
    with start(f"BACKUP = {str(backup)!r}\n{code}") as run:
        said, errors = run.communicate(timeout=600)
    assert run.returncode == 0, errors[-2000:]
    assert "of 60 epochs are done" in said and "done 50\n" not in said, said
    assert abs(float(said.split("Dice")[-1]) - expected) < 0.01
    assert expected > 0.9 and not backup.exists()


class PowerCut(keras.callbacks.Callback):
    """Ends a training before its fourth epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 3:
            raise SystemError("power cut")


def leave_state(cases, backup):
    with pytest.raises(SystemError):
        data = make_dataset(cases, 32, 4)
        train(small_unet(), data, epochs=5, verbose=False, callbacks=[PowerCut()], backup=backup)


def epochs_left(cases, backup):
    data = make_dataset(cases, 32, 4)
    return len(train(small_unet(), data, epochs=5, verbose=False, backup=backup).history["loss"])


def cut_off(data):
    return data[: len(data) // 3]


def zeroed(data):
    """As after a power cut: a block that was never written."""
    return data[:20_000] + bytes(4096) + data[24_096:]


@pytest.mark.parametrize("damage", [lambda data: b"", cut_off, zeroed])
def test_of_a_damaged_state_the_one_before_is_taken(cases, tmp_path, damage):
    leave_state(cases, tmp_path)
    weights = tmp_path / "latest.weights.h5"
    for _ in range(2):  # also once the one before was taken
        weights.write_bytes(damage(weights.read_bytes()))
        leave_state(cases, tmp_path)  # goes on with the third epoch
    weights.write_bytes(damage(weights.read_bytes()))
    assert epochs_left(cases, tmp_path) == 3


@pytest.mark.parametrize("damage", [cut_off, zeroed])
def test_without_a_whole_state_it_starts_anew(cases, tmp_path, capsys, damage):
    leave_state(cases, tmp_path)
    weights = tmp_path / "latest.weights.h5"
    weights.write_bytes(damage(weights.read_bytes()))
    (tmp_path / "latest.weights.h5.bkp").unlink()
    assert epochs_left(cases, tmp_path) == 5
    assert "holds no whole state; the training starts anew" in capsys.readouterr().out


def test_the_epoch_is_known_without_the_file_that_says_it(cases, tmp_path):
    leave_state(cases, tmp_path)
    (tmp_path / "training_metadata.json").write_text('{"epo')
    assert epochs_left(cases, tmp_path) == 2


def test_after_a_second_crash_the_next_training_makes_all_its_epochs(cases, tmp_path):
    leave_state(cases, tmp_path)
    model, data = small_unet(), make_dataset(cases, 32, 4)
    with pytest.raises(SystemError):  # taken up at the fourth epoch, and crashed there
        train(model, data, epochs=5, verbose=False, callbacks=[PowerCut()], backup=tmp_path)
    assert len(train(model, data, epochs=5, verbose=False).history["loss"]) == 5


def test_a_state_of_another_network_is_refused_and_kept(cases, tmp_path):
    leave_state(cases, tmp_path)
    before, data = contents(tmp_path), make_dataset(cases, 32, 4)
    for filters in ((8, 24), (8, 16, 32), (8,)):
        with pytest.raises(
            ValueError, match="holds the state of another network, or precision; name"
        ):
            train(build_unet((32, 32, 3), filters=filters), data, epochs=5, backup=tmp_path)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "other", [{"epochs": 4}, {"learning_rate": 0.1}, {"weight_decay": 0}, {"loss": bce_loss}]
)
def test_a_state_of_another_training_is_refused_and_kept(cases, tmp_path, other):
    leave_state(cases, tmp_path)
    before, data = contents(tmp_path), make_dataset(cases, 32, 4)
    with pytest.raises(ValueError, match="holds the state of another training .* delete"):
        train(small_unet(), data, **{"epochs": 5, "backup": tmp_path, **other})
    assert contents(tmp_path) == before


def test_weights_that_somebody_saved_are_no_state(cases, tmp_path):
    model, data = small_unet(), make_dataset(cases, 32, 4)
    model.save_weights(tmp_path / "latest.weights.h5")
    with pytest.raises(ValueError, match="no state can be kept here .*record.json"):
        train(model, data, epochs=5, backup=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["latest.weights.h5"]


def test_where_no_state_can_be_kept_it_says_so_before_it_trains(cases, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for backup in (tmp_path / "file", tmp_path / "file" / "inside"):
        with pytest.raises(ValueError, match="file.*: no state can be kept here .* name another"):
            train(small_unet(), make_dataset(cases, 32, 4), epochs=5, backup=backup)


def test_only_the_files_of_the_state_are_removed(cases, tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    model, watch = small_unet(), make_dataset(cases, 32, 4)
    train(model, watch, epochs=2, backup=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    assert len(train(model, watch, epochs=3).history["loss"]) == 3, "no epoch is left out"
