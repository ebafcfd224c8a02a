"""A language model ready for work: weights, tokenizer, chat template, dtype and device."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from etude.distributed.world import World, current
from etude.model import lora
from etude.model.reading import Reading
from etude.model.wording import Wording
from etude.rows import Example, Message, StopReason

if TYPE_CHECKING:
    from etude.distributed.sharding import Shards

Result = TypeVar("Result")
HandOn = Literal["merged", "adapter"]


@contextmanager
def no_bars() -> Iterator[None]:
    """Keep the progress bars of transformers and the hub out of the terminal."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def cast(model: Any, dtype: torch.dtype) -> Any:
    """Return ``model`` with its parameters in ``dtype``.

    Buffers stay: rotary frequencies rounded to bfloat16 would misplace far positions.
    """
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)
    model.config.dtype = dtype
    return model


@dataclass
class Policy:
    """A causal language model with what turns text into its tokens and back.

    ``model`` is a transformers causal LM, or a peft wrapper of one; ``compute_dtype`` is the dtype
    forward passes run in (the parameters may be wider); ``chat_options`` are variables handed to
    the chat template; ``hand_on`` says whether an adapter is merged when the model is saved;
    ``control_tokens_in_text`` has text that spells a control token read as that token.
    ``shards`` are there where the ranks of a world hold the model together (:meth:`shard`).
    ``updates`` counts those that this process has made.
    """

    model: nn.Module
    tokenizer: Any
    device: torch.device
    compute_dtype: torch.dtype = torch.float32
    chat_options: Mapping[str, Any] = field(default_factory=dict)
    hand_on: HandOn = "merged"
    control_tokens_in_text: bool = False
    shards: Shards | None = None
    updates: int = 0

    def not_finite(self) -> str:
        """Return the name of a parameter that holds nan or inf (this rank's part); empty: none."""
        for name, parameter in self.model.named_parameters():
            values = parameter.detach()
            own = values.to_local() if hasattr(values, "to_local") else values
            if not bool(torch.isfinite(own).all()):
                return name
        return ""

    # Text ----------------------------------------------------------------------------------

    @cached_property
    def wording(self) -> Wording:
        """Return how this model's prompts and answers become tokens and back."""
        return Wording(
            self.tokenizer,
            self.name,
            self.named_ends,
            self.chat_options,
            self.control_tokens_in_text,
        )

    def encode_example(self, example: Example) -> tuple[int, ...]:
        """Return the tokens that a response to an example follows."""
        return self.encode_prompt(example.prompt, example.system, example.messages, example.tools)

    def encode_prompt(
        self,
        prompt: str,
        system: str | None = None,
        messages: Sequence[Message] = (),
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> tuple[int, ...]:
        """Return the tokens a response follows: the chat template's, or plain text without one.

        ``messages`` are a conversation that is gone on with, in the place of ``prompt``, and
        ``tools`` the JSON schemas of functions that the template is told of. There is
        always at least one token, and no end-of-text token after plain text. A control token that
        the texts spell is text (``control_tokens_in_text``). Raises ModelError when a system prompt
        or a conversation is given and the tokenizer has no chat template, or the template refuses
        the messages.
        """
        return self.wording.encode_prompt(prompt, system, messages, tools)

    def encode_response(self, text: str, example: Example | None = None) -> tuple[int, ...]:
        """Return the tokens of ``text`` and the token that ends a turn in the chat template.

        Without a template that is the end-of-text token. A thought (``<think>``) that the prompt of
        ``example`` opens already is not repeated. Raises ModelError where nothing ends a response.
        """
        return self.wording.encode_response(text, example)

    def encode_text(self, text: str, example: Example | None = None) -> tuple[int, ...]:
        """Return the tokens of ``text`` at the head of a response, which goes on."""
        return self.wording.encode_text(text, example)

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of ``tokens``, special tokens too, without the end and padding after."""
        return self.wording.decode(tokens)

    def answer_text(
        self, tokens: Sequence[int], example: Example, stop_reason: StopReason = StopReason.STOP
    ) -> str:
        """Return what a response to an example says, with the thought that its prompt opens."""
        stopped = stop_reason is StopReason.STOP
        return self.wording.text_of(tokens, example, stopped=stopped)

    def rendered(self, tokens: Iterable[int]) -> str:
        """Return ``tokens`` as text with every special token written out."""
        return self.tokenizer.decode(list(tokens), skip_special_tokens=False)

    @property
    def eos_ids(self) -> frozenset[int]:
        """Return every token that ends a response: of template, tokenizer, generation config."""
        return self.wording.stops

    @property
    def pad_id(self) -> int:
        """Return the token that fills unused places; never attended to, so any will do."""
        if self.tokenizer.pad_token_id is not None:
            return self.tokenizer.pad_token_id
        return min(self.eos_ids, default=0)

    def named_ends(self) -> frozenset[int]:
        """Return the tokens that the generation config says end a text."""
        generation = getattr(self.causal_lm, "generation_config", None)
        named = getattr(generation, "eos_token_id", None)
        found = named if isinstance(named, (list, tuple)) else [named]
        return frozenset(token for token in found if token is not None)

    # Weights -------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Return what a message calls this model: its path, or its kind."""
        config = self.causal_lm.config
        return getattr(config, "_name_or_path", "") or f"this {config.model_type} model"

    @property
    def causal_lm(self) -> Any:
        """Return the transformers model itself, without an adapter's wrapper."""
        return lora.unwrapped(self.model)

    def trainable_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that training moves, in a fixed order."""
        return [p for p in self.model.parameters() if p.requires_grad]

    def freeze(self) -> Policy:
        """Make the model read-only (a reference, a teacher) and return it."""
        self.model.requires_grad_(False)
        self.model.eval()
        return self

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Switch off for the block what only training does: the dropout of adapters."""
        training = self.model.training
        self.model.eval()
        try:
            yield
        finally:
            self.model.train(training)

    def precision(self) -> AbstractContextManager[Any]:
        """Return the context forward passes run in: autocast where compute is narrower."""
        stored = next(self.model.parameters()).dtype
        if self.compute_dtype == stored:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.compute_dtype)

    def inference_copy(self) -> Policy:
        """Return a frozen copy in the compute dtype, adapters merged; it shares no weights.

        Of a sharded model every rank gets all of it, and all ask together.
        """
        model = lora.merged(self.model) if self.shards is None else self._whole()
        model = cast(lora.merged(model, copied=False), self.compute_dtype)
        if "flash" in (model.config._attn_implementation or ""):
            model.set_attn_implementation("sdpa")
        twin = replace(self._like(model), hand_on="merged")
        return twin.freeze()

    @torch.no_grad()
    def copy_weights_to(self, twin: Policy) -> None:
        """Give an :meth:`inference_copy` this model's present weights, adapters merged."""
        if self.shards is not None:
            self.shards.settle()
        lora.copy_merged(self.model, twin.model)

    def whole(self) -> dict[str, Tensor]:
        """Return every parameter by name, all of its rows, without gradient.

        All ranks of a sharded model ask together. What is not sharded is the model's own memory.
        """
        if self.shards is not None:
            return dict(self.shards.gathered())
        return {name: each.detach() for name, each in self.model.named_parameters()}

    @torch.no_grad()
    def take(self, weights: Mapping[str, Tensor]) -> None:
        """Give every parameter what :meth:`whole` gave for a model of the same architecture."""
        if self.shards is not None:
            self.shards.take(weights)
            return
        for name, parameter in self.model.named_parameters():
            parameter.copy_(weights[name])

    # Several ranks -------------------------------------------------------------------------

    def shard(self, world: World) -> None:
        """Cut the weights over the ranks of ``world``, once; each holds some rows of each.

        In a world of one nothing is done. All ranks hold the same weights before.
        """
        if world.is_alone or self.shards is not None:
            return
        from etude.distributed.sharding import Shards

        lm = self.causal_lm
        self.reading.settle()  # found by passes of its own, which need whole weights
        kinds = set(lm._no_split_modules or ())
        blocks = [module for module in lm.modules() if type(module).__name__ in kinds]
        self.shards = Shards(self.model, blocks, world, self.device, self.compute_dtype)

    def entered(self, work: Callable[[], Result]) -> Result:
        """Return what ``work``, a pass through the model, gives; shards are gathered for it.

        The ranks of a sharded model enter together, each with rows of its own.
        """
        return work() if self.shards is None else self.shards.enter(work)

    def replica(self) -> Policy:
        """Return this policy as one process holds it: itself, or a whole copy on every rank.

        It is for measuring. All ranks of a sharded model ask together.
        """
        if self.shards is None:
            return self
        return self._like(self._whole())

    def own_parameters(self) -> list[Tensor]:
        """Return the parameters, with gradient; of a sharded model this rank's rows of each."""
        return list(self.model.parameters()) if self.shards is None else self.shards.own()

    def mark(self, like_parameters: list[Tensor]) -> list[Any]:
        """Return tensors like :meth:`own_parameters` as a state holds them."""
        return like_parameters if self.shards is None else self.shards.mark(like_parameters)

    def unmark(self, stored: list[Any]) -> list[Tensor]:
        """Return what :meth:`mark` was given, of a state that any number of ranks wrote."""
        return stored if self.shards is None else self.shards.unmark(stored)

    def _whole(self) -> Any:
        assert self.shards is not None  # narrows the type; asked by callers
        return self.shards.whole_model()

    def _like(self, model: nn.Module) -> Policy:
        return replace(self, model=model, shards=None)

    # Forward -------------------------------------------------------------------------------

    @cached_property
    def plain_head(self) -> bool:
        """Return whether logits are the output matrix times the decoder's states and nothing more.

        False for models that scale or cap their logits; found by comparing both on a few tokens.
        """
        lm = self.causal_lm
        head = lm.get_output_embeddings()
        if head is None:
            return False
        # Several tokens: the padding token may embed to zeros, which no scale or cap would show.
        token = torch.arange(min(8, lm.config.get_text_config().vocab_size), device=self.device)
        token = token.unsqueeze(0)
        with torch.no_grad(), self.measuring():
            full = lm(input_ids=token, use_cache=False).logits
            try:
                mine = head(lm.get_decoder()(input_ids=token, use_cache=False).last_hidden_state)
            except (AttributeError, RuntimeError, TypeError):
                # There is more between the two than a product, or no decoder apart from the head.
                return False
        return mine.shape == full.shape and torch.equal(mine, full)

    @cached_property
    def reading(self) -> Reading:
        """Return how rows of several lengths are read together.

        Found by trying it at the first question. Raises ModelError for a model that is not causal.
        """
        return Reading(self)

    def states(self, **inputs: Any) -> Tensor:
        """Return what :meth:`logits_of` turns into logits, for every position ``[N, S, ·]``.

        That is the decoder's last hidden states, or the logits themselves for a model whose head
        is not a plain matrix product. ``inputs`` are those of the transformers model.
        """
        lm = self.causal_lm

        def run() -> Tensor:
            if not self.plain_head:
                return lm(**inputs).logits
            return lm.get_decoder()(**inputs).last_hidden_state

        return self.entered(run)

    def logits_of(self, states: Tensor) -> Tensor:
        """Return the logits ``[…, V]`` of states ``[…, ·]`` from :meth:`states`."""
        return self.causal_lm.get_output_embeddings()(states) if self.plain_head else states

    # Storage -------------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Write weights (safetensors), config, generation config, tokenizer and chat template.

        ``AutoModelForCausalLM.from_pretrained(folder)`` loads it as it is, to the bit. All ranks of
        a sharded model save together; the first one writes.
        """
        model: Any = self.model
        if self.shards is not None:
            main = current().is_main
            model = self.shards.whole_model(torch.device("cpu"), wanted=main)
            if not main:
                return
        folder.mkdir(parents=True, exist_ok=True)
        if self.hand_on != "adapter":
            model = lora.merged(model, copied=False)
        with no_bars():
            model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def clone(self) -> Policy:
        """Return an independent copy of model and settings; the tokenizer is shared."""
        return self._like(copy.deepcopy(self.model))
