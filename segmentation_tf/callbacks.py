"""What watches over a training: its progress, Ctrl-C, and a state to go on from after a crash."""

import contextlib
import hashlib
import json
import os
import signal
import threading
import time
import warnings
from pathlib import Path

import keras

WAY_OUT = "name another folder, or delete what lies there to start anew"


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


class Backup(keras.callbacks.BackupAndRestore):
    """Keras' own, made safe against a crash in the middle of its writing.

    `recipe`: what has to be the same for a training to go on, a dict that JSON can hold. It lies
    beside the state, with the hash of each file of weights that was written to its end: where one
    was not, or a disk has spoilt it, the one before is taken. The epoch to go on with is told by
    the steps of the optimizer, which lie among the weights. `remove` takes its own files only.
    Raises ValueError where `folder` cannot be written, or holds the state of another training.
    """

    def __init__(self, folder, recipe):
        self.folder = Path(os.path.expanduser(folder))
        super().__init__(str(self.folder), double_checkpoint=True, delete_checkpoint=False)
        self.states = [Path(self._weights_path), Path(self._prev_weights_path)]
        self.record = self.folder / "record.json"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not any(file.exists() for file in self.states):
                self._write({"recipe": recipe, "written": []})
            self.known = json.loads(self.record.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{self.folder}: no state can be kept here ({error}); {WAY_OUT}"
            ) from error
        if self.known["recipe"] != recipe:
            raise ValueError(
                f"{self.folder}: holds the state of another training ({self.known['recipe']}, now "
                f"{recipe}); {WAY_OUT}"
            )

    def _write(self, record):
        unfinished = self.record.with_suffix(".new")
        unfinished.write_text(json.dumps(record), encoding="utf-8")
        os.replace(unfinished, self.record)

    def on_train_begin(self, logs=None):
        whole = [f for f in self.states if f.is_file() and digest(f) in self.known["written"]]
        if not whole:
            found = [file for file in self.states if file.exists()]
            if found:
                print(f"{self.folder}: holds no whole state; the training starts anew")
            for file in found:
                file.unlink()
        elif whole[0] != self.states[0]:
            os.replace(whole[0], self.states[0])
        try:
            with warnings.catch_warnings():
                # Keras goes on with an optimizer that does not fit, and warns of lists of layers
                # that it saved elsewhere.
                warnings.filterwarnings("ignore", "Skipping nested container")
                warnings.filterwarnings("error", "Skipping variable loading")
                super().on_train_begin(logs)
        except json.JSONDecodeError:
            pass  # of a file that Keras writes after the weights, which were read
        except (ValueError, UserWarning) as error:
            raise ValueError(
                f"{self.folder}: holds the state of another network, or precision; {WAY_OUT}"
            ) from error
        done = int(self.model.optimizer.iterations) // self.params["steps"]
        self.model._initial_epoch = min(done, self.params["epochs"] - 1)
        if done:
            print(f"{self.folder}: {done} of {self.params['epochs']} epochs are done")

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        written = [digest(file) for file in self.states if file.exists()]
        self._write({**self.known, "written": written})

    def remove(self):
        """Remove the state, and the folder where nothing else is in it."""
        metadata = Path(self._training_metadata_path), Path(self._prev_training_metadata_path)
        for file in (*self.states, *metadata, self.record):
            file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it is not empty
            self.folder.rmdir()


def digest(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()
