"""Files to arrays: colour modes, masks that are masks, resizing that keeps them so."""

import numpy as np
import pytest
from PIL import Image

from ph2_tree import disc, skin
from segmentation_tf.cases import DatasetError
from segmentation_tf.images import check_pair, read_image, read_mask, resize_image, resize_mask


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "LA"])
def test_every_colour_mode_becomes_rgb(tmp_path, mode):
    path = tmp_path / ("image.jpg" if mode == "CMYK" else "image.png")
    Image.fromarray(skin(disc())).convert(mode).save(path)
    image = read_image(path)
    assert image.shape == (57, 77, 3) and image.dtype == np.uint8
    assert image[0, 0].mean() > image[28, 38].mean()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_mask_reads_the_same_in_every_mode(tmp_path, mode):
    path = tmp_path / "mask.png"
    Image.fromarray(disc()).convert(mode).save(path)
    mask = read_mask(path)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, disc())


def test_mask_of_zeros_and_ones_is_a_mask(tmp_path):
    Image.fromarray(disc().astype(np.uint8)).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), disc())


@pytest.mark.parametrize("hidden", [0, 255])
def test_transparent_pixels_are_background_whatever_colour_they_hide(tmp_path, hidden):
    grey = np.where(disc(), 255, hidden).astype(np.uint8)
    alpha = disc() * np.uint8(255)
    Image.fromarray(np.dstack([grey, grey, grey, alpha])).save(tmp_path / "rgba.png")
    Image.fromarray(np.dstack([grey, alpha])).save(tmp_path / "la.png")
    for name in ("rgba.png", "la.png"):
        np.testing.assert_array_equal(read_mask(tmp_path / name), disc())


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_transparency_of_one_colour_leaves_the_mask_as_it_is(tmp_path, mode):
    Image.fromarray(disc()).convert(mode).save(tmp_path / "mask.png", transparency=0)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), disc())


def test_half_transparent_mask_is_refused(tmp_path):
    grey = disc() * np.uint8(255)
    Image.fromarray(np.dstack([grey, grey // 2])).save(tmp_path / "mask.png")
    with pytest.raises(DatasetError, match="0 and 255 only"):
        read_mask(tmp_path / "mask.png")


def test_grey_mask_is_refused(tmp_path):
    smooth = Image.fromarray(disc()).convert("L").resize((40, 30), Image.Resampling.BILINEAR)
    smooth.save(tmp_path / "mask.png")
    with pytest.raises(DatasetError, match="mask.png.*0 and 255.*original"):
        read_mask(tmp_path / "mask.png")


def test_smooth_outline_is_cut_at_half(tmp_path):
    large = Image.fromarray(disc((228, 308), (112, 152), 72)).convert("L")
    drawn = large.resize((154, 114), Image.Resampling.BOX)
    assert len(drawn.getcolors()) > 2
    drawn.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), np.asarray(drawn) >= 128)


def test_grey_object_is_no_outline_however_small(tmp_path):
    Image.fromarray(disc(radius=4) * np.uint8(76)).save(tmp_path / "mask.png")
    with pytest.raises(DatasetError, match="1.1% of its pixels are grey"):
        read_mask(tmp_path / "mask.png")


def test_coloured_mask_is_refused(tmp_path):
    red = np.zeros((57, 77, 3), np.uint8)
    red[disc(), 0] = 255
    Image.fromarray(red).save(tmp_path / "mask.png")
    with pytest.raises(DatasetError, match="mask.png"):
        read_mask(tmp_path / "mask.png")


def test_sixteen_bit_image_is_refused(tmp_path):
    Image.fromarray(np.full((57, 77), 40_000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(DatasetError, match="deep.png.*8 bits"):
        read_image(tmp_path / "deep.png")


def test_huge_image_is_refused_before_it_is_decoded(tmp_path):
    Image.new("1", (20_000, 5_000)).save(tmp_path / "huge.png")
    with pytest.raises(DatasetError, match="huge.png.*pixels"):
        read_image(tmp_path / "huge.png")


def test_turned_photograph_is_set_upright(tmp_path):
    picture = Image.fromarray(skin(disc()))
    exif = picture.getexif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    picture.save(tmp_path / "turned.jpg", exif=exif)
    assert read_image(tmp_path / "turned.jpg").shape == (77, 57, 3)


@pytest.mark.parametrize("share", [0, 0.1, 0.25, 0.5, 0.75, 0.99])
@pytest.mark.parametrize("suffix", ["bmp", "png", "jpg"])
def test_truncated_file_is_refused(tmp_path, share, suffix):
    path = tmp_path / f"cut.{suffix}"
    Image.fromarray(skin(disc())).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DatasetError, match=f"cut.{suffix}.*copy it again"):
        read_image(path)


def test_web_page_in_place_of_an_image_is_refused(tmp_path):
    (tmp_path / "page.bmp").write_text("<html>Sign in to download</html>")
    with pytest.raises(DatasetError, match="page.bmp.*cannot be read as an image"):
        read_image(tmp_path / "page.bmp")


def test_pair_of_different_sizes_is_refused(tmp_path):
    Image.fromarray(skin(disc())).save(tmp_path / "image.png")
    Image.fromarray(disc()[:-1]).save(tmp_path / "mask.png")
    with pytest.raises(DatasetError, match="mask.png is 77 x 56 .*image.png is 77 x 57"):
        check_pair(tmp_path / "image.png", tmp_path / "mask.png")


def test_empty_mask_is_refused_unless_allowed(tmp_path):
    Image.fromarray(skin(disc())).save(tmp_path / "image.png")
    Image.fromarray(np.zeros((57, 77), bool)).save(tmp_path / "mask.png")
    with pytest.raises(DatasetError, match="mask.png.*empty"):
        check_pair(tmp_path / "image.png", tmp_path / "mask.png")
    check_pair(tmp_path / "image.png", tmp_path / "mask.png", empty_mask_ok=True)


@pytest.mark.parametrize("size", [(16, 16), (57, 77), (31, 200), (512, 512)])
def test_resized_mask_stays_binary_and_keeps_its_share(size):
    resized = resize_mask(disc(), size)
    assert resized.shape == size and resized.dtype == bool
    assert resized.mean() == pytest.approx(disc().mean(), abs=1 / min(size))


def test_a_mask_of_0_and_255_is_resized_like_its_bool():
    np.testing.assert_array_equal(
        resize_mask(255 * disc().astype("uint8"), (16, 16)), resize_mask(disc(), (16, 16))
    )


def test_resized_mask_takes_the_majority():
    mask = np.zeros((4, 4), bool)
    mask[:2, :2] = True  # a whole block
    mask[0, 2] = True  # a quarter of one
    mask[2:, 2] = True  # half of one
    np.testing.assert_array_equal(resize_mask(mask, (2, 2)), [[True, False], [False, True]])


def test_resized_image_and_mask_lie_on_each_other():
    mask = disc(size=(560, 765), centre=(300, 400), radius=150)
    image = np.repeat(mask[..., None] * np.uint8(255), 3, axis=2)
    small = resize_image(image, (128, 128))
    assert small.shape == (128, 128, 3) and small.dtype == np.uint8
    edge = (small[..., 0] > 64) & (small[..., 0] < 192)
    disagree = (small[..., 0] >= 128) != resize_mask(mask, (128, 128))
    assert not (disagree & ~edge).any()


def test_round_trip_to_full_resolution_keeps_the_shape():
    mask = disc(size=(560, 765), centre=(300, 400), radius=150)
    back = resize_mask(resize_mask(mask, (128, 128)), mask.shape)
    assert 2 * (mask & back).sum() / (mask.sum() + back.sum()) > 0.98
