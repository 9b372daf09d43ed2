"""The pictures' words in Hindi, and the font that has their letters."""

from pathlib import Path

import matplotlib
from matplotlib.font_manager import FontProperties, findfont, findSystemFonts, fontManager, get_font
from matplotlib.text import Text

# The terms are those of README.hi.md. A name that stays as it is stands here too, so that a new
# word in a picture cannot be forgotten.
HINDI = {
    # instances
    "semantic": "सिमैंटिक",
    "instance": "इंस्टेंस",
    "sky": "आसमान",
    "tree": "पेड़",
    "grass": "घास",
    "sheep": "भेड़",
    # encoder_decoder
    "image": "चित्र",
    "prediction": "प्रेडिक्शन",
    "target": "टारगेट",
    "rebuilt": "फिर से बना",
    "encoder": "एनकोडर",
    "decoder": "डिकोडर",
    "autoencoder": "ऑटोएनकोडर",
    "what": "क्या",
    "where": "कहाँ",
    # segnet, unet
    "SegNet": "SegNet",
    "U-Net": "U-Net",
    "convolution": "कनवोल्यूशन",
    "pool": "पूलिंग",
    "unpool": "अनपूलिंग",
    "up": "बड़ा करना",
    "skip": "स्किप",
    "places": "जगहें",
    # nevi
    "common nevus": "साधारण तिल",
    "atypical nevus": "असामान्य तिल",
    "melanoma": "मेलानोमा",
    # training
    "mask": "मास्क",
    "epoch": "एपॉक",
}
FONT = "Noto Sans Devanagari"
LARGER = 1.15  # Devanagari has finer parts than Latin letters of the same size


def put_into_hindi(sheet):
    """Replace the words of a drawn sheet by Hindi ones; numbers and signs stay."""
    for text in sheet.figure.findobj(Text):
        words = text.get_text()
        if not any(c.isalpha() for c in words) or HINDI[words] == words:
            continue
        text.set(text=HINDI[words], fontfamily=FONT, fontsize=LARGER * text.get_fontsize())


def hindi_fault():
    """Why Hindi words cannot be drawn here, and what to do; None if they can.

    matplotlib itself would only warn, and draw an empty box for each letter.
    """
    if matplotlib.__version_info__ < (3, 11):
        return "Hindi words need matplotlib 3.11, which joins Devanagari letters correctly"
    if len(find_fonts()) < 2:
        # matplotlib's list of fonts may be older than the font.
        for path in findSystemFonts():
            if Path(path).name.startswith(FONT.replace(" ", "")):
                fontManager.addfont(path)
    if len(find_fonts()) < 2:
        return (
            f"Hindi words need the font {FONT} in two files, regular and bold: install it, "
            "on Debian or Ubuntu with sudo apt install fonts-noto-core"
        )
    return None


def find_fonts():
    """The files that matplotlib would take the font's regular and bold letters from, a set."""
    if FONT not in fontManager.get_font_names():
        return set()
    return {findfont(FontProperties(family=FONT, weight=w)) for w in ("normal", "bold")}


def font_version():
    """The font's name and version: another version may have other outlines."""
    head = get_font(findfont(FontProperties(family=FONT))).get_sfnt_table("head")
    whole, parts = head["fontRevision"]
    return f"{FONT} {whole + parts / 65536:.3f}"
