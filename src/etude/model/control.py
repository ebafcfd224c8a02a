"""Text that spells a control token stays text: ``<|im_end|>`` in a row of data ends no turn.

In a text that goes through a chat template each control token that the data spells is a private
character while the template writes its own; then both are told apart in one tokenisation of the
whole. A text that spells none takes the tokenizer's usual way, and its tokens are those.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from etude.errors import DataError

Data = TypeVar("Data")

#: The private planes of Unicode, from which stand-ins are taken.
_PRIVATE = range(0xF0000, 0x10FFFE)


class ControlTokens:
    """Tells the control tokens of a tokenizer from text that spells them."""

    def __init__(self, tokenizer: Any, tokens: Collection[str]) -> None:
        self._tokenizer = tokenizer
        self._tokens = sorted(tokens, key=lambda token: (-len(token), token))
        self._pattern = re.compile("|".join(map(re.escape, self._tokens)) or "(?!)")
        self._blind: dict[int, _Blind] = {}

    def first_in(self, *texts: str) -> str | None:
        """Return the first control token that one of the texts spells, None where none does."""
        found = (self._pattern.search(text) for text in texts)
        return next((match.group() for match in found if match), None)

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text of data, which holds no control token whatever it spells."""
        return self._reader(text).encode(text)

    def hidden(self, data: Data, base: int) -> Data:
        """Return messages with a stand-in for every control token that their texts spell.

        ``base`` is that of :meth:`base_of`.
        """
        number = {token: place for place, token in enumerate(self._tokens)}

        def hide(value: Any) -> Any:
            if isinstance(value, str):
                return self._pattern.sub(lambda m: chr(base + number[m.group()]), value)
            if isinstance(value, Mapping):
                return {key: hide(item) for key, item in value.items()}
            return [hide(item) for item in value] if isinstance(value, (list, tuple)) else value

        shown: Data = hide(data)
        return shown

    def encode_rendered(self, rendered: str, base: int) -> list[int]:
        """Return the tokens of what a chat template made of :meth:`hidden` messages."""
        reader = self._blind_at(base)
        return reader.encode(self.shown(self._pattern.sub(reader.alias, rendered), base))

    def shown(self, rendered: str, base: int) -> str:
        """Return a text with each stand-in of :meth:`hidden` as what the data spelled."""
        return rendered.translate({base + k: token for k, token in enumerate(self._tokens)})

    def base_of(self, *texts: str) -> int:
        """Return where stand-ins begin that occur in none of the texts."""
        used = {ord(char) for text in texts for char in text if ord(char) >= _PRIVATE.start}
        room = 2 * len(self._tokens)
        for base in range(_PRIVATE.start, _PRIVATE.stop - room, room):
            if used.isdisjoint(range(base, base + room)):
                return base
        raise DataError(
            f"a text spells the control token {self.first_in(*texts)!r} and holds private "
            "characters of Unicode everywhere, so nothing can stand for it; take them out"
        )

    def _reader(self, text: str) -> _Blind:
        return self._blind_at(self.base_of(text))

    def _blind_at(self, base: int) -> _Blind:
        if base not in self._blind:
            aliases = {
                token: chr(base + len(self._tokens) + place)
                for place, token in enumerate(self._tokens)
            }
            self._blind = {base: _Blind(self._tokenizer, aliases)}
        return self._blind[base]


class _Blind:
    """A tokenizer that knows its control tokens under other names only."""

    def __init__(self, tokenizer: Any, aliases: Mapping[str, str]) -> None:
        self._aliases = aliases
        self._tokenizer = tokenizer
        self._ids = {alias: _id_of(tokenizer, token) for token, alias in aliases.items()}
        core = getattr(tokenizer, "backend_tokenizer", None)
        self._core = _renamed(core, aliases) if hasattr(core, "to_str") else None

    def alias(self, match: re.Match[str]) -> str:
        """Return the name under which the matched control token is known."""
        return self._aliases[match.group()]

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text, aliases as the control tokens they stand for."""
        if self._core is None:
            return self._apart(text)
        known = {self._core.token_to_id(alias): number for alias, number in self._ids.items()}
        found = self._core.encode(text, add_special_tokens=False).ids
        return [known.get(token, token) for token in found]

    def _apart(self, text: str) -> list[int]:
        """Return the tokens of a text cut at aliases, and inside what spells a control token.

        For a tokenizer without a core that could be copied.
        """
        spelled = "|".join(f"(?<={re.escape(t[:1])})(?={re.escape(t[1:])})" for t in self._aliases)
        aliases = "|".join(map(re.escape, self._ids))
        found: list[int] = []
        for piece in re.split(f"({aliases})", text):
            if piece in self._ids:
                found.append(self._ids[piece])
                continue
            for part in re.split(spelled, piece):
                found += self._tokenizer.encode(part, add_special_tokens=False) if part else []
        return found


def _renamed(core: Any, aliases: Mapping[str, str]) -> Any:
    """Return a copy of a fast tokenizer's core with control tokens renamed wherever they stand."""
    from tokenizers import Tokenizer

    content = json.loads(core.to_str())
    for added in content["added_tokens"]:
        added["content"] = aliases.get(added["content"], added["content"])
    model = content["model"]
    if isinstance(model["vocab"], dict):
        model["vocab"] = {aliases.get(piece, piece): n for piece, n in model["vocab"].items()}
    else:
        model["vocab"] = [[aliases.get(piece, piece), score] for piece, score in model["vocab"]]
    if model.get("unk_token") is not None:
        model["unk_token"] = aliases.get(model["unk_token"], model["unk_token"])
    content["post_processor"] = content["truncation"] = content["padding"] = None
    return Tokenizer.from_str(json.dumps(content))


def _id_of(tokenizer: Any, token: str) -> int:
    return int(tokenizer.convert_tokens_to_ids(token))
