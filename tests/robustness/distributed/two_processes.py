"""One process of a training that several share; README.md beside this file says more.

    python tests/distributed/two_processes.py PROCESS COUNT ADDRESS DATA [RESULTS]

PROCESS counts from 0 to COUNT - 1. ADDRESS is HOST:PORT of process 0, where the others find it.
DATA is a folder of PH2, the same in every place. With a COUNT of 1 it trains alone, to compare
with. Process 0 saves the network in the folder RESULTS, by default `build/distributed`; each
leaves its losses and weights there too, as `PROCESS.npz`.
"""

import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"  # Keras can share a training between processes on JAX alone

import segmentation_tf  # noqa: F401, I001  before TensorFlow, which makes the batches
import keras
import numpy as np
import tensorflow as tf

from segmentation_tf import cases, evaluation, models, pipeline, training
from segmentation_tf.datasets import ph2

SIZE, FILTERS, BATCH, EPOCHS = 32, (8, 16), 8, 6  # tiny: a test runs this


def main(process, count, address, data, results="build/distributed"):
    process, count, results = int(process), int(count), Path(results)
    if count > 1:
        # Before anything is computed. It waits until every process has come.
        keras.distribution.initialize(address, count, process)
    # The same in every process: first weights, order of the cases, augmentation.
    keras.utils.set_random_seed(0)
    train_cases, test_cases = cases.split_cases(ph2.load_cases(data))
    train_data = pipeline.make_dataset(train_cases, SIZE, BATCH, training=True)
    test_data = pipeline.make_dataset(test_cases, SIZE, BATCH)
    # One part of each batch a device, and the weights on every device. Keras is not to cut the
    # batches itself: it cannot where the last one is short.
    parallel = keras.distribution.DataParallel(auto_shard_dataset=False)
    with parallel.scope():
        model = models.build_unet((SIZE, SIZE, 3), filters=FILTERS)
        history = training.train(
            model,
            own_part(train_data, process, count),
            own_part(test_data, process, count),
            epochs=EPOCHS,
            verbose=process == 0,
        )
    # Outside of the scope: what follows is done by each process for itself. Within it, every
    # process would have to do it, as each new variable is compared between all of them.
    results.mkdir(parents=True, exist_ok=True)
    weights = {variable.path: np.asarray(variable) for variable in model.variables}
    np.savez(results / f"{process}.npz", **history.history, **weights)
    if process == 0:
        model.save(results / "model.keras")
        print("mean Dice", evaluation.evaluate(model, test_cases).means["dice"].mean)


def own_part(data, process, count):
    """The part of each batch that this process works on; an error where it cannot be divided."""
    return data.map(lambda *batch: tuple(tf.split(array, count)[process] for array in batch))


if __name__ == "__main__":
    main(*sys.argv[1:])
