"""Checkpoints of any size, a few rows of a tensor at a time.

`read` lists the tensors of a safetensors file without reading them; `write`
writes a file whose header says in advance where each tensor will be. What
stands between the two (another dtype, a merged adapter, quantised weights) is
a function of tensors, of which each is read when its turn comes.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import pathlib
import struct
from collections.abc import Callable, Sequence

import ml_dtypes
import numpy as np

from jaxlrm import files
from jaxlrm.files import shown, visible
from jaxlrm.models.hf_tensors import check_type, check_values

DTYPES = ("float32", "bfloat16", "float16")
_NAMES = {"F64": "float64", "F32": "float32", "F16": "float16"}
_NAMES["BF16"] = "bfloat16"
_NUMPY = {name: np.dtype(name) for name in ("float64", "float32", "float16")}
_NUMPY["bfloat16"] = np.dtype(ml_dtypes.bfloat16)
_SAFETENSORS = {name: code for code, name in _NAMES.items()}
_CHUNK = 1 << 22  # numbers that are read at a time
_LONGEST_HEADER = 100_000_000  # bytes, as in safetensors


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A tensor that is somewhere else.

    Attributes:
        name: as `transformers` has it.
        shape: its shape.
        rows: `rows(start, stop)` is `[start:stop]` of it.
        dtype: of what `rows` returns.
    """

    name: str
    shape: tuple[int, ...]
    rows: Callable[[int, int], np.ndarray]
    dtype: str = "float32"


# Called with the bytes written, those to write, and the tensor's name.
Report = Callable[[int, int, str], None]


def read(path: str | os.PathLike) -> list[Tensor]:
    """The tensors of a safetensors file; only its header is read.

    Raises:
        OSError: it cannot be read.
        ValueError: it is truncated, no safetensors file, or holds tensors of
            another type than floats; names the file and the tensor.
    """
    path = pathlib.Path(path)
    where = visible(str(path), lines=False)
    with files.naming(path), open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        first = file.read(64)
        files.refuse_pointer(first, where)
        length = int.from_bytes(first[:8], "little")
        if len(first) < 8 or length > min(size - 8, _LONGEST_HEADER):
            raise ValueError(
                f"{where} has {size:,} bytes, and its header would have "
                f"{length:,}; is it a whole safetensors file?"
            )
        file.seek(8)
        header = files.parse_json(file.read(length), where)
    if not isinstance(header, dict):
        raise ValueError(f"{where}: its header is {shown(header)}")
    header.pop("__metadata__", None)
    begin, end = 8 + length, 0
    found = []
    for name, value in header.items():
        tensor, stop = _entry(path, where, name, value, begin)
        found.append(tensor)
        end = max(end, stop)
    if begin + end != size:
        raise ValueError(
            f"{where} has {size:,} bytes, and its header speaks of "
            f"{begin + end:,}; download it again"
        )
    return found


def _entry(
    path: pathlib.Path, where: str, name: str, value: object, begin: int
) -> tuple[Tensor, int]:
    """A tensor of the header, and where it ends."""
    damaged = ValueError(
        f"{where}: {shown(name)} is {shown(value)}; is the file damaged?"
    )
    if not isinstance(value, dict):
        raise damaged
    fields = files.Fields(value, f"{where}: {shown(name)}")
    code = fields.text("dtype")
    check_type(name, code, where)
    numbers = [value.get("shape"), value.get("data_offsets")]
    for several in numbers:
        if not isinstance(several, list) or not all(
            type(n) is int and n >= 0 for n in several
        ):
            raise damaged
    shape, offsets = map(tuple, numbers)
    dtype = _NUMPY[_NAMES[code]]
    length = math.prod(shape) * dtype.itemsize
    if len(offsets) != 2 or offsets[1] - offsets[0] != length:
        raise damaged
    width = math.prod(shape[1:])

    def rows(start: int, stop: int) -> np.ndarray:
        with open(path, "rb") as file:
            file.seek(begin + offsets[0] + start * width * dtype.itemsize)
            flat = np.fromfile(file, dtype, (stop - start) * width)
        if flat.size < (stop - start) * width:
            raise ValueError(f"{where} changed while it was read")
        return flat.reshape(stop - start, *shape[1:])

    return Tensor(name, shape, rows, _NAMES[code]), offsets[1]


def size(tensors: Sequence[Tensor], dtype: str) -> int:
    """Bytes that `write` will write, but for the header."""
    width = _NUMPY[dtype].itemsize
    return sum(math.prod(tensor.shape) * width for tensor in tensors)


def write(
    path: str | os.PathLike,
    tensors: Sequence[Tensor],
    dtype: str,
    report: Report,
) -> None:
    """Writes a safetensors file.

    Args:
        path: of the file.
        tensors: in the order in which they are written.
        dtype: of all of them, one of `DTYPES`.
        report: called as the work goes on.

    Raises:
        OSError: it cannot be read or written; names the file.
        ValueError: a number is NaN, infinite, or too large for `dtype`.
    """
    kind = _NUMPY[dtype]
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    begin = 0
    for tensor in tensors:
        end = begin + math.prod(tensor.shape) * kind.itemsize
        header[tensor.name] = {
            "dtype": _SAFETENSORS[dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
        begin = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    done, total = 0, begin
    with files.naming(path), open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors:
            report(done, total, tensor.name)
            for part in _parts(tensor):
                part = _cast(tensor.name, part, kind)
                done += file.write(part.tobytes())
                report(done, total, tensor.name)


def _parts(tensor: Tensor):
    """The rows of a tensor, some at a time; a scalar is one row."""
    if not tensor.shape:
        yield tensor.rows(0, 1)
        return
    rows = tensor.shape[0]
    step = max(1, _CHUNK // max(1, math.prod(tensor.shape[1:])))
    for start in range(0, rows, step):
        yield tensor.rows(start, min(start + step, rows))


def _cast(name: str, part: np.ndarray, kind: np.dtype) -> np.ndarray:
    """`part` in another dtype, if every number is finite in both."""
    check_values(name, part, "the source")
    with np.errstate(over="ignore"):
        found = part.astype(kind, copy=False)
    if kind == np.float16 and not np.isfinite(found).all():
        raise ValueError(
            f"tensor {visible(name[:200], lines=False)} holds numbers above "
            f"65,504, the largest of float16; use --dtype=bfloat16"
        )
    return found
