"""Sheep on a meadow, or any other set in COCO's panoptic format.

A set has images, a folder X of PNG files with the number of a segment in each pixel, and X.json
beside that folder, which says what each segment is. A case names the files; the functions below
read them. Format: https://cocodataset.org/#format-data, "Panoptic Segmentation".
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from segmentation_tf.cases import Case, DatasetError, refuse_faults
from segmentation_tf.datasets import folders
from segmentation_tf.images import map_files, open_image, read_image
from segmentation_tf.panoptic.maps import VOID, Panoptic, colours_to_ids

IMAGES = (".jpg", ".jpeg", ".png")
WAY_OUT = "correct it, or take the panoptic_*.json from the archive"


def _list_of(**fields):
    """The JSON schema of a list of objects that have these fields; iscrowd may be missing."""
    required = [field for field in fields if field != "iscrowd"]
    row = {"type": "object", "required": required, "properties": fields}
    return {"type": "array", "items": row}


NUMBER, TEXT, KEY = {"type": "integer"}, {"type": "string"}, {"type": ["integer", "string"]}
YES_OR_NO = {"enum": [0, 1, False, True]}
SEGMENTS = _list_of(id=NUMBER, category_id=NUMBER, iscrowd={"enum": [0, 1, False, True, None]})
PARTS = {
    "images": _list_of(id=KEY, file_name=TEXT, width=NUMBER, height=NUMBER),
    "annotations": _list_of(image_id=KEY, file_name=TEXT, segments_info=SEGMENTS) | {"minItems": 1},
    "categories": _list_of(id=NUMBER, name=TEXT, isthing=YES_OR_NO) | {"maxItems": VOID},
}
SCHEMA = {"type": "object", "required": list(PARTS), "properties": PARTS}


class Category(NamedTuple):
    """A class: its id in the JSON, its name, and whether it is a thing or stuff."""

    number: int
    name: str
    thing: bool


class Table(NamedTuple):
    """What a JSON says: classes sorted by id, and for each PNG its image and its annotation."""

    categories: tuple[Category, ...]
    entries: dict[str, tuple[dict, dict]]


def load_cases(root: str | Path | None = None) -> list[Case]:
    """Return the cases of a panoptic set, sorted; DatasetError names the first file with a fault.

    `root` holds X.json beside X, or is up to three levels above them; the images are in it or up
    to three levels below. Without it: the environment's MEADOW_ROOT, else data/meadow, else the
    drawn set.

    The mask of a case is its PNG of segments. Its group is the `group` of the image in the JSON:
    in the drawn set the meadow, because pictures of one meadow share sheep. An image without
    `group` is a group by itself. A printed line counts what lies in X and is not in the JSON.
    Images without an annotation are ignored: COCO's folder has 118,000 images, and a JSON may be
    for some of them. Every file is read to its end here.
    """
    folder = folders.choose_folder(root, "MEADOW_ROOT", "meadow", draw=drawn_folder)
    table_file, images = _find_files(folder)
    entries = folders.read_json(table_file, _parse_table).entries
    pngs = _folder_of(table_file)
    skipped = [item for item in folders.children(pngs) if item.name not in entries]
    folders.report_skipped(pngs.name, "item", f"not listed in {table_file.name}", skipped)
    cases = sorted(_make_case(*entry, table_file, images) for entry in entries.values())
    refuse_faults(map_files(_fault, cases))
    return cases


def drawn_folder() -> Path:
    """Return the folder of the built-in drawn set; drawn now if it is not there yet."""
    from segmentation_tf.drawn import meadow  # here: real images need no drawing

    return folders.drawn_folder(f"meadow-v{meadow.VERSION}", meadow.draw_meadows, megabytes=10)


# --- what a case shows -----------------------------------------------------------------------


def read_categories(cases: Sequence[Case]) -> tuple[Category, ...]:
    """Return the classes of a list of cases; the place in the tuple is the index of a class."""
    if not cases:
        raise ValueError("read_categories got no cases; give it those of load_cases")
    return _table_of(cases[0]).categories


def read_panoptic(case: Case) -> Panoptic:
    """Return the panoptic map of a case, with classes by index; PNG and JSON have to agree."""
    table = _table_of(case)
    if case.mask.name not in table.entries:
        raise DatasetError(f"{case.mask}: is no longer listed in the JSON; call load_cases again")
    segments = table.entries[case.mask.name][1]["segments_info"]
    index = {category.number: i for i, category in enumerate(table.categories)}
    classes = {segment["id"]: index[segment["category_id"]] for segment in segments}
    crowds = frozenset(segment["id"] for segment in segments if segment.get("iscrowd"))
    if not case.mask.exists():
        raise DatasetError(
            f"{case.mask}: there is no such file, and the JSON names it; unpack the data set again"
        )
    ids = colours_to_ids(read_image(case.mask))
    painted, listed = set(np.unique(ids).tolist()) - {0}, set(classes)
    if painted != listed:
        raise DatasetError(
            f"{case.mask}: segments differ: {sorted(painted - listed)[:5]} only in the PNG, "
            f"{sorted(listed - painted)[:5]} only in the JSON; take both from the same archive, or "
            "remove the case from the JSON"
        )
    return Panoptic(ids, classes, crowds)


def read_classes(case: Case) -> np.ndarray:
    """Return the index of each pixel's class, uint8 `(H, W)`, VOID (255) where it is unknown."""
    panoptic = read_panoptic(case)
    of_id = np.full(panoptic.ids.max() + 1, VOID, np.uint8)
    of_id[list(panoptic.classes)] = list(panoptic.classes.values())
    return of_id[panoptic.ids]


def read_instances(case: Case, name: str = "sheep") -> np.ndarray:
    """Return the things of one class, int32 `(H, W)`: 1, 2, ... things, -1 a crowd, 0 the rest."""
    categories = _table_of(case).categories
    things = {category.name: i for i, category in enumerate(categories) if category.thing}
    if name not in things:
        known = ", ".join(things) or "none"
        raise ValueError(f"{case.mask}: {name!r} is no class of things; those are: {known}")
    panoptic = read_panoptic(case)
    ids = sorted(number for number, label in panoptic.classes.items() if label == things[name])
    single = [number for number in ids if number not in panoptic.crowds]
    of_id = np.zeros(panoptic.ids.max() + 1, np.int32)
    of_id[ids] = -1
    of_id[single] = np.arange(1, len(single) + 1)
    return of_id[panoptic.ids]


# --- files -----------------------------------------------------------------------------------


def _find_files(root):
    """X.json that lies beside a folder X, and lists of images by their name, all below `root`."""
    below = list(chain.from_iterable(folders.levels(root, 3)))
    tables = [file for file in map(_table_file, below) if file.is_file()]
    if len(tables) > 1:
        raise DatasetError(f"{tables[0]} and {tables[1]} are two sets; give a folder with one")
    if not tables:
        raise DatasetError(f"{root}: {_why_nothing(root, [root, *below])}")
    images = defaultdict(list)
    for folder in [root, *below]:
        if folder != _folder_of(tables[0]):
            for file in folders.children(folder):
                if file.suffix.lower() in IMAGES:
                    images[file.name].append(file)
    return tables[0], images


def _why_nothing(root, places):
    files = [file for folder in places for file in folders.children(folder)]
    tables = [file for file in files if file.suffix == ".json" and "panoptic" in file.name]
    if tables:
        missing = _folder_of(tables[0])
        advice = folders.way_out(missing.parent, "unpack the PNG files of segments there")
        return f"{tables[0].name} is there, but no folder {missing} beside it; {advice}"
    advice = folders.way_out(root, "give the folder that holds images and annotations")
    return f"holds no panoptic set, which is X.json beside a folder X of PNG files; {advice}"


def _make_case(image, annotation, table, images):
    mask = _folder_of(table) / Path(annotation["file_name"]).name
    group = image.get("group")
    return Case(
        name=mask.stem,
        image=_find_image(image["file_name"], table, images),
        mask=mask,
        group=mask.stem if group is None else str(group),
    )


def _find_image(file_name, table, images):
    path = Path(file_name)
    named = images.get(path.name, [])
    # COCO names a file without its folder. A folder in the JSON tells files of one name apart.
    found = [file for file in named if file.parts[-len(path.parts) :] == path.parts] or named
    if not found:
        raise DatasetError(
            f"{file_name}: this image of {table} is in no folder beside it; copy it from the "
            "archive, or remove its entries from the JSON to go on without this case"
        )
    if len(found) > 1:
        raise DatasetError(
            f"{found[0]} and {found[1]}: either may be {file_name} of {table}; remove one, or "
            "write its folder into file_name"
        )
    return found[0]


def _fault(case):
    """What is wrong with the files of a case, else None."""
    try:
        ids, picture = read_panoptic(case).ids, open_image(case.image)
    except DatasetError as error:
        return str(error)
    image, _ = _table_of(case).entries[case.mask.name]
    sizes = {
        str(case.image): picture.size,
        str(case.mask): ids.shape[::-1],
        "the JSON": (image["width"], image["height"]),
    }
    if len(set(sizes.values())) == 1:
        return None
    said = ", ".join(f"{width} x {height} in {file}" for file, (width, height) in sizes.items())
    return f"{case.mask}: sizes differ ({said}); find the files that belong together"


def _folder_of(table):
    """The folder of PNG files that belongs to a JSON."""
    return table.with_name(table.name.removesuffix(".json"))


def _table_file(folder):
    """The JSON that belongs to a folder of PNG files."""
    return folder.with_name(f"{folder.name}.json")


def _table_of(case):
    return folders.read_json(_table_file(case.mask.parent), _parse_table)


# --- the JSON --------------------------------------------------------------------------------


def _parse_table(file, content):
    """The Table of a JSON, checked."""
    folders.check_schema(file, content, SCHEMA, WAY_OUT)
    images = _by_id(file, "images", content["images"])
    categories = _by_id(file, "categories", content["categories"])
    entries = {}
    for annotation in content["annotations"]:
        name = Path(annotation["file_name"]).name
        if name in entries:
            raise DatasetError(f"{file}: lists {name} twice; remove one of the two annotations")
        segments = _by_id(file, f"the segments of {name}", annotation["segments_info"])
        used = {segment["category_id"] for segment in segments.values()}
        _refuse_unknown(file, f"{name} has the category", used, categories)
        _refuse_unknown(file, f"{name} belongs to the image", {annotation["image_id"]}, images)
        entries[name] = images[annotation["image_id"]], annotation
    rows = [(row["id"], row["name"], bool(row["isthing"])) for row in categories.values()]
    return Table(tuple(Category(*row) for row in sorted(rows)), entries)


def _by_id(file, where, rows):
    """Rows of the JSON by their id, which must be unique."""
    found = {row["id"]: row for row in rows}
    if len(found) < len(rows):
        twice = Counter(row["id"] for row in rows).most_common(1)[0][0]
        raise DatasetError(f"{file}: lists the id {twice} twice in {where}; remove one of the two")
    return found


def _refuse_unknown(file, what, used, known):
    if unknown := used - known.keys():
        raise DatasetError(
            f"{file}: {what} {unknown.pop()}, which the JSON does not list; correct the id, or add "
            "its entry"
        )
