"""Files read with checks, written by one process at a time."""

from __future__ import annotations

import json
import math
import os
import pathlib
import unicodedata

import pytest

from jaxlrm import files


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a\tb\nc é − √2", "a\tb\nc é − √2"),
        ("\x1b[2J\x07\x7f\r", "␛[2J␇␡␍"),
        ("\x9b2J", "<U+009B>2J"),
        ("7\u200b\u200f\ufeff", "7<U+200B><U+200F><U+FEFF>"),
        ("\u2028\u2029\u061c", "<U+2028><U+2029><U+061C>"),
        ("a\u202eb\u2066", "a<U+202E>b<U+2066>"),
        ("\U000e0041\U000e007f", "<U+E0041><U+E007F>"),
        ("\ud800x", "<U+D800>x"),
        ("⚠\ufe0f ✅ 日本 שלום", "⚠\ufe0f ✅ 日本 שלום"),
    ],
)
def test_visible(text, wanted):
    assert files.visible(text) == wanted


def test_no_control_or_format_character_is_left():
    every = "".join(map(chr, range(0x110000)))
    left = files.visible(every)
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    kept = {c for c in left if unicodedata.category(c) in hidden}
    # Signs that stand over numbers and words, and have a glyph.
    kept -= set("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891")
    kept -= {"\u08e2", "\U000110bd", "\U000110cd"}
    kept = {c for c in kept if not 0x13430 <= ord(c) <= 0x1345F}  # hieroglyphs
    assert kept == {"\t", "\n"}
    left.encode()


def test_visible_on_one_line():
    assert files.visible("7\nsolved\t\r", lines=False) == "7␊solved␉␍"


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10**6,
        "\x1b[2J\n",
        [[[[["x" * 999]]]]] * 99,
        10**3000,
        [-(10**5000)],
    ],
    ids=range(5),
)
def test_shown_is_short_and_harmless(value):
    text = files.shown(value)
    assert len(text) <= 121 and text.isprintable()


# --- Reading ----------------------------------------------------------------


def read_text(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return files.read_json(path)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('\ufeff{"a": 1}\r\n', {"a": 1}),
        ('{"a": "[[[[\\"[[[[", "b": [1]}', {"a": '[[[["[[[[', "b": [1]}),
        ('{"a": 1, "a": 1}', {"a": 1}),
        (json.dumps(["[" * 500]), ["[" * 500]),
        (json.dumps([[1]] * 500), [[1]] * 500),
    ],
)
def test_json_that_is_read(tmp_path, text, wanted):
    assert read_text(tmp_path, text) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON: Expecting value"),
        ("{", "not JSON"),
        ("\x1b[2J", "not JSON"),
        (b'{"a": "\xe9"}', "a.json:1: byte 0xe9 is not UTF-8"),
        (b"{\n\n\xff}", "a.json:3: byte 0xff is not UTF-8"),
        ("{}".encode("utf-16"), "is UTF-16; save the file as UTF-8"),
        ("[" * 10**5, "brackets are nested more than 64 deep"),
        ('{"a":' * 10**5, "brackets are nested more than 64 deep"),
        ("[" * 65 + "]" * 65, "brackets are nested more than 64 deep"),
        ('{"a": 1, "a": 2}', "key 'a' is there twice"),
        ('{"\\u001b": 1, "\\u001b": 2}', r"key '\\x1b' is there twice"),
        ("1" * 5000, "not JSON: Exceeds the limit"),
    ],
)
def test_json_that_is_refused(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as error:
        read_text(tmp_path, text)
    assert "a.json" in str(error.value) and str(error.value).isprintable()


def test_a_file_that_is_too_large(tmp_path):
    (tmp_path / "a").write_bytes(b"[" + b" " * 100 + b"]")
    with pytest.raises(ValueError, match="a is larger than 50 bytes"):
        files.read_json(tmp_path / "a", 50)


def test_what_is_no_regular_file_keeps_nobody_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", tmp_path):
        with pytest.raises(ValueError, match="is not a regular file"):
            files.read(path)
    with pytest.raises(ValueError, match="larger than 1,000 bytes"):
        files.read("/dev/zero", 1000, pipes=True)
    with pytest.raises(FileNotFoundError):
        files.read(tmp_path / "none")


NOT_INTEGERS = ["6", "", [], {}, None, 1.5, math.nan, math.inf, True, 10**400]


@pytest.mark.parametrize("value", [*NOT_INTEGERS, 0, 101, -1], ids=str)
def test_an_integer_is_checked(value):
    fields = files.Fields({"n": value}, "c.json")
    with pytest.raises(ValueError) as error:
        fields.integer("n", 1, 100)
    assert str(error.value).startswith("c.json: n is ")
    assert str(error.value).endswith("; it must be an integer from 1 to 100")


@pytest.mark.parametrize(
    "value", ["1", [], {}, None, True, math.nan, -math.inf, 10**400, 0, -1.0]
)
def test_a_number_is_checked(value):
    fields = files.Fields({"n": value}, "c.json")
    with pytest.raises(ValueError, match=r"c.json: n is .+; it must be a posi"):
        fields.number("n", positive=True)


def test_fields_of_the_right_type():
    values = {
        "a": 8.0,
        "b": 3,
        "c": True,
        "d": "silu",
        "e": ["x"],
        "f": {"g": "y"},
        "h": None,
    }
    fields = files.Fields(values, "c.json")
    assert fields.integer("a", 1) == 8
    assert isinstance(fields.number("b"), float)
    assert fields.flag("c") is True
    assert fields.text("d", ("silu", "gelu")) == "silu"
    assert fields.texts("e") == ["x"]
    assert fields.object("f").text("g") == "y"
    assert fields.integer("h", 1, default=None) is None
    assert fields.integer("none", 1, default=4) == 4
    with pytest.raises(ValueError, match="c.json: h is None; it must be an in"):
        fields.integer("h", 1, default=4)
    with pytest.raises(
        ValueError, match="c.json lacks 'none'; it must be text"
    ):
        fields.text("none")
    with pytest.raises(
        ValueError, match="c.json: f: g is 'y'; it must be true"
    ):
        fields.object("f").flag("g")


@pytest.mark.parametrize("value", ["x", 1, None, [1], {"a": 1}, "\ud800"])
@pytest.mark.parametrize("kind", ["flag", "texts", "object", "text"])
def test_other_types_are_refused(kind, value):
    fields = files.Fields({"n": value}, "c.json")
    right = {"object": dict, "text": str}.get(kind)
    if right and isinstance(value, right) and value != "\ud800":
        return
    with pytest.raises(ValueError, match=r"c.json: n is .+; it must be ") as e:
        getattr(fields, kind)("n")
    str(e.value).encode()


# --- Writing ----------------------------------------------------------------


class Disk:
    """A file on a disk with room for some bytes, in pieces of two."""

    def __init__(self, file, room):
        self.file, self.room, self.name = file, room, file.name

    def fileno(self):
        return self.file.fileno()

    def write(self, data):
        part = bytes(data[: min(2, self.room)])
        if not part:
            raise OSError(28, "No space left on device")
        self.room -= len(part)
        return self.file.write(part)


def test_a_line_is_appended_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a"
    with open(path, "ab", buffering=0) as file:
        disk = Disk(file, 12)
        files.append_line(disk, b"12345")
        with pytest.raises(OSError, match="No space left") as error:
            files.append_line(disk, b"1234567")
        assert error.value.filename == str(path)
        assert path.read_bytes() == b"12345\n"
        disk.room = 10
        files.append_line(disk, b"678")
    assert path.read_bytes() == b"12345\n678\n"


def test_a_file_is_written_whole_or_left(tmp_path, monkeypatch):
    path = tmp_path / "a"
    files.write(path, "old é")

    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "write_bytes", full)
    with pytest.raises(OSError) as error:
        files.write(path, "new")
    assert error.value.filename == str(path)
    assert path.read_text("utf-8") == "old é"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_link_stays_one_and_a_device_is_no_file(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "a")
    files.write(tmp_path / "link", "x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a").read_text() == "x"
    files.write("/dev/null", "x")
    with pytest.raises(OSError, match="/dev/full"):
        files.write("/dev/full", "x")
