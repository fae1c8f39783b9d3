"""The state machine of one sample: wiring and edges only.

``route → walk → generate_{heuristic|text|vision} → critique``; the critique accepts, revises (back to the generation),
re-grounds (back to the walk) or rejects.
"""

from __future__ import annotations

from collections.abc import Hashable

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from routenator.engine.deps import Deps
from routenator.engine.nodes.critique import critique
from routenator.engine.nodes.generate_heuristic import generate_heuristic
from routenator.engine.nodes.generate_text import generate_text
from routenator.engine.nodes.generate_vision import generate_vision
from routenator.engine.nodes.route import route
from routenator.engine.nodes.walk import walk
from routenator.engine.sample import MODALITIES
from routenator.engine.state import SampleState

SampleGraph = CompiledStateGraph[SampleState, Deps, SampleState, SampleState]

GENERATORS: dict[Hashable, str] = {modality: f"generate_{modality}" for modality in MODALITIES}


async def choose_generator(state: SampleState) -> str:
    """Modality of the slot's route. A coroutine, as every edge here: LangGraph runs a plain function in a thread."""
    assert state["stratum"] is not None
    return state["stratum"].route


async def follow_decision(state: SampleState) -> str:
    """``accept``, ``reject``, ``reground``, or ``revise_<modality>``."""
    decision = state["decision"]
    assert decision is not None
    return f"revise_{await choose_generator(state)}" if decision == "revise" else decision


def build_graph() -> SampleGraph:
    """Compile the graph. No checkpointer: the committed row is the unit of resume."""
    builder: StateGraph[SampleState, Deps, SampleState, SampleState] = StateGraph(SampleState, context_schema=Deps)
    builder.add_node("route", route)
    builder.add_node("walk", walk)
    builder.add_node("generate_heuristic", generate_heuristic)
    builder.add_node("generate_text", generate_text)
    builder.add_node("generate_vision", generate_vision)
    builder.add_node("critique", critique)
    builder.add_edge(START, "route")
    builder.add_edge("route", "walk")
    builder.add_conditional_edges("walk", choose_generator, dict(GENERATORS))
    for generator in GENERATORS.values():
        builder.add_edge(generator, "critique")
    after: dict[Hashable, str] = {"accept": END, "reject": END, "reground": "walk"}
    after |= {f"revise_{modality}": generator for modality, generator in GENERATORS.items()}
    builder.add_conditional_edges("critique", follow_decision, after)
    return builder.compile(name="sample")
