"""Light in the drawn scenes: the studio's lamps, and balls that cast shadows there and outdoors.

Shadows need no exact shape, so that balls stand for bodies, furniture and sheep: those that a point
faces darken its corner of the sky, those between it and a lamp its light (I. Quilez, "Sphere
ambient occlusion" and "Sphere soft shadow", 2006). Light and colours are linear shares.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from scipy import ndimage

CELL = 0.08  # size in m of a cell in a map of the floor
SHADOW_REACH = 1.6  # m from the middle of the performer's shadow map to its edges


@dataclass
class Lamps:
    """Panels under the ceiling, on two circuits that are dimmed apart."""

    places: np.ndarray  # (n, 3) in m
    power: np.ndarray  # (3, n), red, green and blue light
    ambient: np.ndarray  # (3, 1), light from everywhere
    circuit: np.ndarray  # (n,), 0 or 1

    def dimmed(self, levels: Sequence[float]) -> "Lamps":
        """These lamps with their two circuits at the given levels; 1, 1 is as they are."""
        levels = np.asarray(levels, np.float32)
        power, ambient = self.power * levels[self.circuit], self.ambient * levels.mean()
        return replace(self, power=power, ambient=ambient)


def random_lamps(rng: Generator, bounds: np.ndarray) -> Lamps:
    """Panels in rows; some are off. `bounds`: half width, height, half depth of the room, m."""
    nx, nz = rng.integers(2, 4, 2)
    x, z = (np.linspace(-0.7, 0.7, n) * h for n, h in ((nx, bounds[0]), (nz, bounds[2])))
    places = np.array([(a, bounds[1] - 0.05, b) for a in x for b in z])
    tint = np.array([1, rng.uniform(0.88, 1), rng.uniform(0.68, 1.05)])[:, None]
    power = tint * rng.uniform(0.3, 1.3, len(places)) * (rng.random(len(places)) < 0.8)
    power[:, rng.integers(len(places))] = tint[:, 0]
    power *= np.exp(-(places[:, 0] ** 2 + places[:, 2] ** 2) / 10)  # most light for the middle
    # As bright at the performer's chest in every studio, more or less.
    way = places - [0, 1.2, 0]
    level = (power * way[:, 1] / (way**2).sum(axis=1) ** 1.5).sum(axis=1).mean()
    power *= rng.uniform(0.7, 1.0) / level
    ambient = np.full((3, 1), power.mean() * rng.uniform(0.012, 0.03))
    circuit = rng.permutation(len(places)) % 2
    return Lamps(*(array.astype(np.float32) for array in (places, power, ambient)), circuit)


def lit(
    lamps: Lamps, points: np.ndarray, normals: np.ndarray, spheres=None, shadows: int = 2
) -> np.ndarray:
    """Light that falls on points (3, N) with their normals: (3, N), Lambert's law.

    `spheres` (n, 4), x, y, z and radius in m, keep away the light of the brightest lamps, as many
    as `shadows` says, and a share of the rest.
    """
    if points.size == 0:  # a view that shows no furniture, or nothing of the performer
        return np.zeros_like(points)
    light = lamps.ambient * (0.75 + 0.25 * normals[1])
    if spheres is not None:
        # Shadows are soft: every second point stands for the one after it too.
        some = points[:, ::2]
        centres, radius, distance2, open_sky = around(some, normals[:, ::2], spheres)
        sky = np.repeat(open_sky, 2)[: points.shape[1]]
        light = light * sky
    ways = lamps.places[:, :, None] - points.mean(axis=1)[:, None]
    nearness = lamps.power.sum(axis=0) / (ways**2).sum(axis=(1, 2))
    for rank, lamp in enumerate(np.argsort(-nearness)):
        if not lamps.power[:, lamp].any():
            continue
        way = lamps.places[lamp][:, None] - points
        far2 = (way**2).sum(axis=0)
        way /= np.sqrt(far2)
        # A little wraps around: lamps are wide. They shine downwards.
        amount = np.maximum(0.92 * (way * normals).sum(axis=0) + 0.08, 0)
        amount *= np.maximum(way[1], 0) / far2
        if spheres is not None and rank < shadows:
            ahead = centres @ way[:, ::2] - (way[:, ::2] * some).sum(axis=0)
            amount *= np.repeat(passed(ahead, distance2, radius), 2)[: len(amount)]
        elif spheres is not None:
            amount *= 0.3 + 0.7 * sky
        light = light + lamps.power[:, lamp][:, None] * amount
    return light


def around(points: np.ndarray, normals: np.ndarray, spheres: np.ndarray) -> tuple[np.ndarray, ...]:
    """Balls (n, 4) as points (3, N) with their normals see them.

    Returns centres (n, 3), radii (n, 1) and squared distances (n, N), for `passed`, and the share
    of the sky that the balls leave open, (N,).
    """
    centres, radius = np.split(spheres.astype(np.float32), [3], axis=1)
    distance2 = (centres**2).sum(axis=1)[:, None] - 2 * (centres @ points)
    distance2 += (points**2).sum(axis=0)
    np.maximum(distance2, 1e-4, out=distance2)
    hidden = np.maximum(centres @ normals - (points * normals).sum(axis=0), 0)
    hidden *= radius**2
    hidden /= distance2 * np.sqrt(distance2)
    return centres, radius, distance2, np.exp(-1.5 * hidden.sum(axis=0))


def passed(ahead: np.ndarray, distance2: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Share of a lamp's light that passes the balls, (N,).

    `ahead` is how far each ball lies towards the lamp. A ray that meets it is dark, and the
    farther the ball, the wider the soft rim of its shadow.
    """
    dark = radius - np.sqrt(np.maximum(distance2 - ahead * ahead, 0))
    dark /= 0.02 + 0.16 * np.maximum(ahead, 0)
    dark = np.clip(dark + 0.5, 0, 0.9, out=dark) * np.clip(ahead / radius - 0.8, 0, 1)
    return np.prod(1 - dark, axis=0)


def performer_shadow(lamps: Lamps, spheres: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Map of the share of light that balls let through, up to SHADOW_REACH m from `middle`."""
    shape = (round(2 * SHADOW_REACH / CELL),) * 2
    z, x = np.indices(shape, dtype=np.float32).reshape(2, -1) * CELL - SHADOW_REACH
    points = np.stack([x + middle[0], np.zeros_like(x), z + middle[1]]).astype(np.float32)
    up = np.broadcast_to(np.array([[0], [1], [0]], np.float32), points.shape)
    there = lit(lamps, points, up, spheres, shadows=4).sum(axis=0)
    return (there / lit(lamps, points, up).sum(axis=0)).reshape(shape)


def furniture_shadow(bounds: np.ndarray, spheres: np.ndarray) -> np.ndarray:
    """The same for the whole floor of a room, softer and far faster: a dark spot for each ball."""
    shape = (int(2 * bounds[2] / CELL) + 1, int(2 * bounds[0] / CELL) + 1)
    dark = np.zeros(shape, np.float32)
    z, x = (CELL * np.arange(n) - h for n, h in zip(shape, (bounds[2], bounds[0])))
    for a, height, b, radius in spheres:
        wide = 1.5 * radius + 0.5 * height
        rows = slice(*np.searchsorted(z, (b - 2 * wide, b + 2 * wide)))
        columns = slice(*np.searchsorted(x, (a - 2 * wide, a + 2 * wide)))
        distance2 = (z[rows, None] - b) ** 2 + (x[None, columns] - a) ** 2
        dark[rows, columns] += 0.55 * (radius / wide) ** 1.3 * np.exp(-distance2 / wide**2)
    return np.exp(-dark)


def sample(grid: np.ndarray, origin: np.ndarray, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Values of a floor map at places in m; 1 outside of it."""
    places = [(z - origin[1]) / CELL, (x - origin[0]) / CELL]
    return ndimage.map_coordinates(grid, places, order=1, mode="constant", cval=1)
