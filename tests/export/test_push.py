"""Nothing goes to the hub that was not shown and agreed to; what goes is what was exported."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from exportable import two_stages, weights
from hub_stub import TOKEN, HubStub, served

from etude.cli.etude import main as etude


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pushed")
    two_stages(folder / "outputs")
    assert (
        etude(["export", "77aa", "--to", str(folder / "out"), f"--outputs={folder}/outputs"]) == 0
    )
    return folder / "out"


@pytest.fixture
def folder(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import shutil

    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(exported, tmp_path / "out"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStub]:
    from huggingface_hub import constants

    with served() as stub:
        monkeypatch.setattr(constants, "ENDPOINT", stub.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield stub


class Terminal(io.StringIO):
    """A person who types one line."""

    def isatty(self) -> bool:
        return True


def typed(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(line))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    ended = etude(["push", *words])
    said = capsys.readouterr()
    assert ended == code, said
    assert TOKEN not in said.out + said.err
    return said.out + said.err


def test_the_command_uploads_an_export_as_the_client_of_the_hub_does_it(folder: Path) -> None:
    environment = {
        **os.environ,
        "HF_TOKEN": TOKEN,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "127.0.0.1",
    }
    with served() as hub:
        done = subprocess.run(
            [Path(sys.executable).with_name("etude"), "push", "out", "lab/mine", "--yes"],
            capture_output=True,
            text=True,
            check=False,
            env={**environment, "HF_ENDPOINT": hub.url},
            stdin=subprocess.DEVNULL,
        )
    assert done.returncode == 0, done.stderr
    assert f"uploaded {hub.url}/lab/mine" in done.stdout
    assert TOKEN not in done.stdout + done.stderr
    assert hub.private == {"lab/mine": True}
    there = hub.files["lab/mine"]
    assert there == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert there["model.safetensors"] == weights(2)
    assert hub.messages == ["Upload rl-3c1e (3c1eaaaa)"]


def test_it_is_shown_and_asked_before_anything_is_made(
    folder: Path, hub: HubStub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "\n")
    said = told(capsys, "out", "mine", code=1)
    for text in ("model.safetensors", f"{hub.url}/me/mine  (is made)", "private", "account  me"):
        assert text in said
    assert "nothing was uploaded" in said
    assert not [each for each in hub.asked if not each.startswith("GET")]
    typed(monkeypatch, "y\n")
    assert "uploaded" in told(capsys, "out", "mine")
    assert hub.private == {"me/mine": True}


def test_without_a_terminal_it_wants_to_be_told_so(
    folder: Path, hub: HubStub, capsys: pytest.CaptureFixture[str]
) -> None:
    said = told(capsys, "out", "me/mine", code=2)
    assert "model.safetensors" in said
    assert "--yes" in said
    assert not hub.asked


def test_a_public_repository_is_never_pushed_to_unasked(
    folder: Path, hub: HubStub, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.private["me/seen"], hub.files["me/seen"] = False, {}
    said = told(capsys, "out", "me/seen", "--yes", code=2)
    assert "is there already and is public" in said
    assert hub.files["me/seen"] == {}
    assert "everybody (public)" in told(capsys, "out", "me/seen", "--yes", "--public")
    assert hub.files["me/seen"]["model.safetensors"] == weights(2)
    told(capsys, "out", "new", "--yes", "--public")
    assert hub.private["me/new"] is False
    # One that is there and private stays so, and that is said.
    hub.private["me/kept"], hub.files["me/kept"] = True, {}
    assert "it stays so" in told(capsys, "out", "me/kept", "--yes", "--public")


def test_weights_that_are_not_those_exported_are_refused(
    folder: Path, hub: HubStub, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# better words")
    (folder / "curve.png").write_bytes(b"png")
    said = told(capsys, "out", "me/mine", "--yes")
    assert "README.md  (changed since the export)" in said
    assert "curve.png  (not of the export)" in said
    (folder / "model.safetensors").write_bytes(weights(3))
    assert "is not as it was exported" in told(capsys, "out", "me/mine", "--yes", code=1)
    (folder / "model.safetensors").unlink()
    assert "lacks model.safetensors" in told(capsys, "out", "me/mine", "--yes", code=1)


@pytest.mark.parametrize(
    ("name", "content"), [(".env", "A=1"), ("hf_token", "x"), ("notes.md", f"my {TOKEN}")]
)
def test_what_holds_a_secret_is_refused(
    folder: Path, hub: HubStub, capsys: pytest.CaptureFixture[str], name: str, content: str
) -> None:
    (folder / name).write_text(content)
    assert "take it out" in told(capsys, "out", "me/mine", "--yes", code=1)
    assert not hub.asked


def test_a_link_out_of_the_folder_is_refused(
    folder: Path, hub: HubStub, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "private.txt").write_text("mine")
    (folder / "notes.txt").symlink_to(tmp_path / "private.txt")
    assert "is a link" in told(capsys, "out", "me/mine", "--yes", code=1)
    assert not hub.asked


def test_a_file_whose_name_looks_like_a_pattern_goes_too(
    folder: Path, hub: HubStub, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "curve [1].txt").write_text("1 2 3")
    told(capsys, "out", "me/mine", "--yes")
    assert hub.files["me/mine"]["curve [1].txt"] == b"1 2 3"


def test_what_the_hub_refuses_is_said_without_the_token(
    folder: Path, hub: HubStub, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.forbids = True
    said = told(capsys, "out", "other/mine", "--yes", code=1)
    assert "other is neither your account nor one of its organisations" in said
    assert "other/mine was not uploaded as a whole" in said
    assert "(token)" in said


def test_out_of_reach_and_without_a_token_it_says_what_to_type(
    folder: Path, hub: HubStub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    said = told(capsys, "out", "me/mine", "--yes", code=1)
    assert "the hub does not answer (http://127.0.0.1:9)" in said
    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(folder / "none"))
    assert "hf auth login" in told(capsys, "out", "me/mine", "--yes", code=1)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in told(capsys, "out", "me/mine", "--yes", code=1)


@pytest.mark.parametrize(
    "words",
    [(), ("out",), ("none", "me/mine"), ("out", "a/b/c"), ("out", "me/x--y"), ("out", "x.git")],
)
def test_words_that_mean_nothing_are_refused_before_the_hub_is_asked(
    folder: Path, hub: HubStub, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    told(capsys, *words, code=2)
    assert not hub.asked


def test_a_folder_that_is_no_export_is_refused(
    folder: Path, hub: HubStub, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "etude.json").unlink()
    assert "so it is no export" in told(capsys, "out", "me/mine", "--yes", code=1)
