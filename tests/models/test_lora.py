"""Adapters merged: by hand, and in the forward pass of `transformers`."""

from __future__ import annotations

import json
import math

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from jaxlrm import testing
from jaxlrm.models import convert, hf, lora, streams

QUERY = "model.layers.0.self_attn.q_proj"
DOWN = "model.layers.1.mlp.down_proj"
HEAD = "lm_head.weight"


@pytest.fixture
def model(tmp_path):
    """An untied model of `transformers`' names, in float32."""
    learned = testing.learned(value_head=False, tie_word_embeddings=False)
    hf.save(tmp_path / "model", learned.config, learned.params)
    testing.text().save(tmp_path / "model")
    return tmp_path / "model"


def adapter(folder, tensors, **config):
    folder.mkdir(exist_ok=True)
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, **config}
    (folder / lora.CONFIG).write_text(json.dumps(config))
    save_file(
        {f"base_model.model.{k}": v for k, v in tensors.items()},
        folder / lora.WEIGHTS,
    )
    return folder


def factors(weight, rank=4, seed=0):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(rank, weight.shape[1])).astype(np.float32)
    b = rng.normal(size=(weight.shape[0], rank)).astype(np.float32)
    return a, b


def pair(module, a, b):
    return {f"{module}.lora_A.weight": a, f"{module}.lora_B.weight": b}


def merged(model, folder, **options):
    output = folder.with_name(f"{folder.name}-merged")
    convert.convert(str(model), output, adapter=folder, **options)
    return load_file(output / "model.safetensors")


def test_factors_are_added_and_others_replaced(model, tmp_path):
    before = load_file(model / "model.safetensors")
    a, b = factors(before[f"{QUERY}.weight"])
    c, d = factors(before[f"{DOWN}.weight"], rank=2, seed=1)
    head = np.ones_like(before[HEAD])
    folder = adapter(
        tmp_path / "adapter",
        pair(QUERY, a, b) | pair(DOWN, c, d) | {HEAD: head},
        rank_pattern={"down_proj": 2},
        alpha_pattern={r"layers\.1\..*": 3},
    )
    after = merged(model, folder)
    wanted = before | {
        f"{QUERY}.weight": before[f"{QUERY}.weight"] + 8 / 4 * b @ a,
        f"{DOWN}.weight": before[f"{DOWN}.weight"] + 3 / 2 * d @ c,
        HEAD: head,
    }
    assert after.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(after[name], value, rtol=1e-5, atol=1e-5)
        if name not in (f"{QUERY}.weight", f"{DOWN}.weight"):
            np.testing.assert_array_equal(after[name], value)


def test_rank_stabilised(model, tmp_path):
    before = load_file(model / "model.safetensors")[f"{QUERY}.weight"]
    a, b = factors(before)
    folder = adapter(tmp_path / "a", pair(QUERY, a, b), use_rslora=True)
    np.testing.assert_allclose(
        merged(model, folder)[f"{QUERY}.weight"],
        before + 8 / math.sqrt(4) * b @ a,
        rtol=1e-5,
        atol=1e-5,
    )


def test_rounded_once(model, tmp_path):
    """In bfloat16 the sum is rounded, not its parts."""
    before = load_file(model / "model.safetensors")[f"{QUERY}.weight"]
    a, b = factors(before)
    folder = adapter(tmp_path / "a", pair(QUERY, a, b))
    after = merged(model, folder, dtype="bfloat16")[f"{QUERY}.weight"]
    wanted = (before + 2 * b @ a).astype(ml_dtypes.bfloat16)
    same = after.astype(np.float32) == wanted.astype(np.float32)
    assert same.mean() > 0.99  # but for the order of a sum of four


def test_the_forward_pass_is_that_of_model_and_adapter(model, tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    weight = load_file(model / "model.safetensors")[f"{QUERY}.weight"]
    a, b = factors(weight)
    folder = adapter(tmp_path / "a", pair(QUERY, a / 10, b / 10))
    merged(model, folder)
    load = transformers.AutoModelForCausalLM.from_pretrained
    base, other = load(model).eval(), load(tmp_path / "a-merged").eval()
    a, b = torch.tensor(a / 10), torch.tensor(b / 10)

    def hook(_, inputs, output):
        return output + 2 * (inputs[0] @ a.T) @ b.T

    query = base.model.layers[0].self_attn.q_proj
    tokens = torch.arange(40).reshape(2, 20)
    with torch.no_grad():
        plain = base(tokens).logits
        query.register_forward_hook(hook)
        wanted, found = base(tokens).logits, other(tokens).logits
    assert (plain - wanted).abs().max() > 1e-3
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"peft_type": "IA3"}, "peft_type is 'IA3'; it must be one of LORA"),
        ({"use_dora": True}, "use_dora is True; only False can be merged"),
        ({"bias": "all"}, "bias is 'all'; only 'none' can be merged"),
        ({"r": 8}, "rank of '.*q_proj' is 8, and adapter_model.* has 4"),
        ({"lora_alpha": None}, "lora_alpha is None; it must be a positive"),
        ({"rank_pattern": {"(": 2}}, "no pattern: "),
    ],
)
def test_a_config_that_is_refused(model, tmp_path, config, message):
    a, b = factors(np.zeros((32, 16)))
    folder = adapter(tmp_path / "a", pair(QUERY, a, b), **config)
    with pytest.raises(ValueError, match=message):
        lora.read(folder)


def test_tensors_that_are_refused(model, tmp_path):
    a, b = factors(np.zeros((32, 16)))
    tensors = streams.read(model / "model.safetensors")

    def refused(found, message):
        folder = adapter(tmp_path / "a", found)
        with pytest.raises(ValueError, match=message):
            lora.merge(tensors, lora.read(folder))

    refused({f"{QUERY}.lora_A.weight": a}, r"factors of shapes \{'A': \(4, 16")
    refused(pair(QUERY, a, b[:, :3]), r"they must be A \[r, in\] and B \[out")
    refused(pair("model.layers.7.x", a, b), "has no tensor 'model.layers.7.x")
    refused(
        pair(QUERY, a[:, :8], b),
        r"shape \(32, 16\) in the model and \(32, 8\) in the adapter",
    )
    refused({"x.lora_embedding_A": a}, "of a layer that is not merged")
    refused(pair(QUERY, a * np.nan, b), "holds NaN")
    refused({}, "holds no tensors")


def test_a_missing_file(model, tmp_path):
    with pytest.raises(FileNotFoundError, match="has no adapter_config.json"):
        lora.read(tmp_path)
