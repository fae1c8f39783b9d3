"""What a layout is told to draw, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass

from palettes import PALETTES, Palette

Drawing = tuple[float, float, str]
"""Width and height in pixels, and the SVG fragment."""


@dataclass(frozen=True)
class Brief:
    """What is to be drawn."""

    variant: str
    palette_name: str
    symbols: list[str]
    lines: list[str]
    seed: str

    @property
    def palette(self) -> Palette:
        """The colours."""
        return PALETTES[self.palette_name]
