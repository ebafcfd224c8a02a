"""The licence of the model that training began with, as its own card says it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from etude.model.hub_name import may_be_a_name

#: The hub's word for a licence that is not known.
UNKNOWN = "unknown"

_CARD = "README.md"


@dataclass(frozen=True)
class Licence:
    """A licence as cards on the hub name it; ``said_by`` is where it was found, in words."""

    licence: str = UNKNOWN
    name: str = ""
    link: str = ""
    said_by: str = ""

    @property
    def is_known(self) -> bool:
        """Tell whether there is one."""
        return self.licence != UNKNOWN


def licence_of(base: str, revision: str | None = None) -> Licence:
    """Return the licence that the card of a base says: of a folder here, or of a stored hub model.

    The hub is not asked. Unknown where there is no card, or it names none.
    """
    if not base:
        return Licence()
    card = _card_of(base, revision)
    if card is None:
        return Licence()
    from huggingface_hub import ModelCard

    try:
        data = ModelCard.load(card, ignore_metadata_errors=True).data
    except (ValueError, OSError, TypeError):  # a card of anybody's: it may hold anything
        return Licence()
    found = data.get("license")
    if not isinstance(found, str) or not found.strip():
        return Licence()
    name, link = (data.get(key) for key in ("license_name", "license_link"))
    return Licence(
        found.strip(),
        name if isinstance(name, str) else "",
        link if isinstance(link, str) else "",
        f"the card of {Path(base).name if Path(base).is_dir() else base}",
    )


def _card_of(base: str, revision: str | None) -> Path | None:
    folder = Path(base).expanduser()
    if folder.is_dir():
        card = folder / _CARD
        return card if card.is_file() else None
    if not may_be_a_name(base):
        return None
    from huggingface_hub import try_to_load_from_cache

    stored = try_to_load_from_cache(base, _CARD, revision=revision)
    return Path(stored) if isinstance(stored, str) else None
