"""Tokenizers made in code, so that a model of one's own needs no download.

``characters``: one token for each printable ASCII character, newline and tab; any other character
becomes the unknown token. ``bytes``: one token for each byte, so every UTF-8 text comes back as it
went in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from etude.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Alphabet = Literal["characters", "bytes"]

PAD, UNKNOWN, BEGIN, END = "<|pad|>", "<|unknown|>", "<|begin|>", "<|end|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
SPECIAL = (PAD, UNKNOWN, BEGIN, END, *ROLES)

CHARACTERS = "\t\n" + "".join(chr(code) for code in range(32, 127))

#: Entries of each tokenizer, special tokens included.
VOCABULARY: dict[str, int] = {
    "characters": len(SPECIAL) + len(CHARACTERS),
    "bytes": len(SPECIAL) + 256,
}

#: Jinja: a role marker before each message; an assistant's message ends with the end token.
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def make_tokenizer(alphabet: Alphabet, max_length: int) -> PreTrainedTokenizerFast:
    """Return the tokenizer of ``alphabet`` with pad, unknown, begin, end and a chat template.

    ``max_length`` is the number of positions of the model it is for. Raises ModelError for an
    alphabet there is none of.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    if alphabet == "characters":
        pieces = list(CHARACTERS)
        splitter: Any = pre_tokenizers.Split("", "isolated")
        joiner: Any = decoders.Fuse()
    elif alphabet == "bytes":
        pieces = sorted(pre_tokenizers.ByteLevel.alphabet())
        splitter = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        joiner = decoders.ByteLevel()
    else:
        raise ModelError(
            f"model.tokenizer is '{alphabet}'; it is one of {', '.join(VOCABULARY)} "
            "(model.tokenizer=characters)"
        )
    vocabulary = {piece: index for index, piece in enumerate((*SPECIAL, *pieces))}
    # A byte-pair model without merges: every character of the pre-tokenised text is one token.
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token=UNKNOWN))
    core.pre_tokenizer = splitter
    core.decoder = joiner
    core.add_special_tokens([AddedToken(piece, normalized=False) for piece in SPECIAL])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        unk_token=UNKNOWN,
        bos_token=BEGIN,
        eos_token=END,
        additional_special_tokens=list(ROLES),
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
