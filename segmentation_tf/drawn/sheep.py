"""Drawn sheep: fleece, face, ears and legs as solids around a spine, in many poses.

Lengths are metres of a grown sheep that is 0.9 m high with its fleece; a lamb is smaller, has
longer legs for its size, and no thick wool yet.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from segmentation_tf.drawn.body import srgb
from segmentation_tf.drawn.tracing import Cloth, Limb, Part, cross, unit

# Breeds as they look: fleece, and face with legs (0 to 255).
BREEDS = (
    ((226, 216, 196), (44, 38, 36)),  # Suffolk: a black face
    ((230, 222, 206), (206, 188, 166)),  # Texel: white all over
    ((222, 212, 190), (126, 92, 66)),  # brown faces
    ((214, 206, 190), (70, 60, 54)),  # grey faces
    ((92, 70, 54), (50, 40, 34)),  # brown
    ((58, 52, 50), (34, 30, 30)),  # black
)
FLOCK_BREEDS = 4  # the first ones make whole flocks; the others are black sheep among them
# Waves of wool in 1/m, as a limb sees them: in no direction more than in another.
LOCKS = np.array([[31, 12, -9], [-14, 29, 17], [9, -23, 33], [26, 27, 21], [-33, 20, -25]],
                 np.float32)  # fmt: skip


@dataclass
class Sheep:
    """How one sheep looks: `size` 1 is grown, `leggy` and `woolly` are factors."""

    size: float
    fleece: tuple
    face: tuple
    leggy: float = 1.0
    woolly: float = 1.0
    phase: float = 0.0  # of its locks
    lamb: bool = False  # with a big head


@dataclass
class Stance:
    """Where a sheep is (x, z in m), where it looks (radians) and what it does."""

    x: float
    z: float
    turn: float
    pose: str = "stands"
    head: float = 0.0  # how far it is turned to its left, in radians
    step: float = 0.0  # how far its legs are apart, -1 to 1


def random_sheep(rng: Generator, breed: int) -> Sheep:
    """A sheep or lamb of a flock of this breed."""
    black = rng.random() < 0.07
    fleece, face = BREEDS[int(rng.integers(FLOCK_BREEDS, len(BREEDS))) if black else breed]
    lamb = rng.random() < 0.25
    tint = rng.normal(1, 0.04) * np.array([1, rng.normal(1, 0.01), rng.normal(1, 0.03)])
    return Sheep(
        size=rng.uniform(0.5, 0.66) if lamb else rng.uniform(0.9, 1.1),
        fleece=tuple(np.clip(np.array(fleece) * tint, 0, 245)),
        face=tuple(np.clip(np.array(face) * tint, 0, 245)),
        leggy=1.18 if lamb else rng.uniform(0.92, 1.04),
        woolly=0.8 if lamb else rng.uniform(0.92, 1.12),
        phase=rng.uniform(0, 6),
        lamb=lamb,
    )


class Wool(Limb):
    """A limb with locks of wool all over."""

    def _relief(self, local, t):
        phases = np.arange(1, len(LOCKS) + 1, dtype=np.float32)[:, None, None] * self.phase
        waves = LOCKS @ local.reshape(3, -1)
        return np.sin(waves.reshape(len(LOCKS), *local.shape[1:]) + phases).sum(axis=0)


class Posed:
    """A sheep in its stance: its parts for tracing, each a `Part`."""

    def __init__(self, sheep: Sheep, stance: Stance):
        self.sheep, self.stance = sheep, stance
        sin, cos = math.sin(stance.turn), math.cos(stance.turn)
        # Rows: along the spine to the head, up, to the sheep's right.
        self.frame = np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
        self.lies = stance.pose == "lies"
        self.legs = 0.36 * sheep.leggy
        self.back = 0.2 if self.lies else self.legs + 0.25

    def at(self, along: float, up: float, right: float) -> np.ndarray:
        """World place: forward of the middle, above the spine, to the right, in m at size 1.

        Or many places, (N, 3), of arrays (N,).
        """
        local = self.sheep.size * np.array([along, self.back + up, right]).T
        return local @ self.frame + [self.stance.x, 0, self.stance.z]

    def _limb(self, start, end, radii):
        """A limb of skin between two places as `at` takes them; `radii` of a grown sheep, m."""
        radii = [radius * self.sheep.size for radius in radii]
        return Limb(self.at(*start), self.at(*end), radii, front=self.frame[2])

    def _wool(self, start, end, radii, flat=1.0):
        """The same with wool on it."""
        radii = [radius * self.sheep.woolly * self.sheep.size for radius in radii]
        shape = {"front": self.frame[2], "flat": flat}
        cloth = Cloth(folds=0.007 * self.sheep.size, phase=self.sheep.phase)
        return Wool(self.at(*start), self.at(*end), radii, **shape, cloth=cloth)

    def _neck(self):
        """Ends of the neck, as `at` takes them, and the direction in which the nose points."""
        head, right = math.cos(self.stance.head), -math.sin(self.stance.head)
        if self.stance.pose == "grazes":
            end = (0.5, 0.55 * (0.06 + 0.1 - self.back), 0.1 * right)
            return (0.3, -0.03, 0), end, (0.55 * head, -0.8, 0.55 * right)
        return (0.28, 0.06, 0), (0.46, 0.28, 0.1 * right), (0.9 * head, -0.42, 0.9 * right)

    def parts(self) -> list[Part]:
        """Fleece, head and legs."""
        return [self._fleece(), self._head(), *([] if self.lies else [self._all_legs()])]

    def _fleece(self):
        """Barrel, rump, chest, neck and the tops of the legs."""
        start, end, _ = self._neck()
        solids = [
            self._wool((-0.27, 0.0, 0), (0.25, 0.0, 0), (0.27, 0.245), 0.92),
            self._wool((-0.34, -0.03, 0), (-0.34, 0.03, 0), (0.21, 0.2), 1.0),
            self._wool(start, end, (0.19, 0.115), 0.9),
            self._wool((-0.58, 0.06, 0), (-0.6, -0.16, 0), (0.05, 0.04)),
        ]
        if not self.lies:
            for right in (-0.12, 0.12):
                solids += [
                    self._wool((-0.36, -0.1, right), (-0.38, -0.27, right), (0.125, 0.06)),
                    self._wool((0.24, -0.1, right), (0.25, -0.26, right), (0.1, 0.055)),
                ]
        return Part(solids, self._paint_fleece(), 0.05 * self.sheep.size)

    def _paint_fleece(self):
        """The paint of wool: locks, and dirt below."""
        colour, phase, size = 0.9 * srgb(*self.sheep.fleece), self.sheep.phase, self.sheep.size
        frame, middle = self.frame.astype(np.float32), self.at(0, 0, 0).astype(np.float32)[:, None]

        def paint(points):
            along, up, right = frame @ (points - middle) / size
            locks = np.sin(75 * along + 3 * np.sin(31 * up + phase) + 25 * right)
            locks += np.sin(68 * up + 2 * np.sin(43 * along - 29 * right) - 21 * along)
            locks += np.sin(83 * right + 2 * np.sin(37 * along + phase) + 35 * up)
            dirt = 1 - 0.3 * np.clip(-up / 0.3, 0, 1) ** 2
            return colour * ((1 + 0.075 * locks) * dirt)

        return paint

    def _head(self):
        """A wedge of a face with ears to the sides, eyes and a nose painted on, a tuft above."""
        _, end, nose = self._neck()
        nose = unit(np.array(nose))
        size = self.sheep.size * (1.25 if self.sheep.lamb else 1.0)  # lambs have big heads
        poll = self.at(*end) + self.sheep.size * 0.05 * (nose @ self.frame)
        forward = unit(nose @ self.frame)
        across = unit(cross(forward, (0, 1.0, 0)))
        crown = cross(across, forward)

        def spot(front, up, side):
            return poll + size * (front * forward + up * crown + side * across)

        face = Limb(spot(0.02, 0, 0), spot(0.22, -0.02, 0), (0.092 * size, 0.056 * size),
                    front=across, flat=0.82)  # fmt: skip
        solids = [face, Limb(spot(0, -0.03, 0), spot(0.12, -0.06, 0), (0.07 * size, 0.04 * size))]
        for side in (-1, 1):
            ear = spot(-0.02, 0.045, 0.07 * side), spot(-0.05, 0.04, 0.2 * side)
            solids.append(Limb(*ear, (0.036 * size, 0.016 * size), front=crown, flat=0.5))
        skin, dark = srgb(*self.sheep.face), srgb(24, 20, 20)
        frame = np.stack([forward, crown, across]).astype(np.float32)
        centre = poll.astype(np.float32)[:, None]

        def paint(points):
            front, up, side = frame @ (points - centre) / size
            light = np.repeat(skin, len(front), axis=1)
            eye = (front - 0.075) ** 2 + (up - 0.03) ** 2 < 0.019**2
            light[:, eye & (np.abs(side) > 0.03)] = dark
            light[:, front > 0.245] = 0.5 * skin + 0.5 * dark  # the nose
            inside = (np.abs(side) > 0.1) & (front > -0.035)  # of the ears
            light[:, inside] = light[:, inside] * 0.8 + 0.2 * srgb(200, 150, 140)
            return light

        return Part(solids, paint, 0.03 * size, 0.1)

    def _all_legs(self):
        step, knee, ground = 0.09 * self.stance.step, -self.back + 0.45 * self.legs, -self.back
        solids = []
        for right, sign in ((-0.11, 1), (0.11, -1)):
            hind, fore = sign * step, -sign * step
            hock, wrist = (-0.43 + hind / 2, knee, right), (0.26 + fore / 2, knee, right)
            solids += [
                self._limb((-0.38, -0.25, right), hock, (0.05, 0.032)),
                self._limb(hock, (-0.4 + hind, ground, right), (0.032, 0.034)),
                self._limb((0.25, -0.24, right), wrist, (0.045, 0.032)),
                self._limb(wrist, (0.25 + fore, ground, right), (0.03, 0.034)),
            ]
        skin = srgb(*self.sheep.face) * np.float32(0.9)
        hoof, high = srgb(40, 34, 30), np.float32(0.06 * self.sheep.size)
        return Part(solids, lambda p: np.where(p[1] < high, hoof, skin), 0.01, 0.0)
