"""A host whose models say what a test has them say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from etude.rows import Request, Sampled, StopReason
from etude.verifier.host import Alone


class Wording:
    def literal(self) -> Wording:
        return self

    def encode_prompt(self, prompt: str, system: str | None, messages: Any) -> list[int]:
        return [*map(ord, f"{system or ''}{prompt}")]


@dataclass
class Config:
    max_position_embeddings: int = 4000


class Model:
    """A model of code points."""

    wording = Wording()

    def __init__(self) -> None:
        self.causal_lm = self
        self.config = Config()

    def answer_text(self, tokens: Sequence[int], *_: Any) -> str:
        return "".join(map(chr, tokens))


@dataclass
class Says(Alone):
    """A host whose every model answers a prompt by a function of it; it keeps what was asked."""

    reply: Callable[[str], str] = lambda prompt: ""
    asked: list[str] = field(default_factory=list)
    temperatures: list[float] = field(default_factory=list)
    rollout: Any = field(default_factory=Config)

    def model(self, name: str) -> Any:
        return Model()

    def engine(self, name: str, sampling: Any = None) -> Any:
        return self

    def sample(self, requests: Sequence[Request], *, temperature: float) -> list[Sampled]:
        found = []
        for request in requests:
            prompt = "".join(map(chr, request.prompt))
            self.asked.append(prompt)
            self.temperatures.append(temperature)
            tokens = tuple(map(ord, self.reply(prompt)))
            found.append(Sampled(tokens, (0.0,) * len(tokens), StopReason.STOP))
        return found
