"""Low-rank adapters (LoRA) merged into the weights that they adapt.

An adapter is a folder as `peft` writes it. To a weight `W [out, in]` it adds
`scale * B A`, with `A [r, in]`, `B [out, r]` and `scale = lora_alpha / r`, or
`lora_alpha / sqrt(r)` with `use_rslora`. See https://arxiv.org/abs/2106.09685
and https://arxiv.org/abs/2312.03732.
"""

from __future__ import annotations

import dataclasses
import math
import os
import pathlib
import re
from collections.abc import Mapping, Sequence

import numpy as np

from jaxlrm import files
from jaxlrm.files import shown, visible
from jaxlrm.models import streams
from jaxlrm.models.hf_tensors import check_values
from jaxlrm.models.streams import Tensor

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
_PREFIX = "base_model.model."
_FACTOR = re.compile(
    r"(?P<module>.+)\.lora_(?P<which>[AB])(\.default)?\.weight"
)
# What would be computed otherwise, and the value that asks for nothing.
_PLAIN = {
    "use_dora": False,
    "fan_in_fan_out": False,
    "bias": "none",
    "lora_bias": False,
    "layer_replication": None,
    "trainable_token_indices": None,
    "target_parameters": None,
    "alora_invocation_tokens": None,
}
_MOST = 1 << 16


@dataclasses.dataclass(frozen=True)
class Adapter:
    """What a folder holds.

    Attributes:
        where: its name, for messages.
        factors: `(scale, A, B)` by the name of the weight.
        whole: tensors that take the place of those of the model, by name.
    """

    where: str
    factors: Mapping[str, tuple[float, np.ndarray, np.ndarray]]
    whole: Mapping[str, Tensor]


def read(folder: str | os.PathLike) -> Adapter:
    """Reads an adapter.

    Raises:
        FileNotFoundError: a file is missing.
        OSError: a file cannot be read.
        ValueError: a file is not what it should be, or asks for what is not
            merged; names the file and the field or the tensor.
    """
    folder = pathlib.Path(folder)
    where = visible(str(folder), lines=False)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{where} has no {name}; an adapter is a folder as peft "
                f"writes it, with {CONFIG} and {WEIGHTS}"
            )
    fields = files.read_object(folder / CONFIG)
    fields.text("peft_type", ("LORA",))
    for name, plain in _PLAIN.items():
        if fields.values.get(name, plain) not in (plain, None, [], {}):
            raise fields.error(
                name, f"only {plain!r} can be merged: merge it with peft"
            )
    halves: dict[str, dict[str, np.ndarray]] = {}
    whole: dict[str, Tensor] = {}
    for tensor in streams.read(folder / WEIGHTS):
        name = tensor.name.removeprefix(_PREFIX)
        match = _FACTOR.fullmatch(name)
        if match:
            value = tensor.rows(0, tensor.shape[0]).astype(np.float32)
            check_values(tensor.name, value, folder / WEIGHTS)
            halves.setdefault(match["module"], {})[match["which"]] = value
        elif "lora_" in name:
            raise ValueError(
                f"{where}: tensor {shown(tensor.name)} is of a layer that is "
                "not merged; weights of linear layers are"
            )
        else:
            name = name.replace(".modules_to_save.default.", ".")
            whole[name] = dataclasses.replace(tensor, name=name)
    if not halves and not whole:
        raise ValueError(f"{where}: {WEIGHTS} holds no tensors")
    factors = {}
    for module, half in halves.items():
        a, b = _pair(where, module, half)
        scale = _scale(fields, module, a.shape[0])
        factors[f"{module}.weight"] = scale, a, b
    return Adapter(where, factors, whole)


def _pair(
    where: str, module: str, half: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """`A` and `B` of a module, which fit each other."""
    shapes = {name: value.shape for name, value in sorted(half.items())}
    a, b = half.get("A"), half.get("B")
    fit = [len(shape) for shape in shapes.values()] == [2, 2]
    if not fit or a.shape[0] != b.shape[1]:
        raise ValueError(
            f"{where}: {shown(module)} has factors of shapes {shapes}; they "
            "must be A [r, in] and B [out, r]"
        )
    return a, b


def _scale(fields: files.Fields, module: str, rank: int) -> float:
    """What `B A` is multiplied by."""
    alpha = _of_module(fields, "alpha_pattern", module)
    if alpha is None:
        alpha = fields.number("lora_alpha", positive=True)
    said = _of_module(fields, "rank_pattern", module)
    if said is None:
        said = fields.integer("r", 1, _MOST)
    if said != rank:
        raise ValueError(
            f"{fields.where}: the rank of {shown(module)} is {said}, and "
            f"{WEIGHTS} has {rank}; are they of the same adapter?"
        )
    rooted = fields.flag("use_rslora", default=False)
    return alpha / (math.sqrt(rank) if rooted else rank)


def _of_module(fields: files.Fields, name: str, module: str) -> float | None:
    """The value for a module, where a pattern names its end, as in peft."""
    patterns = fields.object(name, default=None)
    for pattern in patterns.values if patterns else ():
        try:
            found = re.fullmatch(rf"(.*\.)?({pattern})", module)
        except re.error as error:
            raise patterns.error(pattern, f"no pattern: {error}") from None
        if found:
            return patterns.number(pattern, positive=True)
    return None


def merge(tensors: Sequence[Tensor], adapter: Adapter) -> list[Tensor]:
    """The tensors of a model with an adapter in them, in their order.

    Raises:
        ValueError: the adapter has tensors that the model has not, or of
            another shape.
    """
    shapes = {tensor.name: tensor.shape for tensor in tensors}
    wanted = {
        name: (b.shape[0], a.shape[1])
        for name, (_, a, b) in adapter.factors.items()
    } | {name: tensor.shape for name, tensor in adapter.whole.items()}
    for name, shape in sorted(wanted.items()):
        if name not in shapes:
            raise ValueError(
                f"{adapter.where}: the model has no tensor {shown(name)}; is "
                "the adapter of this model?"
            )
        if shapes[name] != shape:
            raise ValueError(
                f"{adapter.where}: {shown(name)} has shape {shapes[name]} in "
                f"the model and {shape} in the adapter; is it of this model?"
            )
    return [
        _merged(tensor, *adapter.factors[tensor.name])
        if tensor.name in adapter.factors
        else adapter.whole.get(tensor.name, tensor)
        for tensor in tensors
    ]


def _merged(
    tensor: Tensor, scale: float, a: np.ndarray, b: np.ndarray
) -> Tensor:
    def rows(start: int, stop: int) -> np.ndarray:
        found = tensor.rows(start, stop).astype(np.float32)
        return found + np.float32(scale) * (b[start:stop] @ a)

    return dataclasses.replace(tensor, rows=rows, dtype="float32")
