"""The model card: what the hub reads of it, and what a person does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from etude.config.quoting import command
from etude.export import discreet
from etude.export.facts import Facts
from etude.export.licence import UNKNOWN
from etude.export.measured import LEVEL, Measurement, figures, spread
from etude.export.rows_read import Source
from etude.plan.quantities import counted, duration
from etude.plan.references import Base
from etude.printable import printable_line
from etude.view.record import interval

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

#: What Markdown would take for its own, or a page for a tag.
_MARKED = re.compile(r"[\\`*_\[\]<>|#~]")

#: Metrics whose better value is the smaller one, or that are no score, are told and not indexed.
_NO_SCORE = re.compile(r"length.*|truncated|loss|change/.*|out_of_reach|forgotten|lost")


def card_of(facts: Facts) -> str:
    """Return README.md: front matter as the hub reads it, then the model in words."""
    from huggingface_hub import ModelCard, ModelCardData

    found = facts.licence
    results = [result for each in facts.measurements for result in _results(each)]
    data = ModelCardData(
        base_model=facts.base or None,
        base_model_relation=_relation(facts),
        datasets=sorted({source.hub for source in facts.sources if source.hub}) or None,
        eval_results=results or None,
        library_name="peft" if facts.is_adapter else "transformers",
        license=found.licence,
        model_name=facts.name if results else None,
        pipeline_tag=None if facts.role else "text-generation",
        tags=_tags(facts),
        license_name=found.name or None if found.licence == "other" else None,
        license_link=found.link or None if found.licence == "other" else None,
    )
    body = "\n".join(_body(facts))
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{body}\n"))


def _relation(facts: Facts) -> str | None:
    if not facts.base:
        return None
    return "adapter" if facts.is_adapter else "finetune"


def _tags(facts: Facts) -> list[str]:
    own = facts.origin.own.config.get("objective")
    node = own if isinstance(own, Mapping) else {}
    method = str(node.get("preset") or node.get("name") or "")
    papers = [f"arxiv:{each}" for each in _papers(facts)]
    return list(dict.fromkeys(filter(None, ("etude", facts.origin.own.learner, method, *papers))))


def _papers(facts: Facts) -> list[str]:
    """Return the arXiv numbers of the methods of the row, as their components name them."""
    from etude.schema import load

    schema, found = load(), []
    for link in facts.origin.links:
        node = link.config.get("objective")
        info = schema.of("objective", node) if isinstance(node, Mapping) else None
        found += re.findall(r"arXiv (\d{4}\.\d{4,5})", info.source if info is not None else "")
    return list(dict.fromkeys(found))


def _results(measurement: Measurement) -> Iterator[EvalResult]:
    from huggingface_hub import EvalResult

    parts = measurement.held_out
    named = [str(node.get("hub") or name) for name, _, node in parts]
    what = " + ".join(dict.fromkeys(named)) or measurement.label
    share, node = (parts[0][1], parts[0][2]) if len(parts) == 1 else ({}, {})
    result = measurement.evaluation.result
    for name, _, metric in figures(measurement):
        value, low, high = spread(metric)
        if _NO_SCORE.fullmatch(name):
            continue
        args: dict[str, Any] = {"problems": result.get("problems"), **_settings(measurement)}
        args["samples"] = result.get("samples")
        if low is not None and high is not None:
            args |= {"low": low, "high": high, "level": LEVEL}
        yield EvalResult(
            task_type="text-generation",
            dataset_type=discreet.text(named[0]) if len(set(named)) == 1 else measurement.label,
            dataset_name=discreet.text(what),
            dataset_config=str(node.get("config")) if node.get("config") else None,
            dataset_split=str(share.get("split")) if share.get("split") else None,
            dataset_revision=str(node.get("revision")) if node.get("revision") else None,
            metric_type=name,
            metric_value=value,
            metric_name=f"{name} ({measurement.label})",
            metric_args={key: each for key, each in args.items() if each is not None},
        )


def _settings(measurement: Measurement) -> dict[str, Any]:
    settings = measurement.evaluation.settings
    return {key: settings.get(key) for key in ("temperature", "max_new_tokens", "seed")}


def _body(facts: Facts) -> Iterator[str]:
    own, origin = facts.origin.own, facts.origin
    yield f"# {_plain(facts.name)}"
    yield ""
    role = f", its role {_plain(facts.role)}" if facts.role else ""
    of = f" of the recipe {_plain(discreet.text(origin.recipe))}" if origin.recipe else ""
    title = f" ({_plain(facts.titles[own.name])})" if own.name in facts.titles else ""
    yield f"The stage {_plain(own.name)}{of}{role}{title}, post-trained with etude."
    yield from _section("Results", _figures(facts))
    yield from _section("Training", _training(facts))
    yield from _section("Data", _data(facts.sources))
    yield from _section("Use", _use(facts))
    yield from _section("Again", _again(facts))
    yield from _section("Licence", _licence(facts))


def _section(title: str, lines: Iterator[str]) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    yield from lines


def _figures(facts: Facts) -> Iterator[str]:
    if not facts.measurements:
        yield "No evaluation of this model is recorded."
        return
    yield f"Intervals of {LEVEL:.0%}. *Before* is the model that the stage started from."
    yield ""
    yield "| evaluation | measured on | metric | before | after |"
    yield "| --- | --- | --- | --- | --- |"
    for each in facts.measurements:
        on = _measured_on(each)
        for number, (name, before, after) in enumerate(figures(each)):
            head = (_plain(each.label), _plain(on)) if number == 0 else ("", "")
            was = "" if before is None else interval(before)
            yield f"| {head[0]} | {head[1]} | {_plain(name)} | {was} | {interval(after)} |"
    for each in facts.measurements:
        if each.chose:
            yield ""
            yield (
                f"The evaluation {_plain(each.label)} also chose which step's weights these are, "
                "so its figures are a little better than fresh problems would give."
            )


def _measured_on(measurement: Measurement) -> str:
    result = measurement.evaluation.result
    named = [str(node.get("hub") or name) for name, _, node in measurement.held_out]
    problems, samples = result.get("problems"), result.get("samples")
    parts = [discreet.text(" + ".join(dict.fromkeys(named)))]
    parts += [counted(problems, "problem")] if isinstance(problems, int) else []
    parts += [f"{counted(samples, 'answer')} each"] if isinstance(samples, int) else []
    heat = measurement.evaluation.settings.get("temperature")
    parts += [f"temperature {heat:g}"] if isinstance(heat, (int, float)) else []
    return ", ".join(filter(None, parts))


def _training(facts: Facts) -> Iterator[str]:
    origin = facts.origin
    names = " → ".join([_began(facts), *(link.name for link in origin.links)])
    yield f"{_plain(names)}. `recipe.yaml` has every value of every stage."
    for link in origin.links:
        yield ""
        took = "" if link.stage is None or not link.stage.seconds else duration(link.stage.seconds)
        title = facts.titles.get(link.name, link.learner)
        tail = f", {took} in steps" if took else ""
        yield f"**{_plain(link.name)}** ({_plain(title)}{tail})"
        yield ""
        if not link.config:
            yield "- its config cannot be read any more"
        for label, sentence in facts.words.get(link.name, {}).items():
            yield f"- {_plain(label)}: {_plain(discreet.text(sentence))}"
        for given in link.given:
            yield f"- given: {_plain(discreet.text(given))}"
    steps, taken = facts.steps
    if steps is not None and taken is not None and taken != steps:
        yield ""
        yield f"The weights are those after step {taken:,} of {steps:,}."


def _began(facts: Facts) -> str:
    if facts.base:
        return facts.base
    if facts.origin.is_scratch:
        return "random weights"
    name = facts.origin.base_name
    if name:
        return discreet.tree(name).rstrip("/").rpartition("/")[2] + " (a folder)"
    return "a base that is not recorded" if not isinstance(facts.origin.base, Base) else "base"


def _data(sources: Sequence[Source]) -> Iterator[str]:
    if not sources:
        yield "What it was trained on cannot be read from its record any more."
        return
    yield "| source | stages | rows from | part | SHA-256 |"
    yield "| --- | --- | --- | --- | --- |"
    for each in sources:
        rows = "" if each.rows is None else f", {counted(each.rows, 'row')}"
        cells = (
            each.name,
            ", ".join(each.stages),
            _place(each) + rows,
            _part(each),
            " ".join(f"{name} {digest[:16]}" for name, digest in each.files.items()),
        )
        yield "| " + " | ".join(_plain(discreet.text(cell)) for cell in cells) + " |"
    if any(each.path and not each.files for each in sources):
        yield ""
        yield "A file without a hash has changed since, or was not there any more at the export."


def _place(source: Source) -> str:
    if source.hub:
        config = f" ({source.config})" if source.config else ""
        return f"{source.hub}{config}" + (f" at {source.revision}" if source.revision else "")
    if source.path:
        return f"the file {str(discreet.tree(source.path)).rpartition('/')[2]}"
    return f"made by {source.kind}" if source.kind else source.name


def _part(source: Source) -> str:
    said = [f"split {source.split}"] if source.split else []
    said += [f"{key} {json.dumps(value)}" for key, value in source.share.items()]
    return ", ".join(said)


def _use(facts: Facts) -> Iterator[str]:
    yield "```python"
    if facts.is_adapter:
        yield "from peft import AutoPeftModelForCausalLM as Model"
    else:
        yield "from transformers import AutoModelForCausalLM as Model"
    yield "from transformers import AutoTokenizer"
    yield ""
    yield 'place = "."  # this folder, or OWNER/NAME on the hub'
    yield "model, tokenizer = Model.from_pretrained(place), AutoTokenizer.from_pretrained(place)"
    yield "```"
    if facts.role:
        yield ""
        yield "A head beside the model, where there is one, is `value_head.safetensors`."


def _again(facts: Facts) -> Iterator[str]:
    if facts.command is None:
        yield "The command that trained it is not recorded; `recipe.yaml` has every value."
    else:
        line = printable_line(command(facts.command))
        fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", line + "``")))
        yield from (fence, line, fence, "")
        yield (
            f"The fingerprint of the stage is `{facts.origin.own.fingerprint}`: where the "
            "command gives the same, it is the same work. A path here is the last part of one."
        )
    if facts.versions:
        yield ""
        yield (
            "Trained with " + ", ".join(f"{n} {_plain(v)}" for n, v in facts.versions.items()) + "."
        )
    if facts.commit:
        yield f"The code of etude was at commit `{_plain(facts.commit)}`."


def _licence(facts: Facts) -> Iterator[str]:
    found = facts.licence
    if found.is_known:
        said = f", as {found.said_by} says" if found.said_by else ""
        yield f"{_plain(found.name or found.licence)}{_plain(said)}."
    elif facts.origin.is_scratch:
        yield f"`{UNKNOWN}`: none was given. Training began with random weights."
    else:
        yield (
            f"`{UNKNOWN}`: nothing here says under which licence the model is that training began "
            "with, nor was one given."
        )


def _plain(text: str) -> str:
    """Return a text in one line that Markdown and HTML take for nothing but text."""
    return _MARKED.sub(lambda found: f"\\{found[0]}", printable_line(text)).replace("&", "&amp;")
