"""What nodes may use: clients and read-only services. Built once for a run, shared by every sample."""

from __future__ import annotations

from dataclasses import dataclass

from routenator.engine.config import CritiqueSettings
from routenator.engine.domain.pack import DomainPack
from routenator.engine.kg.argument_walker import ArgumentWalker
from routenator.engine.kg.content import ContentIndex
from routenator.engine.kg.walker import Walker
from routenator.engine.llm.pool import LlmPool
from routenator.engine.prompting.examples import ExampleBank
from routenator.engine.prompting.library import PromptLibrary
from routenator.engine.routing.plan import Plan
from routenator.engine.validation.critic import Critic
from routenator.engine.validation.lexicon import Lexicon


@dataclass(frozen=True)
class Deps:
    """Everything behind a run. ``llm`` holds the only open connections."""

    pack: DomainPack
    plan: Plan
    prompts: PromptLibrary
    examples: ExampleBank
    lexicon: Lexicon
    walker: Walker
    argument_walker: ArgumentWalker
    content: ContentIndex
    llm: LlmPool
    critic: Critic
    settings: CritiqueSettings
    """How often a sample is tried."""

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.plan.seed
