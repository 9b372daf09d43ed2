"""Two processes that share each batch reach the losses and the weights of one.

They run tests/distributed/two_processes.py, and talk to each other on this machine.
"""

import importlib.util
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from ph2_tree import write_ph2

SCRIPT = Path(__file__).parent / "distributed" / "two_processes.py"
LIMIT = 600  # seconds; minutes of it where much else runs
# Sums in another order differ in the last digits of float32; measured: up to 4e-7.
TOLERANCE = 1e-5
LOSSES = ("loss", "dice", "val_loss", "val_dice")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    # 18 cases to train with and 6 for the validation: batches of 8, 8 and 2, and one of 6.
    return write_ph2(tmp_path_factory.mktemp("distributed") / "PH2Dataset", [0, 1, 2] * 8)


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed")
def test_two_processes_train_as_one_does(data, tmp_path):
    run(1, data, tmp_path / "one")
    run(2, data, tmp_path / "two")
    one, first, second = (
        dict(np.load(tmp_path / file)) for file in ("one/0.npz", "two/0.npz", "two/1.npz")
    )
    assert one.keys() == first.keys() == second.keys()
    for name, values in first.items():
        # The weights are sums over both processes, and so are batch normalisation's statistics.
        np.testing.assert_array_equal(values, second[name], err_msg=name)
        np.testing.assert_allclose(values, one[name], rtol=0, atol=TOLERANCE, err_msg=name)
    assert one["loss"][-1] < one["loss"][0] - 0.1  # there was something to learn
    assert {len(one[name]) for name in LOSSES} == {6}
    loaded = keras.models.load_model(tmp_path / "two" / "model.keras", compile=False)
    for variable in loaded.variables:
        np.testing.assert_array_equal(np.asarray(variable), first[variable.path])


def run(count, data, results):
    """Run `count` processes to their end; none outlives this call."""
    address = f"127.0.0.1:{free_port()}"
    # Into files: a full pipe would hold up a process, and with it the other one.
    logs = [Path(f"{results}-{process}.txt") for process in range(count)]
    processes = []
    try:
        for number, log in enumerate(logs):
            command = [sys.executable, SCRIPT, str(number), str(count), address, data, results]
            with log.open("w") as file:
                processes.append(subprocess.Popen(command, stdout=file, stderr=file))
        assert [process.wait(LIMIT) for process in processes] == [0] * count
    finally:
        for process in processes:
            process.kill()  # SIGKILL: jax.distributed takes a SIGTERM as a notice, and goes on
            process.wait()
        for log in logs:
            print(log, log.read_text()[-3000:], sep="\n")  # pytest shows it where the test fails


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
