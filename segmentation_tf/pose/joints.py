"""The joints of a person by name, their mirror images, and the limbs between them.

A skeleton is a float array `(17, 3)`, one row `[x, y, seen]` for each of JOINTS. x and y are in
pixels; (0, 0) is the middle of the top left pixel. `seen` is 1, or 0 if something hides the joint.
"""

# COCO's joints in COCO's order; "left" is the person's own left.
JOINTS = (
    "nose",
    *("left_eye", "right_eye", "left_ear", "right_ear"),
    *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
    *("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
)
# For each joint, the number of the same joint on the other side.
MIRRORED = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
# Pairs of joints, by number.
LIMBS = (
    *((0, 1), (0, 2), (1, 3), (2, 4), (0, 5), (0, 6)),  # face, and nose to shoulders
    *((5, 6), (5, 7), (7, 9), (6, 8), (8, 10)),  # shoulders and arms
    *((5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16)),  # trunk and legs
)
