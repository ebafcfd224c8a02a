"""What is written down of the code leaves out the files that hold secrets."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from etude.execute.environment import describe
from etude.execute.secrets import holds_secret


@pytest.mark.parametrize(
    "name",
    [
        ".env",
        "conf/.env.local",
        "prod.env",
        "certs/server.PEM",
        "deploy.key",
        "id_rsa",
        "home/id_ed25519.pub",
        ".netrc",
        "credentials",
        "gcp-credentials.json",
        "hf_token",
        "wandb_api_key.txt",
        "TOKEN.txt",
        "secrets.yaml",
        "secrets/plain.txt",
        ".aws/config",
        "my-passwords.csv",
    ],
)
def test_a_name_that_says_secret_is_left_out(name: str) -> None:
    assert holds_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "conf/objective/aggregation/token_mean.yaml",
        "tokenizer.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "src/secrets.py",
        "docs/credentials.md",
        "keyboard.txt",
        "monkey.yaml",
        "train.jsonl",
    ],
)
def test_code_and_data_stay(name: str) -> None:
    assert not holds_secret(name)


def test_the_diff_of_a_run_has_no_secret_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*words: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    inner = tmp_path / "inner"
    inner.mkdir()
    files = ("train.py", "inner/.env", "inner/code.py", "a [b] token", "id_rsa")
    for name in files:
        (tmp_path / name).write_text("old\n")
    git("add", "-Af")
    git("commit", "-qm", "x")
    for name in files:
        (tmp_path / name).write_text(f"hunter2 of {name}\n")
    monkeypatch.chdir(inner)
    about, diff = describe()
    assert "hunter2 of train.py" in diff and "hunter2 of inner/code.py" in diff
    for name in ("inner/.env", "a [b] token", "id_rsa"):
        assert f"hunter2 of {name}" not in diff
    assert about["git"]["left_out"] == ["a [b] token", "id_rsa", "inner/.env"]
    assert about["git"]["changed"]
