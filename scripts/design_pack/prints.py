"""Layouts of templates: cards, flyers, posters, menus, banners, stories."""

from __future__ import annotations

from brief import Brief, Drawing
from lettering import letter
from palettes import DARK
from shapes import bands, circle, rect, symbol


def draw_card(b: Brief) -> Drawing:
    """A greeting card: double frame, symbols in the middle, script heading."""
    w, h, p = 324, 432, b.palette
    parts = [
        rect(0, 0, w, h, p.ground2),
        rect(16, 16, w - 32, h - 32, p.ground, f'rx="10" stroke="{p.accent}" stroke-width="2"'),
    ]
    parts += [circle(x, y, 5, p.accent) for x in (30, w - 30) for y in (30, h - 30)]
    spots = [(w / 2, 262, 150), (76, 214, 80), (w - 76, 214, 80)]
    parts += [symbol(s, *spot) for spot, s in zip(spots, b.symbols, strict=False)]
    sizes, y = (44, 34, 20), 86.0
    fonts = ("dancing", "lobster", "lato") if len(b.lines) > 2 else ("lobster", "dancing", "lato")
    if len(b.lines) > 2:
        sizes = (28, 40, 18)
    parts.append(letter(b.lines[0], w / 2, y, sizes[0], fonts[0], p.accent, width=w - 70))
    if len(b.lines) > 1:
        below = (136.0, sizes[1]) if len(b.lines) > 2 else (378.0, 28)
        parts.append(letter(b.lines[1], w / 2, below[0], below[1], fonts[1], p.ink, width=w - 70))
    if len(b.lines) > 2:
        parts.append(letter(b.lines[2], w / 2, 384, sizes[2], fonts[2], p.ink2, width=w - 80))
    return w, h, "".join(parts)


def draw_flyer(b: Brief) -> Drawing:
    """A flyer: heading on a colour band, large symbol in a disc, facts below."""
    w, h, p = 324, 432, b.palette
    parts = [
        rect(0, 0, w, h, p.ground),
        rect(0, 0, w, 116, p.accent),
        f'<path d="M0 115q81 34 162 0t162 0V90H0z" fill="{p.accent}"/>',
    ]
    parts.append(circle(w / 2, 240, 98, p.ground2))
    spots = [(w / 2, 240, 152), (50, 170, 58), (w - 50, 186, 58)]
    parts += [symbol(s, *spot) for spot, s in zip(spots, b.symbols, strict=False)]
    heading = "#1f2547" if b.palette_name in DARK else "#fff"
    parts.append(letter(b.lines[0], w / 2, 82, 64, "bebas", heading, width=w - 40))
    parts.append(letter(b.lines[1], w / 2, 376, 28, "slab", p.ink, width=w - 44))
    parts.append(letter(b.lines[2], w / 2, 408, 18, "lato", p.ink2, width=w - 44))
    return w, h, "".join(parts)


def draw_poster(b: Brief) -> Drawing:
    """A poster: banded colours, one huge symbol, heading above."""
    w, h, p = 324, 432, b.palette
    parts = [
        bands(w, h, p.sky),
        circle(w / 2, 276, 130, p.ground, 'opacity=".75"'),
        symbol(b.symbols[0], w / 2, 276, 220),
    ]
    light = b.palette_name in ("sunset", "night", "berry")
    parts.append(letter(b.lines[0], w / 2, 84, 58, "spartan", "#fff" if light else p.ink, width=w - 44))
    parts.append(letter(b.lines[1], w / 2, 118, 22, "lato", "#fff" if light else p.ink2, width=w - 60))
    return w, h, "".join(parts)


def draw_menu(b: Brief) -> Drawing:
    """A menu: heading, symbol, dishes with dotted lines to the prices."""
    w, h, p = 324, 432, b.palette
    parts = [rect(0, 0, w, h, p.ground), rect(0, 0, 22, h, p.accent), rect(w - 22, 0, 22, h, p.accent)]
    parts += [
        letter(b.lines[0], w / 2, 74, 44, "lobster", p.accent, width=w - 80),
        symbol(b.symbols[0], w / 2, 146, 104),
    ]
    for i, line in enumerate(b.lines[1:]):
        dish, _, price = line.rpartition(" ")
        y = 240 + i * 44
        parts.append(f'<path d="M44 {y + 8}H{w - 44}" stroke="{p.ink2}" stroke-width="1.5" stroke-dasharray="2 4"/>')
        parts.append(letter(dish, 46, y, 22, "garamond", p.ink, width=170, anchor="start"))
        parts.append(letter(price, w - 46, y, 22, "garamond", p.ink, width=70, anchor="end"))
    return w, h, "".join(parts)


def draw_banner(b: Brief) -> Drawing:
    """A wide banner: words on the left, symbols on the right."""
    w, h, p = 448, 224, b.palette
    parts = [rect(0, 0, w, h, p.ground), circle(w - 90, h / 2, 120, p.ground2), rect(0, 0, 12, h, p.accent)]
    spots = [(w - 104, h / 2 + 6, 156), (w - 34, 44, 60)]
    parts += [symbol(s, *spot) for spot, s in zip(spots, b.symbols, strict=False)]
    parts.append(letter(b.lines[0], 34, 104, 46, "spartan", p.accent, width=226, anchor="start"))
    parts.append(letter(b.lines[1], 34, 146, 24, "lato", p.ink, width=216, anchor="start"))
    return w, h, "".join(parts)


def draw_story(b: Brief) -> Drawing:
    """A phone story: banded colours, tall lettering, symbol below."""
    w, h, p = 252, 448, b.palette
    parts = [bands(w, h, p.sky), rect(18, 18, w - 36, h - 36, "none", 'stroke="#fff" stroke-width="3" rx="14"')]
    parts += [
        letter(
            t,
            40,
            92 + 50 * i,
            46,
            "kaushan",
            p.ink if b.palette_name != "sunset" else "#fff",
            width=w - 80,
            anchor="start",
        )
        for i, t in enumerate(b.lines)
    ]
    parts.append(symbol(b.symbols[0], w / 2, 330, 168))
    parts += [symbol(s, w - 66, 226, 64) for s in b.symbols[1:2]]
    return w, h, "".join(parts)
