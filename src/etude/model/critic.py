"""The value head: from a decoder's last hidden states to m numbers a token, kept in safetensors.

What a stage hands on of a critic is a model in Hugging Face format with
``value_head.safetensors`` in it (weight, bias, and the places the outputs stand for); under a
shared trunk it holds the head alone.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from etude.errors import ModelError
from etude.model.folder import header
from etude.model.policy import Policy
from etude.plan.published import check_published
from etude.primitives.masked import as_float

HEAD = "value_head.safetensors"


class ValueHead(nn.Module):
    """A linear map of width m that begins at zero: every output 0, every distribution uniform.

    It computes in float32 (float64 for a model in float64), whatever the decoder computes in.
    ``places [m]`` are what the outputs stand for.
    """

    def __init__(self, hidden: int, places: Tensor, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(places.numel(), hidden, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(places.numel(), dtype=dtype))
        self.places: Tensor
        self.register_buffer("places", places.double())

    def forward(self, states: Tensor) -> Tensor:
        """Return the outputs ``[…, m]`` of states ``[…, hidden]``."""
        with torch.autocast(states.device.type, enabled=False):
            return F.linear(as_float(states).to(self.weight.dtype), self.weight, self.bias)

    def save(self, folder: Path) -> None:
        """Write the head into a folder, which is made if it is not there."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: value.cpu().contiguous() for name, value in self.state_dict().items()}
        save_file(tensors, folder / HEAD)

    def load(self, folder: Path) -> None:
        """Take the numbers of the head in a folder.

        Raises ModelError when it was trained for other outputs: they would mean other values.
        """
        from safetensors.torch import load_file

        if fault := header(folder / HEAD)[1]:
            raise ModelError(f"the value head in {folder} cannot be used: {fault}")
        found = load_file(folder / HEAD)
        if not bool(torch.isfinite(found["weight"]).all()):
            raise ModelError(f"the value head in {folder / HEAD} is nan or infinite")
        fits = found["weight"].shape == self.weight.shape and torch.equal(
            found["places"], self.places.cpu()
        )
        if not fits:
            was, now = _said(found["weight"], found["places"]), _said(self.weight, self.places)
            raise ModelError(
                f"the value head in {folder} was trained for {was}, and this stage's has {now}; "
                "choose the loss and the support it was trained with (objective/critic/loss=…), or "
                "another start (models.critic=start)"
            )
        self.load_state_dict(found)


def _said(weight: Tensor, places: Tensor) -> str:
    outputs = f"{weight.shape[0]} outputs" if weight.shape[0] > 1 else "one number"
    span = f" from {float(places[0]):g} to {float(places[-1]):g}" if places.numel() > 1 else ""
    return f"{outputs}{span} on states of width {weight.shape[1]}"


def value_head(policy: Policy, places: Tensor, folder: Path | None = None) -> ValueHead:
    """Return a head for a model's states: the one that lies in ``folder``, else a fresh one."""
    stored = next(policy.model.parameters()).dtype
    hidden = policy.causal_lm.config.get_text_config().hidden_size
    head = ValueHead(hidden, places, torch.float64 if stored is torch.float64 else torch.float32)
    if folder is not None and (folder / HEAD).is_file():
        if not (folder / "config.json").is_file():  # else it was checked with the model it lies in
            check_published(folder)
        head.load(folder)
    return head.to(policy.device)


def leave_head(folder: Path) -> None:
    """Warn where a model that is used for its tokens lies in a folder with a value head."""
    if (folder / HEAD).is_file():
        warnings.warn(
            f"{folder} is a model that was trained to predict values; its head ({HEAD}) is left "
            "aside, and its decoder is used with the output layer it has",
            RuntimeWarning,
            stacklevel=2,
        )


def hidden_states(policy: Policy, **inputs: Any) -> Tensor:
    """Return the decoder's last hidden states, ``[N, S, hidden]``, whatever the model's head is."""
    with policy.precision():
        return policy.entered(lambda: policy.causal_lm.get_decoder()(**inputs).last_hidden_state)
