"""W&B with a key and no way to it: real offline files for every stage, soon, and said once."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from test_wandb_offline import NEXT, SECRET, STAGE

from etude.tracker.reach import why_not
from wandb_files import history, run_record


@contextlib.contextmanager
def black_hole():
    """Yield the port of a socket that accepts and never answers; it is asked once at most."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        yield listening.getsockname()[1]
        listening.setblocking(False)
        asked = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                listening.accept()[0].close()
                asked += 1
        assert asked <= 1


@contextlib.contextmanager
def answering(code, content, *, later_code=None):
    """Yield the port of a server that answers the first kind of question so, others otherwise."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = self.rfile.read(int(self.headers.get("content-length", 0)))
            first = later_code is None or b"viewer{id}" in asked
            self.send_response(code if first else later_code)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *words):
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def closed_port():
    with black_hole() as port:
        return port


@pytest.fixture
def logged_in(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("WANDB_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_API_KEY", SECRET)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return lambda port: monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("code", "content", "why"),
    [
        (200, b'{"data": {"viewer": {"id": "VXNlcjox"}}}', ""),
        (200, b'{"data": {"viewer": null}}', "does not take the API key of WANDB_API_KEY"),
        (401, b'{"errors": [{"message": "user is not logged in"}]}', "does not take the API key"),
        (403, b"", "does not take the API key"),
        (200, b"<html>Please log in to the airport</html>", "cannot be reached"),
        (200, b"[]", "does not answer as W&B does"),
        (200, b'{"data": []}', "does not answer as W&B does"),
        (404, b"", "answers 404"),
        (502, b"", "answers 502"),
    ],
)
def test_a_server_is_asked_whose_key_it_is(logged_in, code, content, why):
    with answering(code, content) as port:
        logged_in(port)
        said = why_not()
    assert said == "" if not why else why in said
    assert SECRET not in said


def test_nobody_there_is_said_at_once(logged_in):
    logged_in(closed_port())
    assert "cannot be reached" in why_not() and "refused" in why_not()


def test_who_never_answers_is_waited_for_a_little(logged_in, monkeypatch):
    with black_hole() as port:
        logged_in(port)
        began = time.monotonic()
        assert "did not answer in 0.3 s" in why_not(0.3)
        assert time.monotonic() - began < 3.0


def test_a_name_that_cannot_be_looked_up_is_waited_for_a_little(logged_in, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **named: time.sleep(60))
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    began = time.monotonic()
    assert why_not(0.3) == "wandb.example.org did not answer in 0.3 s"
    assert time.monotonic() - began < 3.0


def test_a_name_that_nobody_has_is_said(logged_in, monkeypatch):
    def unknown(*args, **named):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    said = why_not()
    assert said.startswith("wandb.example.org cannot be reached") and "not known" in said


@pytest.mark.parametrize("name", ["http_proxy", "WANDB_HTTP_PROXY"])
def test_proxies_of_the_environment_are_gone_through(logged_in, monkeypatch, name):
    monkeypatch.setenv("WANDB_BASE_URL", "http://wandb.example.org")
    with answering(200, b'{"data": {"viewer": {"id": "a"}}}') as port:
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        assert why_not() == ""
    monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    assert "cannot be reached" in why_not()
    with black_hole() as port:
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        assert "did not answer" in why_not(0.3)


@pytest.mark.parametrize("address", ["", "what is this", "http://[2J", "http://"])
def test_an_address_that_is_none_is_said_and_makes_way_for_offline_files(
    logged_in, monkeypatch, address
):
    from etude.tracker.login import host, settle

    monkeypatch.setenv("WANDB_BASE_URL", address or "nothing")
    for name in ("WANDB_MODE", "WANDB_SILENT", "WANDB_ERROR_REPORTING"):
        monkeypatch.setenv(name, "sideways")  # and so put back
    assert "is no address of a server" in why_not()
    settle("offline")
    assert host() == "api.wandb.ai" and os.environ["WANDB_MODE"] == "offline"


def test_no_key_is_said_without_asking_anyone(monkeypatch, logged_in):
    monkeypatch.delenv("WANDB_API_KEY")
    assert "WANDB_API_KEY" in why_not()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["a black hole", "refused later"])
def test_every_stage_has_its_offline_files_and_it_is_said_once(tmp_path, how):
    program = f"""
        import json, sys, time; sys.path[:0] = {[str(Path(__file__).parents[n]) for n in (0, 1)]!r}
        from pathlib import Path
        import test_wandb_offline as told
        warnings = []
        observer = told.Wandb().observer({{"name": "quickstart"}}, warnings.append)
        began = time.monotonic()
        told.tell(observer, told.a_graph(Path("out").absolute()))
        print(json.dumps([warnings, time.monotonic() - began, observer.where()]))
    """
    viewer = b'{"data": {"viewer": {"id": "a"}}}'
    server = black_hole() if how == "a black hole" else answering(200, viewer, later_code=401)
    with server as port:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            cwd=tmp_path,
            env={
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
                "HOME": str(tmp_path / "home"),
                "WANDB_API_KEY": SECRET,
                "WANDB_BASE_URL": f"http://127.0.0.1:{port}",
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    warnings, seconds, where = json.loads(done.stdout.splitlines()[-1])
    (warning,) = warnings
    assert "logged to files" in warning and "wandb sync" in warning
    assert seconds < 60, "it is W&B's own start that takes its time, not the wait"
    assert "offline" in where
    for fingerprint in (STAGE, NEXT):
        (path,) = tmp_path.glob(f"out/wandb/offline-run-*-{fingerprint}/run-{fingerprint}.wandb")
        assert run_record(path).run_id == fingerprint
        assert any("evaluation/pass@1" in row for row in history(path))
    assert [
        row["loss"]
        for row in history(next(tmp_path.glob(f"out/wandb/offline-run-*-{STAGE}/*.wandb")))
        if "loss" in row
    ] == [3.0, 2.0, 1.0]
