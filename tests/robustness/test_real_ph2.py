"""The real PH2 images, where the environment's PH2_SAMPLE names a folder that holds some."""

import os
from collections import Counter

import keras
import numpy as np
import pytest

from segmentation_tf.cases import split_cases
from segmentation_tf.datasets import pairs, ph2
from segmentation_tf.evaluation import evaluate, evaluate_masks, otsu_mask, score
from segmentation_tf.images import read_image, read_mask
from segmentation_tf.models import build_unet
from segmentation_tf.pipeline import make_dataset
from segmentation_tf.training import RECIPE, train

pytestmark = pytest.mark.skipif(
    not os.environ.get("PH2_SAMPLE"),
    reason="PH2_SAMPLE names no folder with real PH2 images",
)


@pytest.fixture(scope="module")
def cases():
    return ph2.load_cases(os.environ["PH2_SAMPLE"])


def test_all_cases_are_found_paired_and_labelled(cases):
    assert len({case.name for case in cases}) == len(cases)
    counts = {60: (24, 24, 12), 200: (80, 80, 40)}  # the sample, the whole set
    found = Counter(case.label for case in cases)
    assert tuple(found[label] for label in ph2.DIAGNOSES) == counts[len(cases)]
    for case in cases:
        assert case.image.name == f"{case.name}.bmp"
        assert case.mask.name == f"{case.name}_lesion.bmp"


def test_pairs_finds_the_same_and_reads_a_copy_with_other_names(cases, tmp_path):
    found = pairs.load_cases(os.environ["PH2_SAMPLE"], masks="_lesion.bmp")
    assert [(c.name, c.image, c.mask) for c in found] == [(c.name, c.image, c.mask) for c in cases]
    for number, case in enumerate(cases[:3], start=1):
        places = (f"trainx/X{number}.bmp", f"trainy/Y{number}.bmp")
        for file, place in zip((case.image, case.mask), places):
            (tmp_path / place).parent.mkdir(exist_ok=True)
            (tmp_path / place).symlink_to(file)
    for case, copy in zip(cases, pairs.load_cases(tmp_path)):
        np.testing.assert_array_equal(read_mask(copy.mask), read_mask(case.mask))


def test_every_file_is_read_and_fits(cases):
    for case in cases:
        image, mask = read_image(case.image), read_mask(case.mask)
        assert image.shape == (*mask.shape, 3)
        assert 550 <= mask.shape[0] <= 580 and 760 <= mask.shape[1] <= 770
        assert 0.01 < mask.mean() < 0.99


def test_three_channel_mask_of_imd002(cases):
    assert cases[0].name == "IMD002"
    assert read_mask(cases[0].mask).shape == (572, 765)


def test_lesions_are_darker_than_skin(cases):
    # Shuffled or inverted masks would fail this.
    darker = [
        read_image(case.image)[read_mask(case.mask)].mean()
        < read_image(case.image)[~read_mask(case.mask)].mean()
        for case in cases
    ]
    assert np.mean(darker) > 0.8


def test_brief_training_beats_the_threshold_on_grey(cases):
    # Blue is a better baseline, which a training as brief as this one does not beat.
    keras.utils.set_random_seed(0)
    fit, held_out = split_cases(cases)
    model = build_unet((RECIPE.size, RECIPE.size, 3))
    train(model, make_dataset(fit, RECIPE.size, RECIPE.batch_size, training=True), epochs=25)
    grey = evaluate_masks(held_out, [otsu_mask(read_image(case.image), None) for case in held_out])
    assert evaluate(model, held_out).means["dice"].mean > grey.means["dice"].mean


def test_blue_is_the_better_baseline(cases):
    images, masks = [read_image(c.image) for c in cases], [read_mask(c.mask) for c in cases]
    grey, blue = (
        np.mean([score(m, otsu_mask(i, channel))["dice"] for i, m in zip(images, masks)])
        for channel in (None, 2)
    )
    assert blue > 0.85 > grey
