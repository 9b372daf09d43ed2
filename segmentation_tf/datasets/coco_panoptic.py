"""Sheep on a meadow, or any other set in COCO's panoptic format.

Format: https://cocodataset.org/#format-data, "Panoptic Segmentation". A set has images, a folder
X of PNG files with the number of a segment in each pixel, and X.json beside that folder, which
says what each segment is. Cases give the files; the readers below give their contents.
"""

from collections import Counter, defaultdict
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from segmentation_tf.cases import Case, DatasetError, refuse_faults
from segmentation_tf.datasets import folders
from segmentation_tf.datasets.folders import (
    children,
    choose_folder,
    levels,
    read_json,
    way_out,
)
from segmentation_tf.images import map_files, open_image, read_image
from segmentation_tf.panoptic.maps import VOID, Panoptic, colours_to_ids

IMAGES = (".jpg", ".jpeg", ".png")
NEEDED = {"images": {"id": (int, str), "file_name": str, "width": int, "height": int},
          "annotations": {"image_id": (int, str), "file_name": str, "segments_info": object},
          "categories": {"id": int, "name": str, "isthing": int}}  # fmt: skip


class Category(NamedTuple):
    """A class: its number in COCO's JSON, its name, and whether it is a thing or stuff."""

    number: int
    name: str
    thing: bool


class Table(NamedTuple):
    """What a JSON says: `categories`, sorted by number, `entries` by name of the PNG."""

    categories: tuple
    entries: dict  # (image, annotation), as the JSON has them


def load_cases(root=None):
    """Return the cases of a folder in COCO's panoptic format, a sorted list of Case.

    `root` (str or Path) holds X.json beside X, on one of its first three levels; the images lie
    in any folder of it. Without it: the environment's MEADOW_ROOT, else data/meadow, else the
    drawn set. `mask` is the PNG of segments; `label` is None. Its group is what the JSON gives
    as `group` of the image (the meadow, in the drawn set: its pictures share sheep), else the
    image's name: a group of its own.
    Stray files, and images without an annotation, are ignored. Every file is read to its end
    here: DatasetError names the first that cannot be used.
    """
    folder = choose_folder(root, "MEADOW_ROOT", "meadow", draw=drawn_folder)
    table_file, images = _find_files(folder)
    entries = read_json(table_file, _parse_table).entries.values()
    cases = sorted(_make_case(*entry, table_file, images) for entry in entries)
    refuse_faults(map_files(_fault, cases))
    return cases


def drawn_folder():
    """Return the folder of the built-in drawn set; drawn now if it is not there yet."""
    # Imported here, because only those who have no real images need the drawing.
    from segmentation_tf.drawn import meadow

    return folders.drawn_folder(f"meadow-v{meadow.VERSION}", meadow.draw_meadows, megabytes=10)


# --- what a case shows -----------------------------------------------------------------------


def read_categories(cases):
    """The classes of a list of cases, a tuple of Category; the place in it is a class's index.

    Raises ValueError where there are no cases.
    """
    if not cases:
        raise ValueError("read_categories got no cases; give it those of load_cases")
    return _table_of(cases[0]).categories


def read_panoptic(case):
    """The case's `Panoptic`: ids int32 `(H, W)`, 0 void; classes are indices, 0, 1, ...

    Raises DatasetError where PNG and JSON do not name the same segments.
    """
    table = _table_of(case)
    if case.mask.name not in table.entries:
        raise DatasetError(
            f"{_table_file(case)}: no longer lists {case.mask.name}; call load_cases again"
        )
    _, annotation = table.entries[case.mask.name]
    index = {category.number: i for i, category in enumerate(table.categories)}
    classes = {one["id"]: index[one["category_id"]] for one in annotation["segments_info"]}
    crowds = [one["id"] for one in annotation["segments_info"] if one.get("iscrowd")]
    ids = colours_to_ids(read_image(case.mask))
    drawn = set(np.unique(ids).tolist()) - {0}
    for odd, where in (
        (drawn - set(classes), "in the PNG but not in the JSON"),
        (set(classes) - drawn, "in the JSON but not in the PNG"),
    ):
        if odd:
            raise DatasetError(
                f"{case.mask}: segments {sorted(odd)[:5]} are {where} ({_table_file(case).name}); "
                "take both from the same archive, or remove the case from the JSON"
            )
    return Panoptic(ids, classes, frozenset(crowds))


def read_classes(case):
    """The class of each pixel by its index, uint8 `(H, W)`, VOID (255) where nobody knows."""
    panoptic = read_panoptic(case)
    of_id = np.full(panoptic.ids.max() + 1, VOID, np.uint8)
    of_id[list(panoptic.classes)] = list(panoptic.classes.values())
    return of_id[panoptic.ids]


def read_instances(case, name="sheep"):
    """Map of the things of one class, int32 `(H, W)`: 0 none, 1, 2, ... things, -1 a crowd.

    Raises ValueError where `name` is no class of things.
    """
    panoptic, numbers = read_panoptic(case), range(len(_table_of(case).categories))
    named = [i for i in numbers if _table_of(case).categories[i][1:] == (name, True)]
    if not named:
        things = [category.name for category in _table_of(case).categories if category.thing]
        raise ValueError(
            f"{_table_file(case)}: {name!r} is no class of things; they are "
            f"{', '.join(things) or 'none'}"
        )
    of_id = np.zeros(panoptic.ids.max() + 1, np.int32)
    mine = sorted(n for n, label in panoptic.classes.items() if label == named[0])
    single = [number for number in mine if number not in panoptic.crowds]
    of_id[single] = np.arange(1, len(single) + 1)
    of_id[sorted(set(mine) - set(single))] = -1
    return of_id[panoptic.ids]


# --- files -----------------------------------------------------------------------------------


def _find_files(root):
    """X.json that lies beside a folder X, and a dict of the images by name, both below `root`."""
    below = list(chain.from_iterable(levels(root, 3)))
    found = [folder.with_name(f"{folder.name}.json") for folder in below]
    found = [file for file in found if file.is_file()]
    if found[1:]:
        raise DatasetError(f"{found[0]} and {found[1]} are two sets; give a folder with one")
    if not found:
        raise DatasetError(f"{root}: {_why_nothing(root, [root, *below])}")
    places = [folder for folder in [root, *below] if folder != _folder_of(found[0])]
    files = [file for folder in places for file in children(folder)]
    images = defaultdict(list)
    for file in files:
        if file.suffix.lower() in IMAGES:
            images[file.name].append(file)
    return found[0], images


def _why_nothing(root, places):
    tables = [file for folder in places for file in children(folder) if file.suffix == ".json"]
    panoptic = [file for file in tables if "panoptic" in file.name]
    if panoptic:
        missing = _folder_of(panoptic[0])
        advice = way_out(missing.parent, "unpack the PNG files of segments there")
        return f"{panoptic[0].name} is there, but no folder {missing} beside it; {advice}"
    advice = way_out(root, "give the folder that holds images and annotations")
    return f"holds no panoptic set, which is X.json beside a folder X of PNG files; {advice}"


def _make_case(image, annotation, table, images):
    mask = _folder_of(table) / Path(annotation["file_name"]).name
    name = Path(image["file_name"]).name
    if name not in images:
        raise DatasetError(
            f"{name}: this image of {table} is in no folder beside it; copy it from the archive, "
            "or remove its entries from the JSON to go on without this case"
        )
    # COCO names a file without its folder; who names it with one may have the name twice.
    found = images[name]
    file_name = Path(image["file_name"])
    if found[1:]:
        found = [file for file in found if file.parts[-len(file_name.parts) :] == file_name.parts]
    if len(found) != 1:
        raise DatasetError(
            f"{images[name][0]} and {images[name][1]}: either may be {image['file_name']} of "
            f"{table}; remove one, or write its folder into file_name"
        )
    group = image.get("group")
    return Case(mask.stem, found[0], mask, mask.stem if group is None else str(group))


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
    if len(set(sizes.values())) > 1:
        said = ", ".join(f"{size[0]} x {size[1]} in {file}" for file, size in sizes.items())
        return f"{case.mask}: sizes differ ({said}); find the files that belong together"


def _folder_of(table):
    """The folder of PNG files that belongs to a JSON."""
    return table.with_name(table.name.removesuffix(".json"))


def _table_file(case):
    return case.mask.parent.with_name(f"{case.mask.parent.name}.json")


def _table_of(case):
    return read_json(_table_file(case), _parse_table)


def _parse_table(file, content):
    """The Table of a JSON, checked."""
    _refuse_missing_fields(file, content)
    _refuse_doubles_and_bad_categories(file, content)
    categories = sorted(
        Category(one["id"], one["name"], bool(one["isthing"])) for one in content["categories"]
    )
    images = {image["id"]: image for image in content["images"]}
    entries = {}
    for annotation in content["annotations"]:
        name = Path(annotation["file_name"]).name
        if annotation["image_id"] not in images:
            raise DatasetError(
                f"{file}: {name} belongs to the image {annotation['image_id']}, which the JSON "
                "does not list; add it to `images` or remove the annotation"
            )
        if name in entries:
            raise DatasetError(f"{file}: lists {name} twice; remove one of the two annotations")
        _refuse_bad_segments(file, annotation, {category.number for category in categories})
        entries[name] = images[annotation["image_id"]], annotation
    return Table(tuple(categories), entries)


def _refuse_missing_fields(file, content):
    for part, fields in NEEDED.items():
        rows = content.get(part) if isinstance(content, dict) else None
        if not isinstance(rows, list) or not rows:
            raise DatasetError(
                f"{file}: has no list of {part}, so it is no panoptic JSON of COCO; take "
                "panoptic_*.json from the archive"
            )
        for row in rows:
            for field in fields:
                if not isinstance(row, dict) or field not in row:
                    raise DatasetError(
                        f"{file}: an entry of {part} has no {field} ({str(row)[:60]}); is it the "
                        "JSON for panoptic segmentation? Copy it again from the archive"
                    )
                if not isinstance(row[field], fields[field]):
                    raise DatasetError(
                        f"{file}: {field} of an entry of {part} is {str(row[field])[:60]!r}, which "
                        "cannot be; correct it, or copy the JSON again from the archive"
                    )


def _refuse_doubles_and_bad_categories(file, content):
    for part in ("images", "categories"):
        numbers = Counter(row["id"] for row in content[part])
        if twice := [number for number, count in numbers.items() if count > 1]:
            raise DatasetError(
                f"{file}: lists the id {twice[0]} twice in {part}; remove one of the two"
            )
    for row in content["categories"]:
        if row["isthing"] not in (0, 1):
            raise DatasetError(
                f"{file}: isthing of {row['name']} is {row['isthing']}; it must be 1 (thing) or 0"
            )
    if len(content["categories"]) > VOID:
        raise DatasetError(
            f"{file}: has {len(content['categories'])} categories, and a map of classes holds "
            f"{VOID}; remove those that no segment has"
        )


def _refuse_bad_segments(file, annotation, categories):
    name, ids, segments = annotation["file_name"], set(), annotation["segments_info"]
    if not isinstance(segments, list) or not all(isinstance(one, dict) for one in segments):
        raise DatasetError(f"{file}: segments_info of {name} is no list of segments; copy it again")
    for segment in segments:
        number, category = segment.get("id"), segment.get("category_id")
        if not isinstance(category, int) or category not in categories:
            raise DatasetError(
                f"{file}: segment {number} of {name} has the unknown category {category}; known "
                f"are {sorted(categories)}: correct it, or add the category to `categories`"
            )
        if segment.get("iscrowd") not in (None, 0, 1):
            raise DatasetError(
                f"{file}: iscrowd of segment {number} of {name} is {segment['iscrowd']!r}; it "
                "must be 1 (a crowd) or 0"
            )
        if not isinstance(number, int) or number in ids:
            raise DatasetError(
                f"{file}: {name} has {number} as the id of a segment, which must be a number of "
                "its own; correct the JSON"
            )
        ids.add(number)
