"""A language model's answer, made of the prompt's words."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

_OPENINGS = (
    "Here is what the emulator makes of it",
    "A local answer, not a model's",
    "Put together from your own words",
)
_LONG_WORDS = re.compile(r"[^\W\d_]{4,}")


@dataclass(frozen=True, slots=True)
class Answer:
    """A structured answer; `thinking[i]` belongs to `answer[i]`."""

    prompt: str
    thinking: tuple[str, ...]
    answer: tuple[str, ...]

    @property
    def raw(self) -> str:
        """The model's whole output, with its thinking in tags."""
        pairs = zip(self.thinking, self.answer, strict=True)
        return "".join(f"<think>{thought}</think>{said}" for thought, said in pairs)

    @property
    def merged(self) -> str:
        """The plain text of the answer, as `debugoutput` carries it."""
        return "\n".join(self.answer)

    @property
    def tokens(self) -> int:
        """A count of tokens for the price: a quarter of the characters, in and out."""
        return max(1, (len(self.prompt) + len(self.raw)) // 4)

    @property
    def segments(self) -> list[dict[str, Any]]:
        """Thoughts and answers in their order."""
        pairs = zip(self.thinking, self.answer, strict=True)
        return [
            {"type": kind, "text": text}
            for pair in pairs
            for kind, text in zip(("thinking", "answer"), pair, strict=True)
        ]

    @property
    def usage(self) -> dict[str, int]:
        """The token counts, as `content` has them."""
        read = min(self.tokens, len(self.prompt) // 4)
        return {"input_tokens": read, "output_tokens": self.tokens - read, "total_tokens": self.tokens}

    def to_json(self, finish_reason: str = "stop") -> dict[str, Any]:
        """Return the `content` of a `raw` output with everything in it."""
        return {
            "prompt": self.prompt,
            "raw": self.raw,
            "thinking": list(self.thinking),
            "answer": list(self.answer),
            "segments": self.segments,
            "finishreason": finish_reason,
            "usage": self.usage,
        }


SHAPES = frozenset({"full", "segments", "answer", "raw", "message", "tools", "null", "text", "json"})
"""
What a `content` can consist of: everything; the prompt and its segments; the list of answers alone; the
whole output with its thinking in tags; a `message`; a function call in place of an answer; nothing; plain
text; everything as JSON text.
"""


def answer_content(answer: Answer, shape: str, finish_reason: str) -> Any:
    """Return an answer as a `content` of one of the `SHAPES`."""
    full = answer.to_json(finish_reason)
    match shape:
        case "full":
            return full
        case "segments":
            return {name: full[name] for name in ("prompt", "segments", "finishreason", "usage")}
        case "answer" | "raw":
            return {shape: full[shape]}
        case "message":
            return {"message": answer.merged}
        case "tools":
            call = {"type": "function_call", "name": "draw", "call_id": "call_1", "arguments": "{}"}
            thoughts = [segment for segment in answer.segments if segment["type"] == "thinking"]
            return {"prompt": answer.prompt, "segments": [*thoughts, call], "finishreason": finish_reason}
        case "null":
            return None
        case "text":
            return answer.merged
        case "json":
            return json.dumps(full)
        case _:
            raise ValueError(f"an answer has one of the shapes {sorted(SHAPES)}, not {shape!r}")


def write_answer(prompt: str, seed: str, *, verbosity: str, files: int) -> Answer:
    """Answer a prompt with its own words; `verbosity` sets the length, `seed` picks among the sentences."""
    dice = hashlib.sha256(seed.encode()).digest()
    subjects = list(dict.fromkeys(word.lower() for word in _LONG_WORDS.findall(prompt)))[:6] or ["nothing"]
    opening = _OPENINGS[dice[0] % len(_OPENINGS)]
    sentences = [f"{opening}: {', '.join(subjects)}."]
    if verbosity != "low":
        sentences.append(f"What matters most is {subjects[dice[1] % len(subjects)]}.")
    if verbosity == "high":
        sentences.append(f"After that comes {subjects[dice[2] % len(subjects)]}, and the rest follows.")
    thought = f"The prompt has {len(prompt.split())} words; {files} files came with it."
    return Answer(prompt, (thought,), (" ".join(sentences),))
