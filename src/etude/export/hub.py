"""The hub as `etude push` speaks with it, through huggingface_hub; a token is never told."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etude.errors import HubError


@dataclass(frozen=True)
class Account:
    """Who a token belongs to: the name, and the organisations that it is a member of."""

    name: str
    organisations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """A repository of models; ``private`` is None where it is not there yet."""

    name: str
    private: bool | None = None

    @property
    def exists(self) -> bool:
        """Tell whether it is there."""
        return self.private is not None


class Hub:
    """One signed-in conversation with the hub. Raises HubError with what to type."""

    def __init__(self) -> None:
        from huggingface_hub import HfApi, constants, get_token

        self.endpoint: str = constants.ENDPOINT
        if constants.HF_HUB_OFFLINE:
            raise HubError(
                "the hub is not asked: HF_HUB_OFFLINE is set. To push: "
                "HF_HUB_OFFLINE=0 etude push …"
            )
        self._token = get_token()
        if not self._token:
            raise HubError(
                "there is no token of the hub here. To push: hf auth login (asks for one that may "
                "write, from https://huggingface.co/settings/tokens), or HF_TOKEN=… before it"
            )
        self._api = HfApi(token=self._token)

    def account(self) -> Account:
        """Return whose token this is."""
        with self._said("it does not say whose token this is"):
            about: dict[str, Any] = self._api.whoami()
        orgs = about.get("orgs") or []
        return Account(str(about.get("name")), tuple(str(each.get("name")) for each in orgs))

    def place(self, name: str) -> Place:
        """Return a repository as it is now."""
        from huggingface_hub.errors import RepositoryNotFoundError

        with self._said(f"it does not say whether {name} is there"):
            try:
                found = self._api.repo_info(name, repo_type="model")
            except RepositoryNotFoundError:
                return Place(name)
        return Place(name, bool(found.private))

    def upload(
        self, folder: Path, files: Sequence[str], place: Place, *, public: bool, message: str
    ) -> str:
        """Create a repository where there is none, upload files into it, and return its address."""
        with self._said(f"{place.name} was not uploaded as a whole"):
            if not place.exists:
                self._api.create_repo(place.name, private=not public, repo_type="model")
            self._api.upload_folder(
                repo_id=place.name,
                repo_type="model",
                folder_path=folder,
                allow_patterns=[glob.escape(name) for name in files],
                commit_message=message,
            )
        return f"{self.endpoint.rstrip('/')}/{place.name}"

    @contextmanager
    def _said(self, what: str) -> Iterator[None]:
        """Turn what the client raises into a HubError without the token in it."""
        from huggingface_hub.errors import HTTPError

        try:
            yield
        except (HTTPError, OSError, ValueError, RuntimeError) as error:
            if isinstance(error, HTTPError) and getattr(error, "response", None) is None:
                raise HubError(
                    f"{what}: the hub does not answer ({self.endpoint}). To push: the same command "
                    "where there is a network, or HF_ENDPOINT=URL for another hub"
                ) from None
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            why = " ".join(dict.fromkeys(lines)) or type(error).__name__
            why = why.replace(self._token or "\0", "(token)")
            raise HubError(f"{what}: {why}. The same command tries again") from None
