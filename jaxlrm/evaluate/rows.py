"""Rows out of the files that datasets are published as.

JSON lines, JSON, CSV, TSV and Parquet, each also compressed by gzip. A row is
a dict, with a place that messages name: `file.jsonl:3`.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import pathlib
import re
import zlib
from collections.abc import Iterator
from typing import Any

from jaxlrm import files
from jaxlrm.files import shown, visible

LIMIT = 1 << 30  # bytes of a dataset, before and after it is decompressed
FORMATS = ".jsonl, .json, .csv, .tsv or .parquet, each also with .gz"
_KNOWN = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
_CELL = 1 << 24  # characters of a cell of a table
# What files begin with that are not read, and what to do.
_MAGIC = {
    b"PK\x03\x04": "a ZIP archive or an Excel table; unpack it, or save it as "
    "CSV",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; decompress it",
    b"BZh": "compressed by bzip2; decompress it",
    b"\xfd7zXZ\x00": "compressed by xz; decompress it",
    b"ARROW1": "an Arrow file; save it as Parquet (Dataset.to_parquet)",
}
# How a text that is meant as JSON begins, right or wrong; `[x] is the floor of
# x` and `{1, 2} is a set` are problems.
_JSON = re.compile(r"""\s*(\{\s*(["'}]|\w+\s*:|$)|\[[ \t]*([{"'\]]|\r?\n|$))""")

Row = tuple[int, str, dict[str, Any]]  # number, place, values


def read(path: str | os.PathLike) -> Iterator[Row]:
    """The rows of a file; see `parse`.

    Raises:
        ValueError: it cannot be read, or as of `parse`.
    """
    name = str(path)
    if pathlib.Path(path).is_dir():
        found = sorted(p.name for p in pathlib.Path(path).iterdir())
        found = [name for name in found if is_known(name)]
        inside = ", ".join(found[:8]) or "none there"
        raise ValueError(
            f"{visible(name, lines=False)}: Is a directory; give one file in "
            f"it ({visible(inside, lines=False)})"
        )
    try:
        data = files.read(path, LIMIT, pipes=True)
    except OSError as error:
        raise ValueError(
            f"{visible(name, lines=False)}: {error.strerror}; give a file "
            f"({FORMATS}); published datasets are not downloaded"
        ) from None
    return parse(data, name)


def parse(data: bytes, name: str) -> Iterator[Row]:
    """The rows of a file with this content.

    Args:
        data: of the file, perhaps compressed by gzip.
        name: its name, whose ending says whether it is CSV or TSV; the other
            formats are known by their content.

    Yields:
        The number of a row, its place for messages, and its values. The number
        is that of its line; in a JSON list and in Parquet, of the row.

    Raises:
        ValueError: the content is of no known format, or broken; names the
            file and the line.
    """
    shown_name = visible(name, lines=False)
    data = _decompress(data, shown_name)
    files.refuse_pointer(data, shown_name)
    for magic, what in _MAGIC.items():
        if data.startswith(magic):
            raise ValueError(f"{shown_name} is {what}")
    ending = _ending(name)
    if data.startswith(b"PAR1") or ending == ".parquet":
        return _parquet(data, shown_name)
    text = files.decode(data, shown_name)
    if ending in (".csv", ".tsv"):
        return _table(text, shown_name, "\t" if ending == ".tsv" else None)
    return _json(text, shown_name, ending)


def holds_rows(data: bytes, name: str) -> bool:
    """Is this a file of rows, rather than plain text?"""
    if is_known(name) or data.startswith((b"\x1f\x8b", b"PAR1", *_MAGIC)):
        return True
    return bool(_JSON.match(data[:4096].decode("utf-8-sig", "replace")))


def lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1 on."""
    # Not splitlines(), which also splits inside JSON strings.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line


def is_known(name: str) -> bool:
    """Has a file of this name rows?"""
    return _ending(name) in _KNOWN


def _ending(name: str) -> str:
    return pathlib.PurePath(name.removesuffix(".gz")).suffix.lower()


def _decompress(data: bytes, name: str) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            found = file.read(LIMIT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{name}: broken gzip file: {error}") from None
    if len(found) > LIMIT:
        raise ValueError(
            f"{name} is larger than {LIMIT:,} bytes, the most that is read of "
            "a dataset; split it"
        )
    return found


# --- JSON -------------------------------------------------------------------


def _json(text: str, name: str, ending: str) -> Iterator[Row]:
    """The rows of JSON lines or of one JSON value, whatever the ending."""
    first = next(lines(text), None)
    if first is None:
        return iter(())
    number, line = first
    by_line = ending in (".jsonl", ".ndjson")
    try:
        # One line that holds a list of rows is a file without line breaks.
        if not _holds_list(files.parse_json(line, f"{name}:{number}")):
            return _json_lines(text, name)
    except ValueError:
        pass
    try:
        return _json_rows(files.parse_json(text, name), name)
    except ValueError as error:
        if by_line:
            return _json_lines(text, name)  # says which line is broken
        if ending == ".json":
            raise
        raise ValueError(f"{error}; a dataset is {FORMATS}") from None


def _holds_list(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_is_table, value.values()))
    return isinstance(value, list)


def _is_table(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(row, dict) for row in value)
    )


def _json_lines(text: str, name: str) -> Iterator[Row]:
    for number, line in lines(text):
        place = f"{name}:{number}"
        value = files.parse_json(line, place)
        if not isinstance(value, dict):
            raise ValueError(f"{place}: not an object but {shown(value)}")
        yield number, place, value


def _json_rows(value: object, name: str) -> Iterator[Row]:
    """The rows of a whole JSON file: a list, or an object with one list."""
    if isinstance(value, dict):
        tables = {key: v for key, v in value.items() if _is_table(v)}
        if len(tables) > 1:
            keys = ", ".join(visible(key, lines=False) for key in tables)
            raise ValueError(
                f"{name} holds several lists ({keys}); save the one to be "
                "read as a file of its own"
            )
        value = next(iter(tables.values()), [value])
    if not isinstance(value, list):
        raise ValueError(f"{name} holds {shown(value)}, not a list of objects")
    return _json_items(value, name)


def _json_items(values: list, name: str) -> Iterator[Row]:
    for number, value in enumerate(values, 1):
        place = f"{name}: item {number}"
        if isinstance(value, str):
            value = {"problem": value}
        if not isinstance(value, dict):
            raise ValueError(f"{place} is not an object but {shown(value)}")
        yield number, place, value


# --- Tables -----------------------------------------------------------------


def _table(text: str, name: str, delimiter: str | None) -> Iterator[Row]:
    """CSV as RFC 4180 has it, with a header; an empty cell is no value."""
    if delimiter is None:
        header = text.lstrip().partition("\n")[0]
        # Where the comma is that of decimals, spreadsheets write semicolons.
        delimiter = ";" if ";" in header and "," not in header else ","
    before = csv.field_size_limit(_CELL)
    try:
        reader = csv.reader(
            io.StringIO(text, newline=""), delimiter=delimiter, strict=True
        )
        columns: list[str] | None = None
        line = 1
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                raise ValueError(f"{name}:{line}: {error}") from None
            if cells is None:
                return
            if columns is None and cells:
                columns = _header(cells, f"{name}:{line}")
            elif any(map(str.strip, cells)):
                if len(cells) != len(columns):
                    raise ValueError(
                        f"{name}:{line}: {len(cells)} cells, and the header "
                        f"has {len(columns)}; put quotes around a cell that "
                        f"holds {delimiter!r}"
                    )
                row = zip(columns, cells, strict=True)
                yield line, f"{name}:{line}", {k: v for k, v in row if v}
            line = reader.line_num + 1
    finally:
        csv.field_size_limit(before)


def _header(cells: list[str], place: str) -> list[str]:
    names = [cell.strip() for cell in cells]
    for name in names:
        if name and names.count(name) > 1:
            raise ValueError(f"{place}: column {shown(name)} is there twice")
    return names


def _parquet(data: bytes, name: str) -> Iterator[Row]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise ValueError(
            f"{name} is a Parquet file, which pyarrow reads; install it with "
            "pip install 'jaxlrm[datasets]'"
        ) from None
    try:
        file = parquet.ParquetFile(pyarrow.BufferReader(data))
        groups = range(file.metadata.num_row_groups)
        size = sum(file.metadata.row_group(i).total_byte_size for i in groups)
        if size > LIMIT:
            raise ValueError(f"more than {LIMIT:,} bytes; split it")
        plain = [
            field.name
            for field in file.schema_arrow
            if not pyarrow.types.is_binary(field.type)
            and not pyarrow.types.is_struct(field.type)  # such as images
        ]
        found = file.read(columns=plain).to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        reason = visible(str(error), lines=False)
        raise ValueError(f"{name}: broken Parquet file: {reason}") from None
    return (
        (number, f"{name}: row {number}", row)
        for number, row in enumerate(found, 1)
    )
