"""The one text form of a question and its call, in training and in evaluation alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from routenator.engine.errors import TrainingError
from routenator.engine.training.settings import ToolsInPrompt

GORILLA_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ 'ASSISTANT: ' + message['content'] + eos_token + '\\n' }}"
    "{% else %}{{ 'USER: ' + message['content'] + '\\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT: ' }}{% endif %}"
)
"""Chat template of a model that learns to call functions and whose own knows none: Gorilla's turns."""


class ChatTokenizer(Protocol):
    """What is used of a transformers tokenizer."""

    chat_template: Any
    eos_token: str | None

    def apply_chat_template(self, conversation: Any, **options: Any) -> Any:
        """Render messages as the model was trained to read them."""
        ...


@dataclass(frozen=True)
class CallPrompter:
    """Writes prompts and answers for one model.

    A model whose chat template takes ``tools`` is asked in its own way. For any other the question and its functions
    are written as Gorilla does, inside the chat template that it has: after `adopt_template` that is Gorilla's too.

    Args:
        tokenizer: The model's.
        tools: OpenAI's ``tools`` list.
        tools_in_prompt: How much is said of them.

    Source:
        S. Patil et al., Gorilla: Large Language Model Connected with Massive APIs, 2023; the form of OpenFunctions,
        ``USER: <<question>> … <<function>> …``.
    """

    tokenizer: ChatTokenizer
    tools: Sequence[Mapping[str, Any]]
    tools_in_prompt: ToolsInPrompt = "schemas"

    @property
    def uses_own_tools(self) -> bool:
        """Whether the model's own template writes the functions and the calls."""
        return self.tools_in_prompt == "schemas" and takes_tools(self.tokenizer)

    def prompt(self, query: str) -> str:
        """All that stands before the answer, special tokens included."""
        if self.uses_own_tools:
            return self._render([{"role": "user", "content": query}], tools=list(self.tools))
        question = write_question(query, self.tools, self.tools_in_prompt)
        return self._render([{"role": "user", "content": question}])

    def completion(self, query: str, function: str, arguments: Mapping[str, Any]) -> str:
        """The answer as the model shall write it, up to its end token.

        Raises:
            TrainingError: The chat template writes a call so that it does not begin with the prompt.
        """
        if not self.uses_own_tools:
            return write_call(function, arguments) + (self.tokenizer.eos_token or "")
        call = {"type": "function", "function": {"name": function, "arguments": dict(arguments)}}
        turns = [{"role": "user", "content": query}, {"role": "assistant", "content": "", "tool_calls": [call]}]
        whole = self.tokenizer.apply_chat_template(turns, tools=list(self.tools), tokenize=False)
        prompt = self.prompt(query)
        if not whole.startswith(prompt):
            raise TrainingError(
                "the model's chat template does not begin a call where its prompt ends",
                hint="Set tools_in_prompt: signatures, which does not use the template's own tools",
            )
        return str(whole[len(prompt) :]).rstrip("\n")

    def _render(self, messages: list[dict[str, str]], **options: Any) -> str:
        if not self.tokenizer.chat_template:
            options["chat_template"] = GORILLA_TEMPLATE
        rendered = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, **options)
        return str(rendered)


def takes_tools(tokenizer: ChatTokenizer) -> bool:
    """Whether the model's chat template writes functions itself."""
    return "tools" in str(tokenizer.chat_template or "")


def adopt_template(tokenizer: ChatTokenizer) -> None:
    """Give a tokenizer whose chat template takes no tools, or that has none, the template of Gorilla.

    The adapter is saved with it, and so is what is merged: every server then asks as in training. Without the default
    system turn of the model's own, an example of SmolLM2 has 51 tokens instead of 73.
    """
    if not takes_tools(tokenizer):
        tokenizer.chat_template = GORILLA_TEMPLATE


def write_question(query: str, tools: Sequence[Mapping[str, Any]], tools_in_prompt: ToolsInPrompt) -> str:
    """The user's turn of a model whose template takes no tools: the query, with what is said of the functions."""
    if tools_in_prompt == "none":
        return query
    if tools_in_prompt == "signatures":
        functions = " ".join(write_signature(tool["function"]) for tool in tools)
    else:
        functions = orjson.dumps([tool["function"] for tool in tools]).decode()
    return f"<<question>> {query}\n<<function>> {functions}"


def write_call(function: str, arguments: Mapping[str, Any]) -> str:
    """A call as JSON; arguments in the order in which they are given."""
    return orjson.dumps({"name": function, "arguments": dict(arguments)}).decode()


def write_signature(function: Mapping[str, Any]) -> str:
    """``search(content_type, prompt)``: a function's name and arguments."""
    return f"{function['name']}({', '.join(function.get('parameters', {}).get('properties', {}))})"
