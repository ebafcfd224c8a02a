"""Small tokenizers of the kinds there are, and chat templates of the shapes that models have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from etude.model.wording import Wording

TEXT = [
    "What is 12 + 30? The answer is 42. <think>im_start im_end</think>",
    "user assistant system [INST] end of turn <|im_end|> <s> </s> eot_id",
]


def tokenizer_of(
    kind: str,
    special: Sequence[str],
    *,
    bos: str | None = None,
    eos: str | None = None,
    pad: str | None = None,
    added: Sequence[str] = (),
    wraps: tuple[str | None, str | None] = (None, None),
) -> PreTrainedTokenizerFast:
    """Return a tokenizer of a kind: bytes (byte-level merges), pieces (▁ words) or unigram.

    ``special`` and ``added`` are its special tokens and those that are not; ``wraps`` are what it
    puts before and after a plain text.
    """
    if kind == "bytes":
        core = Tokenizer(models.BPE())
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        core.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer: Any = trainers.BpeTrainer(
            vocab_size=330, initial_alphabet=alphabet, show_progress=False
        )
    else:
        core = Tokenizer(models.BPE(unk_token="<unk>") if kind == "pieces" else models.Unigram())
        core.normalizer = normalizers.NFKC()
        core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
        core.decoder = decoders.Metaspace(prepend_scheme="first")
        alphabet = [chr(code) for code in range(33, 127)]
        maker = trainers.BpeTrainer if kind == "pieces" else trainers.UnigramTrainer
        # The control tokens stand in the vocabulary itself, as sentencepiece writes them.
        named = ["<unk>", *(token for token in (bos, eos) if token)]
        more = {"unk_token": "<unk>"} if kind == "unigram" else {}
        trainer = maker(
            vocab_size=260,
            initial_alphabet=alphabet,
            special_tokens=named,
            show_progress=False,
            **more,
        )
    core.train_from_iterator(TEXT * 3, trainer)
    core.add_special_tokens([AddedToken(token, normalized=False) for token in special])
    core.add_tokens([AddedToken(token, normalized=False) for token in added])
    before, after = wraps
    if before or after:
        words = " ".join(word for word in (before, "$A", after) if word)
        known = [(token, core.token_to_id(token)) for token in (before, after) if token]
        core.post_processor = processors.TemplateProcessing(single=words, special_tokens=known)
    return PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token=bos, eos_token=eos, pad_token=pad
    )


def wording_of(
    tokenizer: PreTrainedTokenizerFast,
    template: str | None = None,
    *,
    ends: Sequence[int] = (),
    options: Mapping[str, Any] | None = None,
    in_text: bool = False,
) -> Wording:
    """Return the wording of a tokenizer and a template."""
    tokenizer.chat_template = template
    return Wording(tokenizer, "this model", lambda: frozenset(ends), options or {}, in_text)


CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
#: Thoughts of earlier turns are left out, an empty one is given where none is wanted.
THINKING = (
    "{% set last = messages | length - 1 %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and loop.index0 == last %}<think>\n\n</think>\n\n{% endif %}"
    "{{ m.content.split('</think>')[-1].lstrip('\n') }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
    "{% endif %}"
)
HEADERS = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
    "{{ m.content | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}"
    "{{ raise_exception('no system') }}{% endif %}"
    "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{{ m.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
PHI = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% else %}{{ eos_token }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% else %} {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
)
LLAMA2 = (
    "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token }}[INST] {{ m.content }} [/INST]"
    "{% else %} {{ m.content }} {{ eos_token }}{% endif %}{% endfor %}"
)
ZEPHYR = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
DEEPSEEK = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}<｜User｜>{{ m.content }}"
    "{% else %}<｜Assistant｜>{{ m.content.split('</think>')[-1] }}<｜end▁of▁sentence｜>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<｜Assistant｜><think>\n{% endif %}"
)
BEFORE_THE_NEXT = (
    "{% for m in messages %}{% if m.role == 'user' %}{% if not loop.first %}<|end|>{% endif %}"
    "<|user|>{{ m.content }}<|assistant|>{% else %}{{ m.content }}{% endif %}{% endfor %}"
)
OPENED_ONLY = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
PLAIN_WORDS = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
