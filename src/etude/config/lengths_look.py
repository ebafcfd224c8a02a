"""A first look at lengths: rows a stage would refuse as too long, told before anything trains.

What is counted is the least that a row can come to, its own texts without what a chat template puts
around them, so that no row is refused here that would fit. One that is longer only with its
template is told when its stage opens the data.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from etude.config import check_model, needs
from etude.config.spelling import at
from etude.rows import Example
from etude.schema import Schema

#: Tokens by which joining a text to what stands around it may shorten it.
_JOINED = 8

#: Bytes of a tokenizer's file up to which it is looked whether it joins anything.
_SMALL = 100_000

_PAIR = ("chosen", "rejected")


@dataclass(frozen=True)
class Limit:
    """How many tokens a row that is trained on may have, and the keys that say so."""

    tokens: int
    key: str
    why: str
    rule: str
    beside: str

    def said(self, place: str, long: Mapping[str, int], seen: int) -> str:
        """Return what to say of rows (id → tokens) that are too long, and what to type."""
        row, tokens = max(long.items(), key=lambda item: item[1])
        return (
            f"{place}: {len(long)} of {seen} rows looked at are longer than {self.why} allows"
            f" (row {row} has {tokens:,} tokens or more).\n"
            f"  {self.rule}=drop  leaves them out\n"
            f"  {self.rule}=cut   keeps a part of each\n"
            f"  {self.key}=NUMBER  {self.beside}"
        )


@dataclass(frozen=True)
class Counter:
    """Counts the tokens of a text; a row may have fewer than its texts, by ``joined``."""

    tokens: Callable[[str], int]
    joined: int = _JOINED


@dataclass(frozen=True)
class Lengths:
    """A limit, which texts of a row count towards it beside the prompt, and how they are counted.

    Of several answers the longest counts.
    """

    limit: Limit
    answers: Callable[[Example], Sequence[str]]
    count: Counter

    def exceeded(self, example: Example) -> int | None:
        """Return the least number of tokens of a row that is surely too long, None for others."""
        prompt = [message.content for message in example.messages] or [example.prompt]
        texts = [*prompt, example.system or "", max(self.answers(example), key=len, default="")]
        if sum(len(text.encode()) for text in texts) <= self.limit.tokens:
            return None  # no text has more tokens than bytes
        tokens = sum(map(self.count.tokens, texts)) - self.count.joined
        return tokens if tokens > self.limit.tokens else None


def limit_of(config: Mapping[str, Any], schema: Schema, learner: str, origin: str) -> Limit | None:
    """Return the length beyond which a stage refuses rows it trains on; None: it refuses none.

    ``origin`` is the folder of the model it starts from, or ``base``.
    """
    if not _teaches(config, schema, learner):
        reads = needs.read_groups({**config, "evaluation": None}, schema)
        rollout = config.get("rollout") or {}
        return _of_prompts(rollout, config, origin) if "rollout" in reads else None
    training = config.get("training") or {}
    longest = training.get("max_length")
    if training.get("too_long") != "refuse" or type(longest) is not int:
        return None
    return Limit(
        longest,
        "training.max_length",
        f"training.max_length={longest}",
        "training.too_long",
        "takes them whole",
    )


def limit_of_measured(config: Mapping[str, Any], origin: str) -> Limit | None:
    """Return the length beyond which an evaluation refuses problems; None: it refuses none."""
    rollout, evaluation = config.get("rollout") or {}, config.get("evaluation")
    own = (evaluation or {}).get("max_new_tokens")
    asked = {**rollout, **({"max_new_tokens": own} if own is not None else {})}
    return _of_prompts(asked, config, origin) if evaluation else None


def lengths_of(
    limit: Limit, config: Mapping[str, Any], schema: Schema, learner: str, origin: str
) -> Lengths | None:
    """Return what counts a stage's rows against a limit; None: its tokenizer is not at hand."""
    if not _teaches(config, schema, learner):
        return of_prompts(limit, config, origin)
    answers = _pair if _learns_pairs(config, schema) else _response
    count = counter(config, origin)
    return Lengths(limit, answers, count) if count is not None else None


def of_prompts(limit: Limit, config: Mapping[str, Any], origin: str) -> Lengths | None:
    """Return what counts prompts against a limit; None: the tokenizer is not at hand."""
    count = counter(config, origin)
    return Lengths(limit, _none, count) if count is not None else None


def _teaches(config: Mapping[str, Any], schema: Schema, learner: str) -> bool:
    """Tell whether a stage's learner reads how long a demonstration may be."""
    training = schema.find("training", str((config.get("training") or {}).get("name")))
    described = training.fields.get("max_length") if training is not None else None
    return described is not None and schema.learner(learner).reads(described)


def _of_prompts(rollout: Mapping[str, Any], config: Mapping[str, Any], origin: str) -> Limit | None:
    if rollout.get("too_long") != "refuse":
        return None
    asked, new = rollout.get("max_prompt_tokens"), rollout.get("max_new_tokens")
    positions, where = check_model.first_positions(config, origin)
    room = positions - new if positions is not None and type(new) is int else None
    limits = [limit for limit in (asked, room) if type(limit) is int and limit > 0]
    if not limits:
        return None
    if min(limits) == asked:
        key, beside = "max_prompt_tokens", "takes them whole"
        why = f"rollout.max_prompt_tokens={asked}"
    else:
        key, beside = "max_new_tokens", "may leave more room"
        why = f"{where}={positions} less {new} new tokens"
    return Limit(min(limits), f"rollout.{key}", why, "rollout.too_long", beside)


def _learns_pairs(config: Mapping[str, Any], schema: Schema) -> bool:
    wanted = {
        need.what
        for used in needs.used_by(config, schema)
        for need in needs.active(used.info.requires, used)
    }
    return {f"column:{name}" for name in _PAIR} <= wanted


def _none(example: Example) -> Sequence[str]:
    return ()


def _response(example: Example) -> Sequence[str]:
    return (example.taught,)


def _pair(example: Example) -> Sequence[str]:
    return [str(example.columns.get(name) or "") for name in _PAIR]


def counter(config: Mapping[str, Any], origin: str) -> Counter | None:
    """Return what counts the tokens of a text; None for a tokenizer that is not at hand."""
    from etude.model.tokenizer import VOCABULARY

    folder = origin if origin != check_model.BASE else at(config, "model.path")
    if isinstance(folder, str):
        return _of_folder(Path(folder).expanduser())
    alphabet = at(config, "model.tokenizer")
    if alphabet not in VOCABULARY:
        return None
    return Counter(len if alphabet == "characters" else lambda text: len(text.encode()), joined=0)


def _of_folder(folder: Path) -> Counter | None:
    file = folder / "tokenizer.json"
    if not file.is_file():
        return None
    stamp = file.stat()
    return _of_file(file, stamp.st_mtime_ns, stamp.st_size)


@lru_cache(maxsize=4)
def _of_file(file: Path, changed: int, size: int) -> Counter | None:
    """Return what counts tokens as a file says; the file is read again when it has changed."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception:  # the library raises nothing narrower; the look at models names the damage
        return None
    merges = at(json.loads(file.read_text("utf-8")), "model.merges") if size < _SMALL else None
    return Counter(
        lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids),
        joined=0 if merges == [] else _JOINED,
    )
