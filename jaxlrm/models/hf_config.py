"""`config.json` as `transformers` writes it, in and out.

Llama, Mistral, Qwen2 and Qwen3. What this package would compute otherwise than
`transformers` is refused by the name of its field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from jaxlrm.config import ACTIVATIONS, ModelConfig
from jaxlrm.files import Fields, shown

_SIZE = 1 << 24  # more than any size in a published model


class _Architecture(NamedTuple):
    """What a `model_type` stands for.

    Attributes:
        name: of its classes.
        bias: on q, k and v.
        qk_norm: on each head of q and k.
    """

    name: str
    bias: bool
    qk_norm: bool


_ARCHITECTURES = {
    "llama": _Architecture("Llama", False, False),
    "mistral": _Architecture("Mistral", False, False),
    "qwen2": _Architecture("Qwen2", True, False),
    "qwen3": _Architecture("Qwen3", False, True),
}
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
    wanted = (config.attention_bias, config.qk_norm)
    names = [n for n, a in _ARCHITECTURES.items() if a[1:] == wanted]
    if not names:
        raise ValueError(
            f"no architecture has attention_bias={wanted[0]} and "
            f"qk_norm={wanted[1]}; there are {', '.join(_ARCHITECTURES)}"
        )
    return {
        "architectures": [_ARCHITECTURES[names[0]].name + "ForCausalLM"],
        "model_type": names[0],
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "head_dim": config.head_dim,
        "intermediate_size": config.intermediate_size,
        "hidden_act": config.hidden_act,
        "rms_norm_eps": config.rms_norm_eps,
        "rope_theta": config.rope_theta,
        "max_position_embeddings": config.max_position_embeddings,
        "tie_word_embeddings": config.tie_word_embeddings,
        "torch_dtype": dtype,
        "value_head": config.value_head,
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
    if not isinstance(kind, str) or kind not in _ARCHITECTURES:
        raise ValueError(
            f"{where}: model_type {shown(kind)} is not supported; supported: "
            f"{', '.join(_ARCHITECTURES)}"
        )
    _refuse_other_models(fields)
    _refuse_sliding_windows(fields, kind)
    _refuse_biases(fields, kind)
    hidden = fields.integer("hidden_size", 1, _SIZE)
    heads = fields.integer("num_attention_heads", 1, _SIZE)
    kv_heads = fields.integer("num_key_value_heads", 1, heads, default=None)
    head_dim = fields.integer("head_dim", 1, _SIZE, default=None)
    if head_dim is None:
        head_dim = hidden // heads
    try:
        return ModelConfig(
            vocab_size=fields.integer("vocab_size", 1, _SIZE),
            hidden_size=hidden,
            num_layers=fields.integer("num_hidden_layers", 1, 1 << 16),
            num_heads=heads,
            num_kv_heads=kv_heads or heads,
            head_dim=head_dim,
            intermediate_size=fields.integer("intermediate_size", 1, _SIZE),
            hidden_act=fields.text("hidden_act", ACTIVATIONS, "silu"),
            rms_norm_eps=fields.number(
                "rms_norm_eps", high=1.0, default=1e-6, positive=True
            ),
            rope_theta=_rope_theta(fields),
            max_position_embeddings=fields.integer(
                "max_position_embeddings", 1, default=2048
            ),
            attention_bias=_ARCHITECTURES[kind].bias,
            qk_norm=_ARCHITECTURES[kind].qk_norm,
            tie_word_embeddings=fields.flag("tie_word_embeddings", False),
            value_head=fields.flag("value_head", False),
        )
    except ValueError as error:
        if str(error).startswith(where):
            raise
        raise ValueError(f"{where}: {error}") from None


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


def _refuse_sliding_windows(fields: Fields, kind: str) -> None:
    kinds = set(fields.texts("layer_types", default=None) or ())
    if others := sorted(kinds - {"full_attention"}):
        raise fields.error(
            "layer_types",
            f"{shown(others[0])} is not supported; only full_attention is",
        )
    if fields.flag("use_sliding_window", default=None):
        raise fields.error(
            "use_sliding_window",
            "sliding-window attention is not supported; only full attention is",
        )
    if kind == "mistral":
        # Where the field is missing, transformers takes a window of 4096.
        window: int | None = 4096
        if "sliding_window" in fields.values:
            window = fields.integer("sliding_window", 1, default=None)
        if window is not None:
            raise ValueError(
                f"{fields.where}: sliding_window is {window}: sliding-window "
                "attention is not supported; null is full attention"
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


def _rope_theta(fields: Fields) -> float:
    """The base of the rotary embedding, which new files keep elsewhere."""
    ropes = [
        rope
        for name in ("rope_parameters", "rope_scaling")
        if (rope := fields.object(name, default=None)) and rope.values
    ]
    for rope in (fields, *ropes):
        share = rope.number("partial_rotary_factor", default=None)
        if share not in (None, 1.0):
            raise rope.error(
                "partial_rotary_factor", "only 1, all dimensions, is supported"
            )
    for rope in ropes:
        name = "rope_type" if "rope_type" in rope.values else "type"
        kind = rope.text(name, default="default")
        if kind != "default":
            raise ValueError(
                f"{rope.where}: rotary scaling {shown(kind)} is not supported "
                "yet; only 'default' is"
            )
    theta = fields.number("rope_theta", default=1e4, positive=True)
    thetas = {
        rope.number("rope_theta", default=theta, positive=True)
        for rope in ropes or [fields]
    }
    if len(thetas) > 1:
        raise ValueError(
            f"{fields.where}: rope_parameters and rope_scaling ask for "
            f"rope_theta {sorted(thetas)}; leave one of them out"
        )
    return thetas.pop()
