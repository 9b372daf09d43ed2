"""The drawn studio: a dark room with a carpet, a lit screen, and things on its walls.

All three cameras of a sequence film the same room. Walls, floor and ceiling are a box seen from
inside, which each ray leaves at a known depth; the furniture is made of traced solids. Colours
are linear shares of light until the camera makes a picture of them.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from segmentation_tf.drawn.body import BRIGHT, COLOURS, srgb
from segmentation_tf.drawn.drawing import one_of, smooth_noise, smoothstep
from segmentation_tf.drawn.furniture import random_things
from segmentation_tf.drawn.light import Lamps, furniture_shadow, lit, random_lamps, sample
from segmentation_tf.drawn.tracing import FINE, Camera, Surface

SIZE = (384, 512)  # height and width of all pictures in px
CEILING, FLOOR, WALLS = 1, 4, (0, 2, 3, 5)  # faces of the room: +x +y +z -x -y -z
THING = 6  # furniture before a face
# The room is drawn at two of the fine pixels in each picture pixel: their rows, their columns.
SAMPLES = np.array([[0, 1], [0, 1]])[..., None, None]
SCREEN = (90, 150)  # height and width of what the screen shows, in px


@dataclass
class Hanging:
    """A flat thing on a wall (a face of the room), m along and up it; the screen has no texture."""

    wall: int
    left: float
    right: float
    bottom: float
    top: float
    texture: np.ndarray | None = None

    def seen_at(self, u, v, border=0.0):
        """Which points of the wall it covers, and where on it they lie: x, y from 0 to below 1."""
        inside = (u > self.left - border) & (u < self.right + border)
        inside &= (v > self.bottom - border) & (v < self.top + border)
        x = (u[inside] - self.left) / (self.right - self.left)
        y = (self.top - v[inside]) / (self.top - self.bottom)
        return inside, x.clip(0, 0.9999), y.clip(0, 0.9999)  # rounding may reach 1


class Wall(NamedTuple):
    """How a wall looks."""

    colour: np.ndarray  # (3, 1)
    kind: str  # paint, curtain, panels or bricks
    phase: float


class Lines(NamedTuple):
    """The dark lines on a carpet."""

    angle: float  # radians
    spacing: float  # m
    width: float  # m
    darkness: float
    directions: int  # 1, or 2 for a grid


@dataclass
class Room:
    """What is decided about a studio before a camera sees it."""

    bounds: np.ndarray  # half its width, its height, half its depth in m
    lamps: Lamps
    walls: dict  # face: Wall
    carpet: np.ndarray  # (3, 1)
    lines: Lines
    pictures: list
    screen: Hanging
    show: str  # what the screen shows
    things: list  # parts
    cameras: list
    grain: np.ndarray  # noise for all surfaces, (512, 512)
    shadow: np.ndarray  # map of the floor: the share of light that the things let through


def random_room(rng: Generator) -> Room:
    """A studio, what stands in it, and the cameras."""
    # The order of these lines is that of the random numbers: another order draws another room.
    bounds = np.array([rng.uniform(4.6, 5.8), rng.uniform(2.9, 3.5), rng.uniform(4.6, 5.8)])
    cameras, lamps = _random_cameras(rng), random_lamps(rng, bounds)
    first, faces = _random_wall(rng), rng.permutation(WALLS)
    walls = {int(face): first if rng.random() < 0.6 else _random_wall(rng) for face in faces}
    carpet = (rng.uniform(0.06, 0.2) * (1 + rng.normal(0, 0.07, (3, 1)))).astype(np.float32)
    angle = (0, math.pi / 4, rng.uniform(0, 3))[rng.choice(3, p=[0.6, 0.15, 0.25])]
    spacing, thick, dark = rng.uniform(0.5, 1.6), rng.uniform(0.015, 0.05), rng.uniform(0.35, 0.8)
    width, middle, low = rng.uniform(1.7, 2.8), rng.uniform(-1.3, 1.3), rng.uniform(0.7, 1.1)
    lines = Lines(angle, spacing, thick, dark, directions=rng.integers(1, 3))
    pictures = [hanging for face in faces[1:] for hanging in _random_hangings(rng, face)]
    screen = Hanging(faces[0], middle - width / 2, middle + width / 2, low, low + 0.6 * width)
    show = rng.choice(["slides", "film", "white"], p=[0.45, 0.45, 0.1])
    things, grain = random_things(rng, bounds, cameras), smooth_noise(rng, (512, 512), 2.5)
    spheres = np.vstack([solid.spheres() for part in things for solid in part.solids])
    shadow = furniture_shadow(bounds, spheres)
    return Room(
        bounds, lamps, walls, carpet, lines, pictures, screen, show, things, cameras, grain, shadow
    )


def _random_cameras(rng):
    """Three tripods around the middle, two of them about a quarter turn from the first."""
    first, cameras = rng.uniform(0, 2 * math.pi), []
    for turn in (0, rng.uniform(0.9, 1.5), -rng.uniform(0.9, 1.5)):
        angle, away = first + turn, rng.uniform(3.5, 4.0)
        position = np.array([away * math.sin(angle), rng.uniform(1.0, 2.1), away * math.cos(angle)])
        target = rng.normal(0, 0.15), rng.uniform(0.95, 1.2), rng.normal(0, 0.15)
        cameras.append(Camera(position, target, rng.uniform(455, 505), SIZE))
    return cameras


def _random_wall(rng):
    kind = rng.choice(["paint", "curtain", "panels", "bricks"], p=[0.4, 0.35, 0.15, 0.1])
    dark = rng.uniform(12, 40) if kind == "curtain" else rng.uniform(25, 80)
    grey, *tints = (1, 1, 1), (1.15, 0.93, 0.86), (0.86, 0.95, 1.12), (0.9, 1.06, 0.93)
    tint = one_of(rng, tints) if rng.random() < 0.45 else grey
    tint = np.array(tint) * (1 + rng.normal(0, 0.04, 3))
    return Wall(srgb(*np.clip(dark * tint, 5, 240)), kind, rng.uniform(0, 6))


def _random_hangings(rng, face):
    """Posters, doors and boards along a wall, with gaps."""
    left, hangings = -4.2, []
    while left < 3.5:
        left += rng.uniform(0.4, 2.2)
        kind = rng.choice(["poster", "door", "board", "gap"], p=[0.45, 0.15, 0.15, 0.25])
        width, low, high = {
            "poster": (rng.uniform(0.5, 0.9), rng.uniform(1.0, 1.3), rng.uniform(1.9, 2.4)),
            "door": (0.95, 0, 2.1),
            "board": (rng.uniform(1.2, 2), 0.9, rng.uniform(1.7, 2)),
            "gap": (1, 0, 0),
        }[kind]
        if kind != "gap":
            hangings.append(Hanging(face, left, left + width, low, high, _texture(rng, kind)))
        left += width
    return hangings


def _texture(rng, kind):
    """What a poster, a door or a board looks like: (3, 64, 48)."""
    y, x = np.indices((64, 48))
    canvas = np.empty((3, 64, 48), np.float32)
    if kind == "door":
        canvas[:] = srgb(*rng.uniform(50, 130, 3))[..., None]
        canvas[:, (np.abs(x - 24) > 22) | (y < 2)] *= 0.4
        canvas[:, (np.abs(x - 42) < 2) & (np.abs(y - 34) < 2)] = 0.5
    elif kind == "board":
        canvas[:] = rng.uniform(0.1, 0.45)
        canvas[:, (smooth_noise(rng, (64, 48), 4) > 1.2) & (y > 8) & (y < 52)] *= 0.4
        canvas[:, (x < 1) | (x > 46) | (y < 1) | (y > 62)] = 0.3
    else:
        canvas[:] = _any(rng, COLOURS) * rng.uniform(0.15, 0.45)
        shapes = smooth_noise(rng, (64, 48), 22)
        canvas[:, shapes > 0.3] = 0.45 * _any(rng, COLOURS)[..., 0]
        canvas[:, shapes < -0.9] = 0.4 * _any(rng, COLOURS)[..., 0]
        for row in range(6, 60, rng.integers(7, 20)):
            canvas[:, row : row + 3, 6 : rng.integers(14, 43)] = 0.7 * _any(rng, COLOURS)
    return canvas


# --- what a camera sees of it ----------------------------------------------------------------


@dataclass
class View:
    """A room as one camera sees it, without the performer. Light and floor are by picture pixel."""

    camera: Camera
    light: np.ndarray  # (2, 3, H, W) float32, by each circuit of lamps
    depth: np.ndarray  # of furniture and floor at fine pixels, (2 H, 2 W) float32, m
    floor: np.ndarray  # (3, H, W): x and z in m, and 1 where it is floor
    screen: tuple  # samples that show the screen, and x, y on it, each (N,)

    def with_show(self, rng: Generator, show: str, levels: np.ndarray) -> np.ndarray:
        """Light (3, H, W) at the levels of both circuits, with a new picture on the screen."""
        light = np.tensordot(levels.astype(np.float32), self.light, 1)
        samples, x, y = self.screen
        shown = screen_light(rng, show, x, y) / np.float32(len(SAMPLES))
        for plane, values in zip(light, shown):
            pixels = samples % plane.size
            plane += np.bincount(pixels, values, plane.size).reshape(SIZE).astype(np.float32)
        return light


def view_room(room: Room, camera: Camera) -> View:
    """Draw a room once for all frames of a camera, at the SAMPLES of each pixel."""
    height, width = FINE * SIZE[0], FINE * SIZE[1]
    surface = Surface(camera, (0, height, 0, width), room.things)
    rows, columns = (FINE * np.indices(SIZE)[:, None] + SAMPLES).reshape(2, -1)
    depth, face, points = _leave_room(room, camera, rows, columns)
    things = np.nonzero(np.isfinite(surface.depth[rows, columns]))[0]
    face[things] = THING
    circuits = [room.lamps.dimmed(levels) for levels in ((1, 0), (0, 1))]
    light = _light_of_faces(room, circuits, camera, depth, face, points)
    light[..., things] = _light_of_things(circuits, surface, rows[things], columns[things])
    screen = _find_screen(room.screen, face, points)
    light[..., screen[0]] = 0
    light = light.reshape(2, 3, len(SAMPLES[0]), *SIZE).mean(axis=2)
    floor = np.stack([points[0], points[2], face == FLOOR])[:, : SIZE[0] * SIZE[1]]
    depth = np.minimum(surface.depth, _floor_depth(camera, np.arange(height))[:, None])
    return View(camera, light, depth, floor.reshape(3, *SIZE), screen)


def _light_of_faces(room, circuits, camera, depth, face, points):
    """Light (2, 3, N) from walls, floor and ceiling, where nothing stands before them."""
    light = np.zeros((2, *points.shape), np.float32)
    for number in range(6):
        where = np.nonzero(face == number)[0]
        if len(where):
            some = points[:, where]
            colour = _face_colour(room, camera, number, some, depth[where])
            light[..., where] = _face_light(circuits, number, some, where) * colour
            if number == CEILING:
                _add_panels(light, where, circuits, some)
    return light


def _light_of_things(circuits, surface, rows, columns):
    """Light (2, 3, N) from the furniture that these pixels of a surface show."""
    points = surface.points(rows, columns)
    normals = surface.normals(rows, columns, points)
    dim = 0.45 + 0.55 * smoothstep(points[1], 0, 0.5)  # near the floor, all stands in shadows
    falling = np.stack([lit(lamps, points, normals) for lamps in circuits])
    return surface.colour[:, rows, columns] * falling * dim


def _find_screen(screen, face, points):
    """Which points show the screen, and where on it they lie, x and y: each (n,)."""
    on_wall = np.nonzero(face == screen.wall)[0]
    u = _along_wall(screen.wall, points[:, on_wall])
    inside, x, y = screen.seen_at(u, points[1, on_wall])
    return on_wall[inside], x, y


def _leave_room(room, camera, rows, columns):
    """Where the rays of fine pixels meet the room: depth and face (N,), points (3, N)."""
    rays = camera.rays(rows, columns)
    rays[rays == 0] = 1e-9  # one that runs along a wall meets it far away, and not at infinity
    start = camera.position.astype(np.float32)[:, None]
    low, high = room.bounds * [-1, 0, -1], room.bounds
    exits = (np.where(rays > 0, high[:, None], low[:, None]).astype(np.float32) - start) / rays
    depth, face = exits.min(axis=0), np.empty(len(rows), np.int8)
    for axis in range(3):
        here = exits[axis] == depth
        face[here] = axis + 3 * (rays[axis, here] < 0)
    return depth, face, start + depth * rays


def _floor_depth(camera, rows):
    """How far the floor is in rows of fine pixels: (N,) float32 in m, infinite above it."""
    down = -camera.rays(rows, np.zeros(len(rows)))[1]  # cameras are upright: a row has one depth
    depth = np.where(down > 0, camera.position[1] / np.maximum(down, 1e-9), np.inf)
    return depth.astype(np.float32)


def _face_light(circuits, face, points, where):
    """Light of both circuits on points of a face: (2, 3, N); `where`: their places among all."""
    # Light is soft: of up to eight pixels side by side, it is computed for the first only.
    first = np.diff(where // 8, prepend=-1) > 0
    some = points[:, first]
    normals = np.zeros_like(some)
    normals[face % 3] = -1 if face < 3 else 1
    light = np.stack([lit(lamps, some, normals) for lamps in circuits])
    return light[..., np.cumsum(first) - 1]


def _face_colour(room, camera, face, points, depth):
    """What points of a face of the room reflect, (3, N); for the floor also what reaches it."""
    if face == CEILING:  # dark tiles
        x, _, z = points
        joint = (np.abs((x / 0.6) % 1 - 0.5) < 0.02) | (np.abs((z / 0.6) % 1 - 0.5) < 0.02)
        return np.where(joint, np.float32(0.36), np.float32(0.24))[None]
    if face == FLOOR:
        # How long a pixel lies on the floor: far lines blur into the carpet.
        long = depth**2 / float(camera.focal * camera.position[1])
        reaching = sample(room.shadow, -room.bounds[[0, 2]], points[0], points[2])
        return reaching * _carpet(room, points, long)
    return _wall_colour(room, face, _along_wall(face, points), points[1])


def _along_wall(face, points):
    """Where along a wall points lie, in m from its middle, from left to right as seen inside."""
    x, _, z = points
    return {0: z, 2: -x, 3: -z, 5: x}[face]


def _grain(room, u, v, scale):
    """The room's noise at places in m, `scale` m a grain: (N,)."""
    return room.grain[(v / scale).astype(np.intp) % 512, (u / scale).astype(np.intp) % 512]


def _carpet(room, points, long):
    """Grey carpet with dark lines: (3, N). `long`: m of the floor in a pixel."""
    x, _, z = points
    value = 1 + 0.16 * np.minimum(0.012 / long, 1) * _grain(room, x, z, 0.004)
    value += 0.07 * _grain(room, x + 9, z + 9, 0.05) + 0.07 * _grain(room, x + 20, z + 20, 0.24)
    lines = room.lines
    blur = np.maximum(lines.width, long)
    for quarter in range(lines.directions):
        angle = lines.angle + quarter * math.pi / 2
        across = x * math.cos(angle) + z * math.sin(angle)
        away = np.abs((across / lines.spacing) % 1 - 0.5) * lines.spacing
        line = 1 - smoothstep(away, blur * 0.35, blur * 0.75)
        value *= 1 - lines.darkness * lines.width / blur * line
    return room.carpet * np.maximum(value, 0.1)


def _add_panels(light, where, circuits, points):
    """The lamps themselves, far brighter than all else: adds to light (2, 3, pixels)."""
    x, _, z = points
    full = sum(lamps.power for lamps in circuits).max()
    for own, lamps in zip(light, circuits):
        for place, power in zip(lamps.places, lamps.power.T):
            panel = (np.abs(x - place[0]) < 0.32) & (np.abs(z - place[2]) < 0.32)
            own[:, where[panel]] += 5 / full * power[:, None]


def _wall_colour(room, face, u, v):
    """Colour (3, N) of a wall at u m along and v m up it, with what hangs there."""
    wall = room.walls[face]
    value = 1 + 0.03 * _grain(room, u + 7, v + 7, 0.01) + 0.08 * _grain(room, u + 30, v + 30, 0.3)
    if wall.kind == "curtain":
        bent = u + 0.03 * np.sin(2.1 * v + wall.phase) + 0.05 * np.sin(3 * u + wall.phase)
        value *= 0.65 + 0.45 * np.sin(37 * bent) + 0.15 * np.sin(31 * bent + 2 * wall.phase)
    elif wall.kind == "panels":
        value *= 1 - 0.45 * ((u / 1.2) % 1 < 0.015) - 0.45 * ((v / 1.2) % 1 < 0.015)
    elif wall.kind == "bricks":
        value *= _bricks(u, v)
    light = wall.colour * np.maximum(value, 0.1) * np.where(v < 0.09, 0.5, 1)  # skirting
    for hanging in room.pictures:
        if hanging.wall == face:
            inside, x, y = hanging.seen_at(u, v)
            light[:, inside] = hanging.texture[:, (64 * y).astype(int), (48 * x).astype(int)]
    if face == room.screen.wall:
        light[:, room.screen.seen_at(u, v, border=0.06)[0]] = 0.01
    return light


def _bricks(u, v):
    """Bricks of uneven brightness with dark joints, a factor (N,)."""
    row = np.floor(v / 0.08)
    column = u / 0.24 + row / 2
    joint = ((v / 0.08) % 1 < 0.12) | (column % 1 < 0.05)
    return (1 + 0.25 * np.sin(91 * row + 57 * np.floor(column))) * (1 - 0.35 * joint)


def screen_light(rng: Generator, show: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What the screen shows at places (N,) from 0 to 1: light (3, N); a new picture each call."""
    shown = np.ones((3, *SCREEN), np.float32)
    if show != "white":
        shown = _film(rng) if show == "film" else _slide(rng)
    return shown[:, (y * SCREEN[0]).astype(int), (x * SCREEN[1]).astype(int)]


def _film(rng):
    """Sky, hills, and something before them: light (3, 90, 150)."""
    tint = srgb(*rng.uniform(90, 240, 3))[..., None]
    height = np.linspace(0, 1, SCREEN[0])[:, None] + 0.12 * smooth_noise(rng, SCREEN, 45)
    hills = smoothstep(height, 0.45, 0.6)
    shown = (1 - hills) * (0.5 + 0.5 * tint) + 0.35 * hills * tint[::-1]
    shown *= np.maximum(1 + 0.25 * smooth_noise(rng, SCREEN, 9), 0)
    figure = smoothstep(smooth_noise(rng, SCREEN, 32), 0.9, 1.0)
    shown += figure * (_any(rng, BRIGHT) - shown)
    return shown * rng.uniform(0.6, 1.3)


def _slide(rng):
    """A title, lines of text and a bar chart: light (3, 90, 150)."""
    paper = rng.choice([0.95, 0.7, 0.12])
    shown = np.full((3, *SCREEN), paper, np.float32)
    title, bars = _any(rng, BRIGHT), _any(rng, BRIGHT)
    shown[:, 8:17, 12 : rng.integers(60, 130)] = title
    for row in range(28, 80, 9):
        shown[:, row : row + 3, 14 : rng.integers(30, 80)] = 0.8 if paper < 0.5 else 0.08
    for left in range(98, rng.integers(115, 145), 11):
        shown[:, rng.integers(30, 70) : 80, left : left + 7] = bars
    return shown


def _any(rng, colours):
    """One of the colours: light (3, 1, 1)."""
    return srgb(*one_of(rng, colours))[..., None]
