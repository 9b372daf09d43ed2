"""Drawn dermoscopy: skin lesions as a dermatoscope shows them, in the folders of PH2.

A dermatoscope is a lit magnifying glass that is pressed on the skin with a drop of gel; it makes
the structures under the surface visible. A case is drawn in the order in which light meets them:

    outline -> pigment (melanin, blood, veil, scar) -> skin under it -> hairs, gel, ink on top
            -> round field of view -> camera

Pigment is an absorbing layer: light that passes through `d` units of it keeps `exp(-d * a)` of
its red, green and blue (Beer-Lambert). Brown melanin takes most of the blue and least of the
red, so a thin layer looks light brown, a thick one dark brown, and the thickest black.

The structures and the words for them (network, globules, streaks, regression, blue-whitish veil,
the ABCD rule: Asymmetry, Border, Colours, Dermoscopic structures) are those of the PH2 table and
of its source, Mendonca et al., "PH2 - A dermoscopic image database", IEEE EMBC 2013.
"""

import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from segmentation_tf.drawn.drawing import cells, colour, draw_parallel, smooth_noise, smoothstep
from segmentation_tf.images import largest_component

VERSION = 2  # raise it when any pixel changes: the folder's name contains it

COMMON, ATYPICAL, MELANOMA = 0, 1, 2
COUNTS = {COMMON: 80, ATYPICAL: 80, MELANOMA: 40}
LAST_NAME = 437  # PH2 names its 200 cases with numbers from IMD002 to IMD437

# Images are held as planes, float32 (3, H, W), and colours as columns: fast to compute with.

BLOOD = colour(0.10, 0.85, 0.70)  # haemoglobin lets red through, hardly any green
BLUE_GREY = colour(92, 89, 103)
SCAR = colour(232, 208, 200)


def case_plan() -> list[tuple[str, int]]:
    """Names and diagnoses of the 200 cases: list of (name, code), sorted by name."""
    rng = np.random.default_rng(0)
    numbers = np.sort(rng.choice(np.arange(2, LAST_NAME + 1), sum(COUNTS.values()), replace=False))
    codes = rng.permutation(np.repeat(list(COUNTS), list(COUNTS.values())))
    return [(f"IMD{number:03d}", int(code)) for number, code in zip(numbers, codes, strict=True)]


def draw_case(index: int) -> tuple[np.ndarray, np.ndarray, dict]:
    """Draw case `index` (0 to 199), the same in every process: `(image, mask, facts)`.

    `image`: uint8 (H, W, 3), `mask`: bool (H, W), one piece without holes, as an annotator
    outlines it. `facts`: dict with the columns of the PH2 table.
    """
    rng = np.random.default_rng([0, index])
    name, diagnosis = case_plan()[index]
    shape = (int(rng.integers(398, 417)), int(rng.integers(548, 555)))
    radius = _view_radius(rng, shape)
    half_depth = _lesion_depth(rng, _half_shape(shape), diagnosis)
    depth = _enlarge(half_depth, shape)
    # An annotator's outline ends half-way into the dark rim of the view.
    mask = largest_component((depth > 0) & (radius < 1.02))
    pigment = _draw_pigment(rng, half_depth, depth, diagnosis)

    light = _lighting(rng, shape) * (rng.uniform(0.55, 0.8) if rng.random() < 0.06 else 1)
    image = _draw_skin(rng, shape) * light
    image *= _transmission(rng, pigment)
    for share, tint in ((pigment.veil, BLUE_GREY), (pigment.scar, SCAR)):
        image += share * (tint * light - image)  # what shines through from the depth
    _add_hairs(rng, image)
    _add_gel(rng, image, depth)
    _add_marks(rng, image)
    _add_vignette(rng, image, radius)
    facts = {"name": name, "diagnosis": diagnosis}
    facts["asymmetry"] = asymmetry(mask, pigment.melanin + pigment.veil)
    facts |= pigment.findings | {"colours": _colours(mask, pigment)}
    return _camera(rng, image), mask, facts


# Most of a lesion is soft. Soft things are drawn at half the resolution, which takes a quarter of
# the time. All lengths are in px of the full image nevertheless.


def _half_shape(shape):
    return shape[0] // 2 + 1, shape[1] // 2 + 1


def _half_noise(rng, shape, scale):
    return smooth_noise(rng, shape, scale / 2)


def _enlarge(values, shape):
    box = (0, 0, shape[1] / 2, shape[0] / 2)
    image = Image.fromarray(values.astype(np.float32, copy=False))
    return np.asarray(image.resize(shape[::-1], Image.BILINEAR, box=box))


# --- the outline -----------------------------------------------------------------------------


def _coordinates(shape, centre):
    """Rows and columns as seen from `centre` (row, column), in px: (H, 1) and (1, W)."""
    y = np.arange(shape[0], dtype=np.float32)[:, None] - float(centre[0])
    x = np.arange(shape[1], dtype=np.float32)[None, :] - float(centre[1])
    return y, x


def _lobe(rng, shape, centre, radius, stretch, wobble):
    """A blob, (H, W): 1 in its centre, 0 on its edge, which leaves an ellipse by `wobble`."""
    turn = rng.uniform(0, 2 * math.pi)
    angle = np.linspace(-np.pi, np.pi, 361)
    edge = 1 / np.sqrt(stretch * np.cos(angle - turn) ** 2 + np.sin(angle - turn) ** 2 / stretch)
    for waves in range(2, 8):
        phase = rng.uniform(0, 2 * math.pi)
        edge += wobble / waves**0.7 * rng.normal() * np.cos(waves * angle + phase)
    y, x = _coordinates(shape, centre)
    edge = np.interp(np.arctan2(y, x), angle, np.maximum(edge, 0.3) * radius)
    return 1 - np.hypot(y, x) / edge.astype(np.float32)


def _lesion_depth(rng, shape, diagnosis):
    """How deep inside the annotator's outline each pixel lies, in px, negative outside."""
    margin = 24  # all round, so that lesions can leave the frame
    field = _lesion_field(rng, (shape[0] + 2 * margin, shape[1] + 2 * margin), shape, diagnosis)
    inside = largest_component(ndimage.gaussian_filter(field, 1) > 0)
    # An annotator bridges notches: the lesion grows until they close; what it grew is taken off.
    bridge = rng.uniform(2, 8)
    grown = ndimage.binary_fill_holes(ndimage.distance_transform_edt(~inside) < bridge)
    distance = ndimage.distance_transform_edt(grown) - ndimage.distance_transform_edt(~grown)
    smooth = ndimage.gaussian_filter(distance.astype(np.float32), 1)  # without steps
    return 2 * (smooth - bridge)[margin:-margin, margin:-margin]


def _lesion_field(rng, shape, frame, diagnosis):
    """A field `shape` that is positive on the lesion; `frame` is the shape of its visible part.

    Common nevi are round or oval and smooth. Atypical ones are larger, wavy, sometimes notched.
    Melanomas are large, made of several lobes, and often reach beyond the field of view.
    """
    median, spread, wobble, lobes = {
        COMMON: (0.21, 0.65, 0.04, (1,)),
        ATYPICAL: (0.21, 0.60, 0.07, (1, 1, 2)),
        MELANOMA: (0.85, 0.50, 0.08, (1, 1, 2, 3)),
    }[diagnosis]
    area = min(max(median * math.exp(spread * rng.normal()), 0.06), 1.2)
    radius = math.sqrt(area * frame[0] * frame[1] / math.pi)
    offset = 0.07 if area < 0.5 else 0.12
    middle = np.array(shape) / 2 + rng.normal(0, offset, 2) * frame[0]
    wobble *= rng.uniform(0.5, 1.7)
    count = rng.choice(lobes)
    field = np.full(shape, -np.inf, np.float32)
    for _ in range(count):
        away = rng.normal(0, 0.33, 2) * radius * (count > 1)
        size = radius * (1 if count == 1 else rng.uniform(0.6, 0.95))
        stretch = math.exp(abs(rng.normal(0, 0.28)))
        field = np.maximum(field, _lobe(rng, shape, middle + away, size, stretch, wobble))
    if diagnosis != COMMON and rng.random() < 0.25:
        angle = rng.uniform(0, 2 * math.pi)
        toward = np.array([math.sin(angle), math.cos(angle)])
        bite = middle + radius * rng.uniform(0.8, 1.1) * toward
        field = np.minimum(field, -_lobe(rng, shape, bite, radius * 0.35, 1.5, 0.2))
    field += wobble * smooth_noise(rng, shape, radius * 0.5)
    field += (0.9 + 9 * wobble) / radius * smooth_noise(rng, shape, 13)
    return field + 0.9 / radius * smooth_noise(rng, shape, 6)


# --- pigment ---------------------------------------------------------------------------------


@dataclass
class Pigment:
    """What colours a lesion, each (H, W) float32, and what the PH2 table says about it."""

    melanin: np.ndarray  # optical thickness of brown pigment, 0 to about 4
    blood: np.ndarray  # the same of blood
    veil: np.ndarray  # share of light scattered back blue-grey from deep pigment, 0 to 1
    scar: np.ndarray  # share of light scattered back white, 0 to 1
    findings: dict


CHANCES = {  # of what a lesion shows, by diagnosis: common nevus, atypical nevus, melanoma
    "blotches": (0.08, 0.15, 0.7),
    "islands of skin": (0, 0.06, 0.3),
    "streaks": (0, 0.08, 0.5),
    "regression": (0.02, 0.12, 0.5),
    "veil": (0.04, 0.15, 0.7),
    "dark core": (0.45, 0.6, 0.6),
    "pale middle": (0.06, 0.15, 0.05),
    "atypical network": (0.1, 0.5, 0.8),
}


def _shows(rng, what, diagnosis):
    return rng.random() < CHANCES[what][diagnosis]


def _draw_pigment(rng, depth, full_depth, diagnosis):
    """Fill the lesion: body, structures, signs of its diagnosis. `depth` is at half the size."""
    shape = depth.shape
    reach = float(max(depth.max(), 12))
    body = _pigment_body(rng, depth, reach, diagnosis)
    blood, veil, scar = np.zeros((3, *shape), np.float32)
    ground, lines, findings = _structures(rng, full_depth, reach, diagnosis)
    findings |= {"streaks": "A", "regression": "A", "veil": "A"}

    if _shows(rng, "blotches", diagnosis) and reach > 30:
        body = np.hypot(body, _blotches(rng, depth, reach))
    if _shows(rng, "islands of skin", diagnosis):
        body *= 1 - rng.uniform(0.6, 0.97) * _patch(rng, depth, reach, 0.6)
    if _shows(rng, "streaks", diagnosis):
        body += _streaks(rng, depth, reach)
        findings["streaks"] = "P"
    if _shows(rng, "regression", diagnosis):
        area = _patch(rng, depth, reach, 0.3)
        body *= 1 - rng.uniform(0.5, 0.8) * area
        scar = rng.uniform(0.1, 0.4) * area
        # Fine blue-grey dust: melanin that has dropped into the dermis.
        veil = rng.uniform(0, 0.5) * area * smoothstep(_half_noise(rng, shape, 4), -0.3, 1.2)
        findings["regression"] = "P"
    if _shows(rng, "veil", diagnosis):
        area = _patch(rng, depth, reach, 0.8 if diagnosis == MELANOMA else 0.6)
        veil = np.maximum(veil, rng.uniform(0.2, 0.6) * area)
        findings["veil"] = "P"
    if rng.random() < 0.35:
        spread = rng.uniform(10, 50)
        blush = smoothstep(depth, -spread, spread * 0.4)
        blood += rng.uniform(0.03, 0.16) * blush * (1 + 0.3 * _half_noise(rng, shape, 25))
    if rng.random() < 0.2:
        blood += _vessels(rng, shape) * smoothstep(depth, -5, 5) * rng.uniform(0.1, 0.4)
    body, blood, veil, scar = (_enlarge(v, full_depth.shape) for v in (body, blood, veil, scar))
    # The lines of a network fade later than the ground between them: they fray the border.
    melanin = body * ground + np.sqrt(body) * lines
    return Pigment(melanin, np.maximum(blood, 0), veil, scar, findings)


def _pigment_body(rng, depth, reach, diagnosis):
    """The even ground of a lesion: optical thickness (H, W).

    Annotators draw their line where the last colour fades into the skin, so the pigment reaches
    half its strength only inside the mask. Along one border the fade is steep here and soft there.
    """
    shape = depth.shape
    softness = min(max(math.exp(rng.normal(1.55, 0.5)), 1.4), 13)
    fade = softness * np.exp(0.4 * _half_noise(rng, shape, 90))
    inset = softness * rng.uniform(0.9, 1.6) + rng.uniform(0.5, 4)
    inset = inset + 1.5 * _half_noise(rng, shape, 50)
    ragged = depth + rng.uniform(1, 3) * _half_noise(rng, shape, 12)
    ragged += rng.uniform(0.5, 2) * _half_noise(rng, shape, 5)
    body = 1 / (1 + np.exp(np.clip((inset - ragged) / fade, -30, 30)))
    # A faint rest reaches far into the skin, here and there.
    halo = rng.uniform(0, 0.14) * (1 + _half_noise(rng, shape, 40))
    body += np.maximum(halo, 0) * (1 - body) * smoothstep(depth, -rng.uniform(20, 50), 0)

    if _shows(rng, "dark core", diagnosis):  # with a lighter outskirt
        core = depth - reach * rng.uniform(0.2, 0.6)
        core += reach * 0.15 * _half_noise(rng, shape, reach)
        core += 2 * _half_noise(rng, shape, 8)
        outskirt = rng.uniform(0.3, 0.75)
        width = reach * rng.uniform(0.2, 0.5)
        body *= outskirt + (1 - outskirt) * smoothstep(core, -width, width)
    if _shows(rng, "pale middle", diagnosis) and reach > 25:
        middle = depth - reach * rng.uniform(0.45, 0.65)
        middle += reach * 0.08 * _half_noise(rng, shape, reach)
        middle += 2 * _half_noise(rng, shape, 9)
        body *= 1 - rng.uniform(0.5, 0.95) * smoothstep(middle, -reach * 0.15, reach * 0.2)
    uneven = (0.14, 0.22, 0.25)[diagnosis] * rng.uniform(0.5, 1.5)
    body *= np.exp(uneven * _half_noise(rng, shape, max(reach * 0.8, 14)))
    body *= np.exp(uneven * 0.8 * _half_noise(rng, shape, max(reach * 0.3, 10)))
    body *= np.exp(rng.uniform(0.04, 0.14) * _half_noise(rng, shape, 7))
    strength = math.exp(rng.normal((0.32, 0.62, 0.82)[diagnosis], 0.36))
    return min(max(strength, 0.6), 3.2) * body


@dataclass
class Honeycomb:
    """Random cells under a lesion, at the N pixels `where`; the rest are float32 (N,)."""

    where: np.ndarray  # bool (H, W)
    centre: np.ndarray  # distance to the centre of the cell
    wall: np.ndarray  # distance to its wall
    own: np.ndarray  # a random number per cell, 0 to 1
    clear: np.ndarray  # how clear structures are here, 0 to 1
    fine: np.ndarray  # a factor around 1 that varies from pixel to pixel


def _structures(rng, depth, reach, diagnosis):
    """What the pigment is gathered into: ground (a factor), lines (thickness), the table's entries.

    Network: the honeycomb of melanin along the rete ridges, seen from above. Typical (T) is
    regular and thins out towards the edge, atypical (AT) has thick, broken lines and uneven
    holes. Globules are nests of pigmented cells, round and dark; where they fill a lesion, they
    look like cobblestones. Without either the lesion is homogeneous.
    """
    shape = depth.shape
    where = depth > -12
    y, x = (v.astype(np.float32) for v in np.nonzero(where))
    bend = rng.uniform(1.5, 3)
    y += bend * smooth_noise(rng, shape, 13)[where]
    x += bend * smooth_noise(rng, shape, 13)[where]
    atypical = _shows(rng, "atypical network", diagnosis)
    # Structures are clear in one part of the lesion and blurred in another.
    clear = smoothstep(smooth_noise(rng, shape, max(reach, 25))[where], -1.3, 0.9)
    speckle = smooth_noise(rng, shape, 4)[where]
    kind = rng.choice(["network", "globules", "cobbles", "plain"], p=PATTERNS[diagnosis])
    spacing = rng.uniform(7, 12) * (1.7 if kind == "cobbles" else 1)
    regular = kind == "network" and not atypical
    combed = cells(rng, y, x, spacing, 0.75 if regular else 1.0)
    comb = Honeycomb(where, *combed, clear, fine=1 + 0.35 * speckle)

    ground, lines = np.ones(shape, np.float32), np.zeros(shape, np.float32)
    change = np.zeros(len(y), np.float32)
    if kind == "network":
        lines[where], paler = _network(rng, comb, atypical)
        change += paler
    elif kind == "globules":
        change += _globules(rng, comb)
    elif kind == "cobbles":
        change += _cobbles(rng, comb)
    scattered = rng.random() < 0.4  # a few dark dots and globules
    if scattered:
        change += _dots(rng, comb)
    if rng.random() < 0.3:  # pale dots: openings of hair follicles and glands
        few = comb.own > rng.uniform(0.7, 0.95)
        change -= rng.uniform(0.2, 0.5) * (few * (1 - smoothstep(comb.centre, 0.1, 0.3)))
    change += rng.uniform(0.03, 0.12) * speckle
    ground[where] = np.maximum(1 + change, 0.1)
    entry = "AT" if atypical else "T"
    found = scattered or kind in ("globules", "cobbles")
    return ground, lines, {"network": entry, "globules": entry if found else "A"}


def _network(rng, comb, atypical):
    """Lines of a network, and how the ground changes between them: (N,) both."""
    uneven = (0.8 if atypical else 0.3) * (comb.own - 0.4)
    width = rng.uniform(0.08, 0.15) * (1 + uneven) * comb.fine
    net = 0.6 * np.exp(-((comb.wall / np.maximum(width, 0.04)) ** 2))
    net += 0.5 * smoothstep(comb.centre, 0.25, 0.65)  # holes are round, corners filled
    noise = smooth_noise(rng, comb.where.shape, 9)[comb.where]
    net *= smoothstep(noise, -1.6, 0.8)  # broken in places
    lines = rng.uniform(0.35, 1.1) * comb.clear * net
    return lines, comb.clear * (rng.uniform(0.05, 0.2) * (comb.own - 0.5) - rng.uniform(0.1, 0.35))


def _globules(rng, comb):
    """Round dark nests in most cells: how the ground changes, (N,)."""
    size = rng.uniform(0.16, 0.32) * (0.5 + comb.own) * comb.fine
    nests = (comb.own > 0.3) * (1 - smoothstep(comb.centre, size * 0.3, size * 1.7))
    return rng.uniform(0.2, 0.65) * comb.clear * (nests - 0.15)


def _cobbles(rng, comb):
    """Nests side by side, pale between: how the ground changes, (N,)."""
    edge = smoothstep(comb.wall * comb.fine, 0.0, rng.uniform(0.15, 0.35))
    stones = edge * (0.6 + 0.8 * comb.own)
    return rng.uniform(0.25, 0.6) * (0.3 + 0.7 * comb.clear) * (stones - 0.6)


def _dots(rng, comb):
    """Dark dots in a few cells: how the ground changes, (N,)."""
    size = rng.uniform(0.15, 0.3) * comb.fine
    few = comb.own < rng.uniform(0.08, 0.3)
    spots = few * (1 - smoothstep(comb.centre, size * 0.3, size * 1.3))
    return rng.uniform(0.2, 0.8) * comb.clear * spots


PATTERNS = {  # of network, globules, cobblestones, homogeneous
    COMMON: (0.45, 0.25, 0.10, 0.20),
    ATYPICAL: (0.50, 0.20, 0.07, 0.23),
    MELANOMA: (0.40, 0.30, 0.05, 0.25),
}


def _patch(rng, depth, reach, share):
    """An irregular part of the lesion, 0 to 1 with soft edges: (H, W)."""
    shape = depth.shape
    noise = _half_noise(rng, shape, max(reach * rng.uniform(0.7, 1.6), 20))
    noise = noise + 0.3 * _half_noise(rng, shape, 18) + 0.1 * _half_noise(rng, shape, 8)
    cut = float(np.quantile(noise[depth > 0][::7], 1 - share * rng.uniform(0.5, 1)))
    soft = rng.uniform(0.5, 1.2)
    return smoothstep(noise, cut - soft, cut + soft) * smoothstep(depth, 2, 12 + reach * 0.25)


def _blotches(rng, depth, reach):
    """Structureless dark areas, brown-black, with ragged edges: optical thickness (H, W)."""
    shape = depth.shape
    noise = _half_noise(rng, shape, max(reach * rng.uniform(0.5, 1.2), 20))
    noise = noise + 0.3 * _half_noise(rng, shape, 16) + 0.1 * _half_noise(rng, shape, 7)
    cut = float(np.quantile(noise[depth > 0][::7], rng.uniform(0.25, 0.8)))
    ramp = rng.uniform(0.8, 2.0)
    area = smoothstep(noise, cut - ramp, cut + ramp) * smoothstep(depth, 2, 18)
    return rng.uniform(2.0, 3.4) * area


def _streaks(rng, depth, reach):
    """Finger-like lines that radiate at the edge of a growing melanoma: thickness (H, W)."""
    shape = depth.shape
    y, x = _coordinates(shape, ndimage.center_of_mass(depth > 0))
    turns = np.arctan2(y, x) * int(rng.integers(30, 60))
    fingers = np.sin(turns + 3 * _half_noise(rng, shape, 30) + _half_noise(rng, shape, 9))
    length = depth + 3 * _half_noise(rng, shape, 10)
    band = smoothstep(length, 0, 8) * (1 - smoothstep(length, 8, 20))
    some = smoothstep(_half_noise(rng, shape, max(reach, 40)), -0.2, 0.8)
    return rng.uniform(0.5, 1.6) * smoothstep(fingers, -0.2, 1) * band * some


def _vessels(rng, shape):
    """Short, thin, winding blood vessels: 0 to 1, (H, W)."""
    ridge = np.abs(_half_noise(rng, shape, 20) + 0.3 * _half_noise(rng, shape, 8))
    some = smoothstep(_half_noise(rng, shape, 24), 0.5, 1.1)
    return (1 - smoothstep(ridge, 0.02, 0.18)) * some


def _transmission(rng, pigment):
    """Share of light that the pigment lets through: (3, H, W), 0 to 1.

    A thin layer takes little of the red: it looks orange or light brown. The thicker it is, the
    more evenly it takes all three: dark brown, then black.
    """
    warm, thick = rng.normal(0.04, 0.025), pigment.melanin
    red = np.clip(warm + 0.07 * thick, 0.07, 0.275)
    green = 0.315 + rng.normal(0, 0.012) + 0.01 * thick
    absorbed = np.stack([red * thick, green * thick, (1 - green - red) * thick])
    absorbed += pigment.blood * BLOOD
    return np.exp(-absorbed)


# --- skin ------------------------------------------------------------------------------------


def _lighting(rng, shape):
    """Uneven light of the ring of lamps: factor (H, W) around 1."""
    y, x = (v / (shape[1] / 2) for v in _coordinates(shape, (shape[0] / 2, shape[1] / 2)))
    slope = rng.normal(0, 0.045) * y + rng.normal(0, 0.045) * x
    return 1 + slope + rng.uniform(-0.10, 0.20) * (x * x + y * y - 0.4)


def _draw_skin(rng, shape):
    """Skin without a lesion: float32 (3, H, W), 0 to 255 and above where it is overexposed."""
    red = min(max(rng.normal(232, 22), 182), 275)
    green = min(max(rng.normal(0.81, 0.06), 0.66), 0.95)
    blue = min(max(1.45 * green - 0.46 + rng.normal(0, 0.075), 0.36), 1.0)
    small = _half_shape(shape)
    blood = 0.03 * _half_noise(rng, small, 250) + 0.012 * _half_noise(rng, small, 30)
    blood += rng.uniform(0.005, 0.022) * _half_noise(rng, small, 8)
    if rng.random() < 0.2:  # flushed and pale areas
        blood += rng.uniform(0.02, 0.045) * _half_noise(rng, small, rng.uniform(18, 50))
    if rng.random() < 0.3:
        blood += rng.uniform(0.03, 0.15) * _vessels(rng, small)
    melanin = 0.08 * _half_noise(rng, small, 250) + 0.03 * _half_noise(rng, small, 60)
    melanin += _freckles(rng, small)
    absorbed = _enlarge(blood, shape) * BLOOD + _enlarge(melanin, shape) * colour(0.17, 0.33, 0.50)
    skin = np.exp(-absorbed) * (1 + _furrows(rng, shape))
    return skin * colour(red, red * green, red * blue)


def _freckles(rng, shape):
    """Small pale-brown spots that are not part of a lesion: optical thickness (H, W)."""
    if rng.random() < 0.55:
        return np.float32(0)
    noise = _half_noise(rng, shape, rng.uniform(20, 50)) + 0.25 * _half_noise(rng, shape, 7)
    return rng.uniform(0.15, 0.6) * smoothstep(noise, rng.uniform(1, 1.5), 2.6)


def _furrows(rng, shape):
    """Fine skin lines, pores and grain: relative brightness (H, W) around 0."""
    small = _half_shape(shape)
    y, x = 2 * np.indices(small, dtype=np.float32)
    y += 6 * _half_noise(rng, small, 36)
    x += 6 * _half_noise(rng, small, 36)
    turn, stretch = rng.uniform(0, math.pi), rng.uniform(1, 2)
    along = (y * math.cos(turn) + x * math.sin(turn)) * stretch
    across = x * math.cos(turn) - y * math.sin(turn)
    centre, wall, own = cells(rng, along, across, rng.uniform(10, 22), 1.0)
    some = smoothstep(_half_noise(rng, small, 60), -1, 1.5)
    lines = np.exp(-((wall / 0.09) ** 2)) * some
    pores = (own < 0.3) * (1 - smoothstep(centre, 0.05, 0.2))
    relief = rng.uniform(-0.07, 0.05) * lines - rng.uniform(0, 0.12) * pores
    relief += 0.008 * _half_noise(rng, small, 14)
    return _enlarge(relief + rng.uniform(0.006, 0.02) * _half_noise(rng, small, 4), shape)


# --- what lies on the skin -------------------------------------------------------------------

FINE = 3  # strokes are painted this many times larger and scaled down: smooth edges


class Canvas:
    """A grey layer to paint strokes on, 0 to 1, in the coordinates of the image."""

    def __init__(self, shape: tuple[int, int]):
        self.shape = shape
        self.layer = Image.new("L", (shape[1] * FINE, shape[0] * FINE))
        self.pen, self.empty = ImageDraw.Draw(self.layer), True

    def stroke(self, x, y, widths, strength=1.0):
        """A line through the points (px), as wide as `widths` says at each of them."""
        self.empty = False
        points = [(float(px) * FINE, float(py) * FINE) for px, py in zip(x, y, strict=True)]
        for start, end, width in zip(points[:-1], points[1:], widths, strict=False):
            self.pen.line((start, end), int(255 * strength), max(1, round(float(width) * FINE)))

    def array(self):
        """The layer at the size of the image, float32 (H, W)."""
        if self.empty:
            return np.zeros(self.shape, np.float32)
        return np.asarray(self.layer.reduce(FINE), np.float32) / 255


def _curve(rng, shape, length, bend, turn):
    """Points (x, y) of a smooth curve in px; it starts towards `turn` and turns by about `bend`."""
    steps = max(int(length / 4), 6)
    turn = turn + bend * np.linspace(0, 1, steps) * rng.normal()
    turn += 0.25 * bend * np.sin(np.linspace(0, rng.uniform(3, 9), steps) + rng.uniform(0, 6))
    x, y = np.cumsum(np.cos(turn)), np.cumsum(np.sin(turn))
    middle = rng.uniform(0, 1, 2) * (shape[1], shape[0])
    return (x - x.mean()) * length / steps + middle[0], (y - y.mean()) * length / steps + middle[1]


def _add_hairs(rng, image):
    """Dark hairs that taper, with a pale reflex and a soft shadow; most lean the same way."""
    kind = rng.choice(["none", "down", "few", "many"], p=(0.42, 0.34, 0.13, 0.11))
    if kind == "none":
        return
    shape = image.shape[1:]
    hairs, reflex = Canvas(shape), Canvas(shape)
    thick = {"down": 0.9, "few": 2.2, "many": 3.6}[kind]
    lean, disorder = rng.uniform(0, 2 * math.pi), rng.uniform(0.2, 1.2)
    bend = rng.uniform(0.2, 1.2) if rng.random() < 0.8 else 3.0
    for _ in range(rng.integers(*{"down": (4, 30), "few": (1, 7), "many": (10, 24)}[kind])):
        length = rng.uniform(0.15, 1.2) * shape[1] * (0.4 if kind == "down" else 1)
        x, y = _curve(rng, shape, length, bend, rng.normal(lean, disorder))
        along = np.linspace(0, 1, len(x))
        widths = thick * rng.uniform(0.4, 1.4) * np.interp(along, (0, 0.1, 1), (0.4, 1, 0.3))
        hairs.stroke(x, y, widths, rng.uniform(0.6, 1))
        if kind != "down":
            reflex.stroke(x, y - 0.3, widths * 0.35, rng.uniform(0, 0.6))
    cover = hairs.array() * (rng.uniform(0.12, 0.4) if kind == "down" else rng.uniform(0.7, 0.95))
    side = tuple(int(step) for step in rng.integers(-3, 4, 2))
    image *= 1 - 0.22 * np.roll(ndimage.gaussian_filter(cover, 1.5), side, axis=(0, 1))
    dark = rng.uniform(28, 62) * (1.6 if kind == "down" else 1)
    tint = colour(dark, dark * rng.uniform(0.75, 0.95), dark * rng.uniform(0.5, 0.9))
    image += cover * (tint - image)
    image += 60 * reflex.array()


def _add_gel(rng, image, depth):
    """What the contact gel leaves: air bubbles, and glints where the skin did not get wet."""
    bright, dark = Canvas(depth.shape), Canvas(depth.shape)
    for _ in range(rng.poisson(rng.choice([1, 4, 12]))):
        _bubble(rng, bright, dark)
    if rng.random() < 0.6:
        _glints(rng, bright, depth)
    if rng.random() < 0.25:
        _scales(rng, bright)
    image *= 1 - 0.15 * dark.array()
    image += rng.uniform(0.55, 1) * bright.array() * (255 - image)


def _bubble(rng, bright, dark):
    """An oval rim, lit on one side and dark beside it."""
    size = min(max(math.exp(rng.normal(1.2, 0.5)), 1.2), 14)
    squeeze, turn = rng.uniform(0.5, 1), rng.uniform(0, math.pi)
    angles = np.linspace(0, 2 * np.pi, 40)
    a, b = size * np.cos(angles), size * squeeze * np.sin(angles)
    x = rng.uniform(0, bright.shape[1]) + a * math.cos(turn) - b * math.sin(turn)
    y = rng.uniform(0, bright.shape[0]) + a * math.sin(turn) + b * math.cos(turn)
    dark.stroke(x + 1.2, y + 1.2, [1.0] * 40, 0.6)
    lit = np.clip(0.5 + np.cos(2 * angles - rng.uniform(0, 2 * math.pi)), 0.2, 1)
    for part in range(0, 39, 3):
        width = 0.5 + 0.8 * float(lit[part])
        bright.stroke(x[part : part + 4], y[part : part + 4], [width] * 4, float(lit[part]))


def _glints(rng, bright, depth):
    """Crumbs of mirror-bright flecks where the raised skin is dry, mostly on the lesion."""
    rows, columns = np.nonzero(depth > -10)
    main = rng.uniform(0, math.pi)
    for _ in range(rng.integers(2, 24)):
        place, spread = rng.integers(len(rows)), rng.uniform(1, 6)
        for _ in range(rng.integers(2, 14)):
            y, x = rows[place] + rng.normal(0, spread), columns[place] + rng.normal(0, spread)
            turn, length = main + rng.normal(0, 0.7), 0.3 + rng.exponential(0.7)
            dy, dx = length * math.sin(turn), length * math.cos(turn)
            strength = rng.uniform(0.15, 1)
            bright.stroke((x - dx, x + dx), (y - dy, y + dy), [0.5], strength)


def _scales(rng, bright):
    """Dry skin: short faint bright scratches, most of them in two directions."""
    main, strength = rng.uniform(0, math.pi), rng.uniform(0.15, 0.6)
    for _ in range(rng.integers(20, 160)):
        turn, length = main + rng.choice([0, 1.2]) + rng.normal(0, 0.25), rng.uniform(3, 16)
        y, x = rng.uniform(0, bright.shape[0]), rng.uniform(0, bright.shape[1])
        dy, dx, kink = length * math.sin(turn), length * math.cos(turn), rng.normal()
        rows, columns = (y - dy, y + kink, y + dy), (x - dx, x - kink, x + dx)
        bright.stroke(columns, rows, [0.6, 0.6], strength * rng.uniform(0.4, 1))


def _add_marks(rng, image):
    """What people put there: a ruler printed on the glass, or ink of a skin marker."""
    shape = image.shape[1:]
    if rng.random() < 0.025:
        image *= 1 - rng.uniform(0.5, 0.9) * _ruler(rng, shape)
    if rng.random() < 0.06:
        ink = colour(0.7, 0.9, 0.3) if rng.random() < 0.7 else colour(0.9, 0.2, 0.8)
        image *= np.exp(-rng.uniform(0.4, 1.2) * _ink_patch(rng, shape) * ink)


def _ruler(rng, shape):
    """Millimetre ticks along one edge, every fifth longer: 0 to 1, (H, W)."""
    canvas = Canvas(shape)
    spacing, edge = rng.uniform(24, 30), shape[0] * rng.choice([0.04, 0.94])
    for tick, x in enumerate(np.arange(rng.uniform(0, spacing), shape[1], spacing)):
        length = 8 if tick % 5 == 0 else 4.5  # to both sides of the edge
        canvas.stroke((x, x), (edge - length, edge + length), [1.2])
    return canvas.array()


def _ink_patch(rng, shape):
    """A smear of marker ink that has run into the furrows: 0 to 1, (H, W)."""
    canvas = Canvas(shape)
    x, y = _curve(rng, shape, rng.uniform(40, 120), 0.8, rng.uniform(0, 2 * math.pi))
    x += rng.choice([0.03, 0.97]) * shape[1] - x.mean()
    canvas.stroke(x, y, np.full(len(x), rng.uniform(8, 20)))
    grain = smoothstep(smooth_noise(rng, shape, 5), -1, 0.6)
    return ndimage.gaussian_filter(canvas.array(), 2) * grain


# --- the instrument --------------------------------------------------------------------------


def _view_radius(rng, shape):
    """Distance from the middle of the round field of view, 1 where half its light is gone."""
    edge = shape[1] / 2 * min(max(rng.normal(1.06, 0.035), 0.94), 1.14)
    if rng.random() < 0.07:
        edge *= 1.6  # zoomed in: no rim in the picture
    y, x = _coordinates(shape, np.array(shape) / 2 + rng.normal(0, 0.012, 2) * shape[1])
    return np.hypot(y, x) / np.float32(edge)


def _add_vignette(rng, image, radius):
    """The dark rim around the round field of view, never quite black."""
    inside = 1 / (1 + np.exp(np.clip((radius - 1) / rng.uniform(0.028, 0.05), -30, 30)))
    rim = rng.uniform(38, 75)
    rim = colour(rim, rim * rng.uniform(0.8, 0.9), rim * rng.uniform(0.75, 0.88))
    image[:] = (image - rim) * inside + rim


def _camera(rng, image):
    """The video camera and its frame grabber: uint8 (H, W, 3).

    Colour is far softer than brightness and smeared along the lines, edges are sharpened until
    they ring, the noise is coarse, and the picture was stored as a JPEG before it became a BMP.
    """
    image = np.clip(image, 0, 262)
    luma = 0.30 * image[0] + 0.59 * image[1] + 0.11 * image[2]
    chroma = ndimage.uniform_filter1d(image - luma, 5, axis=2)
    blurred = ndimage.gaussian_filter(luma, 1.2, truncate=3)
    luma += rng.uniform(0.6, 1.6) * (luma - blurred)
    grain = rng.standard_normal((luma.shape[0], luma.shape[1] + 1), dtype=np.float32)
    luma += rng.uniform(0.8, 2.8) * (grain[:, 1:] + grain[:, :-1])
    image = np.clip(luma + chroma, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=int(rng.integers(82, 95)))
    return np.array(Image.open(file))


# --- the table -------------------------------------------------------------------------------


def asymmetry(mask: np.ndarray, thickness: np.ndarray) -> int:
    """The A of the ABCD rule: on how many of its two main axes a lesion does not mirror, 0 to 2.

    Shape and pigment are folded over each axis through the centre. The axis counts if more than a
    third of them does not match.
    """
    y, x = np.nonzero(mask)
    y, x = y[::7], x[::7]
    weights = 0.4 + thickness[y, x]
    place = np.stack([y - y.mean(), x - x.mean()])
    axes = np.linalg.eigh(place @ place.T)[1].T
    count = 0
    for axis in axes:
        folded = place - 2 * axis[:, None] * (axis @ place)
        fy, fx = (folded + [[y.mean()], [x.mean()]]).round().astype(int)
        there = (fy >= 0) & (fy < mask.shape[0]) & (fx >= 0) & (fx < mask.shape[1])
        fy, fx = fy[there], fx[there]
        mirrored = np.zeros(len(y), np.float32)
        mirrored[there] = mask[fy, fx] * (0.4 + thickness[fy, fx])
        count += bool(np.abs(mirrored - weights).sum() > 0.33 * weights.sum())
    return count


def _colours(mask, pigment):
    """The C of the ABCD rule as PH2 codes it: which of six colours cover part of the lesion.

    1 white, 2 red, 3 light brown, 4 dark brown, 5 blue-grey, 6 black.
    """
    brown = pigment.melanin[mask]
    shares = {
        1: pigment.scar[mask] > 0.2,
        2: pigment.blood[mask] > 0.25,
        3: (brown > 0.5) & (brown < 1.7),
        4: (brown >= 1.7) & (brown < 3),
        5: pigment.veil[mask] > 0.3,
        6: brown >= 3,
    }
    return [code for code, where in shares.items() if where.mean() > 0.08] or [3]


HEADER = (
    "||   Name || Histological Diagnosis || Clinical Diagnosis || Asymmetry | Pigment Network "
    "| Dots/Globules | Streaks | Regression Areas | Blue-Whitish Veil ||           Colors ||"
)


def _table_row(facts):
    return (
        f"|| {facts['name']} || {'':22} || {facts['diagnosis']:18} || {facts['asymmetry']:9} "
        f"| {facts['network']:>15} | {facts['globules']:>13} | {facts['streaks']:>7} "
        f"| {facts['regression']:>16} | {facts['veil']:>17} "
        f"|| {'  '.join(map(str, facts['colours'])):>16} ||"
    )


# --- the folder ------------------------------------------------------------------------------


def draw_ph2(folder: Path, indices: Iterable[int] = range(200), processes: int = 0) -> Path:
    """Draw the 200 cases, or those of `indices`, into `folder`, laid out as PH2; return it."""
    jobs = [(folder / "PH2 Dataset images", index) for index in indices]
    rows = draw_parallel(_save_case, jobs, "drawing skin lesions", processes)
    text = "\n".join([HEADER, *rows]) + "\n"
    (folder / "PH2_dataset.txt").write_text(text, newline="\n")
    return folder


def _save_case(folder, index):
    """Draw one case into its two folders as PH2 has them; return its line of the table."""
    image, mask, facts = draw_case(index)
    name = facts["name"]
    image_file = folder / name / f"{name}_Dermoscopic_Image" / f"{name}.bmp"
    mask_file = folder / name / f"{name}_lesion" / f"{name}_lesion.bmp"
    for file, picture in ((image_file, image), (mask_file, mask)):
        file.parent.mkdir(parents=True)
        Image.fromarray(picture).save(file)  # a bool array is stored with 1 bit per pixel
    return _table_row(facts)
