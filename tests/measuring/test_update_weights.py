"""What moved between checkpoints, on weights that were made for it."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from etude.errors import ModelError
from etude.measures.weights import Checkpoint, compare


@pytest.fixture
def saved(tmp_path):
    def save(name, **weights):
        path = tmp_path / f"{name}.safetensors"
        save_file({key.replace("__", "."): value for key, value in weights.items()}, path)
        return path

    return save


def test_a_model_beside_itself_has_not_moved(saved):
    one = saved("one", layers__0__q_proj=torch.randn(4, 3), norm=torch.ones(3))
    update = compare(one, [one]).updates[0]
    assert (update.exact_zero, update.sparsity(1e-5), update.mean_rank_fraction) == (1, 1, 0)
    assert update.density_by_layer() == {0: 0.0}


def test_an_outer_product_has_rank_one_and_lies_in_its_layer_and_kind(saved):
    before = saved("before", **{"model.layers.3.mlp.up_proj.weight": torch.zeros(4, 6)})
    outer = torch.outer(torch.arange(1.0, 5), torch.arange(1.0, 7))
    after = saved("after", **{"model.layers.3.mlp.up_proj.weight": outer})
    update = compare(before, [after]).updates[0]
    assert update.mean_rank_fraction == 0.25
    assert update.density_by_kind() == {"up": 1.0}
    assert update.norm_by_layer() == {3: pytest.approx(float(outer.norm()))}
    assert compare(before, [after], ranks=False).updates[0].mean_rank_fraction is None


def test_what_float32_moves_a_little_bfloat16_does_not_move_at_all(saved):
    weights = torch.full((8,), 1.0)
    before, after = saved("before", w=weights), saved("after", w=weights + 1e-6)
    update = compare(before, [after]).updates[0]
    assert (update.sparsity(1e-5), update.exact_zero) == (1.0, 0.0)
    assert compare(before, [after], dtype="bfloat16").updates[0].exact_zero == 1.0


def test_overlap_is_counted_from_both_sides_and_parameters_of_one_side_are_named(saved):
    before = saved("before", w=torch.zeros(4), gone=torch.zeros(1))
    one = saved("one", w=torch.tensor([1.0, 1, 0, 0]))
    two = saved("two", w=torch.tensor([1.0, 2, 3, 0]), new=torch.zeros(1))
    found = compare(before, [one, two])
    overlap = found.overlaps[0, 1]
    assert overlap.of_first * overlap.first == overlap.of_second * overlap.second == 2
    assert (overlap.chance_of_first, overlap.chance_of_second) == (0.75, 0.5)
    assert overlap.agreement == 0.5
    assert found.updates[1].only_before == ["gone"]
    assert found.updates[1].only_after == ["new"]


def test_of_a_resized_vocabulary_the_common_rows_are_compared_and_it_is_said(saved):
    before = saved("before", embed=torch.zeros(3, 2))
    after = saved("after", embed=torch.ones(5, 2))
    update = compare(before, [after]).updates[0]
    assert (update.entries, update.exact_zero, update.cut) == (6, 0.0, ["embed"])
    other = saved("other", embed=torch.ones(3, 4))
    with pytest.raises(ModelError, match="different architectures"):
        compare(before, [other])


def test_what_cannot_be_compared_is_refused(saved, tmp_path):
    before = saved("before", w=torch.zeros(2))
    half = saved("half", w=torch.zeros(2, dtype=torch.bfloat16))
    with pytest.raises(ModelError, match=r"float32 in .* and bfloat16 .*dtype=bfloat16"):
        compare(before, [half])
    with pytest.raises(ModelError, match="no parameter in common"):
        compare(before, [saved("strange", v=torch.zeros(2))])
    with pytest.raises(ModelError, match="no such model"):
        Checkpoint(tmp_path / "nowhere")
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({}))
    with pytest.raises(ModelError, match="merge it"):
        Checkpoint(adapter)
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(b"\x01")
    with pytest.raises(ModelError, match="cannot be read"):
        Checkpoint(torn)


def test_the_size_of_a_model_is_counted_without_its_embeddings(saved):
    path = saved("one", **{"model.embed_tokens.weight": torch.zeros(9, 2), "norm": torch.zeros(2)})
    assert Checkpoint(path).entries() == 20
    assert Checkpoint(path).entries(lambda kind: kind != "embed") == 2
