"""Small GGUF files, written as the converter of llama.cpp writes them."""

from __future__ import annotations

import math
import pathlib
from typing import Any

import gguf
import numpy as np
import tokenizers

CONTROL, USER_DEFINED, UNUSED, BYTE = 3, 4, 5, 6
END, START = "<|im_end|>", "<|im_start|>"
VOCABULARY = 300
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)


def byte_level(pre: str = "qwen2") -> dict[str, Any]:
    """Metadata of a tokenizer of bytes, with a few merges."""
    tokens = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    merges = ["h e", "l l", "he ll", "Ġ w", "o r", "Ġw or", "hell o"]
    tokens += [merge.replace(" ", "") for merge in merges] + [END, START]
    types = [1] * (len(tokens) - 2) + [CONTROL] * 2
    while len(tokens) < VOCABULARY:
        tokens.append(f"[PAD{len(tokens)}]")
        types.append(UNUSED)
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.eos_token_id": tokens.index(END),
        "tokenizer.ggml.padding_token_id": tokens.index(END),
        "tokenizer.chat_template": TEMPLATE,
    }


def write(
    path: pathlib.Path,
    architecture: str,
    metadata: dict[str, Any],
    tensors: dict[str, np.ndarray],
    kind: str = "F32",
) -> pathlib.Path:
    """Writes a file.

    Args:
        path: of the file.
        architecture: `general.architecture`.
        metadata: of any keys; numbers and texts as they are.
        tensors: float32, by GGUF's names.
        kind: type of matrices; vectors are float32.
    """
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in metadata.items():
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        elif isinstance(value, str):
            writer.add_string(key, value)
        else:
            writer.add_array(key, value)
    for name, value in tensors.items():
        quantised = gguf.GGMLQuantizationType[kind if value.ndim > 1 else "F32"]
        data = gguf.quantize(np.ascontiguousarray(value), quantised)
        writer.add_tensor(name, data, raw_dtype=quantised)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def tiny(path: pathlib.Path, kind: str = "F32", **changes) -> pathlib.Path:
    """A random model of the architecture llama, with a tokenizer.

    Args:
        path: of the file.
        kind: type of the matrices.
        **changes: `layers`, `hidden`, `vocabulary`, and `metadata` to add.
    """
    hidden, rng = changes.get("hidden", 32), np.random.default_rng(0)
    layers = changes.get("layers", 2)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    tensors = {
        "token_embd.weight": normal(VOCABULARY, hidden),
        "output_norm.weight": normal(hidden),
    }
    for layer in range(layers):
        for name, shape in {
            "attn_norm": (hidden,),
            "ffn_norm": (hidden,),
            "attn_q": (hidden, hidden),
            "attn_k": (hidden // 2, hidden),
            "attn_v": (hidden // 2, hidden),
            "attn_output": (hidden, hidden),
            "ffn_gate": (64, hidden),
            "ffn_up": (64, hidden),
            "ffn_down": (hidden, 64),
        }.items():
            tensors[f"blk.{layer}.{name}.weight"] = normal(*shape)
    sizes = {
        "block_count": layers,
        "context_length": 128,
        "embedding_length": hidden,
        "feed_forward_length": 64,
        "attention.head_count": 4,
        "attention.head_count_kv": 2,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.dimension_count": hidden // 4,
    }
    metadata = {f"llama.{key}": value for key, value in sizes.items()}
    metadata |= byte_level() | changes.get("metadata", {})
    return write(path, "llama", metadata, tensors, kind)


# --- Models of transformers -------------------------------------------------


def of_model(
    path: pathlib.Path,
    architecture: str,
    config: dict[str, Any],
    tensors: dict[str, np.ndarray],
) -> pathlib.Path:
    """Writes a checkpoint as llama.cpp's converter would.

    Args:
        path: of the file.
        architecture: as GGUF calls it.
        config: the value of the model's `config.json`.
        tensors: of its safetensors.
    """
    metadata = {
        f"{architecture}.{key}": value
        for key, value in _metadata(architecture, config).items()
    }
    layers = config["num_hidden_layers"]
    found = {}
    for name, value in _stacked(tensors).items():
        base, suffix = name.rsplit(".", 1)
        if architecture in ("llama", "smollm3") and "_proj" in name:
            for part, heads in (
                ("q_proj", config["num_attention_heads"]),
                ("k_proj", config["num_key_value_heads"]),
            ):
                if part in name:
                    value = _paired(value, heads)
        if architecture.startswith("gemma") and name.endswith("norm.weight"):
            value = value + np.float32(1)
        names = gguf.get_tensor_name_map(_kind(architecture), layers)
        found[f"{names.get_name(base)}.{suffix}"] = value
    rope = config.get("rope_parameters") or {}
    if rope.get("rope_type") == "llama3":
        found["rope_freqs.weight"] = _llama3(rope, config["head_dim"])
    for kind in ("long", "short"):
        if f"{kind}_factor" in rope:
            found[f"rope_factors_{kind}.weight"] = np.array(
                rope[f"{kind}_factor"], np.float32
            )
    return write(path, architecture, metadata | byte_level(), found)


def _kind(architecture: str) -> gguf.MODEL_ARCH:
    names = gguf.MODEL_ARCH_NAMES.items()
    return next(kind for kind, name in names if name == architecture)


def _stacked(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Experts in one tensor."""
    found, experts = {}, {}
    for name, value in tensors.items():
        before, middle, after = name.partition(".experts.")
        if middle:
            number, part = after.split(".", 1)
            of = experts.setdefault(f"{before}.experts.{part}", {})
            of[int(number)] = value
        else:
            found[name] = value
    for name, of in experts.items():
        found[name] = np.stack([of[number] for number in sorted(of)])
    return found


def _paired(value: np.ndarray, heads: int) -> np.ndarray:
    shape = value.shape
    halves = value.reshape(heads, 2, shape[0] // heads // 2, *shape[1:])
    return halves.swapaxes(1, 2).reshape(shape)


def _metadata(architecture: str, config: dict[str, Any]) -> dict[str, Any]:
    rope = config.get("rope_parameters") or {}
    rope = {**rope, **rope.get("full_attention", {})}
    found = {
        "block_count": config["num_hidden_layers"],
        "context_length": config["max_position_embeddings"],
        "embedding_length": config["hidden_size"],
        "feed_forward_length": config["intermediate_size"],
        "attention.head_count": config["num_attention_heads"],
        "attention.head_count_kv": config["num_key_value_heads"],
        "attention.layer_norm_rms_epsilon": config["rms_norm_eps"],
        "rope.freq_base": float(rope["rope_theta"]),
    }
    if "head_dim" in config:
        found["attention.key_length"] = config["head_dim"]
        found["attention.value_length"] = config["head_dim"]
    if architecture == "llama":
        found["vocab_size"] = config["vocab_size"]
        found["rope.dimension_count"] = config["head_dim"]
    for key, name in {
        "attention.sliding_window": "sliding_window",
        "attn_logit_softcapping": "attn_logit_softcapping",
        "final_logit_softcapping": "final_logit_softcapping",
        "expert_count": "num_local_experts",
        "expert_used_count": "num_experts_per_tok",
        "expert_feed_forward_length": "moe_intermediate_size",
    }.items():
        if config.get(name):
            found[key] = config[name]
    if architecture == "phi3":
        size = config["hidden_size"] // config["num_attention_heads"]
        share = rope.get("partial_rotary_factor", 1.0)
        found["rope.dimension_count"] = int(size * share)
        found.setdefault("attention.sliding_window", 0)
        found["rope.scaling.original_context_length"] = rope.get(
            "original_max_position_embeddings",
            config["max_position_embeddings"],
        )
    if rope.get("rope_type") in ("linear", "yarn"):
        found["rope.scaling.type"] = rope["rope_type"]
        found["rope.scaling.factor"] = float(rope["factor"])
    if rope.get("rope_type") == "yarn":
        found["rope.scaling.original_context_length"] = rope[
            "original_max_position_embeddings"
        ]
    return found


def _llama3(rope: dict[str, Any], dim: int) -> np.ndarray:
    """The factors that `conversion/llama.py` of llama.cpp writes."""
    context = rope["original_max_position_embeddings"]
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    factors = []
    for i in range(0, dim, 2):
        wave = 2 * math.pi * rope["rope_theta"] ** (i / dim)
        smooth = (context / wave - low) / (high - low)
        if wave < context / high:
            factors.append(1)
        elif wave > context / low:
            factors.append(rope["factor"])
        else:
            factors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(factors, np.float32)
