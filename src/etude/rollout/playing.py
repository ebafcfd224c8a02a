"""Playing an episode: what it asks for becomes requests to engines, and answers become rows."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from etude.errors import StageError
from etude.randomness import seed_of
from etude.rollout.answered import row_of
from etude.rollout.engine import Combination, Engine
from etude.rollout.episode.interface import Context, Episode, in_groups
from etude.rollout.finished import Expecting, Finished
from etude.rollout.fitting import positions_of
from etude.rollout.logits.interface import Logits
from etude.rows import (
    POLICY,
    Example,
    Message,
    Request,
    Row,
    Sampled,
)

if TYPE_CHECKING:
    from etude.environment.opened import OpenEnvironments
    from etude.model.calls import CallReader
    from etude.model.policy import Policy


class Players(Expecting, Protocol):
    """The models that an episode is played with, and what judges its rows."""

    @property
    def logits(self) -> Logits | None:
        """Return what the policy's tokens are drawn from; None: its own distribution."""

    def model(self, role: str) -> Policy:
        """Return the model that writes as a role."""

    def engine(self, role: str) -> Engine:
        """Return what samples from the model of a role."""

    @property
    def environments(self) -> OpenEnvironments | None:
        """Return the open environments, None where there is none."""

    def learned_at(self, role: str) -> float | None:
        """Return the temperature that a role is trained at; None: not by rows played here."""

    def verify(self, rows: Sequence[Row]) -> None:
        """Have rows judged; each gets its verdict."""


@dataclass(frozen=True)
class Keys:
    """What one playing belongs to; ``row_seed(prompt id, index)`` keys the first turn's draws."""

    seed: int
    step: int
    row_seed: Callable[[str, int], int]


class Playing:
    """The stage as an episode sees it (:class:`~etude.rollout.episode.interface.EpisodeStage`).

    The policy draws at ``temperature``, or as the config says (None). ``measures`` tells that it is
    measured at that one: then an episode's own does not take its place.
    """

    def __init__(
        self,
        players: Players,
        keys: Keys,
        contexts: list[Context],
        numbered: Mapping[str, int],
        *,
        limit: int,
        temperature: float | None,
        measures: bool = False,
    ) -> None:
        self._measures = measures
        self._players = players
        self._keys = keys
        self._numbered = Counter(numbered)
        self._temperature = temperature
        self._drawn: set[tuple[Any, ...]] = set()
        self._made: dict[int, Row] = {}
        self._gone_on: set[int] = set()
        self._contexts = contexts
        self._limit = limit

    @property
    def contexts(self) -> list[Context]:
        """Return what is to be answered: every example as often as its size says, in order."""
        return list(self._contexts)

    @property
    def limit(self) -> int:
        """Return how many tokens a row's response may have, what it is told included."""
        return self._limit

    @property
    def seed(self) -> int:
        """Return the seed of the stage."""
        return self._keys.seed

    @property
    def step(self) -> int:
        """Return the number of the step."""
        return self._keys.step

    # What an episode asks for --------------------------------------------------------------

    def sample(
        self,
        role: str,
        contexts: Sequence[Context],
        decoder: Logits | None = None,
        *,
        key: str = "",
        max_new_tokens: int | None = None,
        temperature: float | None = None,
        final: bool = False,
    ) -> list[Row]:
        """Return the rows that the model of a role writes, one a context."""
        policy = self._players.model(role)
        if decoder is None and role == POLICY:
            decoder = self._players.logits
        chosen, other = self._drawn_at(role, temperature)
        rooms = [self._room(context, policy, max_new_tokens) for context in contexts]
        asked = [place for place, room in enumerate(rooms) if room > 0]
        requests = [self._request(role, contexts[at], rooms[at], key) for at in asked]
        finished = Finished(
            self._players, lambda at, answer: row_of(role, contexts[asked[at]], answer, policy)
        )
        watch = finished if final and self._players.expects else None
        answers = self._answers(role, requests, decoder, chosen, watch) if requests else []
        pairs = zip(asked, answers, strict=True)
        found = {place: finished.row(at, answer) for at, (place, answer) in enumerate(pairs)}
        rows = [
            found.get(at) or row_of(role, context, None, policy)
            for at, context in enumerate(contexts)
        ]
        for context, row in zip(contexts, rows, strict=True):
            if context.row is not None:
                self._gone_on.add(id(context.row))
                row.drawn += context.row.drawn
                context.row.drawn = 0
            row.behaviour = row.behaviour or other
            self._made[id(row)] = row
        return rows

    def context(self, example: Example) -> Context:
        """Return one more answer to begin to an example, with an index of its own."""
        prompt = self._players.model(POLICY).encode_example(example)
        return Context(example, self._index(example.id), prompt)

    @property
    def environments(self) -> OpenEnvironments:
        """Return the open environments; raises StageError where the stage has none."""
        found = self._players.environments
        if found is None:
            raise StageError(
                "the episode plays with environments, and the stage has none: environment=CHOICE"
            )
        return found

    def converse(
        self, context: Context, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()
    ) -> Context:
        """Return a context that begins with a conversation in the place of its prompt."""
        policy = self._players.model(POLICY)
        if policy.wording.converses:
            example = dataclasses.replace(
                context.example, system=None, messages=tuple(messages), tools=tuple(tools)
            )
        else:
            text = "\n".join(message.content for message in messages)
            example = dataclasses.replace(context.example, prompt=text, system=None, messages=())
        tokens = policy.encode_example(example)
        return dataclasses.replace(context, example=example, prompt=tokens, asked=True)

    def calls(self, written: str = "auto") -> CallReader:
        """Return what reads the calls of tools in the policy's answers."""
        return self._players.model(POLICY).wording.calls(written)

    def refuse_other_histories(self, accept: bool) -> None:
        """Raise StageError where the chat template writes earlier answers otherwise than given."""
        self._players.model(POLICY).wording.refuse_other_histories(accept)

    def tell(self, row: Row, text: str | Sequence[Message], *, role: str = "user") -> Context:
        """Return the row to go on with once its model is told messages."""
        wording = self._players.model(row.role).wording
        said = [Message(role, text)] if isinstance(text, str) else list(text)
        role = said[-1].role if said else role
        told = wording.encode_messages(said, row.example, after=row.tokens)
        return Context(
            row.example,
            row.index,
            row.prompt,
            row=row,
            told=told,
            speaker=role,
            turn=row.turn + 1,
            parent=row.name,
        )

    def branch(self, row: Row, count: int) -> list[Context]:
        """Return so many ways to go on with a row as it stands, each with an index of its own."""
        whole = Context(
            row.example, row.index, row.prompt, row=row, turn=row.turn + 1, parent=row.name
        )
        return [dataclasses.replace(whole, index=self._index(row.prompt_id)) for _ in range(count)]

    def ask(
        self,
        role: str,
        row: Row,
        prompt: str | Sequence[Message],
        *,
        system: str | None = None,
    ) -> Context:
        """Return a new text for the model of a role, about a row."""
        text, messages = (prompt, ()) if isinstance(prompt, str) else ("", tuple(prompt))
        example = dataclasses.replace(
            row.example,
            prompt=text or (messages[-1].content if messages else ""),
            system=system,
            messages=messages,
        )
        tokens = self._players.model(role).encode_example(example)
        return Context(example, row.index, tokens, turn=row.turn, parent=row.name)

    def verify(self, rows: Sequence[Row]) -> None:
        """Have rows judged now."""
        self._players.verify(rows)

    # What becomes of it --------------------------------------------------------------------

    def beside(self, kept: Sequence[Row]) -> list[Row]:
        """Return the rows that were sampled and are neither kept nor the beginning of others."""
        known = {id(row) for row in kept} | self._gone_on
        return [row for place, row in self._made.items() if place not in known]

    # Within --------------------------------------------------------------------------------

    def _drawn_at(self, role: str, asked: float | None) -> tuple[float | None, bool]:
        """Return the temperature of a turn, and whether it is another than the role is trained at.

        Then what is learned from its rows goes by the log-probs they were drawn with, as a person
        would expect of rows that another distribution gave. Raises StageError where it has none.
        """
        usual = self._temperature if role == POLICY else None
        if asked is None or (self._measures and role == POLICY):
            return usual, False
        trained = self._players.learned_at(role)
        if trained is None:
            return asked, False
        if asked == (trained if usual is None else usual):
            return usual, False
        if not asked > 0:
            raise StageError(
                f"an episode has {role} answer at temperature {asked:g}: what is learned from is "
                "drawn, and its log-probs need a temperature above 0"
            )
        return asked, True

    def _index(self, prompt_id: str) -> int:
        self._numbered[prompt_id] += 1
        return self._numbered[prompt_id] - 1

    def _room(self, context: Context, policy: Policy, most: int | None) -> int:
        """Return how many tokens a context may be answered with, a given head included."""
        begun = 0 if context.row is None else len(context.row.tokens) + len(context.told)
        room = self._limit - begun
        if context.asked:
            positions = positions_of(policy)
            if positions is not None:
                room = min(room, positions - len(context.prompt) - begun)
        return room if most is None else min(room, most)

    def _request(self, role: str, context: Context, room: int, key: str) -> Request:
        example, index = context.example, context.index
        draw = (role, example.id, index, context.turn, key)
        if draw in self._drawn:
            raise StageError(
                f"an episode asks {role} twice for answer {index} to {example.id} in turn "
                f"{context.turn}, which would draw the same tokens again; "
                'stage.sample(…, key="…") tells two such draws apart'
            )
        self._drawn.add(draw)
        seed = self._keys.row_seed(example.id, index)
        if role != POLICY or context.turn or key:
            seed = seed_of("turn", seed, role, context.turn, key)
        begun = () if context.row is None else (*context.row.tokens, *context.told)
        prompt = context.prompt + begun
        return Request(example.id, index, prompt, seed, room, prefix=context.head[:room])

    def _answers(
        self,
        role: str,
        requests: Sequence[Request],
        decoder: Logits | None,
        temperature: float | None,
        watch: Finished | None,
    ) -> list[Sampled]:
        engine = self._players.engine(role)
        how: dict[str, Any] = {"temperature": temperature}
        if watch is not None and getattr(engine, "tells_what_ended", False):
            how["watch"] = watch
        if decoder is not None and not decoder.own:
            others = {other: self._players.engine(other) for other in decoder.roles}
            how["logits"] = Combination(decoder, others)
        return engine.sample(requests, **how)


def play(
    episode: Episode, examples: Sequence[Example], sizes: Sequence[int], stage: Playing
) -> list[list[Row]]:
    """Return the group that an episode makes of each example.

    Raises StageError where it returns something else.
    """
    found: list[Any] = list(episode.play(examples, list(sizes), stage))
    flat = all(isinstance(each, Row) for each in found)
    if flat and len(found) != sum(sizes):
        raise StageError(
            f"{_named(episode)} returned {len(found)} rows, and {sum(sizes)} were asked for: "
            "others are returned as groups, a list of rows for each example"
        )
    groups = in_groups(found, sizes) if flat else [list(group) for group in found]
    if len(groups) != len(examples):
        raise StageError(
            f"{_named(episode)} returned {len(groups)} groups for {len(examples)} examples; it "
            "returns a group for each, in order"
        )
    for example, group in zip(examples, groups, strict=True):
        for row in group:
            fault = _fault(row, example)
            if fault:
                raise StageError(f"{_named(episode)} returned {fault}")
    every = [id(row) for group in groups for row in group]
    if len(set(every)) < len(every):
        raise StageError(f"{_named(episode)} returned a row twice, which would count double")
    return groups


def _named(episode: Episode) -> str:
    return f"rollout.episode={episode.declaration.name}"


def _fault(row: Any, example: Example) -> str:
    """Return what is wrong with a row of an example's group, empty where nothing is."""
    if not isinstance(row, Row):
        return f"{type(row).__name__} where a row is expected"
    if row.prompt_id != example.id:
        return f"a row of {row.prompt_id} in the group of {example.id}"
    count = len(row.tokens)
    lists = {
        "loss_mask": row.loss_mask,
        "off_policy": row.off_policy,
        "sampler_logprobs": row.sampler_logprobs,
        **{f"tensors[{name!r}].values": each.values for name, each in row.tensors.items()},
    }
    for name, values in lists.items():
        if len(values) != count:
            return f"a row of {count} tokens whose {name} has {len(values)} entries"
    return ""
