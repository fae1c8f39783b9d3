"""``domain.yaml`` against itself: walk, edge types, categories and languages must fit together."""

from __future__ import annotations

import re

from routenator.engine.display import show
from routenator.engine.domain.pack import NO_CATEGORY, DomainSpec
from routenator.engine.domain.text_rules import find_text_problem
from routenator.engine.errors import Fault
from routenator.engine.yaml_source import YamlSource

_LANGUAGE = re.compile(r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")


def check_spec(source: YamlSource, spec: DomainSpec) -> list[Fault]:
    """Faults that the model alone cannot see."""
    return [
        *_check_walk(source, spec),
        *_check_arguments(source, spec),
        *_check_verbs(source, spec),
        *_check_languages(source, spec),
        *_check_categories(source, spec),
    ]


def _check_walk(source: YamlSource, spec: DomainSpec) -> list[Fault]:
    faults = []
    for i, node_type in enumerate(spec.walk):
        if node_type in spec.walk[:i]:
            faults.append(source.fault(("walk", i), f"node type {node_type!r} is listed twice", "Remove one of them"))
    if len(spec.walk) == 1:
        faults.append(source.fault(("walk",), "a walk has two node types or more", "Add the type that it leads to"))
    steps = list(zip(spec.walk, spec.walk[1:], strict=False))
    spoken = [set(roles.spoken.values()) for roles in spec.roles.values()]
    names: set[str] = set()
    joined = set()
    for i, edge_type in enumerate(spec.edge_types):
        if edge_type.name in names:
            message = f"edge type {edge_type.name!r} is declared twice"
            faults.append(source.fault(("edge_types", i, "name"), message, "Rename or remove one of them"))
        names.add(edge_type.name)
        step = (edge_type.source, edge_type.target)
        if step not in steps and not any(types.issuperset(step) for types in spoken):
            message = f"{edge_type.name} joins {step[0]} to {step[1]}, which no walk visits one after the other"
            known = [f"{a} to {b}" for a, b in steps] + ["nodes of two arguments of one function"] * any(spoken)
            faults.append(source.fault(("edge_types", i), message, f"Join {' or '.join(known)}"))
        joined.add(step)
    for a, b in steps:
        if (a, b) not in joined:
            message = f"no edge type joins {a} to {b}, so no walk can take that step"
            faults.append(source.fault(("edge_types",), message, "Declare one, or correct walk"))
    return faults


def _check_verbs(source: YamlSource, spec: DomainSpec) -> list[Fault]:
    faults = []
    for function, verbs in spec.verbs.items():
        if function not in spec.arguments:
            message = f"verbs names {show(function)!r}, which has no arguments"
            faults.append(source.fault(("verbs", function), message, "Correct the name"))
        for i, verb in enumerate(verbs):
            if problem := find_text_problem(verb):
                faults.append(source.fault(("verbs", function, i), f"the verb {problem}", "Correct it, or remove it"))
    return faults


def _check_languages(source: YamlSource, spec: DomainSpec) -> list[Fault]:
    faults = []
    for i, language in enumerate(spec.languages):
        if not _LANGUAGE.match(language):
            message = f"{show(language)!r} is not a language tag"
            faults.append(source.fault(("languages", i), message, "Write it as in BCP 47, such as en or pt-BR"))
        elif language in spec.languages[:i]:
            message = f"language {language!r} is listed twice"
            faults.append(source.fault(("languages", i), message, "Remove one of them"))
    return faults


def _check_arguments(source: YamlSource, spec: DomainSpec) -> list[Fault]:
    """A function's arguments are all spoken, or one category and one text, for which there is a walk."""
    faults = []
    for function, arguments in spec.arguments.items():
        here = ("arguments", function)
        without_node = sorted(argument.kind for argument in arguments.values() if argument.node is None)
        if len(without_node) < len(arguments) and without_node:
            message = f"some arguments of {show(function)!r} have a node and others do not"
            faults.append(source.fault(here, message, "Give each of them a node type, or none of them"))
        elif without_node and without_node != ["category", "text"]:
            message = f"the arguments of {show(function)!r} without a node are not one category and one text"
            faults.append(source.fault(here, message, "Give every argument a node type, or name just these two"))
        elif without_node and not spec.walk:
            message = f"{show(function)!r} has arguments without a node, and there is no walk that grounds them"
            faults.append(source.fault(here, message, "Add walk, or give every argument a node type"))
        for name, argument in arguments.items():
            if argument.lowercase and argument.node is None:
                message = f"{show(name)!r} has lowercase, and no node type whose labels could be written small"
                faults.append(source.fault((*here, name, "lowercase"), message, "Remove it, or give it a node type"))
    return faults


def _check_categories(source: YamlSource, spec: DomainSpec) -> list[Fault]:
    faults = []
    with_category = any(roles.category for roles in spec.roles.values())
    if NO_CATEGORY in spec.categories:
        message = f"{NO_CATEGORY!r} stands for a row without a category"
        faults.append(source.fault(("categories", NO_CATEGORY), message, "Rename the category"))
    if not spec.categories and with_category:
        faults.append(source.fault(("categories",), "there is no category", "Add at least one"))
    for name, category in spec.categories.items():
        here = ("categories", name)
        if problem := find_text_problem(name):
            faults.append(source.fault(here, f"the category's name {problem}", "Write a short name"))
        if problem := find_text_problem(category.description):
            faults.append(source.fault((*here, "description"), f"the description {problem}", "Write one sentence"))
        for language in spec.languages:
            if not category.keywords.get(language):
                message = f"category {show(name)!r} has no keywords in language {show(language)!r}"
                faults.append(source.fault((*here, "keywords"), message, "Add the words by which users name it"))
        for language, words in category.keywords.items():
            if language not in spec.languages:
                message = f"language {show(language)!r} is not one of languages"
                faults.append(source.fault((*here, "keywords", language), message, "Remove it, or add the language"))
            for i, word in enumerate(words):
                if problem := find_text_problem(word):
                    at = (*here, "keywords", language, i)
                    faults.append(source.fault(at, f"the keyword {problem}", "Correct it, or remove it"))
    return faults
