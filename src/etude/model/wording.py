"""How prompts and answers become a model's tokens and back: tokenizer, chat template, ends."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from etude.errors import ModelError
from etude.model.calls import CallReader
from etude.model.control import ControlTokens
from etude.model.histories import rewritten
from etude.model.turns import FAILURES, Turns, prefilled, without_prefill
from etude.notices import notice
from etude.rows import Example, Message

_NAMED = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)

#: A mark that text uses in pairs (<think> … </think>): a special token, and yet no turn's.
_PAIRED = re.compile(r"([<\[])(/?)([A-Za-z_]+)([>\]])")


#: Stands for an answer where only what follows it is asked for.
_ANSWER = "markanswer7q"


@dataclass(frozen=True)
class _Template:
    """What is known of one chat template (None: plain prompts)."""

    turns: Turns
    before_end: str  # what it writes between an answer and the token that ends it
    end: int | None
    special: frozenset[int]
    control: ControlTokens


class Wording:
    """The tokens of what a model reads and of what it is taught, and the text of what it writes.

    ``ends`` gives the tokens that the generation config says end a text; ``chat_options`` are
    variables of the chat template. Unless ``control_tokens_in_text``, text that spells a control
    token (``<|im_end|>``) is encoded as text.
    """

    def __init__(
        self,
        tokenizer: Any,
        name: str,
        ends: Callable[[], frozenset[int]],
        chat_options: Mapping[str, Any],
        control_tokens_in_text: bool,
    ) -> None:
        self._tokenizer = tokenizer
        self._name = name
        self._ends = ends
        self._options = chat_options
        self._in_text = control_tokens_in_text
        self._says = True
        self._known: tuple[Any, _Template] | None = None

    def literal(self) -> Wording:
        """Return a wording that reads every control token in a text as text, and says so nowhere.

        It is for texts that a model wrote and another one is asked about.
        """
        twin = copy.copy(self)
        twin._in_text, twin._says = False, False
        return twin

    # What ends an answer -------------------------------------------------------------------

    @property
    def end(self) -> int:
        """Return the token that is taught at the end of an answer.

        It closes an assistant's turn in the chat template; without a template, or one that closes
        with no token, it is the tokenizer's end-of-text token, else the generation config's. Raises
        ModelError where there is none.
        """
        closing = self._template.end
        end = self._tokenizer.eos_token_id if closing is None else closing
        if end is None:
            end = min(self._ends(), default=None)
        if end is None:
            raise ModelError(
                f"the tokenizer of {self._name} names no end-of-text token, so a response cannot "
                "end; set eos_token in its tokenizer_config.json"
            )
        return int(end)

    @property
    def stops(self) -> frozenset[int]:
        """Return every token that ends an answer: of template, tokenizer and generation config."""
        found = {self._template.end, self._tokenizer.eos_token_id, *self._ends()}
        return frozenset(int(token) for token in found if token is not None)

    def check(self, rows: int) -> None:
        """Say what a person should know of the ends of turns, and refuse what cannot work.

        ``rows`` are those of the model's embedding. Raises ModelError where no token of the model
        ends an answer, or the chat template is no Jinja.
        """
        self._refuse_broken()
        outside = sorted(token for token in (*self.stops, self.end) if not 0 <= token < rows)
        if outside:
            where = (
                f"token {outside[0]} is to end a text (eos_token_id in generation_config.json or "
                f"config.json), and the model has tokens 0 to {rows - 1} only"
            )
            if self.end in outside:
                raise ModelError(f"{self._name}: {where}; mend it there")
            notice(f"{where}: it never will")
        turns, end = self._template.turns, self._template.end
        if end is not None and end != self._tokenizer.eos_token_id:
            notice(
                f"the chat template closes an answer with {self._token(end)!r} and the tokenizer's "
                f"eos_token is {self._tokenizer.eos_token!r}: {self._token(end)!r} is taught, and "
                "both end what is sampled"
            )
        elif end is None and turns.closing:
            notice(
                f"the chat template closes an answer with the text {turns.closing!r}, "
                f"which is no token of the tokenizer: {self._token(self.end)!r} is taught and ends "
                "what is sampled"
            )
        if turns.lacks_prompt:
            notice(
                "the chat template begins no answer (it has no add_generation_prompt), so answers "
                "follow the last message where the assistant's turn should be opened; give another "
                "(model.chat_template=FILE)"
            )

    # Text to tokens ------------------------------------------------------------------------

    def encode_prompt(
        self,
        prompt: str,
        system: str | None = None,
        messages: Sequence[Message] = (),
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> tuple[int, ...]:
        """Return the tokens an answer follows; :class:`etude.model.policy.Policy` says more."""
        if self._tokenizer.chat_template is None:
            self._refuse_conversation(system, messages)
            tokens = (*self._before_text, *self._encode(prompt))
            return tokens or (self._first_token(),)
        said = _conversation(prompt, system, messages)
        control = self._template.control
        if self._in_text or not self._spelled(control, *_texts(said)):
            return tuple(self._applied(said, tokenize=True, tools=tools))
        base = control.base_of(*_texts(said), str(self._tokenizer.chat_template))
        return tuple(
            control.encode_rendered(
                self._applied(control.hidden(said, base), tokenize=False, tools=tools), base
            )
        )

    def rendered(self, example: Example) -> str:
        """Return the text of what an answer follows, as the chat template writes it."""
        if self._tokenizer.chat_template is None:
            return example.prompt
        said = _conversation(example.prompt, example.system, example.messages)
        text: str = self._applied(said, tokenize=False, tools=example.tools)
        return text

    def encode_text(self, text: str, example: Example | None = None) -> tuple[int, ...]:
        """Return the tokens of the beginning of an answer, without what its prompt has already."""
        text = without_prefill(text, self.prefill(example))
        if self._tokenizer.chat_template is None:
            return tuple(self._encode(text))
        # After other text: some tokenizers put a space before what they take for a beginning.
        before = self._encode("\n")
        tokens = self._encode(f"\n{self._template.turns.lead}{text}")
        if tokens[: len(before)] != before:
            return tuple(self._encode(self._template.turns.lead + text))
        return tuple(tokens[len(before) :])

    def encode_response(self, text: str, example: Example | None = None) -> tuple[int, ...]:
        """Return the tokens of a whole answer, the one that ends it last."""
        return (*self.encode_text(text + self._template.before_end, example), self.end)

    def encode_message(
        self, text: str, role: str, example: Example, *, after: Sequence[int]
    ) -> tuple[int, ...]:
        """Return the tokens of one message as :meth:`encode_messages` does of several."""
        return self.encode_messages([Message(role, text)], example, after=after)

    def encode_messages(
        self, told: Sequence[Message], example: Example, *, after: Sequence[int]
    ) -> tuple[int, ...]:
        """Return the tokens that follow an answer when its model is told messages and goes on.

        They are what the chat template writes between the answer, whose tokens are ``after``, and
        the next one: the end of its turn where the answer has none, the messages, the beginning of
        a new turn. Without a template they are those of the texts. Raises ModelError where the
        template refuses the message, or leaves out what was answered before.
        """
        if self._tokenizer.chat_template is None:
            return tuple(self._encode("".join(message.content for message in told)))
        template = self._template
        said = _conversation(example.prompt, example.system, example.messages)
        said += [{"role": "assistant", "content": _ANSWER}, *map(asdict, told)]
        base = None
        if not self._in_text and self._spelled(template.control, *_texts(said)):
            base = template.control.base_of(*_texts(said), str(self._tokenizer.chat_template))
            said = template.control.hidden(said, base)
        whole = self._applied(said, tokenize=False, tools=example.tools)
        _, found, rest = whole.partition(_ANSWER)
        if not found:
            raise ModelError(
                f"the chat template of {self._name} leaves out an earlier answer, so a "
                "conversation cannot be gone on with; give another (model.chat_template=FILE)"
            )
        end = None if template.end is None else self._token(template.end)
        closing = "" if end is None else template.before_end + end
        open_still = not after or after[-1] != template.end
        lead: tuple[int, ...] = ()
        if closing and rest.startswith(closing):
            rest = rest.removeprefix(closing)
            if open_still:
                lead = (*self._encode(template.before_end), self.end)
        # After other text: some tokenizers put a space before what they take for a beginning.
        before = end or "\n"
        if base is None:
            tokens = self._tokenizer(before + rest, add_special_tokens=False)["input_ids"]
        else:
            tokens = template.control.encode_rendered(before + rest, base)
        start = len(self._tokenizer(before, add_special_tokens=False)["input_ids"])
        return (*lead, *tokens[start:])

    @property
    def converses(self) -> bool:
        """Return whether there is a chat template, which tells messages apart."""
        return self._tokenizer.chat_template is not None

    def calls(self, written: str) -> CallReader:
        """Return what reads the calls of tools in answers; ``written`` is their format."""
        return CallReader(self._tokenizer, lambda said: self._render(said, False), written)

    def refuse_other_histories(self, accept: bool) -> None:
        """Raise ModelError where the template writes earlier answers otherwise than given.

        Where that is to be accepted, it is told instead.
        """
        if not self.converses:
            return
        from jinja2 import TemplateError

        try:
            other = rewritten(self._render, "user", self.prefill())
        except (TemplateError, *FAILURES):
            return  # what it refuses is told with a real conversation
        said = (
            f"the chat template of {self._name} writes {other} otherwise once the conversation has "
            "gone on, so the model would later read another text than it is trained on"
        )
        if other and not accept:
            raise ModelError(
                f"{said}; give a template that keeps it (model.chat_template=FILE), or train on "
                "the conversation as it went (rollout.episode.history=append)"
            )
        if other:
            notice(f"{said} (rollout.episode.history=append)")

    def prefill(self, example: Example | None = None) -> str:
        """Return the thought that a prompt's end begins for the model (``<think>``), or nothing."""
        if self._tokenizer.chat_template is not None:
            return self._template.turns.prefill
        return prefilled(example.prompt) if example is not None else ""

    # Tokens to text ------------------------------------------------------------------------

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of tokens, special ones too, without the end and padding after it."""
        kept = list(tokens)
        silent = self.stops | {self._tokenizer.pad_token_id}
        while kept and kept[-1] in silent:
            kept.pop()
        text: str = self._tokenizer.decode(
            kept, skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return text

    def text_of(self, tokens: Sequence[int], example: Example, *, stopped: bool) -> str:
        """Return what an answer says: with the thought its prompt began, without what ended it.

        ``stopped`` says that the last token ended it; a stop token that is text stays.
        """
        if stopped and tokens and tokens[-1] in self._template.special:
            tokens = tokens[:-1]
        return self.prefill(example) + self.decode(tokens).removeprefix(self._template.turns.lead)

    def beginning(self, text: str, share: float) -> str:
        """Return the beginning of an answer: that share of its tokens, rounded."""
        tokens = self.encode_text(text)
        begun = self.decode(tokens[: round(share * len(tokens))])
        return begun.removeprefix(self._template.turns.lead)

    # Within --------------------------------------------------------------------------------

    @property
    def _template(self) -> _Template:
        template = self._tokenizer.chat_template
        if self._known is None or self._known[0] != template:
            self._known = template, self._learn()
        return self._known[1]

    def _learn(self) -> _Template:
        added = {
            token.content: token.special
            for token in self._tokenizer.added_tokens_decoder.values()
            if not token.content.isspace()
        }
        turns = Turns()
        if self._tokenizer.chat_template is not None:
            turns = Turns.of(self._render, added)
        found = [token for token in added if token in turns.closing]
        first = min(
            found, key=lambda token: (turns.closing.index(token), -len(token)), default=None
        )
        control = ControlTokens(self._tokenizer, self._control(added, turns))
        special = frozenset(self._tokenizer.convert_tokens_to_ids([t for t in added if added[t]]))
        if first is None:
            return _Template(turns, "", None, special, control)
        end = int(self._tokenizer.convert_tokens_to_ids(first))
        return _Template(turns, turns.closing.partition(first)[0], end, special, control)

    def _control(self, added: Mapping[str, bool], turns: Turns) -> set[str]:
        """Return what no text may become: special tokens, and what stands around turns.

        Special marks that text uses in pairs (``<think>``) may, where no turn is made of them.
        """
        named = {getattr(self._tokenizer, name, None) for name in _NAMED}
        named |= {self._token(token) for token in self._ends()}
        written = {token for token in added if token in turns.structure}
        special = {token for token, is_special in added.items() if is_special}
        special |= {token for token in self._tokenizer.all_special_tokens if not token.isspace()}
        paired = {token for token in special if _partner(token) in added}
        control = (special - paired) | written
        return control | {token for token in special & paired if token in named}

    def _encode(self, text: str) -> list[int]:
        control = self._template.control
        if not self._in_text and self._spelled(control, text):
            return control.encode(text)
        tokens: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return tokens

    def _spelled(self, control: ControlTokens, *texts: str) -> bool:
        token = control.first_in(*texts)
        if token is not None and self._says:
            notice(
                f"the data spells the control token {token!r}: it is read as text. Where it is "
                "meant as the token, type model.control_tokens_in_text=true"
            )
        return token is not None

    @cached_property
    def _before_text(self) -> tuple[int, ...]:
        """Return what the tokenizer puts before a plain text; what it puts after is not wanted."""
        whole = self._tokenizer("a")["input_ids"]
        bare = self._tokenizer("a", add_special_tokens=False)["input_ids"]
        starts = range(len(whole) - len(bare) + 1)
        return tuple(whole[: next((k for k in starts if whole[k : k + len(bare)] == bare), 0)])

    def _first_token(self) -> int:
        first = self._tokenizer.bos_token_id
        return self.end if first is None else int(first)

    def _render(self, messages: Sequence[dict[str, Any]], prompt: bool) -> str:
        text: str = self._tokenizer.apply_chat_template(
            list(messages), add_generation_prompt=prompt, tokenize=False, **self._options
        )
        return text

    def _applied(
        self,
        messages: Sequence[dict[str, Any]],
        *,
        tokenize: bool,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> Any:
        try:
            return self._tokenizer.apply_chat_template(
                messages,
                add_generation_prompt=True,
                tokenize=tokenize,
                return_dict=False,
                tools=[dict(each) for each in tools] or None,
                **self._options,
            )
        except Exception as error:  # a template may fail in any way; it is told as what it is
            roles = " and ".join(dict.fromkeys(message["role"] for message in messages))
            raise ModelError(
                f"the chat template of {self._name} refuses messages of {roles}: {error}; "
                "give another (model.chat_template=FILE) or leave the system prompt out"
            ) from error

    def _refuse_broken(self) -> None:
        from jinja2 import TemplateError, TemplateSyntaxError

        try:
            if self._tokenizer.chat_template is not None:
                self._render([{"role": "user", "content": "a"}], True)
        except TemplateSyntaxError as error:
            raise ModelError(
                f"the chat template of {self._name} is no Jinja that can be read (line "
                f"{error.lineno}: {error.message}); give another (model.chat_template=FILE)"
            ) from error
        except (TemplateError, *FAILURES):
            return  # it may take another conversation; a real prompt that it refuses is told then

    def _refuse_conversation(self, system: str | None, messages: Sequence[Message]) -> None:
        if system is not None:
            raise ModelError(
                f"{self._name} has no chat template, so the system prompt {system[:40]!r} has "
                "no place; give one (model.chat_template=FILE) or leave the system prompt out"
            )
        if messages:
            raise ModelError(
                f"{self._name} has no chat template, so a conversation of {len(messages)} "
                "messages cannot be told apart; give one (model.chat_template=FILE)"
            )

    def _token(self, number: int) -> str:
        return str(self._tokenizer.convert_ids_to_tokens(number))


def _conversation(
    prompt: str, system: str | None, messages: Sequence[Message]
) -> list[dict[str, Any]]:
    said = [Message("system", system)] if system is not None else []
    return [asdict(message) for message in (*said, *(messages or [Message("user", prompt)]))]


def _texts(value: Any) -> list[str]:
    """Return every text in messages, however deep."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    return [text for item in value for text in _texts(item)] if isinstance(value, list) else []


def _partner(token: str) -> str | None:
    """Return the other of a pair of marks (``</think>`` of ``<think>``), None for no such mark."""
    match = _PAIRED.fullmatch(token)
    if match is None:
        return None
    opens, slash, name, closes = match.groups()
    return f"{opens}{'' if slash else '/'}{name}{closes}"
