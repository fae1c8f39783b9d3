"""Figures of a run at work, in words and at a width that a terminal has."""

from __future__ import annotations


def format_eta(eta_s: float | None) -> str:
    """``unknown``, ``45 s``, ``2 min 05 s``, ``1 h 02 min``, ``3 d 04 h``."""
    if eta_s is None:
        return "unknown"
    minutes, seconds = divmod(round(eta_s), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours:02} h"
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def format_rate(rate_s: float) -> str:
    """Rows a second, or a minute where that is a figure that can be read."""
    return f"{rate_s * 60:.1f} rows/min" if 0 < rate_s < 1 else f"{rate_s:,.1f} rows/s"


def format_latency(latency_ms: float | None) -> str:
    """``210 ms``, ``12.3 s``, or a dash before the first answer."""
    if latency_ms is None:
        return "–"
    return f"{latency_ms:.0f} ms" if latency_ms < 10_000 else f"{latency_ms / 1000:.1f} s"
