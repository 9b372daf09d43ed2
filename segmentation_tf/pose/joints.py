"""The joints of a person: their names, their mirror images, and the limbs between them.

A skeleton is float `(17, 3)`: x and y of each joint in px of its picture, where (0, 0) is the
middle of the top left pixel, and 1 where the joint is seen, 0 where something hides it. The people
of a picture are `(P, 17, 3)`. AWAY stands for a person who is not there.
"""

import numpy as np

JOINTS = (
    "nose",
    *("left_eye", "right_eye", "left_ear", "right_ear"),
    *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
    *("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
)  # COCO's, in COCO's order; "left" is the person's own left
MIRRORED = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)  # the joint on the other side
LIMBS = (
    *((0, 1), (0, 2), (1, 3), (2, 4), (0, 5), (0, 6)),  # face, and nose to shoulders
    *((5, 6), (5, 7), (7, 9), (6, 8), (8, 10)),  # shoulders and arms
    *((5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16)),  # trunk and legs
)  # pairs of joints, by number
AWAY = np.tile(np.float32([-1e4, -1e4, 0]), (len(JOINTS), 1))
