"""Named colour schemes of the drawn items."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Palette:
    """Five colours: two grounds (light first unless the scheme is dark), an accent, and two for lettering."""

    ground: str
    ground2: str
    accent: str
    ink: str
    ink2: str
    sky: tuple[str, str, str, str]
    """Bands of a sky or a gradient, from the top."""


PALETTES: dict[str, Palette] = {
    "candy": Palette(
        "#ffe3ec", "#ffc2d6", "#ff6f91", "#7a2e5d", "#a35183", ("#c9e4ff", "#e3dcff", "#ffd9ec", "#ffe9d6")
    ),
    "sunset": Palette(
        "#ffe8cf", "#ffb98a", "#ef5d44", "#5b2333", "#8c3b3f", ("#6a3d7c", "#c8566b", "#f58a5b", "#ffc978")
    ),
    "ocean": Palette(
        "#e3f4fb", "#b5dff2", "#2b86c5", "#12395b", "#2f628c", ("#6fb7e6", "#93cdf0", "#bde3f6", "#e2f4fb")
    ),
    "forest": Palette(
        "#e7f0dc", "#bdd6a8", "#3f8a4f", "#1f4029", "#456b45", ("#a9d3c5", "#c4e2c9", "#dcecd0", "#eef5dd")
    ),
    "night": Palette(
        "#1f2547", "#2e3768", "#ffc93c", "#f4f1ff", "#c6c3ee", ("#141a3a", "#1e2650", "#2f3870", "#4b4f92")
    ),
    "autumn": Palette(
        "#fbe9cf", "#f0c48a", "#d0662a", "#5a2d14", "#8a4f26", ("#f2a65e", "#f6bd7c", "#fad6a0", "#fdecc8")
    ),
    "mono": Palette(
        "#f2f3f5", "#d4d8de", "#5a6377", "#262b36", "#596275", ("#c9ced8", "#d8dce4", "#e6e9ee", "#f4f5f7")
    ),
    "gold": Palette(
        "#fff4cf", "#ffe08a", "#d99c1f", "#5a4310", "#8a6a1f", ("#ffd977", "#ffe39a", "#ffedbd", "#fff6dc")
    ),
    "spring": Palette(
        "#eefbe2", "#cdeeb4", "#ef6f8f", "#2f5d34", "#5f8a56", ("#9fdcf2", "#bfe8f3", "#daf3ea", "#f1fbe3")
    ),
    "earth": Palette(
        "#f1e4d3", "#d8bd9a", "#a35f35", "#43291a", "#73503a", ("#d2b48c", "#dfc8a6", "#ebdcc2", "#f5ecdc")
    ),
    "berry": Palette(
        "#f4dcec", "#dba8cf", "#a8327a", "#4b1140", "#7b2f69", ("#4a2367", "#7a347f", "#b25490", "#e58fa8")
    ),
    "mint": Palette(
        "#def7ee", "#aee6d2", "#18a58a", "#0f4c45", "#33766a", ("#8fded0", "#b2e9dc", "#d3f3ea", "#eefbf6")
    ),
    "cream": Palette(
        "#fdf6e8", "#f1dfc0", "#c98b4a", "#4d3a26", "#7f664a", ("#f3d9b1", "#f7e4c6", "#fbefdb", "#fffaf0")
    ),
}
DARK = frozenset({"night"})
