"""How the drawn people move: key poses for each activity, and a skeleton that reaches them.

A pose says where hands and feet are; elbows and knees follow, because two bones that must meet
two points can bend in one plane only (two-bone inverse kinematics, the law of cosines). Feet
that are told to stand on the floor therefore stand on it. Between key poses everything glides.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from segmentation_tf.drawn.drawing import smoothstep
from segmentation_tf.drawn.tracing import unit

FRAMES_PER_SECOND = 15
OUTWARD = {"left": 1, "right": -1}  # along the first row of a frame


class Pose(NamedTuple):
    """Where the parts of a dancer are, as the dancer sees it; angles are in radians."""

    # How far the pelvis is lowered, of a leg's length; how far the chest leans forward, leans to
    # the left and is twisted to the left.
    trunk: Sequence[float]
    left_foot: Sequence[float]  # outward, forward, up, of a leg's length
    right_foot: Sequence[float]
    left_hand: Sequence[float]  # outward, up, forward from the shoulder, of an arm's length
    right_hand: Sequence[float]
    head: Sequence[float]  # turned to the left, nodding


# Key poses, one a line: trunk, left foot, right foot, left hand, right hand, head.
HIP_HOP = (
    ((.22, .15, 0, .2), (.36, .05, 0), (.36, -.05, 0), (.55, -.1, .45), (.55, -.5, .3), (.1, .1)),
    ((.12, .05, 0, 0), (.22, 0, 0), (.26, 0, 0), (-.22, -.3, .42), (-.2, -.38, .36), (.3, 0)),
    ((.08, -.1, .15, .2), (.14, 0, 0), (.3, .35, .3), (.5, .2, .2), (.2, -.6, -.3), (0, .1)),
    ((.15, 0, -.2, -.2), (.4, .1, 0), (.25, -.1, 0), (.3, .85, .1), (.3, -.75, .1), (.4, -.2)),
    ((.3, -.2, 0, 0), (.32, .25, 0), (.3, -.25, 0), (.1, 0, .8), (.1, .05, .75), (0, 0)),
    ((.28, .65, 0, .1), (.3, 0, 0), (.3, .1, 0), (.35, -.8, .35), (.3, -.75, .4), (-.2, .2)),
    ((.1, .15, 0, -.2), (.12, .3, .25), (.12, -.35, .02), (.1, -.45, -.35), (.1, -.2, .5), (0, .1)),
    ((.34, .3, .25, .4), (.5, .1, 0), (.3, -.1, 0), (.5, -.6, .4), (.9, .2, .1), (-.5, .1)),
    ((.1, 0, .1, -.3), (.2, .15, 0), (.2, -.2, 0), (.45, .35, .3), (.45, .3, .3), (.2, 0)),
)  # fmt: skip
JAZZ = (
    ((.04, 0, 0, 0), (.12, .05, 0), (.1, -.02, 0), (.95, .1, .1), (.95, .1, .1), (.5, -.1)),
    ((.03, -.1, 0, 0), (.05, 0, 0), (.1, .72, .52), (.9, .15, .1), (.7, .6, .1), (0, 0)),
    ((.03, .5, 0, .1), (.05, .05, 0), (.1, -.72, .45), (.4, .2, .8), (.9, .1, -.2), (0, -.3)),
    ((.3, .1, 0, .2), (.15, .5, 0), (.15, -.5, 0), (.3, .88, .1), (.9, 0, -.1), (.3, -.2)),
    ((.02, 0, .05, 0), (.05, 0, 0), (.25, .12, .45), (.25, .9, .1), (.25, .9, .1), (.4, 0)),
    ((.18, .5, 0, 0), (.2, 0, 0), (.2, .1, 0), (.15, -.3, .7), (.15, -.3, .7), (0, .4)),
    ((.1, -.4, .1, .1), (.15, .2, 0), (.15, -.3, 0), (.5, .8, -.1), (.6, -.5, .2), (-.3, -.3)),
    ((.14, 0, .35, -.1), (.1, 0, 0), (.75, 0, 0), (.8, -.3, .1), (.5, .85, 0), (.5, 0)),
    ((-.08, 0, 0, .2), (.3, -.2, .22), (.2, .3, .2), (.7, .6, .1), (.9, .2, 0), (0, -.1)),
)  # fmt: skip
KATA = (
    ((.25, .05, 0, .2), (.15, .45, 0), (.15, -.4, 0), (.1, -.62, -.1), (-.05, 0, .97), (0, 0)),
    ((.3, 0, 0, 0), (.45, 0, 0), (.45, 0, 0), (.5, .15, .4), (.1, -.62, -.1), (.8, 0)),
    ((.06, -.15, 0, 0), (.08, 0, 0), (.08, .78, .55), (.1, -.15, .5), (.15, -.3, .45), (0, 0)),
    ((.24, .1, 0, -.3), (.15, .45, 0), (.15, -.4, 0), (.3, -.75, .4), (.1, -.62, -.1), (.2, 0)),
    ((.24, .05, 0, .3), (.15, .42, 0), (.15, -.42, 0), (-.1, .45, .42), (.1, -.62, -.1), (0, 0)),
    ((.18, 0, 0, .4), (.1, .3, .05), (.1, 0, 0), (.1, .05, .75), (-.1, -.3, .4), (.4, 0)),
    ((.28, 0, 0, -.5), (.4, .1, 0), (.4, -.1, 0), (.95, .05, .1), (.1, -.62, -.1), (.9, 0)),
    ((.02, 0, 0, 0), (.1, 0, 0), (.1, 0, 0), (.15, -.85, .25), (.15, -.85, .25), (0, 0)),
    ((.05, .1, .3, .3), (.05, 0, 0), (.78, .1, .5), (.1, -.2, .5), (.4, -.5, .2), (-.8, 0)),
)  # fmt: skip
TAICHI = (
    ((.18, 0, 0, .1), (.2, .2, 0), (.2, -.2, 0), (-.05, 0, .6), (.2, -.6, .2), (.1, 0)),
    ((.26, .05, 0, -.4), (.2, .35, 0), (.25, -.3, 0), (.5, .1, .75), (.95, .05, 0), (.5, 0)),
    ((.22, .15, 0, 0), (.15, .4, 0), (.15, -.3, 0), (.1, .05, .78), (.1, .05, .78), (0, 0)),
    ((.1, 0, 0, .2), (.1, .2, .04), (.12, 0, 0), (.3, -.7, .2), (.2, .55, .35), (0, 0)),
    ((.46, .35, .3, .2), (.62, .35, 0), (.3, -.2, 0), (.4, -.6, .6), (.9, .2, -.2), (.5, .1)),
    ((.22, .05, 0, .4), (.2, .35, 0), (.2, -.35, 0), (.4, -.65, .3), (.05, .1, .75), (0, 0)),
    ((.2, 0, 0, -.2), (.3, 0, 0), (.3, 0, 0), (-.05, .15, .55), (0, -.35, .5), (-.3, .1)),
    ((.05, 0, 0, 0), (.1, 0, 0), (.15, .3, .42), (.35, .1, .6), (.2, .45, .5), (0, 0)),
    ((.12, 0, 0, 0), (.24, 0, 0), (.24, 0, 0), (.2, -.2, .6), (.2, -.2, .6), (0, .1)),
)  # fmt: skip
SPORTS = (
    ((.18, .25, 0, 0), (.3, .1, 0), (.3, -.1, 0), (.25, -.35, .5), (.2, -.2, .6), (0, -.1)),
    ((.05, -.15, .15, -.5), (.2, .3, 0), (.2, -.25, 0), (.3, .65, .5), (.35, .85, -.2), (0, -.4)),
    ((.02, .15, .1, .3), (.2, .1, .12), (.2, -.2, .14), (.3, -.2, .3), (.1, .9, .35), (0, -.3)),
    ((.34, .4, 0, -.2), (.1, -.45, .02), (.1, .62, 0), (.75, .05, -.4), (.2, -.2, .85), (0, -.1)),
    ((.2, .2, 0, .7), (.2, -.3, 0), (.2, .4, 0), (.4, -.5, .2), (-.45, -.1, .5), (.5, 0)),
    ((.24, .3, .2, -.5), (.42, .2, 0), (.4, -.1, 0), (.5, -.3, .5), (.85, -.3, .2), (.2, 0)),
    ((.1, .1, 0, .1), (.2, .3, .1), (.2, -.35, 0), (.15, -.4, .45), (.2, -.5, -.4), (0, 0)),
    ((.03, 0, 0, 0), (.16, 0, 0), (.16, .05, 0), (.15, -.9, .1), (.3, -.5, .5), (.3, .1)),
)  # fmt: skip
POSES = {"HipHop": HIP_HOP, "Jazz": JAZZ, "Kata": KATA, "Taichi": TAICHI, "Sports": SPORTS}
# From one key pose to the next.
SECONDS = {"HipHop": 0.8, "Jazz": 1.3, "Kata": 1.1, "Taichi": 3.0, "Sports": 0.9}


class Performance:
    """One sequence of one person: `pose(seconds)` and where in the studio they are."""

    def __init__(self, rng: Generator, activity: str):
        self.activity = activity
        self.beat = SECONDS[activity] * rng.uniform(0.9, 1.15)
        rows = np.array([as_row(Pose(*parts)) for parts in POSES[activity]])
        keys = rows[rng.integers(len(rows), size=400)]
        if activity != "Sports":  # the racket stays in the right hand
            mirror_images = as_row(mirrored(as_pose(keys)))
            keys = np.where(rng.random((len(keys), 1)) < 0.5, mirror_images, keys)
        foot, hand = (0.02, 0.03, 0), (0.07, 0.07, 0.07)
        spread = as_row(Pose((0.02, 0.06, 0.06, 0.06), foot, foot, hand, hand, (0.2, 0.06)))
        self.keys = keys + rng.normal(size=keys.shape) * spread
        self.waves = rng.uniform(0, 2 * math.pi, 6)
        self.pace = rng.uniform(0.05, 0.1) * (0.5 if activity == "Taichi" else 1)
        self.roam = rng.uniform(0.2, 0.45)
        self.bounce = {"HipHop": 0.05, "Sports": 0.03}.get(activity, 0.01)

    def pose(self, seconds: float) -> Pose:
        """The pose at a time: between two keys, most of the way is made in the middle."""
        key, part = divmod(seconds / self.beat, 1)
        before, after = self.keys[int(key)], self.keys[int(key) + 1]
        share = float(smoothstep(part, 0.05, 0.95))
        pose, way = as_pose(before + share * (after - before)), as_pose(after - before)
        # A foot is lifted on its way to another place.
        for foot, (outward, forward, _) in zip(pose[1:3], way[1:3]):
            foot[2] += share * (1 - share) * min(np.hypot(outward, forward), 0.5) * 0.6
        pose.trunk[0] += self.bounce * (0.5 + 0.5 * math.sin(2 * math.pi * seconds / self.beat))
        return pose

    def place(self, seconds: float) -> tuple[float, float, float]:
        """Where on the floor the body is (x, z in m) and where it faces (radians)."""
        a, b, c, d, e, f = self.waves
        angle = 2 * math.pi * self.pace * seconds
        x = self.roam * (0.7 * math.sin(angle + a) + 0.3 * math.sin(2.3 * angle + b))
        z = self.roam * (0.7 * math.sin(1.27 * angle + c) + 0.3 * math.sin(1.9 * angle + d))
        turn = 0.9 * math.sin(0.9 * angle + e) + 0.7 * math.sin(2.1 * angle + f)
        return x, z, turn * (1.8 if self.activity in ("Jazz", "Kata") else 1.2)


def as_row(pose: Pose) -> np.ndarray:
    """The numbers of a pose (or of many, a row each) in a row: (..., 18)."""
    return np.concatenate(pose, axis=-1)


def as_pose(rows: np.ndarray) -> Pose:
    """The Pose of a row (18,), or that of many rows (N, 18), whose parts are arrays (N, 2 to 4)."""
    return Pose(*np.split(rows, (4, 7, 10, 13, 16), axis=-1))


def mirrored(pose: Pose) -> Pose:
    """The same pose (or many, a row each) with left and right exchanged."""
    trunk, left_foot, right_foot, left_hand, right_hand, head = pose
    trunk, head = trunk * np.array([1, 1, -1, -1]), head * np.array([-1, 1])
    return Pose(trunk, right_foot, left_foot, right_hand, left_hand, head)


@dataclass
class Skeleton:
    """Joints by name, (3,) in m, and the frames (rows left, up, front) of the trunk's pieces."""

    joints: dict
    pelvis: np.ndarray
    chest: np.ndarray
    head: np.ndarray
    toes: dict  # direction from heel to toes of the left and the right foot


def turned(frame: np.ndarray, forward: float = 0, left: float = 0, twist: float = 0) -> np.ndarray:
    """A frame leant forward, leant to its left and twisted to its left, by radians."""
    side, up, front = frame
    side, front = (math.cos(twist) * side - math.sin(twist) * front,
                   math.sin(twist) * side + math.cos(twist) * front)  # fmt: skip
    up, front = (math.cos(forward) * up + math.sin(forward) * front,
                 math.cos(forward) * front - math.sin(forward) * up)  # fmt: skip
    side, up = (math.cos(left) * side - math.sin(left) * up,
                math.cos(left) * up + math.sin(left) * side)  # fmt: skip
    return np.stack([side, up, front])


def _bend(root, target, upper, lower, pole):
    """Elbow and hand for a shoulder, or knee and ankle for a hip; bent towards `pole`."""
    way = target - root
    reach = min(max(float(np.linalg.norm(way)), abs(upper - lower) + 0.1), 0.992 * (upper + lower))
    axis = unit(way)
    along = (upper**2 - lower**2 + reach**2) / (2 * reach)
    aside = unit(pole - axis * (pole @ axis))
    middle = root + along * axis + math.sqrt(max(upper**2 - along**2, 0)) * aside
    return middle, root + reach * axis


def skeleton(body, pose: Pose, place: tuple[float, float, float]) -> Skeleton:
    """The skeleton of a `body.Body` in a pose at a place: joints in the studio, m."""
    x, z, heading = place
    ground = turned(np.eye(3), twist=heading)
    lowered, lean, tilt, twist = pose.trunk
    turn, nod = pose.head
    feet = _feet(body, pose, place, ground)
    height = _height_of_pelvis(body, lowered, feet, np.array([x, 0, z]), ground)
    pelvis = turned(ground, 0.35 * lean, 0.3 * tilt, 0.15 * twist)
    middle = turned(ground, 0.7 * lean, 0.7 * tilt, 0.6 * twist)
    chest = turned(ground, lean, tilt, twist)
    head = turned(ground, 0.45 * lean + nod, 0.4 * tilt, 0.6 * twist + turn)
    joints = {"pelvis": np.array([x, height, z]) - 0.12 * body.leg * lean * ground[2]}
    joints["waist"] = joints["pelvis"] + body.tall * (0.065 * pelvis[1])
    joints["ribs"] = joints["waist"] + body.tall * (0.07 * middle[1] + 0.008 * middle[2])
    joints["chest"] = joints["ribs"] + body.tall * (0.13 * chest[1] - 0.008 * chest[2])
    joints["neck"] = joints["chest"] + body.tall * (0.025 * chest[1] - 0.006 * chest[2])
    joints["head"] = joints["neck"] + body.tall * (0.083 * head[1] + 0.02 * head[2])
    bones, hands = Skeleton(joints, pelvis, chest, head, {}), (pose.left_hand, pose.right_hand)
    for (side, sign), hand in zip(OUTWARD.items(), hands):
        _place_leg(bones, body, side, feet[side], ground)
        _place_arm(bones, body, side, hand * np.array([sign, 1, 1]))
    return bones


def _feet(body, pose, place, ground):
    """Where the ankles are told to be: by side, (3,) in m."""
    (x, z, _), feet = place, {}
    for (side, sign), foot in zip(OUTWARD.items(), (pose.left_foot, pose.right_foot)):
        outward, forward, up = foot * body.leg
        feet[side] = np.array([x, max(up, 0) + body.ankle, z])
        feet[side] += sign * (outward + body.hips / 2) * ground[0] + forward * ground[2]
    return feet


def _height_of_pelvis(body, lowered, feet, middle, ground):
    """As high as the legs allow: a foot that stands must be reached."""
    height = body.ankle + body.leg * (1 - lowered)
    lowest = min(foot[1] for foot in feet.values())
    for side, sign in OUTWARD.items():
        if feet[side][1] < lowest + 0.1:
            hip = middle + sign * body.hips * ground[0]
            apart = np.hypot(*(feet[side] - hip)[[0, 2]])
            reachable = math.sqrt(max((0.985 * body.leg) ** 2 - apart**2, 0.05))
            height = min(height, feet[side][1] + reachable)
    return height


def _place_leg(bones, body, side, foot, ground):
    """Add hip, knee and ankle to the joints, and the direction of the toes."""
    joints, sign = bones.joints, OUTWARD[side]
    hip = joints["pelvis"] + sign * body.hips * bones.pelvis[0] - 0.02 * bones.pelvis[1]
    toward = turned(ground, twist=sign * 0.3)[2]
    pole = ground[2] + sign * 0.35 * ground[0] + 0.25 * ground[1]
    knee, ankle = _bend(hip, foot, body.thigh, body.shin, pole)
    raised = float(smoothstep(ankle[1], body.ankle + 0.02, body.ankle + 0.35))
    pointed = 0.8 * unit(ankle - knee) + toward / 2
    bones.toes[side] = unit((1 - raised) * toward + raised * pointed)
    joints |= {f"{side}_hip": hip, f"{side}_knee": knee, f"{side}_ankle": ankle}


def _place_arm(bones, body, side, hand):
    """Add shoulder, elbow and wrist to the joints; `hand`: to the left, up, forward."""
    joints, chest, sign = bones.joints, bones.chest, OUTWARD[side]
    _, up, forward = hand
    raise_up = max(0.0, up) * 0.045 + 0.012 * max(0.0, forward)
    shoulder = joints["chest"] + sign * body.shoulders * chest[0]
    shoulder = shoulder + body.tall * ((raise_up - 0.012) * chest[1] + 0.01 * forward * chest[2])
    target = shoulder + (body.upper_arm + body.forearm) * hand @ chest
    pole = sign * 0.7 * chest[0] - 0.55 * chest[1] - 0.4 * chest[2]
    elbow, wrist = _bend(shoulder, target, body.upper_arm, body.forearm, pole)
    joints |= {f"{side}_shoulder": shoulder, f"{side}_elbow": elbow, f"{side}_wrist": wrist}
