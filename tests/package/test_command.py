"""The command segmentation-tf, started as a process: what it writes, says and exits with."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from functools import partial

import keras
import numpy as np
import pytest
from PIL import Image, ImageOps

from pairs_tree import write_pairs
from processes import REPOSITORY, run
from segmentation_tf import __main__ as command_line
from segmentation_tf import models
from segmentation_tf.__main__ import FILES, KINDS, main
from segmentation_tf.cases import DatasetError
from segmentation_tf.evaluation import load_network
from segmentation_tf.images import read_mask

COMMAND = [sys.executable, "-m", "segmentation_tf"]
PIPES = {"cwd": REPOSITORY, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


def command(*arguments):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], **PIPES, check=False, timeout=300, encoding="utf-8"
    )


def write_photos(folder, count):
    return write_pairs(folder, [f"p{i:02}.jpg" for i in range(count)], shape=(60, 80))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A folder of 14 pairs, and what the command said when it fitted a network to it."""
    folder = write_photos(tmp_path_factory.mktemp("fit") / "discs", 14)
    return folder, command("fit", folder, "--steps", 30)


def test_fit_writes_network_scores_curves_and_worst_cases(fitted):
    folder, done = fitted
    out = folder.with_name("discs_network")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    assert "9 to train, 2 to validate, 3 to test\n30 steps: 30 epochs of 1\n" in done.stdout
    assert "training: 100%" in done.stderr and "scoring: 100%" in done.stderr
    rows = list(csv.DictReader((out / "scores.csv").open(encoding="utf-8-sig")))
    names = [row["name"] for row in rows]
    assert len(rows) == 6 and names[3:] == ["mean", "95 % from", "95 % to"]
    dice = np.array([float(row["dice"]) for row in rows])
    assert dice[3] == pytest.approx(dice[:3].mean(), abs=1e-4) and dice[4] <= dice[3] <= dice[5]
    text = (out / "scores.txt").read_text()
    assert text.startswith("training: 30 steps\n") and text in done.stdout
    assert re.search(r"\ndice        [01]\.\d{3}  \(95 %: .*\n", text)
    assert re.search(r"\nhd95       pixels: .*\n", text)
    assert f"worst: {names[dice[:3].argmin()]}, Dice {dice[:3].min():.3f}" in text
    assert "3 test pictures show roughly" in text and "mend" not in done.stdout
    for name in ("curves.png", "worst.png"):
        assert np.ptp(np.asarray(Image.open(out / name).convert("L"))) > 100
    model = keras.saving.load_model(out / "model.keras")
    assert sum(weight.size for weight in model.get_weights()) * 5 > (out / FILES[0]).stat().st_size


def test_predict_writes_masks_beside_photos_and_names_what_it_cannot_read(fitted, tmp_path):
    folder, _ = fitted
    upright, broken, other = (tmp_path / name for name in ("up.jpg", "broken.jpg", "other.png"))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.open(folder / "images" / "p00.jpg").save(upright, exif=exif)
    broken.write_bytes(upright.read_bytes()[:300])
    Image.open(folder / "images" / "p01.jpg").save(other)
    model = folder.with_name("discs_network") / "model.keras"
    done = command("predict", model, upright, broken, other)
    assert done.returncode == 1
    assert f"segmentation-tf: {broken}: cannot be read as an image" in done.stderr
    assert "predicting: 100%" in done.stderr
    written = {path.name for path in tmp_path.iterdir()} - {"up.jpg", "broken.jpg", "other.png"}
    assert written == {f"{one}_{kind}.png" for one in ("up", "other") for kind in KINDS}
    assert "written beside the photos: 2 of 3 masks" in done.stdout
    for noise in ("absl", "oneDNN", "cuda", "structure of `inputs`"):
        assert noise not in done.stderr
    assert read_mask(tmp_path / "up_predicted.png").shape == (80, 60)
    assert Image.open(tmp_path / "other_overlay.png").size == (80, 60)


def test_what_cannot_be_read_in_a_folder_of_photos_is_named(fitted, tmp_path, capsys):
    (tmp_path / "a.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(99))
    model = fitted[0].with_name("discs_network") / "model.keras"
    assert main(["predict", str(model), str(tmp_path)]) == 1
    assert "a.HEIC: is a HEIC or AVIF photograph" in capsys.readouterr().err


def test_predict_takes_a_folder_and_tiles(fitted, tmp_path, capsys):
    folder, _ = fitted
    model = folder.with_name("discs_network") / "model.keras"
    arguments = ["predict", str(model), str(folder / "images"), "--tiles", "--out", str(tmp_path)]
    assert main(arguments) == 0
    assert (
        "a tile covers 80 x 60 pixels, like the pictures of the training" in capsys.readouterr().out
    )
    assert [len(list(tmp_path.glob(f"p??_{kind}.png"))) for kind in KINDS] == [14, 14]
    whole = tmp_path / "whole"
    assert main([*arguments[:3], "--out", str(whole)]) == 0
    for name in ("p00_predicted.png", "p13_predicted.png"):  # one tile covers the whole picture
        np.testing.assert_array_equal(read_mask(tmp_path / name), read_mask(whole / name))


def test_nothing_is_overwritten_without_being_told(fitted, tmp_path, capsys):
    folder, _ = fitted
    model, photo = folder.with_name("discs_network") / "model.keras", tmp_path / "a.jpg"
    Image.open(folder / "images" / "p00.jpg").save(photo)
    before = model.read_bytes()
    assert main(["fit", str(folder)]) == 2
    assert "model.keras (and 5 more) is there already" in capsys.readouterr().err
    assert model.read_bytes() == before


def test_predict_goes_on_with_a_folder_and_leaves_masks_alone(fitted, tmp_path, capsys):
    folder, _ = fitted
    model = folder.with_name("discs_network") / "model.keras"
    for name in ("a.jpg", "b.jpg", "house_overlay.jpg"):
        Image.open(folder / "images" / "p00.jpg").save(tmp_path / name)
    by_hand = tmp_path / "a_mask.png"
    Image.open(folder / "masks" / "p01.png").save(by_hand)
    before = by_hand.read_bytes()
    assert main(["predict", str(model), str(tmp_path)]) == 0
    assert "written beside the photos: 3 of 3 masks" in capsys.readouterr().out
    predicted, overlay = (tmp_path / f"b_{kind}.png" for kind in KINDS)
    first = predicted.read_bytes()
    predicted.unlink()
    (tmp_path / "a_predicted.png").write_text("changed")
    assert main(["predict", str(model), str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "photos that have masks already: 2; --overwrite" in said and "1 of 1 masks" in said
    assert predicted.read_bytes() == first
    assert (tmp_path / "a_predicted.png").read_text() == "changed"
    assert main(["predict", str(model), str(tmp_path), "--overwrite"]) == 0
    assert read_mask(tmp_path / "a_predicted.png").shape == (60, 80)
    assert by_hand.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 4 + 2 * 3
    picture = np.asarray(Image.open(overlay).convert("RGB"))
    assert ((picture == 255).all(2) & read_mask(predicted)).any()


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal there")
def test_ctrl_c_keeps_the_best_so_far_and_still_writes(tmp_path):
    folder = write_photos(tmp_path / "discs", 13)
    arguments = [*COMMAND, "fit", folder, "--steps", "90"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}

    def hear_ctrl_c():  # tests that run in the background have it ignored, and so would their child
        signal.signal(signal.SIGINT, signal.default_int_handler)

    with subprocess.Popen(arguments, **PIPES, env=environment, preexec_fn=hear_ctrl_c) as process:
        for line in process.stdout:
            if line.startswith("epoch   1/"):
                process.send_signal(signal.SIGINT)
                break
        out, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert "stopped in epoch" in out and "the weights are those of epoch" in out
    network = tmp_path / "discs_network"
    assert sorted(path.name for path in network.iterdir()) == sorted(FILES)
    text = (network / "scores.txt").read_text()
    assert re.match(r"training: stopped after \d+ of 90 steps\n", text)


@pytest.mark.parametrize("while_training", [True, False])
def test_what_a_stopped_fit_has_kept_is_said(tmp_path, capsys, monkeypatch, while_training):
    folder = write_photos(tmp_path / "discs", 3)
    monkeypatch.setattr(models, "build_unet", partial(models.build_unet, filters=(4, 8)))

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "_train" if while_training else "_score", stop)
    assert main(["fit", str(folder), "--steps", "2"]) == 1
    out = tmp_path / "discs_network"
    kept = f"model.keras, training.json kept in {out}"
    said = "nothing was written" if while_training else kept
    assert capsys.readouterr().err.endswith(f"segmentation-tf: stopped; {said}\n")
    assert out.exists() != while_training


def test_check_finds_a_planted_fault(tmp_path):
    folder = write_photos(tmp_path / "discs", 12)
    (folder / "masks" / "p03.png").unlink()
    done = command("check", folder)
    page = tmp_path / "discs_check.html"
    assert done.returncode == 1, done.stderr
    assert "p03" in done.stdout and str(page) in done.stdout
    assert "<img" in page.read_text(encoding="utf-8")


def test_check_of_a_good_folder(tmp_path, capsys):
    folder = write_photos(tmp_path / "discs", 12)
    page = tmp_path / "new" / "page.html"
    check = ["check", str(folder), "--out", str(page)]
    assert main(check) == 0
    first = page.read_bytes()
    assert main(check) == 0 and page.read_bytes() == first  # its own report is replaced
    page.write_text("mine")
    assert main(check) == 2 and page.read_text() == "mine"
    assert main([*check, "--overwrite"]) == 0 and page.read_bytes() == first
    assert main([*check[:-1], str(tmp_path)]) == 2


def test_three_pictures_work_and_the_text_says_what_they_show(tmp_path, capsys, monkeypatch):
    folder = write_photos(tmp_path / "discs", 3)
    monkeypatch.setattr(models, "build_unet", partial(models.build_unet, filters=(4, 8)))
    assert main(["fit", str(folder), "--steps", "2", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "2 to train, 0 to validate, 1 to test" in printed
    assert "none to validate: that takes 10 groups" in printed and "(95 %" not in printed
    assert (
        "One test picture gives a first hint of whether the network works, not how well" in printed
    )
    assert json.loads((tmp_path / "out" / "training.json").read_text()) == {"photo": [60, 80]}


def test_fit_names_the_faults_that_a_check_up_finds(tmp_path, capsys, monkeypatch):
    folder = write_photos(tmp_path / "discs", 5)
    mask = folder / "masks" / "p01.png"
    ImageOps.invert(Image.open(mask).convert("L")).save(mask)
    monkeypatch.setattr(models, "build_unet", partial(models.build_unet, filters=(4, 8)))
    assert main(["fit", str(folder), "--steps", "2"]) == 0
    printed = capsys.readouterr().out
    assert "- 1 picture: the mask looks inverted\n" in printed
    assert f"segmentation-tf check {folder}, with the same options, shows them" in printed


@pytest.mark.parametrize(("broken", "hint"), [(1, False), (2, True)])
def test_several_files_that_cannot_be_read_need_a_check(tmp_path, capsys, broken, hint):
    folder = write_photos(tmp_path / "discs", 3)
    for i in range(broken):
        (folder / "images" / f"p0{i}.jpg").write_bytes(b"")
    assert main(["fit", str(folder)]) == 1
    said = capsys.readouterr().err
    assert "p00.jpg: " in said and ("with the same options, shows them all" in said) == hint


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "check | fit | predict"),
        (["train", "x"], "invalid choice: 'train'"),
        (["fit"], "FOLDER"),
        (["fit", "x", "--steps", "0"], "--steps: give a whole number above 0"),
        (["fit", "x", "--classes", "red"], "--classes: give a number such as 2, a colour such as"),
        (["predict", "model.keras"], "PHOTO"),
        (
            ["predict", "m.keras", "a.jpg", "--tiles", "--scale", "0"],
            "--scale: give a number above",
        ),
    ],
)
def test_wrong_use_exits_with_2(arguments, said, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    printed = capsys.readouterr().err
    assert "usage: segmentation-tf" in printed and said in printed and "invalid _" not in printed


def test_an_ending_may_begin_with_a_sign_and_classes_may_be_any(tmp_path):
    folder = write_pairs(tmp_path / "cut", ["a.jpg a-cut.png", "b.jpg b-cut.png"])
    page = str(tmp_path / "page.html")
    assert main(["check", str(folder), "--masks", "-cut", "--classes", "any", "--out", page]) == 0


def test_help_and_wrong_use_do_not_wait_for_tensorflow():
    code = "import sys; from segmentation_tf.__main__ import make_parser; make_parser()"
    modules = run(f"{code}; print(sorted(sys.modules))")
    assert "'argparse'" in modules and "'tensorflow'" not in modules and "'numpy'" not in modules


def test_wrong_use_that_shows_later_exits_with_2_too(tmp_path, capsys):
    folder = write_photos(tmp_path / "discs", 2)
    assert main(["fit", str(folder), "--group", "("]) == 2
    (tmp_path / "x").mkdir()
    for twin in (tmp_path / "a.jpg", tmp_path / "x" / "a.jpg"):
        twin.touch()
    twins = [str(tmp_path / "a.jpg"), str(tmp_path / "x" / "a.jpg"), "--out", str(tmp_path)]
    assert main(["predict", "model.keras", *twins]) == 2
    assert "a_predicted.png would belong to two photos" in capsys.readouterr().err
    assert main(["predict", "model.keras", "a.jpg", "--scale", "0.5"]) == 2


def test_what_cannot_be_read_exits_with_1_and_is_named(fitted, tmp_path, capsys):
    folder, _ = fitted
    file, two_classes, model = (tmp_path / name for name in ("file", "two.keras", "no.keras"))
    file.touch()
    inputs = keras.Input((8, 8, 3))
    keras.Model(inputs, keras.layers.Conv2D(2, 1)(inputs)).save(two_classes)
    for arguments, said in (
        (["fit", write_photos(tmp_path / "two", 2), "--out", file], "is a file, not a folder"),
        (["check", tmp_path / "two", "--out", file / "page.html"], "is a file, not a folder"),
        (["predict", model, "a.jpg", "--out", file], "is a file, not a folder"),
        (["fit", tmp_path / "none"], "none: there is no such folder"),
        (["check", tmp_path / "none"], "none: there is no such folder"),
        (["fit", write_photos(tmp_path / "one", 1)], "too few groups (pictures: 1"),
        (["predict", model, "a.jpg"], "no.keras: there is no such file"),
        (["predict", tmp_path, "a.jpg"], "is a folder; give the file of a network"),
        (["predict", two_classes, folder / "images"], "two.keras: the network has 2 output chan"),
        (["predict", model, folder], f"name one of its subfolders, such as {folder / 'images'}"),
    ):
        assert main(list(map(str, arguments))) == 1
        assert said in capsys.readouterr().err
    assert not list(tmp_path.glob("*_network"))


def test_a_place_that_cannot_be_written_shows_before_the_work(tmp_path, capsys, monkeypatch):
    folder = write_photos(tmp_path / "discs", 2)
    monkeypatch.setattr(os, "access", lambda *_: False)
    for arguments in (
        ["check", folder],
        ["fit", folder],
        ["predict", "no.keras", folder / "a.jpg"],
    ):
        assert main(list(map(str, arguments))) == 1
        assert "nothing can be written there; give --out another" in capsys.readouterr().err


def test_a_file_that_is_no_network_is_named(tmp_path):
    damaged = tmp_path / "model.keras"
    damaged.write_bytes(b"nothing")
    with pytest.raises(DatasetError, match=r"model\.keras: is damaged, or is not a Keras model"):
        load_network(damaged)
    grey = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(1, 1)])
    grey.save(damaged)
    with pytest.raises(DatasetError, match="takes inputs of shape .* not RGB images of one size"):
        load_network(damaged)
