"""Whether this machine is logged in to W&B, found without importing it or showing a key."""

from __future__ import annotations

import configparser
import netrc
import os
from pathlib import Path
from urllib.parse import urlparse

_MODES = {"online": "online", "run": "online", "offline": "offline", "dryrun": "offline"}


def mode_here() -> str:
    """Return what ``auto`` means here: WANDB_MODE if set, else online where logged in."""
    asked = os.environ.get("WANDB_MODE", "").lower()
    if asked == "disabled" or os.environ.get("WANDB_DISABLED", "").lower() in ("true", "1", "yes"):
        return "off"
    return _MODES.get(asked, "online" if logged_in() else "offline")


def logged_in() -> str | None:
    """Return where W&B would find an API key (never the key), or None."""
    if os.environ.get("WANDB_API_KEY"):
        return "WANDB_API_KEY"
    host = urlparse(_server()).netloc
    for path in _netrc_files():
        try:
            found = netrc.netrc(str(path)).authenticators(host)
        except (OSError, netrc.NetrcParseError):
            continue
        if found is not None:
            return str(path)
    return None


def _server() -> str:
    asked = os.environ.get("WANDB_BASE_URL")
    if asked:
        return asked
    folder = os.environ.get("WANDB_CONFIG_DIR") or "~/.config/wandb"
    settings = configparser.ConfigParser(interpolation=None)
    try:
        settings.read(Path(folder).expanduser() / "settings", encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return "https://api.wandb.ai"
    return settings.get("default", "base_url", fallback="https://api.wandb.ai")


def _netrc_files() -> list[Path]:
    named = os.environ.get("NETRC")
    if named:
        return [Path(named).expanduser()]
    return [Path("~/.netrc").expanduser(), Path("~/_netrc").expanduser()]
