"""Rotary embeddings in a `config.json`, in and out."""

from __future__ import annotations

import math
from typing import Any

from jaxlrm.config import (
    LAYER_TYPES,
    ROPE_TYPES,
    ModelConfig,
    RopeScaling,
)
from jaxlrm.files import Fields, shown
from jaxlrm.models.architectures import ARCHITECTURES

_FULL, _SLIDING = LAYER_TYPES
# What of a `RopeScaling` is written, by its type.
_WRITTEN = {
    "linear": ("factor",),
    "dynamic": ("factor",),
    "llama3": (
        "factor",
        "original_max_position_embeddings",
        "low_freq_factor",
        "high_freq_factor",
    ),
    "yarn": (
        "factor",
        "original_max_position_embeddings",
        "beta_fast",
        "beta_slow",
        "truncate",
        "attention_factor",
    ),
    "longrope": (
        "original_max_position_embeddings",
        "short_factor",
        "long_factor",
        "attention_factor",
    ),
}


def to_json(config: ModelConfig, kind: str) -> dict[str, Any]:
    """Fields of a `config.json`, as all versions of `transformers` read them.

    Args:
        config: shape of the model.
        kind: its `model_type`.
    """
    data: dict[str, Any] = {"rope_theta": config.rope_theta}
    free, scaling = ARCHITECTURES[kind].free, config.rope_scaling
    if "rope_local_base_freq" in free:
        local = config.rope_local_base_freq or config.rope_theta
        data["rope_local_base_freq"] = local
    if "partial_rotary_factor" in free:
        data["partial_rotary_factor"] = config.partial_rotary_factor
    if scaling is None:
        return data
    written = {"rope_type": scaling.rope_type}
    for name in _WRITTEN[scaling.rope_type]:
        value = getattr(scaling, name)
        written[name] = list(value) if isinstance(value, tuple) else value
    if kind == "phi3":
        name = "original_max_position_embeddings"
        data[name] = written[name]
    return {**data, "rope_scaling": written}


def from_json(fields: Fields, kind: str) -> dict[str, Any]:
    """Fields of a `ModelConfig`.

    Args:
        fields: of the `config.json`.
        kind: its `model_type`.

    Raises:
        ValueError: a field is not what it should be, or not supported.
    """
    absent = ARCHITECTURES[kind].absent
    ropes = [
        rope
        for name in ("rope_parameters", "rope_scaling")
        if (rope := fields.object(name, default=None)) and rope.values
    ]
    local = [rope.object(_SLIDING) for rope in ropes if _SLIDING in rope]
    ropes = [
        rope.object(_FULL) if set(LAYER_TYPES) & set(rope.values) else rope
        for rope in ropes
    ]
    theta = fields.number(
        "rope_theta", default=absent.get("rope_theta", 1e4), positive=True
    )
    thetas = {
        rope.number("rope_theta", default=theta, positive=True)
        for rope in ropes or [fields]
    }
    if len(thetas) > 1:
        raise ValueError(
            f"{fields.where}: rope_parameters and rope_scaling ask for "
            f"rope_theta {sorted(thetas)}; leave one of them out"
        )
    scalings = [_scaling(rope, fields, kind) for rope in ropes]
    if any(scaling != scalings[0] for scaling in scalings):
        raise ValueError(
            f"{fields.where}: rope_parameters and rope_scaling ask for "
            "different rotary embeddings; leave one of them out"
        )
    return {
        "rope_theta": thetas.pop(),
        "rope_scaling": scalings[0] if scalings else None,
        **_local(fields, kind, local),
        **_partial(fields, kind, [*ropes, *local]),
    }


def _local(fields: Fields, kind: str, ropes: list[Fields]) -> dict[str, float]:
    """The base of the layers with a window, where it is another."""
    if "rope_local_base_freq" not in ARCHITECTURES[kind].free:
        for rope in ropes:
            raise ValueError(
                f"{rope.where}: rotary embeddings of some layers alone are "
                f"not supported in {kind}; give one for all"
            )
        return {}
    theta = fields.number(
        "rope_local_base_freq",
        default=ARCHITECTURES[kind].absent["rope_local_base_freq"],
        positive=True,
    )
    for rope in ropes:
        if _scaling(rope, fields, kind) is not None:
            raise ValueError(
                f"{rope.where}: rotary scaling of layers with a window is not "
                "supported; only 'default' is"
            )
        theta = rope.number("rope_theta", default=theta, positive=True)
    return {"rope_local_base_freq": theta}


def _partial(
    fields: Fields, kind: str, ropes: list[Fields]
) -> dict[str, float]:
    """The share of the dimensions that is rotated."""
    free = "partial_rotary_factor" in ARCHITECTURES[kind].free
    share = 1.0
    for rope in (fields, *ropes):
        found = rope.number("partial_rotary_factor", default=None)
        if found is not None and not free and found != 1:
            raise rope.error(
                "partial_rotary_factor",
                f"only 1, all dimensions, is supported in {kind}",
            )
        share = share if found is None else found
    return {"partial_rotary_factor": share} if free else {}


def _scaling(rope: Fields, fields: Fields, kind: str) -> RopeScaling | None:
    name = "rope_type" if "rope_type" in rope.values else "type"
    rope_type = rope.text(name, default="default")
    if kind == "phi3" and rope_type in ("su", "yarn"):  # names of old files
        rope_type = "longrope"
    known = ROPE_TYPES if kind != "phi3" else ("longrope",)
    if rope_type == "default":
        return None
    if rope_type not in known:
        raise ValueError(
            f"{rope.where}: rotary scaling {shown(rope_type)} is not supported "
            f"in {kind}; default, {', '.join(known)} are"
        )
    found: dict[str, Any] = {"rope_type": rope_type}
    if rope_type != "longrope":
        found["factor"] = rope.number("factor", positive=True)
    if rope_type in ("llama3", "yarn", "longrope"):
        found["original_max_position_embeddings"] = _original(
            rope, fields, kind
        )
    if rope_type == "llama3":
        for name in ("low_freq_factor", "high_freq_factor"):
            found[name] = rope.number(name, positive=True)
    if rope_type == "yarn":
        found |= _yarn(rope, found["factor"])
    if rope_type == "longrope":
        found |= _longrope(
            rope, fields, found["original_max_position_embeddings"]
        )
    try:
        return RopeScaling(**found)
    except ValueError as error:
        raise ValueError(f"{rope.where}: {error}") from None


def _original(rope: Fields, fields: Fields, kind: str) -> int:
    """The longest text before the stretching, wherever it stands."""
    name = "original_max_position_embeddings"
    found = fields.integer(name, 1, default=None)
    if found is None:
        found = ARCHITECTURES[kind].absent.get(name)
    if found is None:
        found = rope.integer(name, 1, default=None)
    return found or fields.integer("max_position_embeddings", 1, default=2048)


def _yarn(rope: Fields, factor: float) -> dict[str, Any]:
    scale = rope.number("mscale", default=None)
    scale_all = rope.number("mscale_all_dim", default=None)

    def grown(by: float) -> float:
        return 1.0 if factor <= 1 else 0.1 * by * math.log(factor) + 1.0

    attention = rope.number("attention_factor", default=None, positive=True)
    if attention is None and scale and scale_all:
        attention = grown(scale) / grown(scale_all)
    return {
        "attention_factor": attention or grown(1.0),
        "beta_fast": rope.number("beta_fast", default=None) or 32.0,
        "beta_slow": rope.number("beta_slow", default=None) or 1.0,
        "truncate": rope.flag("truncate", True),
    }


def _longrope(rope: Fields, fields: Fields, original: int) -> dict[str, Any]:
    factor = rope.number("factor", default=None, positive=True)
    if factor is None:
        longest = fields.integer("max_position_embeddings", 1, default=2048)
        factor = longest / original
    attention = rope.number("attention_factor", default=None, positive=True)
    if attention is None:
        attention = 1.0
        if factor > 1:
            attention = math.sqrt(1 + math.log(factor) / math.log(original))
    return {
        "attention_factor": attention,
        "short_factor": tuple(rope.numbers("short_factor")),
        "long_factor": tuple(rope.numbers("long_factor")),
    }
