"""The models a stage may ask for beside the one it trains: one field a role."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etude.component import Need, component, option
from etude.errors import ModelError

if TYPE_CHECKING:
    import torch

    from etude.model.policy import Policy

_ROLES = ("reference",)


@component(
    provides=[
        Need(f"model:{role}", when=f"{role} != None", why=f"from models.{role}") for role in _ROLES
    ]
)
@dataclass(frozen=True)
class Default:
    """Other models by role, loaded only when something asks for them, and never trained."""

    reference: str | None = option(
        "start",
        "what the trained model is held to: start (a frozen copy of the model the stage starts "
        "from), base (the model before any stage), a folder, or null for none",
    )

    def open(
        self, role: str, model: Any, *, start: Path | None, seed: int, device: torch.device
    ) -> Policy:
        """Return the frozen model of ``role``.

        ``model`` is the stage's model component, ``start`` the folder the stage starts from (None:
        the base model, seeded by ``seed``). Raises ModelError when the role has no model.
        """
        chosen = getattr(self, role, None) if role in _ROLES else None
        if chosen is None:
            raise ModelError(
                f"models.{role} is not set, and something in this stage asks for it "
                f"(models.{role}=start, base or a folder; roles: {', '.join(_ROLES)})"
            )
        if chosen == "base" or (chosen == "start" and start is None):
            return model.create(seed, device).freeze()
        folder = start if chosen == "start" and start is not None else Path(chosen).expanduser()
        if not (folder / "config.json").is_file():
            raise ModelError(
                f"models.{role}={chosen}: there is no model in {folder} (no config.json); "
                "it is start, base or a folder in Hugging Face format"
            )
        return model.load(folder, device).freeze()
