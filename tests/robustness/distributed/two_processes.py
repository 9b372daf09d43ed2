"""One process of a training that several share: two_processes.py PROCESS COUNT ADDRESS DATA FOLDER

README.md beside this file explains it. FOLDER receives the network and each process's weights.
"""

import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"  # Keras can share a training between processes only on JAX

import segmentation_tf  # noqa: F401, I001
import keras
import numpy as np
import tensorflow as tf

from segmentation_tf import cases, models, pipeline, training
from segmentation_tf.datasets import ph2

process, count, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[5])
if count > 1:
    keras.distribution.initialize(sys.argv[3], count, process)  # waits for all the others


def own_part(data):
    """The part of each batch that this process works on."""
    return data.map(lambda *batch: tuple(tf.split(array, count)[process] for array in batch))


keras.utils.set_random_seed(0)  # in each process the same first weights and the same batches
train_cases, validation_cases = cases.split_cases(ph2.load_cases(sys.argv[4]))
train_data = own_part(pipeline.make_dataset(train_cases, 32, 8, training=True))
validation_data = own_part(pipeline.make_dataset(validation_cases, 32, 8))
# Keras shall not divide the batches itself: it cannot if the last one is short.
with keras.distribution.DataParallel(auto_shard_dataset=False).scope():
    model = models.build_unet((32, 32, 3), filters=(8, 16))
    verbose = process == 0
    history = training.train(model, train_data, validation_data, epochs=6, verbose=verbose)
# Outside of the scope, where variables of one process are not compared with the others'.
folder.mkdir(parents=True, exist_ok=True)
weights = {variable.path: np.asarray(variable) for variable in model.variables}
np.savez(folder / f"{process}.npz", **history.history, **weights)
if process == 0:
    model.save(folder / "model.keras")
