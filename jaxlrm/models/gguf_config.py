"""The metadata of a GGUF file as the `config.json` that `transformers` writes.

A key of the architecture that this table does not have raises: it may change
what the model computes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jaxlrm.files import Fields, shown
from jaxlrm.models import gguf

_MOST = 1 << 24  # more than any size in a published model
# Keys that say nothing, or what the shapes of tensors say too.
_SILENT = (
    "attention.value_length",
    "rope.dimension_count",
    "rope.scaling.finetuned",
    "tensor_data_layout",
    "vocab_size",
)
_COMMON = (
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.layer_norm_rms_epsilon",
    "block_count",
    "context_length",
    "embedding_length",
    "expert_count",
    "expert_used_count",
    "feed_forward_length",
    "rope.freq_base",
    "rope.scaling.factor",
    "rope.scaling.original_context_length",
    "rope.scaling.type",
    "rope.scaling.yarn_attn_factor",
    "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
)


class _Header:
    """The metadata of one architecture, its keys without the prefix."""

    def __init__(self, file: gguf.File, kind: str):
        self.file, self.kind = file, kind
        self._fields = Fields(file.metadata, file.where)

    def integer(self, key: str, low: int = 1, **default: Any) -> Any:
        return self._fields.integer(f"{self.kind}.{key}", low, _MOST, **default)

    def number(self, key: str, **default: Any) -> Any:
        return self._fields.number(f"{self.kind}.{key}", **default)

    def text(self, key: str, among: tuple[str, ...], default: str) -> str:
        return self._fields.text(f"{self.kind}.{key}", among, default)

    def error(self, key: str, wanted: str) -> ValueError:
        return self._fields.error(f"{self.kind}.{key}", wanted)

    def values(self, name: str) -> list[float] | None:
        """A vector among the tensors, each number as short as float32 has it.

        None if there is none.
        """
        tensor = self.file.tensors.get(name)
        if tensor is None:
            return None
        found = tensor.values(tensor.raw(0, 1))[0]
        return [float(str(np.float32(x))) for x in found]

    @property
    def layers(self) -> int:
        return self.integer("block_count")

    @property
    def heads(self) -> int:
        return self.integer("attention.head_count")

    @property
    def hidden(self) -> int:
        return self.integer("embedding_length")

    @property
    def head_dim(self) -> int:
        size = self.integer("attention.key_length", default=None)
        if size is None and self.kind in ("llama", "smollm3"):
            size = self.integer("rope.dimension_count", default=None)
        return size or self.hidden // self.heads

    @property
    def theta(self) -> float:
        return self.number("rope.freq_base", default=1e4, positive=True)


def from_metadata(file: gguf.File, dtype: str) -> dict[str, Any]:
    """The `config.json` of a GGUF file.

    Args:
        file: with metadata and tensors.
        dtype: of the parameters that are written.

    Raises:
        ValueError: its architecture or one of its keys is not known, or a key
            is missing or not what it should be; names the file and the key.
    """
    kind = Fields(file.metadata, file.where).text(
        "general.architecture", tuple(ARCHITECTURES)
    )
    header, architecture = _Header(file, kind), ARCHITECTURES[kind]
    known = (*_COMMON, *_SILENT, *architecture.keys)
    for key, value in file.metadata.items():
        prefix, _, name = key.partition(".")
        if prefix == kind and name not in known:
            raise ValueError(
                f"{file.where}: {shown(key)} is {shown(value)}; what it "
                f"changes in architecture {kind} is not known, known are "
                f"{', '.join(sorted(known))}"
            )
    if "token_embd.weight" not in file.tensors:
        raise ValueError(
            f"{file.where}: tensor token_embd.weight is missing; is it a whole "
            "language model?"
        )
    config: dict[str, Any] = {
        "architectures": [architecture.name + "ForCausalLM"],
        "model_type": architecture.model_type or kind,
        "vocab_size": file.tensors["token_embd.weight"].shape[0],
        "hidden_size": header.hidden,
        "num_hidden_layers": header.layers,
        "num_attention_heads": header.heads,
        "num_key_value_heads": header.integer(
            "attention.head_count_kv", default=header.heads
        ),
        "head_dim": header.head_dim,
        "intermediate_size": header.integer("feed_forward_length"),
        "hidden_act": "silu",
        "rms_norm_eps": header.number(
            "attention.layer_norm_rms_epsilon", positive=True
        ),
        "rope_theta": header.theta,
        "rope_scaling": _scaling(header),
        "max_position_embeddings": header.integer("context_length"),
        "tie_word_embeddings": "output.weight" not in file.tensors,
        "torch_dtype": dtype,
    }
    return config | architecture.more(header)


# --- Rotary scaling ---------------------------------------------------------


def _scaling(header: _Header) -> dict[str, Any] | None:
    """`rope_scaling`, or None without."""
    factors = header.values("rope_freqs.weight")
    if factors is not None:
        return _llama3(header, factors)
    longrope = _longrope(header)
    if longrope is not None:
        return longrope
    kinds = ("none", "linear", "yarn", "longrope")
    kind = header.text("rope.scaling.type", kinds, "none")
    if kind == "longrope":
        raise header.error(
            "rope.scaling.type",
            "its tensors rope_factors_long.weight and "
            "rope_factors_short.weight are missing",
        )
    if kind == "none":
        return None
    factor = header.number("rope.scaling.factor", positive=True)
    if kind == "linear":
        return {"rope_type": kind, "factor": factor}
    found = {
        "rope_type": kind,
        "factor": factor,
        "original_max_position_embeddings": header.integer(
            "rope.scaling.original_context_length"
        ),
    }
    for name, key in (
        ("attention_factor", "yarn_attn_factor"),
        ("beta_fast", "yarn_beta_fast"),
        ("beta_slow", "yarn_beta_slow"),
    ):
        value = header.number(f"rope.scaling.{key}", default=None)
        if value is not None:
            found[name] = value
    return found


def _llama3(header: _Header, factors: list[float]) -> dict[str, Any] | None:
    """The scaling of Llama 3 that gives these factors of wavelengths.

    GGUF has the factors instead of what they are made of. The bands are those
    of all published models; so is the context a power of two.
    """
    found = {
        "rope_type": "llama3",
        "factor": max(factors),
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
    }
    if found["factor"] == 1.0:
        return None
    for power in range(8, 20):
        found["original_max_position_embeddings"] = 1 << power
        wanted = llama3_factors(found, header.theta, 2 * len(factors))
        if np.allclose(factors, wanted, rtol=1e-4):
            return found
    raise ValueError(
        f"{header.file.where}: tensor rope_freqs.weight, {shown(factors)}, is "
        "no rotary scaling of Llama 3 that is known (low_freq_factor 1, "
        "high_freq_factor 4)"
    )


def llama3_factors(
    scaling: dict[str, Any], theta: float, dim: int
) -> np.ndarray:
    """What wavelengths of the rotary embedding are multiplied by.

    As `_compute_llama3_parameters` of `transformers`: long ones by `factor`,
    short ones by 1, those in between by what leads from one to the other.

    Args:
        scaling: the value of `rope_scaling`.
        theta: base of the rotary embedding.
        dim: of a head.

    Returns:
        `[dim / 2]`.
    """
    context = scaling["original_max_position_embeddings"]
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    waves = 2 * math.pi * theta ** (np.arange(0, dim, 2) / dim)
    smooth = np.clip((context / waves - low) / (high - low), 0, 1)
    return 1 / ((1 - smooth) / scaling["factor"] + smooth)


def _longrope(header: _Header) -> dict[str, Any] | None:
    long, short = (
        header.values(f"rope_factors_{name}.weight")
        for name in ("long", "short")
    )
    if long is None or short is None:
        return None
    return {"type": "longrope", "long_factor": long, "short_factor": short}


# --- Architectures ----------------------------------------------------------


def _plain(header: _Header) -> dict[str, Any]:
    if header.integer("expert_count", 0, default=0):
        raise header.error(
            "expert_count", "a mixture of experts is read in qwen3moe only"
        )
    return {}


def _llama(header: _Header) -> dict[str, Any]:
    return _plain(header) | {"mlp_bias": False}


def _qwen2(header: _Header) -> dict[str, Any]:
    return _plain(header) | {
        "use_sliding_window": False,
        "sliding_window": None,
    }


def _qwen3moe(header: _Header) -> dict[str, Any]:
    return {
        "num_experts": header.integer("expert_count"),
        "num_experts_per_tok": header.integer("expert_used_count"),
        "moe_intermediate_size": header.integer("expert_feed_forward_length"),
        "norm_topk_prob": True,  # as llama.cpp computes it
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "use_sliding_window": False,
        "sliding_window": None,
    }


def _gemma(header: _Header, largest: int) -> dict[str, Any]:
    """What Gemma 2 and 3 share.

    Args:
        header: of the file.
        largest: layers of the one model whose attention is scaled otherwise,
            which GGUF does not say.
    """
    scale = header.head_dim
    if header.layers == largest:
        scale = header.hidden // header.heads
    return {
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_activation": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": scale,
        "final_logit_softcapping": header.number(
            "final_logit_softcapping", default=None, positive=True
        ),
        "attn_logit_softcapping": header.number(
            "attn_logit_softcapping", default=None, positive=True
        ),
    }


def _layer_types(header: _Header, every: int) -> list[str]:
    """Sliding windows, and full attention in each layer number `every`."""
    return [
        "sliding_attention" if (layer + 1) % every else "full_attention"
        for layer in range(header.layers)
    ]


def _gemma2(header: _Header) -> dict[str, Any]:
    return _gemma(header, 46) | {
        "sliding_window": header.integer(
            "attention.sliding_window", default=4096
        ),
        "layer_types": _layer_types(header, 2),
    }


def _gemma3(header: _Header) -> dict[str, Any]:
    window = header.integer("attention.sliding_window", 0, default=0)
    every = header.integer("attention.sliding_window_pattern", default=6)
    return _gemma(header, 62) | {
        "sliding_window": window or 4096,
        "layer_types": _layer_types(header, every if window else 1),
        "rope_local_base_freq": header.number(
            "rope.freq_base_swa", default=1e4, positive=True
        ),
    }


def _phi3(header: _Header) -> dict[str, Any]:
    size = header.integer("rope.dimension_count", default=header.head_dim)
    context = header.integer("context_length")
    return {
        "sliding_window": header.integer(
            "attention.sliding_window", 0, default=0
        )
        or None,
        "partial_rotary_factor": size / header.head_dim,
        "original_max_position_embeddings": header.integer(
            "rope.scaling.original_context_length", default=context
        ),
    }


def _smollm3(header: _Header) -> dict[str, Any]:
    # GGUF does not say it: each fourth layer has no rotary embedding.
    rotated = [int((layer + 1) % 4 != 0) for layer in range(header.layers)]
    return _qwen2(header) | {
        "mlp_bias": False,
        "no_rope_layers": rotated,
        "no_rope_layer_interval": 4,
        "layer_types": ["full_attention"] * header.layers,
    }


class _Architecture(NamedTuple):
    """A value of `general.architecture`.

    Attributes:
        name: of its classes in `transformers`.
        more: the fields that others do not have, or have otherwise.
        keys: those beside `_COMMON`, without the prefix.
        model_type: in `transformers`, where it has another name there.
    """

    name: str
    more: Callable[[_Header], dict[str, Any]]
    keys: tuple[str, ...] = ()
    model_type: str = ""


_GEMMA_KEYS = (
    "attention.sliding_window",
    "attn_logit_softcapping",
    "final_logit_softcapping",
)
ARCHITECTURES = {
    "llama": _Architecture("Llama", _llama),
    "qwen2": _Architecture("Qwen2", _qwen2),
    "qwen3": _Architecture("Qwen3", _qwen2),
    "qwen3moe": _Architecture(
        "Qwen3Moe", _qwen3moe, ("expert_feed_forward_length",), "qwen3_moe"
    ),
    "gemma2": _Architecture("Gemma2", _gemma2, _GEMMA_KEYS),
    "gemma3": _Architecture(
        "Gemma3",
        _gemma3,
        (
            *_GEMMA_KEYS,
            "attention.sliding_window_pattern",
            "rope.freq_base_swa",
        ),
        "gemma3_text",
    ),
    "phi3": _Architecture(
        "Phi3", _phi3, ("attention.sliding_window", "rope.scaling.attn_factor")
    ),
    "olmo2": _Architecture("Olmo2", _plain),
    "smollm3": _Architecture("SmolLM3", _smollm3),
}
