"""A check-up of a folder of images and masks: what is wrong, by name, before anything is trained.

    report = check_folder("my_pictures")
    print(report)                       # one page of text
    report.write_page("checkup.html")   # the same with pictures

Files are read one by one; only a small copy of each pair stays in memory. A rule is a function
that takes those copies and returns a Finding or None; RULES has them in the order of their weight.
"""

import base64
import html
import io
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image
from scipy import ndimage

from segmentation_tf.cases import Case, DatasetError
from segmentation_tf.datasets import folders, pairs
from segmentation_tf.images import (
    FORMATS,
    large_in_turn,
    list_values,
    map_files,
    mask_files,
    object_overlay,
    open_image,
    read_mask,
    resize_image,
    resize_mask,
)

SMALL = 48  # pixels, height and width of the copies that stay in memory
BAND = 3  # pixels of a copy that count as beside the outline, on each side
# A moved mask, or another picture's, must fit this many times better to be reported. There is
# no false alarm in 60 real moles, 200 drawn ones, 30 leaves and 486 dancers. Of exchanged masks it
# finds 85 % in the real moles, and 17 % in the dancers, who are thin.
MOVED, EXCHANGED = 2.0, 3.0
BLURRED = 2.0  # a fit below this says nothing
OTHERS = 20  # masks of other pictures that each picture is tried with
MAX_SUSPECTS = 300  # pictures that are tried with one another's masks
SHIFTS = (3, 5)  # pixels of a copy, 6 % and 10 % of the picture
ALIKE = 60  # bits of 256 in which the hashes of two copies of a picture may differ
# By how much their pixels may differ on average: levels, and share of the picture's own deviation.
# Small JPEG copies reach 1.3 levels. In even pictures with small objects all differences are small.
SAME, SAME_SHARE = 1.8, 0.25
SHOWN = 5  # names in a line of the report


# --- what stays of a pair --------------------------------------------------------------------


@dataclass
class Look:
    """What stays in memory of a pair of files; only case and `fault` if it cannot be used."""

    case: Case
    fault: str | None = None  # why a file cannot be read
    size: tuple[int, int] = (0, 0)  # width, height, upright
    mask_size: tuple[int, int] = (0, 0)
    format: str = ""  # of the image
    values: str = ""  # format and values of the mask
    turned: bool = False  # the image, by its EXIF data
    share: float = 0.0  # of the picture that is object
    objects: int = 0  # connected parts of the mask
    lost: int = 0  # of them that are gone at the network's size
    image: np.ndarray | None = None  # uint8 (SMALL, SMALL, 3)
    mask: np.ndarray | None = None  # bool (SMALL, SMALL)
    fit: float = 0.0  # of the mask, as `fit` measures it
    moves: dict[str, float] = field(default_factory=dict)  # what fits far better: how, and its fit

    @property
    def usable(self) -> bool:
        """Whether image and mask can be compared."""
        return self.fault is None and self.size == self.mask_size


def look_at(case: Case, size: int) -> Look:
    """Read a pair of files, and keep what the rules need. `size`: pixels, of the network."""
    try:
        with large_in_turn(case.image):
            return _look_at(case, size)
    except DatasetError as error:
        return Look(case, fault=str(error))


def _look_at(case, size):
    picture, mask = open_image(case.image), read_mask(case.mask, case.classes)
    with Image.open(case.image, formats=FORMATS) as file:  # its header only
        image_format = file.format
        turned = file.getexif().get(ExifTags.Base.Orientation, 1) > 1
    objects, lost = _count_objects(mask, size)
    small = resize_image(picture, (SMALL, SMALL)), resize_mask(mask, (SMALL, SMALL))
    own = fit(*small)
    moves = {how: fit(small[0], moved) for how, moved in _moves(small[1]).items()}
    return Look(
        case,
        size=picture.size,
        mask_size=mask.shape[::-1],
        format=image_format,
        values=_values(case.mask),
        turned=turned,
        share=float(mask.mean()),
        objects=objects,
        lost=lost,
        image=small[0],
        mask=small[1],
        fit=own,
        moves={how: value for how, value in moves.items() if value > MOVED * max(own, BLURRED)},
    )


def _count_objects(mask, size):
    """How many connected parts a mask has, and how many of them are gone at the network's size."""
    labels, objects = ndimage.label(mask, np.ones((3, 3)))  # pixels that touch at a corner, too
    # Each pixel of the network's mask, enlarged again, hits the objects that are still there.
    kept = Image.fromarray(resize_mask(mask, (size, size))).resize(mask.shape[::-1])
    hit = np.count_nonzero(np.bincount(labels[np.asarray(kept)], minlength=1)[1:])
    return objects, objects - hit


def _values(path):
    """Format of a mask file with its values or colours, such as "PNG with 0, 255"."""
    first, *others = mask_files(path)
    values = list_values(path)
    seen = ", ".join(map(str, values)) if 0 < len(values) <= 4 else "more than 4 values"
    with Image.open(first, formats=FORMATS) as file:
        return f"{'joined ' if others else ''}{file.format} with {seen}"


# --- findings --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finding:
    """Something about a set: what it is, where, and what to do.

    A finding that is no `fault` is worth knowing, but need not be mended.
    """

    text: str
    names: tuple[str, ...]
    advice: str
    fault: bool = True
    cases: tuple[Case, ...] = ()  # to show on the page

    def __str__(self) -> str:
        names = list(self.names[:SHOWN])
        if len(self.names) > SHOWN:
            names.append(f"and {len(self.names) - SHOWN:,} more")
        between = "\n   " if any(len(name) > 60 for name in names) else ", "
        lines = [self.text, *([between.join(names)] if names else ()), f"> {self.advice}"]
        return "\n   ".join(lines)


def _finding(looks, text, advice, *, fault=True, names=None):
    """A Finding about `looks`, or None if there are none; {n} in `text` is how many they are."""
    if not looks:
        return None
    cases = tuple(look.case for look in looks)
    names = tuple(names or (case.name for case in cases))
    return Finding(text.format(n=_count(len(cases), "picture")), names, advice, fault, cases)


def _count(number, word):
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def find_unreadable(looks: Sequence[Look]) -> Finding | None:
    """Files that cannot be read."""
    bad = [look for look in looks if look.fault and not _has_classes(look)]
    return _faulty(bad, "{n} cannot be used", "follow the message of each file, or remove the file")


def find_classes(looks: Sequence[Look]) -> Finding | None:
    """Masks of several classes, none of which was named."""
    bad = [look for look in looks if look.fault and _has_classes(look)]
    return _faulty(bad, "{n}: the mask has several classes", "name the object, as the lines say")


def _has_classes(look):
    return "name the one you want" in look.fault


def _faulty(bad, text, advice):
    reasons = [
        look.fault.replace(f"{look.case.image.parent}{os.sep}", "").replace(
            f"{look.case.mask.parent}{os.sep}", ""
        )
        for look in bad
    ]
    return _finding(bad, text, advice, names=reasons)


def find_sizes(looks: Sequence[Look]) -> Finding | None:
    """Masks of another size than their images."""
    bad = [look for look in looks if not look.fault and look.size != look.mask_size]
    names = [
        f"{look.case.name} ({'x'.join(map(str, look.size))}, mask "
        f"{'x'.join(map(str, look.mask_size))}{_which_turn(look)})"
        for look in bad
    ]
    advice = (
        "find the right mask, or resize it without smoothing (nearest neighbour) if it "
        "shows the whole picture"
    )
    if any(map(_which_turn, bad)):
        advice = (
            "turn the masks as their lines say; find the right mask for other sizes. Usually "
            "the camera's note (EXIF) turns the photo when it is shown, but not its mask"
        )
    return _finding(bad, "{n}: the mask has another size", advice, names=names)


def _which_turn(look):
    """The quarter turn by which a mask fits better, if height and width are exchanged."""
    if look.size != look.mask_size[::-1]:
        return ""
    fits = [fit(look.image, np.rot90(look.mask, quarters)) for quarters in (1, -1)]
    return f": turn it {'counter' * (fits[0] > fits[1])}clockwise"


def find_full(looks: Sequence[Look]) -> Finding | None:
    """Masks without any background."""
    bad = [look for look in looks if look.usable and look.share == 1]
    advice = "draw them again, or remove the pairs"
    return _finding(bad, "{n}: the mask covers everything", advice)


def find_empty(looks: Sequence[Look]) -> Finding | None:
    """Masks without any object; a fault if all masks are empty."""
    looks = [look for look in looks if look.usable]
    bad = [look for look in looks if look.share == 0]
    if len(bad) == len(looks) > 0 and isinstance(bad[0].case.classes, tuple):
        text = pairs.no_such_class([look.case for look in bad])
        advice = "name one that they hold, by classes= in Python, or --classes in a terminal"
        return _finding(bad, text, advice)
    advice = "look at them: an empty mask is right only if the picture shows no object"
    return _finding(bad, "{n}: the mask is empty", advice, fault=len(bad) == len(looks))


def find_inverted(looks: Sequence[Look]) -> Finding | None:
    """Masks that cover most of the picture's border, and more of it than of the whole picture."""
    bad = []
    for look in looks:
        if look.usable:
            edges = [look.mask[[0, -1]], look.mask[:, [0, -1]].T]
            border = np.concatenate(edges).mean()
            if border > 0.7 and border > look.share + 0.02:
                bad.append(look)
    advice = "look at them, and exchange object and background (0 and 255, or 0 and 1)"
    return _finding(bad, "{n}: the mask looks inverted", advice)


def find_misplaced(looks: Sequence[Look]) -> Finding | None:
    """Masks that fit far better turned, mirrored or moved, and pictures that another mask fits.

    Masks of other pictures are tried in two rounds: `_suspects` chooses pictures, and these try one
    another's masks.
    """
    looks = [look for look in looks if look.usable and 0 < look.share < 1]
    suspects = _suspects(looks)
    suspected = {id(look) for look in suspects}
    bad, names = [], []
    for look in looks:
        better = {f"fits {how}": value for how, value in look.moves.items()}
        for other in suspects if id(look) in suspected else ():
            value = fit(look.image, other.mask)
            if value > max(EXCHANGED * look.fit, EXCHANGED * BLURRED, MOVED * other.fit):
                better[f"the mask of {other.case.name} fits"] = value
        if better:
            bad.append(look)
            names.append(f"{look.case.name} ({max(better, key=better.get)})")
    advice = (
        "look at them; turn, move or rename the masks. The camera's note (EXIF) is often "
        "why a photo is turned by 180 degrees"
    )
    return _finding(bad, "{n}: the mask seems to be misplaced", advice, names=names)


def _suspects(looks):
    """Pictures, at most MAX_SUSPECTS, that another mask may fit better than their own.

    Their own fits less than half as well as masks usually do, or one of OTHERS masks, taken at
    random, fits better.
    """
    worst_first = sorted(looks, key=lambda look: look.fit)
    usual = worst_first[len(looks) // 2].fit if looks else 0
    rng, suspects = np.random.default_rng(0), []
    for look in worst_first[: 10 * MAX_SUSPECTS]:
        others = [looks[j].mask for j in rng.integers(len(looks), size=OTHERS)]
        if look.fit < usual / 2 or any(fit(look.image, mask) > look.fit for mask in others):
            suspects.append(look)
    return suspects[:MAX_SUSPECTS]


def fit(image: np.ndarray, mask: np.ndarray) -> float:
    """How sharply the colours of an image change along the outline of a mask.

    It is the squared Mahalanobis distance between the mean colours on both sides of the outline,
    in bands of BAND pixels. Of 60 real moles the median is 12, and the lowest 2.

    Args:
        image: `(H, W, 3)`.
        mask: bool `(H, W)`.
    """
    width = 2 * BAND + 1
    inner = image[mask & ~ndimage.minimum_filter(mask, width)].astype(np.float32)
    outer = image[~mask & ndimage.maximum_filter(mask, width)].astype(np.float32)
    if min(len(inner), len(outer)) < 8:
        return 0.0
    means = inner.mean(axis=0), outer.mean(axis=0)
    inner -= means[0]
    outer -= means[1]
    spread = (inner.T @ inner / len(inner) + outer.T @ outer / len(outer)) / 2
    spread += 4 * np.eye(3)  # so that drawings without noise give no infinite distance
    step = means[0] - means[1]
    return float(step @ np.linalg.solve(spread, step))


def _moves(mask):
    """A mask turned, mirrored, and moved in eight directions: arrays by what was done."""
    masks = {
        "turned by 180 degrees": mask[::-1, ::-1],
        "mirrored top to bottom": mask[::-1],
        "mirrored left to right": mask[:, ::-1],
    }
    for step in SHIFTS:
        for down, vertical in ((-step, " up"), (0, ""), (step, " down")):
            for right, level in ((-step, " to the left"), (0, ""), (step, " to the right")):
                if down or right:
                    moved = ndimage.shift(
                        mask.view(np.uint8), (down, right), order=0, mode="nearest"
                    )
                    masks[f"moved by {step / SMALL:.0%}{vertical}{level}"] = moved > 0
    return masks


def find_twins(looks: Sequence[Look]) -> Finding | None:
    """Pictures that are there several times, unless they belong to one group.

    Copies in other sizes and formats have nearly the same hash; then their pixels are compared.
    """
    looks = [look for look in looks if look.usable]
    tiny = [Image.fromarray(look.image).resize((17, 16), Image.Resampling.BOX) for look in looks]
    hashes = np.array([perceptual_hash(picture) for picture in tiny])
    pixels = np.array([np.asarray(picture, np.int16).ravel() for picture in tiny])
    left, bad, names, across = np.arange(len(looks)), [], [], False
    while len(left):
        first, left = left[0], left[1:]
        near = left[np.bitwise_count(hashes[left] ^ hashes[first]).sum(axis=1) <= ALIKE]
        most = min(SAME, SAME_SHARE * pixels[first].std())
        same = near[np.abs(pixels[near] - pixels[first]).mean(axis=1) <= most]
        family = [looks[i] for i in (first, *same)]
        left = np.setdiff1d(left, same, assume_unique=True)
        if len({look.case.group for look in family}) > 1:
            bad += family
            more = f" and {len(family) - 2:,} more" if len(family) > 2 else ""
            names.append(f"{family[0].case.name} = {family[1].case.name}{more}")
            across |= len({_part(look.case) for look in family}) > 1
    where = ", some in two parts, such as train and test" if across else ""
    advice = "keep one of each, or give them one group: a test picture must not be trained on"
    return _finding(bad, "{n} are copies of one another" + where, advice, names=names)


def perceptual_hash(picture: Image.Image) -> np.ndarray:
    """Where a tiny picture (17 x 16 pixels) grows lighter to the right: 256 bits as four uint64.

    Steps below 2 levels do not count: in even areas they are noise.
    """
    grey = np.asarray(picture.convert("L"), int)
    return np.packbits(grey[:, 1:] > grey[:, :-1] + 1).view(np.uint64)


def _part(case):
    """The part of a split that a case's folders are named for, such as "train", or ""."""
    return pairs.find_split(case.image.parts[-4:-1])


def find_lost(looks: Sequence[Look]) -> Finding | None:
    """Objects that are gone when the mask is shrunk to the network's size."""
    good = [look for look in looks if look.usable]
    bad = [look for look in good if look.lost]
    lost, objects = (sum(getattr(look, name) for look in good) for name in ("lost", "objects"))
    text = f"{lost:,} of {_count(objects, 'object')}, in {{n}}, vanish at the network's size"
    advice = (
        "remove specks from the masks; for small objects crop the pictures, or take a "
        "larger size= in Python"
    )
    return _finding(bad, text, advice, fault=False)


def find_rare(looks: Sequence[Look]) -> Finding | None:
    """A set whose objects cover next to nothing."""
    looks = [look for look in looks if look.usable]
    share = np.median([look.share for look in looks]) if looks else 1
    if not 0 < share <= 0.01:
        return None
    text = f"half of the masks cover less than {share + 0.0005:.1%} of the picture"
    advice = (
        "a network that finds nothing gets nearly all pixels right: judge by Dice; crop "
        "the pictures"
    )
    return Finding(text, (), advice, fault=False)


def find_long(looks: Sequence[Look]) -> Finding | None:
    """Pictures that the network's square squeezes strongly."""
    bad = [look for look in looks if look.usable and max(look.size) > 2 * min(look.size)]
    advice = (
        "the network sees them squeezed to a square: crop them, or cut them and their "
        "masks into pieces"
    )
    return _finding(bad, "{n}: more than twice as long as wide", advice, fault=False)


def find_few(looks: Sequence[Look]) -> Finding | None:
    """Sets that are too small to train on, or to say much about a network."""
    count = sum(look.usable for look in looks)
    for most, text, advice in (
        (3, "enough to see that files are read and that a network learns them by heart, but not "
            "what it does with a new picture", "label 4 or more for a first try, better 8"),
        (15, "enough for a first try, but the score depends strongly on which of them are "
             "test pictures", "label 16 or more"),
        (50, "enough for a first network, but the few test pictures fix its score only roughly",
         "in Python, train once for each split of fold_cases: each picture is tested once"),
    ):  # fmt: skip
        if 0 < count <= most:
            return Finding(f"{_count(count, 'usable pair')}: {text}", (), advice, fault=False)
    return None


RULES = (
    find_unreadable,
    find_classes,
    find_sizes,
    find_inverted,
    find_misplaced,
    find_full,
    find_twins,
    find_empty,
    find_few,
    find_lost,
    find_rare,
    find_long,
)


# --- the report ------------------------------------------------------------------------------


def check_folder(
    root: str | Path | None = None,
    images: str | None = None,
    masks: str | None = None,
    group: str | Callable | None = None,
    classes: Iterable | str | None = None,
    size: int = 96,
) -> "Report":
    """Check a folder of images and masks.

    Args:
        root, images, masks, group, classes: As in `pairs.load_cases`.
        size: Pixels, height and width of the network's input; that of RECIPE by default.

    Raises:
        DatasetError: There is no such folder, or no picture in it.
    """
    folder = folders.choose_folder(root, "PAIRS_ROOT", "pictures", draw=pairs.drawn_folder)
    cases, unpaired = pairs.find_pairs(folder, images, masks, group, classes)
    report = check_up(cases, [text.replace(f"{folder}{os.sep}", "") for text in unpaired], size)
    report.name = folder.resolve().name
    return report


def check_up(cases: Sequence[Case], unpaired: Sequence[str] = (), size: int = 96) -> "Report":
    """Check the cases of any reader. `unpaired`: what is wrong with files that make no case."""
    looks = list(map_files(lambda case: look_at(case, size), cases, silent=0))
    found = [rule(looks) for rule in RULES]
    if unpaired:
        text = f"{_count(len(unpaired), 'file')} without a clear partner"
        advice = "add what is missing, or remove the file"
        if any(pairs.SEVERAL in fault for fault in unpaired):
            advice = "follow the message of each file: an image has one mask, or a folder of masks"
        found.insert(0, Finding(text, tuple(unpaired), advice))
    return Report(looks, sorted(filter(None, found), key=lambda one: not one.fault), size)


@dataclass
class Report:
    """What a check-up found; print it, or write it as a page with pictures."""

    looks: list[Look]
    findings: list[Finding]
    size: int
    name: str = "a set of pictures"

    @property
    def faults(self) -> list[Finding]:
        """What should be mended before a training, or the scores may mislead."""
        return [finding for finding in self.findings if finding.fault]

    def __str__(self) -> str:
        numbers = [f"{i}. {finding}" for i, finding in enumerate(self.findings, start=1)]
        return "\n\n".join(["\n".join(self.overview()), *numbers, self.first()])

    def first(self) -> str:
        """The first thing to mend."""
        if not self.faults:
            return "Nothing needs mending."
        return f"First: {self.faults[0].text}. To do: {self.faults[0].advice}."

    def overview(self) -> list[str]:
        """What is there, in a few lines."""
        good = [look for look in self.looks if look.usable]
        lines = [f"{_count(len(self.looks), 'pair')}, {len(good):,} of them usable"]
        splits = Counter(_part(look.case) for look in self.looks)
        if len(splits) > 1:
            lines.append(
                "split: " + ", ".join(f"{name or 'none'} {n:,}" for name, n in splits.items())
            )
        if any(look.case.group != look.case.name for look in self.looks):
            lines.append(_count(len({look.case.group for look in self.looks}), "group"))
        if not good:
            return lines
        for what, kind in (("images", "format"), ("masks", "values")):
            kinds = Counter(getattr(look, kind) for look in good).most_common(4)
            lines.append(f"{what}: " + "; ".join(f"{n:,} {kind}" for kind, n in kinds))
        sizes = sorted((look.size for look in good), key=lambda one: one[0] * one[1])
        upright = sum(height > width for width, height in sizes)
        turned = sum(look.turned for look in good)
        lines.append(
            f"sizes: {sizes[0][0]} x {sizes[0][1]} to {sizes[-1][0]} x {sizes[-1][1]} pixels, "
            f"{upright:,} taller than wide, {turned:,} turned by the camera's note (EXIF)"
        )
        low, middle, high = np.quantile([look.share for look in good], (0, 0.5, 1))
        parts = max(look.objects for look in good)
        lines.append(
            f"object: {middle:.1%} of a picture (median; {low:.1%} to {high:.1%}), in at most "
            f"{_count(parts, 'part')}; network: {self.size} x {self.size} pixels"
        )
        return lines

    def write_page(self, path: str | Path) -> None:
        """Write the report as one HTML file with pictures of what was found."""
        title = f"Check-up of {html.escape(self.name)}"
        parts = [f"<h1>{title}</h1>", *(f"<p>{html.escape(line)}</p>" for line in self.overview())]
        parts.append(f"<p class=first>{html.escape(self.first())}</p>")
        parts.append("<p>In the pictures, the object is tinted blue, with a white outline.</p>")
        for heading, found in (
            ("To mend", self.faults),
            ("Worth knowing", [finding for finding in self.findings if not finding.fault]),
        ):
            if found:
                parts += [f"<h2>{heading}</h2>", *map(_section, found)]
        good = [look.case for look in self.looks if look.usable]
        if good:
            parts += ["<h2>Some of the pairs</h2>"]
            parts += map(_figure, good[:: max(1, len(good) // 12)][:12])
        Path(path).write_text(PAGE.format(GENERATOR, title, "\n".join(parts)), encoding="utf-8")


GENERATOR = "<meta name=generator content=segmentation-tf>"  # how the command knows a report
PAGE = """<!doctype html><meta charset=utf-8>{}<title>{}</title>
<meta name=viewport content="width=device-width"><style>
body {{font: 16px/1.4 sans-serif; max-width: 1000px; margin: 2em auto; padding: 0 1em;
 color: #222; background: #fff; overflow-wrap: anywhere}}
h2 {{margin-top: 1.5em; border-top: 1px solid #ccc; padding-top: .5em}}
h3 {{font-size: 1em; margin: 1.5em 0 0}}
ul {{margin: .3em 0; padding-left: 1.2em}} .short {{columns: 14em}}
figure {{display: inline-block; margin: 4px; vertical-align: top; font-size: 13px;
 max-width: 230px}}
p {{margin: .3em 0}} .first {{font-weight: bold}} .advice {{color: #00558b}}
</style>{}"""
LISTED = 60  # names of a finding on the page


def _section(finding):
    """A finding as HTML, with some of its pictures."""
    names = [*finding.names[:LISTED]]
    if len(finding.names) > LISTED:
        names.append(f"and {len(finding.names) - LISTED:,} more")
    kind = " class=short" if max(map(len, names), default=0) < 40 else ""
    lines = "".join(f"<li>{html.escape(name)}</li>" for name in names)
    return "\n".join(
        [
            f"<h3>{html.escape(finding.text)}</h3>",
            f"<p class=advice>{html.escape(finding.advice)}</p>",
            f"<ul{kind}>{lines}</ul>" if names else "",
            *map(_figure, finding.cases[:SHOWN]),
        ]
    )


def _figure(case):
    """A small picture with the mask's outline, as HTML; only the name if a file cannot be read."""
    name = html.escape(case.name)
    try:
        picture, mask = open_image(case.image), read_mask(case.mask, case.classes)
    except DatasetError:
        return f"<figure>{name}: cannot be shown</figure>"
    picture.thumbnail((230, 230))
    mask = resize_mask(mask, picture.size[::-1])
    file = io.BytesIO()
    marked = object_overlay(np.asarray(picture), mask)
    Image.fromarray(marked).save(file, "JPEG", quality=85)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<figure><img alt="{name}" src="data:image/jpeg;base64,{data}"><br>{name}</figure>'
