"""A language model's answer, made of the prompt's own words."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.inputs import Inputs

_OPENINGS = (
    "Here is what the emulator makes of it",
    "A local answer, not a model's",
    "Put together from your own words",
)
_LONG_WORDS = re.compile(r"[^\W\d_]{4,}")


@dataclass(frozen=True, slots=True)
class Answer:
    """A structured answer: `thinking[i]` belongs to `answer[i]`."""

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

    def to_wire(self) -> dict[str, Any]:
        """Return the `content` of a `raw` output."""
        return {
            "prompt": self.prompt,
            "raw": self.raw,
            "thinking": list(self.thinking),
            "answer": list(self.answer),
        }


def answer(inputs: Inputs) -> Answer:
    """Answer a prompt. The words are the prompt's, the rest depends on every parameter."""
    prompt = inputs.text("prompt")
    dice = hashlib.sha256(inputs.variety.encode()).digest()
    subjects = list(dict.fromkeys(word.lower() for word in _LONG_WORDS.findall(prompt)))[:6] or ["nothing"]
    opening = _OPENINGS[dice[0] % len(_OPENINGS)]
    sentences = [f"{opening}: {', '.join(subjects)}."]
    if inputs.text("verbosity") != "low":
        sentences.append(f"What matters most is {subjects[dice[1] % len(subjects)]}.")
    if inputs.text("verbosity") == "high":
        sentences.append(f"After that comes {subjects[dice[2] % len(subjects)]}, and the rest follows.")
    thought = f"The prompt has {len(prompt.split())} words; {len(inputs.sources)} files came with it."
    return Answer(prompt, (thought,), (" ".join(sentences),))
