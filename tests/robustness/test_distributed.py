"""Two processes that share each batch reach the losses and the weights of one."""

import importlib.util
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ph2_tree import write_ph2

SCRIPT = Path(__file__).parent / "distributed" / "two_processes.py"


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed")
def test_two_processes_train_as_one_does(tmp_path):
    root = write_ph2(tmp_path / "PH2Dataset", [0, 1, 2] * 8)  # two full batches of 8
    (one,) = train_in(1, root, tmp_path / "one")
    first, second = train_in(2, root, tmp_path / "two")
    assert one["loss"][-1] < one["loss"][0] - 0.1 and len(one["val_loss"]) == 6
    assert one.keys() == first.keys() == second.keys()
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name], err_msg=name)
        # Sums in another order differ by up to 4e-7.
        np.testing.assert_allclose(values, one[name], rtol=0, atol=1e-5, err_msg=name)


def train_in(count, root, folder):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    commands = [
        [sys.executable, SCRIPT, str(n), str(count), address, root, folder] for n in range(count)
    ]
    processes = [subprocess.Popen(command) for command in commands]
    try:
        assert [process.wait(timeout=600) for process in processes] == [0] * count
    finally:
        for process in processes:
            process.kill()  # JAX ignores SIGTERM
    return [dict(np.load(folder / f"{number}.npz")) for number in range(count)]
