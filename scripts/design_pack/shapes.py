"""Small parts that layouts share: symbols, bands, scattered dots."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

SYMBOLS = Path(__file__).parent / "symbols"


@cache
def _inner(name: str) -> str:
    text = (SYMBOLS / f"{name}.svg").read_text("utf-8")
    return re.sub(r"</?svg[^>]*>", "", text).strip()


def symbol(name: str, x: float, y: float, size: float, *, turn: float = 0, extra: str = "") -> str:
    """The symbol with its centre at (x, y), ``size`` pixels wide, turned by ``turn`` degrees."""
    scale = size / 100
    return (
        f'<g transform="translate({x:.1f} {y:.1f}) rotate({turn:.1f}) scale({scale:.3f}) translate(-50 -50)" {extra}>'
        f"{_inner(name)}</g>"
    )


def rect(x: float, y: float, width: float, height: float, fill: str, extra: str = "") -> str:
    """A filled rectangle."""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}" {extra}/>'


def circle(x: float, y: float, radius: float, fill: str, extra: str = "") -> str:
    """A filled circle."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{fill}" {extra}/>'


def bands(width: float, height: float, colors: tuple[str, ...]) -> str:
    """Horizontal bands from the top: a flat-design gradient that compresses well."""
    step = height / len(colors)
    return "".join(rect(0, i * step, width, step + 1, color) for i, color in enumerate(colors))


def tint(color: str, identity: str = "tint") -> str:
    """A filter definition that redraws a symbol in shades of one colour."""
    r, g, b = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    rows = []
    for channel in (r, g, b):
        # Luminance 0 gives the colour itself, luminance 1 a tone half of the way to white.
        lift = 0.5 * (1 - channel)
        rows.append(f"{0.21 * lift:.3f} {0.72 * lift:.3f} {0.07 * lift:.3f} 0 {channel:.3f}")
    values = " ".join([*rows, "0 0 0 1 0"])
    return (
        f'<filter id="{identity}" color-interpolation-filters="sRGB">'
        f'<feColorMatrix type="matrix" values="{values}"/></filter>'
    )
