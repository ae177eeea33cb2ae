"""GGUF files: their metadata, and their tensors a few rows at a time.

The format is that of
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Types and blocks
are those of the package `gguf`. The header is read here, because that package
makes an array of every word of the vocabulary (10 seconds and 700 MB for
262,144 words) and maps the whole file into memory.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import pathlib
import re
import struct
from typing import Any, BinaryIO

import gguf
import numpy as np

from jaxlrm import files
from jaxlrm.files import shown, visible

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_STRING, _ARRAY = 8, 9
_SCALARS = {  # numbers of types, and what they are
    0: "<u1",
    1: "<i1",
    2: "<u2",
    3: "<i2",
    4: "<u4",
    5: "<i4",
    6: "<f4",
    7: "<?",
    10: "<u8",
    11: "<i8",
    12: "<f8",
}
_MOST = 1 << 20  # keys, or tensors
_DIMENSIONS = 4
_ALIGNMENT = "general.alignment"
_PARTS = "split.count"
_PART = re.compile(r"(?P<name>.*)-00001-of-(?P<count>\d{5})\.gguf")
_INTEGERS = ("I8", "I16", "I32", "I64")
# What the package has no de-quantiser for.
_UNREAD = ("Q8_1", "Q8_K", "Q1_0")
READ = tuple(
    kind.name
    for kind in gguf.GGMLQuantizationType
    if kind.name not in (*_INTEGERS, *_UNREAD)
)


@dataclasses.dataclass(frozen=True)
class Stored:
    """A tensor in a file.

    Attributes:
        path: the file.
        name: of the tensor, as GGUF has it.
        kind: type of its numbers, one of `READ`.
        shape: rows first, as numpy has it; GGUF writes it turned around.
        offset: of its first byte in the file.
    """

    path: pathlib.Path
    name: str
    kind: str
    shape: tuple[int, ...]
    offset: int

    @property
    def row_bytes(self) -> int:
        """Bytes of a row, which is a whole number of blocks."""
        values, size = _block(self.kind)
        return self.shape[-1] // values * size

    def raw(self, start: int, stop: int) -> np.ndarray:
        """Rows as they are stored, `[stop - start, row_bytes] uint8`.

        Args:
            start: first row, counted over all dimensions but the last.
            stop: behind the last row.
        """
        size = self.row_bytes
        with open(self.path, "rb") as file:
            file.seek(self.offset + start * size)
            data = np.fromfile(file, np.uint8, (stop - start) * size)
        if data.size < (stop - start) * size:
            raise ValueError(f"{_name(self.path)} changed while it was read")
        return data.reshape(stop - start, size)

    def values(self, raw: np.ndarray) -> np.ndarray:
        """De-quantises rows of `raw`: `[rows, shape[-1]] float32`."""
        if self.kind == "F64":
            return raw.view("<f8").astype(np.float32)
        kind = gguf.GGMLQuantizationType[self.kind]
        # Scales of a damaged file may be infinite; the result is checked.
        with np.errstate(all="ignore"):
            return gguf.dequantize(raw, kind)


@dataclasses.dataclass(frozen=True)
class File:
    """A GGUF file, or all files of a split one.

    Attributes:
        where: its name, for messages.
        metadata: values by key; arrays of numbers are numpy arrays, those of
            texts lists.
        tensors: by name.
    """

    where: str
    metadata: dict[str, Any]
    tensors: dict[str, Stored]


def read(path: str | os.PathLike) -> File:
    """Reads the header of a GGUF file, and of the other files of a split one.

    Raises:
        FileNotFoundError: there is no such file, or a part is missing.
        OSError: it cannot be read.
        ValueError: it is cut short, no GGUF file, or of a version or with
            tensors of a type that are not read.
    """
    path = pathlib.Path(path)
    file = _read_one(path)
    parts = file.metadata.get(_PARTS, 1)
    if parts == 1:
        return file
    match = _PART.fullmatch(path.name)
    if match is None or int(match["count"]) != parts:
        raise ValueError(
            f"{file.where} is one of {parts} files of a split model; name the "
            f"first of them, which ends in -00001-of-{parts:05}.gguf"
        )
    tensors = dict(file.tensors)
    for number in range(2, parts + 1):
        name = f"{match['name']}-{number:05}-of-{parts:05}.gguf"
        for tensor in _read_one(path.with_name(name)).tensors.values():
            if tensor.name in tensors:
                raise ValueError(
                    f"{_name(tensor.path)}: tensor {shown(tensor.name)} is in "
                    "another part too"
                )
            tensors[tensor.name] = tensor
    return dataclasses.replace(file, tensors=tensors)


def _read_one(path: pathlib.Path) -> File:
    with files.naming(path), open(path, "rb") as file:
        return _Header(file, path).read()


def _name(path: str | os.PathLike) -> str:
    return visible(str(path), lines=False)


@functools.cache
def _block(kind: str) -> tuple[int, int]:
    """Values and bytes of a block."""
    return gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]


class _Header:
    """Reads a header from its beginning to its end; nothing beyond the file."""

    def __init__(self, file: BinaryIO, path: pathlib.Path):
        self.file, self.path, self.where = file, path, _name(path)
        self.size = os.fstat(file.fileno()).st_size

    def read(self) -> File:
        magic = self.file.read(4)
        files.refuse_pointer(magic + self.file.read(60), self.where)
        if magic != _MAGIC:
            raise ValueError(
                f"{self.where} begins with {shown(magic)}; a GGUF file begins "
                f"with {_MAGIC}"
            )
        self.file.seek(4)
        version = self.number("<u4", "version")
        if version not in _VERSIONS:
            what = "big-endian" if version & 0xFFFF == 0 else str(version)
            raise ValueError(
                f"{self.where} is GGUF version {what}; versions "
                f"{' and '.join(map(str, _VERSIONS))}, little-endian, are "
                "read: take a newer file of the model"
            )
        tensors = self.count("number of tensors")
        keys = self.count("number of keys")
        metadata: dict[str, Any] = {}
        for _ in range(keys):
            key = self.text("key")
            if key in metadata:
                raise ValueError(f"{self.where}: key {shown(key)} twice")
            metadata[key] = self.value(self.number("<u4", key), key)
        found = [self.tensor() for _ in range(tensors)]
        return File(self.where, metadata, self.place(found, metadata))

    def place(
        self, found: list[tuple], metadata: dict[str, Any]
    ) -> dict[str, Stored]:
        """The tensors, whose offsets are counted from the header's end."""
        align = metadata.get(_ALIGNMENT, 32)
        if not isinstance(align, int) or align < 1 or align & (align - 1):
            raise ValueError(
                f"{self.where}: {_ALIGNMENT} is {shown(align)}; it must be a "
                "power of two"
            )
        begin = -(-self.file.tell() // align) * align
        tensors: dict[str, Stored] = {}
        for name, kind, shape, offset in found:
            tensor = Stored(self.path, name, kind, shape, begin + offset)
            end = tensor.offset + math.prod(shape[:-1]) * tensor.row_bytes
            if end > self.size:
                raise self.short(f"tensor {shown(name)}", end)
            if name in tensors:
                raise ValueError(f"{self.where}: tensor {shown(name)} twice")
            tensors[name] = tensor
        return tensors

    def tensor(self) -> tuple[str, str, tuple[int, ...], int]:
        name = self.text("name of a tensor")
        what = f"tensor {shown(name)}"
        dimensions = self.number("<u4", what)
        if not 1 <= dimensions <= _DIMENSIONS:
            raise ValueError(
                f"{self.where}: {what} has {dimensions} dimensions; 1 to "
                f"{_DIMENSIONS} are read"
            )
        shape = tuple(self.number("<u8", what) for _ in range(dimensions))[::-1]
        number = self.number("<u4", what)
        try:
            kind = gguf.GGMLQuantizationType(number).name
        except ValueError:
            kind = f"number {number}"
        if kind not in READ:
            raise ValueError(
                f"{self.where}: {what} is of type {kind}; read are "
                f"{', '.join(READ)}: take a file of the model with these"
            )
        values, _ = _block(kind)
        if 0 in shape or shape[-1] % values:
            raise ValueError(
                f"{self.where}: {what} of type {kind} has shape {shape}; rows "
                f"are whole blocks of {values}"
            )
        return name, kind, shape, self.number("<u8", what)

    def value(self, kind: int, key: str) -> Any:
        if kind == _STRING:
            return self.text(key)
        if kind == _ARRAY:
            return self.array(key)
        if kind not in _SCALARS:
            raise ValueError(
                f"{self.where}: {shown(key)} is of type number {kind}, which "
                "GGUF does not have; is the file damaged?"
            )
        return self.number(_SCALARS[kind], key)

    def array(self, key: str) -> Any:
        kind = self.number("<u4", key)
        length = self.number("<u8", key)
        if kind == _STRING:
            return [self.text(key) for _ in range(length)]
        if kind not in _SCALARS:
            raise ValueError(
                f"{self.where}: {shown(key)} is an array of type number "
                f"{kind}; arrays of numbers and of texts are read"
            )
        dtype = np.dtype(_SCALARS[kind])
        return np.frombuffer(self.take(length * dtype.itemsize, key), dtype)

    def number(self, dtype: str, what: str) -> Any:
        kind = np.dtype(dtype)
        value = np.frombuffer(self.take(kind.itemsize, what), kind)[0]
        # The shortest number that float32 reads so: 1e-6, not 9.999999975e-07.
        return float(str(value)) if kind == np.float32 else value.item()

    def count(self, what: str) -> int:
        value = self.number("<u8", what)
        if value > _MOST:
            raise ValueError(
                f"{self.where}: {what} is {value:,}; up to {_MOST:,} are "
                "read: is the file damaged?"
            )
        return value

    def text(self, what: str) -> str:
        (length,) = struct.unpack("<Q", self.take(8, what))
        data = self.take(length, what)
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise ValueError(
                f"{self.where}: {shown(what)} holds {shown(data)}, which is "
                "not UTF-8; is the file damaged?"
            ) from None

    def take(self, size: int, what: str) -> bytes:
        # The check comes first: a damaged length may be any number.
        end = self.file.tell() + size
        if end > self.size:
            raise self.short(what, end)
        return self.file.read(size)

    def short(self, what: str, end: int) -> ValueError:
        return ValueError(
            f"{self.where} is cut short: it has {self.size:,} bytes, and "
            f"{what} ends at {end:,}; download it again"
        )
