"""Layouts of backgrounds: something at the edges, quiet in the middle."""

from __future__ import annotations

import random

from brief import Brief, Drawing
from palettes import DARK
from scenes import draw_scene
from shapes import bands, circle, rect, symbol


def draw_wallpaper(b: Brief) -> Drawing:
    """A ground that leaves room: shapes at the edges, quiet in the middle."""
    w, h, p = 448, 280, b.palette
    rng = random.Random(b.seed)
    parts = [bands(w, h, p.sky)]
    tones = [p.ground, p.ground2, p.accent]
    if b.variant == "blobs":
        parts += [
            circle(x * w, y * h, r * h, tones[i % 3], 'opacity=".55"')
            for i, (x, y, r) in enumerate(
                [(0.05, 0.1, 0.4), (0.95, 0.9, 0.5), (0.9, 0.05, 0.3), (0.15, 0.95, 0.35), (0.6, 0.4, 0.16)]
            )
        ]
    elif b.variant == "waves":
        parts += [
            f'<path d="M0 {h * y:.0f}q56-36 112 0t112 0 112 0 112 0V{h}H0z" fill="{c}"/>'
            for y, c in ((0.45, "#6fb7e6"), (0.6, "#3a9bd1"), (0.74, "#2779b0"), (0.88, "#12395b"))
        ]
    elif b.variant == "stripes":
        parts = [rect(0, 0, w, h, p.ground)] + [
            f'<path d="M{x} {h}L{x + 280} 0h44L{x + 44} {h}z" fill="{tones[i % 2 + 1]}"/>'
            for i, x in enumerate(range(-300, 480, 88))
        ]
    elif b.variant == "bokeh":
        parts += [
            circle(
                rng.random() * w,
                rng.random() * h,
                8 + rng.random() * 30,
                rng.choice(("#ffc93c", "#ffe08a", "#f4a53c")),
                f'opacity="{0.25 + rng.random() * 0.4:.2f}"',
            )
            for _ in range(30)
        ]
    elif b.variant == "dots":
        parts = [rect(0, 0, w, h, p.ground2)] + [
            circle(x + (20 if y % 80 else 0), y, 10, p.ground) for y in range(0, 300, 40) for x in range(0, 470, 40)
        ]
    elif b.variant == "triangles":
        parts = [rect(0, 0, w, h, p.ground)]
        shades = [p.ground, p.ground2, *p.sky, p.accent]
        for x in range(0, 450, 56):
            for y in range(0, 290, 56):
                parts.append(
                    f'<path d="M{x} {y}h56l-56 56z" fill="{rng.choice(shades)}"/>'
                    f'<path d="M{x + 56} {y}v56h-56z" fill="{rng.choice(shades)}"/>'
                )
    elif b.variant == "shapes":
        parts = [rect(0, 0, w, h, p.ground)]
        for i in range(26):
            left, top, c = (
                rng.random() * w,
                rng.random() * h,
                rng.choice(("#ff6f91", "#4aa3df", "#ffc93c", "#5fc27e", "#8e5bd0")),
            )
            parts.append(
                (
                    circle(left, top, 13, c),
                    f'<path d="M{left:.0f} {top:.0f}l12-12 12 12 12-12 12 12" fill="none" '
                    f'stroke="{c}" stroke-width="5"/>',
                    f'<path d="M{left:.0f} {top:.0f}l16 28h-32z" fill="{c}"/>',
                )[i % 3]
            )
    elif b.variant == "hills":
        return (
            w,
            h,
            draw_scene(
                "night" if b.palette_name in DARK or "bat" in b.symbols else "hills",
                b.palette_name,
                b.symbols,
                w,
                h,
                b.seed,
            ),
        )
    else:
        spots = [(i % 6 * 80 + 30 + rng.random() * 30, i // 6 * 72 + 30 + rng.random() * 20) for i in range(24)]
        parts += [
            symbol(
                b.symbols[i % len(b.symbols)],
                x,
                y,
                26 + rng.random() * 26,
                turn=rng.random() * 60 - 30,
                extra='opacity=".9"',
            )
            for i, (x, y) in enumerate(spots)
        ]
    return w, h, "".join(parts)
