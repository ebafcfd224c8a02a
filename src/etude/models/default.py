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

_ROLES = ("reference", "critic", "teacher")


@component(
    provides=[
        Need(f"model:{role}", when=f"{role} != None", why=f"from models.{role}") for role in _ROLES
    ]
)
@dataclass(frozen=True)
class Default:
    """Other models by role, loaded only when something asks for them."""

    reference: str | None = option(
        "start",
        "what the trained model is held to: start (a frozen copy of the model the stage starts "
        "from), base (the model before any stage), a folder, or null for none",
    )

    teacher: str | None = option(
        None,
        "whose distributions the trained model imitates, of the same tokenizer: a folder, start, "
        "base, or null for none",
    )

    critic: str | None = option(
        "start",
        "what an own critic begins as (objective.critic.share=own): start (a copy of the model the "
        "stage starts from), base, handed_on (the critic/ of the stage before), a folder, or null",
    )

    def folder(self, role: str, start: Path | None) -> Path | None:
        """Return the folder of ``role``'s model, None for the base model.

        ``start`` is the folder the stage starts from, None where that is the base model. Raises
        ModelError when the role has no model.
        """
        chosen = getattr(self, role, None) if role in _ROLES else None
        if chosen is None:
            raise ModelError(
                f"models.{role} is not set, and something in this stage asks for it "
                f"(models.{role}=start, base or a folder; roles: {', '.join(_ROLES)})"
            )
        if chosen == "handed_on":
            if start is None or not (start.parent / role).is_dir():
                where = "the base model" if start is None else str(start)
                raise ModelError(
                    f"models.{role}=handed_on: the stage starts from {where}, and there is no "
                    f"{role}/ beside it; type models.{role}=start"
                )
            return start.parent / role
        if chosen == "base":
            return None
        return start if chosen == "start" else Path(chosen).expanduser()

    def open(
        self,
        role: str,
        model: Any,
        *,
        start: Path | None,
        seed: int,
        device: torch.device,
        trained: bool = False,
    ) -> Policy:
        """Return the model of ``role``, frozen unless it is to be ``trained``.

        ``model`` is the stage's model component, ``start`` the folder the stage starts from (None:
        the base model, seeded by ``seed``). Raises ModelError when the role has no model.
        """
        folder = self.folder(role, start)
        if folder is None:
            opened = model.create(seed, device)
        elif not any((folder / f"{name}.json").is_file() for name in ("config", "adapter_config")):
            raise ModelError(
                f"models.{role}={getattr(self, role)}: there is no model in {folder} (no "
                "config.json); it is start, base or a folder in Hugging Face format"
            )
        else:
            opened = model.load(folder, device)
        return opened if trained else opened.freeze()
