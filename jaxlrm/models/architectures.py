"""What each `model_type` of `transformers` stands for: one row each.

A row says which fields of `ModelConfig` the architecture has fixed, which may
vary, and what `transformers` takes for a field that its `config.json` lacks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxlrm.config import ModelConfig

# Fields that are not in every architecture; else they have their defaults.
_EXPERTS = (
    "num_experts",
    "num_experts_per_tok",
    "moe_intermediate_size",
    "norm_topk_prob",
)
_WINDOWS = ("sliding_window", "layer_types")
_CAPS = (
    "query_pre_attn_scalar",
    "attn_logit_softcapping",
    "final_logit_softcapping",
)
_FEATURES = (
    "attention_bias",
    "qk_norm",
    "qk_norm_per_head",
    "pre_norm",
    "post_norm",
    "norm_offset",
    "scale_embedding",
    "partial_rotary_factor",
    "rope_local_base_freq",
    "no_rope_layers",
    *_WINDOWS,
    *_CAPS,
    *_EXPERTS,
)
_DEFAULTS = {
    field.name: field.default for field in dataclasses.fields(ModelConfig)
}


class Architecture(NamedTuple):
    """What a `model_type` stands for.

    Attributes:
        name: of its classes.
        fixed: fields of `ModelConfig` that it always has so.
        free: those of `_FEATURES` that its `config.json` sets.
        absent: what a field of `config.json` is where it is not there, if not
            what most take; None is that nothing is known.
        fused: one tensor for q, k and v, and one for gate and up.
    """

    name: str
    fixed: Mapping[str, Any] = {}
    free: tuple[str, ...] = ()
    absent: Mapping[str, Any] = {}
    fused: bool = False


_GEMMA = {"post_norm": True, "norm_offset": True, "scale_embedding": True}
_GEMMA_ABSENT = {
    "head_dim": 256,
    "tie_word_embeddings": True,
    "query_pre_attn_scalar": 256,
    "sliding_window": 4096,
}
ARCHITECTURES = {
    "llama": Architecture("Llama"),
    "qwen2": Architecture(
        "Qwen2",
        fixed={"attention_bias": True},
        free=_WINDOWS,
        absent={"sliding_window": 4096, "max_window_layers": 28},
    ),
    "qwen3": Architecture(
        "Qwen3",
        fixed={"qk_norm": True},
        free=_WINDOWS,
        absent={
            "head_dim": 128,
            "sliding_window": 4096,
            "max_window_layers": 28,
        },
    ),
    "qwen3_moe": Architecture(
        "Qwen3Moe",
        fixed={"qk_norm": True},
        free=("sliding_window", *_EXPERTS),
        absent={"sliding_window": 4096},
    ),
    "mistral": Architecture(
        "Mistral", free=("sliding_window",), absent={"sliding_window": 4096}
    ),
    "phi3": Architecture(
        "Phi3",
        free=("sliding_window", "partial_rotary_factor"),
        absent={
            "rms_norm_eps": 1e-5,
            "original_max_position_embeddings": 4096,
        },
        fused=True,
    ),
    "gemma2": Architecture(
        "Gemma2",
        fixed=_GEMMA,
        free=(*_WINDOWS, *_CAPS),
        absent={
            **_GEMMA_ABSENT,
            "attn_logit_softcapping": 50.0,
            "final_logit_softcapping": 30.0,
            "sliding_window_pattern": 2,
        },
    ),
    "gemma3_text": Architecture(
        "Gemma3",
        fixed={**_GEMMA, "qk_norm": True},
        free=(*_WINDOWS, *_CAPS, "rope_local_base_freq"),
        absent={
            **_GEMMA_ABSENT,
            "rope_theta": 1e6,
            "rope_local_base_freq": 1e4,
            "sliding_window_pattern": 6,
        },
    ),
    "olmo2": Architecture(
        "Olmo2",
        fixed={
            "pre_norm": False,
            "post_norm": True,
            "qk_norm": True,
            "qk_norm_per_head": False,
        },
        absent={"rms_norm_eps": 1e-5},
    ),
    "smollm3": Architecture(
        "SmolLM3",
        free=("no_rope_layers", *_WINDOWS),
        absent={
            "tie_word_embeddings": True,
            "rope_theta": 2e6,
            "no_rope_layer_interval": 4,
        },
    ),
}


def model_type(config: ModelConfig) -> str:
    """The architecture that a model is written as.

    Its own `model_type`, if that can have its shape; else the first that can.

    Raises:
        ValueError: none can.
    """
    fitting = [name for name in ARCHITECTURES if _fits(config, name)]
    if config.model_type in fitting:
        return config.model_type
    if fitting:
        return fitting[0]
    special = ", ".join(
        f"{name}={getattr(config, name)!r}"
        for name in _FEATURES
        if getattr(config, name) != _DEFAULTS[name]
    )
    raise ValueError(
        f"no architecture has {special}; there are {', '.join(ARCHITECTURES)}"
    )


def _fits(config: ModelConfig, name: str) -> bool:
    _, fixed, free, _, _ = ARCHITECTURES[name]
    if "num_experts" in free and not config.num_experts:
        return False
    if name == "phi3" and not _phi3_rope(config):
        return False
    return all(
        getattr(config, field) == fixed.get(field, _DEFAULTS[field])
        for field in _FEATURES
        if field not in free
    )


def _phi3_rope(config: ModelConfig) -> bool:
    """Phi-3 in `transformers` knows one scaling, and derives `head_dim`."""
    scaling = config.rope_scaling
    known = scaling is None or scaling.rope_type == "longrope"
    return known and config.head_dim * config.num_heads == config.hidden_size
