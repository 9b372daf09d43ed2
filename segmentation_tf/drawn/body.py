"""Drawn people: proportions, and the solids of skin, hair and clothes around a skeleton.

Lengths are shares of a person's height as anthropometry gives them (D. Winter, "Biomechanics and
motor control of human movement", after R. Drillis and R. Contini, 1966). Every material is a
separate `Part`, so that a sleeve ends in an edge and an arm comes out of it.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from segmentation_tf.drawn.drawing import one_of
from segmentation_tf.drawn.motion import Skeleton
from segmentation_tf.drawn.tracing import Cloth, Limb, Paint, Part, Ring, cross, unit

SIDES = ("left", "right")


def srgb(red: float, green: float, blue: float) -> np.ndarray:
    """A colour of a screen (0 to 255) as linear shares of light: column (3, 1) float32."""
    return (np.array([red, green, blue], np.float32)[:, None] / 255) ** 2.2


SKINS = ((240, 205, 182), (228, 186, 158), (214, 168, 136), (190, 140, 106), (150, 104, 76),
         (112, 76, 56), (86, 58, 44))  # fmt: skip
HAIRS = ((24, 20, 19), (36, 27, 23), (62, 43, 32), (98, 70, 46), (150, 116, 72), (120, 112, 108))
BRIGHT = ((196, 40, 44), (36, 82, 160), (230, 190, 50), (40, 132, 84), (226, 112, 44),
          (120, 60, 140), (70, 170, 190), (220, 110, 150))  # fmt: skip
SOBER = ((236, 236, 232), (30, 30, 34), (58, 60, 66), (120, 122, 126), (44, 54, 82), (96, 82, 66),
         (170, 164, 150), (62, 74, 58))  # fmt: skip
COLOURS = BRIGHT + SOBER
WHITES = ((238, 238, 236), (228, 230, 236), (236, 232, 220))
BELTS = ((26, 26, 28), (110, 66, 40), (40, 70, 140), (40, 110, 60), (170, 40, 40))


@dataclass(frozen=True)
class Garment:
    """How cloth lies on an arm, a leg or the trunk; lengths in m."""

    ease: float  # how much wider than the skin it is
    folds: float  # how deep they are
    reach: float  # where a sleeve or a leg ends: 1 elbow or knee, 2 wrist or ankle
    flare: float  # how much wider its end is
    cut: bool = True  # whether it ends in an edge


SKIN = Garment(ease=0.0, folds=0.0, reach=2.0, flare=0.0, cut=False)
TOPS = {
    "tee": Garment(0.014, 0.006, 0.62, 0.012),
    "long": Garment(0.006, 0.004, 1.92, 0.004),
    "hoodie": Garment(0.03, 0.011, 1.94, 0.006),
    "tank": Garment(0.005, 0.003, 0, 0),
    "silk": Garment(0.022, 0.009, 1.85, 0.03),
    "gi": Garment(0.024, 0.009, 1.6, 0.035),
}
BOTTOMS = {
    "loose": Garment(0.028, 0.010, 1.95, 0.02),
    "tight": Garment(0.004, 0.002, 1.93, 0),
    "shorts": Garment(0.022, 0.008, 0.75, 0.02),
    "skirt": Garment(0.012, 0.006, 0.42, 0.01),
    "gi": Garment(0.034, 0.011, 1.82, 0.028),
}
WOMEN = {  # by activity: tops and bottoms
    "HipHop": (("tee", "hoodie", "tank"), ("loose", "shorts", "tight")),
    "Jazz": (("tank", "long", "tee"), ("tight", "skirt", "loose")),
    "Kata": (("gi",), ("gi",)),
    "Taichi": (("silk", "long", "tee"), ("loose",)),
    "Sports": (("tee", "tank"), ("shorts", "skirt")),
}
MEN = {
    "HipHop": (("tee", "hoodie", "tee"), ("loose", "loose", "shorts")),
    "Jazz": (("long", "tee"), ("loose",)),
    "Kata": (("gi",), ("gi",)),
    "Taichi": (("silk", "silk", "tee"), ("loose",)),
    "Sports": (("tee",), ("shorts",)),
}


@dataclass
class Body:
    """A person: height in m, build (1 is the mean), looks and clothes."""

    tall: float
    build: float
    female: bool
    skin: tuple = (226, 224, 218)
    hair: tuple = (0, 0, 0)
    style: str = "bald"
    top: str = "tee"
    bottom: str = "loose"
    pattern: str = "plain"
    colours: dict | None = None
    phase: float = 0.0  # of the folds

    def __post_init__(self):
        h = self.tall
        self.thigh, self.shin, self.ankle = 0.242 * h, 0.242 * h, 0.043 * h
        self.leg = self.thigh + self.shin
        self.hips = (0.056 if self.female else 0.053) * h
        self.shoulders = (0.103 if self.female else 0.114) * h * self.build**0.5
        self.upper_arm, self.forearm = 0.168 * h, 0.148 * h


def random_body(rng: Generator, activity: str) -> Body:
    """A person dressed for the activity."""
    female = bool(rng.random() < {"Jazz": 0.75, "Kata": 0.3}.get(activity, 0.45))
    tops, bottoms = (WOMEN if female else MEN)[activity]
    top, bottom = one_of(rng, tops), one_of(rng, bottoms)
    styles = ("long", "bun", "ponytail", "bob") if female else ("short", "short", "bald", "afro")
    style = "cap" if activity == "HipHop" and rng.random() < 0.4 else one_of(rng, styles)
    colours = {
        "top": one_of(rng, WHITES if top == "gi" else COLOURS),
        "second": one_of(rng, COLOURS),
        "bottom": one_of(rng, SOBER),
        "belt": one_of(rng, BELTS),
        "shoes": one_of(rng, SOBER + BRIGHT[:3]),
    }
    one_piece = top in ("gi", "silk")
    if one_piece:
        colours["bottom"] = colours["top"]
    patterns = ("plain", "stripes", "print", "blocks")
    printed = not one_piece and top != "hoodie"
    skin = one_of(rng, SKINS)
    tall = min(max(rng.normal(1.66, 0.05) if female else rng.normal(1.77, 0.06), 1.54), 1.9)
    build = min(max(rng.normal(0.93 if female else 1.0, 0.07), 0.84), 1.2)
    hair = one_of(rng, HAIRS if skin in SKINS[:3] else HAIRS[:3])
    pattern, phase = one_of(rng, patterns) if printed else "plain", rng.uniform(0, 6)
    return Body(tall, build, female, skin, hair, style, top, bottom, pattern, colours, phase)


def between(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """The place (or number) at a `share` of the way from `a` to `b`."""
    return a + share * (b - a)


def plain(colour: tuple) -> Paint:
    """A paint of one colour (0 to 255)."""
    light = srgb(*colour)
    return lambda points: light


class Figure:
    """A body in the pose of a skeleton: everything that can be seen of it, as parts."""

    def __init__(self, body: Body, bones: Skeleton):
        self.body, self.bones, self.joints = body, bones, bones.joints
        self.k = body.tall / 1.75  # all lengths below are those of a person 1.75 m tall
        self.wide = self.k * body.build
        self.thick = self.wide if body.female else self.k * body.build**0.7

    # --- flesh, or cloth around it: solids -----------------------------------------------------

    def head_at(self, left: float, up: float, front: float) -> np.ndarray:
        """A place of the head, as seen from its centre in m."""
        return self.joints["head"] + self.k * np.array([left, up, front]) @ self.bones.head

    def _skull(self):
        (_, up, front), at, k = self.bones.head, self.head_at, self.k
        neck = self.joints["neck"] - 0.035 * k * self.bones.chest[1]
        crown, brow = at(0, 0.035, -0.012), at(0, 0.03, 0.012)
        return [
            Limb(crown, brow, (0.084 * k, 0.082 * k), front=up, flat=0.98),
            Limb(at(0, 0, 0.015), at(0, -0.085, 0.05), (0.07 * k, 0.036 * k), front=front),
            Limb(neck, at(0, -0.05, -0.02), (0.062 * self.wide, 0.053 * k), front=front),
        ]

    def _trunk(self, garment=SKIN, shoulders=True):
        """Chest, waist and hips, an oval each; broad shoulders; a bust."""
        broad = self._shoulders(garment.ease) if shoulders else []
        return self._torso(garment) + broad + self._bust(garment.ease)

    def _torso(self, garment):
        j, k, female, ease = self.joints, self.wide, self.body.female, garment.ease
        _, up, front = self.bones.chest
        waist = (0.118 if female else 0.134) * k + ease
        chest = (0.138 if female else 0.158) * k + ease
        hips = (0.158 if female else 0.150) * k + ease * (1.5 if garment.cut else 1)
        ribs, belly = j["ribs"] - 0.02 * up, j["waist"] - 0.01 * up
        # Shirts end above the crotch.
        seat = j["pelvis"] + 0.035 * garment.cut * self.bones.pelvis[1]
        cloth = Cloth(garment.folds, self.body.phase)
        hem, back = replace(cloth, cut=garment.cut), self.bones.pelvis[2]
        breast = j["chest"] - 0.06 * up
        return [
            Limb(ribs, breast, (waist * 1.04, chest), front=front, flat=0.7, cloth=cloth),
            Limb(belly, ribs, (waist, waist * 1.02), front=front, flat=0.72, cloth=cloth),
            Limb(j["waist"], seat, (waist, hips), front=back, flat=0.74, cloth=hem),
        ]

    def _shoulders(self, ease=0.0):
        _, up, front = self.bones.chest
        neck = self.joints["neck"] - 0.02 * up
        radii = [radius * self.wide + ease for radius in (0.055, 0.056)]
        ends = [self.joints[f"{side}_shoulder"] - 0.006 * up for side in SIDES]
        return [Limb(neck, end, radii, front=front) for end in ends]

    def _bust(self, ease):
        if not self.body.female:
            return []
        j, k, (side, up, front) = self.joints, self.wide, self.bones.chest
        radii, solids = (0.055 * k + ease / 2, 0.045 * k + ease / 2), []
        for sign in (-1, 1):
            bust = between(j["ribs"], j["chest"], 0.38) + k * (sign * 0.062 * side + 0.07 * front)
            solids.append(Limb(bust, bust + 0.02 * front, radii, front=up))
        return solids

    def _seat(self, ease=0.0, folds=0.0):
        """The hips, as trousers begin with them."""
        j, (_, up, front) = self.joints, self.bones.pelvis
        wide = (0.155 if self.body.female else 0.146) * self.wide + ease
        top = between(j["pelvis"], j["waist"], 0.45)
        middle = j["pelvis"] - 0.01 * up - 0.008 * front
        return Limb(top, middle, (wide * 0.88, wide), front=front, flat=0.76, cloth=Cloth(folds))

    def _arm(self, side, garment=SKIN):
        """Upper arm and forearm, or a sleeve around them."""
        ends = [self.joints[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist")]
        radii = [r * self.thick + garment.ease for r in (0.053, 0.040, 0.027)]
        return self._two_bones(ends, radii, self.bones.chest[2], (0.003, 0.006), garment)

    def _leg(self, side, garment=SKIN):
        """Thigh and calf, or the leg of trousers around them."""
        front = unit(self.bones.toes[side] + 0.2 * self.bones.pelvis[2])
        hip, knee, ankle = (self.joints[f"{side}_{name}"] for name in ("hip", "knee", "ankle"))
        ends = [hip, knee - 0.006 * front, ankle - 0.008 * front]  # calves bulge backwards
        radii = [r * self.thick + garment.ease for r in (0.088, 0.055, 0.037)]
        return self._two_bones(ends, radii, front, (0.008, 0.013), garment)

    def _two_bones(self, ends, radii, front, swells, garment):
        """Limbs around two bones between three `ends`, as far as the garment reaches."""
        solids = []
        for bone, swell in enumerate(swells):
            share = min(garment.reach - bone, 1)
            last = garment.reach <= bone + 1
            radius = between(radii[bone], radii[bone + 1], share) + garment.flare * last
            end = between(ends[bone], ends[bone + 1], share)
            cloth = Cloth(garment.folds, self.body.phase + bone, cut=garment.cut and last)
            shape = {"front": front, "swell": swell, "cloth": cloth}
            solids.append(Limb(ends[bone], end, (radii[bone], radius), **shape))
            if last:
                break
        return solids

    def _hand(self, side):
        k, sign, wrist = self.k, 1 if side == "left" else -1, self.joints[f"{side}_wrist"]
        along = unit(wrist - self.joints[f"{side}_elbow"])
        across = cross(along, self.bones.chest[2]) + 0.3 * sign * self.bones.chest[0]
        across = unit(across - along * (across @ along))
        inward = cross(across, along)
        knuckles = wrist + 0.085 * k * along
        tips = knuckles + 0.075 * k * unit(along - 0.35 * inward)
        thumb = wrist + 0.03 * k * (along + across)
        end = thumb + k * (0.055 * along + 0.02 * across)
        return [
            Limb(wrist, knuckles, (0.028 * k, 0.038 * k), front=inward, flat=0.45),
            Limb(knuckles, tips, (0.034 * k, 0.02 * k), front=inward, flat=0.4),
            Limb(thumb, end, (0.014 * k, 0.01 * k), front=inward),
        ]

    def _foot(self, side, ease=0.0):
        k, toes, ankle = self.k, self.bones.toes[side], self.joints[f"{side}_ankle"]
        shin = unit(ankle - self.joints[f"{side}_knee"])
        sole = unit(shin - toes * (shin @ toes) + 1e-3)
        middle = ankle + 0.036 * k * sole
        heel, ball = middle - 0.045 * k * toes, middle + 0.1 * k * toes
        tip = middle + k * (0.165 * toes + 0.005 * sole)
        heel_width, ball_width, tip_width = (r * k + ease for r in (0.036, 0.043, 0.03))
        return [
            Limb(heel, ball, (heel_width, ball_width), front=sole, flat=0.85),
            Limb(ball, tip, (ball_width, tip_width), front=sole, flat=0.62),
            Limb(ankle - 0.03 * shin, middle, (heel_width, ball_width), front=toes),
        ]

    # --- parts: solids of one material ---------------------------------------------------------

    def _head(self, face=True):
        """The head; eyes, brows, mouth and cheeks are painted on it."""
        left, _, front = self.bones.head
        at, k = self.head_at, self.k
        nose = at(0, -0.01, 0.089), at(0, -0.032, 0.1)
        solids = [*self._skull(), Limb(*nose, (0.009 * k, 0.014 * k), front=front)]
        for x in (-0.078, 0.078):
            ear = at(x, 0, -0.005), at(x, -0.035, 0)
            solids.append(Limb(*ear, (0.02 * k, 0.013 * k), front=left, flat=0.5))
        return Part(solids, self._face() if face else plain(self.body.skin), 0.025 * k, 0.12)

    def _face(self):
        _, up, front = self.bones.head
        k, centre, skin = self.k, self.joints["head"], srgb(*self.body.skin)
        frame = Limb(centre, centre + up, (1, 1), front=front)
        brow, lips = 0.4 * srgb(*self.body.hair), np.array([[0.75], [0.4], [0.42]], np.float32)

        def paint(points):
            x, y, z = frame.local(points) / k

            def spot(x0, y0, wide, high):
                inside = (np.abs(x) - x0) ** 2 / wide**2 + (y - y0) ** 2 / high**2 < 1
                return inside & (z > 0.03)

            light = np.repeat(skin, len(x), axis=1)
            light[:, spot(0.034, 0.0, 0.02, 0.014)] *= np.float32(0.75)  # shade of the sockets
            light[:, spot(0.034, 0.0, 0.014, 0.006)] = srgb(52, 42, 40)
            light[:, spot(0.035, 0.024, 0.02, 0.005)] = brow
            light[:, spot(0, -0.062, 0.024, 0.007)] *= lips
            light[1:, spot(0.045, -0.035, 0.02, 0.02)] *= np.float32(0.92)
            return light

        return paint

    def _hair(self):
        left, up, _ = self.bones.head
        cap = self.body.style == "cap"
        colour = srgb(*(self.body.colours["second"] if cap else self.body.hair))
        combed, shine = (140 * left + 30 * up).astype(np.float32), 0 if cap else 0.25
        solids = self._hair_solids()
        return Part(solids, lambda p: colour * (1 + shine * np.sin(combed @ p)), 0.02, 0.25)

    def _hair_solids(self):
        _, up, front = self.bones.head
        at, k, style, phase = self.head_at, self.k, self.body.style, self.body.phase
        if style == "afro":
            ends, curls = (at(0, 0.06, -0.03), at(0, 0.07, -0.02)), Cloth(0.014, phase)
            return [Limb(*ends, (0.115 * k, 0.11 * k), front=front, cloth=curls)]
        look = {"front": front, "cloth": Cloth(0.004 if style == "cap" else 0.007, phase)}
        ends = at(0, 0.052, -0.022), at(0, 0.05, -0.002)
        solids = [Limb(*ends, (0.089 * k, 0.086 * k), **look)]
        hang = unit(-self.bones.chest[1] - 0.35 * front - [0, 0.3, 0])
        if style == "cap":
            peak = at(0, 0.066, 0.06), at(0, 0.055, 0.13)
            solids.append(Limb(*peak, (0.066 * k, 0.05 * k), front=up, flat=0.16))
        if style in ("bun", "ponytail"):
            bun = at(0, 0.085, -0.105)
            solids.append(Limb(bun, bun - 0.01 * front, (0.045 * k, 0.04 * k), **look))
        if style == "ponytail":
            solids.append(Limb(bun, bun + 0.24 * k * hang, (0.035 * k, 0.014 * k), **look))
        if style in ("bob", "long"):
            fall = (0.09 if style == "bob" else 0.22) * k * hang
            for x in (-0.057, 0, 0.057):
                start = at(x, 0.03, -0.02 if x else -0.045)
                solids.append(Limb(start, start + fall, (0.06 * k, 0.042 * k), flat=0.75, **look))
        return solids

    def _shoe(self, side):
        solids = self._foot(side, 0.006)
        upper, sole = srgb(*self.body.colours["shoes"]), srgb(225, 222, 215)
        heel, high = solids[0], 0.022 * self.k
        return Part(solids, lambda p: np.where(heel.local(p)[2] > high, sole, upper), 0.02, 0.15)

    def _jacket_or_shirt(self):
        """What is worn above: trunk, sleeves, a hood or the skirt of a jacket."""
        name, garment, paint = self.body.top, TOPS[self.body.top], self._cloth()
        j, (side, up, front), k = self.joints, self.bones.chest, self.k
        solids = self._trunk(garment, shoulders=name != "tank")
        if name == "hoodie":
            back = j["neck"] - 0.07 * front
            ends = back - 0.06 * side, back + 0.06 * side
            solids.append(Limb(*ends, (0.06 * k, 0.06 * k), front=up, cloth=Cloth(0.01)))
        if name in ("gi", "silk"):
            _, up, front = self.bones.pelvis
            hem, radii = j["pelvis"] - 0.16 * up, (0.165 * self.wide, 0.2 * self.wide)
            skirt = Cloth(garment.folds, cut=True)
            solids.append(Limb(j["pelvis"], hem, radii, front=front, flat=0.76, cloth=skirt))
        gloss = 0.3 if name == "silk" else 0.04
        parts = [Part(solids, paint, 0.035, gloss)]
        if garment.reach:
            parts += [Part(self._arm(side, garment), paint, 0.035, gloss) for side in SIDES]
        return parts

    def _cloth(self):
        """Paint of the top: plain, striped, in blocks, with a print, or crossed as a gi is."""
        first, second = (srgb(*self.body.colours[which]) for which in ("top", "second"))
        skin = srgb(*self.body.skin)
        pattern = "gi" if self.body.top == "gi" else self.body.pattern
        front = self.bones.chest[2]
        trunk = Limb(self.joints["pelvis"], self.joints["chest"], (1, 1), front=front)

        def paint(points):
            side, along, front = trunk.local(points) / self.k
            if pattern == "stripes":
                return np.where(np.sin(along * 90) > 0.2, second, first)
            if pattern == "blocks":
                return np.where(along > 0.3, second, first)
            if pattern == "print":
                there = (np.abs(side) < 0.085) & (np.abs(along - 0.3) < 0.07) & (front > 0)
                ink = np.sin(90 * side + 3 * self.body.phase) * np.sin(75 * along) > -0.3
                return np.where(there & ink, second, first)
            if pattern == "gi":
                lapel, ahead = 0.3 * (along - 0.33), front > 0.03
                edge = ahead & (np.abs(side - lapel - 0.035) < 0.005) & (along > 0.02)
                light = np.where(edge, 0.55 * first, first)
                return np.where(ahead & (np.abs(side) < lapel), skin, light)
            return first

        return paint

    def _trousers(self):
        """What is worn below, and the legs that come out of it."""
        garment = BOTTOMS[self.body.bottom]
        j, paint = self.joints, plain(self.body.colours["bottom"])
        seat, parts = [self._seat(garment.ease * 0.5, garment.folds * 0.6)], []
        if self.body.bottom == "skirt":
            hem = between(j["pelvis"], (j["left_knee"] + j["right_knee"]) / 2, 0.62)
            radii, front = (0.15 * self.wide, 0.23 * self.k), self.bones.pelvis[2]
            cloth = Cloth(0.016, self.body.phase, cut=True)
            seat.append(Limb(j["waist"], hem, radii, front=front, flat=0.85, cloth=cloth))
        for side in SIDES:
            parts.append(Part(seat + self._leg(side, garment), paint, 0.04, 0.05))
            if garment.reach < 1.5:
                parts.append(Part(self._leg(side), plain(self.body.skin), 0.02, 0.1))
        return parts

    def _belt(self):
        j, (side, up, front), wide = self.joints, self.bones.pelvis, 0.172 * self.wide + 0.015
        middle = between(j["pelvis"], j["waist"], 0.55)
        knot = middle + 0.74 * wide * front
        ends = middle - 0.006 * up, middle + 0.006 * up
        solids = [Ring(Limb(*ends, (wide, wide), front=front, flat=0.77), 0.024)]
        for sign in (-1, 1):
            end = knot + 0.24 * self.k * unit(sign * 0.3 * side + 0.35 * front - [0, 1, 0])
            cloth = Cloth(cut=True)
            solids.append(Limb(knot, end, (0.02, 0.018), front=front, flat=0.3, cloth=cloth))
        return Part(solids, plain(self.body.colours["belt"]), 0, 0.1)

    # --- whole figures -------------------------------------------------------------------------

    def dressed(self, alive: bool = True) -> list[Part]:
        """All parts of a person. If it is not `alive`, it has neither a face nor hair."""
        body, skin = self.body, plain(self.body.skin)
        parts = [self._head(face=alive), *self._jacket_or_shirt(), *self._trousers()]
        if alive and body.style != "bald":
            parts.append(self._hair())
        if body.top == "gi":
            parts.append(self._belt())
        if body.top == "tank":
            parts.append(Part(self._shoulders(), skin, 0, 0.1))
        for side in SIDES:
            parts.append(Part(self._arm(side) + self._hand(side), skin, 0.012, 0.12))
            barefoot = body.bottom == "gi"
            parts.append(Part(self._foot(side), skin, 0.02, 0.1) if barefoot else self._shoe(side))
        return parts

    def naked(self) -> list[Part]:
        """The whole body in one colour, as a mannequin has it."""
        paint = plain(self.body.skin)
        parts = [self._head(face=False), Part(self._trunk(), paint, 0.05, 0.3)]
        for side in SIDES:
            leg = [self._seat(), *self._leg(side), *self._foot(side)[:1]]
            parts.append(Part(leg, paint, 0.03, 0.3))
            parts.append(Part(self._arm(side) + self._hand(side), paint, 0.015, 0.3))
        return parts

    def spheres(self) -> np.ndarray:
        """Balls (n, 4) that cast the person's shadow: x, y, z, radius in m."""
        clothed = replace(SKIN, ease=0.01)  # about as wide as clothes make it
        solids = self._skull() + self._trunk(clothed)
        for side in SIDES:
            solids += self._arm(side, clothed) + self._hand(side)[:1]
            solids += self._leg(side, replace(SKIN, ease=0.015)) + self._foot(side)[:1]
        return np.vstack([solid.spheres() for solid in solids])
