"""`config.json` as `transformers` writes it, in and out.

What this package would compute otherwise than `transformers` is refused by the
name of its field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxlrm.config import ACTIVATIONS, LAYER_TYPES, ModelConfig
from jaxlrm.files import Fields, shown
from jaxlrm.models import hf_rope
from jaxlrm.models.architectures import ARCHITECTURES, model_type

_SIZE = 1 << 24  # more than any size in a published model
_FULL, _SLIDING = LAYER_TYPES
# Ends of class names whose head is a score, where tokens are not predicted.
_REWARDS = (
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForRewardModel",
    "ForProcessRewardModel",
)


def to_json(config: ModelConfig, dtype: str = "float32") -> dict:
    """The `config.json` that `transformers` reads.

    Args:
        config: shape of the model.
        dtype: of the parameters.

    Raises:
        ValueError: no known architecture has this shape.
    """
    kind = model_type(config)
    architecture = ARCHITECTURES[kind]
    return {
        "architectures": [architecture.name + "ForCausalLM"],
        "model_type": kind,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "head_dim": config.head_dim,
        "intermediate_size": config.intermediate_size,
        _activation(kind): config.hidden_act,
        "rms_norm_eps": config.rms_norm_eps,
        **hf_rope.to_json(config, kind),
        "max_position_embeddings": config.max_position_embeddings,
        "tie_word_embeddings": config.tie_word_embeddings,
        **_caps_to_json(config, kind),
        **_layers_to_json(config, kind),
        **_experts_to_json(config),
        "torch_dtype": dtype,
        "value_head": config.value_head,
    }


def _activation(kind: str) -> str:
    return "hidden_activation" if kind.startswith("gemma") else "hidden_act"


def _caps_to_json(config: ModelConfig, kind: str) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for name in ARCHITECTURES[kind].free:
        if name.endswith("_softcapping"):
            data[name] = getattr(config, name) or None
        elif name.endswith("_scalar"):  # an integer, in transformers
            value = getattr(config, name) or config.head_dim
            data[name] = int(value) if value == int(value) else value
    return data


def _layers_to_json(config: ModelConfig, kind: str) -> dict[str, Any]:
    free, data = ARCHITECTURES[kind].free, {}
    if "sliding_window" in free:
        data["sliding_window"] = config.sliding_window or None
        if kind.startswith(("qwen", "smollm")):
            data["use_sliding_window"] = config.sliding_window > 0
    if "layer_types" in free:
        every = _SLIDING if config.sliding_window else _FULL
        types = config.layer_types or (every,) * config.num_layers
        data["layer_types"] = list(types)
    if "no_rope_layers" in free:
        every = (1,) * config.num_layers
        data["no_rope_layers"] = list(config.no_rope_layers or every)
    return data


def _experts_to_json(config: ModelConfig) -> dict[str, Any]:
    if not config.num_experts:
        return {}
    return {
        "num_experts": config.num_experts,
        "num_experts_per_tok": config.num_experts_per_tok,
        "moe_intermediate_size": config.moe_intermediate_size,
        "norm_topk_prob": config.norm_topk_prob,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
    }


def from_json(data: object, where: str = "config.json") -> ModelConfig:
    """A `ModelConfig` out of the value of a `config.json`.

    Args:
        data: what the file holds.
        where: its name, for messages.

    Raises:
        ValueError: a field is missing or not what it should be, or asks for
            what is not supported; names the file and the field.
    """
    if not isinstance(data, Mapping):
        raise ValueError(f"{where} holds {shown(data)}; it must be an object")
    fields = Fields(data, where)
    kind = data.get("model_type")
    if not isinstance(kind, str) or kind not in ARCHITECTURES:
        raise ValueError(
            f"{where}: model_type {shown(kind)} is not supported; supported: "
            f"{', '.join(ARCHITECTURES)}"
        )
    _refuse_other_models(fields)
    _refuse_biases(fields, kind)
    architecture = ARCHITECTURES[kind]
    absent = architecture.absent
    hidden = fields.integer("hidden_size", 1, _SIZE)
    layers = fields.integer("num_hidden_layers", 1, 1 << 16)
    heads = fields.integer("num_attention_heads", 1, _SIZE)
    kv_heads = fields.integer("num_key_value_heads", 1, heads, default=None)
    head_dim = absent.get("head_dim")
    if head_dim is None or "head_dim" in data:
        head_dim = fields.integer("head_dim", 1, _SIZE, default=None)
    if head_dim is None:
        head_dim = hidden // heads
    activation = "gelu_pytorch_tanh" if kind.startswith("gemma") else "silu"
    tied = absent.get("tie_word_embeddings", False)
    try:
        return ModelConfig(
            vocab_size=fields.integer("vocab_size", 1, _SIZE),
            hidden_size=hidden,
            num_layers=layers,
            num_heads=heads,
            num_kv_heads=kv_heads or heads,
            head_dim=head_dim,
            intermediate_size=fields.integer("intermediate_size", 1, _SIZE),
            hidden_act=fields.text(_activation(kind), ACTIVATIONS, activation),
            rms_norm_eps=fields.number(
                "rms_norm_eps",
                high=1.0,
                default=absent.get("rms_norm_eps", 1e-6),
                positive=True,
            ),
            max_position_embeddings=fields.integer(
                "max_position_embeddings", 1, default=2048
            ),
            tie_word_embeddings=fields.flag("tie_word_embeddings", tied),
            value_head=fields.flag("value_head", False),
            model_type=kind,
            **architecture.fixed,
            **hf_rope.from_json(fields, kind),
            **_caps(fields, kind),
            **_layers(fields, kind, layers),
            **_experts(fields, kind),
        )
    except ValueError as error:
        if str(error).startswith(where):
            raise
        raise ValueError(f"{where}: {error}") from None


def _caps(fields: Fields, kind: str) -> dict[str, float]:
    """Fields of numbers that null or their absence switches off."""
    _, _, free, absent, _ = ARCHITECTURES[kind]
    found = {}
    for name in free:
        if name.endswith(("_softcapping", "_scalar")):
            number = absent.get(name)
            if name in fields.values:
                number = fields.number(name, default=None, positive=True)
            found[name] = float(number or 0)
    return found


def _layers(fields: Fields, kind: str, layers: int) -> dict[str, Any]:
    """The windows of the layers, and which have a rotary embedding."""
    free = ARCHITECTURES[kind].free
    found: dict[str, Any] = {}
    if "no_rope_layers" in free:
        found["no_rope_layers"] = _no_rope_layers(fields, kind, layers)
    types = fields.texts("layer_types", default=None)
    for name in types or ():
        if name not in LAYER_TYPES:
            raise fields.error(
                "layer_types",
                f"{shown(name)} is not supported; {', '.join(LAYER_TYPES)} are",
            )
    on = fields.flag("use_sliding_window", default=None)
    if "sliding_window" not in free:
        if on or _SLIDING in (types or ()):
            raise fields.error(
                "use_sliding_window" if on else "layer_types",
                f"{kind} has no sliding windows; only full attention",
            )
        return found
    window = _window(fields, kind, on)
    if types is None:
        types = _layer_types(fields, kind, window, layers, found)
    if not window and _SLIDING in types:
        raise fields.error(
            "sliding_window",
            f"layer_types has {_SLIDING}; such layers need a window, a "
            "positive integer"
            + (" and use_sliding_window true" if on is False else ""),
        )
    if window and "layer_types" not in free and set(types) != {_SLIDING}:
        raise fields.error(
            "layer_types", f"with a window, all layers of {kind} have it"
        )
    if len(types) != layers:
        raise fields.error(
            "layer_types", f"it must have {layers} items, one for each layer"
        )
    if _SLIDING in types:
        found["sliding_window"] = window
        found["layer_types"] = () if _FULL not in types else tuple(types)
    return found


def _window(fields: Fields, kind: str, on: bool | None) -> int:
    """Positions of the window; 0 is none."""
    if fields.flag("use_bidirectional_attention", default=None):
        raise fields.error(
            "use_bidirectional_attention",
            "tokens that see later ones are not supported; false is",
        )
    if kind.startswith(("qwen", "smollm")) and not on:
        return 0
    window = ARCHITECTURES[kind].absent.get("sliding_window")
    if "sliding_window" in fields.values:
        window = fields.integer("sliding_window", 1, default=None)
    return window or 0


def _layer_types(
    fields: Fields, kind: str, window: int, layers: int, found: Mapping
) -> list[str]:
    """As `transformers` fills in `layer_types`."""
    absent = ARCHITECTURES[kind].absent
    if not window:
        sliding = [False] * layers
    elif "max_window_layers" in absent:
        first = fields.integer(
            "max_window_layers", 0, default=absent["max_window_layers"]
        )
        sliding = [number >= first for number in range(layers)]
    elif "sliding_window_pattern" in absent:
        every = absent["sliding_window_pattern"]
        if kind != "gemma2":
            every = fields.integer("sliding_window_pattern", 1, default=every)
        sliding = [(number + 1) % every > 0 for number in range(layers)]
    elif "no_rope_layers" in found:
        sliding = [not rotated for rotated in found["no_rope_layers"]]
        sliding = sliding or [False] * layers
    else:
        sliding = [True] * layers
    return [_SLIDING if slides else _FULL for slides in sliding]


def _no_rope_layers(fields: Fields, kind: str, layers: int) -> tuple[int, ...]:
    rotated = fields.numbers("no_rope_layers", default=None)
    if rotated is None:
        every = fields.integer(
            "no_rope_layer_interval",
            1,
            default=ARCHITECTURES[kind].absent["no_rope_layer_interval"],
        )
        rotated = [(number + 1) % every != 0 for number in range(layers)]
    rotated = tuple(rotated[:layers])
    if len(rotated) < layers or not set(rotated) <= {0, 1}:
        raise fields.error(
            "no_rope_layers",
            f"it must have {layers} items, 1 for a layer with a rotary "
            "embedding and 0 for one without",
        )
    return tuple(map(int, rotated)) if 0 in rotated else ()


def _experts(fields: Fields, kind: str) -> dict[str, Any]:
    if "num_experts" not in ARCHITECTURES[kind].free:
        return {}
    if fields.integer("decoder_sparse_step", default=1, low=0) != 1:
        raise fields.error(
            "decoder_sparse_step",
            "layers with experts among others are not supported; 1 is, all",
        )
    if fields.values.get("mlp_only_layers") not in (None, []):
        raise fields.error(
            "mlp_only_layers",
            "layers without experts among others are not supported; [] is",
        )
    new = "num_local_experts" in fields  # as transformers 5 writes it
    name = "num_local_experts" if new else "num_experts"
    return {
        "num_experts": fields.integer(name, 1, 1 << 16),
        "num_experts_per_tok": fields.integer(
            "num_experts_per_tok", 1, 1 << 16, default=8
        ),
        "moe_intermediate_size": fields.integer(
            "moe_intermediate_size", 1, _SIZE, default=768
        ),
        "norm_topk_prob": fields.flag("norm_topk_prob", False),
    }


def _refuse_other_models(fields: Fields) -> None:
    """Quantised checkpoints, and reward models of other libraries."""
    if fields.values.get("quantization_config") is not None:
        quantised = fields.values["quantization_config"]
        method = None
        if isinstance(quantised, dict):
            method = quantised.get("quant_method")
            if method is None and any("load_in_" in key for key in quantised):
                method = "bitsandbytes"
        method = method if isinstance(method, str) else shown(quantised)
        raise ValueError(
            f"{fields.where}: quantization_config: weights quantised by "
            f"{shown(method)} are not read; take the model's checkpoint in "
            "bfloat16, float16 or float32"
        )
    for name in fields.texts("architectures", default=None) or ():
        if name.endswith(_REWARDS):
            raise ValueError(
                f"{fields.where}: architectures {shown(name)}: reward models "
                "in this format are not read yet; a reward model has "
                "...ForCausalLM, value_head true and tensors score.weight and "
                "score.bias beside those of the language model"
            )


def _refuse_biases(fields: Fields, kind: str) -> None:
    # Qwen2 has biases on q, k and v, whatever the field says.
    biased = kind != "qwen2" and fields.flag("attention_bias", default=None)
    for name, on in (
        ("attention_bias", biased),
        ("mlp_bias", fields.flag("mlp_bias", default=None)),
    ):
        if on:
            raise fields.error(
                name,
                f"biases of these layers are not supported in {kind}; false is",
            )
