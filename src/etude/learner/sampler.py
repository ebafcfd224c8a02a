"""What guidance asks of one step: answers, continuations and demonstrations, all judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from etude.component import UNEQUAL_SIZES
from etude.curriculum.interface import StepPlan
from etude.errors import StageError
from etude.learner.opened import Opened
from etude.learner.sharing import shared
from etude.learner.taught import demonstration_row
from etude.objective.sizes import Rounds, Size, sizes_of
from etude.randomness import row_seed
from etude.rollout.episode.environment import WithEnvironment
from etude.rollout.episode.interface import Context, Episode
from etude.rollout.playing import Keys, Playing, play
from etude.rollout.replay import conversation, replayed
from etude.rows import POLICY, Example, Row, StopReason

#: An example, given tokens at the head of the response, and the rollout index.
Wanted = tuple[Example, tuple[int, ...], int]


@dataclass(frozen=True)
class Wish:
    """An example, given tokens at the head of each answer, the first answer's index, how many."""

    example: Example
    head: tuple[int, ...]
    index: int
    size: int


@dataclass(frozen=True)
class Played:
    """What an episode made of one example: its group, and the rows beside it.

    These are of models that are not trained, or were left off on the way. ``written`` are those
    that trained roles learn from, by role.
    """

    group: list[Row]
    beside: list[Row]
    written: dict[str, list[Row]]


class StepSampler:
    """Samples for one step; the same prompt asked for again gets other answers.

    Answers come about as the stage's episode plays them. Everything random about a row is keyed by
    (seed, step, prompt id, rollout index), and in later turns by turn and role. ``sampled`` holds
    every row of a trained model, ``beside`` those that were sampled on the way to them, and
    ``demonstrated`` every one the policy was given. All ranks ask for the same rows and get all of
    them; each plays and has judged those of its own prompts. Answers that are asked for in rounds
    are one group, and so are the rows that other trained roles wrote on the way to them.
    """

    def __init__(self, opened: Opened, step: int, plan: StepPlan) -> None:
        self._opened = opened
        self._plan = plan
        self._next: Counter[str] = Counter()
        self.step = step
        self.sampled: list[Row] = []
        self.beside: list[Row] = []
        self.demonstrated: list[Row] = []
        self._places = 0
        self._written: dict[str, dict[int, list[Row]]] = {}

    @property
    def written(self) -> dict[str, list[list[Row]]]:
        """Return the groups of the rows that trained roles learn from, by role."""
        return {
            role: [rows for _, rows in sorted(groups.items())]
            for role, groups in self._written.items()
        }

    @property
    def seed(self) -> int:
        """Return the run's seed."""
        return self._opened.seed

    def sample(
        self, examples: Sequence[Example], size: Size, *, prefixes: Sequence[str] | None = None
    ) -> list[list[Row]]:
        """Return ``size`` judged answers to each example, after forced prefixes if given."""
        begin = self._begun(len(examples))
        if not isinstance(size, Rounds):
            return self._sampled(range(len(examples)), size, examples, prefixes, begin)
        return size.play(
            lambda places, counts: self._sampled(places, counts, examples, prefixes, begin)
        )

    def _sampled(
        self,
        places: Sequence[int],
        size: Size,
        examples: Sequence[Example],
        prefixes: Sequence[str] | None,
        begin: int,
    ) -> list[list[Row]]:
        """Return judged answers to the examples at some places, whose groups begin at ``begin``."""
        examples = [examples[place] for place in places]
        sizes = sizes_of(size, len(examples))
        encode = self._opened.policy.encode_text
        heads: list[tuple[int, ...]] = [()] * len(examples)
        if prefixes:
            pairs = zip([prefixes[place] for place in places], examples, strict=True)
            heads = [encode(text, example) for text, example in pairs]
        wishes = [
            Wish(example, head, self._index(example, count), count)
            for example, head, count in zip(examples, heads, sizes, strict=True)
        ]
        groups = self._played(wishes, [begin + place for place in places])
        if self._opened.role != POLICY:  # the model that answers is the policy to an episode
            for row in (row for group in groups for row in group if row.role == POLICY):
                row.role = self._opened.role
        self.sampled += [row for group in groups for row in group]
        return groups

    def demonstrations(
        self, examples: Sequence[Example], shares: Sequence[float]
    ) -> list[Row | None]:
        """Return each example's demonstration as a judged row, None where there is none.

        After a share below 1 the policy goes on.
        """
        rows: dict[int, Row] = {}
        whole: dict[int, Wanted] = {}
        begun: dict[int, Wish] = {}
        for place, (example, share) in enumerate(zip(examples, shares, strict=True)):
            text = self.text(example)
            if text is None:
                continue
            tokens = self._opened.policy.encode_response(text, example)
            index = self._index(example)
            if share < 1.0:
                begun[place] = Wish(example, tokens[: int(share * len(tokens))], index, 1)
            else:
                whole[place] = (example, tokens, index)
        if whole:
            rows |= zip(whole, shared(list(whole.values()), _prompt, self._give), strict=True)
        if begun:
            first = self._begun(len(begun))
            groups = self._played(list(begun.values()), range(first, first + len(begun)))
            rows |= {place: group[0] for place, group in zip(begun, groups, strict=True) if group}
        found = [rows.get(place) for place in range(len(examples))]
        self.demonstrated += [row for row in found if row is not None]
        return found

    def _give(self, wanted: Sequence[Wanted]) -> list[Row]:
        """Return judged rows that the policy wrote nothing of."""
        policy = self._opened.policy
        rows = []
        for example, tokens, index in wanted:
            row = self._row(example, index, policy.encode_example(example))
            row.tokens = tokens[: self._limit]
            row.loss_mask = [1] * len(row.tokens)
            row.off_policy = [1] * len(row.tokens)
            row.sampler_logprobs = [0.0] * len(row.tokens)
            cut = len(tokens) > len(row.tokens)
            row.stop_reason = StopReason.LENGTH if cut else StopReason.STOP
            row.text = policy.answer_text(row.tokens, example, row.stop_reason)
            rows.append(row)
        self._opened.verify(rows)
        return rows

    def taught(self, example: Example) -> Row | None:
        """Return the example's demonstration to imitate, not judged; None when it has none.

        A longer one than an answer may be is cut, and its last token then ends it.
        """
        text = self.text(example)
        if text is None:
            return None
        return demonstration_row(self._opened.policy, example, text, limit=self._limit)

    def text(self, example: Example) -> str | None:
        """Return the text of the example's demonstration, None when it has none."""
        return self._opened.stream.demonstrations.of(example)

    def beginning(self, text: str, share: float) -> str:
        """Return the beginning of a text: that share of the policy's tokens, rounded."""
        return self._opened.policy.wording.beginning(text, share)

    def context(self, example: Example) -> tuple[int, ...]:
        """Return the tokens of the example's prompt."""
        return self._opened.policy.encode_example(example)

    def conversation(self, row: Row) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
        """Return what the row's episode began with and its turns; of a single answer nothing."""
        return conversation(row, getattr(self._opened.episode, "reply_role", "tool"))

    def replayed(self, rows: Sequence[Row], goals: Sequence[Mapping[str, Any]]) -> list[Row | None]:
        """Return each episode played again with a goal's columns, judged; None where it fails."""
        opened = self._opened
        episode, environments = opened.episode, opened.environments
        if not isinstance(episode, WithEnvironment) or environments is None:
            raise StageError(
                "episodes are played again in environments, and the stage plays none: type "
                "environment=CHOICE rollout/episode=environment verifier=environment"
            )
        reader = opened.policy.wording.calls(episode.calls)
        found = replayed(rows, goals, episode, environments, reader)
        opened.verify([row for row in found if row is not None])
        return found

    def fits(self, example: Example) -> bool:
        """Return whether the model's positions leave room to answer the example's prompt."""
        room = self._opened.limit.room
        return room is None or len(self.context(example)) <= room

    @property
    def _limit(self) -> int:
        return self._opened.max_new_tokens

    def _index(self, example: Example, count: int = 1) -> int:
        """Return the number of the next answer to an example, of which ``count`` are begun."""
        self._next[example.id] += count
        return self._next[example.id] - count

    def _row(self, example: Example, index: int, prompt: tuple[int, ...]) -> Row:
        return Row(
            prompt_id=example.id,
            index=index,
            prompt=prompt,
            sampled_prompt=prompt,
            tokens=(),
            loss_mask=[],
            example=example,
            role=self._opened.role,
        )

    def _begun(self, groups: int) -> int:
        """Return the place of the first of so many groups that are begun."""
        self._places += groups
        return self._places - groups

    def _played(self, wishes: Sequence[Wish], places: Sequence[int]) -> list[list[Row]]:
        """Return the judged group of each wish; what was sampled beside them is kept as well.

        ``places`` tell which group of the step each belongs to.
        """
        found = shared(wishes, _id, partial(self._play, self._next.copy()))
        for played, place in zip(found, places, strict=True):
            for role, rows in played.written.items():
                if rows:
                    self._written.setdefault(role, {}).setdefault(place, []).extend(rows)
            learned = (row for rows in played.written.values() for row in rows)
            for row in (*played.group, *played.beside, *learned):
                self._next[row.prompt_id] = max(self._next[row.prompt_id], row.index + 1)
            self.beside += played.beside
        return [played.group for played in found]

    def _play(self, numbered: Counter[str], wishes: Sequence[Wish]) -> list[Played]:
        """Play the episode for some wishes, and have its rows judged; ranks do so apart."""
        opened, seed, step = self._opened, self._opened.seed, self.step
        texts = {(w.example.prompt, w.example.system, w.example.messages): w for w in wishes}
        prompts = {text: self.context(wish.example) for text, wish in texts.items()}
        contexts = [
            Context(
                wish.example,
                wish.index + number,
                prompts[wish.example.prompt, wish.example.system, wish.example.messages],
                head=wish.head,
                asked=False,
            )
            for wish in wishes
            for number in range(wish.size)
        ]
        stage = Playing(
            opened,
            Keys(seed, step, partial(row_seed, seed, step)),
            contexts,
            numbered,
            limit=self._limit,
            temperature=self._plan.temperature,
        )
        groups = play(
            opened.episode,
            [wish.example for wish in wishes],
            [wish.size for wish in wishes],
            stage,
        )
        mine = [[row for row in group if row.role == POLICY] for group in groups]
        written = [
            {role: [row for row in group if row.role == role] for role in opened.writers}
            for group in groups
        ]
        for group, wish in zip(mine, wishes, strict=True):
            _refuse_other_numbers(opened.episode, group, wish)
        rows = [row for group in mine for row in group]
        rows += [row for each in written for some in each.values() for row in some]
        opened.verify([row for row in rows if row.verdict is None])
        others: dict[str, list[Row]] = {wish.example.id: [] for wish in wishes}
        for row in stage.beside(rows):
            others[row.prompt_id].append(row)
        # Of several wishes for one prompt the first has what was sampled beside all of them.
        return [
            Played(group, others.pop(wish.example.id, []), theirs)
            for group, wish, theirs in zip(mine, wishes, written, strict=True)
        ]


def _prompt(wanted: Wanted) -> str:
    return wanted[0].id


def _id(wish: Wish) -> str:
    return wish.example.id


def _refuse_other_numbers(episode: Episode, group: Sequence[Row], wish: Wish) -> None:
    """Raise StageError where a group has other numbers of rows than asked, and none declares it."""
    own = sum(row.role == POLICY for row in group)
    provided = {need.what for need in episode.declaration.provides}
    if own != wish.size and UNEQUAL_SIZES not in provided:
        raise StageError(
            f"rollout.episode={episode.declaration.name} returned {own} rows of the policy for "
            f"{wish.example.id}, and {wish.size} were asked for; an episode of such groups is a "
            f"class that declares it: @component(provides=[{UNEQUAL_SIZES!r}])"
        )
