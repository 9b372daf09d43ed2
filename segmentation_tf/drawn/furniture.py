"""What stands about in the drawn studio, all of it background.

Chairs, a coat over one of them, tripods, bags, clothes on a rail, a table, and the white
mannequin, naked or in a costume.
"""

import math
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from segmentation_tf.drawn.body import COLOURS, SOBER, Body, Figure, plain, random_body
from segmentation_tf.drawn.drawing import one_of
from segmentation_tf.drawn.motion import Pose, skeleton, turned
from segmentation_tf.drawn.tracing import Box, Camera, Cloth, Limb, Part


def random_things(rng: Generator, bounds: np.ndarray, cameras: list[Camera]) -> list[Part]:
    """Parts of the furniture of a room, most of it where no camera sees it before the performer."""
    seat = _random_paint(rng)
    kinds = {"chair": rng.integers(3, 7), "tripod": rng.integers(1, 4), "bag": rng.integers(1, 3)}
    kinds |= {"rail": rng.random() < 0.6, "table": rng.random() < 0.5}
    kinds |= {"mannequin": rng.choice([0, 1, 2], p=[0.2, 0.6, 0.2])}
    draw = {"tripod": _tripod, "bag": _bag, "rail": _rail, "table": _table, "mannequin": mannequin}
    things = []
    for kind, count in kinds.items():
        nearest, farthest = (2.1, 3.6) if kind == "mannequin" else (2.3, 4.8)
        for _ in range(count):
            where, turn = _free_place(rng, bounds, cameras, nearest, farthest)
            things += _chair(where, turn, seat) if kind == "chair" else draw[kind](rng, where, turn)
    if rng.random() < 0.6:
        _, back = things[0].solids  # of the first chair
        things += _coat(rng, back)
    return things


def _free_place(rng, bounds, cameras, nearest, farthest):
    """A place (x, 0, z) that blocks no camera, and a turn towards the middle, more or less."""
    views = np.array([camera.position for camera in cameras])[:, [0, 2]]
    while True:
        angle, away = rng.uniform(-math.pi, math.pi), rng.uniform(nearest, farthest)
        where = away * np.array([math.sin(angle), math.cos(angle)])
        in_view = views @ where / np.linalg.norm(views, axis=1) / away > math.cos(0.4)
        too_near = np.linalg.norm(views - where, axis=1) < 2.2
        outside = bounds[[0, 2]] - np.abs(where) < 0.4
        if not (in_view.any() or too_near.any() or outside.any()):
            return np.array([where[0], 0, where[1]]), angle + math.pi + rng.normal(0, 0.7)


def _random_paint(rng):
    return plain(one_of(rng, COLOURS))


def _boxes(where, turn, places):
    """Boxes of one thing: (centre, sizes) in its own frame, turned and moved to its place."""
    frame = turned(np.eye(3), twist=turn)
    return [Box(where + np.array(centre) @ frame, sizes, frame) for centre, sizes in places]


def _chair(where, turn, seat):
    soft = [((0, 0.45, 0), (0.44, 0.05, 0.42)), ((0, 0.72, -0.2), (0.42, 0.3, 0.035))]
    legs = [((x, 0.23, z), (0.025, 0.46, 0.025)) for x in (-0.19, 0.19) for z in (-0.19, 0.19)]
    legs += [((x, 0.6, -0.2), (0.025, 0.4, 0.025)) for x in (-0.19, 0.19)]
    return [
        Part(_boxes(where, turn, soft), seat, 0, 0.1),
        Part(_boxes(where, turn, legs), plain((70, 70, 74)), 0, 0.4),
    ]


def _coat(rng, back):
    side, up, front = np.asarray(back.frame, float)
    top = back.centre + 0.17 * up
    left, right = top + 0.03 * front - 0.15 * side, top + 0.03 * front + 0.15 * side
    middle, hem = top - 0.04 * front, top - 0.5 * up - 0.1 * front
    cuff = right + 0.08 * side - 0.45 * up
    solids = [
        Limb(left, right, (0.07, 0.07), front=front, flat=0.9, cloth=Cloth(0.012)),
        Limb(middle, hem, (0.16, 0.21), front=front, flat=0.35, cloth=Cloth(0.02, cut=True)),
        Limb(right + 0.04 * side, cuff, (0.07, 0.05), front=front, cloth=Cloth(0.012, cut=True)),
    ]
    return [Part(solids, _random_paint(rng), 0.05)]


def _tripod(rng, where, turn):
    """A stand with a camera or a lamp on it."""
    height = rng.uniform(1.1, 1.7)
    hub, top = where + [0, 0.62 * height, 0], where + [0, height, 0]
    solids = [Limb(hub, top, (0.014, 0.014))]
    for angle in turn + np.array([0.3, 2.4, 4.5]):
        foot = where + [0.4 * math.sin(angle), 0.01, 0.4 * math.cos(angle)]
        solids.append(Limb(hub, foot, (0.016, 0.012)))
    sizes = (0.13, 0.12, 0.18) if rng.random() < 0.6 else (0.3, 0.3, 0.1)
    solids += _boxes(top, turn, [((0, 0.06, 0), sizes)])
    return [Part(solids, plain((28, 28, 30)), 0, 0.3)]


def _bag(rng, where, turn):
    side = turned(np.eye(3), twist=turn)[0]
    low, high = where + [0, 0.13, 0], where + [0, 0.26, 0]
    solids = [
        Limb(low, low + 0.3 * side, (0.14, 0.13), cloth=Cloth(0.014, turn)),
        Limb(high + 0.1 * side, high + 0.2 * side, (0.02, 0.02)),
    ]
    return [Part(solids, _random_paint(rng), 0.02, 0.1)]


def _table(rng, where, turn):
    wood = plain(one_of(rng, ((120, 86, 58), (60, 44, 34), (190, 188, 180))))
    places = [((x, 0.36, z), (0.04, 0.72, 0.04)) for x in (-0.55, 0.55) for z in (-0.25, 0.25)]
    places.append(((0, 0.735, 0), (1.25, 0.03, 0.62)))
    load = [((rng.uniform(-0.4, 0.4), 0.9, 0), (0.36, 0.3, 0.3))]
    return [
        Part(_boxes(where, turn, places), wood, 0, 0.2),
        Part(_boxes(where, turn, load), plain(one_of(rng, SOBER)), 0, 0.1),
    ]


def _rail(rng, where, turn):
    """Clothes on a rail: upright, coloured and folded, but empty."""
    poles = [((x, 0.8, 0), (0.03, 1.6, 0.03)) for x in (-0.6, 0.6)]
    poles += [((x, 0.02, 0), (0.04, 0.04, 0.5)) for x in (-0.6, 0.6)]
    poles.append(((0, 1.6, 0), (1.23, 0.03, 0.03)))
    parts = [Part(_boxes(where, turn, poles), plain((110, 110, 114)), 0, 0.5)]
    side = turned(np.eye(3), twist=turn)[0]
    for x in np.linspace(-0.45, 0.45, rng.integers(3, 7)):
        top = where + [0, 1.5, 0] + x * side
        hem = top - [0, rng.uniform(0.6, 1.0), 0]
        cloth = Cloth(0.005, 9 * x, cut=True)
        shirt = Limb(top, hem, (0.06, 0.15), front=side, flat=0.45, cloth=cloth)
        parts.append(Part([shirt], _random_paint(rng), 0, 0.05))
    return parts


def mannequin(rng: Generator, where: np.ndarray, turn: float) -> list[Part]:
    """A figure from a shop window on its plate; half of them wear a costume, as a person does."""
    white = (226, 224, 218) if rng.random() < 0.8 else (190, 176, 160)
    costumed = rng.random() < 0.5
    if costumed:
        activity = one_of(rng, ("HipHop", "Jazz", "Kata", "Taichi"))
        body = replace(random_body(rng, activity), skin=white)
    else:
        body = Body(rng.uniform(1.65, 1.82), 0.9, bool(rng.random() < 0.5), skin=white)
    hands = rng.uniform([[0.1, -0.95, -0.1]] * 2, [[0.35, -0.5, 0.45]] * 2)
    feet = np.array([[0.09, 0.04, 0], [0.12, -0.03, 0]])
    pose = Pose((0.03, 0, 0, 0), *feet, *hands, head=(rng.normal(0, 0.3), 0))
    figure = Figure(body, skeleton(body, pose, (where[0], where[2], turn)))
    plate = Limb(where + [0, 0.005, 0], where + [0, 0.02, 0], (0.17, 0.17), cloth=Cloth(cut=True))
    parts = figure.dressed(alive=False) if costumed else figure.naked()
    return [*parts, Part([plate], plain((150, 150, 152)), 0, 0.5)]
