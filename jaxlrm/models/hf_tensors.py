"""Tensors out of a safetensors file, one after the other, and checked."""

from __future__ import annotations

import json
import os
import re
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

import ml_dtypes
import numpy as np

from jaxlrm import files
from jaxlrm.files import visible

_FLOATS = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
}
# Tensors that only quantised checkpoints have.
_QUANTISED = re.compile(
    r".*\.(qweight|qzeros|weight_scale(_inv)?|weight_packed|SCB|absmax|"
    r"weight\.(absmax|quant_map|quant_state\..*))"
)
_NARROW = re.compile(r"F[468](_\w+)?")  # floats of at most eight bits
# The product of two larger ones is infinite in float32, and the norms square.
_LARGEST = 1e19
_CHUNK = 1 << 22  # numbers that are looked at at a time


class Stored(NamedTuple):
    """A tensor in a file.

    Attributes:
        dtype: as which it is read: float64 becomes float32.
        shape: its shape.
    """

    dtype: np.dtype
    shape: tuple[int, ...]


def list_tensors(path: str | os.PathLike) -> dict[str, Stored]:
    """What a file holds, by name; only its header is read.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is truncated, no safetensors file, or holds tensors of
            another type than floats; names the file and the tensor.
    """
    import safetensors

    where = visible(str(path), lines=False)
    with files.naming(path), open(path, "rb") as file:
        files.refuse_pointer(file.read(64), where)
    found = {}
    try:
        with safetensors.safe_open(path, "np") as file:
            for name in file.keys():
                tensor = file.get_slice(name)
                dtype = str(tensor.get_dtype())
                check_type(name, dtype, where)
                found[name] = Stored(_read_as(dtype), tuple(tensor.get_shape()))
    except safetensors.SafetensorError as error:
        raise ValueError(
            f"{where}: {visible(str(error), lines=False)}; is it a whole "
            "safetensors file?"
        ) from None
    return found


def _read_as(dtype: str) -> np.dtype:
    return _FLOATS["F32" if dtype == "F64" else dtype]


def read_tensors(
    path: str | os.PathLike,
    hashed: Callable[[bytes], object] | None = None,
) -> Iterator[tuple[str, np.ndarray]]:
    """The tensors of a file, in its order, so that one is held at a time.

    Args:
        path: of a file that `list_tensors` has read.
        hashed: is given all bytes of the file, in order.

    Raises:
        OSError: the file cannot be read.
        ValueError: a weight is NaN, infinite, or above 1e19; or the file has
            changed in between.
    """
    hashed = hashed or (lambda data: None)
    with files.naming(path), open(path, "rb") as file:
        start = file.read(8)
        header = file.read(*struct.unpack("<Q", start))
        hashed(start + header)
        base, entries = file.tell(), json.loads(header)
        entries.pop("__metadata__", None)
        for name, entry in sorted(
            entries.items(), key=lambda item: item[1]["data_offsets"]
        ):
            begin, end = entry["data_offsets"]
            if file.tell() != base + begin:  # safetensors leaves no gaps
                raise ValueError(f"{visible(str(path))}: it has gaps")
            data = np.empty(end - begin, np.uint8)
            if file.readinto(data) != len(data):
                raise ValueError(f"{visible(str(path))}: it was cut short")
            hashed(data)
            value = data.view(_FLOATS[entry["dtype"]]).reshape(entry["shape"])
            check_values(name, value, path)
            yield name, value.astype(_read_as(entry["dtype"]), copy=False)


def check_type(name: str, dtype: str, where: str) -> None:
    """Refuses tensors of quantised checkpoints, and those of no floats.

    Args:
        name: of the tensor.
        dtype: as safetensors calls it.
        where: name of the file, for messages.

    Raises:
        ValueError: names the file and the tensor.
    """
    shown = visible(name[:200], lines=False)
    if _QUANTISED.fullmatch(name) or _NARROW.fullmatch(dtype):
        raise ValueError(
            f"{where}: tensor {shown} ({dtype}) is of a quantised checkpoint, "
            "which is not read; take the model's checkpoint in bfloat16, "
            "float16 or float32"
        )
    if dtype not in _FLOATS:
        raise ValueError(
            f"{where}: tensor {shown} is of type {dtype}; weights are of type "
            f"{', '.join(_FLOATS)}"
        )


def check_values(name: str, value: np.ndarray, path: str | os.PathLike) -> None:
    """Refuses weights with which no result is finite.

    Args:
        name: of the tensor.
        value: all of it, or a part.
        path: of the file, for messages.

    Raises:
        ValueError: a weight is NaN, infinite, or above 1e19.
    """
    flat = value.reshape(-1)
    for start in range(0, len(flat), _CHUNK):
        if not _largest(flat[start : start + _CHUNK]) <= _LARGEST:
            raise ValueError(
                f"{visible(str(path), lines=False)}: tensor "
                f"{visible(name[:200], lines=False)} holds NaN, an infinity or "
                f"a weight above {_LARGEST:g}; the file is damaged"
            )


def _largest(value: np.ndarray) -> float:
    """The largest magnitude; NaN or an infinity if there is one.

    Floats without their sign are ordered as the integers of their bits, with
    infinities and NaN last: much quicker than arithmetic in bfloat16.
    """
    unsigned = np.dtype(f"u{value.dtype.itemsize}")
    bits = value.view(unsigned) & np.array(
        (1 << (8 * unsigned.itemsize - 1)) - 1, unsigned
    )
    return float(bits.max().view(value.dtype))
