"""One answer of a model: text, structured text or the call of a tool, with its tokens; or what a fault makes of it.

Faults: `bad_json` (cut in the middle), `wrong_schema`, `fenced` (JSON in a code fence), `prose` (words instead of the
tool or the JSON), `empty`, `length` (ends for want of tokens), `long_answer` (`amount` output tokens), `cached`
(`amount` of the input tokens come from the cache).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from openbell.sandbox.faults import Fault
from openbell.sandbox.llm.prices import BYTES_PER_TOKEN, Model, step, tokens
from openbell.sandbox.llm.writer import Writer

KINDS = frozenset(("bad_json", "wrong_schema", "fenced", "prose", "empty", "length", "long_answer", "cached"))
FINAL_TOOL = "final_result"  # a tool of this name is called even when the model is free to

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that can be called."""

    name: str
    schema: Schema


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the text to answer, everything whose tokens count, and the form that is wanted."""

    prompt: str
    counted: str
    model: Model
    most_tokens: int | None = None
    schema: Schema | None = None
    tool: Tool | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered. With a tool, `text` holds the arguments as JSON (or what is left of it)."""

    text: str
    tool: str | None
    stop: Literal["stop", "length", "tool"]
    model: Model
    input_tokens: int
    cached_tokens: int
    output_tokens: int

    def usd_micro(self, *, half: bool = False) -> int:
        """What it costs; half of that in a batch."""
        return self.model.cost(self.input_tokens, self.output_tokens, self.cached_tokens, half=half)


def chosen(tools: Sequence[Tool], *, forced: bool, name: str | None = None) -> Tool | None:
    """The tool that the model calls: the one that is named, the final one, or when it must call one, the first."""
    by_name = {tool.name: tool for tool in tools}
    wanted = name or (FINAL_TOOL if FINAL_TOOL in by_name else None)
    return by_name.get(wanted) if wanted else tools[0] if forced and tools else None


def reply(question: Question, fault: Fault | None, day: date) -> Reply:
    """Answer a question; the same question gets the same answer."""
    kind = fault.kind if fault else None
    amount = fault.spec.amount or 0 if fault else 0
    text, tool = _text(question, kind, Writer(question.prompt, day))
    stop: Literal["stop", "length", "tool"] = "tool" if tool else "stop"
    most = question.most_tokens
    if kind == "length":
        text, stop = text[: len(text) // 2], "length"
    elif most is not None and tokens(text) > step(most):
        text, stop = text.encode()[: most * BYTES_PER_TOKEN].decode(errors="ignore"), "length"
    input_tokens = tokens(question.counted)
    cached = min(amount, input_tokens) if kind == "cached" else 0
    output = amount if kind == "long_answer" else tokens(text)
    return Reply(text, tool, stop, question.model, input_tokens, cached, output)


def _text(question: Question, kind: str | None, writer: Writer) -> tuple[str, str | None]:
    schema = question.tool.schema if question.tool else question.schema
    name = question.tool.name if question.tool else None
    if kind == "empty":
        return "", None
    if schema is None or kind == "prose":
        return writer.text(), None
    whole = json.dumps(writer.json(schema))
    if kind == "bad_json":
        return whole[: len(whole) // 2], name
    if kind == "wrong_schema":
        return '{"unexpected": true}', name
    if kind == "fenced" and name is None:
        return f"```json\n{whole}\n```", None
    return whole, name
