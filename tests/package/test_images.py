"""Files to arrays: colour modes, masks that are masks, resizing that keeps them so."""

import struct

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ph2_tree import disc, skin
from segmentation_tf import images
from segmentation_tf.cases import Case, DatasetError
from segmentation_tf.images import (
    check_cases,
    check_pair,
    map_files,
    object_overlay,
    open_mask,
    read_image,
    read_mask,
    resize_image,
    resize_mask,
)


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


RED, GREEN, WHITE, BLACK = (220, 30, 60), (0, 160, 60), (255, 255, 255), (0, 0, 0)
# The palette of VOC and labelme, as far as it is needed.
VOC_PALETTE = [0, 0, 0, 128, 0, 0, 0, 128, 0] + [9] * 756 + [224, 224, 192]


def save(path, values, palette=None, **options):
    """Save an array as a picture, with a palette if there is one; return the path."""
    picture = Image.fromarray(np.asarray(values, np.uint8))
    if palette:
        picture = Image.frombytes("P", picture.size, picture.tobytes())
        picture.putpalette(palette)
    picture.save(path, **options)
    return path


def colours(mask, inside, outside=BLACK):
    return np.where(mask[..., None], inside, outside)


def refuse(path, match, **arguments):
    with pytest.raises(DatasetError, match=match) as caught:
        read_mask(path, **arguments)
    return str(caught.value)


@pytest.mark.parametrize("alpha", [255, 127, 40])
@pytest.mark.parametrize("colour", [RED, WHITE, BLACK])
def test_one_colour_on_a_transparent_ground_is_the_object(tmp_path, colour, alpha):
    values = np.dstack([colours(disc(), colour), disc() * alpha])
    np.testing.assert_array_equal(read_mask(save(tmp_path / "m.png", values)), disc())


def test_black_and_white_on_a_transparent_ground_has_a_white_object(tmp_path):
    values = np.dstack([colours(disc(), WHITE), disc(radius=22) * 255])
    np.testing.assert_array_equal(read_mask(save(tmp_path / "m.png", values)), disc())


def test_a_picture_that_is_transparent_everywhere_is_empty(tmp_path):
    values = np.dstack([colours(disc(), WHITE), disc() * 0])
    assert not read_mask(save(tmp_path / "m.png", values)).any()


@pytest.mark.parametrize("value", [1, 2, 76, 128, 254, 255])
def test_two_values_are_a_mask_if_one_is_0(tmp_path, value):
    np.testing.assert_array_equal(read_mask(save(tmp_path / "m.png", disc() * value)), disc())


@pytest.mark.parametrize("colour", [RED, GREEN, (1, 1, 1)])
@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "gif"])
def test_one_colour_on_black_is_a_mask(tmp_path, colour, suffix):
    path = save(tmp_path / f"mask.{suffix}", colours(disc(), colour))
    np.testing.assert_array_equal(read_mask(path), disc())


def test_palettes_of_labelling_tools(tmp_path):
    mask = disc() * 1
    np.testing.assert_array_equal(read_mask(save(tmp_path / "m.png", mask, VOC_PALETTE)), disc())
    mask[disc(radius=22) & ~disc()] = 255  # the void about the object, which is not judged
    np.testing.assert_array_equal(read_mask(save(tmp_path / "m.png", mask, VOC_PALETTE)), disc())
    Image.open(tmp_path / "m.png").convert("RGB").save(tmp_path / "rgb.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "rgb.png"), disc())
    swapped = save(tmp_path / "m.png", ~disc(), [*WHITE, *BLACK])  # black is number 1
    np.testing.assert_array_equal(read_mask(swapped), disc())


@pytest.mark.parametrize(("value", "full"), [(0, False), (1, True), (255, True)])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_one_value_is_an_empty_or_a_full_mask(tmp_path, value, full, suffix):
    if suffix == "jpg" and value == 1:
        full = False  # JPEG makes 1 of 0
    mask = read_mask(save(tmp_path / f"m.{suffix}", np.full((57, 77), value)))
    assert mask.all() == full and mask.any() == full


@pytest.mark.parametrize(
    ("values", "palette", "message"),
    [
        (disc() * 1 + disc(radius=9), None, r"values 0, 1, 2: three classes; .*classes=\(1,\)"),
        (disc() * 128 + disc(radius=9) * 127, None, r"values 0, 128, 255: three classes; "),
        (disc() * 255 | disc(radius=4, centre=(6, 6)), None, "values 0, 1, 255: three classes"),
        (disc() * 1 + disc(radius=9), VOC_PALETTE, "values 0, 1, 2: three classes; name the one"),
        (disc() * 1 + 1, None, r"values 1, 2: two classes; no colour is black.*classes=\(1,\)"),
        (disc() * 1, [68, 1, 84, 253, 231, 36], "values 0, 1: two classes; no colour is black"),
        (np.cumsum(disc(), axis=1) // 4, None, r"values 0, 1, .*: ten classes|: \d+ classes"),
        (colours(disc(), RED, WHITE), None, r"colours .220, 30, 60., .255, 255, 255.: two classes"),
        (colours(disc(radius=9), GREEN, colours(disc(), RED)), None,
         r"colours .*three classes; .*classes=\(\(0, 160, 60\),\)"),
        (colours(disc(radius=9), (220, 70, 60), colours(disc(), RED)), None,
         "colours .*three classes"),
    ],
)  # fmt: skip
def test_several_classes_are_refused_with_what_was_seen(tmp_path, values, palette, message):
    said = refuse(save(tmp_path / "mask.png", values, palette), f"mask.png: {message}")
    assert "JPEG" not in said


def test_a_class_that_touches_no_outline_is_seen(tmp_path):
    smooth = np.array(smooth_disc())
    smooth[2:8, 2:12] = 128
    refuse(save(tmp_path / "mask.png", smooth), "mask.png: values 0, .*: [a-z0-9]+ classes")


def test_an_area_of_another_colour_is_seen_though_it_is_noisy(tmp_path):
    values = colours(disc(), RED)
    grass = np.random.default_rng(0).integers(200, 240, (9, 12))
    values[2:11, 2:14] = np.stack([grass * 0, grass, grass * 0], axis=2)
    refuse(save(tmp_path / "mask.png", values), "is not a mask: it has more than 32 values")


# --- smooth and noisy outlines


def smooth_disc():
    """A disc whose outline is grey, mode L."""
    large = Image.fromarray(disc((228, 308), (112, 152), 72)).convert("L")
    return large.resize((77, 57), Image.Resampling.BOX)


def dice(first, second):
    return 2 * (first & second).sum() / (first.sum() + second.sum())


def test_smooth_outline_is_cut_at_half(tmp_path):
    drawn = smooth_disc()
    assert len(drawn.getcolors()) > 2
    drawn.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), np.asarray(drawn) >= 128)


@pytest.mark.parametrize("resampling", [Image.Resampling.BILINEAR, Image.Resampling.LANCZOS])
def test_enlarged_mask_is_cut_at_half(tmp_path, resampling):
    drawn = Image.fromarray(disc()).convert("L").resize((308, 228), resampling)
    drawn.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), np.asarray(drawn) >= 128)


def test_smooth_red_on_black_and_a_thin_grey_line(tmp_path):
    shares = np.asarray(smooth_disc())[..., None] / 255
    save(tmp_path / "red.png", shares * RED)
    assert dice(read_mask(tmp_path / "red.png"), disc()) > 0.95
    lined = Image.fromarray(disc()).convert("L")
    ImageDraw.Draw(lined).ellipse((20, 10, 56, 46), outline=128)
    lined.save(tmp_path / "lined.png")
    assert dice(read_mask(tmp_path / "lined.png"), disc()) > 0.95


@pytest.mark.parametrize("quality", [10, 50, 75, 95])
@pytest.mark.parametrize("colour", [WHITE, RED])
@pytest.mark.parametrize("through", ["JPEG", "PNG of a JPEG"])
def test_jpeg_masks_of_two_colours_are_read(tmp_path, quality, colour, through):
    path = save(tmp_path / "mask.jpg", colours(disc(), colour), quality=quality)
    assert len(Image.open(path).getcolors(9999)) > 2
    if through != "JPEG":
        Image.open(path).save(path := tmp_path / "mask.png")
    assert dice(read_mask(path), disc()) > (0.95 if quality == 10 else 0.98)


def test_jpeg_of_three_classes_is_refused_because_it_is_a_jpeg(tmp_path):
    values = disc() * 128 + disc(radius=9) * 127
    refuse(save(tmp_path / "mask.jpg", values), "JPEG and WebP files do not keep .* in PNG")
    refuse(save(tmp_path / "mask.jpg", disc() * 20), "JPEG and WebP files do not keep")


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif"])
def test_a_photograph_is_no_mask(tmp_path, suffix):
    refuse(save(tmp_path / f"a.{suffix}", skin(disc())), "is not a mask.*check that it is not the")
    dark = np.random.default_rng(0).gamma(1, 40, (57, 77)).clip(0, 255)
    refuse(save(tmp_path / f"b.{suffix}", dark), "is not a mask.*check that it is not the")


def test_a_smooth_map_of_probabilities_is_no_mask(tmp_path):
    y, x = np.mgrid[:57, :77]
    hill = 255 * np.exp(-((y - 28) ** 2 + (x - 38) ** 2) / 300)
    refuse(save(tmp_path / "mask.png", hill), "is not a mask: it has more than 32 values")


# --- maps of classes


@pytest.mark.parametrize(
    ("classes", "expected"),
    [((1,), [1]), ((2,), [2]), ([1, 2], [1, 2]), ((0,), [0]), ((0, 1, 2), [0, 1, 2]), ((9,), [])],
)
@pytest.mark.parametrize("palette", [None, VOC_PALETTE])
def test_classes_are_values_or_numbers_of_a_palette(tmp_path, classes, expected, palette):
    values = disc() * 1 + disc(radius=9)
    path = save(tmp_path / "mask.png", values, palette)
    np.testing.assert_array_equal(read_mask(path, classes), np.isin(values, expected))
    assert (open_mask(path, classes).getbbox() is not None) == bool(expected)


def test_classes_are_colours(tmp_path):
    values = colours(disc(radius=9), GREEN, colours(disc(), RED))
    path = save(tmp_path / "mask.png", values)
    np.testing.assert_array_equal(read_mask(path, (GREEN,)), disc(radius=9))
    np.testing.assert_array_equal(read_mask(path, [list(GREEN), RED]), disc())
    np.testing.assert_array_equal(read_mask(path, (BLACK,)), ~disc())
    refuse(path, r"colours .*three classes; name the one you want, .*=\(\(", classes=(1,))
    path = save(tmp_path / "p.png", disc() * 1 + disc(radius=9), VOC_PALETTE)
    np.testing.assert_array_equal(read_mask(path, ((0, 128, 0),)), disc(radius=9))


def test_any_class_is_all_but_the_background(tmp_path):
    numbers = disc() * 1 + disc(radius=9) * 6
    void = np.where(disc(radius=22) & ~disc(), 255, numbers)
    coloured = colours(disc(radius=9), GREEN, colours(disc(), RED))
    for path in (
        save(tmp_path / "grey.png", numbers),
        save(tmp_path / "two.png", disc() * 255),
        save(tmp_path / "palette.png", void, VOC_PALETTE),
        save(tmp_path / "colours.png", coloured),
        save(tmp_path / "alpha.png", np.dstack([colours(disc(), RED, WHITE), disc() * 255])),
    ):
        np.testing.assert_array_equal(read_mask(path, "any"), disc())
    assert dice(read_mask(save(tmp_path / "a.jpg", coloured), "any"), disc()) > 0.95
    assert not read_mask(save(tmp_path / "none.png", disc() * 0), "any").any()
    said = refuse(tmp_path / "colours.png", "three classes")
    assert "Python, --classes 0,160,60 in a terminal" in said and "--classes any" in said


def test_transparent_pixels_are_of_no_class(tmp_path):
    path = save(tmp_path / "m.png", np.dstack([colours(disc(), RED), disc() * 255]))
    np.testing.assert_array_equal(read_mask(path, (RED,)), disc())
    assert not read_mask(path, (BLACK,)).any()


def test_classes_of_a_mask_of_one_bit_and_of_an_inverted_jpeg(tmp_path):
    Image.fromarray(disc()).save(tmp_path / "m.png")
    for classes in ((1,), (255,)):
        np.testing.assert_array_equal(read_mask(tmp_path / "m.png", classes), disc())
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", (0,)), ~disc())
    path = save(tmp_path / "m.jpg", ~disc() * 255)
    assert dice(read_mask(path, (0,)), disc()) > 0.98
    refuse(path, "JPEG files do not keep numbers of classes such as 2", classes=(0, 2))


@pytest.mark.parametrize("classes", [1, (), (70_000,), (-1,), ((1, 2),), "a", ((0, 0, 999),)])
def test_classes_of_another_form_are_wrong_use(tmp_path, classes):
    path = save(tmp_path / "m.png", disc() * 1)
    with pytest.raises(ValueError, match="classes is .*; give"):
        read_mask(path, classes)


# --- files that are not as they should be


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (np.uint16, "has 16 bits a channel .values 70 to 40000."),
        (np.int32, "has 32 bits a channel .values 70 to 40000."),
        (np.float32, "has 32 bits a channel .values 70.0 to 40000.0."),
    ],
)
def test_an_image_of_more_bits_is_refused_with_the_line_that_scales_it(tmp_path, kind, words):
    values = np.where(disc(), 40_000, 70).astype(kind)
    Image.fromarray(values).save(tmp_path / "deep.tif")
    with pytest.raises(DatasetError, match=f"deep.tif: {words}.*lowest to the highest") as caught:
        read_image(tmp_path / "deep.tif")
    line = str(caught.value).split(": ")[-1]
    names = {"np": np, "values": values, "low": 70, "high": 40_000}
    exec(f"scaled = {line}", names)
    scaled = names["scaled"]
    np.testing.assert_array_equal(scaled, disc() * 255)


@pytest.mark.parametrize("kind", [np.uint16, np.int32])
@pytest.mark.parametrize("suffix", ["tif", "png"])
def test_masks_of_more_bits_are_read_by_their_values(tmp_path, kind, suffix):
    values = (disc() * 700 + disc(radius=9) * 300).astype(kind)
    path = tmp_path / f"m.{suffix}"
    Image.fromarray(values).save(path)
    refuse(path, "values 0, 700, 1000: three classes; .* --classes 700 in a terminal")
    for classes in ("any", (700, 1000)):
        np.testing.assert_array_equal(read_mask(path, classes), disc())
    np.testing.assert_array_equal(read_mask(path, (1000,)), disc(radius=9))
    Image.fromarray(values * disc(radius=9)).save(path)  # two values need no classes
    np.testing.assert_array_equal(read_mask(path), disc(radius=9))


@pytest.mark.parametrize(
    "compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"]
)
def test_tiff_is_read(tmp_path, compression):
    path = save(tmp_path / "a.tif", skin(disc()), compression=compression)
    off = np.abs(read_image(path).astype(int) - skin(disc())).mean()
    assert off == 0 if compression != "jpeg" else off < 10


def test_tiff_of_one_bit_and_of_a_palette(tmp_path):
    Image.fromarray(disc()).save(tmp_path / "m.tif", compression="group4")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.tif"), disc())
    save(tmp_path / "p.tif", disc() * 1, VOC_PALETTE)
    np.testing.assert_array_equal(read_mask(tmp_path / "p.tif"), disc())


def test_tiff_of_several_pages_is_refused(tmp_path):
    page = Image.fromarray(skin(disc()))
    page.save(tmp_path / "stack.tif", save_all=True, append_images=[page, page])
    with pytest.raises(DatasetError, match="stack.tif: is a TIFF of 3 pages; save the page"):
        read_image(tmp_path / "stack.tif")


def tiff_of_64_bits():
    """The bytes of a TIFF that Pillow cannot read."""
    entries = [(256, 2), (257, 1), (258, 64), (259, 1), (262, 1), (273, 110), (277, 1), (279, 3)]
    table = b"".join(struct.pack("<HHII", tag, 3, 1, value) for tag, value in entries)
    return struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + table + bytes(4) + bytes(3)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.heic", b"\0\0\0\x18ftypheic" + bytes(99), "is a HEIC or AVIF photograph.*to JPEG"),
        ("a.jpg", b"\0\0\0\x18ftypmif1" + bytes(99), "is a HEIC or AVIF photograph.*to JPEG"),
        ("a.mp4", b"\0\0\0\x18ftypisom" + bytes(99), "is a video, not a photo; save the frames"),
        ("a.jpg", b"no picture", "cannot be read as an image .*save it again from the program"),
        ("a.tif", tiff_of_64_bits(), "is a TIFF of a kind that cannot be read.*with 8 bits"),
    ],
)
def test_what_pillow_does_not_read_gets_its_own_words(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=f"{name}: {words}"):
        read_image(tmp_path / name)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("height", "seen"), [(5_000, "100.0"), (10_000, "more than 178")])
def test_huge_image_is_refused_before_it_is_decoded(tmp_path, height, seen):
    Image.new("1", (20_000, height)).save(tmp_path / "huge.png")
    words = f"huge.png: has {seen} megapixels; the limit is 65. Save it smaller"
    with pytest.raises(DatasetError, match=words):
        read_image(tmp_path / "huge.png")


def test_the_photo_of_a_phone_is_read_and_large_pairs_are_read_one_at_a_time(tmp_path, monkeypatch):
    Image.new("1", (9_248, 6_936)).save(tmp_path / "phone.png")
    assert images.open_image(tmp_path / "phone.png").size == (9_248, 6_936)
    for limit, waits in ((9_248 * 6_936, False), (9_248 * 6_936 - 1, True)):
        monkeypatch.setattr(images, "LARGE_PIXELS", limit)
        with images.large_in_turn(tmp_path / "phone.png"):
            assert images.ONE_LARGE_PAIR.locked() == waits
    with images.large_in_turn(tmp_path / "none.png"):
        assert not images.ONE_LARGE_PAIR.locked()


TURNS = {1: 0, 3: 2, 6: 3, 8: 1}  # quarters of a circle, by the EXIF tag


def save_turned(path, values, tag):
    """Save a picture that is stored lying, with the EXIF tag that sets it upright."""
    exif = Image.Exif()
    exif[0x0112] = tag
    save(path, np.rot90(values, -TURNS[tag]), exif=exif)
    return path


@pytest.mark.parametrize("tag", TURNS)
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_turned_photograph_is_set_upright(tmp_path, tag, suffix):
    image = read_image(save_turned(tmp_path / f"turned.{suffix}", skin(disc()), tag))
    assert image.shape == (57, 77, 3)
    assert np.abs(image.astype(int) - skin(disc())).mean() < 10


@pytest.mark.parametrize("tag", TURNS)
def test_image_and_mask_are_both_read_upright(tmp_path, tag):
    mask = disc(centre=(20, 25), radius=9)
    image_path = save_turned(tmp_path / "image.jpg", skin(mask), tag)
    upright = save(tmp_path / "upright.png", mask * 255)
    turned = save_turned(tmp_path / "turned.png", mask * 255, tag)
    for path in (upright, turned):
        assert check_pair(image_path, path)
        np.testing.assert_array_equal(read_mask(path), mask)
    assert check_pair(save(tmp_path / "plain.jpg", skin(mask)), turned)


def test_a_turned_image_whose_mask_is_not_is_refused_with_the_reason(tmp_path):
    lying = save(tmp_path / "lying.png", np.rot90(disc()) * 255)
    turned = save_turned(tmp_path / "turned.jpg", skin(disc()), 6)
    words = "lying.png is 57 x 77 .*EXIF data of the image turn it by 90 degrees clockwise"
    with pytest.raises(DatasetError, match=words):
        check_pair(turned, lying)
    turned = save_turned(tmp_path / "turned.png", disc() * 255, 6)
    lying = save(tmp_path / "lying.jpg", np.rot90(skin(disc())))
    with pytest.raises(DatasetError, match="EXIF data of the mask turn it by 90 degrees"):
        check_pair(lying, turned)
    with pytest.raises(DatasetError, match="height and width are exchanged. .*turn the mask by 90"):
        check_pair(lying, save(tmp_path / "m.png", disc() * 255))


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
    image, mask = save(tmp_path / "image.png", skin(disc())), tmp_path / "mask.png"
    save(mask, disc() * 0)
    with pytest.raises(DatasetError, match="mask.png.*empty"):
        check_pair(image, mask)
    assert not check_pair(image, mask, empty_mask_ok=True)
    assert check_pair(image, save(mask, disc() * 2), classes=(2,))
    with pytest.raises(DatasetError, match=r"empty \(no pixel has a value of classes=\(3,\)\)"):
        check_pair(image, mask, classes=(3,))


def test_check_cases_counts_faults_and_returns_the_empty_cases(tmp_path):
    image = save(tmp_path / "image.png", skin(disc()))
    paths = [save(tmp_path / f"{i}.png", disc() * i) for i in range(3)]
    cases = [Case(str(i), image, path, str(i), classes=(2,)) for i, path in enumerate(paths)]
    assert check_cases(cases, empty_mask_ok=True) == cases[:2]
    with pytest.raises(DatasetError, match="0.png.*empty .*1 more case"):
        check_cases(cases)


@pytest.mark.parametrize(("count", "delay", "shown"), [(600, 0, True), (500, 0, False),
                                                       (600, 2, False)])  # fmt: skip
def test_many_files_have_a_progress_bar_if_they_take_long(count, delay, shown, capsys, monkeypatch):
    monkeypatch.setattr(images, "BAR_DELAY", delay)
    assert list(map_files(str, range(count))) == [str(i) for i in range(count)]
    printed = capsys.readouterr()
    assert printed.out == "" and ("reading: 100%" in printed.err) == shown
    assert shown or printed.err == ""


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


@pytest.mark.parametrize(("size", "width"), [(30, 1), (1200, 5)])
def test_an_object_has_a_tint_and_an_outline_that_stays_visible(size, width):
    image = np.full((size, size, 3), 100, np.uint8)
    third = size // 3
    mask = np.zeros((size, size), bool)
    mask[third:-third, third:-third] = True
    row = object_overlay(image, mask)[size // 2].tolist()
    edge = (width + 1) // 2
    assert row[: third - edge] == [[100] * 3] * (third - edge)
    assert row[third - edge : third] == [[0] * 3] * edge
    assert row[third : third + edge] == [[255] * 3] * edge
    assert row[size // 2][2] > row[size // 2][0] + 50
    empty = object_overlay(image, np.zeros_like(mask))
    np.testing.assert_array_equal(empty, image)
    assert (image == 100).all()
