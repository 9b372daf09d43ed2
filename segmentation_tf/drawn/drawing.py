"""What every drawn data set needs: cases drawn by several processes with one progress bar, and
the few painting tools that all scenes share."""

import contextlib
import math
import multiprocessing
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike
from PIL import Image
from scipy import ndimage
from tqdm import tqdm

from segmentation_tf.cases import DatasetError

# --- several processes, one progress bar -----------------------------------------------------


def draw_parallel(draw: Callable, jobs: Iterable[tuple], title: str, processes: int = 0) -> list:
    """Call `draw(*job)` for every job in several processes; return the results in order.

    It works in scripts without a `__main__` guard, in notebooks and under any start method. The
    workers end with the caller, even if it is killed.

    Args:
        draw: A function of a module, because workers import it by name.
        title: Stands before the progress bar.
        processes: 0 for as many as there are cores.

    Raises:
        DatasetError: A worker was killed. What `draw` raises is raised as it is.
    """
    jobs = list(jobs)
    processes = min(processes or len(_usable_cores()), len(jobs), 16)
    pool = ProcessPoolExecutor(
        processes, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_parent
    )
    try:
        with _no_main_module(), _environment_of_workers(), _no_interrupts():
            futures = [pool.submit(draw, *job) for job in jobs]
        done = as_completed(futures)
        for future in tqdm(done, title, len(jobs), file=sys.stdout, mininterval=1):
            future.result()  # raises what was raised there
        return [future.result() for future in futures]
    except KeyboardInterrupt:
        for worker in list(pool._processes.values()):  # a second Ctrl-C leaves nothing to wait for
            worker.kill()
        raise
    except BrokenProcessPool as error:
        raise DatasetError(
            f"{title}: a drawing process was killed, most likely for lack of memory. "
            "Close other programs and run again."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _usable_cores():
    affinity = getattr(os, "sched_getaffinity", None)
    return affinity(0) if affinity else range(os.cpu_count() or 1)


@contextlib.contextmanager
def _no_main_module():
    """Hide the caller's script: each new worker would run it, and train what it trains."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def _environment_of_workers():
    """Give workers one thread each, and the kernels that every x86-64 processor with AVX2 has.

    More threads than cores take twice the time, because they wait for one another. NumPy and
    OpenBLAS choose their kernels by the processor, and AVX-512 would change some pixels by a level.
    """
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    wanted = dict.fromkeys([*threads, "VECLIB_MAXIMUM_THREADS"], "1")
    # glibc keeps the memory of large arrays for the next ones, which saves a tenth of the time.
    wanted |= dict.fromkeys(["MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"], str(1 << 30))
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    if {"X86_V3", "AVX2"} & set(found):
        beyond = [name for name in found if name.startswith(("X86_V4", "AVX512"))]
        wanted |= {"NPY_DISABLE_CPU_FEATURES": " ".join(beyond), "OPENBLAS_CORETYPE": "Haswell"}
    before = {name: os.environ.get(name) for name in (*wanted, "NPY_ENABLE_CPU_FEATURES")}
    os.environ.update(wanted)
    os.environ.pop("NPY_ENABLE_CPU_FEATURES", None)  # NumPy takes only one of the two
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextlib.contextmanager
def _no_interrupts():
    """Start workers that Ctrl-C does not reach, not even in their imports."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent():
    """Let a worker end when its parent is gone, and leave Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


# --- painting tools --------------------------------------------------------------------------


def colour(*rgb: float) -> np.ndarray:
    """A colour as a column, float32 (3, 1, 1), for pictures held as planes, float32 (3, H, W)."""
    return np.array(rgb, np.float32)[:, None, None]


def one_of(rng: Generator, values: Sequence) -> Any:
    """One of the values; each is as likely as the others."""
    return values[rng.integers(len(values))]


def smooth_noise(rng: Generator, shape: tuple[int, int], scale: float) -> np.ndarray:
    """Random float32 field of `shape` (H, W): mean 0, deviation 1, blobs about `scale` px wide."""
    step = max(scale / 2.5, 1)  # blurred on a coarse grid, then enlarged: much faster
    grid = [math.ceil(length / step) + 1 for length in shape]
    noise = rng.standard_normal(grid, dtype=np.float32)
    sigma = scale / step / 3
    kernel = np.exp(-(np.arange(-4.0, 5.0) ** 2) / (2 * sigma**2))
    kernel /= kernel.sum()
    for axis in (0, 1):
        noise = ndimage.correlate1d(noise, kernel, axis, mode="wrap")
    noise /= np.float32(kernel @ kernel)  # the deviation that is left after both passes
    if step == 1:
        return noise[: shape[0], : shape[1]]
    box = (0, 0, shape[1] / step, shape[0] / step)
    return np.asarray(Image.fromarray(noise).resize(shape[::-1], Image.BICUBIC, box=box))


def smoothstep(values: ArrayLike, low: ArrayLike, high: ArrayLike) -> np.ndarray:
    """0 below `low`, 1 above `high`, a smooth rise between."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def cells(rng: Generator, y: np.ndarray, x: np.ndarray, spacing: float, jitter: float) -> tuple:
    """A random honeycomb: which cell each point lies in, and where in it.

    `y`, `x`: coordinates in px, any one shape. Returns three arrays of that shape: distance to
    the centre of the cell, distance to its wall (both in units of `spacing`), and a random
    number in [0, 1) that belongs to the cell. Steven Worley's cellular texture (SIGGRAPH 1996), on
    rows of centres that are offset like bricks.
    """
    y, x = (np.asarray(v, np.float32) / np.float32(spacing) for v in (y, x))
    row, column = (np.floor(v).astype(np.intp) for v in (y, x))
    row0, column0 = row.min() - 1, column.min() - 2
    grid = (row.max() - row0 + 2, column.max() - column0 + 3)
    shift = jitter * (rng.random((2, *grid), dtype=np.float32) - 0.5)
    rows, columns = np.indices(grid, dtype=np.float32)
    centre_y = (rows + row0 + 0.5 + shift[0]).ravel()
    centre_x = (columns + column0 + rows % 2 / 2 + shift[1]).ravel()
    own = rng.random(grid, dtype=np.float32).ravel()
    first = np.full(y.shape, np.inf, np.float32)
    second = first.copy()
    nearest = np.zeros(y.shape, np.intp)
    place = (row - row0) * grid[1] + column - column0
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            near = place + (dy * grid[1] + dx)
            distance = (y - centre_y.take(near)) ** 2 + (x - centre_x.take(near)) ** 2
            np.minimum(second, np.maximum(first, distance), out=second)
            np.copyto(nearest, near, where=distance < first)
            np.minimum(first, distance, out=first)
    first, second = np.sqrt(first), np.sqrt(second)
    return first, (second - first) / 2, own[nearest]
