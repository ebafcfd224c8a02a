"""A stand-in for the server of W&B: it keeps the history of runs as lines by their place."""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server(ThreadingHTTPServer):
    """What runs hold: ``history`` maps a run's id to its rows, ``asked`` names every operation.

    A run that is opened without asking for what is there begins anew at line 0.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.history: dict[str, list[Any]] = {}
        self.asked: list[str] = []
        self.wrote: list[tuple[str, int, int]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def rows(self, run: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.history[run]]

    def write(self, run: str, offset: int, lines: list[str]) -> None:
        self.wrote.append((run, offset, len(lines)))
        held = self.history.setdefault(run, [])
        del held[offset:]
        held.extend(lines)

    def answer(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(operation)
        me = {"id": "me", "name": "me", "username": "me", "entity": "me"}
        name = variables.get("name") or variables.get("run") or ""
        project = {"id": "project", "name": "etude", "entity": me}
        if operation == "UpsertBucket":
            new = name not in self.history
            self.history.setdefault(name, [])
            bucket = {"id": name, "name": name, "displayName": name, "project": project}
            return {"upsertBucket": {"bucket": {**bucket, "historyLineCount": 0}, "inserted": new}}
        if operation == "RunResumeStatus":
            return {"model": {**project, "bucket": self._resumed(name)}}
        if operation == "CreateRunFiles":
            files = [{"name": each, "uploadUrl": f"{self.url}/put"} for each in variables["files"]]
            return {"createRunFiles": {"runID": name, "uploadHeaders": [], "files": files}}
        if operation == "CreateArtifact":  # it has each of them already
            sequence = {"id": "all", "name": "all", "latestArtifact": {"id": "one"}}
            found = {"id": "one", "state": "COMMITTED", "artifactSequence": sequence}
            return {"createArtifact": {"artifact": found}}
        if operation == "ServerFeaturesQuery":
            return {"serverInfo": {"features": []}}
        viewer = {**me, "flags": "{}", "teams": {"edges": []}}
        return {"viewer": viewer, "serverInfo": None, "project": None}

    def _resumed(self, name: str) -> dict[str, Any] | None:
        held = self.history.get(name)
        if held is None:
            return None
        tail = json.dumps(held[-1:])
        counts = {"historyLineCount": len(held), "logLineCount": 0, "eventsLineCount": 0}
        last = json.dumps({"_step": json.loads(held[-1])["_step"]} if held else {})
        texts = {"historyTail": tail, "eventsTail": "[]", "summaryMetrics": last, "config": "{}"}
        more = {"displayName": name, "tags": [], "wandbConfig": '{"t": 1}', "resumeStatus": None}
        return {"id": name, "name": name, **counts, **texts, **more}


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.headers.get("content-encoding") == "gzip":
            content = gzip.decompress(content)
        asked = {}
        if self.path.endswith(("/graphql", "/file_stream")):
            asked = json.loads(content)
        if self.path.endswith("/file_stream"):
            run = self.path.split("/")[-2]
            written = (asked.get("files") or {}).get("wandb-history.jsonl")
            if written:
                self.server.write(run, written["offset"], written["content"])
            self._send({})
        elif asked:
            variables = asked.get("variables") or {}
            operation = asked.get("operationName") or asked.get("query", "").split("{")[0].strip()
            self._send({"data": self.server.answer(operation, variables)})
        else:
            self._send({})

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self._send({})

    def _send(self, content: Any) -> None:
        data = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words: Any) -> None:
        """Print nothing."""


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """Yield a server at work on this machine alone."""
    server = Server()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
