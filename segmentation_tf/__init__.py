"""The helper package of the segmentation course: one module for each step of the data's way.

    cases       what a case is; splits and folds
    images      image and mask files as arrays
    pipeline    batches, with augmentation
    models      U-Net and SegNet
    training    losses, and a training recipe for small data sets
    evaluation  masks at full size, and scores
    plotting    figures

    datasets/   from a folder to cases: PH2, MADS, COCO's panoptic format, your own pairs
    panoptic/   instances and panoptic maps (lesson 8)
    pose/       joints of people (lesson 9)
    drawn/      draws the built-in data sets
    __main__.py the command `segmentation-tf`: check, fit and predict

Import this package before TensorFlow. It switches on oneDNN, a library of fast CPU kernels, where
TensorFlow leaves it off. A training step then takes about 60 % of the time. TensorFlow reads the
switch only once, when it is imported.
"""

import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
