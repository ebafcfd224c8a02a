"""A hub of one's own: the few answers that creating a repository and uploading to it take."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_" + "Zq9" * 10


class HubStub:
    """What lies on the hub: repositories with whether they are private, and their files."""

    def __init__(self) -> None:
        self.private: dict[str, bool] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.large: dict[str, bytes] = {}
        self.messages: list[str] = []
        self.asked: list[str] = []
        self.url = ""
        self.forbids = False

    def answer(self, method: str, path: str, token: str, body: bytes) -> tuple[int, Any]:
        """Return the status and the JSON of an answer."""
        self.asked.append(f"{method} {path}")
        if method == "PUT":
            self.large[path.rpartition("/")[2]] = body
            return 200, {}
        if token != f"Bearer {TOKEN}":
            return 401, {"error": "Invalid username or password."}
        if path == "/api/whoami-v2":
            return 200, {"type": "user", "name": "me", "orgs": [{"name": "lab"}]}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/main", path):
            return 200, {"files": [_mode(each) for each in json.loads(body)["files"]]}
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", path):
            return self._commit(found[1], body)
        if found := re.fullmatch(r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            return 200, {"transfer": "basic", "objects": list(self._places(json.loads(body)))}
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(/revision/main)?", path):
            if found[1] not in self.private:
                return 404, {"error": "Repository not found"}
            return 200, {"id": found[1], "private": self.private[found[1]], "sha": "a" * 40}
        return 404, {"error": f"no such place: {path}"}

    def _create(self, asked: dict[str, Any]) -> tuple[int, Any]:
        name = f"{asked.get('organization') or 'me'}/{asked['name']}"
        if self.forbids:
            return 403, {"error": f"You may not create {name} (token {TOKEN})"}
        self.private[name] = asked.get("visibility") == "private" or asked.get("private") is True
        self.files[name] = {}
        return 200, {"url": f"{self.url}/{name}", "name": name, "id": "1"}

    def _places(self, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for each in asked["objects"]:
            href = f"{self.url}/lfs/{each['oid']}"
            yield {**each, "actions": {"upload": {"href": href, "header": {}}}}

    def _commit(self, name: str, body: bytes) -> tuple[int, Any]:
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                self.messages.append(value["summary"])
            elif entry["key"] == "file":
                self.files[name][value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                self.files[name][value["path"]] = self.large[value["oid"]]
        oid = "b" * 40
        return 200, {"commitOid": oid, "commitUrl": f"{self.url}/{name}/commit/{oid}"}


def _mode(asked: dict[str, Any]) -> dict[str, Any]:
    large = asked["path"].endswith(".safetensors")
    mode = "lfs" if large else "regular"
    return {"path": asked["path"], "uploadMode": mode, "shouldIgnore": False, "oid": None}


@contextmanager
def served() -> Iterator[HubStub]:
    """Serve a hub on this machine for the block."""
    hub = HubStub()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = _body(self)
            path = self.path.partition("?")[0]
            token = self.headers.get("authorization") or ""
            status, content = hub.answer(self.command, path, token, body)
            raw = json.dumps(content).encode()
            self.send_response(status)
            if status == 404:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PUT = _serve

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    if "chunked" in (handler.headers.get("transfer-encoding") or ""):
        parts = []
        while size := int(handler.rfile.readline().split(b";")[0], 16):
            parts.append(handler.rfile.read(size))
            handler.rfile.readline()
        handler.rfile.readline()
        return b"".join(parts)
    return handler.rfile.read(int(handler.headers.get("content-length") or 0))
