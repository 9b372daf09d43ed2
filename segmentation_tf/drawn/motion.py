"""How the drawn people move: key poses for each activity, and a skeleton that reaches them.

A pose says where hands and feet are; elbows and knees follow, because two bones that must meet
two points can bend in one plane only (two-bone inverse kinematics, the law of cosines). Feet
that are told to stand on the floor therefore stand on it. Between key poses everything glides.
"""

import math
from dataclasses import dataclass

import numpy as np

from segmentation_tf.drawn.drawing import smoothstep
from segmentation_tf.drawn.tracing import unit

FRAMES_PER_SECOND = 15

# One pose a row, seen by the dancer. Pelvis: how far it is lowered (of a leg's length); chest:
# lean forward, to the left, twist to the left (radians); then left foot and right foot: outward,
# forward, up (of a leg's length); left and right hand, from the shoulder: outward, up, forward
# (of an arm's length); head: turn to the left, nod (radians).
POSES = {
    "HipHop": (
        (.22, .15, .0, .2, .36, .05, 0, .36, -.05, 0, .55, -.10, .45, .55, -.5, .3, .1, .1),
        (.12, .05, .0, .0, .22, .0, 0, .26, .0, 0, -.22, -.30, .42, -.20, -.38, .36, .3, .0),
        (.08, -.1, .15, .2, .14, .0, 0, .30, .35, .3, .5, .2, .2, .2, -.6, -.3, .0, .1),
        (.15, .0, -.2, -.2, .4, .1, 0, .25, -.1, 0, .3, .85, .1, .3, -.75, .1, .4, -.2),
        (.30, -.2, .0, .0, .32, .25, 0, .3, -.25, 0, .10, .0, .8, .1, .05, .75, .0, .0),
        (.28, .65, .0, .1, .3, .0, 0, .3, .1, 0, .35, -.8, .35, .3, -.75, .4, -.2, .2),
        (.10, .15, .0, -.2, .12, .3, .25, .12, -.35, .02, .1, -.45, -.35, .1, -.2, .5, .0, .1),
        (.34, .3, .25, .4, .5, .1, 0, .3, -.1, 0, .5, -.6, .4, .9, .2, .1, -.5, .1),
        (.10, .0, .1, -.3, .2, .15, 0, .2, -.2, 0, .45, .35, .3, .45, .3, .3, .2, .0),
    ),
    "Jazz": (
        (.04, .0, .0, .0, .12, .05, 0, .1, -.02, 0, .95, .10, .1, .95, .1, .1, .5, -.1),
        (.03, -.1, .0, .0, .05, .0, 0, .1, .72, .52, .9, .15, .1, .7, .6, .1, .0, .0),
        (.03, .5, .0, .1, .05, .05, 0, .1, -.72, .45, .4, .2, .8, .9, .1, -.2, .0, -.3),
        (.30, .1, .0, .2, .15, .5, 0, .15, -.5, 0, .3, .88, .1, .9, .0, -.1, .3, -.2),
        (.02, .0, .05, .0, .05, .0, 0, .25, .12, .45, .25, .9, .1, .25, .9, .1, .4, .0),
        (.18, .5, .0, .0, .2, .0, 0, .2, .1, 0, .15, -.3, .7, .15, -.3, .7, .0, .4),
        (.10, -.4, .1, .1, .15, .2, 0, .15, -.3, 0, .5, .8, -.1, .6, -.5, .2, -.3, -.3),
        (.14, .0, .35, -.1, .1, .0, 0, .75, .0, 0, .8, -.3, .1, .5, .85, .0, .5, .0),
        (-.08, .0, .0, .2, .3, -.2, .22, .2, .3, .2, .7, .6, .1, .9, .2, .0, .0, -.1),
    ),
    "Kata": (
        (.25, .05, .0, .2, .15, .45, 0, .15, -.4, 0, .1, -.62, -.1, -.05, .0, .97, .0, .0),
        (.30, .0, .0, .0, .45, .0, 0, .45, .0, 0, .5, .15, .4, .1, -.62, -.1, .8, .0),
        (.06, -.15, .0, .0, .08, .0, 0, .08, .78, .55, .1, -.15, .5, .15, -.3, .45, .0, .0),
        (.24, .1, .0, -.3, .15, .45, 0, .15, -.4, 0, .3, -.75, .4, .1, -.62, -.1, .2, .0),
        (.24, .05, .0, .3, .15, .42, 0, .15, -.42, 0, -.1, .45, .42, .1, -.62, -.1, .0, .0),
        (.18, .0, .0, .4, .1, .3, .05, .1, .0, 0, .10, .05, .75, -.1, -.3, .4, .4, .0),
        (.28, .0, .0, -.5, .4, .1, 0, .4, -.1, 0, .95, .05, .1, .1, -.62, -.1, .9, .0),
        (.02, .0, .0, .0, .1, .0, 0, .1, .0, 0, .15, -.85, .25, .15, -.85, .25, .0, .0),
        (.05, .1, .3, .3, .05, .0, 0, .78, .1, .5, .1, -.2, .5, .4, -.5, .2, -.8, .0),
    ),
    "Taichi": (
        (.18, .0, .0, .1, .2, .2, 0, .2, -.2, 0, -.05, .0, .6, .2, -.6, .2, .1, .0),
        (.26, .05, .0, -.4, .2, .35, 0, .25, -.3, 0, .5, .1, .75, .95, .05, .0, .5, .0),
        (.22, .15, .0, .0, .15, .4, 0, .15, -.3, 0, .1, .05, .78, .1, .05, .78, .0, .0),
        (.10, .0, .0, .2, .1, .2, .04, .12, .0, 0, .3, -.7, .2, .2, .55, .35, .0, .0),
        (.46, .35, .3, .2, .62, .35, 0, .3, -.2, 0, .4, -.6, .6, .9, .2, -.2, .5, .1),
        (.22, .05, .0, .4, .2, .35, 0, .2, -.35, 0, .4, -.65, .3, .05, .1, .75, .0, .0),
        (.20, .0, .0, -.2, .3, .0, 0, .3, .0, 0, -.05, .15, .55, .0, -.35, .5, -.3, .1),
        (.05, .0, .0, .0, .1, .0, 0, .15, .3, .42, .35, .1, .6, .2, .45, .5, .0, .0),
        (.12, .0, .0, .0, .24, .0, 0, .24, .0, 0, .2, -.2, .6, .2, -.2, .6, .0, .1),
    ),
    "Sports": (
        (.18, .25, .0, .0, .3, .1, 0, .3, -.1, 0, .25, -.35, .5, .2, -.2, .6, .0, -.1),
        (.05, -.15, .15, -.5, .2, .3, 0, .2, -.25, 0, .3, .65, .5, .35, .85, -.2, .0, -.4),
        (.02, .15, .1, .3, .2, .1, .12, .2, -.2, .14, .3, -.2, .3, .1, .9, .35, .0, -.3),
        (.34, .4, .0, -.2, .1, -.45, .02, .1, .62, 0, .75, .05, -.4, .2, -.2, .85, .0, -.1),
        (.20, .2, .0, .7, .2, -.3, 0, .2, .4, 0, .4, -.5, .2, -.45, -.1, .5, .5, .0),
        (.24, .3, .2, -.5, .42, .2, 0, .4, -.1, 0, .5, -.3, .5, .85, -.3, .2, .2, .0),
        (.10, .1, .0, .1, .2, .3, .1, .2, -.35, 0, .15, -.4, .45, .2, -.5, -.4, .0, .0),
        (.03, .0, .0, .0, .16, .0, 0, .16, .05, 0, .15, -.9, .1, .3, -.5, .5, .3, .1),
    ),
}  # fmt: skip
SECONDS = {"HipHop": 0.8, "Jazz": 1.3, "Kata": 1.1, "Taichi": 3.0, "Sports": 0.9}


class Performance:
    """One sequence of one person: `pose(seconds)` and where in the studio they are."""

    def __init__(self, rng, activity):
        self.activity = activity
        self.beat = SECONDS[activity] * rng.uniform(0.9, 1.15)
        count = 400
        rows = np.array(POSES[activity])
        keys = rows[rng.integers(len(rows), size=count)]
        if activity != "Sports":  # the racket stays in the right hand
            keys = np.where(rng.random((count, 1)) < 0.5, mirrored(keys), keys)
        spread = np.array([0.02, *[0.06] * 3, *[0.02, 0.03, 0] * 2, *[0.07] * 6, 0.2, 0.06])
        self.keys = keys + rng.normal(size=keys.shape) * spread
        self.waves = rng.uniform(0, 2 * math.pi, 6)
        self.pace = rng.uniform(0.05, 0.1) * (0.5 if activity == "Taichi" else 1)
        self.roam = rng.uniform(0.2, 0.45)
        self.bounce = {"HipHop": 0.05, "Sports": 0.03}.get(activity, 0.01)

    def pose(self, seconds):
        """The 18 numbers of a pose: between two keys, most of the way is made in the middle."""
        key, part = divmod(seconds / self.beat, 1)
        before, after = self.keys[int(key)], self.keys[int(key) + 1]
        share = float(smoothstep(part, 0.05, 0.95))
        pose = before + share * (after - before)
        for foot in (4, 7):  # who sets a foot elsewhere lifts it
            moved = np.hypot(*(after - before)[foot : foot + 2])
            pose[foot + 2] += share * (1 - share) * min(moved, 0.5) * 0.6
        pose[0] += self.bounce * (0.5 + 0.5 * math.sin(2 * math.pi * seconds / self.beat))
        return pose

    def place(self, seconds):
        """Where on the floor the body is (x, z in m) and where it faces (radians)."""
        a, b, c, d, e, f = self.waves
        angle = 2 * math.pi * self.pace * seconds
        x = self.roam * (0.7 * math.sin(angle + a) + 0.3 * math.sin(2.3 * angle + b))
        z = self.roam * (0.7 * math.sin(1.27 * angle + c) + 0.3 * math.sin(1.9 * angle + d))
        turn = 0.9 * math.sin(0.9 * angle + e) + 0.7 * math.sin(2.1 * angle + f)
        return x, z, turn * (1.8 if self.activity in ("Jazz", "Kata") else 1.2)


def mirrored(poses):
    """The same poses with left and right exchanged."""
    order = [0, 1, 2, 3, 7, 8, 9, 4, 5, 6, 13, 14, 15, 10, 11, 12, 16, 17]
    signs = np.ones(18)
    signs[[2, 3, 16]] = -1
    return poses[..., order] * signs


@dataclass
class Skeleton:
    """Joints by name, (3,) in m, and the frames (rows left, up, front) of the trunk's pieces."""

    joints: dict
    pelvis: np.ndarray
    chest: np.ndarray
    head: np.ndarray
    toes: dict  # direction from heel to toes of the left and the right foot


def turned(frame, forward=0.0, left=0.0, twist=0.0):
    """A frame leant forward, leant to its left and twisted to its left, by radians."""
    side, up, front = frame
    side, front = (math.cos(twist) * side - math.sin(twist) * front,
                   math.sin(twist) * side + math.cos(twist) * front)  # fmt: skip
    up, front = (math.cos(forward) * up + math.sin(forward) * front,
                 math.cos(forward) * front - math.sin(forward) * up)  # fmt: skip
    side, up = (math.cos(left) * side - math.sin(left) * up,
                math.cos(left) * up + math.sin(left) * side)  # fmt: skip
    return np.stack([side, up, front])


def bend(root, target, upper, lower, pole):
    """Two-bone inverse kinematics: elbow and hand for a shoulder, or knee and ankle for a hip.

    The middle joint lies on the side of `pole`; a target out of reach is pointed at.
    """
    way = target - root
    reach = min(max(float(np.linalg.norm(way)), abs(upper - lower) + 0.1), 0.992 * (upper + lower))
    axis = unit(way)
    along = (upper**2 - lower**2 + reach**2) / (2 * reach)
    aside = unit(pole - axis * (pole @ axis))
    middle = root + along * axis + math.sqrt(max(upper**2 - along**2, 0)) * aside
    return middle, root + reach * axis


def skeleton(body, pose, place):
    """The skeleton of a `body` (its lengths) in a pose at a place: joints in the studio, m."""
    x, z, heading = place
    ground = turned(np.eye(3), twist=heading)
    drop, lean, tilt, twist = pose[:4]
    leg = body.thigh + body.shin
    feet = {}
    for side, foot, sign in (("left", pose[4:7], 1), ("right", pose[7:10], -1)):
        outward, forward, up = foot * leg
        feet[side] = np.array([x, max(up, 0) + body.ankle, z])
        feet[side] += sign * (outward + body.hips / 2) * ground[0] + forward * ground[2]
    # As high as the legs allow: a foot that stands must be reached.
    height = body.ankle + leg * (1 - drop)
    lowest = min(foot[1] for foot in feet.values())
    for side, sign in (("left", 1), ("right", -1)):
        if feet[side][1] < lowest + 0.1:
            hip = np.array([x, 0, z]) + sign * body.hips * ground[0]
            apart = np.hypot(*(feet[side] - hip)[[0, 2]])
            reachable = math.sqrt(max((0.985 * leg) ** 2 - apart**2, 0.05))
            height = min(height, feet[side][1] + reachable)
    joints = {"pelvis": np.array([x, height, z]) - 0.12 * leg * lean * ground[2]}
    pelvis = turned(ground, 0.35 * lean, 0.3 * tilt, 0.15 * twist)
    middle = turned(ground, 0.7 * lean, 0.7 * tilt, 0.6 * twist)
    chest = turned(ground, lean, tilt, twist)
    head = turned(ground, 0.45 * lean + pose[17], 0.4 * tilt, 0.6 * twist + pose[16])
    joints["waist"] = joints["pelvis"] + body.tall * (0.065 * pelvis[1])
    joints["ribs"] = joints["waist"] + body.tall * (0.07 * middle[1] + 0.008 * middle[2])
    joints["chest"] = joints["ribs"] + body.tall * (0.13 * chest[1] - 0.008 * chest[2])
    joints["neck"] = joints["chest"] + body.tall * (0.025 * chest[1] - 0.006 * chest[2])
    joints["head"] = joints["neck"] + body.tall * (0.083 * head[1] + 0.02 * head[2])
    arm, toes = body.upper_arm + body.forearm, {}
    for side, sign, hand in (("left", 1, pose[10:13]), ("right", -1, pose[13:16])):
        hip = joints["pelvis"] + sign * body.hips * pelvis[0] - 0.02 * pelvis[1]
        toward = turned(ground, twist=sign * 0.3)[2]
        pole = ground[2] + sign * 0.35 * ground[0] + 0.25 * ground[1]
        knee, ankle = bend(hip, feet[side], body.thigh, body.shin, pole)
        raised = float(smoothstep(ankle[1], body.ankle + 0.02, body.ankle + 0.35))
        toes[side] = unit((1 - raised) * toward + raised * (0.8 * unit(ankle - knee) + toward / 2))
        raise_up = max(0.0, hand[1]) * 0.045 + 0.012 * max(0.0, hand[2])
        shoulder = joints["chest"] + sign * body.shoulders * chest[0]
        shoulder = shoulder + body.tall * (
            (raise_up - 0.012) * chest[1] + 0.01 * hand[2] * chest[2]
        )
        target = shoulder + arm * (np.array([sign, 1, 1]) * hand) @ chest
        pole = sign * 0.7 * chest[0] - 0.55 * chest[1] - 0.4 * chest[2]
        elbow, wrist = bend(shoulder, target, body.upper_arm, body.forearm, pole)
        names = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
        for name, joint in zip(names, (hip, knee, ankle, shoulder, elbow, wrist)):
            joints[f"{side}_{name}"] = joint
    return Skeleton(joints, pelvis, chest, head, toes)
