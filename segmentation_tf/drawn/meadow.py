"""Drawn meadows: sheep between bushes and fences under the sky, in COCO's panoptic format.

A picture is drawn in the order of its depth, at twice its size:

    sky, hills and grass -> bushes and fence -> sheep, each where nothing nearer is -> light and
    shadow of one sun -> camera

A meadow has one flock, one sun and one weather. Several pictures are taken of it, so that its
sheep are in all of them: a random split of pictures tests on sheep that it was trained on.

A picture is 192 x 256 px: both sides halve six times. In a smaller one the legs of a sheep in the
middle would not be 2 px wide, and a far lamb would not cover LEAST px.
"""

import itertools
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw
from scipy import ndimage

from segmentation_tf.drawn.body import srgb
from segmentation_tf.drawn.drawing import draw_parallel, one_of, smooth_noise, smoothstep
from segmentation_tf.drawn.light import around, passed
from segmentation_tf.drawn.sheep import FLOCK_BREEDS, Posed, Stance, random_sheep
from segmentation_tf.drawn.tracing import FINE, Camera, Surface, one_a_pixel, reduce, unit
from segmentation_tf.panoptic.maps import Panoptic, ids_to_colours, segments_info

VERSION = 3  # raise it when any pixel changes: the folder's name contains it

SIZE = (192, 256)  # height and width
MEADOWS, PICTURES = 152, 2  # of each meadow
GRASS, SKY, BUSH, FENCE, SHEEP = range(1, 6)
CATEGORIES = {GRASS: "grass", SKY: "sky", BUSH: "bush", FENCE: "fence", SHEEP: "sheep"}
COLOURS = {GRASS: (110, 160, 60), SKY: (120, 180, 230), BUSH: (30, 90, 40), FENCE: (140, 100, 60),
           SHEEP: (240, 230, 210)}  # fmt: skip
PANOPTIC = "annotations/panoptic_meadow"
HEAD = {  # of the JSON
    "info": {
        "description": "Drawn meadows: images made by rule, for a course on segmentation",
        "version": str(VERSION), "year": 2026, "contributor": "segmentation_tf", "url": "",
        "date_created": "2026-01-01",
    },
    "licenses": [{"id": 1, "name": "MIT", "url": "https://opensource.org/license/mit"}],
    "categories": [
        {"id": number, "name": name, "supercategory": "animal" if number == SHEEP else "outdoor",
         "isthing": int(number == SHEEP), "color": list(COLOURS[number])}
        for number, name in CATEGORIES.items()
    ],
}  # fmt: skip
FIRST = 10  # number of the first sheep in a map of what is seen
LEAST = 30  # px: a sheep that shows less cannot be recognized and becomes void
HAZE = 1.1 * srgb(190, 208, 220)  # what shows of a thing is this white, the more, the farther it is
FIELD = tuple(FINE * length for length in SIZE)


@dataclass
class Meadow:
    """What all pictures of a meadow share; colours and light are linear shares, (3, 1)."""

    flock: list
    sun: np.ndarray  # unit vector to it
    sunlight: np.ndarray
    skylight: np.ndarray
    cloudy: float  # share of the sky
    grass: np.ndarray
    leaves: np.ndarray
    wood: np.ndarray
    fenced: bool


def random_meadow(rng: Generator) -> Meadow:
    """A flock of one breed, the weather, and the colours of grass, leaves and wood."""
    breed = int(rng.integers(FLOCK_BREEDS))
    cloudy = rng.uniform(0.1, 0.9)
    side, height = rng.choice([-1, 1]) * rng.uniform(0.5, 1.0), rng.uniform(0.45, 1.0)
    warm = np.array([1.0, 0.93, 0.72 + 0.2 * height])[:, None]
    dry = rng.uniform(0, 1)
    grass = (1 - dry) * srgb(92, 138, 48) + dry * srgb(150, 152, 72)
    return Meadow(
        flock=[random_sheep(rng, breed) for _ in range(16)],
        sun=unit(np.array([side, height, rng.uniform(-0.1, 0.6)])),
        sunlight=(rng.uniform(1.1, 1.5) * (1 - 0.4 * cloudy) * warm).astype(np.float32),
        skylight=(np.array([0.42, 0.5, 0.62])[:, None] * (0.7 + 0.5 * cloudy)).astype(np.float32),
        cloudy=cloudy,
        grass=grass * np.float32(rng.uniform(0.85, 1.1)),
        leaves=srgb(*(np.array([58, 88, 38]) * rng.uniform(0.8, 1.25))),
        wood=srgb(*(np.array([142, 118, 92]) * rng.uniform(0.65, 1.2))),
        fenced=rng.random() < 0.7,
    )


def draw_picture(meadow: int, picture: int) -> tuple[np.ndarray, Panoptic]:
    """Draw picture 0 or 1 of a meadow, 0 to MEADOWS - 1: `(image, Panoptic)`.

    `image`: uint8 (192, 256, 3), the same in every process. Segments have the numbers 1, 2, ...
    and CATEGORIES' numbers as classes.
    """
    place = random_meadow(np.random.default_rng([0, meadow]))
    rng = np.random.default_rng([0, meadow, picture])
    scene = Scene(rng, place)
    scene.add_ground()
    scene.add_bushes()
    if place.fenced:
        scene.add_fence()
    scene.add_sheep(_place_flock(rng, place.flock, scene))
    return _take_picture(rng, scene.light), _to_panoptic(scene.seen)


# --- the scene -------------------------------------------------------------------------------


class Scene:
    """A picture in the making, at FINE times its size.

    `light`: (3, H, W) linear; `depth`: (H, W) in m; `seen`: (H, W), a category or FIRST + the
    number of a sheep.
    """

    def __init__(self, rng: Generator, place: Meadow):
        self.rng, self.place = rng, place
        high, focal = rng.uniform(1.5, 2.5), SIZE[1] * rng.uniform(0.92, 1.1)
        horizon = rng.uniform(0.2, 0.34)  # share of the height
        drop = math.tan((0.5 - horizon) * SIZE[0] / focal)
        self.camera = Camera(np.array([0, high, 0.0]), (0, high - drop, -1), focal, SIZE)
        rows, columns = np.indices(FIELD, dtype=np.float32)
        self.rays = self.camera.rays(rows.ravel(), columns.ravel()).reshape(3, *FIELD)
        self.light = np.zeros((3, *FIELD), np.float32)
        self.depth = np.full(FIELD, np.inf, np.float32)
        self.seen = np.full(FIELD, SKY, np.uint8)
        self.horizon = int(np.argmax(self.rays[1, :, 0] < -1e-3))
        self.fence_at = -rng.uniform(8.5, 13), rng.uniform(-0.25, 0.25)  # z and its slope

    def _paint(self, where, colour, category, depth):
        """Set pixels, rows and columns (n,) in `where`, to the light `colour`, (3, 1) or (3, n)."""
        self.light[:, *where] = colour
        self.seen[where] = category
        self.depth[where] = depth

    def add_ground(self) -> None:
        """Sky, hills and grass with its flowers."""
        self._add_sky()
        self._add_hills()
        self._add_grass()

    def _add_sky(self):
        """Blue above, pale at the horizon, with clouds."""
        rng, place = self.rng, self.place
        y = np.linspace(1, 0, max(self.horizon, 2), dtype=np.float32)[:, None]
        deep, pale = srgb(104, 152, 214), srgb(206, 222, 236)
        sky = pale[..., None] + (deep - pale)[..., None] * y**0.8
        shape = (len(y), FIELD[1])
        cloud = smooth_noise(rng, (shape[0] * 3, shape[1]), 90)[::3]  # wider than high
        cloud = cloud + 0.5 * smooth_noise(rng, (shape[0] * 2, shape[1]), 30)[::2]
        cover = smoothstep(cloud, 1.2 - 2.2 * place.cloudy, 2.4 - 2.2 * place.cloudy)
        shade = 0.85 + 0.15 * smooth_noise(rng, shape, 40)
        white = srgb(244, 244, 242)[..., None] * np.clip(shade, 0.6, 1)
        self.light[:, : shape[0]] = (sky + (white - sky) * (0.9 * cover)) * 1.25

    def _add_hills(self):
        """Two or three ridges, paler the farther; woods grow on some."""
        rng, place = self.rng, self.place
        x = np.linspace(0, 1, FIELD[1])
        for rank in range(3):
            ridge = np.zeros(FIELD[1])
            for waves in (1, 2, 3, 5):
                wave = np.sin(4.4 * waves * x + rng.uniform(0, 6))
                ridge += rng.normal(0, 1 / waves) * wave
            high = (14 - 5 * rank) * (1 + 0.5 * ridge)
            wooded = rank == 2 and rng.random() < 0.6
            if wooded:
                high += 3 + 1.5 * np.abs(smooth_noise(rng, (8, FIELD[1]), 7)[0])
            top = max(int(self.horizon - high.max()), 0)
            band = np.arange(top, self.horizon + 2)[:, None] > self.horizon - high
            rows, columns = np.nonzero(band)
            colour = place.leaves * 1.1 if wooded else place.grass * rng.uniform(0.9, 1.2)
            grain = smooth_noise(rng, band.shape, 8)[band] * (0.12 if wooded else 0.05)
            light = _misty((colour * self._full_light()) * (1 + grain), 0.6 - 0.2 * rank)
            self._paint((rows + top, columns), light, BUSH if wooded else GRASS, 900)

    def _full_light(self):
        """What falls on level ground in the sun."""
        return self.place.sunlight * self.place.sun[1] + self.place.skylight

    def _add_grass(self):
        """Grass with patches, tufts and blades that blur with the distance."""
        rng, place = self.rng, self.place
        start = self.horizon + 1
        self.seen[start:] = GRASS
        self.depth[start:] = -self.camera.position[1] / self.rays[1, start:]
        # Grass is soft: one fine pixel stands for its block of FINE x FINE.
        depth = self.depth[start::FINE, ::FINE]
        x, _, z = depth * self.rays[:, start::FINE, ::FINE]
        near = np.exp(-depth / 9)
        patches = _texture(rng, x, z, 2.5) * 0.10 + _texture(rng, x, z, 0.9) * 0.10 * near**0.5
        tufts = _texture(rng, x, z, 0.22) * 0.20 * near
        noise = rng.standard_normal((FIELD[0] - start, FIELD[1]), dtype=np.float32)[:, ::FINE]
        blades = ndimage.uniform_filter1d(noise, 7, axis=0)[::FINE]
        tone = 1 + patches + tufts + 0.3 * blades * np.clip(6 / depth, 0.12, 1.1)
        dry = np.clip(0.25 * _texture(rng, x, z, 1.8), 0, 0.6)
        straw = (srgb(176, 160, 92) - place.grass)[..., None]
        colour = place.grass[..., None] * tone + dry * 0.4 * straw
        light = colour * self._full_light()[..., None]
        light = _misty(light, np.clip((depth - 10) / 150, 0, 0.42), HAZE[..., None])
        light = light.repeat(FINE, axis=1).repeat(FINE, axis=2)
        self.light[:, start:] = light[:, : FIELD[0] - start]
        self._add_flowers()

    def _add_flowers(self):
        rng = self.rng
        if rng.random() < 0.4:
            return
        count = int(rng.integers(40, 260))
        places = np.stack([rng.uniform(-6, 6, count), np.full(count, 0.05),
                           -rng.uniform(2.5, 12, count)], axis=1)  # fmt: skip
        x, y, depth = self.camera.project(places).T
        colour = srgb(*one_of(rng, ((246, 240, 226), (236, 206, 60), (206, 150, 190))))
        for row, column, far in zip(y * FINE, x * FINE, depth):
            radius = 0.022 * self.camera.focal * FINE / far / 2 + 0.3
            rows = slice(max(int(row - radius), 0), max(int(row + radius) + 1, 0))
            columns = slice(max(int(column - radius), 0), max(int(column + radius) + 1, 0))
            self.light[:, rows, columns] = (colour * self._full_light())[..., None]

    def add_bushes(self) -> None:
        """A few, most of them far away; sometimes a hedge along the back."""
        rng = self.rng
        hedge = rng.random() < 0.3
        bushes = [(x, -rng.uniform(17, 19)) for x in np.arange(-12, 12, 1.7)] if hedge else []
        for _ in range(int(rng.integers(1, 5))):
            z = -rng.uniform(6, 22)
            bushes.append((rng.uniform(-0.55, 0.55) * -z, z))
        for x, z in sorted(bushes, key=lambda place: place[1]):
            self._add_bush(x, z, rng.uniform(0.5, 1.0) * (0.9 if -z < 10 else 1.4))

    def _add_bush(self, x, z, size):
        """Clumps of leaves, light where they face the sun and dark between."""
        rng, place = self.rng, self.place
        scale = FINE * self.camera.focal / -z
        foot_x, foot_y = (self.camera.project([[x, 0, z]])[0, :2] * FINE).tolist()
        reach = int(1.7 * size * scale) + 4
        top, bottom = max(int(foot_y) - 2 * reach, 0), min(int(foot_y) + 4, FIELD[0])
        left, right = max(int(foot_x) - reach, 0), min(int(foot_x) + reach, FIELD[1])
        if bottom - top < 4 or right - left < 4:
            return
        window = slice(top, bottom), slice(left, right)
        v = (foot_y - np.arange(top, bottom, dtype=np.float32)[:, None]) / scale  # m above its foot
        u = (np.arange(left, right, dtype=np.float32) - foot_x) / scale  # m to its right
        shape = bottom - top, right - left
        grain = smooth_noise(rng, shape, max(0.11 * scale, 2.2))
        inside, facing = self._clumps(u, v, size)
        there = (inside + 0.16 * grain > 0.05) & (v > -0.02 - 0.04 * grain)
        there &= self.depth[window] > -z - 0.9
        leaf = 1 + 0.3 * grain + 0.3 * rng.standard_normal(shape, dtype=np.float32)
        shade = np.clip(0.55 + 0.5 * facing, 0.12, 1.1) * np.clip(0.5 + 0.5 * v / size, 0.4, 1)
        amount = (np.clip(leaf, 0.3, 2) * shade)[there]
        light = place.leaves * (place.sunlight * amount + 0.6 * place.skylight * np.sqrt(amount))
        # A dark foot on the grass, and a shadow to the side away from the sun.
        aside = u + 0.5 * place.sun[0] * size
        dark = np.exp(-((aside / (1.1 * size)) ** 2) - ((v + 0.02) / 0.22) ** 2)
        self.light[:, *window] *= 1 - 0.5 * dark * (self.seen[window] == GRASS)
        rows, columns = np.nonzero(there)
        where = rows + top, columns + left
        self._paint(where, _misty(light, np.clip((-z - 8) / 90, 0, 0.3)), BUSH, -z)

    def _clumps(self, u, v, size):
        """Nine balls of leaves: how deep a pixel lies in one, and how that faces the sun."""
        rng, sun = self.rng, self.place.sun.tolist()
        facing = np.zeros((len(v), len(u)), np.float32)
        inside = facing - 1
        for _ in range(9):
            radius = size * rng.uniform(0.3, 0.55)
            a, b = size * rng.normal(0, 0.42), size * rng.uniform(0.25, 1.15)
            level = 1 - np.sqrt((u - a) ** 2 + (v - b) ** 2) / radius
            towards_sun = (u - a) * (sun[0] / radius) + (v - b) * (sun[1] / radius)
            np.copyto(facing, towards_sun, where=level > inside)
            np.maximum(inside, level, out=inside)
        return inside, facing

    def behind_fence(self, x: float, z: float) -> bool:
        """Whether a sheep at (x, z) would have the fence before it, or stand in it."""
        return self.place.fenced and z - 0.8 < self.fence_at[0] + self.fence_at[1] * x

    def add_fence(self) -> None:
        """Posts and two or three rails of wood, in a straight line across the meadow."""
        place, (z0, slope) = self.place, self.fence_at
        tone = self._boards()
        z = self.rays[2] - slope * self.rays[0]
        depth = np.where(tone > 0, z0 / np.minimum(z, -1e-3), np.inf)
        where = np.nonzero((tone > 0) & (depth < self.depth + 0.4))
        grain = 1 + 0.12 * smooth_noise(self.rng, FIELD, 3)[where]
        light = place.wood * (0.75 * place.sunlight + 0.7 * place.skylight)
        self._paint(where, light * (tone[where] * grain), FENCE, depth[where])

    def _boards(self):
        """How bright the boards of the fence are, about 1: (H, W), 0 between them."""
        rng, (z0, slope) = self.rng, self.fence_at
        rails = np.array((0.45, 0.85) if rng.random() < 0.5 else (0.32, 0.66, 1.0))
        canvas = Image.new("L", FIELD[::-1], 0)
        draw = ImageDraw.Draw(canvas)

        def board(x0, x1, y0, y1, tone):
            corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
            places = self.camera.project([[x, y, z0 + slope * x] for x, y in corners])
            draw.polygon([tuple((xy + 0.5) * FINE) for xy in places[:, :2]], fill=tone)

        for y in rails:
            for x in np.arange(-14, 14, 2.0):
                tilt, tone = rng.normal(0, 0.015), int(rng.integers(150, 200))
                board(x, x + 2, y - 0.08 + tilt, y + 0.08 + tilt, tone)
                board(x, x + 2, y - 0.08 + tilt, y - 0.05 + tilt, int(tone * 0.6))
        for x in np.arange(-14, 14, 2.0) + rng.uniform(0, 1):
            tall, tone = rails[-1] + rng.uniform(0.15, 0.25), int(rng.integers(165, 225))
            board(x - 0.09, x + 0.09, 0, tall, tone)
            shady = x - 0.09 if self.place.sun[0] > 0 else x + 0.03
            board(shady, shady + 0.06, 0, tall, int(tone * 0.55))
        return np.asarray(canvas, np.float32) / 200

    def add_sheep(self, flock: list[Posed]) -> None:
        """Trace every sheep; then add sunlight with the shadows of all of them."""
        surface = Surface(self.camera, (0, FIELD[0], 0, FIELD[1]))
        surface.depth = self.depth.copy()
        parts, owner = [posed.parts() for posed in flock], []
        for number, sheep in enumerate(parts):
            for part in sheep:
                surface.add(part)
                owner.append(number)
        if not (surface.part >= 0).any():
            return
        _fill_cracks(surface)
        spheres = _shadow_balls(parts)
        self._shade_grass(spheres)
        rows, columns = np.nonzero(surface.part >= 0)
        points = surface.points(rows, columns)
        blades = self.rng.random((FIELD[0] // 4, FIELD[1] // 2), dtype=np.float32)
        free = points[1] > 0.09 * blades[rows // 4, columns // 2]  # grass grows before the feet
        rows, columns, points = rows[free], columns[free], points[:, free]
        light = self._light_on(surface, rows, columns, points, spheres)
        self.light[:, rows, columns] = light * surface.colour[:, rows, columns]
        self.depth[rows, columns] = surface.depth[rows, columns]
        self.seen[rows, columns] = FIRST + np.array(owner)[surface.part[rows, columns]]

    def _light_on(self, surface, rows, columns, points, spheres):
        """Light on the sheep: (3, n)."""
        chosen, back = one_a_pixel(rows, columns)
        points = points[:, chosen]
        normals = surface.normals(rows[chosen], columns[chosen], points)
        place = self.place
        facing = place.sun.astype(np.float32) @ normals
        # Shadows are soft: every second point stands for the one after it too.
        shares = _shadows(points[:, ::2], normals[:, ::2], place.sun, spheres)
        sky, sun = np.repeat(shares, 2, axis=1)[:, : len(chosen)]
        direct = place.sunlight * (np.clip(0.9 * facing + 0.1, 0, 1) * sun)
        bounce = 0.25 * place.grass * self._full_light() * (0.5 - 0.5 * normals[1])
        light = direct + place.skylight * ((0.62 + 0.38 * normals[1]) * sky) + bounce
        return light[:, back]

    def _shade_grass(self, spheres):
        """Darken the grass under the sheep, on every fourth pixel, smooth between them."""
        step = 2 * FINE
        depth, seen = self.depth[::step, ::step], self.seen[::step, ::step]
        rows, columns = np.nonzero((depth < 16) & (seen == GRASS))
        points = depth[rows, columns] * self.rays[:, rows * step, columns * step]
        points += self.camera.position.astype(np.float32)[:, None]
        up = np.zeros_like(points)
        up[1] = 1
        sky, sun = _shadows(points, up, self.place.sun, spheres)
        left = self.place.sunlight * self.place.sun[1] * sun + self.place.skylight * sky
        ratio = np.ones((3, *depth.shape), np.float32)
        ratio[:, rows, columns] = left / self._full_light()
        for plane, factor in zip(self.light, ratio):
            smooth = Image.fromarray(factor).resize(FIELD[::-1], Image.BILINEAR)
            plane *= np.where(self.seen == GRASS, smooth, 1)


def _misty(light, mist, haze=HAZE):
    return light * (1 - mist) + haze * mist


def _shadow_balls(flock):
    """Balls (n, 4) for the shadows of sheep: every other one of a body, one for a bone of a leg."""
    bodies = [solid for fleece, head, *_ in flock for solid in (*fleece.solids, *head.solids)]
    bones = [solid for _, _, *legs in flock for part in legs for solid in part.solids]
    balls = [solid.spheres()[::2] for solid in bodies]
    return np.concatenate(balls + [solid.spheres()[:1] for solid in bones])


def _fill_cracks(surface):
    """Close cracks of some fine pixels, where rays along the fleece never quite arrived."""
    edges = ndimage.find_objects((surface.part >= 0).astype(np.uint8))[0]
    window = tuple(slice(max(edge.start - 3, 0), edge.stop + 3) for edge in edges)
    seen = surface.part[window] >= 0
    cracks = ndimage.binary_closing(seen, np.ones((3, 3)), iterations=2) & ~seen
    _, (rows, columns) = ndimage.distance_transform_edt(~seen, return_indices=True)
    nearest = rows[cracks], columns[cracks]
    for plane in (surface.part, surface.depth, *surface.colour):
        plane = plane[window]
        plane[cracks] = plane[nearest]


def _shadows(points, normals, sun, spheres):
    """Shares of the sky and of the sun that balls leave open above points (3, n): two (n,)."""
    sun, shares = sun.astype(np.float32), np.empty((2, points.shape[1]), np.float32)
    for start in range(0, points.shape[1], 1024):  # few enough for the processor's cache
        some = slice(start, start + 1024)
        here = points[:, some]
        centres, radius, distance2, shares[0, some] = around(here, normals[:, some], spheres)
        shares[1, some] = passed((centres @ sun)[:, None] - sun @ here, distance2, radius)
    return shares


def _texture(rng, x, z, scale):
    """Smooth noise over the ground: blobs about `scale` m wide, at places in m."""
    cells = 128
    noise = rng.standard_normal((cells, cells), dtype=np.float32)
    noise = 6 * ndimage.gaussian_filter(noise, 5 / 3, mode="wrap")  # has no seams
    step = scale / 5
    return noise[np.floor(z / step).astype(int) % cells, np.floor(x / step).astype(int) % cells]


# --- where the sheep are ---------------------------------------------------------------------


def _place_flock(rng, flock, scene):
    """Sheep in their stances: alone, and in groups that touch in the picture."""
    placed, boxes = [], []
    wanted = int(rng.integers(4, 12))
    for _ in range(60):
        if len(placed) >= wanted:
            break
        size = int(rng.choice([1, 2, 3, 4], p=[0.92, 0.05, 0.022, 0.008]))
        z = -rng.uniform(3.6, 11.5)
        x = rng.uniform(-0.46, 0.46) * -z
        if scene.behind_fence(x, z) and rng.random() < 0.85:
            continue
        turn = rng.uniform(0, 2 * math.pi)
        for member in range(min(size, len(flock) - len(placed))):
            for _ in range(12):
                stance = _random_stance(rng, x, z, turn, member)
                posed = Posed(flock[len(placed)], stance)
                box = _picture_box(scene.camera, posed)
                if _fits(posed, box, placed, boxes, touching=member > 0):
                    placed.append(posed)
                    boxes.append(box)
                    break
    return placed


def _random_stance(rng, x, z, turn, member):
    """A stance near (x, z): the first of a group is there, others beside or behind it."""
    if member:
        x, z = x + rng.normal(0, 0.75), z - rng.uniform(-0.9, 1.0)
    turn = turn + rng.normal(0, 0.5) if rng.random() < 0.6 else rng.uniform(0, 2 * math.pi)
    pose = ("stands", "grazes", "lies")[np.searchsorted((0.5, 0.88), rng.random(), "right")]
    return Stance(x, z, turn, pose, rng.normal(0, 0.5), rng.uniform(-1, 1))


def _picture_box(camera, posed):
    """Left, top, right, bottom in px and the depth in m of the box around a sheep."""
    ends = (-0.58, 0.66), (-posed.back, 0.36), (-0.26, 0.26)
    corners = camera.project(posed.at(*np.array(list(itertools.product(*ends))).T))
    (left, top, _), (right, bottom, _) = corners.min(axis=0), corners.max(axis=0)
    return left, top, right, bottom, corners[:, 2].mean()


def _fits(posed, box, placed, boxes, touching):
    """Whether a sheep may stand there: not inside another, nor hidden, nor far from its group."""
    if box[0] > SIZE[1] - 12 or box[2] < 12 or box[1] > SIZE[0] - 14 or box[4] < 2.5:
        return False
    near = False
    for other, frame in zip(placed, boxes):
        apart = math.hypot(posed.stance.x - other.stance.x, posed.stance.z - other.stance.z)
        if apart < 0.62 * (posed.sheep.size + other.sheep.size) / 2 + 0.12:
            return False
        width = min(box[2], frame[2]) - max(box[0], frame[0])
        height = min(box[3], frame[3]) - max(box[1], frame[1])
        if width > -2 and height > -2:
            if not touching:
                return False
            behind = box if box[4] > frame[4] else frame
            area = (behind[2] - behind[0]) * (behind[3] - behind[1])
            if max(width, 0) * max(height, 0) > 0.55 * area:
                return False
            near |= width > 3 and height > 3
    return near or not touching


# --- the picture and the truth ---------------------------------------------------------------


def _take_picture(rng, light):
    """From fine light (3, H, W) to what a camera stores: uint8 (192, 256, 3)."""
    light = reduce(light)
    light = light * rng.uniform(0.9, 1.15) * rng.normal(1, 0.02, (3, 1, 1)).astype(np.float32)
    light = ndimage.gaussian_filter(light, (0, 0.35, 0.35))
    value = np.clip(1.18 * (1 - np.exp(-1.5 * np.maximum(light, 0))), 0, 1) ** (1 / 2.2)
    value = 255 * value + rng.uniform(1, 3) * rng.standard_normal(light.shape, np.float32)
    return np.clip(value, 0, 255).astype(np.uint8).transpose(1, 2, 0)


def _to_panoptic(seen):
    """A fine map of what is seen as a Panoptic: a pixel is what most of its parts show."""
    parts = seen.reshape(SIZE[0], FINE, SIZE[1], FINE).transpose(1, 3, 0, 2).reshape(-1, *SIZE)
    votes = [(parts == part).sum(axis=0) for part in parts]
    most = np.take_along_axis(parts, np.argmax(votes, axis=0)[None], axis=0)[0]
    values, areas = np.unique(most, return_counts=True)
    kept = [v for v, area in zip(values, areas) if v < FIRST or area >= LEAST]
    ids = np.zeros(SIZE, np.int32)
    for number, value in enumerate(kept, 1):
        ids[most == value] = number
    return Panoptic(ids, {n: int(min(value, SHEEP)) for n, value in enumerate(kept, 1)})


# --- the folder ------------------------------------------------------------------------------


def draw_meadows(folder: Path, meadows: Iterable[int] = range(MEADOWS), processes: int = 0) -> Path:
    """Draw all meadows, or those given by number, into `folder` in COCO's format; return it.

    The files are images/NAME.jpg, annotations/panoptic_meadow/NAME.png and
    annotations/panoptic_meadow.json. NAME is meadow and picture, such as meadow012_1. In the JSON
    each image has a `group` too, its meadow.
    """
    for sub in ("images", PANOPTIC):
        (folder / sub).mkdir(parents=True)
    jobs = [(folder, meadow, picture) for meadow in meadows for picture in range(PICTURES)]
    images, annotations = zip(*draw_parallel(_save_picture, jobs, "drawing meadows", processes))
    table = {**HEAD, "images": images, "annotations": annotations}
    (folder / f"{PANOPTIC}.json").write_text(json.dumps(table))
    return folder


def _save_picture(folder, meadow, picture):
    """Draw one picture; return its entries in COCO's `images` and `annotations`."""
    image, panoptic = draw_picture(meadow, picture)
    name, number = f"meadow{meadow:03d}_{picture}", PICTURES * meadow + picture + 1
    Image.fromarray(image).save(folder / "images" / f"{name}.jpg", quality=92)
    Image.fromarray(ids_to_colours(panoptic.ids)).save(folder / PANOPTIC / f"{name}.png")
    height, width = SIZE
    entry = {"id": number, "file_name": f"{name}.jpg", "width": width, "height": height,
             "license": 1, "group": f"meadow{meadow:03d}"}  # fmt: skip
    segments = segments_info(panoptic)
    return entry, {"image_id": number, "file_name": f"{name}.png", "segments_info": segments}
