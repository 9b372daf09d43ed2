"""Drawn people: proportions, and the solids of skin, hair and clothes around a skeleton.

Lengths are shares of a person's height as anthropometry gives them (D. Winter, "Biomechanics and
motor control of human movement", after R. Drillis and R. Contini, 1966). Every material is a
`Part` of its own, so that a sleeve ends in an edge and an arm comes out of it.
"""

from dataclasses import dataclass

import numpy as np

from segmentation_tf.drawn.tracing import Limb, Part, Ring, unit


def srgb(red, green, blue):
    """A colour as screens count it (0 to 255) as shares of light: column (3, 1) float32."""
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

# How cloth lies: how much wider than the skin it is (m), how deep its folds are (m), how far a
# sleeve or a leg reaches (1 elbow or knee, 2 wrist or ankle), how much wider its end is (m).
TOPS = {
    "tee": (0.014, 0.006, 0.62, 0.012),
    "long": (0.006, 0.004, 1.92, 0.004),
    "hoodie": (0.03, 0.011, 1.94, 0.006),
    "tank": (0.005, 0.003, 0, 0),
    "silk": (0.022, 0.009, 1.85, 0.03),
    "gi": (0.024, 0.009, 1.6, 0.035),
}
BOTTOMS = {
    "loose": (0.028, 0.010, 1.95, 0.02),
    "tight": (0.004, 0.002, 1.93, 0),
    "shorts": (0.022, 0.008, 0.75, 0.02),
    "skirt": (0.012, 0.006, 0.42, 0.01),
    "gi": (0.034, 0.011, 1.82, 0.028),
}
WARDROBE = {  # by activity: tops and bottoms of women, then of men
    "HipHop": (("tee", "hoodie", "tank"), ("loose", "shorts", "tight"),
               ("tee", "hoodie", "tee"), ("loose", "loose", "shorts")),
    "Jazz": (("tank", "long", "tee"), ("tight", "skirt", "loose"), ("long", "tee"), ("loose",)),
    "Kata": (("gi",), ("gi",), ("gi",), ("gi",)),
    "Taichi": (("silk", "long", "tee"), ("loose",), ("silk", "silk", "tee"), ("loose",)),
    "Sports": (("tee", "tank"), ("shorts", "skirt"), ("tee",), ("shorts",)),
}  # fmt: skip


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
        self.hips = (0.056 if self.female else 0.053) * h
        self.shoulders = (0.103 if self.female else 0.114) * h * self.build**0.5
        self.upper_arm, self.forearm = 0.168 * h, 0.148 * h


def random_body(rng, activity):
    """A person dressed for the activity."""

    def one_of(values):
        return values[rng.integers(len(values))]

    female = bool(rng.random() < {"Jazz": 0.75, "Kata": 0.3}.get(activity, 0.45))
    tops, bottoms = WARDROBE[activity][:2] if female else WARDROBE[activity][2:]
    top, bottom = one_of(tops), one_of(bottoms)
    styles = ("long", "bun", "ponytail", "bob") if female else ("short", "short", "bald", "afro")
    style = "cap" if activity == "HipHop" and rng.random() < 0.4 else one_of(styles)
    colours = {
        "top": one_of(WHITES if top == "gi" else COLOURS),
        "second": one_of(COLOURS),
        "bottom": one_of(SOBER),
        "belt": one_of(BELTS),
        "shoes": one_of(SOBER + BRIGHT[:3]),
    }
    one_piece = top in ("gi", "silk")
    if one_piece:
        colours["bottom"] = colours["top"]
    printed = not one_piece and top != "hoodie"
    skin = int(rng.integers(len(SKINS)))
    tall = rng.normal(1.66, 0.05) if female else rng.normal(1.77, 0.06)
    return Body(
        tall=min(max(tall, 1.54), 1.9),
        build=min(max(rng.normal(0.93 if female else 1.0, 0.07), 0.84), 1.2),
        female=female,
        skin=SKINS[skin],
        hair=one_of(HAIRS if skin < 3 else HAIRS[:3]),
        style=style,
        top=top,
        bottom=bottom,
        pattern=one_of(("plain", "stripes", "print", "blocks")) if printed else "plain",
        colours=colours,
        phase=rng.uniform(0, 6),
    )


def between(a, b, share):
    return a + share * (b - a)


def plain(colour):
    """A paint of one colour (0 to 255)."""
    light = srgb(*colour)
    return lambda points: light


class Figure:
    """A body in the pose of a skeleton: everything that can be seen of it, as parts."""

    def __init__(self, body, bones):
        self.body, self.bones, self.joints = body, bones, bones.joints
        self.k = body.tall / 1.75  # all lengths below are those of somebody 1.75 m tall
        self.wide = self.k * body.build
        self.thick = self.wide if body.female else self.k * body.build**0.7

    # --- flesh: solids, wider by `ease` and cut where a garment ends ---------------------------

    def head_at(self, left, up, front):
        """A place of the head, as seen from its centre in m."""
        return self.joints["head"] + self.k * np.array([left, up, front]) @ self.bones.head

    def skull(self):
        (_, up, front), at, k = self.bones.head, self.head_at, self.k
        neck = self.joints["neck"] - 0.035 * k * self.bones.chest[1]
        return [
            Limb(at(0, 0.035, -0.012), at(0, 0.03, 0.012), (0.084 * k, 0.082 * k), up, flat=0.98),
            Limb(at(0, 0, 0.015), at(0, -0.085, 0.05), (0.07 * k, 0.036 * k), front),
            Limb(neck, at(0, -0.05, -0.02), (0.062 * self.wide, 0.053 * k), front),
        ]

    def trunk(self, ease=0.0, folds=0.0, cut=False):
        """Chest, waist and hips, an oval each; broad shoulders; a bust."""
        j, k, female, phase = self.joints, self.wide, self.body.female, self.body.phase
        side, up, front = self.bones.chest
        waist = (0.118 if female else 0.134) * k + ease
        chest = (0.138 if female else 0.158) * k + ease
        hips = (0.158 if female else 0.150) * k + ease * (1.5 if cut else 1)
        ribs, belly = j["ribs"] - 0.02 * up, j["waist"] - 0.01 * up
        seat = j["pelvis"] + 0.035 * cut * self.bones.pelvis[1]  # shirts end above the crotch
        cloth = {"folds": folds, "phase": phase}
        solids = [
            Limb(ribs, j["chest"] - 0.06 * up, (waist * 1.04, chest), front, flat=0.7, **cloth),
            Limb(belly, ribs, (waist, waist * 1.02), front, flat=0.72, **cloth),
            Limb(j["waist"], seat, (waist, hips), self.bones.pelvis[2], 0, 0.74, cut, **cloth),
        ]
        for name in ("left", "right"):
            radii = (0.055 * k + ease, 0.056 * k + ease)
            shoulder = j[f"{name}_shoulder"] - 0.006 * up
            solids.append(Limb(j["neck"] - 0.02 * up, shoulder, radii, front))
        for sign in (-1, 1) if female else ():
            bust = between(j["ribs"], j["chest"], 0.38) + k * (sign * 0.062 * side + 0.07 * front)
            radii = (0.055 * k + ease / 2, 0.045 * k + ease / 2)
            solids.append(Limb(bust, bust + 0.02 * front, radii, up))
        return solids

    def seat(self, ease=0.0, folds=0.0):
        """The hips, as trousers begin with them."""
        j, (_, up, front) = self.joints, self.bones.pelvis
        wide = (0.155 if self.body.female else 0.146) * self.wide + ease
        top = between(j["pelvis"], j["waist"], 0.45)
        middle = j["pelvis"] - 0.01 * up - 0.008 * front
        return Limb(top, middle, (wide * 0.88, wide), front, flat=0.76, folds=folds)

    def arm(self, side, ease=0.0, folds=0.0, reach=2.0, flare=0.0, cut=False):
        """Upper arm and forearm, down to `reach`: 1 the elbow, 2 the wrist."""
        ends = [self.joints[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist")]
        radii = [r * self.thick + ease for r in (0.053, 0.040, 0.027)]
        return self._two(ends, radii, self.bones.chest[2], (0.003, 0.006), folds, reach, flare, cut)

    def leg(self, side, ease=0.0, folds=0.0, reach=2.0, flare=0.0, cut=False):
        """Thigh and calf, down to `reach`: 1 the knee, 2 the ankle."""
        front = unit(self.bones.toes[side] + 0.2 * self.bones.pelvis[2])
        hip, knee, ankle = (self.joints[f"{side}_{name}"] for name in ("hip", "knee", "ankle"))
        ends = [hip, knee - 0.006 * front, ankle - 0.008 * front]  # calves bulge backwards
        radii = [r * self.thick + ease for r in (0.088, 0.055, 0.037)]
        return self._two(ends, radii, front, (0.008, 0.013), folds, reach, flare, cut)

    def _two(self, ends, radii, front, swell, folds, reach, flare, cut):
        solids = []
        for bone in (0, 1):
            share = min(reach - bone, 1)
            last = reach <= bone + 1
            radius = between(radii[bone], radii[bone + 1], share) + flare * last
            end = between(ends[bone], ends[bone + 1], share)
            shape = (radii[bone], radius), front, swell[bone], 1, cut and last
            solids.append(Limb(ends[bone], end, *shape, folds, self.body.phase + bone))
            if last:
                break
        return solids

    def hand(self, side):
        """A palm, bent fingers and a thumb beyond the wrist."""
        k, sign, wrist = self.k, 1 if side == "left" else -1, self.joints[f"{side}_wrist"]
        along = unit(wrist - self.joints[f"{side}_elbow"])
        across = np.cross(along, self.bones.chest[2]) + 0.3 * sign * self.bones.chest[0]
        across = unit(across - along * (across @ along))
        inward = np.cross(across, along)
        knuckles = wrist + 0.085 * k * along
        tips = knuckles + 0.075 * k * unit(along - 0.35 * inward)
        thumb = wrist + 0.03 * k * (along + across)
        end = thumb + k * (0.055 * along + 0.02 * across)
        return [
            Limb(wrist, knuckles, (0.028 * k, 0.038 * k), inward, flat=0.45),
            Limb(knuckles, tips, (0.034 * k, 0.02 * k), inward, flat=0.4),
            Limb(thumb, end, (0.014 * k, 0.01 * k), inward),
        ]

    def foot(self, side, ease=0.0):
        """Heel, ball and toes."""
        k, toes, ankle = self.k, self.bones.toes[side], self.joints[f"{side}_ankle"]
        shin = unit(ankle - self.joints[f"{side}_knee"])
        sole = unit(shin - toes * (shin @ toes) + 1e-3)
        middle = ankle + 0.036 * k * sole
        heel, ball = middle - 0.045 * k * toes, middle + 0.1 * k * toes
        tip = middle + k * (0.165 * toes + 0.005 * sole)
        heel_width, ball_width, tip_width = (r * k + ease for r in (0.036, 0.043, 0.03))
        return [
            Limb(heel, ball, (heel_width, ball_width), sole, flat=0.85),
            Limb(ball, tip, (ball_width, tip_width), sole, flat=0.62),
            Limb(ankle - 0.03 * shin, middle, (heel_width, ball_width), toes),
        ]

    # --- parts: solids of one material ---------------------------------------------------------

    def head(self, face=True):
        """The head; eyes, brows, mouth and cheeks are painted on it."""
        left, up, front = self.bones.head
        at, k = self.head_at, self.k
        solids = self.skull()
        solids.append(Limb(at(0, -0.01, 0.089), at(0, -0.032, 0.1), (0.009 * k, 0.014 * k), front))
        for x in (-0.078, 0.078):
            radii = (0.02 * k, 0.013 * k)
            solids.append(Limb(at(x, 0, -0.005), at(x, -0.035, 0), radii, left, flat=0.5))
        centre, skin = self.joints["head"], srgb(*self.body.skin)
        frame = Limb(centre, centre + up, (1, 1), front)
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

        return Part(solids, paint if face else plain(self.body.skin), 0.025 * k, 0.12)

    def hair(self):
        """A cap of hair that leaves the face free, and what hangs from it."""
        left, up, front = self.bones.head
        at, k, style = self.head_at, self.k, self.body.style
        wool = {"folds": 0.004 if style == "cap" else 0.007, "phase": self.body.phase}
        solids = [
            Limb(at(0, 0.052, -0.022), at(0, 0.05, -0.002), (0.089 * k, 0.086 * k), front, **wool)
        ]
        hang = unit(-self.bones.chest[1] - 0.35 * front - [0, 0.3, 0])
        if style == "afro":
            curls = {"folds": 0.014, "phase": self.body.phase}
            solids = [
                Limb(at(0, 0.06, -0.03), at(0, 0.07, -0.02), (0.115 * k, 0.11 * k), front, **curls)
            ]
        elif style == "cap":
            radii = (0.066 * k, 0.05 * k)
            solids.append(Limb(at(0, 0.066, 0.06), at(0, 0.055, 0.13), radii, up, flat=0.16))
        elif style in ("bun", "ponytail"):
            bun = at(0, 0.085, -0.105)
            solids.append(Limb(bun, bun - 0.01 * front, (0.045 * k, 0.04 * k), front, **wool))
            if style == "ponytail":
                solids.append(
                    Limb(bun, bun + 0.24 * k * hang, (0.035 * k, 0.014 * k), front, **wool)
                )
        elif style in ("bob", "long"):
            fall = (0.09 if style == "bob" else 0.22) * k * hang
            for x in (-0.057, 0, 0.057):
                start = at(x, 0.03, -0.02 if x else -0.045)
                radii = (0.06 * k, 0.042 * k)
                solids.append(Limb(start, start + fall, radii, front, flat=0.75, **wool))
        colour = srgb(*(self.body.colours["second"] if style == "cap" else self.body.hair))
        combed = (140 * left + 30 * up).astype(np.float32)
        shine = 0 if style == "cap" else 0.25
        return Part(
            solids, lambda points: colour * (1 + shine * np.sin(combed @ points)), 0.02, 0.25
        )

    def shoe(self, side):
        """A shoe with a pale sole."""
        solids = self.foot(side, 0.006)
        upper, sole = srgb(*self.body.colours["shoes"]), srgb(225, 222, 215)
        high = 0.022 * self.k

        def paint(points):
            return np.where(solids[0].local(points)[2] > high, sole, upper)

        return Part(solids, paint, 0.02, 0.15)

    def jacket_or_shirt(self):
        """What is worn above: trunk, sleeves, a hood or the skirt of a jacket."""
        ease, folds, reach, flare = TOPS[self.body.top]
        j, (side, up, front), wide = self.joints, self.bones.chest, self.wide
        solids, paint = self.trunk(ease, folds, cut=True), self.cloth()
        if self.body.top == "tank":
            del solids[3:5]  # bare shoulders
        if self.body.top == "hoodie":
            back = j["neck"] - 0.07 * front
            radii = (0.06 * self.k, 0.06 * self.k)
            solids.append(Limb(back - 0.06 * side, back + 0.06 * side, radii, up, folds=0.01))
        if self.body.top in ("gi", "silk"):
            hem, radii = j["pelvis"] - 0.16 * self.bones.pelvis[1], (0.165 * wide, 0.2 * wide)
            solids.append(Limb(j["pelvis"], hem, radii, self.bones.pelvis[2], 0, 0.76, True, folds))
        gloss = 0.3 if self.body.top == "silk" else 0.04
        parts = [Part(solids, paint, 0.035, gloss)]
        for name in ("left", "right") if reach else ():
            sleeve = self.arm(name, ease, folds, reach, flare, cut=True)
            parts.append(Part(sleeve, paint, 0.035, gloss))
        return parts

    def cloth(self):
        """Paint of the top: plain, striped, in blocks, with a print, or crossed as a gi is."""
        first, second, skin = (
            srgb(*c)
            for c in (self.body.colours["top"], self.body.colours["second"], self.body.skin)
        )
        pattern = "gi" if self.body.top == "gi" else self.body.pattern
        trunk = Limb(self.joints["pelvis"], self.joints["chest"], (1, 1), self.bones.chest[2])

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

    def trousers(self):
        """What is worn below, and the legs that come out of it."""
        ease, folds, reach, flare = BOTTOMS[self.body.bottom]
        j, paint = self.joints, plain(self.body.colours["bottom"])
        seat, parts = [self.seat(ease * 0.5, folds * 0.6)], []
        if self.body.bottom == "skirt":
            hem = between(j["pelvis"], (j["left_knee"] + j["right_knee"]) / 2, 0.62)
            radii, front = (0.15 * self.wide, 0.23 * self.k), self.bones.pelvis[2]
            seat.append(Limb(j["waist"], hem, radii, front, 0, 0.85, True, 0.016, self.body.phase))
        for side in ("left", "right"):
            leg = self.leg(side, ease, folds, reach, flare, cut=True)
            parts.append(Part(seat + leg, paint, 0.04, 0.05))
            if reach < 1.5:
                parts.append(Part(self.leg(side), plain(self.body.skin), 0.02, 0.1))
        return parts

    def belt(self):
        """A belt with its knot and two ends."""
        j, (side, up, front), wide = self.joints, self.bones.pelvis, 0.172 * self.wide + 0.015
        middle = between(j["pelvis"], j["waist"], 0.55)
        knot = middle + 0.74 * wide * front
        band = Limb(middle - 0.006 * up, middle + 0.006 * up, (wide, wide), front, flat=0.77)
        solids = [Ring(band, 0.024)]
        for sign in (-1, 1):
            end = knot + 0.24 * self.k * unit(sign * 0.3 * side + 0.35 * front - [0, 1, 0])
            solids.append(Limb(knot, end, (0.02, 0.018), front, flat=0.3, cut=True))
        return Part(solids, plain(self.body.colours["belt"]), 0, 0.1)

    # --- whole figures -------------------------------------------------------------------------

    def dressed(self, alive=True):
        """All parts of a person, in no order: the nearest is seen. A dummy has no face, no hair."""
        body, skin = self.body, plain(self.body.skin)
        parts = [self.head(face=alive), *self.jacket_or_shirt(), *self.trousers()]
        if alive and body.style != "bald":
            parts.append(self.hair())
        if body.top == "gi":
            parts.append(self.belt())
        if body.top == "tank":
            parts.append(Part(self.trunk()[3:5], skin, 0, 0.1))
        for side in ("left", "right"):
            parts.append(Part(self.arm(side) + self.hand(side), skin, 0.012, 0.12))
            barefoot = body.bottom == "gi"
            parts.append(Part(self.foot(side), skin, 0.02, 0.1) if barefoot else self.shoe(side))
        return parts

    def naked(self):
        """The whole body in one colour: what a mannequin is."""
        paint = plain(self.body.skin)
        parts = [self.head(face=False), Part(self.trunk(), paint, 0.05, 0.3)]
        for side in ("left", "right"):
            leg = [self.seat(), *self.leg(side), *self.foot(side)[:1]]
            parts.append(Part(leg, paint, 0.03, 0.3))
            parts.append(Part(self.arm(side) + self.hand(side), paint, 0.015, 0.3))
        return parts

    def spheres(self):
        """Balls (n, 4) that cast the person's shadow: x, y, z, radius in m."""
        solids = self.skull() + self.trunk(0.01)
        for side in ("left", "right"):
            solids += self.arm(side, 0.01) + self.hand(side)[:1]
            solids += self.leg(side, 0.015) + self.foot(side)[:1]
        return np.vstack([solid.spheres() for solid in solids])
