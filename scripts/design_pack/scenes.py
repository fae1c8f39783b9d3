"""Scenes: a place with symbols in it. Used for pictures and for the stills of videos."""

from __future__ import annotations

import random

from palettes import DARK, PALETTES, Palette
from shapes import bands, circle, rect, symbol

ALOFT = frozenset(
    "sun moon star cloud bird bat balloon hot-air-balloon airplane kite snowflake rainbow lantern butterfly".split()
)
"""Symbols that hang in the sky; the others stand on the ground."""

BEHIND = frozenset({"mountain", "skyline", "tree", "pine", "palm", "house", "lighthouse"})
SMALL = frozenset({"sun", "moon", "star", "cloud", "bird", "bat", "snowflake", "mushroom", "daisy"})


def draw_scene(place: str, palette_name: str, symbols: list[str], width: float, height: float, seed: str) -> str:
    """SVG fragment of a scene, ``width`` by ``height`` pixels."""
    palette = PALETTES[palette_name]
    rng = random.Random(seed)
    horizon = {"sea": 0.62, "table": 0.66, "room": 0.8, "sky": 1.0, "underwater": 0.86}.get(place, 0.7) * height
    parts = [_sky(place, palette, palette_name, width, height, rng)]
    aloft = [s for s in symbols if s in ALOFT]
    standing = [s for s in symbols if s not in ALOFT]
    parts += _place_aloft(aloft, width, height, high=place == "sky")
    behind = [s for s in standing if s in BEHIND]
    front = [s for s in standing if s not in BEHIND]
    parts += _behind(behind, width, horizon + 0.07 * height, bool(front)) if place != "sea" else []
    parts.append(_ground(place, palette, palette_name, width, height, horizon, rng))
    if place == "sea":
        parts += _behind(behind, width, horizon + 0.12 * height, bool(front))
    parts += _front(place, front, bool(behind), width, height)
    return "".join(parts)


def _sky(place: str, palette: Palette, name: str, width: float, height: float, rng: random.Random) -> str:
    if place == "underwater":
        colors = (
            ("#7fd0e8", "#4fb3d9", "#3593c4", "#2474a8")
            if name == "ocean"
            else ("#a8e6dc", "#6fcbc4", "#43a9ab", "#2b8590")
        )
        rays = "".join(
            f'<path d="M{x * width:.0f} 0h{0.06 * width:.0f}l{-0.1 * width:.0f} {0.8 * height:.0f}'
            f'h{-0.14 * width:.0f}z" fill="#fff" opacity=".13"/>'
            for x in (0.25, 0.5, 0.8)
        )
        return bands(width, height, colors) + rays
    if place == "night" and name not in DARK:
        base = bands(width, height, ("#131a36", "#1d2649", "#2b3560", palette.ink))
    elif place == "table":
        return rect(0, 0, width, height, palette.ground2) + "".join(
            rect(x * width, 0, 0.02 * width, height, palette.ground, 'opacity=".35"') for x in (0.12, 0.37, 0.62, 0.87)
        )
    elif place == "room":
        pane = "".join(
            rect(
                0.3 * width + i % 2 * 0.21 * width,
                0.1 * height + i // 2 * 0.29 * height,
                0.19 * width,
                0.27 * height,
                "#bfe6f7",
            )
            for i in range(4)
        )
        return (
            rect(0, 0, width, height, palette.ground2)
            + rect(0.28 * width, 0.07 * height, 0.44 * width, 0.62 * height, "#fff")
            + pane
        )
    else:
        base = bands(width, height, palette.sky)
    if name in DARK or place == "night":
        base += "".join(
            circle(rng.random() * width, rng.random() * height * 0.6, rng.choice((1, 1.4, 2)), "#fff")
            for _ in range(34)
        )
    return base


def _ground(place: str, p: Palette, name: str, w: float, h: float, y: float, rng: random.Random) -> str:
    def hill(x: float, top: float, spread: float, color: str) -> str:
        return (
            f'<path d="M{x - spread:.0f} {h + 2:.0f}Q{x:.0f} {top:.0f} {x + spread:.0f} {h + 2:.0f}z" fill="{color}"/>'
        )

    if place == "sky":
        return ""
    if place == "sea":
        water = "#27588f" if name in ("sunset", "night", "berry") else "#3a9bd1"
        glints = "".join(
            rect(
                rng.random() * w,
                y + 8 + rng.random() * (h - y - 16),
                20 + rng.random() * 40,
                2.5,
                "#fff",
                'rx="1.2" opacity=".45"',
            )
            for _ in range(16)
        )
        return rect(0, y, w, h - y, water) + glints
    if place == "beach":
        return (
            rect(0, y - 0.08 * h, w, 0.14 * h, "#4fb6d8")
            + f'<path d="M0 {y:.0f}q{w / 4:.0f} {-0.05 * h:.0f} {w / 2:.0f} 0t{w / 2:.0f} 0V{h:.0f}H0z" '
            'fill="#f4dca8"/>'
        )
    if place == "table":
        return (
            rect(0, y, w, h - y, "#a8754a")
            + rect(0, y, w, 0.04 * h, "#c08c5c")
            + rect(0, y + 0.17 * h, w, 2, "#8a5c38")
        )
    if place == "room":
        return rect(0.18 * w, y - 0.08 * h, 0.64 * w, 0.05 * h, "#fff") + rect(
            0, y + 0.06 * h, w, h, p.accent, 'opacity=".55"'
        )
    if place == "underwater":
        weeds = "".join(
            f'<path d="M{x * w:.0f} {h:.0f}q-14-30 0-52t0-46" stroke="{c}" stroke-width="8" '
            'fill="none" stroke-linecap="round"/>'
            for x, c in ((0.08, "#2f8f5b"), (0.14, "#3da36b"), (0.86, "#e5649b"), (0.93, "#f08a5d"))
        )
        return hill(0.5 * w, y - 0.06 * h, 0.9 * w, "#e8d49a") + weeds
    if place == "snow":
        return hill(0.2 * w, y - 0.1 * h, 0.7 * w, "#dfeaf6") + hill(0.75 * w, y - 0.05 * h, 0.8 * w, "#f5f9fd")
    if place == "desert":
        return hill(0.15 * w, y - 0.12 * h, 0.6 * w, "#d98a4e") + hill(0.8 * w, y - 0.06 * h, 0.8 * w, "#c8703a")
    if place == "city":
        return rect(0, y + 0.06 * h, w, h, "#20294a") + "".join(
            rect(x * w, y + 0.15 * h, 0.08 * w, 4, "#ffdf7e", 'rx="2"') for x in (0.05, 0.22, 0.39, 0.56, 0.73, 0.9)
        )
    green, light = ("#2f4d3a", "#3b5f48") if name in DARK or place == "night" else ("#6fae5a", "#8cc46c")
    if name in ("autumn", "sunset") and place != "night":
        green, light = "#c98a3d", "#dca658"
    grass = (
        hill(0.2 * w, y - 0.08 * h, 0.75 * w, light)
        + hill(0.85 * w, y - 0.03 * h, 0.85 * w, green)
        + rect(0, 0.9 * h, w, 0.1 * h, green)
    )
    if place == "forest":
        grass = (
            "".join(
                symbol("pine", x * w, y - 0.1 * h, s * h)
                for x, s in ((0.06, 0.5), (0.2, 0.62), (0.36, 0.48), (0.64, 0.5), (0.8, 0.64), (0.95, 0.52))
            )
            + grass
        )
    if place == "road":
        grass += f'<path d="M0 {0.86 * h:.0f}H{w:.0f}V{h:.0f}H0z" fill="#555b66"/>' + "".join(
            rect(x * w, 0.925 * h, 0.1 * w, 4, "#fff") for x in (0.04, 0.24, 0.44, 0.64, 0.84)
        )
    return grass


def _place_aloft(names: list[str], w: float, h: float, *, high: bool) -> list[str]:
    spots = {1: [(0.78, 0.22)], 2: [(0.76, 0.22), (0.24, 0.28)], 3: [(0.76, 0.2), (0.22, 0.26), (0.48, 0.16)]}
    if high:
        spots = {
            2: [(0.5, 0.5), (0.2, 0.75)],
            3: [(0.48, 0.48), (0.2, 0.74), (0.78, 0.8)],
            4: [(0.45, 0.5), (0.18, 0.78), (0.74, 0.82), (0.82, 0.2)],
        }
    parts = []
    for (x, y), name in zip(spots.get(len(names), spots[max(spots)]), names, strict=False):
        size = (0.2 if name in SMALL else 0.36) * h
        if high and name == "airplane":
            size = 0.6 * h
        parts.append(symbol(name, x * w, y * h, size * (0.7 if name == "star" else 1)))
    return parts


def _behind(names: list[str], w: float, base: float, shared: bool) -> list[str]:
    spots = [(0.5, 1.0)] if not shared and len(names) == 1 else [(0.2, 0.85), (0.82, 0.7), (0.62, 0.6)]
    if len(names) == 2 and not shared:
        spots = [(0.34, 1.0), (0.8, 0.62)]
    parts = []
    for (x, scale), name in zip(spots, names, strict=False):
        size = scale * base * (0.95 if name in ("mountain", "skyline") else 0.72)
        parts.append(symbol(name, x * w, base - 0.38 * size, size))
    return parts


def _front(place: str, names: list[str], shared: bool, w: float, h: float) -> list[str]:
    if place == "underwater":
        afloat = [(0.45, 0.45, 0.46), (0.76, 0.28, 0.24), (0.72, 0.68, 0.3)]
        return [symbol(n, x * w, y * h, s * h) for (x, y, s), n in zip(afloat, names, strict=False)]
    base = {"sea": 0.8, "table": 0.84, "room": 0.78, "road": 0.93, "city": 0.9}.get(place, 0.9) * h
    large = 0.5
    if len(names) == 1:
        spots = [(0.55 if shared else 0.5, large + 0.06)]
    elif len(names) == 2:
        spots = [(0.36, large), (0.68, large * 0.85)]
    else:
        spots = [(0.24, large * 0.8), (0.5, large), (0.77, large * 0.8)]
    parts = []
    for (x, s), name in zip(spots, names, strict=False):
        size = s * h * (0.6 if name in SMALL else 1)
        parts.append(symbol(name, x * w, base - 0.44 * size, size))
    return parts
