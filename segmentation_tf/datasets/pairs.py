"""Anybody's folder of images and masks: which mask belongs to which image is read from the names.

    cases = load_cases("my_pictures")                  # images/a.jpg with masks/a.png, or
                                                       # a.jpg with a_mask.png
    cases = load_cases("my_pictures", masks="outlines", group=r"^p\\d+")

For pictures that no rule here fits, make the cases yourself:

    cases = [Case(name, image, mask, group=name) for name, image, mask in ...]
    images.check_cases(cases)
"""

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from segmentation_tf.cases import Case, DatasetError, refuse_faults
from segmentation_tf.datasets import folders
from segmentation_tf.images import (
    MAX_CLASSES,
    SUFFIXES,
    check_cases,
    check_classes,
    is_picture,
    list_values,
)

DEPTH = 5  # levels of folders that are searched
# Words in the name of a folder, of which capitals, digits and signs mark the ends.
IMAGE_WORDS = set(
    "image images img imgs picture pictures photo photos input inputs orig original originals "
    "x".split()
)
MASK_WORDS = set(
    "mask masks label labels annot annotation annotations gt gts truth groundtruth segmentation "
    "segmentations seg segs segmented lesion lesions target targets y".split()
)
SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
# What may end the name of a file, after _ or another sign, or be all of it; what may begin it.
IMAGE_ENDINGS = r"(^|[ _.-]+)(image|img|photo|input|original)$"
MASK_ENDINGS = (
    r"(^|[ _.-]+)(masks?|segmentations?|seg|gt|labels?|lesion|annotations?|groundtruth)$"
    r"|^(masks?|gt)[ _.-]+"
)
# Other things that lie in folders of data sets: VOC's instances, pictures to look at, superpixels.
OTHER_FOLDERS = re.compile(
    r"__macosx|segmentationobject.*|.*visuali[sz]ations?|overlays?|previews?|collages?", re.I
)
OTHER = "other"
SEVERAL = "masks seem to belong to this image"  # what an error says of them
# What `segmentation-tf predict` writes beside a photo, after the photo's name.
PREDICTIONS = ("_predicted", "_overlay")
SUPERPIXELS = "_superpixels"  # a file that ISIC has beside each image
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


# --- reading -----------------------------------------------------------------------------------


def load_cases(
    root: str | Path | None = None,
    images: str | None = None,
    masks: str | None = None,
    group: str | Callable[[str], str] | None = None,
    classes: Iterable | str | None = None,
) -> list[Case]:
    """Return the cases of a folder of images and masks, sorted. Every file is read to its end.

    Names tell what belongs together: `images/a.jpg` and `masks/a.png`, or `a.jpg` and `a_mask.png`
    in one folder; names such as labels, GroundTruth, _seg and _lesion are known too. `X1` and `Y1`
    belong together if all names of either kind differ in the number only. In a set with a folder
    for each image, that may hold many masks, one for each object. A mask may be empty. Without
    `images` and `masks`, a printed line counts the pictures that are in no case.

    Args:
        root: The folder. Without it: the environment's PAIRS_ROOT, else data/pictures, else the
            drawn photographs.
        images: The name of the folder of images ("photos"), or what ends the names of image files
            ("_rgb"). Needed only if the usual names do not fit.
        masks: The same for masks ("outlines", or "_contour").
        group: What belongs to one patient or film and never sits on both sides of a split: a
            regular expression for the image's name without its suffix, of which the first group
            (or the whole match) names the patient; or a function of that name. In subfolders the
            name has their names before it: "patient7/a". Without `group`, each picture is one.
        classes: What is the object in maps of several classes or of numbered objects, as in
            `images.read_mask`: (2,), ((255, 0, 0),), or "any".

    Raises:
        DatasetError: The first fault, with the number of the others: a file has no partner or two,
            image and mask differ in size, or a file cannot be used.
        ValueError: An argument is of another form.
    """
    splits = _load(root, images, masks, group, classes)
    counts = [f"{name} {len(cases)}" for name, cases in splits.items() if name]
    if len(counts) > 1:
        print(
            f"the folder is split already ({', '.join(counts)}); pairs.load_splits keeps the parts "
            "apart"
        )
    return sorted(case for cases in splits.values() for case in cases)


def load_splits(
    root: str | Path | None = None,
    images: str | None = None,
    masks: str | None = None,
    group: str | Callable[[str], str] | None = None,
    classes: Iterable | str | None = None,
) -> dict[str, list[Case]]:
    """Return the cases of each part of a folder that is split already.

    The parts are "train", "validation" and "test", as far as the set has subfolders for them:
    `train/images` or `images/train`. A folder without them gives {}. Arguments and errors are those
    of `load_cases`; pictures outside such subfolders are an error.
    """
    splits = _load(root, images, masks, group, classes)
    outside = splits.pop("", [])
    if splits and outside:
        raise DatasetError(
            f"{outside[0].image}: lies outside the folders for {', '.join(splits)}; move it and "
            f"its mask there (images outside: {len(outside)})"
        )
    return splits


def find_pairs(
    root: Path,
    images: str | None = None,
    masks: str | None = None,
    group: str | Callable[[str], str] | None = None,
    classes: Iterable | str | None = None,
) -> tuple[list[Case], list[str]]:
    """Find the pairs of a folder without opening any file.

    Arguments are those of `load_cases`.

    Returns:
        The cases, sorted, and what is wrong with the names of other files, a text for each.

    Raises:
        DatasetError: There are no images, no masks, or no pair.
    """
    cases, faults = _find(Path(root), images, masks, group, classes)
    return sorted(cases), faults


def no_such_class(cases: Sequence[Case]) -> str:
    """Say that no mask holds the classes of the cases, and what the first 20 masks hold."""
    held = sorted({value for case in cases[:20] for value in list_values(case.mask)})
    return (
        f"no mask holds {_listed(cases[0].classes)}; the masks hold "
        f"{_listed(held[:9]) or f'more than {MAX_CLASSES} values'}{', ...' if held[9:] else ''}"
    )


def _listed(values):
    return ", ".join(map(str, values))


def find_split(names: Iterable[str]) -> str:
    """Return the part of a split that folders are named for, or "". The last of them counts.

    It is "train", "validation" or "test". `names`: those of the folders, from the outermost.
    """
    split = ""
    for name in names:
        split = next((SPLIT_WORDS[word] for word in _words(name) if word in SPLIT_WORDS), split)
    return split


def drawn_folder() -> Path:
    """Return the folder of the drawn photographs of leaves; drawn now if it is not there yet."""
    from segmentation_tf.drawn import leaves  # here: real images need no drawing

    name = f"pictures-v{leaves.VERSION}"
    return folders.drawn_folder(name, leaves.draw_pictures, megabytes=16)


def _load(root, images, masks, group, classes):
    """The cases of each part of a split, in the order of SPLIT_WORDS; of no part under ""."""
    folder = folders.choose_folder(root, "PAIRS_ROOT", "pictures", draw=drawn_folder)
    cases, faults = _find(folder, images, masks, group, classes)
    refuse_faults(faults)
    if images is None and masks is None:
        _report_skipped(folder, cases)
    _check_files(folder, list(cases), classes)
    names = [name for name in ("", *SPLIT_WORDS.values()) if name in cases.values()]
    return {name: sorted(case for case in cases if cases[case] == name) for name in names}


def _report_skipped(folder, cases):
    """Print how many pictures are not in a case.

    `_load` has already refused a lonely picture in a folder of images or masks.
    """
    used = {path for case in cases for path in (case.image, case.mask)}
    pictures = _without_predictions(list(_pictures(folder)), set())
    skipped = [path for path in pictures if used.isdisjoint((path, path.parent))]
    reason = "outside the folders of images and masks"
    folders.report_skipped("pictures", "picture", reason, skipped)


def _check_files(folder, cases, classes):
    """Read every file, and print what is worth knowing about the masks."""
    empty = check_cases(cases, empty_mask_ok=True)
    if len(empty) == len(cases):
        if isinstance(cases[0].classes, tuple):
            raise DatasetError(f"{folder}: {no_such_class(cases)}")
        raise DatasetError(
            f"{folder}: all {len(cases)} masks are empty: they are 0 everywhere; look at one, such "
            f"as {empty[0].mask}"
        )
    if empty:
        print(f"{len(empty)} of {len(cases)} masks are empty, such as {empty[0].mask.name}")
    if joined := [case for case in cases if os.path.isdir(case.mask)]:
        print(
            f"{len(joined)} of {len(cases)} images have a folder of masks, which count as one: "
            f"such as {joined[0].mask.relative_to(folder)}"
        )


def _find(root, images, masks, group, classes):
    """The cases with the part of the split that each is in, and the faults of other files."""
    classes, find_group = check_classes(classes), _make_finder(group)
    found = _find_files(root, images, masks)
    pairs, twins, lonely = _match(*found)
    if not pairs and not twins:
        raise DatasetError(_no_pairs(root, *found))
    names, inner_names = _name_pairs(pairs)
    groups = names  # each picture is one
    if find_group:
        groups = {image: find_group(name) for image, name in inner_names.items()}
        missing = [name for image, name in inner_names.items() if groups[image] in (None, "")]
        if missing:
            raise DatasetError(_no_group(root, group, missing, len(groups)))
    faults = twins + lonely
    counts = Counter(names.values())
    faults += [
        f"{image.path}: another image has the name {name}, too; rename one of them"
        for image, name in names.items()
        if counts[name] > 1
    ]
    cases = {
        Case(names[image], image.path, mask.path, str(groups[image]), classes=classes): (
            image.split or mask.split
        )
        for image, mask in pairs
    }
    return cases, faults


# --- images and masks among the files ------------------------------------------------------------


@dataclass(frozen=True)
class File:
    """A picture. `split`: train, validation, test or ""; `place`: its other folders.

    `stem` is the name without a suffix, `key` without an ending such as `_mask` too, both in small
    letters.
    """

    path: Path
    split: str
    place: tuple[str, ...]
    stem: str
    key: str


@dataclass(frozen=True)
class Kind:
    """How we recognise images, or masks: by words in a folder's name, or the ending of a file's.

    `folder` and `ending` are what the user gave, or None.
    """

    words: set[str]
    pattern: re.Pattern
    folder: str | None = None
    ending: str | None = None

    def has_folder(self, name: str) -> bool:
        """Whether this folder holds files of this kind."""
        if self.folder:
            return name.lower() == self.folder
        return not self.words.isdisjoint(_words(name))

    def has_file(self, path: Path) -> bool:
        """Whether the name of the file, with or without its suffix, ends as for this kind."""
        if self.ending:
            return any(name.lower().endswith(self.ending) for name in (path.stem, path.name))
        return self.pattern.search(path.stem.lower()) is not None

    def strip(self, stem: str) -> str:
        """The name without what tells the kind."""
        if self.ending and self.ending not in SUFFIXES:
            return stem.removesuffix(Path(self.ending).stem)
        while (shorter := self.pattern.sub("", stem)) != stem:
            stem = shorter
        return stem


def _find_files(root, images, masks):
    """The images and the masks below a folder, two lists of File."""
    paths = list(_pictures(root))
    if not paths:
        raise DatasetError(_no_pictures(root))
    paths = _without_predictions(paths, {images, masks})
    folder_names = {path: path.relative_to(root).parts[:-1] for path in paths}
    image_kind = _make_kind(root, images, IMAGE_WORDS, IMAGE_ENDINGS, folder_names)
    mask_kind = _make_kind(root, masks, MASK_WORDS, MASK_ENDINGS, folder_names)
    # A folder that holds everything does not tell images from masks.
    common = len(os.path.commonprefix(list(folder_names.values())))
    roles = {
        names: _find_role(names, common, image_kind, mask_kind)
        for names in set(folder_names.values())
    }
    kinds = {path: roles[names][0] for path, names in folder_names.items()}
    mask_paths = _choose_masks(kinds, mask_kind)
    if not mask_paths:
        raise DatasetError(_no_masks(root, folder_names))
    image_paths = _choose_images(kinds, image_kind, mask_paths)
    if not image_paths:
        raise DatasetError(
            f"{root}: all {len(paths)} pictures look like masks, such as {paths[0].name}; say "
            f"where the images are: {_both_ways('images', 'FOLDER')}"
        )
    image_files = [_make_file(path, folder_names[path], roles, image_kind) for path in image_paths]
    mask_files = [_make_file(path, folder_names[path], roles, mask_kind) for path in mask_paths]
    return image_files, mask_files if mask_kind.ending else _join_masks(image_files, mask_files)


def _without_predictions(paths, wanted):
    """The paths but for PREDICTIONS beside their photos; `wanted` endings stay."""
    photos = {(path.parent, path.stem) for path in paths}
    endings = set(PREDICTIONS) - wanted
    return [
        path
        for path in paths
        if not any(
            path.stem.endswith(ending) and (path.parent, path.stem.removesuffix(ending)) in photos
            for ending in endings
        )
    ]


def _choose_masks(kinds, mask_kind):
    """The paths of masks. `kinds`: for each path what its folder says."""
    found = [path for path, kind in kinds.items() if kind is mask_kind]
    if mask_kind.ending:
        found = list(filter(mask_kind.has_file, found))
    if found and len(found) < len(kinds):
        return found
    return list(filter(mask_kind.has_file, kinds))  # folders do not tell, but names of files


def _choose_images(kinds, image_kind, mask_paths):
    """The paths of images: in folders for them if there are any, otherwise all that is no mask."""
    found = [path for path, kind in kinds.items() if kind is image_kind]
    found = found or [path for path, kind in kinds.items() if kind is not OTHER]
    taken = set(mask_paths)
    return [
        path
        for path in found
        if path not in taken and (not image_kind.ending or image_kind.has_file(path))
    ]


def _make_kind(root, given, words, endings, folder_names):
    pattern = re.compile(endings)
    if not given:
        return Kind(words, pattern)
    name = Path(given).name.lower()
    if any(name in map(str.lower, names) for names in set(folder_names.values())):
        return Kind(words, pattern, folder=name)
    kind = Kind(words, pattern, ending=name)
    if not any(map(kind.has_file, folder_names)):
        raise DatasetError(
            f"{root}: has no folder {given} with pictures, and no picture whose name ends in "
            f"{given}; {_folders_of(folder_names)}"
        )
    return kind


def _find_role(names, common, image_kind, mask_kind):
    """What lies in a folder, and which of its folders' names says so; the deepest one counts.

    OTHER are masks that the user did not mean, None is what no name tells.
    """
    for i in reversed(range(common, len(names))):
        if mask_kind.has_folder(names[i]):
            return mask_kind, i
        if image_kind.folder and image_kind.has_folder(names[i]):
            return image_kind, i
        if mask_kind.folder and not MASK_WORDS.isdisjoint(_words(names[i])):
            return OTHER, i
        if image_kind.has_folder(names[i]):
            return image_kind, i
    return None, None


@cache
def _words(name):
    """The words of a folder's name, in small letters: trainMasks_2 has train and masks."""
    joined = re.fullmatch(r"(train|val|valid|test)(x|y|annot|images?|masks?|labels?)", name.lower())
    return joined.groups() if joined else tuple(map(str.lower, WORD.findall(name)))


def _make_file(path, names, roles, kind):
    place = tuple(
        name
        for i, name in enumerate(names)
        if i != roles[names][1] and not (_words(name) and SPLIT_WORDS.keys() >= set(_words(name)))
    )
    stem = unicodedata.normalize("NFC", path.stem).lower()
    return File(path, find_split(names), place, stem, kind.strip(stem))


def _join_masks(images, masks):
    """The masks, those of one image joined: File of their folder, with the name of the image.

    Some sets have a folder for each image, and in it a folder with a mask for each object. Names
    without a number tell different things, such as liver and tumour, and are not joined.
    """
    owners, parts = (_group(files, map(_home, files)) for files in (images, masks))
    common = len(os.path.commonprefix([image.place for image in images]))
    joined = {}
    for home, (image, *others) in owners.items():
        inside = {mask.path.parent for mask in parts.get(home, ())}
        if (
            not others
            and len(image.place) > common
            and len(inside) == 1
            and image.path.parent not in inside
            and all(re.search(r"\d", mask.stem) for mask in parts[home])
            and not any(image.stem in (mask.stem, mask.key) for mask in parts[home])
        ):
            joined[home] = File(inside.pop(), *home, image.stem, image.key)
    if all(len(parts[home]) == 1 for home in joined):
        return masks
    return [mask for mask in masks if _home(mask) not in joined] + list(joined.values())


def _home(file):
    return file.split, file.place


def _group(files, names):
    """Lists of files by the name that each has."""
    groups = defaultdict(list)
    for file, name in zip(files, names, strict=True):
        groups[name].append(file)
    return groups


def _pictures(root):
    """The paths of all pictures below a folder, level by level."""
    level, seen = [root], {os.path.realpath(root)}
    for _ in range(DEPTH + 1):
        inside = []
        for folder in level:
            files, subfolders = _look_into(folder)
            for file in filter(is_picture, files):
                if not file.stem.lower().endswith(SUPERPIXELS):
                    yield file
            for path in subfolders:
                real = os.path.realpath(path)  # links may lead to folders above
                if real not in seen and not OTHER_FOLDERS.fullmatch(path.name):
                    seen.add(real)
                    inside.append(path)
        level = inside


def _look_into(folder):
    """The files and the folders in a folder, sorted, without hidden ones.

    Unlike for `folders.children`, names such as _a.png are not hidden: people have them.
    """
    try:
        with os.scandir(folder) as entries:
            shown = [entry for entry in entries if entry.name[0] != "."]
            files = sorted(folder / entry.name for entry in shown if entry.is_file())
            return files, sorted(folder / entry.name for entry in shown if entry.is_dir())
    except OSError as error:
        raise DatasetError(
            f"{folder}: cannot be opened ({error.strerror}); check its permissions"
        ) from error


# --- what belongs together -----------------------------------------------------------------------


def _match(images, masks):
    """Pairs of File, and the faults of files in none: with two partners, and without any."""
    pairs = []
    for rule in _rules():
        if rule is _numbers and pairs:
            break
        images_of, masks_of = (_group(files, rule(files)) for files in (images, masks))
        alone = [
            (found[0], masks_of[name][0])
            for name, found in images_of.items()
            if name is not None and len(found) == len(masks_of.get(name, ())) == 1
        ]
        new = [pair for pair in alone if _may_be_a_pair(*pair)]
        pairs += new
        used = {file for pair in new for file in pair}
        images = [file for file in images if file not in used]
        masks = [file for file in masks if file not in used]
    return pairs, *_left_over(pairs, images, masks)


def _may_be_a_pair(image, mask):
    """Whether the folders allow it: not of two patients, and not of two parts of a split."""
    places = set(image.place), set(mask.place)
    parts = {image.split, mask.split} - {""}
    return len(parts) < 2 and (places[0] <= places[1] or places[1] <= places[0])


def _rules():
    """Functions that name files; two files with the same name are a pair. The strictest first."""
    for scope in (
        lambda file: (file.split, file.place),
        lambda file: file.split,
        lambda file: "",  # images are in train/, and masks are not, or the reverse
    ):
        yield lambda files, scope=scope: [(scope(file), file.stem) for file in files]
        yield lambda files, scope=scope: [(scope(file), file.key) for file in files]
    yield _numbers


def _numbers(files):
    """Name files by their numbers, if their names differ in nothing else; otherwise by None.

    Numbers that all names share, such as the 2 of scan2_17, say nothing.
    """
    if len({re.sub(r"\d+", "0", file.key) for file in files}) != 1:
        return [None] * len(files)
    numbers = [tuple(map(int, re.findall(r"\d+", file.key))) for file in files]
    varying = [i for i, column in enumerate(zip(*numbers)) if len(set(column)) > 1]
    if len(files) == 1:
        varying = range(len(numbers[0]))
    return [
        (file.split, tuple(row[i] for i in varying)) if varying else None
        for file, row in zip(files, numbers, strict=True)
    ]


def _left_over(pairs, images, masks):
    """A fault for each image and mask in no pair: those that are too many, and the others."""
    parts = _group(masks, map(_part_of, masks))
    several = {
        image: parts[image.split, image.key]
        for image in images
        if len(parts.get((image.split, image.key), ())) > 1
    }
    twins = [_several_fault(image, found) for image, found in several.items()]
    taken = {*several, *(mask for found in several.values() for mask in found)}
    images, masks = ([file for file in files if file not in taken] for files in (images, masks))

    def key(file):
        return file.split, file.place, file.key

    all_images = [image for image, _ in pairs] + images
    all_masks = [mask for _, mask in pairs] + masks
    images_of, masks_of = (_group(files, map(key, files)) for files in (all_images, all_masks))
    lonely = []
    for kind, other, files, same, partners in (
        ("image", "mask", images, images_of, masks_of),
        ("mask", "image", masks, masks_of, images_of),
    ):
        for file in files:
            others = [one for one in same[key(file)] if one != file]
            if others and key(file) in partners:
                twins.append(_twin_fault(file, others[0], kind, other))
            else:
                lonely.append(
                    f"{file.path}: there is no {other} for this {kind}; add it under the same "
                    "name, or remove this file"
                )
    return twins, lonely


def _part_of(mask):
    """The name of the image that a numbered mask may belong to: c0 for c0_1 and c0_mask_1."""
    name, count = re.subn(r"[ _.-]+\d+$", "", mask.key)
    return (mask.split, re.sub(MASK_ENDINGS, "", name)) if count else None


def _several_fault(image, masks):
    name, first, stem = image.path.name, masks[0].path.name, image.path.stem
    return (
        f"{image.path}: {len(masks)} {SEVERAL}, such as {first}. Give each "
        f"image a folder, with {stem}/images/{name} and {stem}/masks/{first}, or join its masks to "
        "one"
    )


def _both_ways(argument, value):
    """How to give an argument."""
    return f'{argument}="{value}" in Python, or --{argument} {value} in a terminal'


def _twin_fault(file, twin, kind, other):
    if file.path.parent == twin.path.parent:
        name, choice = twin.path.name, file.path.name[len(file.key) :]
    else:
        name, choice = twin.path, file.path.parent.name
    return (
        f"{file.path}: {name} is another {kind} for the same {other}; keep one of them, or say "
        f"which one counts: {_both_ways(f'{kind}s', choice)}"
    )


# --- names and groups ----------------------------------------------------------------------------


def _name_pairs(pairs):
    """Two names for each image, dicts by File: one for the case, and one with subfolders.

    Where files in several folders have the same name, that of the case has all folders too.
    """
    images = [image for image, _ in pairs]
    common = len(os.path.commonprefix([image.place for image in images]))
    inner = {image: "/".join((*image.place[common:], image.path.stem)) for image in images}
    if len({image.stem for image in images}) == len(images):
        return {image: image.path.stem for image in images}, inner
    names = {
        image: f"{image.split}_{name}".removeprefix("_").replace("/", "_")
        for image, name in inner.items()
    }
    return names, inner


def _make_finder(group):
    """A function that finds the group in a name with subfolders, or None; None without `group`."""
    if group is None or callable(group):
        return group
    try:
        pattern = re.compile(group)
    except (re.error, TypeError) as error:
        raise ValueError(f"group={group!r} is not a regular expression ({error})") from error

    def find(name):
        match = pattern.search(name)
        return match and match[min(1, pattern.groups)]

    return find


# --- what to say if there is nothing -------------------------------------------------------------


def _no_group(root, group, missing, count):
    return (
        f"{root}: --group {group!r} matches nothing in {len(missing)} of {count} names, such as "
        f"{missing[0]}. It must find the patient or film in every name, as ^p[0-9]+ finds p7 in "
        "p7_left"
    )


def _no_pictures(root):
    suffixes = Counter(
        path.suffix.lower() for path in folders.children(root) if path.suffix and path.is_file()
    )
    seen = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(3))
    otherwise = (
        f"give the folder that holds images and masks{f' (here are {seen} files)' if seen else ''}"
    )
    return (
        f"{root}: holds no pictures (BMP, PNG, JPEG, GIF, WebP or TIFF); "
        f"{folders.way_out(root, otherwise)}"
    )


def _no_masks(root, folder_names):
    first = next(iter(folder_names))
    if count := sum(1 for _ in root.rglob("*.json")):
        return (
            f"{root}: holds {count} JSON files and no masks. If they are outlines (LabelMe, COCO), "
            "export them as PNG masks first"
        )
    return (
        f"{root}: no name tells which of its {len(folder_names)} pictures are masks; put "
        f"masks in a folder named masks, or name them like {first.stem}_mask.png; "
        f"{_folders_of(folder_names)}"
    )


def _folders_of(folder_names):
    """Where the pictures are, and how to say which of them are masks."""
    counts = Counter("/".join(names) or "the folder itself" for names in folder_names.values())
    seen = ", ".join(f"{name} ({count})" for name, count in counts.most_common(4))
    ends = 'what ends the names of masks, such as "_outline" or ".png"'
    if len(counts) == 1:
        return (
            f"all are in {seen}: give the folder that holds the masks too, or give masks= (--masks "
            f"in a terminal): {ends}"
        )
    return (
        f"there are pictures in {seen}: give masks= (--masks in a terminal): the name of a "
        f"folder, or {ends}; images= (--images) is given in the same way"
    )


def _no_pairs(root, images, masks):
    return (
        f"{root}: no name of its {len(images)} images, such as {images[0].path.name}, fits one of "
        f"its {len(masks)} masks, such as {masks[0].path.name}; rename the masks like the images, "
        "or make the cases yourself in Python: Case(name, image, mask, group)"
    )
