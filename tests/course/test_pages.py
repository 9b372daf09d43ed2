"""The pages that `make run` writes, built from the stored notebooks and opened in Chromium."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

import book
import browser
import run

ROOT = Path(__file__).resolve().parents[2]
COPIED = (
    "README*.md",
    "LICENSE",
    "images",
    "lab",
    "notebooks",
    "segmentation_tf",
    ".github",
    "tests",
)


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """The pages of a copy of the course, in a folder with a space."""
    root = tmp_path_factory.mktemp("home") / "my course"
    for path in [path for pattern in COPIED for path in ROOT.glob(pattern)]:
        copy = shutil.copytree if path.is_dir() else shutil.copy
        root.mkdir(exist_ok=True)
        copy(path, root / path.name)
    before = {path for path in root.rglob("*")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "ROOT", root)
        assert run.main(["--pages"]) == 0
    written = set(root.rglob("*")) - before
    assert all(path.is_relative_to(root / "build") for path in written)
    return root / "build"


class Links(HTMLParser):
    """The links and the anchors of a page, and the files that it loads."""

    def __init__(self, page):
        super().__init__()
        self.links, self.loads, self.anchors = [], [], set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors.add(attributes.get("id"))
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])
        elif tag != "a":
            self.loads += [attributes[name] for name in ("href", "src") if attributes.get(name)]


@pytest.fixture(scope="module")
def pages(build):
    pages = sorted(page for page in build.rglob("*.html") if "_static" not in page.parts)
    return {page: Links(page) for page in pages}


# --- What Sphinx writes -------------------------------------------------------------------------


def test_sphinx_has_nothing_to_complain_about(build):
    assert (build / book.WORK / "log.txt").read_text(encoding="utf-8") == ""


def test_every_notebook_and_page_of_the_course_is_in_the_navigation(build, pages):
    notebooks = [path for name in ("notebooks", "lab") for path in (ROOT / name).rglob("*.ipynb")]
    files = [*notebooks, *ROOT.glob("*.md"), *(ROOT / "lab").glob("*.md")]
    front = pages[build / "index.html"].links
    for file in files:
        if ".ipynb_checkpoints" not in file.parts:
            assert book.page_of(file, ROOT) in front, file


def test_every_link_leads_to_a_page_and_an_anchor_that_are_there(pages):
    for page, found in pages.items():
        for link in found.links + found.loads:
            if urlparse(link).scheme:
                continue
            path, _, name = unquote(link).partition("#")
            target = (page.parent / path.partition("?")[0]).resolve() if path else page
            assert target.is_file(), f"{page}: {link}"
            assert not name or target not in pages or name in pages[target].anchors, link


def test_no_page_loads_anything_from_the_network(pages):
    for page, found in pages.items():
        assert [link for link in found.loads if re.match(r"(\w+:)?//", link)] == [], page


def test_pages_say_their_language_and_figures_have_words(build):
    for name, language in (("README", "en"), ("README.hi", "hi"), ("lab/README.hi", "hi")):
        assert f'<html lang="{language}"' in (build / f"{name}.html").read_text(encoding="utf-8")
    lesson = (build / "notebooks" / "01_pixels_and_masks.html").read_text(encoding="utf-8")
    images = re.findall("<img [^>]+>", lesson)
    assert images and all(re.search('alt="[^"]{10,}"', image) for image in images)


# --- What a reader sees -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    if browser.CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    window = browser.Browser(tmp_path_factory.mktemp("profile"))
    yield window
    window.close()


@pytest.mark.parametrize("width", [380, 1100])
def test_every_page_fits_a_phone_and_a_laptop_and_has_no_error(width, pages, chromium):
    for page in pages:
        chromium.open(page.as_uri(), width)
        assert chromium.complaints() == [], page
        assert all(re.match("(file|data|blob):", url) for url in chromium.requests()), page
        assert chromium.run("document.documentElement.scrollWidth") <= width, page


def background(chromium):
    colour = chromium.run("getComputedStyle(document.body).backgroundColor")
    return sum(int(number) for number in re.findall(r"\d+", colour)[:3]) / 3


def test_pages_are_light_or_dark_as_the_system_and_by_a_button(build, chromium):
    page = (build / "index.html").as_uri()
    chromium.open(page, dark=True)
    assert background(chromium) < 60
    chromium.open(page)
    assert background(chromium) > 230
    chromium.run("document.querySelector('.theme-switch-button').click()")
    chromium.run("document.querySelector('.theme-change-button[data-mode=dark]').click()")
    assert background(chromium) < 60
    chromium.run("localStorage.clear()")


def test_answers_and_the_cell_for_colab_unfold_and_fold(build, chromium):
    chromium.open((build / "notebooks" / "01_pixels_and_masks.html").as_uri())
    assert chromium.run("document.querySelectorAll('article details').length") >= 4
    for number in range(4):
        fold = f"document.querySelectorAll('article details')[{number}]"
        inside = f"{fold}.lastElementChild.checkVisibility()"
        assert not chromium.run(inside)
        chromium.run(f"{fold}.querySelector('summary').click()")
        assert chromium.run(inside)
        chromium.run(f"{fold}.querySelector('summary').click()")
        assert not chromium.run(inside)


def test_formulas_are_drawn_and_code_can_be_copied(build, chromium):
    chromium.open((build / "README.html").as_uri())
    formulas = chromium.run("document.querySelectorAll('article .math').length")
    assert formulas > 2
    drawn = "document.querySelectorAll('article .math mjx-container svg').length"
    assert chromium.run(drawn) == formulas
    chromium.open((build / "notebooks" / "04_unet.html").as_uri())
    assert chromium.run("document.querySelectorAll('button.copybtn').length") > 5


def test_the_search_finds_watershed(build, chromium):
    chromium.open((build / "search.html").as_uri() + "?q=watershed")
    found = (
        "[...document.querySelectorAll('#search-results li a')].map(a => a.getAttribute('href'))"
    )
    links = chromium.wait_for(f"{found}.length && {found}")
    assert any("08_instances_and_panoptic.html" in link for link in links)
    assert chromium.complaints() == []


def test_the_next_lesson_is_one_click_away(build, chromium):
    chromium.open((build / "notebooks" / "01_pixels_and_masks.html").as_uri())
    chromium.run("document.querySelector('a.right-next').click()")
    title = chromium.wait_for("document.title.startsWith('2.') && document.title")
    assert title.startswith("2. Losses")


def test_a_new_page_stands_in_the_navigation_of_all_others(build, monkeypatch):
    root = build.parent
    optional = root / "notebooks" / "optional"
    shutil.copy(optional / "two_dancers.ipynb", optional / "three_dancers.ipynb")
    monkeypatch.setattr(run, "ROOT", root)
    assert run.main(["--pages"]) == 0
    for name in ("index", "README", "notebooks/01_pixels_and_masks", "lab/README"):
        links = Links(build / f"{name}.html").links
        assert any(link.endswith("three_dancers.html") for link in links), name
