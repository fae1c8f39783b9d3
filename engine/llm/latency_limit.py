"""How many requests a replica gets at once that says nothing of its load: learnt from latency and throughput."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

MIN_WINDOW = 128
"""Completions; fewer say too little about throughput."""
WINDOW_PER_CAP = 4
SLOW = 2.0
"""Median latency over the baseline beyond which a cut is tried."""
DEEPEST_CUT = 0.5
SHALLOWEST_CUT = 0.75
RAISE = 1.25
CUT_ELASTICITY = 0.2
"""A cut of the cap by x may cost a fifth of x of the throughput, or it is taken back."""
RAISE_ELASTICITY = 0.3
"""A raise by x must bring 0.3 of x. More than a cut may cost: between the two the cap stays where it is."""
FIRST_ANSWERS = 8
"""When a run starts, the first answers have seen no queue yet."""
BASELINE_DRIFT = 1.01
FIRST_HOLD = 4
LONGEST_HOLD = 64
SATURATED = 0.8


@dataclass(slots=True)
class _Trial:
    """A cap on trial: what to go back to, and the throughput to compare with, in completions per second."""

    old_cap: int
    throughput: float


class LatencyLimit:
    """Seeks the smallest concurrency that holds the throughput, by trying.

    A server with an unbounded queue (vLLM) never answers 503: beyond its capacity only latency grows. But on a GPU
    latency also grows with the batch while throughput still rises, so latency alone must not decide. Therefore a slow
    window (median latency over twice the baseline) only opens a trial: the cap is cut, and the cut stays if the
    throughput stays. Otherwise the old cap comes back and no trial is made for a while, twice as long after each
    failure. Below the ceiling, raises are tried in the same way, and stay if they bring throughput.

    A window is 4 completions for each request that may be out, and at least 128. What was sent before the last change
    of the cap is left out of it. A window in which requests did not fill the cap decides nothing.

    Pure: all times are given, in monotonic seconds.

    Source:
        The baseline is TCP Vegas' BaseRTT (Brakmo and Peterson, 1995); the depth of a cut follows the gradient of
        Netflix' concurrency-limits (2018); that throughput decides is BBR's idea (Cardwell et al., 2016). The trials
        are ours.
    """

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.cap = ceiling
        self._baseline_s = float("inf")
        self._trial: _Trial | None = None
        self._hold = 0
        self._next_hold = FIRST_HOLD
        self._changed_at = float("-inf")
        self._latencies_s: list[float] = []
        self._full = 0
        self._started_at: float | None = None

    def on_answer(self, sent_at: float, now: float, in_flight: int) -> None:
        """A request was answered.

        Args:
            sent_at: When it went out.
            now: When the answer was complete.
            in_flight: Requests that were out just before, with this one.
        """
        if sent_at < self._changed_at:
            return
        if self._started_at is None:
            self._started_at = now
            return
        self._latencies_s.append(now - sent_at)
        self._full += in_flight >= self.cap
        if len(self._latencies_s) >= max(MIN_WINDOW, WINDOW_PER_CAP * self.cap) and now > self._started_at:
            self._decide(now)

    def forget_window(self) -> None:
        """What was measured since the last decision is not the server's doing, as when this process was stopped."""
        self._start_window()

    def _start_window(self) -> None:
        self._latencies_s = []
        self._full = 0
        self._started_at = None

    def _decide(self, now: float) -> None:
        assert self._started_at is not None
        if self._baseline_s == float("inf"):
            self._baseline_s = median(self._latencies_s[:FIRST_ANSWERS])
        latencies_s = sorted(self._latencies_s)
        count = len(latencies_s)
        throughput = count / (now - self._started_at)
        is_full = self._full >= SATURATED * count
        self._start_window()
        self._baseline_s = min(self._baseline_s * BASELINE_DRIFT, latencies_s[count // 10])
        slowness = latencies_s[count // 2] / self._baseline_s if self._baseline_s > 0 else 1.0
        trial, self._trial = self._trial, None
        if trial is not None:
            change = self.cap / trial.old_cap - 1
            elasticity = CUT_ELASTICITY if change < 0 else RAISE_ELASTICITY
            held = throughput >= trial.throughput * (1 + elasticity * change)
            if not (is_full and held):
                self._set_cap(trial.old_cap, now)
                if is_full:
                    self._hold, self._next_hold = self._next_hold, min(self._next_hold * 2, LONGEST_HOLD)
                return
            self._next_hold = FIRST_HOLD
        if not is_full:
            return
        if self._hold > 0:
            self._hold -= 1
        elif slowness > SLOW and self.cap > 1:
            factor = min(max(SLOW / slowness, DEEPEST_CUT), SHALLOWEST_CUT)
            self._try(max(1, int(self.cap * factor)), throughput, now)
        elif self.cap < self.ceiling:
            self._try(min(self.ceiling, max(self.cap + 1, int(self.cap * RAISE))), throughput, now)

    def _try(self, cap: int, throughput: float, now: float) -> None:
        self._trial = _Trial(self.cap, throughput)
        self._set_cap(cap, now)

    def _set_cap(self, cap: int, now: float) -> None:
        self.cap = cap
        self._changed_at = now
