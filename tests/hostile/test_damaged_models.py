"""Model folders with something wrong in them: the file and the fault are said before training."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from inputs import Hostile, check, sampled
from safetensors.torch import load, save

from etude.model.scratch import Scratch
from warm_commands import ROLLOUTS, ROWS, Place, small

Files = dict[str, bytes]
Damage = Callable[[Files], None]

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"

TRAIN = (
    "recipe=sft",
    *small("model", *ROLLOUTS),
    "model=pretrained",
    "model.path=M",
    "training.steps=2",
)
MEASURE = (*small("model", "training"), "checkpoint=M")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The files of a tiny model that is whole."""
    folder = tmp_path_factory.mktemp("whole")
    sizes = {"hidden_size": 32, "layers": 2, "heads": 2, "kv_heads": 1, "intermediate_size": 48}
    Scratch(**sizes).create(3, torch.device("cpu")).save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def without(*names: str) -> Damage:
    def damage(files: Files) -> None:
        for name in names:
            del files[name]

    return damage


def content(name: str, data: bytes | str) -> Damage:
    def damage(files: Files) -> None:
        files[name] = data.encode() if isinstance(data, str) else data

    return damage


def cut(name: str, keep: float) -> Damage:
    def damage(files: Files) -> None:
        files[name] = files[name][: int(len(files[name]) * keep)]

    return damage


def said(name: str, **values: Any) -> Damage:
    """Change values of a JSON file; None takes a key out."""

    def damage(files: Files) -> None:
        changed = {**json.loads(files[name]), **values}
        files[name] = json.dumps({k: v for k, v in changed.items() if v is not None}).encode()

    return damage


def tensors(change: Callable[[dict[str, torch.Tensor]], None]) -> Damage:
    def damage(files: Files) -> None:
        held = load(files[WEIGHTS])
        change(held)
        files[WEIGHTS] = save(held, {"format": "pt"})

    return damage


def shards(files: Files, *, absent: bool = False, map_to: str | None = None) -> None:
    held = load(files.pop(WEIGHTS))
    names = sorted(held)
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    where = {name: part for part, group in parts.items() for name in group}
    if map_to is not None:
        where[names[0]] = map_to
    files[INDEX] = json.dumps({"weight_map": where}).encode()
    for part, group in parts.items():
        files[part] = save({name: held[name] for name in group}, {"format": "pt"})
    if absent:
        del files["b.safetensors"]


def pickled(files: Files) -> None:
    del files[WEIGHTS]
    files["pytorch_model.bin"] = b"\x80\x04."


def long_header(files: Files) -> None:
    files[WEIGHTS] = (2**62).to_bytes(8, "little") + files[WEIGHTS][8:]


def lying_header(files: Files) -> None:
    files[WEIGHTS] = files[WEIGHTS].replace(b'"shape":[32]', b'"shape":[31]', 1)


#: name → (damage, what must be said). Seen without loading: nothing starts.
SEEN: dict[str, tuple[Damage, list[str]]] = {
    "weights cut in half": (cut(WEIGHTS, 0.5), [WEIGHTS, "where its tensors need"]),
    "weights cut by one byte": (cut(WEIGHTS, 0.99999), [WEIGHTS, "where its tensors need"]),
    "weights cut in the header": (cut(WEIGHTS, 0.001), [WEIGHTS, "torn"]),
    "weights empty": (content(WEIGHTS, b""), [WEIGHTS, "is empty"]),
    "weights of text": (content(WEIGHTS, "version https://git-lfs…"), [WEIGHTS, "torn"]),
    "weights of zeros": (content(WEIGHTS, bytes(5000)), [WEIGHTS]),
    "header too long": (long_header, [WEIGHTS, "torn"]),
    "header that lies": (lying_header, [WEIGHTS, "header that cannot be read"]),
    "weights absent": (without(WEIGHTS), ["there are no weights", WEIGHTS]),
    "weights pickled": (pickled, ["pytorch_model.bin is a pickle", "save_pretrained"]),
    "a shard absent": (lambda f: shards(f, absent=True), [INDEX, "b.safetensors"]),
    "a shard elsewhere": (
        lambda f: shards(f, map_to="../x.safetensors"),
        ["outside the folder", "'../x.safetensors'"],
    ),
    "a tensor in another shard": (
        lambda f: shards(f, map_to="b.safetensors"),
        ["b.safetensors lacks 1 tensors"],
    ),
    "index torn": (lambda f: (shards(f), cut(INDEX, 0.5)(f))[1], [INDEX, "is not JSON"]),
    "index empty": (lambda f: (shards(f), content(INDEX, "{}")(f))[1], [INDEX, "weight_map"]),
    "index of a list": (lambda f: (shards(f), content(INDEX, "[]")(f))[1], [INDEX, "no JSON"]),
    "config torn": (cut("config.json", 0.5), ["config.json is not JSON"]),
    "config empty": (content("config.json", ""), ["config.json is empty"]),
    "config a list": (content("config.json", "[1]"), ["config.json is no JSON object"]),
    "config of bytes": (content("config.json", b"\xff\xfe\x00"), ["config.json is not JSON"]),
    "config of many layers": (
        said("config.json", num_hidden_layers=99_999_999_999),
        ["num_hidden_layers=99,999,999,999"],
    ),
    "tokenizer absent": (without("tokenizer.json"), ["no tokenizer", "save_pretrained"]),
    "tokenizer torn": (cut("tokenizer.json", 0.5), ["tokenizer.json is not JSON"]),
    "tokenizer empty": (content("tokenizer.json", ""), ["tokenizer.json is empty"]),
    "tokenizer config torn": (cut("tokenizer_config.json", 0.5), ["tokenizer_config.json is not"]),
    "generation config torn": (cut("generation_config.json", 0.5), ["generation_config.json is"]),
    "two files at once": (
        lambda f: (cut(WEIGHTS, 0.5)(f), cut("tokenizer.json", 0.5)(f))[0],
        [WEIGHTS, "tokenizer.json is not JSON"],
    ),
}


def infinite(number: float) -> Damage:
    def change(held: dict[str, torch.Tensor]) -> None:
        held["model.layers.1.mlp.up_proj.weight"][3, 4] = number

    return tensors(change)


def another(held: dict[str, torch.Tensor]) -> None:
    for name in [name for name in held if ".layers.1." in name]:
        held[name.replace(".layers.1.", ".layers.2.")] = held[name].clone()


#: The same, seen when the model is opened, before the first step.
OPENED: dict[str, tuple[Damage, list[str]]] = {
    "nan": (infinite(float("nan")), [WEIGHTS, "model.layers.1.mlp.up_proj.weight", "nan"]),
    "infinite": (infinite(float("-inf")), [WEIGHTS, "model.layers.1.mlp.up_proj.weight"]),
    "a tensor missing": (
        tensors(lambda held: held.__delitem__("model.norm.weight")),
        ["lacks 1 of the weights", "model.norm.weight"],
    ),
    "a layer too many": (tensors(another), ["leaves no place for", "model.layers.2"]),
    "a layer more in the config": (said("config.json", num_hidden_layers=3), ["lacks"]),
    "a bias that the config leaves out": (
        tensors(lambda held: held.update({"model.layers.0.self_attn.q_proj.bias": torch.ones(32)})),
        ["leaves no place for", "q_proj.bias"],
    ),
    "another width": (said("config.json", intermediate_size=64), ["another shape", "[32, 64]"]),
    "a width of text": (said("config.json", hidden_size="wide"), ["M"]),
    "an architecture nobody has": (
        said("config.json", model_type="nonesuch", architectures=["NoneSuch"]),
        ["nonesuch"],
    ),
    "no language model": (said("config.json", architectures=["BertModel"]), ["BertModel"]),
    "code of its own": (
        said(
            "config.json",
            model_type="odd",
            auto_map={"AutoConfig": "odd.Odd", "AutoModelForCausalLM": "odd.OddLM"},
        ),
        ["model.trust_remote_code=true"],
    ),
    "a tokenizer of nothing": (
        content("tokenizer.json", "{}"),
        ["the tokenizer of ", "M cannot be loaded"],
    ),
    "no end token": (
        lambda f: (
            said("tokenizer_config.json", eos_token=None)(f),
            said("generation_config.json", eos_token_id=None)(f),
            said("config.json", eos_token_id=None)(f),
            f.pop("special_tokens_map.json", None),
        )[0],
        ["no end-of-text token", "set eos_token"],
    ),
    "a template cut off": (
        content("chat_template.jinja", "{% for m in messages %}{{ m.content }}"),
        ["chat template", "model.chat_template=FILE"],
    ),
    "a template that raises": (
        content("chat_template.jinja", "{{ raise_exception('no users here') }}"),
        ["no users here", "model.chat_template=FILE"],
    ),
}


def group(cases: dict[str, tuple[Damage, list[str]]], code: int) -> list[Hostile]:
    return [Hostile(name, TRAIN, says, code=code) for name, (_, says) in cases.items()]


def damaged(hostile: Hostile, whole: Files) -> Hostile:
    files = dict(whole)
    {**SEEN, **OPENED}[hostile.name][0](files)
    return dataclasses.replace(
        hostile, files={f"M/{name}": data for name, data in files.items()}, seconds=30.0
    )


@pytest.mark.parametrize("hostile", sampled(group(SEEN, 2)))
def test_a_damaged_file_is_named_before_anything_starts(
    hostile: Hostile, whole: Files, here: Place
) -> None:
    check(damaged(hostile, whole), here)


@pytest.mark.parametrize("hostile", sampled(group(OPENED, 1)))
def test_a_model_that_cannot_be_used_is_refused_when_it_is_opened(
    hostile: Hostile, whole: Files, here: Place
) -> None:
    check(damaged(hostile, whole), here)


@pytest.mark.parametrize(
    "hostile",
    sampled([*group(OPENED, 1), *group(SEEN, 1)], 3),
)
def test_an_evaluation_refuses_them_too(hostile: Hostile, whole: Files, here: Place) -> None:
    asked = dataclasses.replace(hostile, command="evaluate", words=MEASURE)
    check(damaged(asked, whole), here)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, warm: Any) -> Path:
    """The folder of a run whose stages and evaluations are finished."""
    place = Place(tmp_path_factory.mktemp("trained"), warm)
    ended = place.train(*small(*ROLLOUTS), "recipe=sft", "training.steps=2")
    assert ended.code == 0, ended.said
    return place.folder


#: What is done to what a stage published: file → change.
TOUCHED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "a byte of the weights": (WEIGHTS, lambda data: data[:-9] + b"\x00" + data[-8:]),
    "400 bytes of the weights": (WEIGHTS, lambda data: data[:-400] + bytes(400)),
    "the template": ("chat_template.jinja", lambda data: data + b" "),
    "the config": ("config.json", lambda data: data.replace(b"32", b"33")),
    "the tokenizer": ("tokenizer_config.json", lambda data: data + b" "),
    "the generation config": ("generation_config.json", lambda data: data + b"\n"),
    "an added file": ("added_tokens.json", lambda data: b"{}"),
    "a file taken away": ("generation_config.json", lambda data: b""),
}

#: Ways to name what a stage published.
WAYS = {
    "checkpoint": ("evaluate", "checkpoint={model}"),
    "checkpoint of the stage": ("evaluate", "checkpoint={stage}"),
    "start_from": ("train", "stages.sft.start_from={model}"),
    "model.path": ("train", "model=pretrained"),
    "models.reference": ("train", "models.reference={model}"),
}


def published(kind: str, way: str, trained: Path, here: Place) -> Hostile:
    source = next((trained / "outputs/stages").glob("sft-*"))
    stage = Path("kept") / source.name
    files = {
        str(stage / path.relative_to(source)): path.read_bytes()
        for path in source.rglob("*")
        if path.is_file() and "attempts" not in path.parts
    }
    name, change = TOUCHED[kind]
    target = str(stage / "model" / name)
    changed = change(files.get(target, b""))
    assert changed != files.get(target)
    if changed or kind == "an added file":
        files[target] = changed
    else:
        del files[target]
    command, key = WAYS[way]
    word = key.format(model=stage / "model", stage=stage)
    if command == "evaluate":
        words = [*small("training"), word]
    elif way == "model.path":
        path = f"model.path={stage / 'model'}"
        words = [*small("model", *ROLLOUTS), "recipe=sft", "training.steps=2", word, path]
    elif way == "models.reference":
        recipe = ("recipe=rl", "training.steps=1", "objective/regularizer=[kl]")
        words = [*small(ROWS), *recipe, word]
    else:
        words = [*small(*ROLLOUTS), "recipe=sft", "training.steps=3", word]
    return Hostile(f"{kind}, {way}", words, [name], code=1, command=command, files=files)


PUBLISHED = {f"{kind}, {way}": (kind, way) for way in WAYS for kind in TOUCHED}


@pytest.mark.slow
@pytest.mark.parametrize("hostile", sampled([Hostile(name, (), ()) for name in PUBLISHED]))
def test_what_a_stage_published_is_hashed_on_every_way_in(
    hostile: Hostile, trained: Path, here: Place
) -> None:
    case = published(*PUBLISHED[hostile.name], trained, here)
    check(dataclasses.replace(case, seconds=40.0), here)
