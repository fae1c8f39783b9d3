"""Which prompts a pack's targets ask for."""

from __future__ import annotations

from routenator.engine.domain.pack import DomainPack
from routenator.engine.prompting.grammar import Grammar
from routenator.engine.prompting.library import Prompt
from routenator.engine.routing.fitting import fit_targets


def is_asked_for(pack: DomainPack, prompt: Prompt) -> bool:
    """Whether two in a thousand of the pack's slots or more are of the prompt's route, functions and phrasings."""
    if isinstance(prompt, Grammar) and bool(prompt.argument_names) != bool(pack.spec.spoken_arguments):
        return False
    wanted = {
        "route": {prompt.name.split("/")[0]},
        "function": prompt.meta.functions,
        "phrasing": prompt.meta.phrasings,
    }
    share = 1.0
    for table in fit_targets(pack.targets):
        share *= sum(
            part
            for cell, part in table.share_by_cell.items()
            if all(not wanted.get(axis) or value in wanted[axis] for axis, value in zip(table.axes, cell, strict=True))
        )
    return share >= 0.002
