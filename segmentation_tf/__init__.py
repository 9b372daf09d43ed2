"""The helper package of the segmentation course: one module for each step of the data's way.

    cases.py       what a case is; splits and folds
    images.py      image and mask files as arrays
    pipeline.py    cases to batches, with augmentation
    models.py      U-Net and SegNet, which return logits
    training.py    losses, `train`, and the sizes and steps that it is meant for
    evaluation.py  masks at full size, scores, the baseline, exported networks
    plotting.py    figures

    datasets/      from a folder to cases: PH2, MADS, COCO's panoptic format, your own pictures;
                   the check-up
    panoptic/      instances and panoptic maps (lesson 8): targets, scores, figures
    pose/          joints and skeletons (lesson 9): targets, scores, figures
    drawn/         draws the built-in data sets
    __main__.py    the command `segmentation-tf`: check, fit and predict

Each of the first seven files imports only files above it.

Import this package before TensorFlow. It switches on oneDNN, a library of fast CPU kernels, where
TensorFlow leaves it off. A training step then takes about 60 % of the time. TensorFlow reads the
switch only once, when it is imported.
"""

import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
