"""Helpers of the segmentation course, one module a step of the data's way:

cases -> folders -> images -> ph2, mads -> pipeline -> models -> training -> evaluation -> plotting

`archives` unpacks what comes from the web, and `atomic` makes a folder complete or absent.
`panoptic`, `meadow`, `instances` and `panoptic_scores` serve single objects, one after another;
`pose`, `skeletons` and `pose_scores` serve the joints of people. `callbacks` watch over a training,
and `exported` runs a network in other runtimes than Keras.
`synthetic` draws the built-in data sets, for ph2, mads and meadow where there is no other. Import
this package before TensorFlow: oneDNN halves the time of a training step on most CPUs, and
TensorFlow reads its switch once, when it is imported.
"""

import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
