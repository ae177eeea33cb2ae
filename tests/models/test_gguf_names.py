"""GGUF files of each architecture are the checkpoints they were made of."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file

from jaxlrm.models import gguf, gguf_config, gguf_names, hf_config, streams
from tests import gguf_files

SIZES = {
    "vocab_size": gguf_files.VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "pad_token_id": None,
    "bos_token_id": None,
    "eos_token_id": 1,
}
ROPE = {"rope_type": "default", "rope_theta": 5e5}
WINDOW = {"num_hidden_layers": 7, "sliding_window": 5, "head_dim": 16}
EXPERTS = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 24,
    "norm_topk_prob": True,
}
FACTORS = {"short_factor": [1.0, 1.5, 2.0], "long_factor": [1.5, 4.0, 8.5]}
MODELS = {
    "llama": ("llama", {"head_dim": 8}),
    "llama-3.1": (
        "llama",
        {
            "head_dim": 16,
            "tie_word_embeddings": True,
            "rope_parameters": {
                **ROPE,
                "rope_type": "llama3",
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 1024,
            },
        },
    ),
    "llama-linear": (
        "llama",
        {
            "head_dim": 8,
            "rope_parameters": {**ROPE, "rope_type": "linear", "factor": 4.0},
        },
    ),
    "qwen2": ("qwen2", {}),
    "qwen2-yarn": (
        "qwen2",
        {
            "rope_parameters": {
                **ROPE,
                "rope_type": "yarn",
                "factor": 4.0,
                "original_max_position_embeddings": 64,
            }
        },
    ),
    "qwen3": ("qwen3", {"head_dim": 16}),
    "qwen3moe": ("qwen3_moe", {"head_dim": 16, **EXPERTS}),
    "gemma2": ("gemma2", {**WINDOW, "query_pre_attn_scalar": 16}),
    "gemma3": ("gemma3_text", {**WINDOW, "query_pre_attn_scalar": 16}),
    "phi3": ("phi3", {"sliding_window": 7}),
    "phi3-128k": (
        "phi3",
        {
            "original_max_position_embeddings": 64,
            "rope_parameters": {
                **ROPE,
                "rope_type": "longrope",
                "partial_rotary_factor": 0.75,
                "original_max_position_embeddings": 64,
                **FACTORS,
            },
        },
    ),
    "olmo2": ("olmo2", {}),
    "smollm3": ("smollm3", {"num_hidden_layers": 5}),
}


def checkpoint(name: str, folder):
    """A random model, saved, and its GGUF file."""
    model_type, changes = MODELS[name]
    if "rope_parameters" not in changes and "gemma" not in name:
        changes = {"rope_parameters": ROPE, **changes}
    config = transformers.AutoConfig.for_model(
        model_type, **{**SIZES, **changes}
    )
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for value in model.parameters():  # no norm is all ones
            value += 0.1 * torch.randn_like(value)
    model.save_pretrained(folder)
    tensors = load_file(folder / "model.safetensors")
    path = gguf_files.of_model(
        folder / "model.gguf",
        name.partition("-")[0],
        json.loads((folder / "config.json").read_text()),
        tensors,
    )
    return model, tensors, gguf.read(path)


@pytest.mark.parametrize("name", MODELS)
def test_a_checkpoint_comes_back(tmp_path, name):
    model, wanted, file = checkpoint(name, tmp_path)
    config = gguf_config.from_metadata(file, "float32")
    tensors = gguf_names.tensors(file, config)
    found = {t.name: t.rows(0, t.shape[0]) for t in tensors}
    assert found.keys() == wanted.keys()
    # Adding 1 to a norm rounds it.
    error = 1e-6 if "gemma" in name else 0
    for key, value in wanted.items():
        np.testing.assert_allclose(found[key], value, rtol=0, atol=error)
    # Here the two are one model.
    mine, theirs = (
        hf_config.from_json(value)
        for value in (
            config,
            json.loads((tmp_path / "config.json").read_text()),
        )
    )
    assert mine == theirs
    # And with its config.json it computes the same there.
    output = tmp_path / "output"
    output.mkdir()
    for field in ("bos_token_id", "eos_token_id", "pad_token_id"):
        config[field] = None
    (output / "config.json").write_text(json.dumps(config))
    streams.write(
        output / "model.safetensors", tensors, "float32", lambda *_: None
    )
    again = transformers.AutoModelForCausalLM.from_pretrained(output).eval()
    tokens = torch.arange(2 * 80).reshape(2, 80)
    with torch.no_grad():
        first, second = (m(tokens).logits for m in (model, again))
    np.testing.assert_allclose(first, second, atol=1e-4 if error else 1e-6)


def edit(file: gguf.File, drop=(), tensors=None, **metadata) -> gguf.File:
    kept = {k: v for k, v in file.metadata.items() if k not in drop}
    changes = {k.replace("__", "."): v for k, v in metadata.items()}
    return gguf.File(
        file.where,
        kept | changes,
        file.tensors if tensors is None else tensors,
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"general__architecture": "rwkv7"},
            "general.architecture is 'rwkv7'; it must be one of llama, qwen2,",
        ),
        ({"drop": ["llama.block_count"]}, "lacks 'llama.block_count'"),
        (
            {"llama__logit_scale": 2.0},
            "'llama.logit_scale' is 2.0; what it changes .* is not known",
        ),
        ({"llama__expert_count": 8}, "expert_count is 8; .* in qwen3moe only"),
        (
            {"llama__rope__scaling__type": "ntk"},
            "type is 'ntk'; it must be one of none, linear, yarn, longrope",
        ),
        (
            {"llama__rope__scaling__type": "longrope"},
            "rope_factors_long.weight and .* are missing",
        ),
        (
            {"llama__attention__head_count_kv": np.array([2, 1])},
            r"head_count_kv is array\(\[2, 1\]\); it must be an integer",
        ),
        ({"tensors": {}}, "tensor token_embd.weight is missing"),
    ],
)
def test_metadata_that_is_refused(tmp_path, change, message):
    file = gguf.read(gguf_files.tiny(tmp_path / "x.gguf"))
    with pytest.raises(ValueError, match=f"x.gguf.*{message}"):
        gguf_config.from_metadata(edit(file, **change), "float32")


def test_tensors_that_are_refused(tmp_path):
    file = gguf.read(gguf_files.tiny(tmp_path / "x.gguf"))
    config = gguf_config.from_metadata(file, "float32")

    def refused(message, **changes):
        tensors = {**file.tensors, **changes.pop("more", {})}
        for name in changes.pop("drop", ()):
            del tensors[name]
        with pytest.raises(ValueError, match=f"x.gguf: {message}"):
            gguf_names.tensors(
                edit(file, tensors=tensors), {**config, **changes}
            )

    query = file.tensors["blk.0.attn_q.weight"]
    refused(
        "2 tensors are missing, such as blk.1.ffn_up.weight, output_norm.we",
        drop=["blk.1.ffn_up.weight", "output_norm.weight"],
    )
    refused(
        "1 tensors are unknown to this architecture, such as blk.0.attn_q.bias",
        more={"blk.0.attn_q.bias": query},
    )
    refused("9 tensors are missing", num_hidden_layers=3)
    refused("9 tensors are unknown", num_hidden_layers=1)
    refused(
        r"tensor blk.0.attn_q.weight has shape \(32, 32\), with 5 heads",
        num_attention_heads=5,
    )


def test_a_rotary_scaling_that_nobody_published(tmp_path):
    file = gguf.read(gguf_files.tiny(tmp_path / "x.gguf"))
    path = gguf_files.write(
        tmp_path / "y.gguf",
        "llama",
        {},
        {"rope_freqs.weight": np.array([1, 3, 2, 8], np.float32)},
    )
    tensors = file.tensors | gguf.read(path).tensors
    with pytest.raises(ValueError, match="rope_freqs.weight, .* no rotary"):
        gguf_config.from_metadata(edit(file, tensors=tensors), "float32")
