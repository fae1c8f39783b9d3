"""Lettering: which typefaces are used, and text that fits its box.

The images are committed, so only whoever draws them anew needs the fonts. Debian packages: fonts-lato fonts-lobster
fonts-dancingscript fonts-comfortaa fonts-bebas-neue fonts-ebgaramond fonts-cabinsketch fonts-courier-prime
fonts-kaushanscript fonts-roboto-slab fonts-league-spartan fonts-goudybookletter.
"""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path

from PIL import ImageFont

FONT_ROOT = Path("/usr/share/fonts")
FONTS: dict[str, tuple[str, str, int]] = {
    "lobster": ("Lobster Two", "opentype/lobster/lobster.otf", 400),
    "dancing": ("Dancing Script", "opentype/dancingscript/DancingScript-Bold.otf", 700),
    "comfortaa": ("Comfortaa", "truetype/comfortaa/Comfortaa-Bold.ttf", 700),
    "bebas": ("Bebas Neue", "opentype/bebas-neue/BebasNeue-Bold.otf", 700),
    "garamond": ("EB Garamond", "opentype/ebgaramond/EBGaramond12-Regular.otf", 400),
    "cabin": ("CabinSketch", "truetype/cabinsketch/CabinSketch-Bold.ttf", 700),
    "courier": ("Courier Prime", "opentype/courier-prime/Courier Prime.otf", 400),
    "kaushan": ("Kaushan Script", "opentype/kaushanscript/KaushanScript-Regular.otf", 400),
    "slab": ("Roboto Slab", "opentype/roboto/slab/RobotoSlab-Bold.otf", 700),
    "spartan": ("League Spartan", "opentype/league-spartan/LeagueSpartan-Bold.otf", 700),
    "goudy": ("Goudy Bookletter 1911", "opentype/sortsmill/GoudyBookletter1911.otf", 400),
    "lato": ("Lato", "truetype/lato/Lato-Bold.ttf", 700),
}
"""Key → family as the font file names itself, file below `FONT_ROOT`, weight."""


def font_files() -> list[str]:
    """Every font file, for the renderer."""
    return [str(FONT_ROOT / file) for _, file, _ in FONTS.values()]


@cache
def _loaded(key: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONT_ROOT / FONTS[key][1]), 100)


def letter(
    text: str, x: float, y: float, size: float, font: str, fill: str, *, width: float, anchor: str = "middle"
) -> str:
    """SVG text whose baseline is at ``y``, made smaller where it would be wider than ``width`` pixels."""
    size = min(size, 100 * width / max(_loaded(font).getlength(text), 1))
    family, _, weight = FONTS[font]
    style = f"font-family:'{family}';font-weight:{weight};font-size:{size:.1f}px"
    return f'<text x="{x:.1f}" y="{y:.1f}" style="{style}" fill="{fill}" text-anchor="{anchor}">{escape(text)}</text>'
