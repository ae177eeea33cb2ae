"""Files as they come: read once with checks, written whole or not at all.

What people download or edit by hand is checked where it enters, by type and
range, and an error names the file, the field, the value and what is allowed.
Text out of files and models may steer a terminal; `visible` shows it harmless.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import pathlib
import re
import reprlib
import stat
from collections.abc import Collection, Iterator, Mapping
from typing import Any, BinaryIO

LIMIT = 1 << 26  # bytes of a JSON file; the largest index of shards has 10 MB
DEPTH = 64  # brackets within brackets in JSON; what people write has ten
_REQUIRED: Any = object()

# --- Text that is shown -----------------------------------------------------

# Controls, and what Unicode calls ignorable: without a glyph of their own, they
# hide text, turn its direction or make equal texts look different. Variation
# selectors 15 and 16 stay, because emoji end in them.
_UNSEEN = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0d"
    "\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff\ud800-\udfff"
)
_INVISIBLE = re.compile(f"[{_UNSEEN}]")
_INVISIBLE_IN_A_LINE = re.compile(f"[\t\n{_UNSEEN}]")
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60


def visible(text: str, *, lines: bool = True) -> str:
    r"""`text` with its control and invisible characters shown.

    ASCII controls become their pictures (`␛` for ESC), all others their
    number (`<U+200B>`). The result is valid Unicode: halves of surrogate pairs
    are shown as well.

    Args:
        text: of a file, a model or a user.
        lines: leave `\n` and `\t` as they are; False shows them, for what must
            stay on one line.
    """
    pattern = _INVISIBLE if lines else _INVISIBLE_IN_A_LINE
    return pattern.sub(_picture, text)


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"<U+{code:04X}>"


def shown(value: object) -> str:
    """`value` as Python writes it, short and on one line, for messages."""
    try:
        text = _SHORT.repr(value)
    except (ValueError, RecursionError):  # such as an int of 5000 digits
        text = f"<{type(value).__name__}>"
    if len(text) > 120:
        text = f"{text[:119]}…"
    return visible(text, lines=False)


# --- Reading ----------------------------------------------------------------


def read(
    path: str | os.PathLike, limit: int = LIMIT, *, pipes: bool = False
) -> bytes:
    """The bytes of a file.

    Args:
        path: of the file.
        limit: most bytes.
        pipes: read from pipes and devices as well; without, a named pipe
            among the files of a model cannot keep the program waiting.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it cannot be read.
        ValueError: it is larger than `limit`, no regular file, or a pointer
            of git-lfs.
    """
    name = visible(str(path), lines=False)
    with naming(path):
        found = os.stat(path)
        regular = stat.S_ISREG(found.st_mode)
        if not pipes and not regular:
            raise ValueError(f"{name} is not a regular file")
        # No more than there is: memory for all of it is set aside. Files of
        # /proc say that there is nothing.
        most = min(found.st_size or limit, limit) if regular else limit
        with open(path, "rb") as file:
            data = file.read(most + 1)
    if len(data) > limit:
        raise ValueError(
            f"{name} is larger than {limit:,} bytes, the most that is read of "
            "such a file"
        )
    refuse_pointer(data, name)
    return data


def refuse_pointer(data: bytes, name: str) -> None:
    """Refuses the stand-in of a file that a clone without git-lfs has.

    Raises:
        ValueError: `data` begins like one.
    """
    if data.startswith(b"version https://git-lfs.github.com/"):
        raise ValueError(
            f"{name} is a pointer of git-lfs, not the file itself; run "
            "`git lfs pull` in its folder"
        )


def read_json(path: str | os.PathLike, limit: int = LIMIT) -> Any:
    """The value of a JSON file; see `read` and `parse_json`."""
    return parse_json(read(path, limit), str(path))


def read_object(path: str | os.PathLike, limit: int = LIMIT) -> Fields:
    """The object of a JSON file, to be read field by field.

    Raises:
        ValueError: it holds something else; or as of `read_json`.
    """
    value = read_json(path, limit)
    name = visible(str(path), lines=False)
    if not isinstance(value, dict):
        raise ValueError(f"{name} holds {shown(value)}; it must be an object")
    return Fields(value, name)


def parse_json(data: bytes | str, name: str) -> Any:
    """The value of a JSON text, a byte order mark allowed.

    NaN and infinities are read, as Python writes them; `Fields` refuses them
    where a number is wanted. A key may come twice if its value is the same.

    Args:
        data: UTF-8 or text.
        name: of the file, and the line, for messages.

    Raises:
        ValueError: it is not UTF-8 or not JSON, is nested more than `DEPTH`
            deep, or an object has a key twice; starts with `name`.
    """
    name = visible(name, lines=False)
    text = decode(data, name) if isinstance(data, bytes) else data
    text = text.removeprefix("\ufeff")
    _check_depth(text, name)
    try:
        return json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        reason = visible(str(error), lines=False)
        raise ValueError(f"{name}: not JSON: {reason}") from None


def decode(data: bytes, name: str) -> str:
    """`data` as UTF-8 text, without a byte order mark.

    Raises:
        ValueError: it is not UTF-8; starts with `name` and the line.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError(f"{name} is UTF-16; save the file as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{name}:{line}: byte 0x{data[error.start]:02x} is not UTF-8; "
            "save the file as UTF-8"
        ) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        for key, value in pairs:
            if found[key] != value:
                raise ValueError(f"key {shown(key)} is there twice")
    return found


_BRACKETS = re.compile(r'[\[{]|[\]}]|"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


def _check_depth(text: str, name: str) -> None:
    """Refuses what Python's own parser might overflow its stack with."""
    if text.count("[") + text.count("{") <= DEPTH:
        return
    depth = 0
    for match in _BRACKETS.finditer(text):
        start = match[0][0]
        depth += (start in "[{") - (start in "]}")
        if depth > DEPTH:
            raise ValueError(
                f"{name}: brackets are nested more than {DEPTH} deep"
            )


class Fields:
    """An object out of a file, read field by field.

    Each method returns the value of a field, or raises ValueError with the
    file, the field, the value and what is allowed. A field that is missing has
    the method's `default`, where there is one; null counts as missing only
    where the default is None.

    Attributes:
        values: the object.
        where: name of the file, for messages.
    """

    def __init__(self, values: Mapping[str, Any], where: str):
        self.values, self.where = values, where

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def error(self, name: str, wanted: str) -> ValueError:
        """That the value of `name` is not what is wanted."""
        value = shown(self.values.get(name))
        return ValueError(f"{self.where}: {_key(name)} is {value}; {wanted}")

    def _get(self, name: str, default: Any, wanted: str) -> Any:
        value = self.values.get(name, default)
        if value is _REQUIRED:
            raise ValueError(f"{self.where} lacks {shown(name)}; {wanted}")
        return value

    def integer(
        self,
        name: str,
        low: int,
        high: int = 2**31 - 1,
        default: int | None = _REQUIRED,
    ) -> Any:
        """An integer from `low` to `high`; `8.0` is one."""
        wanted = f"it must be an integer from {low} to {high}"
        value = self._get(name, default, wanted)
        if value is None and default is None:
            return None
        is_number = isinstance(value, int | float)
        if is_number and not isinstance(value, bool) and low <= value <= high:
            if int(value) == value:
                return int(value)
        raise self.error(name, wanted)

    def number(
        self,
        name: str,
        low: float = -math.inf,
        high: float = math.inf,
        default: float | None = _REQUIRED,
        *,
        positive: bool = False,
    ) -> Any:
        """A finite number from `low` to `high`, or a positive one."""
        wanted = "it must be a finite number"
        if positive:
            wanted = "it must be a positive, finite number"
            if high < math.inf:
                wanted = f"it must be a positive number up to {high:g}"
        elif (low, high) != (-math.inf, math.inf):
            wanted = f"it must be a number from {low:g} to {high:g}"
        value = self._get(name, default, wanted)
        if value is None and default is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool):
            with contextlib.suppress(OverflowError):  # an int of 400 digits
                found = float(value)
                in_range = low <= found <= high and (found > 0 or not positive)
                if math.isfinite(found) and in_range:
                    return found
        raise self.error(name, wanted)

    def flag(self, name: str, default: bool | None = _REQUIRED) -> Any:
        """True or false."""
        wanted = "it must be true or false"
        value = self._get(name, default, wanted)
        if value is None and default is None:
            return None
        if not isinstance(value, bool):
            raise self.error(name, wanted)
        return value

    def text(
        self,
        name: str,
        among: Collection[str] = (),
        default: str | None = _REQUIRED,
    ) -> Any:
        """Unicode text, or one of `among`."""
        wanted = "it must be text"
        if among:
            wanted = f"it must be one of {', '.join(among)}"
        value = self._get(name, default, wanted)
        if value is None and default is None:
            return None
        if not is_text(value) or (among and value not in among):
            raise self.error(name, wanted)
        return value

    def texts(self, name: str, default: Any = _REQUIRED) -> Any:
        """A list of texts."""
        wanted = "it must be a list of texts"
        value = self._get(name, default, wanted)
        if value is None and default is None:
            return None
        if not isinstance(value, list) or not all(map(is_text, value)):
            raise self.error(name, wanted)
        return value

    def numbers(self, name: str, default: Any = _REQUIRED) -> Any:
        """A list of finite numbers."""
        wanted = "it must be a list of finite numbers"
        value = self._get(name, default, wanted)
        if value is None and default is None:
            return None
        if not isinstance(value, list):
            raise self.error(name, wanted)
        items = Fields(dict(enumerate(value)), self.where)
        try:
            return [items.number(number) for number in range(len(value))]
        except ValueError:
            raise self.error(name, wanted) from None

    def object(self, name: str, default: Any = _REQUIRED) -> Any:
        """An object, as `Fields` whose messages name both fields."""
        wanted = "it must be an object"
        value = self._get(name, default, wanted)
        if value is None and default is None:
            return None
        if not isinstance(value, dict):
            raise self.error(name, wanted)
        return Fields(value, f"{self.where}: {_key(name)}")


def _key(name: str) -> str:
    return visible(name[:200], lines=False)


def is_text(value: object) -> bool:
    """Is it a string without halves of surrogate pairs?"""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


# --- Writing ----------------------------------------------------------------


@contextlib.contextmanager
def naming(path: str | os.PathLike) -> Iterator[None]:
    """Names the file in an OSError that does not, such as a full disk's."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def write(path: str | os.PathLike, text: str) -> None:
    """Writes a whole UTF-8 file, or leaves the old one as it was.

    A link stays one, and a device or a pipe is written to as it is.

    Raises:
        OSError: it cannot be written; names the file.
    """
    path = pathlib.Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        with naming(path):
            path.write_bytes(text.encode())
        return
    part = path.with_name(path.name + ".part")
    with naming(path):
        try:
            part.write_bytes(text.encode())
            os.replace(part, path)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink()
            raise


def append_line(file: BinaryIO, line: bytes) -> None:
    r"""Appends `line` and `\n` to an unbuffered file, and waits for the disk.

    All of it is written or nothing: of a line that does not fit, the part that
    did is taken back.

    Args:
        file: of `open(path, "ab", buffering=0)`.
        line: without `\n`.

    Raises:
        OSError: it cannot be written; names the file.
    """
    size = os.fstat(file.fileno()).st_size
    rest = memoryview(line + b"\n")
    with naming(file.name):
        try:
            while rest:  # a nearly full disk takes a part
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                os.truncate(file.fileno(), size)
            raise
