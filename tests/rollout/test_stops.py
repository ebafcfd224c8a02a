"""Stop strings are found wherever the tokenizer cuts them, and only when they are new."""

from etude.model.tokenizer import make_tokenizer
from etude.rollout.stops import StopStrings
from etude.rollout.waves import cut
from etude.rows import Request


def first_stop(stops, tokens):
    for end in range(1, len(tokens) + 1):
        if stops.may_complete(tokens[end - 1]) and stops.completed_by_last(tokens[:end]):
            return end
    return None


def test_strings_are_found_across_token_boundaries():
    tokenizer = make_tokenizer("characters", 64)
    tokens = tokenizer.encode("so 12\n\nand more\n\n")
    assert first_stop(StopStrings(tokenizer, ["\n\n"]), tokens) == 7
    assert first_stop(StopStrings(tokenizer, ["more", "and"]), tokens) == 10
    assert first_stop(StopStrings(tokenizer, ["absent"]), tokens) is None


def test_a_character_of_several_bytes_completes_with_its_last_byte():
    tokenizer = make_tokenizer("bytes", 64)
    tokens = tokenizer.encode("x = 答案 y")
    end = len("x = 答案".encode())
    assert first_stop(StopStrings(tokenizer, ["案"]), tokens) == end
    assert first_stop(StopStrings(tokenizer, ["答案"]), tokens) == end


def test_a_string_that_was_there_before_does_not_stop_again():
    tokenizer = make_tokenizer("characters", 64)
    stops = StopStrings(tokenizer, ["ab"])
    tokens = tokenizer.encode("abbab")
    assert [stops.completed_by_last(tokens[:n]) for n in range(1, 6)] == [
        False,
        True,
        False,
        False,
        True,
    ]


def request(name, length, limit):
    return Request(name, 0, tuple(range(4, 4 + length)), 0, limit)


def test_waves_stay_within_the_budget_and_read_each_context_once():
    requests = [request(f"p{i // 4}", 5 + i // 4, 27) for i in range(32)]
    waves = cut(requests, token_budget=400)
    assert sorted(row for wave in waves for row in wave.rows) == list(range(32))
    for wave in waves:
        assert len(wave.rows) * wave.capacity <= 400
        assert len(set(wave.contexts)) == len(wave.contexts)
        for row, context in zip(wave.rows, wave.context_of, strict=True):
            assert wave.contexts[context] == requests[row].prompt
    assert len(cut(requests, token_budget=10**6)) == 1
    assert len(cut(requests, token_budget=1)) == 32
