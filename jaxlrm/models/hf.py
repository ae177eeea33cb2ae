"""Safetensors in and out through one strict table.

The names and layouts are those of Hugging Face `transformers` (Llama, Mistral,
Qwen2, Qwen3), so what is shipped loads there and what is trained there loads
here. Unknown and missing tensors raise.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
from collections.abc import Callable, Mapping, Set
from typing import NamedTuple

import numpy as np

from jaxlrm import files
from jaxlrm.config import ModelConfig
from jaxlrm.files import visible
from jaxlrm.models import params
from jaxlrm.models.hf_config import from_json, to_json
from jaxlrm.models.hf_tensors import check_values, read_tensors

__all__ = [
    "INDEX",
    "WEIGHTS",
    "from_json",
    "from_tensors",
    "load",
    "save",
    "to_json",
    "to_tensors",
    "weight_files",
]

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"  # of a model in several files
_HEAD_TENSOR = "lm_head.weight"
_EMBEDDING = "model.embed_tokens.weight"
_PREFIX = "model."  # of all tensors but those of heads
# Buffers that old files hold; they are computed anew.
_BUFFERS = re.compile(r"(.*\.)?rotary_emb\.inv_freq")
# Weights in other forms, and how to get safetensors of them.
_CONVERT = (
    'python -c "from transformers import AutoModelForCausalLM as A; '
    "A.from_pretrained('{folder}'{how}).save_pretrained('{folder}')\""
)
_OTHER_FORMS = {
    "pytorch_model*.bin": "",
    "tf_model.h5": ", from_tf=True",
    "flax_model.msgpack": ", from_flax=True",
}


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
    tensors = _renamed(tensors)
    unread = set(tensors)

    def take(name: str, entry: _Entry, shape) -> np.ndarray:
        if name not in unread:
            raise ValueError(_missing(name, tensors))
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
        unread.discard(_HEAD_TENSOR)
    if unread:
        raise ValueError(
            f"{len(unread)} tensors are unknown to this config, such as "
            f"{_name(min(unread))}; is config.json of the same model?"
        )
    return whole.replace(layers=layers, value_head=head[0] if head else None)


def _name(tensor: str) -> str:
    """A tensor's name for a message."""
    return visible(tensor[:200], lines=False)


def _missing(name: str, tensors: Mapping) -> str:
    if name == _HEAD_TENSOR:
        return (
            f"tensor {name} is missing among {len(tensors)}; was the model "
            "saved without its head (AutoModel)? With tie_word_embeddings true "
            "in config.json the embedding is the head"
        )
    return (
        f"tensor {name} is missing among {len(tensors)}; is config.json of the "
        "same model?"
    )


def _renamed(tensors: Mapping) -> dict:
    """Tensors by the names of `AutoModelForCausalLM`, without buffers.

    `AutoModel`, a model without a head, is saved without the prefix.
    """
    bare = _EMBEDDING.removeprefix(_PREFIX)
    prefix = _PREFIX if bare in tensors and _EMBEDDING not in tensors else ""
    heads = (_HEAD_TENSOR, *(entry.name for entry in _HEAD.values()))
    return {
        name if name in heads else prefix + name: value
        for name, value in tensors.items()
        if not _BUFFERS.fullmatch(name)
    }


def _with_head(config: ModelConfig, tensors: Mapping) -> ModelConfig:
    """Untied, if the file holds a head other than the embedding.

    As in transformers 5, whatever `tie_word_embeddings` says.
    """
    tensors = _renamed(tensors)
    head, embedding = tensors.get(_HEAD_TENSOR), tensors.get(_EMBEDDING)
    if head is None or embedding is None or not config.tie_word_embeddings:
        return config
    same = np.array_equal(head, embedding)
    return dataclasses.replace(config, tie_word_embeddings=same)


def save(
    folder: str | pathlib.Path, config: ModelConfig, values
) -> pathlib.Path:
    """Writes `config.json` and `model.safetensors`."""
    from safetensors.numpy import save as serialise

    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    shape = to_json(config, str(values.embedding.dtype))
    files.write(folder / "config.json", json.dumps(shape, indent=2) + "\n")
    path = folder / WEIGHTS
    with files.naming(path):
        path.write_bytes(serialise(to_tensors(values), {"format": "pt"}))
    return path


def load(
    folder: str | pathlib.Path,
) -> tuple[ModelConfig, params.Transformer]:
    """Reads a model folder; parameters are numpy arrays on the host.

    A model whose `tie_word_embeddings` is true, and whose file holds a head
    other than the embedding, has that head, as in transformers 5.

    Raises:
        FileNotFoundError: a file is missing; says what there is instead.
        OSError: a file cannot be read.
        ValueError: a file is truncated, of another model or in a format that
            is not read; names the file, and the field or the tensor.
    """
    folder = pathlib.Path(folder)
    path = _existing(folder / "config.json")
    where = visible(str(path), lines=False)
    config = from_json(files.read_json(path), where)
    shards = weight_files(folder)
    tensors: dict[str, np.ndarray] = {}
    for path, names in shards.items():
        tensors |= _read(path, names)
    path = folder / (WEIGHTS if folder / WEIGHTS in shards else INDEX)
    try:
        config = _with_head(config, tensors)
        return config, from_tensors(config, tensors)
    except ValueError as error:
        where = visible(str(path), lines=False)
        raise ValueError(f"{where}: {error}") from error


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
    places = files.read_object(index).object("weight_map")
    for tensor in places.values:
        name = places.text(tensor)
        if not name or pathlib.Path(name).name != name:
            raise places.error(tensor, "it must be a file beside the index")
        shards.setdefault(index.with_name(name), set()).add(tensor)
    return {_existing(path): shards[path] for path in sorted(shards)}


def _read(path: pathlib.Path, names: set[str] | None) -> dict[str, np.ndarray]:
    """The tensors of a file, which must be `names`, if they are given."""
    tensors = read_tensors(path)
    check_names(tensors.keys(), names, path)
    check_values(tensors, path)
    return tensors


def check_names(
    found: Set[str], names: Set[str] | None, path: pathlib.Path
) -> None:
    """Refuses a file that holds other tensors than the index says.

    Args:
        found: names of its tensors.
        names: those of the index; None without one.
        path: the file.

    Raises:
        ValueError: they differ; names the file and a tensor.
    """
    if names is not None and (differ := found ^ names):
        raise ValueError(
            f"{visible(str(path), lines=False)}: {len(differ)} tensors are "
            f"here or in {INDEX} but not in both, such as "
            f"{_name(min(differ))}; are they of the same model?"
        )


def _existing(path: pathlib.Path) -> pathlib.Path:
    if path.is_file():
        return path
    missing = f"{visible(str(path), lines=False)} is missing"
    folder = path.parent
    for found in sorted(folder.glob("*.gguf"))[:1]:
        source = visible(str(found), lines=False)
        raise FileNotFoundError(
            f"{missing}, and {found.name} is not read as it is; make a folder "
            f"of it: python -m launch.convert --source={source} --output=DIR"
        )
    for pattern, how in _OTHER_FORMS.items():
        for found in sorted(folder.glob(pattern))[:1]:
            name = visible(found.name, lines=False)
            command = _CONVERT.format(
                folder=visible(str(folder), lines=False),
                how=how.format(name=name),
            )
            raise FileNotFoundError(
                f"{missing}, and {name} is not read; make safetensors of it "
                f"with transformers: {command}"
            )
    if (folder / "adapter_config.json").is_file():
        raise FileNotFoundError(
            f"{missing}, and {visible(str(folder), lines=False)} holds an "
            "adapter alone; merge it into its model: python -m launch.convert "
            f"--source=MODEL --lora={folder} --output=DIR"
        )
    raise FileNotFoundError(
        f"{missing}; a model folder holds config.json, {WEIGHTS} (or {INDEX} "
        "and its shards), tokenizer.json and what else transformers writes"
    )
