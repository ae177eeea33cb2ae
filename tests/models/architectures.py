"""Tiny models of every architecture, and what `transformers` makes of them.

    python -m tests.models.architectures

writes `tests/cases/architectures.json`, the `config.json` of each as
`transformers` saves it, and `tests/cases/architectures.npz`, with their logits,
likelihoods and greedy tokens. The weights are a function of their names.
"""

from __future__ import annotations

import json
import pathlib
import tempfile
import zlib
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import save_file

from jaxlrm.models import hf, hf_table

CASES = pathlib.Path(__file__).parents[1] / "cases"
CONFIGS, RESULTS = (CASES / f"architectures.{end}" for end in ("json", "npz"))
PROMPT, STEP = 12, 11  # tokens of the text whose logits are compared
GREEDY = 72  # tokens that are written after the prompt
WINDOW = 8  # fewer than any of these

_SHAPE: dict[str, Any] = {
    "vocab_size": 128,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "rope_parameters": {"rope_type": "default", "rope_theta": 300.0},
    "tie_word_embeddings": False,
}
_GEMMA = {
    "num_hidden_layers": 4,
    "head_dim": 8,
    "sliding_window": WINDOW,
    "query_pre_attn_scalar": 12,
}


def _rope(rope_type: str, **fields) -> dict[str, Any]:
    rope = {"rope_type": rope_type, "rope_theta": 300.0, **fields}
    return {"rope_parameters": rope}


# By a name: the class in `transformers`, and what differs from `_SHAPE`.
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama-llama3": (
        "Llama",
        _rope(
            "llama3",
            factor=8.0,
            low_freq_factor=1.0,
            high_freq_factor=4.0,
            original_max_position_embeddings=32,
        ),
    ),
    "llama-linear": ("Llama", _rope("linear", factor=4.0)),
    "llama-dynamic": ("Llama", _rope("dynamic", factor=4.0)),
    "qwen2-yarn": (
        "Qwen2",
        _rope("yarn", factor=4.0, original_max_position_embeddings=32),
    ),
    "qwen2-window": (
        "Qwen2",
        {
            "use_sliding_window": True,
            "sliding_window": WINDOW,
            "max_window_layers": 1,
        },
    ),
    "qwen3": ("Qwen3", {"head_dim": 16}),
    "qwen3-moe": (
        "Qwen3Moe",
        {
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 16,
            "norm_topk_prob": True,
        },
    ),
    "mistral": ("Mistral", {"sliding_window": WINDOW}),
    "phi3": (
        "Phi3",
        {
            "max_position_embeddings": 1024,
            "original_max_position_embeddings": 256,
            "sliding_window": WINDOW,
            **_rope(
                "longrope",
                partial_rotary_factor=0.75,
                short_factor=[1.0, 1.2, 1.5],
                long_factor=[1.0, 2.0, 4.0],
            ),
            "pad_token_id": 0,
        },
    ),
    "gemma2": (
        "Gemma2",
        {
            **_GEMMA,
            "attn_logit_softcapping": 2.0,
            "final_logit_softcapping": 5.0,
        },
    ),
    "gemma3": (
        "Gemma3",
        {
            **_GEMMA,
            "sliding_window_pattern": 2,
            "rope_parameters": {
                "full_attention": {
                    "rope_type": "linear",
                    "factor": 8.0,
                    "rope_theta": 900.0,
                },
                "sliding_attention": {
                    "rope_type": "default",
                    "rope_theta": 300.0,
                },
            },
        },
    ),
    "olmo2": ("Olmo2", {}),
    "smollm3": (
        "SmolLM3",
        {"no_rope_layer_interval": 2, "pad_token_id": 0},
    ),
}


class Results(NamedTuple):
    """What a model makes of a text.

    Attributes:
        logits: `[PROMPT + STEP, V]` of `text()`.
        likelihood: of its last `STEP` tokens after the others.
        greedy: `[GREEDY]`, the likeliest tokens after its first `PROMPT`.
    """

    logits: np.ndarray
    likelihood: np.ndarray
    greedy: np.ndarray


def text() -> np.ndarray:
    """`[PROMPT + STEP]` tokens."""
    return np.random.default_rng(0).integers(2, 120, PROMPT + STEP)


def weights(config) -> dict[str, np.ndarray]:
    """A checkpoint of this shape; each tensor is a function of its name."""
    found = {}
    for name, tensor in hf_table.tensors(config).items():
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        value = 0.3 * rng.normal(size=tensor.shape)
        if "norm" in name and not config.norm_offset:
            value += 1
        found[name] = value.astype(np.float32)
    return found


def save(folder: pathlib.Path, data: dict[str, Any]) -> None:
    """Writes a model folder with this `config.json`."""
    (folder / "config.json").write_text(json.dumps(data))
    save_file(
        weights(hf.from_json(data)), folder / hf.WEIGHTS, {"format": "pt"}
    )


def reference_config(name: str) -> dict[str, Any]:
    """The `config.json` of a model, as `transformers` saves it."""
    import transformers

    family, changes = MODELS[name]
    kind = {"Gemma3": "Gemma3Text"}.get(family, family)
    config = getattr(transformers, f"{kind}Config")(**{**_SHAPE, **changes})
    with tempfile.TemporaryDirectory() as folder:
        config.save_pretrained(folder)
        data = json.loads((pathlib.Path(folder) / "config.json").read_text())
    data.pop("transformers_version", None)
    data.pop("dtype", None)
    return data


def reference(data: dict[str, Any], greedy: int = GREEDY) -> Results:
    """What `transformers` makes of the model with this `config.json`.

    Args:
        data: of the `config.json`.
        greedy: how many tokens to write.

    Raises:
        AssertionError: it misses a tensor, or does not know one.
    """
    import torch
    import transformers

    with tempfile.TemporaryDirectory() as folder:
        save(pathlib.Path(folder), data)
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.float32,
            attn_implementation="eager",
            output_loading_info=True,
        )
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not report[problem], report
    model.eval()

    def logits(tokens: list[int]) -> np.ndarray:
        with torch.inference_mode():
            return model(torch.tensor([tokens])).logits[0].numpy()

    found = logits(text().tolist())
    said = found - np.logaddexp.reduce(found, axis=-1, keepdims=True)
    later = np.arange(PROMPT, PROMPT + STEP)
    chain = text()[:PROMPT].tolist()
    for _ in range(greedy):
        chain.append(int(logits(chain)[-1].argmax()))
    return Results(
        found, said[later - 1, text()[later]].sum(), np.array(chain[PROMPT:])
    )


def results() -> dict[str, Results]:
    """What `RESULTS` holds, by the names of the models."""
    with np.load(RESULTS) as file:
        return {
            name: Results(
                *(file[f"{name}/{field}"] for field in Results._fields)
            )
            for name in MODELS
        }


def main() -> None:
    """Writes the files of the tests."""
    configs = {name: reference_config(name) for name in MODELS}
    CONFIGS.write_text(json.dumps(configs, indent=1) + "\n")
    arrays = {}
    for name, data in configs.items():
        found = reference(data)
        for field, value in zip(Results._fields, found, strict=True):
            arrays[f"{name}/{field}"] = value
        print(
            name, np.abs(found.logits).max(), found.likelihood, found.greedy[:9]
        )
    np.savez_compressed(RESULTS, **arrays)


if __name__ == "__main__":
    main()
