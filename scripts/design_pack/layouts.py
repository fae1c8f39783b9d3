"""Layouts: how symbols, palette and lettering become a design."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from brief import Brief, Drawing
from lettering import letter
from palettes import DARK
from prints import draw_banner, draw_card, draw_flyer, draw_menu, draw_poster, draw_story
from scenes import draw_scene
from shapes import bands, circle, rect, symbol, tint
from wallpapers import draw_wallpaper


def draw_picture(b: Brief) -> Drawing:
    """A scene, edge to edge."""
    w, h = 432, 324
    return w, h, draw_scene(b.variant, b.palette_name, b.symbols, w, h, b.seed)


def draw_still(b: Brief) -> Drawing:
    """A scene under a player's controls."""
    w, h = 448, 252
    # In the corner, so that it covers nothing that the title speaks of.
    play = circle(34, 34, 22, "#000", 'opacity=".45"') + '<path d="M28 22l20 12-20 12z" fill="#fff"/>'
    bar = rect(0, h - 30, w, 30, "#000", 'opacity=".5"') + rect(44, h - 17, w - 110, 4, "#fff", 'rx="2" opacity=".6"')
    bar += rect(44, h - 17, (w - 110) * 0.35, 4, "#ff4d4d", 'rx="2"') + circle(
        44 + (w - 110) * 0.35, h - 15, 6, "#ff4d4d"
    )
    bar += f'<path d="M16 {h - 22}v14l12-7z" fill="#fff"/>' + letter(
        b.lines[0], w - 12, h - 10, 14, "lato", "#fff", width=50, anchor="end"
    )
    scene = draw_scene(b.variant, b.palette_name, b.symbols, w, h, b.seed)
    return w, h, scene + play + bar


def draw_cover(b: Brief) -> Drawing:
    """Cover art: symbols over a disc, title, waveform."""
    s, p = 360, b.palette
    rng = random.Random(b.seed)
    parts = [
        bands(s, s, (p.ground2, p.ground2, p.ground, p.ground)),
        circle(s / 2, 150, 106, p.accent, 'opacity=".28"'),
    ]
    if len(b.symbols) == 1:
        parts.append(symbol(b.symbols[0], s / 2, 150, 168))
    else:
        parts += [symbol(b.symbols[0], s / 2 - 28, 156, 150), symbol(b.symbols[1], s / 2 + 76, 96, 84)]
    for i in range(40):
        height = 6 + 34 * abs(math.sin(i * 0.42)) * (0.45 + 0.55 * rng.random())
        color = p.accent if i < 14 else p.ink2
        parts.append(rect(24 + i * 7.9, 330 - height / 2, 4.4, height, color, 'rx="2"'))
    parts.append(letter(b.lines[0], 24, 288, 34, "spartan", p.ink, width=200, anchor="start"))
    parts.append(letter(b.lines[1], s - 24, 286, 18, "lato", p.ink2, width=110, anchor="end"))
    return s, s, "".join(parts)


def draw_icon(b: Brief) -> Drawing:
    """An icon: a tile, a disc, or one colour on white."""
    s, p = 256, b.palette
    name = b.symbols[0]
    if b.variant == "plate":
        shape = rect(18, 18, s - 36, s - 36, p.ground2, 'rx="52"') + rect(
            18, 18, s - 36, (s - 36) / 2, p.ground, 'rx="52" opacity=".5"'
        )
        return s, s, rect(0, 0, s, s, "#fff") + shape + symbol(name, s / 2, s / 2, 138)
    if b.variant == "circle":
        shape = circle(s / 2, s / 2, 112, p.ground) + circle(
            s / 2, s / 2, 108, "none", f'stroke="{p.accent}" stroke-width="8"'
        )
        return s, s, rect(0, 0, s, s, "#fff") + shape + symbol(name, s / 2, s / 2, 126)
    mono = symbol(name, s / 2, s / 2, 176, extra='filter="url(#tint)"')
    return s, s, f"<defs>{tint(p.accent)}</defs>" + rect(0, 0, s, s, "#fff") + mono


def draw_specimen(b: Brief) -> Drawing:
    """A type specimen: two large letters, a line, the alphabet."""
    w, h, p, font = 432, 324, b.palette, b.symbols[0]
    parts = [rect(0, 0, w, h, p.ground), rect(0, 0, 138, h, p.accent)]
    parts.append(letter("Aa", 69, 156, 96, font, "#fff" if b.palette_name not in DARK else "#1f2547", width=112))
    parts.append(letter("123", 69, 236, 48, font, p.ground, width=96))
    parts.append(letter(b.lines[0], 158, 98, 62, font, p.ink, width=254, anchor="start"))
    for i, row in enumerate(("ABCDEFGHIJKLM", "NOPQRSTUVWXYZ", "abcdefghijklm", "nopqrstuvwxyz", "0123456789 &!?")):
        parts.append(letter(row, 158, 152 + 34 * i, 25, font, p.ink2, width=254, anchor="start"))
    return w, h, "".join(parts)


def draw_vignette(b: Brief) -> Drawing:
    """A picture-book page: a round scene on paper, symbols that step out of it."""
    w, h, p = 400, 360, b.palette
    paper = "#fffaf0" if b.palette_name not in DARK else "#141a3a"
    ring = f'<clipPath id="r"><circle cx="{w / 2}" cy="{h / 2}" r="150"/></clipPath>'
    ground = {"night": "#3b4a7a", "ocean": "#dff1fa", "autumn": "#dca658", "sunset": "#e98a5b"}.get(
        b.palette_name, "#9fce7e"
    )
    inside = bands(w, h, p.sky) + f'<path d="M0 {h}V236q100-40 200-8t200-6V{h}z" fill="{ground}"/>'
    aloft = {"sun", "moon", "star", "cloud", "balloon", "bee", "planet", "rocket"}
    high = [s for s in b.symbols[1:] if s in aloft]
    low = [b.symbols[0], *(s for s in b.symbols[1:] if s not in aloft)]
    spots = {
        1: [(200, 218, 180)],
        2: [(150, 220, 164), (274, 236, 120)],
        3: [(200, 214, 156), (92, 250, 104), (306, 250, 104)],
    }[len(low)]
    parts = [f"<defs>{ring}</defs>", rect(0, 0, w, h, paper), f'<g clip-path="url(#r)">{inside}</g>']
    parts.append(circle(w / 2, h / 2, 150, "none", f'stroke="{p.accent}" stroke-width="4" stroke-dasharray="10 6"'))
    parts += [symbol(s, x, y, 74, turn=8) for s, (x, y) in zip(high, [(286, 92), (110, 96)], strict=False)]
    parts += [symbol(s, *spot) for s, spot in reversed(list(zip(low, spots, strict=False)))]
    return w, h, "".join(parts)


def draw_logo(b: Brief) -> Drawing:
    """A brand mark in one colour with its name: stacked, badge or wide."""
    p, name = b.palette, b.symbols[0]
    mark = 'filter="url(#tint)"'
    dark = b.palette_name in DARK
    color = p.ink if b.palette_name not in ("night",) else p.accent
    paper = p.ground if dark else "#ffffff"
    head = f"<defs>{tint(p.accent)}</defs>"
    if b.variant == "wide":
        w, h = 448, 200
        words = letter(b.lines[0], 176, 108, 50, "spartan", color, width=250, anchor="start")
        words += letter(b.lines[1].upper(), 178, 140, 18, "lato", p.ink2, width=244, anchor="start")
        return w, h, head + rect(0, 0, w, h, paper) + symbol(name, 98, 100, 124, extra=mark) + words
    s = 340
    if b.variant == "badge":
        disc = (
            circle(s / 2, s / 2, 152, p.accent)
            + circle(s / 2, s / 2, 142, "none", f'stroke="{paper}" stroke-width="3"')
            + circle(s / 2, s / 2, 104, paper)
        )
        over, under = (
            '<path id="up" d="M55 170a115 115 0 0 1 230 0"/>',
            '<path id="dn" d="M36 170a134 134 0 0 0 268 0"/>',
        )
        arcs = f"<defs>{over}{under}</defs>"
        ink = p.ground if not dark else "#1f2547"
        style = (
            f'font-family="Lato" font-weight="700" font-size="24" letter-spacing="3" fill="{ink}" text-anchor="middle"'
        )
        words = f'<text {style}><textPath href="#up" startOffset="50%">{b.lines[0].upper()}</textPath></text>'
        smaller = style.replace("24", "20")
        words += f'<text {smaller}><textPath href="#dn" startOffset="50%">{b.lines[1].upper()}</textPath></text>'
        return s, s, head + rect(0, 0, s, s, paper) + disc + arcs + words + symbol(name, s / 2, s / 2, 132, extra=mark)
    words = letter(b.lines[0], s / 2, 256, 54, "comfortaa", color, width=s - 50)
    words += letter(b.lines[1].upper(), s / 2, 294, 18, "lato", p.ink2, width=s - 70)
    return s, s, head + rect(0, 0, s, s, paper) + symbol(name, s / 2, 122, 156, extra=mark) + words


def draw_sticker(b: Brief) -> Drawing:
    """A die-cut sticker: white outline, soft shadow, a word on a ribbon."""
    s, p = 320, b.palette
    outline = (
        '<filter id="cut" x="-20%" y="-20%" width="140%" height="140%"><feMorphology in="SourceAlpha" '
        'operator="dilate" radius="9" result="fat"/><feFlood flood-color="#fff"/>'
        '<feComposite in2="fat" operator="in" result="white"/>'
        '<feFlood flood-color="#000" flood-opacity=".25"/><feComposite in2="fat" operator="in" result="dark"/>'
        '<feOffset in="dark" dy="5" result="shade"/><feMerge><feMergeNode in="shade"/><feMergeNode in="white"/>'
        '<feMergeNode in="SourceGraphic"/></feMerge></filter>'
    )
    ribbon = rect(54, 236, s - 108, 50, p.accent, 'rx="25"')
    word = letter(
        b.lines[0], s / 2, 271, 32, "lobster", "#fff" if b.palette_name not in DARK else "#1f2547", width=s - 144
    )
    cut = f'<g filter="url(#cut)">{symbol(b.symbols[0], s / 2, 140, 184, turn=-6)}{ribbon}{word}</g>'
    return s, s, f"<defs>{outline}</defs>" + rect(0, 0, s, s, p.ground2) + cut


def draw_frames(b: Brief) -> Drawing:
    """An animation as four frames with the motion's trace."""
    s, p, name = 360, b.palette, b.symbols[0]
    moves: dict[str, list[tuple[float, float, float, float]]] = {
        "rise": [(0, 34, 1, -4), (0, 12, 1, 4), (0, -10, 1, -4), (0, -32, 1, 4)],
        "fall": [(-24, -34, 1, 0), (10, -12, 1, 40), (-10, 12, 1, 90), (20, 34, 1, 140)],
        "spin": [(0, 0, 1.25, 0), (0, 0, 1.25, 25), (0, 0, 1.25, 50), (0, 0, 1.25, 75)],
        "pulse": [(0, 0, 0.8, 0), (0, 0, 1.05, 0), (0, 0, 1.3, 0), (0, 0, 1.05, 0)],
        "bounce": [(0, 30, 1, 0), (0, -14, 1, 8), (0, -30, 1, 0), (0, 8, 1, -8)],
        "drift": [(-34, 8, 1, -6), (-12, -10, 1, 4), (12, 8, 1, -4), (34, -10, 1, 6)],
        "swing": [(0, 0, 1.2, -24), (0, 0, 1.2, 0), (0, 0, 1.2, 24), (0, 0, 1.2, 0)],
    }
    parts = [rect(0, 0, s, s, p.accent)]
    for i, (dx, dy, scale, turn) in enumerate(moves[b.variant]):
        x, y = 12 + i % 2 * 172, 12 + i // 2 * 172
        parts.append(rect(x, y, 164, 164, p.ground if i % 3 else p.ground2, 'rx="10"'))
        for trail in range(i):
            tx, ty, ts, tt = moves[b.variant][trail]
            if (tx, ty) != (dx, dy):
                parts.append(symbol(name, x + 82 + tx, y + 82 + ty, 78 * ts, turn=tt, extra='opacity=".14"'))
        parts.append(symbol(name, x + 82 + dx, y + 82 + dy, 88 * scale, turn=turn))
        parts.append(letter(str(i + 1), x + 14, y + 24, 15, "lato", p.ink2, width=20))
    return s, s, "".join(parts)


def draw_tile(b: Brief) -> Drawing:
    """A repeat: symbols in half-drop rows, dots between."""
    s, p = 320, b.palette
    parts = [rect(0, 0, s, s, p.ground)]
    step = 80.0
    for row in range(-1, 6):
        for column in range(-1, 6):
            x, y = column * step + (step / 2 if row % 2 else 0), row * step * 0.8
            name = b.symbols[(row + column) % len(b.symbols)] if len(b.symbols) > 1 else b.symbols[0]
            parts.append(symbol(name, x, y, 50, turn=-12 if (row + column) % 2 else 12))
            parts.append(circle(x + step / 2, y, 4, p.accent, 'opacity=".6"'))
    return s, s, "".join(parts)


LAYOUTS: dict[str, Callable[[Brief], Drawing]] = {
    "scene": draw_picture,
    "still": draw_still,
    "card": draw_card,
    "flyer": draw_flyer,
    "poster": draw_poster,
    "menu": draw_menu,
    "banner": draw_banner,
    "story": draw_story,
    "cover": draw_cover,
    "icon": draw_icon,
    "specimen": draw_specimen,
    "vignette": draw_vignette,
    "logo": draw_logo,
    "sticker": draw_sticker,
    "frames": draw_frames,
    "tile": draw_tile,
    "wallpaper": draw_wallpaper,
}
