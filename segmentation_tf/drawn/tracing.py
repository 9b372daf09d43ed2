"""Solids made of limbs and boxes, a pinhole camera, and sphere tracing to see one by the other.

A solid is described by its distance function: how far a point is from its surface, negative
inside. Sphere tracing walks along each ray by just that distance, which can never jump through
the surface, until it arrives: J. C. Hart, "Sphere tracing: a geometric method for the
antialiased ray tracing of implicit surfaces", The Visual Computer 12, 1996. The union of two
solids has the smaller of the two distances; rounding that minimum off where both are alike lets
an arm grow out of a shoulder: I. Quilez, "Smooth minimum", 2013.

The world is in metres, y points up, the floor is y = 0. Points are columns, float32 (3, N).

A solid has `centre` and `reach`, a ball that holds it; `distance(points)`, (N,), negative inside;
and `spheres()`, balls (n, 4), x y z radius, that stand for it where only its shadow matters.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np

FINE = 2  # surfaces are traced this many times finer than the picture: smooth edges
BLOCK = 4  # 4 x 4 rays go together as long as they can
STEPS = 10  # at most, along a ray
BLOCK_STEPS = 7  # at most, for a block of rays together
NEAR_ENOUGH = 0.003  # a pixel is about 8 mm wide where people are

Numbers = Sequence[float]


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The cross product of two vectors (3,); np.cross takes ten times as long for them."""
    (x, y, z), (u, v, w) = a, b
    return np.array([y * w - z * v, z * u - x * w, x * v - y * u])


def one_a_pixel(rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the fine pixels of a pixel, one stands for all: which ones, and which of them for each.

    Light is soft, so that it is computed for these alone.
    """
    pixels = rows // FINE * (columns.max(initial=0) + 1) + columns // FINE
    first = np.full(pixels.max(initial=0) + 1, -1)
    first[pixels[::-1]] = np.arange(len(pixels))[::-1]
    used = first >= 0
    return first[used], (np.cumsum(used) - 1)[pixels]


def reduce(fine: np.ndarray) -> np.ndarray:
    """Mean of each FINE x FINE block: from fine pixels to those of the picture."""
    corners = [fine[..., y::FINE, x::FINE] for y in range(FINE) for x in range(FINE)]
    return sum(corners) / np.float32(FINE**2)


def unit(vector: np.ndarray) -> np.ndarray:
    """The vector of length 1 in the same direction."""
    return vector / math.sqrt(vector @ vector)


@dataclass(frozen=True)
class Cloth:
    """How the surface of a limb wrinkles, most near both ends."""

    folds: float = 0.0  # how deep they are, in m
    phase: float = 0.0  # moves them
    cut: bool = False  # ends the limb in a flat edge, as a sleeve ends


SMOOTH = Cloth()


class Limb:
    """A rounded cone from `start` to `end`: thighs, fingers, trunks, sleeves, chair legs.

    `radii`: at both ends, in m; `front`: the direction of its depth; `flat`: depth divided by
    width; `swell`: what a muscle adds to the radius at a third of the length, in m.
    """

    SHAPE = "frame offset length first growth swell flat cut_at folds phase".split()

    def __init__(
        self, start: Numbers, end: Numbers, radii: Numbers, *, front: Numbers = (0, 0, 1),
        flat: float = 1, swell: float = 0, cloth: Cloth = SMOOTH,
    ):  # fmt: skip
        start, end = np.asarray(start, float), np.asarray(end, float)
        self.length = float(np.linalg.norm(end - start)) or 1e-4
        along = (end - start) / self.length if self.length > 1e-4 else np.array([0.0, 1, 0])
        front = np.asarray(front, float)
        if abs(unit(front) @ along) > 0.97:  # no direction for a depth: take any other
            front = np.array([0.31, 0.2, 0.93]) if abs(along[2]) < 0.9 else np.array([0.0, 1, 0])
        front = unit(front - along * (front @ along))
        self.frame = np.array([cross(along, front), along, front], np.float32)
        self.start = start.astype(np.float32)[:, None]
        self.offset = self.frame @ self.start
        self.first, self.growth = float(radii[0]), float(radii[1] - radii[0])
        self.swell, self.flat, self.cut_at = swell, flat, self.length if cloth.cut else math.inf
        self.folds, self.phase = cloth.folds, float(cloth.phase)
        has = {"swell": swell, "folds": cloth.folds, "cut": cloth.cut}
        self.features = {name for name, value in has.items() if value}
        self.centre = (start + end) / 2
        self.thin = min(radii) * min(1, flat)  # about half of its smallest thickness
        self.reach = self.length / 2 + (max(radii) + swell + cloth.folds) * max(1, flat)

    def local(self, points: np.ndarray) -> np.ndarray:
        """Points as seen from the limb: side, along, front in m, each (N,)."""
        return _turned(self, points)

    def distance(self, points: np.ndarray) -> np.ndarray:
        local = self.local(points)
        side, along, front = local
        t = along / self.length
        np.minimum(np.maximum(t, 0, out=t), 1, out=t)
        away = np.sqrt(side**2 + (along - t * self.length) ** 2 + (front / self.flat) ** 2)
        away -= self.first + self.growth * t
        if "swell" in self.features:
            away -= 6.75 * self.swell * t * (1 - t) ** 2
        if "folds" in self.features:
            away -= self.folds * self._relief(local, t)
        away *= np.minimum(1, self.flat)
        return np.maximum(away, along - self.cut_at) if "cut" in self.features else away

    def _relief(self, local, t):
        """Wrinkles: rings around the limb, bent by a second wave: -1.35 to 1.35."""
        side, along, front = local
        bend = np.sin(17 * side + 11 * front + 9 * along + self.phase)
        waves = np.sin(40 * along + 2.4 * bend + 34 * side - 26 * front + 2 * self.phase)
        return waves * (0.3 + 0.7 * (2 * t - 1) ** 2) + 0.35 * bend

    def spheres(self) -> np.ndarray:
        width = max(min(self.first, self.first + self.growth) * (1 + self.flat) / 2, 0.02)
        t = np.linspace(0, 1, min(int(self.length / (1.9 * width)) + 1, 5))[:, None]
        radius = (self.first + self.growth * t) * (1 + self.flat) / 2
        return np.hstack([self.start[:, 0] + t * self.length * self.frame[1], radius])


class Box:
    """A box with rounded edges around `centre`, `sizes` (m) along the rows of `frame`."""

    SHAPE = ("frame", "offset", "half_sizes")
    ROUNDING = 0.006
    features = frozenset()

    def __init__(self, centre: Numbers, sizes: Numbers, frame: np.ndarray):
        self.centre, self.frame = np.asarray(centre, float), np.asarray(frame, np.float32)
        self.offset = self.frame @ self.centre.astype(np.float32)[:, None]
        self.half_sizes = np.asarray(sizes, np.float32)[:, None] / 2 - self.ROUNDING
        self.thin = min(sizes) / 2
        self.reach = float(np.linalg.norm(sizes)) / 2

    def distance(self, points: np.ndarray) -> np.ndarray:
        q = np.abs(_turned(self, points)) - self.half_sizes
        outside = np.sqrt((np.maximum(q, 0) ** 2).sum(axis=0))
        return outside + np.minimum(q.max(axis=0), 0) - self.ROUNDING

    def spheres(self) -> np.ndarray:
        longest = np.argmax(self.half_sizes)
        length = self.half_sizes[longest, 0]
        radius = float(np.median(self.half_sizes)) + 0.01
        t = np.linspace(-1, 1, min(int(length / radius) + 1, 6))[:, None]
        centres = self.centre + t * (length - radius) * self.frame[longest]
        return np.hstack([centres, np.full((len(t), 1), radius)])


class Ring:
    """The slice of a limb around its middle, `half_width` m to both sides: a belt."""

    def __init__(self, limb: Limb, half_width: float):
        self.limb, self.half_width = limb, half_width
        self.centre, self.reach, self.spheres = limb.centre, limb.reach, limb.spheres
        self.thin = half_width

    def distance(self, points: np.ndarray) -> np.ndarray:
        along = self.limb.local(points)[1] - self.limb.length / 2
        return np.maximum(self.limb.distance(points), np.abs(along) - self.half_width)


Solid = Limb | Box | Ring


def _turned(solid, points):
    """Points in the coordinates of a solid's frame: (3, N), or (3, n, N) for n solids at once."""
    frame = solid.frame
    return (frame.reshape(-1, 3) @ points).reshape(*frame.shape[:-1], -1) - solid.offset


def _together(solids):
    """Join n limbs or boxes into one, whose distances are (n, N): NumPy likes few large steps."""
    first, *others = solids
    if not others:
        return first
    whole = copy(first)
    whole.features = set().union(*(solid.features for solid in solids))
    for name in first.SHAPE:
        values = [getattr(solid, name) for solid in solids]
        numbers = np.ndim(values[0]) == 0
        stacked = np.array(values, np.float32)[:, None] if numbers else np.stack(values, axis=1)
        setattr(whole, name, stacked)
    return whole


# From points (3, N) in m to the shares of light that they reflect, (3, N) or (3, 1).
Paint = Callable[[np.ndarray], np.ndarray]


@dataclass
class Part:
    """A piece of one material: its solids, rounded into each other over `blend` m."""

    solids: list[Solid]
    paint: Paint
    blend: float = 0.0
    gloss: float = 0.0

    def __post_init__(self):
        self.thin = min(solid.thin for solid in self.solids)
        alike = itertools.groupby(self.solids, key=type)
        self._groups = [_together(list(solids)) for _, solids in alike]

    def distance(self, points: np.ndarray) -> np.ndarray:
        nearest, *others = itertools.chain(
            *(np.atleast_2d(group.distance(points)) for group in self._groups)
        )
        for other in others:
            if self.blend:
                near = np.abs(nearest - other)
                np.maximum(self.blend - near, 0, out=near)
                near *= near * (0.25 / self.blend)
                nearest = np.minimum(nearest, other) - near
            else:
                nearest = np.minimum(nearest, other)
        return nearest

    def normal(self, points: np.ndarray) -> np.ndarray:
        """Unit vectors across the surface: differences along the corners of a tetrahedron."""
        corners = np.array([[1, -1, -1, 1], [-1, -1, 1, 1], [-1, 1, -1, 1]], np.float32)
        around = points[:, None] + 0.003 * corners[..., None]
        slope = corners @ self.distance(around.reshape(3, -1)).reshape(4, -1)
        return slope / np.maximum(np.sqrt((slope**2).sum(axis=0)), 1e-9)


@dataclass
class Camera:
    """An upright pinhole camera; the rows of `frame` are right, down, forward."""

    position: np.ndarray  # m
    target: Numbers  # what it looks at, m
    focal: float  # px
    size: tuple[int, int]  # height and width of the picture, px

    def __post_init__(self):
        forward = unit(np.asarray(self.target, float) - self.position)
        right = unit(cross(forward, (0, 1.0, 0)))
        self.frame = np.stack([right, cross(forward, right), forward])

    def project(self, points: np.ndarray) -> np.ndarray:
        """World points (N, 3) to x, y in px of the picture and depth in m: (N, 3)."""
        right, down, depth = self.frame @ (np.asarray(points) - self.position).T
        x = right / depth * self.focal + self.size[1] / 2 - 0.5
        y = down / depth * self.focal + self.size[0] / 2 - 0.5
        return np.array([x, y, depth]).T

    def rays(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Directions through fine pixels, (3, N), as long as depth 1 needs them."""
        x = ((columns + 0.5) / FINE - self.size[1] / 2) / self.focal
        y = ((rows + 0.5) / FINE - self.size[0] / 2) / self.focal
        local = np.stack([x, y, np.ones_like(x)]).astype(np.float32)
        return self.frame.T.astype(np.float32) @ local

    def window(self, solids: list[Solid]) -> tuple[int, int, int, int]:
        """Fine rows and columns that can show the solids: (top, bottom, left, right)."""
        x, y, depth = self.project([solid.centre for solid in solids]).T
        if (depth < 0.3).any():
            return (0, 0, 0, 0)  # beside or behind the camera
        pad = np.array([solid.reach for solid in solids]) / depth * self.focal * 1.05 + 1
        limits = np.array([(y - pad).min(), (y + pad).max(), (x - pad).min(), (x + pad).max()])
        top, bottom, left, right = np.round(limits * FINE).astype(int)
        height, width = self.size[0] * FINE, self.size[1] * FINE
        return max(top, 0), min(bottom, height), max(left, 0), min(right, width)


class Surface:
    """What a camera sees first at each fine pixel of a window: depth, colour, gloss and part."""

    def __init__(self, camera: Camera, window: tuple[int, int, int, int], parts: list[Part] = ()):
        self.camera, self.window = camera, window
        top, bottom, left, right = window
        shape = (max(bottom - top, 0), max(right - left, 0))
        self.depth = np.full(shape, np.inf, np.float32)
        self.parts = []
        self.colour = np.zeros((3, *shape), np.float32)
        self.gloss = np.zeros(shape, np.float32)
        self.part = np.full(shape, -1, np.int16)
        for part in parts:
            self.add(part)

    def points(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """World points (3, N) of pixels of the window."""
        rays = self.camera.rays(rows + self.window[0], columns + self.window[2])
        return self.camera.position.astype(np.float32)[:, None] + self.depth[rows, columns] * rays

    def normals(self, rows: np.ndarray, columns: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Unit vectors (3, N) across the surface, for pixels that show one."""
        normals, part = np.empty_like(points), self.part[rows, columns]
        for number in np.unique(part):
            where = part == number
            normals[:, where] = self.parts[number].normal(points[:, where])
        return normals

    def add(self, part: Part) -> None:
        """Trace a part and keep it where nothing is nearer; parts are numbered from 0 on."""
        self.parts.append(part)
        camera, (top, bottom, left, right) = self.camera, self.window
        part_top, part_bottom, part_left, part_right = camera.window(part.solids)
        first_row, end = max(top, part_top), min(bottom, part_bottom)
        first_column, right_end = max(left, part_left), min(right, part_right)
        if first_row >= end or first_column >= right_end:
            return
        blocks = np.mgrid[first_row:end:BLOCK, first_column:right_end:BLOCK].reshape(2, -1)
        rays = camera.rays(*(blocks + (BLOCK - 1) / 2))
        width = BLOCK / math.sqrt(2) / FINE / camera.focal
        first, last = _meet_balls(part, camera.position, rays, width)
        met, depth = _march(part, camera.position, rays, first, last, width)

        inner = np.indices((BLOCK, BLOCK)).reshape(2, 1, -1)
        rows, columns = (blocks[:, met, None] + inner).reshape(2, -1)
        inside = (rows < end) & (columns < right_end)
        rows, columns = rows[inside], columns[inside]
        depth, last = (np.repeat(v, BLOCK**2)[inside] for v in (depth, last[met]))
        rays = camera.rays(rows, columns)
        rows, columns = rows - top, columns - left
        last = np.minimum(last, self.depth[rows, columns])
        met, depth = _march(part, camera.position, rays, depth, last)
        points = camera.position.astype(np.float32)[:, None] + depth * rays[:, met]
        place = rows[met], columns[met]
        self.depth[place] = depth
        self.colour[:, *place] = part.paint(points)
        self.gloss[place] = part.gloss
        self.part[place] = len(self.parts) - 1


def _meet_balls(part, position, rays, width):
    """Depths (m) between which each ray, a cone `width` m wider with each m, can meet a part."""
    first = np.full(rays.shape[1], np.inf, np.float32)
    last = np.zeros(rays.shape[1], np.float32)
    speed = np.sqrt((rays**2).sum(axis=0))
    for solid in part.solids:
        centre = (solid.centre - position).astype(np.float32)
        distance = float(np.linalg.norm(centre))
        middle = centre @ rays / speed
        inside2 = (solid.reach + width * distance) ** 2 - distance**2 + middle**2
        meets = inside2 > 0
        inside = np.sqrt(np.maximum(inside2, 0))  # half of the way through the ball
        np.minimum(first, (middle - inside) / speed, out=first, where=meets)
        np.maximum(last, (middle + inside) / speed, out=last, where=meets)
    return np.maximum(first, 0.05), last


def _march(part, position, rays, depth, last, width=0.0):
    """Sphere tracing from `depth` on: which rays meet the part before `last`, and where (m).

    With a `width`, cones of rays go together, and stop while all of their rays are still outside.
    """
    position = position.astype(np.float32)[:, None]
    speed = np.sqrt((rays**2).sum(axis=0))
    alive = np.nonzero(depth < last)[0]
    depth, arrived = depth[alive], []
    steps = BLOCK_STEPS if width else STEPS
    for step in range(steps):
        if not len(alive):
            break
        away = part.distance(position + depth * rays.take(alive, axis=1))
        # Rays along a surface converge slowly: in the end, what is nearly there has arrived.
        near = NEAR_ENOUGH if step < steps - 1 else 2 * NEAR_ENOUGH
        there = away < np.maximum(near, 2 * width * depth)
        arrived.append((alive[there], depth[there]))
        # A single ray steps 1.4 times the safe distance, but at most `thin` beyond it.
        away = away - width * depth if width else np.minimum(1.4 * away, away + part.thin)
        depth = depth + away / speed[alive]
        going = ~there & (depth < last[alive])
        alive, depth = alive[going], depth[going]
    if width or not arrived:
        arrived.append((alive, depth))  # to be on the safe side
    rays_that_arrived, depths = zip(*arrived)
    return np.concatenate(rays_that_arrived), np.concatenate(depths)
