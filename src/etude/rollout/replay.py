"""Episodes played again with other columns: the same turns of the model, answered anew.

It tells whether an episode that missed its goal is right for another one. Turns stop where the
environment says that the episode is over, so of a longer episode what led to the goal is kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from etude.environment.opened import OpenEnvironments
from etude.model.calls import CallReader
from etude.rollout.episode.environment import WithEnvironment
from etude.rows import Ended, Message, Row


def replayed(
    rows: Sequence[Row],
    goals: Sequence[Mapping[str, Any]],
    episode: WithEnvironment,
    environments: OpenEnvironments,
    reader: CallReader,
) -> list[Row | None]:
    """Return each row as it ends where its columns are overlaid by a goal's; it is not judged.

    Its tokens are those of the row that it was; what is new of it is its example, its text and how
    it ended. None where the environment fails, or the conversation has no turn.
    """
    changed = [
        dataclasses.replace(row.example, columns={**row.example.columns, **goal})
        for row, goal in zip(rows, goals, strict=True)
    ]
    pool = environments.pool(episode.memory)
    begun = environments.begin(changed, episode.memory, episode.reply_characters)

    def ask(commands: Mapping[int, dict[str, Any]]) -> dict[int, Any]:
        asked = [(begun[place], command) for place, command in commands.items()]
        found = pool.ask(asked, episode.step_seconds)
        return {
            place: each for place, each in zip(commands, found, strict=True) if each is not None
        }

    opened = ask({place: one.head("reset") for place, one in enumerate(begun)})
    said = {place: list(found["messages"]) for place, found in opened.items()}
    first = {place: len(messages) for place, messages in said.items()}
    over: set[int] = set()
    for turn in range(episode.turns):
        texts = {place: _answers(rows[place])[turn:][:1] for place in set(said) - over}
        commands = {}
        for place, (text, *_) in ((place, texts[place]) for place in sorted(texts) if texts[place]):
            tools = environments.tools(begun[place].environment, episode.memory)
            calls = list(reader.read(text, tools).calls)
            commands[place] = {"what": "turn", "calls": calls, "text": text}
            said[place].append({"role": "assistant", "content": text})
        if not commands:
            break
        answered = ask(commands)
        for place in commands:
            if place not in answered:
                del said[place]
                continue
            said[place] += answered[place]["messages"]
            if answered[place]["done"] or answered[place]["over"]:
                over.add(place)
    ended = ask({place: {"what": "finish", "messages": said[place]} for place in said})
    ask({place: {"what": "close"} for place in ended})
    found: list[Row | None] = [None] * len(rows)
    for place, finished in ended.items():
        messages = tuple(Message(each["role"], each["content"]) for each in said[place])
        turns = [each.content for each in messages if each.role == "assistant"]
        if not turns:
            continue
        example = dataclasses.replace(changed[place], messages=messages[: first[place]])
        end = Ended(
            begun[place].environment,
            dict(finished["parts"]),
            turns=len(turns),
            goal=finished.get("goal"),
            said=messages,
        )
        found[place] = dataclasses.replace(
            rows[place], example=example, text=turns[-1], ended=end, verdict=None
        )
    return found


def conversation(row: Row, reply_role: str) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Return what an episode began with, and its turns up to the model's last, as columns.

    Answers of tools have the role that they are told as.
    """
    said = row.ended.said if row.ended is not None else ()
    own = [place for place, each in enumerate(said) if each.role == "assistant"]
    if not own:
        return [], []
    messages = [
        {"role": reply_role if each.role == "tool" else each.role, "content": each.content}
        for each in said
    ]
    return messages[: own[0]], messages[own[0] : own[-1] + 1]


def _answers(row: Row) -> list[str]:
    said = row.ended.said if row.ended is not None else ()
    return [each.content for each in said if each.role == "assistant"]
