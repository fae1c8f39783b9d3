"""Length bands chosen from the data, so that each is wide enough to be written for and full enough to be counted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9, 0.98)
"""Where bands end: narrow tails, so that neither the shortest nor the longest queries are drowned in the middle."""

_FEWEST_ROWS = 10
_TOP_QUANTILE = 0.995
_MOST_WORDS = 999


def choose_bands(lengths: Sequence[int]) -> tuple[str, ...]:
    """Bands that cover the lengths from the shortest to the 99.5 % quantile without a gap.

    Each is two words wide at least (a writer cannot hit one number of words reliably) and holds ten rows at least, as
    far as the sample allows.

    Args:
        lengths: Words of each query, at least one query.

    Returns:
        Names as `routenator.engine.routing.targets.parse_length_band` reads them, from short to long.
    """
    words = np.minimum(np.sort(np.asarray(lengths)), _MOST_WORDS)
    first = int(words[0])
    last = max(first, int(np.quantile(words, _TOP_QUANTILE, method="higher")))
    ends: list[int] = []
    for quantile in QUANTILES:
        start = ends[-1] + 1 if ends else first
        end = max(int(np.quantile(words, quantile, method="lower")), start + 1)
        inside = ((words >= start) & (words <= end)).sum()
        after = (words > end).sum()
        if inside >= _FEWEST_ROWS and after >= _FEWEST_ROWS and last - end >= 2:
            ends.append(end)
    bounds = [*ends, last]
    starts = [first, *(end + 1 for end in ends)]
    return tuple(f"{start}-{end}" for start, end in zip(starts, bounds, strict=True))


def band_of(words: int, bands: Sequence[str]) -> str:
    """The band that holds ``words``; the first or the last for a length outside all of them."""
    for band in bands:
        if words <= int(band.partition("-")[2]):
            return band
    return bands[-1]
