"""Tensors out of a safetensors file, checked before they are used."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import numpy as np

from jaxlrm import files
from jaxlrm.files import visible

_FLOATS = ("F64", "F32", "F16", "BF16")
# Tensors that only quantised checkpoints have.
_QUANTISED = re.compile(
    r".*\.(qweight|qzeros|weight_scale(_inv)?|weight_packed|SCB|absmax|"
    r"weight\.(absmax|quant_map|quant_state\..*))"
)
_NARROW = re.compile(r"F[468](_\w+)?")  # floats of at most eight bits
# The product of two larger ones is infinite in float32, and the norms square.
_LARGEST = 1e19


def read_tensors(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The tensors of a file by name, float64 ones as float32.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is truncated, no safetensors file, or holds tensors of
            another type than floats; names the file and the tensor.
    """
    import safetensors
    from safetensors.numpy import load_file

    where = visible(str(path), lines=False)
    with files.naming(path), open(path, "rb") as file:
        files.refuse_pointer(file.read(64), where)
    try:
        with safetensors.safe_open(path, "np") as file:
            names = list(file.keys())
            for name in names:
                dtype = str(file.get_slice(name).get_dtype())
                check_type(name, dtype, where)
        tensors = load_file(path)
    except safetensors.SafetensorError as error:
        raise ValueError(
            f"{where}: {visible(str(error), lines=False)}; is it a whole "
            "safetensors file?"
        ) from None
    return {
        name: value.astype(np.float32) if value.dtype == np.float64 else value
        for name, value in tensors.items()
    }


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


def check_values(
    tensors: Mapping[str, np.ndarray], path: str | os.PathLike
) -> None:
    """Refuses weights with which no result is finite.

    Raises:
        ValueError: a weight is NaN, infinite, or above 1e19.
    """
    for name, value in tensors.items():
        if value.size and not _largest(value) <= _LARGEST:
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
