"""Safetensors in and out through one strict table.

The names and layouts are those of Hugging Face `transformers` (Llama, Qwen2,
Qwen3), so what is shipped loads there and what is trained there loads here.
Unknown and missing tensors raise.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jaxlrm.config import ModelConfig
from jaxlrm.models import params

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"  # of a model in several files


class _Entry(NamedTuple):
    """One parameter's tensor: its name and its layout there.

    Attributes:
        name: tensor name; `{}` is the layer number.
        shape: its shape there, given ours.
        read: from its layout to ours.
        write: from our layout to its.
    """

    name: str
    shape: Callable[[tuple[int, ...]], tuple[int, ...]]
    read: Callable[[np.ndarray], np.ndarray]
    write: Callable[[np.ndarray], np.ndarray]


def _same(name: str) -> _Entry:
    return _Entry(name, lambda ours: ours, lambda x: x, lambda x: x)


def _linear(name: str) -> _Entry:
    """A weight, `[out, in]` there."""
    return _Entry(name, lambda ours: ours[::-1], lambda x: x.T, lambda x: x.T)


def _row(name: str) -> _Entry:
    """A parameter of the scalar head, which there has one row of outputs."""
    return _Entry(
        name, lambda ours: (1, *ours), lambda x: x[0], lambda x: x[None]
    )


_LAYER = "model.layers.{}."
_LAYERS = {
    "attention_norm": _same(_LAYER + "input_layernorm.weight"),
    "query": _linear(_LAYER + "self_attn.q_proj.weight"),
    "key": _linear(_LAYER + "self_attn.k_proj.weight"),
    "value": _linear(_LAYER + "self_attn.v_proj.weight"),
    "output": _linear(_LAYER + "self_attn.o_proj.weight"),
    "query_bias": _same(_LAYER + "self_attn.q_proj.bias"),
    "key_bias": _same(_LAYER + "self_attn.k_proj.bias"),
    "value_bias": _same(_LAYER + "self_attn.v_proj.bias"),
    "query_norm": _same(_LAYER + "self_attn.q_norm.weight"),
    "key_norm": _same(_LAYER + "self_attn.k_norm.weight"),
    "mlp_norm": _same(_LAYER + "post_attention_layernorm.weight"),
    "gate": _linear(_LAYER + "mlp.gate_proj.weight"),
    "up": _linear(_LAYER + "mlp.up_proj.weight"),
    "down": _linear(_LAYER + "mlp.down_proj.weight"),
}
_WHOLE = {
    "embedding": _same("model.embed_tokens.weight"),
    "final_norm": _same("model.norm.weight"),
    "unembedding": _linear("lm_head.weight"),
}
_HEAD = {"kernel": _row("score.weight"), "bias": _row("score.bias")}


def _groups(tree: params.Transformer):
    """`(node, table, stacked)` of each part of a parameter tree."""
    yield tree, _WHOLE, False
    yield tree.layers, _LAYERS, True
    if tree.value_head is not None:
        yield tree.value_head, _HEAD, False


def to_tensors(values: params.Transformer) -> dict[str, np.ndarray]:
    """The tensors of a checkpoint, by their Hugging Face names."""
    tensors: dict[str, np.ndarray] = {}
    for node, table, stacked in _groups(values):
        for field, entry in table.items():
            if getattr(node, field) is None:
                continue
            value = np.asarray(getattr(node, field))
            for number, layer in enumerate(value if stacked else [value]):
                tensors[entry.name.format(number)] = np.ascontiguousarray(
                    entry.write(layer)
                )
    return tensors


def from_tensors(config: ModelConfig, tensors) -> params.Transformer:
    """Parameters, as numpy arrays, out of a mapping of tensors by name.

    Raises:
        ValueError: a tensor is missing, unknown or of another shape.
    """
    unread = set(tensors)

    def take(name: str, entry: _Entry, shape) -> np.ndarray:
        if name not in unread:
            raise ValueError(
                f"tensor {name} is missing among {len(tensors)}; is "
                "config.json of the same model?"
            )
        unread.discard(name)
        value = np.asarray(tensors[name])
        if value.shape != entry.shape(shape):
            raise ValueError(
                f"tensor {name} has shape {value.shape}, and config.json asks "
                f"for {entry.shape(shape)}; is it of the same model?"
            )
        return entry.read(value)

    def read(node, table, stacked):
        fields = {}
        for field, entry in table.items():
            spec = getattr(node, field)
            if spec is None:
                continue
            if stacked:
                fields[field] = np.stack(
                    [
                        take(entry.name.format(n), entry, spec.shape[1:])
                        for n in range(config.num_layers)
                    ]
                )
            else:
                fields[field] = take(entry.name, entry, spec.shape)
        return node.replace(**fields)

    declared = params.specs(config)
    whole, layers, *head = [read(*group) for group in _groups(declared)]
    if config.tie_word_embeddings:  # some files store the copy
        unread.discard("lm_head.weight")
    if unread:
        raise ValueError(
            f"{len(unread)} tensors are unknown to this config, such as "
            f"{min(unread)}; is config.json of the same model?"
        )
    return whole.replace(layers=layers, value_head=head[0] if head else None)


_ARCHITECTURES = {  # model_type: (bias on q, k, v; norm on q, k)
    "llama": (False, False),
    "qwen2": (True, False),
    "qwen3": (False, True),
}


def to_json(config: ModelConfig, dtype: str = "float32") -> dict:
    """The `config.json` that `transformers` reads.

    Args:
        config: shape of the model.
        dtype: of the parameters.

    Raises:
        ValueError: no known architecture has this shape.
    """
    wanted = (config.attention_bias, config.qk_norm)
    names = [n for n, has in _ARCHITECTURES.items() if has == wanted]
    if not names:
        raise ValueError(
            f"no architecture has attention_bias={wanted[0]} and "
            f"qk_norm={wanted[1]}; there are {_ARCHITECTURES}"
        )
    class_name = {"llama": "Llama", "qwen2": "Qwen2", "qwen3": "Qwen3"}
    return {
        "architectures": [class_name[names[0]] + "ForCausalLM"],
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


def from_json(data: dict) -> ModelConfig:
    """A `ModelConfig` out of a Hugging Face `config.json`.

    Raises:
        ValueError: an unknown architecture, a missing field, or a kind of
            rotary scaling or attention that is not supported.
    """
    kind = data.get("model_type")
    if kind not in _ARCHITECTURES:
        raise ValueError(
            f"model_type {kind!r} is not supported; supported: "
            f"{', '.join(_ARCHITECTURES)}"
        )
    theta = data.get("rope_theta", 1e4)
    # Old files have the one and new files the other; some have both.
    ropes = [data.get(key) for key in ("rope_parameters", "rope_scaling")]
    ropes = [rope for rope in ropes if rope] or [{}]
    for rope in ropes:
        if rope.get("rope_type", rope.get("type", "default")) != "default":
            raise ValueError(f"rotary scaling {rope} is not supported yet")
    thetas = {rope.get("rope_theta", theta) for rope in ropes}
    if len(thetas) > 1:
        raise ValueError(
            f"rope_parameters and rope_scaling ask for rope_theta "
            f"{sorted(thetas)}; leave one of them out of config.json"
        )
    layers = set(data.get("layer_types") or ()) - {"full_attention"}
    if data.get("use_sliding_window") or layers:
        raise ValueError(
            f"sliding-window attention {sorted(layers)} is not supported; "
            "only full attention is"
        )
    bias, qk_norm = _ARCHITECTURES[kind]
    bias = bool(data.get("attention_bias", bias))
    try:
        heads = data["num_attention_heads"]
        return ModelConfig(
            vocab_size=data["vocab_size"],
            hidden_size=data["hidden_size"],
            num_layers=data["num_hidden_layers"],
            num_heads=heads,
            num_kv_heads=data.get("num_key_value_heads") or heads,
            head_dim=data.get("head_dim") or data["hidden_size"] // heads,
            intermediate_size=data["intermediate_size"],
            hidden_act=data.get("hidden_act", "silu"),
            rms_norm_eps=data.get("rms_norm_eps", 1e-6),
            rope_theta=thetas.pop(),
            max_position_embeddings=data.get("max_position_embeddings", 2048),
            attention_bias=bias,
            qk_norm=qk_norm,
            tie_word_embeddings=data.get("tie_word_embeddings", False),
            value_head=data.get("value_head", False),
        )
    except KeyError as error:
        raise ValueError(f"config.json lacks {error}") from error


def save(
    folder: str | pathlib.Path, config: ModelConfig, values
) -> pathlib.Path:
    """Writes `config.json` and `model.safetensors`."""
    from safetensors.numpy import save as serialise

    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(
        json.dumps(to_json(config, str(values.embedding.dtype)), indent=2)
        + "\n"
    )
    path = folder / WEIGHTS
    path.write_bytes(serialise(to_tensors(values), {"format": "pt"}))
    return path


def load(
    folder: str | pathlib.Path,
) -> tuple[ModelConfig, params.Transformer]:
    """Reads a model folder; parameters are numpy arrays on the host.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is truncated, or of another model.
    """
    folder = pathlib.Path(folder)
    path = _existing(folder / "config.json")
    try:
        config = from_json(json.loads(path.read_text()))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    files = weight_files(folder)
    tensors: dict[str, np.ndarray] = {}
    for path, names in files.items():
        tensors |= _read(path, names)
    path = folder / (WEIGHTS if folder / WEIGHTS in files else INDEX)
    try:
        return config, from_tensors(config, tensors)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def weight_files(
    folder: str | pathlib.Path,
) -> dict[pathlib.Path, set[str] | None]:
    """The files with a model's tensors, in the order of their names.

    Returns:
        Of each file the names of its tensors: of the shards that `INDEX`
        lists where there is no `WEIGHTS`, which itself may hold any (None).

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the index cannot be read.
    """
    weights, index = (pathlib.Path(folder) / name for name in (WEIGHTS, INDEX))
    if weights.is_file() or not index.is_file():
        return {_existing(weights): None}
    shards: dict[pathlib.Path, set[str]] = {}
    try:
        places = json.loads(index.read_text())["weight_map"]
        for tensor, name in places.items():
            if pathlib.Path(name).name != name:
                raise ValueError(f"{name!r} is no name of a file beside it")
            shards.setdefault(index.with_name(name), set()).add(tensor)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'{index}: {error!r}; it holds {{"weight_map": {{TENSOR: FILE}}}}'
        ) from error
    return {_existing(path): shards[path] for path in sorted(shards)}


def _read(path: pathlib.Path, names: set[str] | None) -> dict[str, np.ndarray]:
    """The tensors of a file, which must be `names`, if they are given."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
    if names is not None and (differ := tensors.keys() ^ names):
        raise ValueError(
            f"{path}: {len(differ)} tensors are here or in {INDEX} but not in "
            f"both, such as {min(differ)}; are they of the same model?"
        )
    return tensors


def _existing(path: pathlib.Path) -> pathlib.Path:
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing; a model folder holds config.json, {WEIGHTS} "
            f"(or {INDEX} and its shards), tokenizer.json and text.json"
        )
    return path
