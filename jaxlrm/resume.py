"""A search on disk, so that one that was killed goes on where it was.

A file is a zip archive of arrays, as `numpy.savez` writes it, one of which is
JSON. Nothing in it is ever executed, and what does not fit is refused.
"""

from __future__ import annotations

import dataclasses
import enum
import errno
import functools
import hashlib
import json
import os
import pathlib
import sys
import threading
import time
import types
import typing
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxlrm.search import search

T = TypeVar("T")

INTERVAL = 30.0  # seconds between two writes
_SHARE = 0.05  # of the time, at most, that writing may take
_FORMAT = 2
_JSON = "json"  # name of the array of JSON


class Saved(NamedTuple):
    """What a file holds of a search.

    Attributes:
        record: JSON objects.
        arrays: by name.
    """

    record: dict[str, Any]
    arrays: Mapping[str, np.ndarray]


# --- The file ---------------------------------------------------------------


class Keeper:
    """Keeps a search in a file: reads it once, writes it time and again.

    Attributes:
        saved: what the file held; None if there was none.
    """

    def __init__(self, path: str | os.PathLike, identity: Mapping[str, Any]):
        """Reads the file, if there is one.

        Args:
            path: the file.
            identity: what the search depends on, by name, as JSON. The
                version of the package is added.

        Raises:
            FileNotFoundError: its folder does not exist.
            ValueError: it is no saved search, or that of another one.
        """
        self._path = pathlib.Path(path)
        if not self._path.parent.is_dir():
            raise FileNotFoundError(
                f"{self._path} cannot be written: there is no folder "
                f"{self._path.parent}; make it"
            )
        version = sys.modules[__package__].__version__
        identity = {"version": version, **identity}
        self._identity = json.loads(json.dumps(identity))
        self.saved = self._read()
        self._next = time.monotonic() + INTERVAL
        self._lock = threading.Lock()

    def offer(self, make: Callable[[], Saved]) -> None:
        """Writes what `make` returns, if it is time to.

        A write that fails is a warning: the search itself goes on.
        """
        if time.monotonic() < self._next or not self._lock.acquire(False):
            return
        try:
            start = time.monotonic()
            try:
                self._write(make())
            except OSError as error:
                warnings.warn(
                    f"the search could not be saved: {error}", stacklevel=2
                )
            end = time.monotonic()
            self._next = end + max(INTERVAL, (end - start) / _SHARE)
        finally:
            self._lock.release()

    def remove(self) -> None:
        """Called when the search has ended."""
        for path in (self._path, self._part):
            path.unlink(missing_ok=True)

    @property
    def _part(self) -> pathlib.Path:
        return self._path.with_name(self._path.name + ".part")

    def _write(self, saved: Saved) -> None:
        """Whole or not at all, whenever the process or the machine dies."""
        header = {
            "format": _FORMAT,
            "identity": self._identity,
            "record": saved.record,
            "arrays": sorted(saved.arrays),
        }
        content = np.frombuffer(json.dumps(header).encode(), np.uint8)
        with open(self._part, "wb") as file:
            np.savez(file, **{_JSON: content}, **saved.arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(self._part, self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _read(self) -> Saved | None:
        try:
            header, arrays = _load(self._path)
            same = header["format"] == _FORMAT
            identity, record = dict(header["identity"]), dict(header["record"])
        except FileNotFoundError:
            return None
        except Exception as error:  # a damaged archive may raise anything
            # Such as EINVAL, for a place before the file's beginning.
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            raise self.refusal(error) from error
        if not same:
            raise self.refusal(f"its format is {header['format']!r}")
        others = [
            f"{name} is {identity.get(name)!r} there and "
            f"{self._identity.get(name)!r} here"
            for name in sorted(identity.keys() | self._identity.keys())
            if identity.get(name) != self._identity.get(name)
        ]
        if others:
            raise ValueError(
                f"{self._path} holds another search: {'; '.join(others)}; "
                "take its settings to go on with it, or delete it to start "
                "afresh"
            )
        return Saved(record, arrays)

    def refusal(self, reason: object) -> ValueError:
        """The error that refuses the file."""
        return ValueError(
            f"{self._path} is no saved search, or it is damaged: {reason}; "
            "delete it to start afresh, or name another file"
        )


# What a record may raise that does not fit.
BROKEN = (ValueError, KeyError, TypeError, AttributeError, OverflowError)


def _load(path: pathlib.Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{entry.filename} is compressed")
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(arrays.pop(_JSON).tobytes())
    if header["arrays"] != sorted(arrays):
        raise ValueError(f"it has the arrays {sorted(arrays)}"[:200])
    return header, arrays


def fingerprint(values) -> str:
    """16 hexadecimal digits that tell pytrees of arrays apart.

    Computed where they lie, and the same on any mesh; it protects from
    mistakes, not from malice.
    """
    digest = hashlib.sha256()
    sums = jax.device_get(_mix(values))
    for (path, leaf), value in zip(
        jax.tree.leaves_with_path(values), jax.tree.leaves(sums), strict=True
    ):
        name = jax.tree_util.keystr(path)
        digest.update(f"{name} {leaf.shape} {leaf.dtype} {value}".encode())
    return digest.hexdigest()[:16]


@jax.jit
def _mix(values):
    """32 bits of each array; sums of integers do not depend on an order."""

    def mix(x):
        bits = x
        if x.dtype != bool:
            bits = jax.lax.bitcast_convert_type(x, f"uint{8 * x.itemsize}")
        bits = bits.astype(jnp.uint32)
        place = jnp.zeros(x.shape, jnp.uint32)
        for axis, size in enumerate(x.shape):
            number = jax.lax.broadcasted_iota(jnp.uint32, x.shape, axis)
            place = place * jnp.uint32(size) + number
        bits = (bits ^ (bits >> 16)) * jnp.uint32(0x85EBCA6B)
        bits = (bits ^ (bits >> 13)) * (2 * place + 1)
        return (bits ^ (bits >> 15)).sum(dtype=jnp.uint32)

    return jax.tree.map(mix, values)


# --- The loop ---------------------------------------------------------------


def pack(progress: search.Progress) -> Saved:
    """Where a run of `search.run` stands, between two rounds.

    Waits for rounds that are being computed.
    """
    lanes = [
        jax.tree.map(
            lambda x: jax.random.key_data(x) if _is_key(x) else x,
            _parts(lane),
        )
        for lane in progress.lanes
    ]
    arrays = {
        f"{number}{jax.tree_util.keystr(path)}": _plain(np.asarray(leaf))
        for number, lane in enumerate(jax.device_get(lanes))
        for path, leaf in jax.tree.leaves_with_path(lane)
    }
    record = {
        "coming": progress.coming,
        "asked": [lane.reply is not None for lane in progress.lanes],
    }
    return Saved(record, arrays)


def unpack(saved: Saved, like: search.Progress, queue: int) -> search.Progress:
    """What `pack` was given; the states are on the host.

    Args:
        saved: of `pack`.
        like: a run before its first round; its states need only have the
            shapes and dtypes.
        queue: length of the queue.

    Raises:
        ValueError: it does not fit.
    """
    coming, asked = saved.record.get("coming"), saved.record.get("asked")
    if type(coming) is not int or not 0 <= coming <= queue:
        raise ValueError(f"{coming!r} of {queue} problems were begun")
    if not isinstance(asked, list) or len(asked) != len(like.lanes):
        raise ValueError(f"there are {len(like.lanes)} lanes, not {asked!r}")
    arrays = dict(saved.arrays)
    lanes = []
    for number, (lane, is_asked) in enumerate(
        zip(like.lanes, asked, strict=True)
    ):
        reply = lane.reply if is_asked else None
        parts = jax.tree_util.tree_map_with_path(
            functools.partial(_take, arrays, number),
            _parts(dataclasses.replace(lane, reply=reply)),
        )
        problems = parts["problems"]
        if not ((problems >= -1) & (problems < coming)).all():
            raise ValueError(f"problems {problems} of {coming}")
        lanes.append(search.Lane(**parts, first=lane.first))
    if arrays:
        raise ValueError(f"array {next(iter(arrays))!r} is unknown")
    return search.Progress(lanes, coming)


def _parts(lane: search.Lane) -> dict[str, Any]:
    return {
        "state": lane.state,
        "problems": lane.problems,
        "reply": lane.reply,
    }


def _take(arrays: dict[str, np.ndarray], number: int, path, like):
    """The array at `path`, which must be like another one."""
    name = f"{number}{jax.tree_util.keystr(path)}"
    if name not in arrays:
        raise ValueError(f"array {name!r} is missing")
    found = arrays.pop(name)
    wanted = (
        jax.eval_shape(jax.random.key_data, like) if _is_key(like) else like
    )
    dtype = np.dtype(wanted.dtype)
    stored = _plain(np.empty(0, dtype)).dtype
    if (found.shape, found.dtype) != (wanted.shape, stored):
        raise ValueError(
            f"array {name!r} is {found.dtype}{list(found.shape)}, not "
            f"{stored}{list(wanted.shape)}"
        )
    if _is_key(like):
        return jax.random.wrap_key_data(found, impl=jax.random.key_impl(like))
    return found.view(dtype)


def _is_key(x) -> bool:
    return jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def _plain(x: np.ndarray) -> np.ndarray:
    """Of a dtype that a file can name: bits, in the place of a bfloat16."""
    return x.view(f"u{x.itemsize}") if x.dtype.kind == "V" else x


# --- Records ----------------------------------------------------------------


def to_json(value: Any) -> Any:
    """Dataclasses, enums and containers of them, as what JSON can hold."""
    if dataclasses.is_dataclass(value):
        return {
            field.name: to_json(getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    return int(value) if isinstance(value, enum.IntEnum) else value


def from_json(annotation: Any, value: Any) -> Any:
    """What `to_json` made of a value of this type; checks every type.

    Raises:
        ValueError: it is of another type.
    """
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is types.UnionType:
        annotation, none = inner
        if none is not types.NoneType:
            raise TypeError(f"{annotation} | {none} is not known here")
        return None if value is None else from_json(annotation, value)
    if dataclasses.is_dataclass(annotation):
        hints = _hints(annotation)
        if not isinstance(value, dict) or value.keys() != hints.keys():
            raise _mismatch(annotation, value)
        return annotation(
            **{
                name: from_json(hints[name], item)
                for name, item in value.items()
            }
        )
    if origin is dict:
        if not isinstance(value, dict):
            raise _mismatch(annotation, value)
        names, items = inner
        return {names(k): from_json(items, item) for k, item in value.items()}
    if origin in (list, tuple):
        if not isinstance(value, list):
            raise _mismatch(annotation, value)
        return origin(from_json(inner[0], item) for item in value)
    if issubclass(annotation, enum.IntEnum) and type(value) is int:
        return annotation(value)
    if type(value) is not annotation:
        raise _mismatch(annotation, value)
    return value


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _mismatch(annotation: Any, value: Any) -> ValueError:
    name = getattr(annotation, "__name__", str(annotation))
    shown = repr(value)
    return ValueError(f"{shown[:60]} is not of type {name}")


def digest(texts: Sequence[Any]) -> str:
    """`3 (1a2b3c4d)`: how many, and 8 digits that tell them apart."""
    whole = hashlib.sha256(json.dumps(list(texts)).encode())
    return f"{len(texts)} ({whole.hexdigest()[:8]})"
