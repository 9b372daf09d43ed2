"""The pictures of the lecture: what is stored is what the code, the data and the models say now."""

import json
import sys
from itertools import combinations

import matplotlib
import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

import draw
from drawing import flock, networks, nevi, strip
from drawing import words as hindi
from drawing.sheet import PIXELS, SMALL, STYLE, WIDTH
from segmentation_tf.datasets import ph2
from segmentation_tf.models import build_segnet, build_unet
from segmentation_tf.training import Recipe

HINT = "run .venv/bin/python images/draw.py"


def words(sheet):
    return [text.get_text() for text in sheet.figure.findobj(Text) if text.get_text()]


def stored(name):
    path = draw.FOLDER / name
    picture, *ending = path.stem.split(".")
    assert path.is_file(), f"{path} is missing: {hint(ending)} {picture}"
    return path


def hint(in_hindi):
    return f"{HINT} --language hi" if in_hindi else HINT


def skip_without_font(path):
    """Leave out what needs the font that a stored picture with Hindi words was drawn with."""
    if fault := hindi.hindi_fault():
        pytest.skip(fault)
    if hindi.font_version().encode() not in path.read_bytes():
        pytest.skip(f"{path.name} was drawn with another version than {hindi.font_version()}")


both_languages = pytest.mark.parametrize("ending", ["", ".hi"], ids=["en", "hi"])


@pytest.mark.skipif(sys.platform != "linux", reason="last digits may be rounded otherwise")
@pytest.mark.parametrize("name", draw.DIAGRAMS)
@both_languages
def test_stored_diagram_is_what_the_code_draws(name, ending, tmp_path):
    before = stored(f"{name}{ending}.svg")
    if ending:
        skip_without_font(before)
    [drawn] = draw.draw(name, tmp_path, "hi" if ending else "en")
    same = drawn.read_bytes() == before.read_bytes()
    assert same, f"images/{before.name} is not what the code draws: {hint(ending)} {name}"


@pytest.mark.parametrize("name", draw.DIAGRAMS)
@both_languages
def test_diagram_can_be_read_on_a_phone_and_is_small(name, ending):
    sheet = draw_words(name, ending)
    assert all(t.get_fontsize() >= SMALL for t in sheet.figure.findobj(Text) if t.get_text())
    assert stored(f"{name}{ending}.svg").stat().st_size < 150_000


@pytest.mark.parametrize("name", draw.DIAGRAMS)
@both_languages
def test_words_lie_apart_and_within_their_panel(name, ending):
    if ending:
        skip_without_font(stored(f"{name}.hi.svg"))
    shown = [t for t in draw_words(name, ending).figure.findobj(Text) if t.get_text()]
    places = {t: t.get_window_extent() for t in shown}
    outside = [t.get_text() for t in shown if not within(places[t], t.axes.bbox)]
    overlap = [(s.get_text(), t.get_text()) for s, t in combinations(shown, 2)
               if places[s].overlaps(places[t])]  # fmt: skip
    assert (outside, overlap) == ([], [])


def draw_words(name, ending):
    with matplotlib.rc_context(STYLE):
        sheet = draw.DIAGRAMS[name]()
        if ending:
            hindi.put_into_hindi(sheet)
    return sheet


def within(place, panel):
    return panel.contains(place.x0, place.y0) and panel.contains(place.x1, place.y1)


# --- Hindi words --------------------------------------------------------------------------------


def test_hindi_has_every_word_of_the_pictures_and_no_other():
    sheets = [draw_diagram() for draw_diagram in draw.DIAGRAMS.values()]
    shown = {word for sheet in (*sheets, strip.draw_labels([1])) for word in words(sheet)}
    shown |= {*ph2.DIAGNOSES}
    assert {word for word in shown if any(c.isalpha() for c in word)} == set(hindi.HINDI)


def test_hindi_words_take_the_place_of_english_ones_and_numbers_stay():
    sheet = strip.draw_labels([1, 83])
    hindi.put_into_hindi(sheet)
    assert words(sheet) == ["चित्र", "मास्क", "1", "एपॉक", "83"]


def test_missing_font_is_an_error_that_names_it(monkeypatch):
    monkeypatch.setattr(hindi, "FONT", "No Such Font")
    with pytest.raises(SystemExit, match="need the font No Such Font .*: install it"):
        draw.main(["--language", "hi", "unet"])


# --- The flock ----------------------------------------------------------------------------------


def test_some_sheep_overlap_and_each_has_its_own_colour_and_number():
    pairs = combinations(map(flock.silhouette, flock.FLOCK), 2)
    assert any(one.intersects_path(other) for one, other in pairs)
    assert len(set(flock.COLOURS)) == len(flock.FLOCK)
    shown = words(flock.draw_instances())
    assert set(flock.CLASSES) | {str(n + 1) for n in range(len(flock.FLOCK))} <= set(shown)


# --- The networks -------------------------------------------------------------------------------


def test_unet_shows_the_grids_and_channels_of_its_model():
    shown = words(networks.draw_unet(build_unet((64, 32, 1), classes=2, filters=(6, 12, 20))))
    assert {"64×32×1", "32×16", "16×8", "8×4", "64×32×2"} <= set(shown)
    assert {"6", "12", "20", "6+6", "12+12", "2", "skip"} <= set(shown)
    assert not {"16", "256", "128×128×3", "places"} & set(shown)


def test_segnet_shows_the_grids_and_channels_of_its_model():
    shown = words(networks.draw_segnet(build_segnet((64, 64, 3), filters=(6, 12), convolutions=2)))
    assert {"64×64×3", "32×32", "16×16", "8×8", "6", "12", "1", "places", "unpool"} <= set(shown)
    assert not {"16", "256", "skip"} & set(shown)


def test_plan_says_what_joins_and_what_goes_across():
    with_skips = networks.read_plan(build_unet((64, 64, 3), filters=(6, 12)))
    without = networks.read_plan(build_unet((64, 64, 3), filters=(6, 12), skips=False))
    assert [level.across for level in with_skips.levels + without.levels] == ["skip", None]
    assert with_skips.levels[0].joined[0] == with_skips.levels[0].encoder[1] == 6
    assert with_skips.bottom == without.bottom == ((16, 16), (6, 12))


def test_network_without_skips_has_none_in_its_picture():
    shown = words(networks.draw_unet(build_unet((64, 64, 3), filters=(6, 12), skips=False)))
    assert "skip" not in shown and "6+6" not in shown


# --- Photographs: from the drawn set only -------------------------------------------------------


def test_nevi_are_drawn_cases_two_or_more_of_each_diagnosis():
    record = Image.open(stored("nevi.png")).info
    drawn = {case.name: case.label for case in ph2.load_cases(ph2.drawn_folder())}
    names = record["cases"].split()
    assert record["data"] == ph2.drawn_folder().name and sorted(nevi.NAMES) == names
    assert all([drawn[n] for n in names].count(label) >= 2 for label in ph2.DIAGNOSES)


@both_languages
def test_nevi_stored_are_the_ones_that_are_drawn_now(ending, tmp_path, monkeypatch):
    monkeypatch.setenv("PH2_ROOT", str(tmp_path / "real images, which must not be touched"))
    before = stored(f"nevi{ending}.png")
    if ending:
        skip_without_font(before)
    [path] = draw.draw("nevi", tmp_path, "hi" if ending else "en")
    assert path.stat().st_size < 600_000
    # Libraries may round otherwise on another machine; another case or outline differs by far more.
    assert difference(path, before) < 2, f"images/{before.name} is stale: {hint(ending)} nevi"


def test_nevi_in_hindi_are_the_same_below_their_words():
    english, in_hindi = stored("nevi.png"), stored("nevi.hi.png")
    assert Image.open(in_hindi).info["cases"] == Image.open(english).info["cases"]
    assert difference(english, in_hindi, top=90) < 2


def difference(one, other, top=0, left=0):
    """Of two pictures without their upper and left edge: the mean of all colours of all pixels."""
    one, other = (np.asarray(Image.open(path).convert("RGB"), float) for path in (one, other))
    assert one.shape == other.shape
    return np.abs(one - other)[top:, left:].mean()


# --- The training strip -------------------------------------------------------------------------


def test_training_strip_was_drawn_by_the_recipe_of_now():
    recipe = json.loads(stored("training.json").read_text(encoding="utf-8"))
    assert recipe == strip.make_recipe(), f"the training strip is stale: {HINT} training"
    assert Image.open(stored("training.png")).info["recipe"] == strip.digest(recipe)


def test_training_strip_in_hindi_shows_the_same_networks_masks():
    english, in_hindi = stored("training.png"), stored("training.hi.png")
    stale = f"images/training.hi.png is stale: {hint('.hi')} training"
    assert Image.open(in_hindi).info["recipe"] == Image.open(english).info["recipe"], stale
    labels = round(PIXELS / WIDTH * (strip.MARGIN + strip.LABELS))
    assert difference(english, in_hindi, left=labels) < 0.5, stale


def test_training_strip_in_hindi_has_the_labels_that_are_drawn_now(tmp_path):
    skip_without_font(stored("training.hi.png"))
    [path] = draw.draw("training", tmp_path, "hi")
    stale = f"images/training.hi.png is stale: {hint('.hi')} training"
    assert difference(path, stored("training.hi.png")) < 0.1, stale


def test_recipe_changes_with_model_and_training(monkeypatch):
    before = strip.make_recipe()
    monkeypatch.setattr(strip.training, "RECIPE", Recipe(steps=400))
    monkeypatch.setattr(strip, "build_unet", lambda shape: build_unet(shape, momentum=0.8))
    after = strip.make_recipe()
    assert {key for key in before if before[key] != after[key]} == {
        "epochs", "steps", "shown_after_epochs", "optimizer", "model"
    }  # fmt: skip


def test_predictions_are_kept_after_the_epochs_named():
    image = np.zeros((40, 60, 3), np.uint8)
    keeper = strip.KeepPredictions([image], epochs=(1, 3))
    keeper.set_model(build_unet((32, 32, 3), filters=(4, 8)))
    for epoch in range(3):
        keeper.on_epoch_end(epoch)
    assert list(keeper.kept) == [1, 3]
    assert keeper.kept[3][0].shape == (40, 60) and keeper.kept[3][0].dtype == bool


def test_strip_has_a_row_for_image_mask_and_each_epoch(tmp_path):
    masks = [np.random.default_rng(i).random((60, 80)) < 0.5 for i in range(3)]
    images = [np.full((60, 80, 3), 90, np.uint8)] * 3
    sheet = strip.draw_strip(images, masks, {1: masks, 7: masks})
    assert words(sheet) == ["image", "mask", "1", "epoch", "7"]
    shown = [panel.images[0].get_array() for panel in sheet.child_axes]
    np.testing.assert_array_equal(shown[3:6], masks)
    assert len(shown) == 4 * 3
