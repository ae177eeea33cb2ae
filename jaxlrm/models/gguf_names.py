"""GGUF's names and layouts beside those of `transformers`, as one table.

What the converter of llama.cpp did to a checkpoint is undone: rows of q and k
turned for another form of the rotary embedding (Llama), norms with 1 added
(Gemma), experts stacked. A tensor that the table does not have raises.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxlrm.files import shown
from jaxlrm.models import gguf
from jaxlrm.models.streams import Tensor

_ATTENTION = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
}
_NORMS = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_GEMMA_NORMS = {
    "attn_norm": "input_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_HEAD_NORMS = {
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
}
_MLP = {
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_EXPERTS = {
    "ffn_gate_inp": "mlp.gate",
    "ffn_gate_exps": "mlp.experts.{}.gate_proj",
    "ffn_up_exps": "mlp.experts.{}.up_proj",
    "ffn_down_exps": "mlp.experts.{}.down_proj",
}
_WHOLE = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
# What `gguf_config` reads, and copies of it in old files.
_ELSEWHERE = re.compile(
    r"rope_(freqs|factors_(long|short))\.weight"
    r"|blk\.\d+\.(rope_freqs|attn_rot_embd)\.weight"
)
_LAYER = re.compile(r"blk\.(\d{1,5})\.(\w+)\.(weight|bias)")
_TURNED = ("attn_q", "attn_k")


class Names(NamedTuple):
    """The tensors of an architecture.

    Attributes:
        layer: names in a layer; `{}` is the number of an expert.
        turned: q and k have their rows in pairs.
        shifted: 1 was added to the norms.
        biased: those in a layer that have a bias.
    """

    layer: dict[str, str]
    turned: bool = False
    shifted: bool = False
    biased: tuple[str, ...] = ()


_LLAMA = Names(_NORMS | _ATTENTION | _MLP, turned=True)
NAMES = {
    "llama": _LLAMA,
    "smollm3": _LLAMA,
    "qwen2": Names(
        _NORMS | _ATTENTION | _MLP, biased=("attn_q", "attn_k", "attn_v")
    ),
    "qwen3": Names(_NORMS | _ATTENTION | _HEAD_NORMS | _MLP),
    "qwen3moe": Names(_NORMS | _ATTENTION | _HEAD_NORMS | _EXPERTS),
    "gemma2": Names(_GEMMA_NORMS | _ATTENTION | _MLP, shifted=True),
    "gemma3": Names(
        _GEMMA_NORMS | _ATTENTION | _HEAD_NORMS | _MLP, shifted=True
    ),
    "phi3": Names(
        _NORMS
        | {
            "attn_qkv": "self_attn.qkv_proj",
            "attn_output": "self_attn.o_proj",
            "ffn_up": "mlp.gate_up_proj",
            "ffn_down": "mlp.down_proj",
        }
    ),
    "olmo2": Names(
        {
            "post_attention_norm": "post_attention_layernorm",
            "post_ffw_norm": "post_feedforward_layernorm",
        }
        | _ATTENTION
        | _HEAD_NORMS
        | _MLP
    ),
}


def tensors(file: gguf.File, config: Mapping[str, Any]) -> list[Tensor]:
    """The tensors of a file as `transformers` names and lays them out.

    Args:
        file: a GGUF file.
        config: its `config.json`, see `gguf_config.from_metadata`.

    Raises:
        ValueError: tensors are missing, unknown, or of a shape that heads do
            not divide; names some of them.
    """
    names = NAMES[file.metadata["general.architecture"]]
    heads = config["num_attention_heads"], config["num_key_value_heads"]
    _check_names(file, names, config["num_hidden_layers"])
    found = []
    for stored in file.tensors.values():
        if not _ELSEWHERE.fullmatch(stored.name):
            found += _renamed(file, stored, names, heads)
    return sorted(found, key=lambda tensor: _order(tensor.name))


def _order(name: str) -> list[tuple[bool, int, str]]:
    """Sorts numbers in names by their size."""
    return [
        (part.isdigit(), int(part) if part.isdigit() else 0, part)
        for part in name.split(".")
    ]


def _check_names(file: gguf.File, names: Names, layers: int) -> None:
    """Refuses missing and unknown tensors."""
    parts = [f"{part}.weight" for part in names.layer]
    parts += [f"{part}.bias" for part in names.biased]
    wanted = {"token_embd.weight", "output_norm.weight"} | {
        f"blk.{layer}.{part}" for layer in range(layers) for part in parts
    }
    there = {name for name in file.tensors if not _ELSEWHERE.fullmatch(name)}
    for what, found in (
        ("missing", wanted - there),
        ("unknown to this architecture", there - wanted - {"output.weight"}),
    ):
        if found:
            some = ", ".join(shown(n)[1:-1] for n in sorted(found)[:3])
            raise ValueError(
                f"{file.where}: {len(found)} tensors are {what}, such as "
                f"{some}; is it a whole language model?"
            )


def _renamed(
    file: gguf.File,
    stored: gguf.Stored,
    names: Names,
    heads: tuple[int, int],
) -> Iterator[Tensor]:
    """A tensor; of stacked experts one for each."""
    match = _LAYER.fullmatch(stored.name)
    if match is None:
        yield _tensor(stored, _WHOLE[stored.name], names)
        return
    number, part, kind = match.groups()
    name = f"model.layers.{number}.{names.layer[part]}.{kind}"
    if "{}" in name:
        yield from _experts(file, stored, name)
        return
    turn = None
    if names.turned and part in _TURNED:
        turn = heads[_TURNED.index(part)]
        if len(stored.shape) != 2 or stored.shape[0] % (2 * turn):
            raise ValueError(
                f"{file.where}: tensor {stored.name} has shape "
                f"{stored.shape}, with {turn} heads; is the file damaged?"
            )
    yield _tensor(stored, name, names, turn)


def _experts(
    file: gguf.File, stored: gguf.Stored, name: str
) -> Iterator[Tensor]:
    if len(stored.shape) != 3:
        raise ValueError(
            f"{file.where}: tensor {stored.name} has shape {stored.shape}; "
            "experts are stacked in three dimensions"
        )
    count, rows, _ = stored.shape
    for expert in range(count):
        one = dataclasses.replace(
            stored,
            shape=stored.shape[1:],
            offset=stored.offset + expert * rows * stored.row_bytes,
        )
        yield Tensor(name.format(expert), one.shape, _reader(one))


def _tensor(
    stored: gguf.Stored, name: str, names: Names, turn: int | None = None
) -> Tensor:
    read = _reader(stored) if turn is None else _turned(stored, turn)
    if names.shifted and name.endswith("norm.weight"):
        read = _shifted(read)
    return Tensor(name, stored.shape, read)


_Read = Callable[[int, int], np.ndarray]


def _reader(stored: gguf.Stored) -> _Read:
    """Reads rows as they are; a vector is a tensor of one row."""
    if len(stored.shape) == 1:
        return lambda start, stop: stored.values(stored.raw(0, 1))[0][
            start:stop
        ]
    return lambda start, stop: stored.values(stored.raw(start, stop))


def _shifted(read: _Read) -> _Read:
    return lambda start, stop: read(start, stop) - np.float32(1)


def _turned(stored: gguf.Stored, heads: int) -> _Read:
    """Reads rows that llama.cpp has in pairs, for its rotary embedding.

    Its rows of a head are 0, D/2, 1, D/2 + 1, ...; those of `transformers`
    0, 1, ..., D - 1. Rows are whole blocks, so those that are stored move.
    """
    size = stored.shape[0] // heads

    def read(start: int, stop: int) -> np.ndarray:
        first, last = start // size, -(-stop // size)  # whole heads
        raw = _unpaired(stored.raw(first * size, last * size), last - first)
        before = first * size
        return stored.values(raw[start - before : stop - before])

    return read


def _unpaired(x: np.ndarray, heads: int) -> np.ndarray:
    pairs = x.reshape(heads, -1, 2, *x.shape[1:])
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(x.shape)
