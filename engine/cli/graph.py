"""``routenator graph``: the state machine, as Mermaid."""

from __future__ import annotations

from routenator.engine.cli.console import write


def graph() -> None:
    """Print the state machine that every sample passes, as a Mermaid diagram.

    Example: routenator graph > docs/graph.mmd
    """
    from routenator.graphs.sample import build_graph

    write(build_graph().get_graph().draw_mermaid())
