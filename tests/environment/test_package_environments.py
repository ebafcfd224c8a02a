"""Environments of openenv and verifiers, where these packages are installed: played for real."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from etude.errors import DataError
from etude.tasks.openenv_package import ServerEpisode
from etude.tasks.verifiers_package import HostedEpisode

DOUBLING = """
import verifiers as vf
from datasets import Dataset


class Doubling(vf.MultiTurnEnv):
    async def env_response(self, messages, state, **kwargs):
        right = str(messages[-1].content).strip() == str(2 * int(state["answer"]))
        state["good"] = state.get("good", 0) + right
        if len(state["trajectory"]) >= 2:
            state["final_env_response"] = [vf.UserMessage(content="bye")]
            return state["final_env_response"]
        return [vf.UserMessage(content=f"again, {state['answer']}?")]


def good(state, **kwargs):
    return state.get("good", 0) / 2


def load_environment(rows=5):
    data = Dataset.from_list([{"question": f"double {n}", "answer": str(n)} for n in range(rows)])
    return Doubling(dataset=data, rubric=vf.Rubric(funcs=[good]), max_turns=5)
"""

GUESSING = """
import sys

import uvicorn
from openenv.core.env_server import Action, Environment, Observation, State, create_fastapi_app


class Say(Action):
    guess: int


class Heard(Observation):
    text: str = ""


class Guess(Environment):
    SUPPORTS_CONCURRENT_SESSIONS = True

    def reset(self, seed=None, episode_id=None, **more):
        self.number = 1 + (seed or 0) % 7
        return Heard(text="guess 1-7")

    def step(self, action, timeout_s=None, **more):
        right = action.guess == self.number
        said = "right" if right else "higher" if action.guess < self.number else "lower"
        return Heard(text=said, done=right, reward=float(right))

    @property
    def state(self):
        return State(episode_id="", step_count=0)


app = create_fastapi_app(Guess, Say, Heard, max_concurrent_envs=8)
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
"""


@pytest.fixture
def doubling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    pytest.importorskip("verifiers")
    (tmp_path / "etude_doubling.py").write_text(DOUBLING)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "etude_doubling"


def test_an_environment_of_verifiers_hears_our_own_turns(doubling: str) -> None:
    episode = HostedEpisode(doubling, {"rows": 5}, 60)
    assert episode.reset(8) == [{"role": "user", "content": "double 3"}]
    assert episode.step("6") == ([{"role": "user", "content": "again, 3?"}], False)
    assert episode.step("7") == ([], True)
    assert episode.parts() == {"reward": 0.5, "accuracy": 1.0}
    assert episode.reset(4) == [{"role": "user", "content": "double 4"}]
    episode.close()  # in the middle
    with pytest.raises(DataError, match="no environment 'etude_nowhere' that loads"):
        HostedEpisode("etude_nowhere", {}, 60).reset(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("openenv")
    file = tmp_path_factory.mktemp("server") / "guessing.py"
    file.write_text(GUESSING)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = subprocess.Popen([sys.executable, str(file), str(port)])
    try:
        for _ in range(300):
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait(20)


def test_a_session_with_a_server_of_openenv_is_played_to_its_end(server: str) -> None:
    episode = ServerEpisode(server, "guess", "text", 20)
    assert episode.reset(4) == [{"role": "user", "content": "guess 1-7\n"}]
    assert episode.step("what?") == ([{"role": "user", "content": "no integer\n"}], False)
    assert episode.step("3") == ([{"role": "user", "content": "higher\n"}], False)
    assert episode.step("5") == ([{"role": "user", "content": "right\n"}], True)
    assert episode.parts() == {"reward": 1.0, "accuracy": 1.0}
    episode.close()


def test_fields_that_a_server_does_not_have_are_refused_with_those_it_has(server: str) -> None:
    with pytest.raises(DataError, match="no field 'word'; they have guess"):
        ServerEpisode(server, "word", "text", 20).reset(1)
    with pytest.raises(DataError, match=r"no 'txt'; it has .*text"):
        ServerEpisode(server, "guess", "txt", 20).reset(1)
