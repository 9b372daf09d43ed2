"""What the course states in numbers, measured side by side in one run: make bench.

Wall times differ between machines and hours; compare the ratios. PH2_ROOT measures on real images.
"""

import resource
import subprocess
import sys
import time
from pathlib import Path

import segmentation_tf  # noqa: F401  (before TensorFlow)

import numpy as np  # isort: skip
from skimage import io, transform

from segmentation_tf import ph2
from segmentation_tf.baseline import otsu_mask
from segmentation_tf.cases import split_cases
from segmentation_tf.evaluation import evaluate, evaluate_masks
from segmentation_tf.images import read_image
from segmentation_tf.models import build_unet
from segmentation_tf.pipeline import make_dataset
from segmentation_tf.training import train

LESSON = Path(__file__).resolve().parents[2] / "notebooks" / "03_unet.ipynb"


def main():
    cases = ph2.load_cases()
    make_dataset(cases[:2], 128, 2)  # TensorFlow starts up outside of the clocks
    bench_reading(cases)
    bench_threshold(cases)
    bench_unet(cases)
    bench_memory()


def row(what, value):
    print(f"{what:<62} {value}", flush=True)


def bench_reading(cases):
    """Folder to batches of 128 px; checking every file is part of the course's way."""
    root = cases[0].image.parents[2]
    course = best_of_three(lambda: read_with_course(root))
    loop = best_of_three(lambda: read_with_loop(cases))
    row(f"{len(cases)} cases to batches of 128 px: the course, s", f"{course:.2f}")
    row(f"{len(cases)} cases to batches of 128 px: a scikit-image loop, s", f"{loop:.2f}")
    row("  times as fast", f"{loop / course:.1f}")


def read_with_course(root):
    for _ in make_dataset(ph2.load_cases(root), 128, 8):
        pass


def read_with_loop(cases):
    images = [transform.resize(io.imread(c.image), (128, 128), anti_aliasing=True) for c in cases]
    masks = [transform.resize(io.imread(c.mask), (128, 128), order=0) for c in cases]
    for start in range(0, len(cases), 8):
        np.stack(images[start : start + 8]), np.stack(masks[start : start + 8])


def best_of_three(work):
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def bench_threshold(cases):
    for clean in (False, True):
        masks = (otsu_mask(read_image(case.image), clean) for case in cases)
        dice = evaluate_masks(cases, masks).means["dice"].mean
        row(f"Otsu's threshold{', cleaned' if clean else ''}: mean Dice, all cases", f"{dice:.3f}")


def bench_unet(cases):
    rest, test = split_cases(cases)
    model, data = build_unet((128, 128, 3)), make_dataset(rest, 128, 8, training=True)
    start = time.perf_counter()
    train(model, data, verbose=False)
    row("U-Net, train's defaults: s of training", f"{time.perf_counter() - start:.0f}")
    dice = evaluate(model, test).means["dice"]
    row(
        f"U-Net, {len(test)} test cases: mean Dice",
        f"{dice.mean:.3f} ({dice.low:.3f}-{dice.high:.3f})",
    )


def bench_memory():
    """Peak memory of lesson 03, its kernel included: the largest of this process' children."""
    subprocess.run(
        [sys.executable, LESSON.parent / "run.py", LESSON], check=True, stdout=subprocess.DEVNULL
    )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (
        1e6 if sys.platform == "linux" else 1e9
    )
    row("lesson 03: peak memory, GB", f"{peak:.2f}")


if __name__ == "__main__":
    main()
