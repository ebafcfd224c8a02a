"""Engines on servers, with a small HTTP server that answers as vLLM's does."""

import json
import math
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import engine_stub
from etude.engines.asked import Ask, EngineLost, How
from etude.engines.server import ServerLink


class Letters:
    """Token n is the n-th letter."""

    def decode(self, tokens, **_):
        return "".join("abcdef"[token] for token in tokens)


class Server:
    """The endpoints that a server needs, over the stub's model."""

    def __init__(self):
        self.weights, self.folder, self.asked = [[0.0] * 6, [0.0] * 6], "", []
        self.works = {
            "block": 4,
            "logprobs_mode": "processed_logprobs",
            "generation_config": "vllm",
        }
        self.status = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                self.answer({})

            def do_POST(self):
                self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def answer(self, given):
                code = server.status.get(self.path, 200)
                body = json.dumps(server.answer(self.path, given)).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def answer(self, path, given):
        if path == "/v1/models":
            return {"data": [{"id": "m"}]}
        if path == "/version":
            return {"version": "0.0"}
        if path == "/reset_prefix_cache":
            return {"success": True}
        if path == "/collective_rpc":
            return {"results": [getattr(self, given["method"])(*given["args"])]}
        return {"choices": [self.completion(given)]} if path == "/v1/completions" else {}

    def etude_load(self, folder):
        self.weights, self.folder = engine_stub.read(folder), folder
        return self.etude_held()

    def etude_held(self):
        held = engine_stub.held(self.weights)
        return {"total": held.total, "squares": held.squares, "missing": [], **self.works}

    def etude_at(self):
        return {"folder": self.folder}

    def completion(self, given):
        self.asked.append(given)
        scale = given["temperature"] or 1.0
        plain = engine_stub.log_softmax([a + b for a, b in zip(*self.weights, strict=True)])
        known = engine_stub.log_softmax([x / scale for x in plain])
        drawn, source = [], random.Random(given["seed"])
        while len(drawn) < given["max_tokens"]:
            drawn += source.choices(range(6), [math.exp(x) for x in known])
            if drawn[-1] in given["stop_token_ids"]:
                break
        before = None
        if given["prompt_logprobs"] is not None:
            every = {str(n): {"logprob": x} for n, x in enumerate(plain)}
            before = [None, *[every] * (len(given["prompt"]) - 1)]
        return {
            "token_ids": drawn,
            "logprobs": {"token_logprobs": [known[token] for token in drawn]},
            "finish_reason": "length" if len(drawn) == given["max_tokens"] else "stop",
            "prompt_logprobs": before,
        }


@pytest.fixture
def servers(tmp_path):
    (tmp_path / "weights.json").write_text(
        json.dumps({"logits": [[0.1 * n for n in range(6)], [0.0] * 6]})
    )
    found = [Server(), Server()]
    yield found
    for each in found:
        each.http.shutdown()
        each.http.server_close()


def link_to(servers):
    urls = [each.url for each in servers]
    return ServerLink(urls, Letters(), rows=4, start_limit=2.0, patience=5.0)


def rows_of(link, asks, how):
    found = []
    link.sample(asks, how, found.extend, lambda: None)
    return sorted(found, key=lambda answer: answer.place)


ASKS = [Ask(n, (1, 2, 3), 50 + n, 12) for n in range(40)]


def test_rows_are_dealt_out_and_end_as_they_should(servers, tmp_path):
    link = link_to(servers)
    about = link.start(str(tmp_path))
    assert (about.block, about.held) == (4, engine_stub.held(engine_stub.read(tmp_path)))
    answers = rows_of(link, ASKS, How(0.7, ends=(5,), stop=("cd", "b")))
    short = rows_of(link, [Ask(0, (1, 2, 3), 2, 1)], How(0.7, stop=("cd", "b")))
    del servers[0].asked[-1]
    assert [len(each.asked) for each in servers] == [20, 20]
    assert sorted(given["seed"] for each in servers for given in each.asked) == list(range(50, 90))
    assert {answer.reason for answer in answers} == {"stop", "string"}
    assert {answer.reason for answer in short} == {"length"}
    for answer in answers:
        text = Letters().decode(answer.tokens)
        assert text.endswith(("cd", "b")) == (answer.reason == "string")
        assert ("f" in text) == (answer.reason == "stop")
        assert len(answer.logprobs) == len(answer.tokens)


def test_forced_tokens_have_log_probs_at_the_temperature(servers, tmp_path):
    link = link_to(servers)
    link.start(str(tmp_path))
    (answer,) = rows_of(link, [Ask(0, (1, 2, 4), 1, 0, forced=2)], How(0.5))
    known = engine_stub.log_softmax([0.1 * n / 0.5 for n in range(6)])
    assert answer.tokens == () and answer.forced == pytest.approx((known[2], known[4]))
    assert link.score([(0, 3, 1)])[0] == pytest.approx(
        [engine_stub.log_softmax([0.1 * n for n in range(6)])[token] for token in (3, 1)]
    )


def test_a_server_that_would_give_other_log_probs_is_refused(servers, tmp_path):
    servers[1].works["logprobs_mode"] = "raw_logprobs"
    with pytest.raises(EngineLost, match="start it with --logprobs-mode processed_logprobs"):
        link_to(servers).start(str(tmp_path))


def test_a_server_that_another_run_takes_over_is_noticed(servers, tmp_path):
    link = link_to(servers)
    link.start(str(tmp_path))
    servers[1].folder = "/elsewhere"
    with pytest.raises(EngineLost, match=r"given other weights ./elsewhere. in the middle"):
        rows_of(link, ASKS, How(1.0))


@pytest.mark.parametrize(
    ("path", "code", "how"),
    [("/v1/completions", 500, "failed"), ("/v1/completions", 400, "refused")],
)
def test_what_a_server_answers_says_whether_to_ask_again(servers, tmp_path, path, code, how):
    link = link_to(servers)
    link.start(str(tmp_path))
    servers[0].status[path] = code
    with pytest.raises(EngineLost, match=f"answered {path} with {code}") as caught:
        rows_of(link, ASKS, How(1.0))
    assert caught.value.how == how


def test_a_server_that_is_not_there_is_named(servers):
    servers[1].http.shutdown()
    servers[1].http.server_close()
    urls = [servers[1].url]
    link = ServerLink(urls, Letters(), rows=4, start_limit=0.3, patience=1.0)
    with pytest.raises(EngineLost, match="does not answer /health"):
        link.start("anywhere")
