"""Whether runs can be sent to W&B from here, found in seconds: its own client waits for minutes."""

from __future__ import annotations

import base64
import json
import os
import queue
import ssl
import threading
import urllib.error
import urllib.request

from etude.printable import printable_line
from etude.tracker.login import host, key, logged_in, server

#: Seconds that the server gets to answer one small question, looking its name up included.
PATIENCE = 4.0

_QUESTION = json.dumps({"query": "query Viewer{viewer{id}}"}).encode()
#: Bytes of an answer that are read.
_ENOUGH = 65536


def why_not(seconds: float = PATIENCE) -> str:
    """Return why runs cannot be sent to W&B from here now, in words; empty where they can.

    The server is asked who the key belongs to, through the proxies of the environment. Whatever
    holds the question up (a name server, a firewall that answers nothing), this returns in time.
    """
    answer: queue.SimpleQueue[str] = queue.SimpleQueue()
    asking = threading.Thread(target=lambda: answer.put(_ask(seconds)), daemon=True)
    asking.start()
    try:
        return answer.get(timeout=seconds)
    except queue.Empty:
        return f"{_host()} did not answer in {seconds:g} s"


def _ask(seconds: float) -> str:
    if not host():
        return f"{_host()} is no address of a server (WANDB_BASE_URL)"
    if not key():
        return "no API key was found (WANDB_API_KEY, or what `wandb login` writes)"
    try:
        with _opener().open(_request(), timeout=seconds) as response:
            content = json.loads(response.read(_ENOUGH))
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            return _refused()
        return f"{_host()} answers {error.code} ({printable_line(str(error.reason))})"
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, ssl.SSLCertVerificationError):
            return ""  # W&B knows other certificates than Python; its own client decides
        if isinstance(reason, TimeoutError):
            return f"{_host()} did not answer in {seconds:g} s"
        return (
            f"{_host()} cannot be reached ({printable_line(str(reason)) or type(reason).__name__})"
        )
    except Exception as error:  # what a server that is none may answer
        return f"{_host()} does not answer as W&B does ({type(error).__name__})"
    data = content.get("data") if isinstance(content, dict) else None
    if not isinstance(data, dict) or "viewer" not in data:
        return f"{_host()} does not answer as W&B does"
    return "" if data["viewer"] is not None else _refused()


def _request() -> urllib.request.Request:
    token = base64.b64encode(f"api:{key()}".encode()).decode()
    return urllib.request.Request(
        f"{server().rstrip('/')}/graphql",
        data=_QUESTION,
        headers={"Content-Type": "application/json", "Authorization": f"Basic {token}"},
    )


def _opener() -> urllib.request.OpenerDirector:
    """Return what opens addresses through the proxies that W&B would take."""
    proxies = urllib.request.getproxies()
    for scheme in ("http", "https"):
        own = os.environ.get(f"WANDB_{scheme.upper()}_PROXY")
        if own:
            proxies[scheme] = own
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler(proxies)]
    if os.environ.get("WANDB_INSECURE_DISABLE_SSL", "").lower() in ("true", "1", "yes"):
        handlers.append(urllib.request.HTTPSHandler(context=ssl._create_unverified_context()))
    return urllib.request.build_opener(*handlers)


def _refused() -> str:
    return f"{_host()} does not take the API key of {logged_in()}"


def _host() -> str:
    return printable_line(host() or server())
