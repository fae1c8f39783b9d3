"""The signals that ask a command to stop."""

from __future__ import annotations

import signal


def stop_signals() -> tuple[signal.Signals, ...]:
    """Ctrl-C, the end that a batch system asks for, and a lost session, unless `nohup` has it ignored."""
    asks = (signal.SIGINT, signal.SIGTERM)
    return asks if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (*asks, signal.SIGHUP)
