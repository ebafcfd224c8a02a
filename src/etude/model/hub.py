"""Where a model is loaded from: a path that leads nowhere or a hub out of reach is said."""

from __future__ import annotations

import socket
import threading
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from etude.errors import ModelError
from etude.model.hub_name import is_path

#: Seconds in which the hub, or the proxy before it, has to answer; it is asked again for minutes
#: by who would fetch a file.
REACH_SECONDS = 4.0

#: What loading a model reads; other weights of the same model lie beside it.
_READ = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "*.tiktoken", "*.py"]


def place_of(path: str, revision: str | None = None) -> tuple[str, bool]:
    """Return where a model lies, a folder or a name on the hub, and whether only on this machine.

    Raises ModelError where a path leads to no folder, and where the hub has to be asked and cannot
    be reached.
    """
    folder = Path(path).expanduser()
    if folder.is_dir():
        return str(folder), True
    if is_path(path):
        what = "that is a file" if folder.is_file() else f"there is no model folder at {folder}"
        raise ModelError(
            f"model.path={path}: {what}; it names a folder with config.json and weights, or a "
            "model on the hub (model.path=Qwen/Qwen3-0.6B)"
        )
    from huggingface_hub import constants, try_to_load_from_cache

    if constants.HF_HUB_OFFLINE:
        return path, True
    if _answers(constants.ENDPOINT):
        return path, False
    if isinstance(try_to_load_from_cache(path, "config.json", revision=revision), str):
        return path, True
    raise ModelError(
        f"the model {path} is neither a folder here nor could it be fetched from the hub: "
        f"{constants.ENDPOINT} does not answer. Without a network give a local copy "
        "(model.path=FOLDER), or one that was fetched before (HF_HOME=FOLDER HF_HUB_OFFLINE=1); "
        "model=tiny needs no download"
    )


def fetched(name: str) -> Path:
    """Return the folder of a model on the hub, fetched unless it was before.

    Raises ModelError where the hub has to be asked and cannot be reached, or has no such model.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    place, here = place_of(name)
    try:
        return Path(snapshot_download(place, local_files_only=here, allow_patterns=_READ))
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"the model {name} was not fetched before, and the hub is not asked "
            "(HF_HUB_OFFLINE=1) or does not answer; name a folder, or fetch it with a network"
        ) from error
    except HfHubHTTPError as error:
        why = str(error).splitlines()[0]
        raise ModelError(f"the model {name} could not be fetched from the hub: {why}") from error


def _answers(endpoint: str) -> bool:
    """Tell whether a connection to a server, or to the proxy for it, can be made soon."""
    url = urlsplit(endpoint)
    host = url.hostname or ""
    proxy = urllib.request.getproxies().get(url.scheme)
    if proxy and not urllib.request.proxy_bypass(host):
        url = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    place = (url.hostname or host, url.port or (443 if url.scheme == "https" else 80))
    made = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection(place, REACH_SECONDS).close()
        except OSError:
            return
        made.set()

    # A name server that does not answer takes longer than a connection may.
    thread = threading.Thread(target=connect, name="etude-hub", daemon=True)
    thread.start()
    thread.join(REACH_SECONDS)
    return made.is_set()
