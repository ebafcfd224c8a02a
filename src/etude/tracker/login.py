"""Whether this machine is logged in to W&B, found without importing it; a key is never shown."""

from __future__ import annotations

import configparser
import netrc
import os
from pathlib import Path
from urllib.parse import urlparse

_PUBLIC = "https://api.wandb.ai"
_MODES = {"online": "online", "run": "online", "offline": "offline", "dryrun": "offline"}


def mode_here() -> str:
    """Return what ``auto`` means here: WANDB_MODE if set, else online where logged in."""
    asked = os.environ.get("WANDB_MODE", "").lower()
    if asked == "disabled" or os.environ.get("WANDB_DISABLED", "").lower() in ("true", "1", "yes"):
        return "off"
    return _MODES.get(asked, "online" if logged_in() else "offline")


def logged_in() -> str | None:
    """Return where W&B would find an API key (never the key), or None."""
    found = _found()
    return None if found is None else found[0]


def key() -> str:
    """Return the API key that W&B would send to :func:`server`; empty where there is none."""
    found = _found()
    return "" if found is None else found[1]


def host() -> str:
    """Return the name and port of the server; empty where its address is none."""
    try:
        return urlparse(server()).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def settle(mode: str) -> None:
    """Have this process's environment say what was decided: W&B refuses to begin on nonsense."""
    os.environ["WANDB_MODE"] = mode
    os.environ.setdefault("WANDB_SILENT", "true")  # logging in hears no setting
    if mode == "offline":
        # Even offline its service reports of itself, and waits long for who never answers.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        if not host():
            os.environ["WANDB_BASE_URL"] = _PUBLIC


def server() -> str:
    """Return the address of the W&B server that this machine is set to."""
    asked = os.environ.get("WANDB_BASE_URL")
    if asked:
        return asked
    folder = os.environ.get("WANDB_CONFIG_DIR") or "~/.config/wandb"
    settings = configparser.ConfigParser(interpolation=None)
    try:
        settings.read(Path(folder).expanduser() / "settings", encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return _PUBLIC
    return settings.get("default", "base_url", fallback=_PUBLIC)


def _found() -> tuple[str, str] | None:
    if os.environ.get("WANDB_API_KEY"):
        return "WANDB_API_KEY", os.environ["WANDB_API_KEY"]
    for path in _netrc_files():
        try:
            found = netrc.netrc(str(path)).authenticators(host())
        except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
            continue
        if found is not None:
            return str(path), found[2] or ""
    return None


def _netrc_files() -> list[Path]:
    named = os.environ.get("NETRC")
    if named:
        return [Path(named).expanduser()]
    return [Path("~/.netrc").expanduser(), Path("~/_netrc").expanduser()]
