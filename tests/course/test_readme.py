"""The pages: links that lead somewhere, two languages that agree, minutes that are true."""

import json
import re
import unicodedata
from pathlib import Path
from textwrap import dedent

import keras
import pytest
from PIL import Image

import segmentation_tf.training as training_module
from pages import text_of
from segmentation_tf.datasets import pairs
from segmentation_tf.images import read_mask

ROOT = Path(__file__).resolve().parents[2]
ENGLISH, HINDI = ROOT / "README.md", ROOT / "README.hi.md"
LAB, LAB_HINDI = ROOT / "lab" / "README.md", ROOT / "lab" / "README.hi.md"
IN_HINDI = {ENGLISH: HINDI, LAB: LAB_HINDI}
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def prose(text):
    """Without code, where brackets are no links and hashes are no headings."""
    return re.sub(r"^(?: {4}|\t).*$|^```[\s\S]*?^```|`[^`\n]*`", "", text, flags=re.M)


def headings(text):
    return re.findall(r"(?m)^(#+) +(.+)$", prose(text))


def anchor(heading):
    """The name that GitHub gives a heading: Hindi's vowel signs are marks, and they stay."""
    kept = [c for c in heading.strip().lower() if unicodedata.category(c)[0] in "LMN" or c in "-_ "]
    return "".join(kept).replace(" ", "-")


def anchors(text):
    return [anchor(heading) for _, heading in headings(text)]


def broken_links(path, text):
    """Relative links, anchors and images of `path` that lead nowhere, and images without words."""
    faults = []
    for picture, words, target in LINK.findall(prose(text)):
        if picture and len(words) < 20:
            faults.append(f"{target}: no alternative text")
        if re.match(r"(https?|mailto):", target):
            continue
        file, _, name = target.partition("#")
        there = (path.parent / file).resolve()
        if file and not there.is_file():
            faults.append(f"{target}: no such file")
        elif name and name not in anchors(text_of(there) if file else text):
            faults.append(f"{target}: no such heading")
    return faults


LESSONS = sorted((ROOT / "notebooks").rglob("[0-9]*.ipynb"))
SOLUTION = ROOT / "lab" / "solution" / "BodySegmentation.ipynb"
OF_TESTS = sorted((ROOT / "tests").glob("**/README.md"))
BESIDE = sorted((ROOT / "notebooks").glob("*.md"))
PICTURES = ROOT / "notebooks" / "your_pictures.md"
CONTRIBUTING = ROOT / ".github" / "CONTRIBUTING.md"
TEACHER = ROOT / "lab" / "teacher.md"
PAGES = [
    ENGLISH,
    HINDI,
    LAB,
    LAB_HINDI,
    TEACHER,
    CONTRIBUTING,
    *BESIDE,
    *OF_TESTS,
    *LESSONS,
    SOLUTION,
]


def called(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=called)
def test_links_anchors_and_images_lead_somewhere(page):
    assert broken_links(page, text_of(page)) == []


@pytest.mark.parametrize(
    "fault",
    [
        "[gone](nowhere.md)",
        "[gone](#no-such-heading)",
        "[gone](README.hi.md#no-such-heading)",
        "![A picture that nobody drew](images/gone.svg)",
        "![short](images/unet.svg)",
    ],
)
def test_a_broken_link_is_found(fault):
    assert len(broken_links(ENGLISH, f"# Title\n\n{fault}\n")) == 1


@pytest.mark.parametrize("page", [*BESIDE, LAB, TEACHER, CONTRIBUTING], ids=called)
def test_every_page_is_one_click_away_from_the_readme(page):
    links = LINK.findall(prose(text_of(ENGLISH)))
    assert page in {ROOT / target.partition("#")[0] for _, _, target in links}


def test_the_readme_is_short_enough_to_find_things():
    lines = text_of(ENGLISH).splitlines()
    assert len(lines) <= 400
    assert [line for line in lines if len(line) > 110 and line[0] not in "|!"] == []


def test_links_in_code_are_no_links_and_anchors_are_githubs():
    assert broken_links(ENGLISH, "# A, b!\n\n[up](#a-b) `[x](y)`\n\n    [x](y)\n") == []
    assert anchor("Without make (Windows, for example)") == "without-make-windows-for-example"
    assert anchor("कूटक और विकूटक") == "कूटक-और-विकूटक"


@pytest.mark.parametrize("english", IN_HINDI, ids=called)
def test_both_languages_have_the_same_sections_commands_pictures_and_links(english):
    hindi = IN_HINDI[english]
    for part in (levels, commands, tables, answers):
        assert part(text_of(english)) == part(text_of(hindi)), part.__name__
    assert targets(english, text_of(english)) == targets(hindi, text_of(hindi))


def levels(text):
    return [len(marks) for marks, _ in headings(text)]


def commands(text):
    return re.findall(r"(?m)^ {4}.*$", text)


def targets(path, text):
    """Where links lead, but for those to the page in the other language.

    An anchor is known by the place of its heading, since the words differ, and an English page's
    link to a page or a picture by the one in Hindi, where there is one: so the Hindi page must
    link to it.
    """
    other = {**IN_HINDI, **{hindi: english for english, hindi in IN_HINDI.items()}}[path]
    found = []
    for _, _, target in LINK.findall(prose(text)):
        if re.match(r"(https?|mailto):", target):
            found.append(target)
            continue
        file, _, name = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        if there != other:
            place = name and anchors(text_of(there) if file else text).index(name)
            found.append((in_hindi(there) if path in IN_HINDI else there, place))
    return found


def in_hindi(there):
    """The page in Hindi, or the picture with Hindi words, where there is one."""
    translated = there.with_suffix(f".hi{there.suffix}")
    return translated if translated.is_file() else there


@pytest.mark.parametrize(
    ("link", "same"),
    [
        ("[x](../README.hi.md#झटपट-शुरुआत)", True),
        ("[x](../README.hi.md#झटपट-शुरुआत) [y](README.md)", True),
        ("[x](../README.hi.md#पाठ)", False),
        ("[x](../README.hi.md)", False),
        ("[x](../README.md#quick-start)", False),
        ("[x](https://example.org)", False),
        ("", False),
    ],
)
def test_a_link_to_another_place_is_found(link, same):
    there = targets(LAB, "[x](../README.md#quick-start) [y](README.hi.md)")
    assert len(there) == 1 and (targets(LAB_HINDI, link) == there) is same


def test_a_picture_with_english_words_on_the_page_in_hindi_is_found():
    there = targets(ENGLISH, "![The plan of a network](images/unet.svg)")
    assert targets(HINDI, "![x](images/unet.hi.svg)") == there
    assert targets(HINDI, "![x](images/unet.svg)") != there


def tables(text):
    return [line.count("|") for line in text.splitlines() if line.startswith("|")]


def answers(text):
    """The choices of the quizzes, and which one each answer begins with."""
    return re.findall(r"(?m)^- ([A-C])\.", text), re.findall(r"</summary>\s+([A-C])\b", text)


@pytest.mark.parametrize("english", IN_HINDI, ids=called)
def test_the_other_language_is_one_link_away(english):
    hindi = IN_HINDI[english]
    for page, other in ((english, hindi), (hindi, english)):
        assert f"]({other.name})*" in text_of(page).splitlines()[2]


@pytest.mark.parametrize("page", [ENGLISH, HINDI], ids=lambda page: page.name)
def test_the_minutes_in_the_table_are_those_of_the_last_stored_run(page):
    measured = json.loads((ROOT / "notebooks" / "minutes.json").read_text(encoding="utf-8"))
    stated = dict(re.findall(r"\(notebooks/(\w+)\.ipynb\) \|.*\| *([\d.]+) \|", text_of(page)))
    assert set(stated) == set(measured) == {path.stem for path in LESSONS}
    for name, minutes in measured.items():
        # Less than a minute is "1" in the table, whatever it is exactly.
        assert max(minutes, 1) / 2 <= float(stated[name]) <= 2 * max(minutes, 1), name


def test_the_lines_for_your_own_pictures_run(tmp_path, monkeypatch):
    """A folder of the drawn photographs takes the reader's place, and the training is shortened."""
    blocks = re.findall(r"(?m)(?:^ {4}.*\n|^\n(?= {4}))+", text_of(PICTURES))
    training, by_hand = (dedent(block) for block in blocks if "import" in block)
    pictures = pairs.load_cases(pairs.drawn_folder())[:4]
    for folder in ("my_pictures/images", "my_pictures/masks", "photos", "outlines"):
        (tmp_path / folder).mkdir(parents=True)
    for case in pictures:
        for part, path in {"images": case.image, "masks": case.mask}.items():
            Image.open(path).resize((120, 100)).save(tmp_path / "my_pictures" / part / path.name)
    for name in ("photo.jpg", "photos/a.jpg", "outlines/a.gif"):
        Image.open(pictures[0].mask).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training_module, "default_epochs", lambda steps: 1)
    names = {}
    exec(training, names)
    assert names["mask"].shape == Image.open("photo.jpg").size[::-1]
    assert keras.saving.load_model("my_pictures.keras").input_shape[1:] == (96, 96, 3)
    exec(by_hand, names)
    assert read_mask(names["cases"][0].mask).any()
