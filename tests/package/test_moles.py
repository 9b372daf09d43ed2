"""The drawn dermoscopy set."""

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from processes import REPOSITORY, contents, start
from segmentation_tf.cases import DatasetError
from segmentation_tf.drawn import dermoscopy, drawing

SOME = (0, 3, 17, 42, 100, 150, 199)


def digest(index):
    image, mask, facts = dermoscopy.draw_case(index)
    return hashlib.sha256(image.tobytes() + mask.tobytes() + repr(facts).encode()).hexdigest()


DRAW = """
import sys
from segmentation_tf.drawn.dermoscopy import draw_ph2
draw_ph2(sys.argv[1], indices=range(int(sys.argv[2])), processes=2)
"""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return dermoscopy.draw_ph2(tmp_path_factory.mktemp("drawn") / "PH2Dataset", indices=SOME)


# --- one case --------------------------------------------------------------------------------


@pytest.mark.parametrize("index", SOME)
def test_a_case_is_an_image_with_one_solid_lesion(index):
    image, mask, facts = dermoscopy.draw_case(index)
    assert image.dtype == np.uint8 and image.shape == (*mask.shape, 3)
    assert mask.dtype == bool
    assert 398 <= mask.shape[0] <= 416 and 548 <= mask.shape[1] <= 554
    assert 0.03 < mask.mean() < 0.97
    assert ndimage.label(mask)[1] == 1, "an annotator draws one outline"
    assert ndimage.label(~mask, np.ones((3, 3)))[1] >= 1
    assert np.array_equal(ndimage.binary_fill_holes(mask), mask), "without holes"
    assert facts["asymmetry"] in (0, 1, 2) and set(facts["colours"]) <= set(range(1, 7))


def test_a_case_is_the_same_every_time_and_others_differ():
    assert digest(5) == digest(5)
    assert digest(5) != digest(6)
    assert not np.array_equal(
        dermoscopy.draw_case(5, seed=1)[0][:300, :300], dermoscopy.draw_case(5)[0][:300, :300]
    )


def test_another_process_draws_the_same_bytes(drawn):
    code = """
import hashlib
from segmentation_tf.drawn.dermoscopy import draw_case
image, mask, facts = draw_case(17)
print(hashlib.sha256(image.tobytes() + mask.tobytes() + repr(facts).encode()).hexdigest())
"""
    output, errors = start(code).communicate(timeout=60)
    assert output.strip() == digest(17), errors
    ((image, mask, facts),) = drawing.draw_parallel(dermoscopy.draw_case, [(17,)], "one", 1)
    case = drawn / "PH2 Dataset images" / facts["name"]
    stored = Image.open(case / f"{facts['name']}_Dermoscopic_Image" / f"{facts['name']}.bmp")
    assert np.array_equal(np.asarray(stored), image), "another worker drew the same"
    stored = Image.open(case / f"{facts['name']}_lesion" / f"{facts['name']}_lesion.bmp")
    assert np.array_equal(np.asarray(stored), mask)


def test_lesions_are_darker_than_the_skin_around_them():
    for index in SOME:
        image, mask, _ = dermoscopy.draw_case(index)
        near = ndimage.binary_dilation(mask, iterations=30) & ~mask
        inner = ndimage.binary_erosion(mask, iterations=10)
        rows, columns = np.indices(mask.shape)
        middle = np.hypot(rows - mask.shape[0] / 2, columns - mask.shape[1] / 2) < 200
        if (near & middle).sum() > 500:
            assert image[inner & middle].mean() < image[near & middle].mean() - 5, index


# --- the plan --------------------------------------------------------------------------------


def test_the_plan_has_the_diagnoses_and_names_of_ph2():
    plan = dermoscopy.case_plan()
    names = [name for name, _ in plan]
    assert Counter(code for _, code in plan) == {0: 80, 1: 80, 2: 40}
    assert names == sorted(set(names)) and len(names) == 200
    assert all(re.fullmatch(r"IMD\d{3}", name) for name in names)


def test_melanomas_are_larger_and_less_symmetric_than_common_nevi():
    cases = [dermoscopy.draw_case(index) for index in range(0, 200, 10)]
    area = {code: [] for code in (0, 1, 2)}
    asymmetry = {code: [] for code in (0, 1, 2)}
    for _, mask, facts in cases:
        area[facts["diagnosis"]].append(mask.mean())
        asymmetry[facts["diagnosis"]].append(facts["asymmetry"])
    assert np.mean(area[2]) > 1.5 * np.mean(area[0])
    assert np.mean(asymmetry[2]) > 1 > np.mean(asymmetry[0])


# --- the folder ------------------------------------------------------------------------------


def test_the_folder_is_laid_out_as_ph2_is(drawn):
    names = sorted(dermoscopy.case_plan()[index][0] for index in SOME)
    assert sorted(path.name for path in drawn.iterdir()) == [
        "PH2 Dataset images",
        "PH2_dataset.txt",
    ]
    assert sorted(contents(drawn / "PH2 Dataset images")) == sorted(
        file
        for name in names
        for file in (
            f"{name}/{name}_Dermoscopic_Image/{name}.bmp",
            f"{name}/{name}_lesion/{name}_lesion.bmp",
        )
    )


def test_images_have_24_bits_and_masks_one(drawn):
    for folder in (drawn / "PH2 Dataset images").iterdir():
        name = folder.name
        image = Image.open(folder / f"{name}_Dermoscopic_Image" / f"{name}.bmp")
        mask = Image.open(folder / f"{name}_lesion" / f"{name}_lesion.bmp")
        assert (image.format, image.mode) == ("BMP", "RGB")
        assert (mask.format, mask.mode) == ("BMP", "1")
        assert image.size == mask.size
        assert set(np.unique(np.asarray(mask.convert("L")))) == {0, 255}


def test_the_table_reads_as_ph2s(drawn):
    lines = (drawn / "PH2_dataset.txt").read_text().splitlines()
    assert lines[0] == dermoscopy.HEADER
    plan = dermoscopy.case_plan()
    rows = [[cell.strip() for cell in line.split("||")] for line in lines[1:]]
    assert [(row[1], int(row[3])) for row in rows] == [plan[index] for index in SOME]
    assert {len(line) for line in lines} == {len(lines[0])}, "columns line up"
    for row in rows:
        asymmetry, network, globules, streaks, regression, veil = map(str.strip, row[4].split("|"))
        assert asymmetry in "012" and network in ("T", "AT") and globules in ("A", "T", "AT")
        assert {streaks, regression, veil} <= {"A", "P"}
        assert set(row[5].split()) <= set("123456")


def test_the_whole_set_fits_in_150_megabytes(drawn):
    size = sum(path.stat().st_size for path in drawn.rglob("*") if path.is_file())
    assert size / len(SOME) * 200 < 150e6


def test_the_bar_leaves_one_line(tmp_path, capfd):
    dermoscopy.draw_ph2(tmp_path / "set", indices=[0, 1])
    output, errors = capfd.readouterr()
    assert output.count("\n") <= 1 and "2/2" in output and errors == ""


# --- processes -------------------------------------------------------------------------------


def test_a_script_without_a_main_guard_draws(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("print('once')\n" + DRAW)
    run = subprocess.run(
        [sys.executable, script, tmp_path / "set", "2"],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("once") == 1, "workers do not run the caller's script again"


def test_a_dying_worker_is_an_error_not_a_hang():
    with pytest.raises(DatasetError, match="killed"):
        drawing.draw_parallel(os._exit, [(1,)], "dying", processes=1)


def test_results_come_in_the_order_of_the_jobs(capsys):
    assert drawing.draw_parallel(pow, [(n, 2) for n in range(9)], "squares", 2) == [
        n * n for n in range(9)
    ]


def test_drawing_does_without_tensorflow():
    code = (
        "import sys, segmentation_tf.drawn.dermoscopy; "
        "print([name for name in ('tensorflow', 'keras', 'skimage') if name in sys.modules])"
    )
    output, errors = start(code).communicate(timeout=60)
    assert output.strip() == "[]", errors


# --- painting tools --------------------------------------------------------------------------


def test_smooth_noise_has_mean_0_and_deviation_1():
    for scale in (1, 5, 40):
        noise = drawing.smooth_noise(np.random.default_rng(0), (300, 401), scale)
        assert noise.shape == (300, 401) and noise.dtype == np.float32
        assert abs(noise.mean()) < 0.3 and 0.6 < noise.std() < 1.3


def test_cells_know_their_centre_and_walls():
    y, x = np.indices((60, 80), dtype=np.float32)
    centre, wall, own = drawing.cells(np.random.default_rng(0), y, x, spacing=10)
    assert centre.shape == wall.shape == own.shape == (60, 80)
    assert centre.min() < 0.1 and wall.min() < 0.05, "some pixel is near a centre, some on a wall"
    assert (wall >= 0).all() and 30 < len(np.unique(own)) < 90, "about one cell a 100 px"
