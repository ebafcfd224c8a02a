"""A model that is not there is said at once, whatever of path or name was typed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from etude.errors import ModelError
from etude.model import hub


@pytest.mark.parametrize(
    "path",
    ["./x", "/no/such", "~/none", "a/b/c", "models/mine", "a b", "Größe/x", "file.bin", "x/"],
)
def test_what_can_only_be_a_path_never_asks_the_hub(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hub, "_answers", lambda endpoint: pytest.fail("the hub was asked"))
    (tmp_path / "models").mkdir()
    (tmp_path / "file.bin").write_text("")
    with pytest.raises(ModelError, match=r"model\.path=") as caught:
        hub.place_of(path)
    assert "names a folder with config.json" in str(caught.value)


def test_a_folder_is_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Qwen" / "x").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert hub.place_of("Qwen/x") == ("Qwen/x", True)


def test_a_hub_out_of_reach_is_said_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(hub, "REACH_SECONDS", 0.3)
    # An address that nothing answers at, a name that does not resolve, a proxy that is not there.
    for endpoint in ("https://192.0.2.1", "https://nowhere.invalid"):
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        began = time.monotonic()
        with pytest.raises(ModelError, match=r"neither a folder here nor .*does not answer"):
            hub.place_of("no-one/no-such-model")
        assert time.monotonic() - began < 5


def test_what_was_fetched_before_needs_no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_answers", lambda endpoint: False)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *a, **k: "/somewhere")
    assert hub.place_of("org/name") == ("org/name", True)
