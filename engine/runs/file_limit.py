"""How many samples the limit of open files allows."""

from __future__ import annotations

import resource

FILES_BESIDE_CALLS = 96
"""Databases, pipes, the graph, libraries, and a connection for each replica's metrics."""
MOST_FILES = 65_536
"""The hard limit may be huge, and some libraries close every descriptor below the soft one."""


def raise_file_limit() -> int:
    """Raise the soft limit of open files as far as it is of use and allowed; what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):
            return soft
        return wanted
    return MOST_FILES if soft == resource.RLIM_INFINITY else soft


def fit_to_file_limit(max_in_flight: int, workers: int, files: int) -> tuple[int, str | None]:
    """The samples that may be in flight when each of ``workers`` processes may open ``files`` files.

    Returns:
        The number over all workers, and what is to be said if it is lower than ``max_in_flight``.
    """
    possible = max(1, files - FILES_BESIDE_CALLS) * workers
    if possible >= max_in_flight:
        return max_in_flight, None
    return possible, (
        f"Only {files:,} files may be open at once (ulimit -n): at most {possible:,} samples are in flight, "
        f"not {max_in_flight:,}."
    )
