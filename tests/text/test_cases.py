"""Files of model folders, one case a line of tests/cases/text.jsonl.

Each is put into a folder with a tokenizer whose end of text is token 1. It is
`loads`, with `ends` among its end tokens, or the error that is `expected`, in
one line that names the file.
"""

from __future__ import annotations

import json
import pathlib
import time

import pytest

from jaxlrm.text import Text, train_tokenizer

CASES = pathlib.Path(__file__).parents[1] / "cases" / "text.jsonl"
LINES = [json.loads(line) for line in CASES.read_text().splitlines()]


@pytest.mark.parametrize("case", LINES, ids=lambda case: case["id"])
def test_a_case(case, tmp_path):
    train_tokenizer([], 120).save(tmp_path)
    (tmp_path / "text.json").unlink()
    (tmp_path / "config.json").write_text('{"eos_token_id": 1}')
    content = case["content"]
    if "repeat" in case:
        what, times = case["repeat"]
        content %= what * times
    (tmp_path / case["file"]).write_text(content)
    started = time.monotonic()
    if case["expected"] == "loads":
        found = Text.load(tmp_path)
        assert set(case.get("ends", [])) <= set(found.end)
        for name in case.get("end", []):
            assert found.end == (found._tokenizer.token_to_id(name),)
    else:
        with pytest.raises(ValueError) as raised:
            Text.load(tmp_path)
        message = str(raised.value)
        assert case["expected"] in message
        assert str(tmp_path) in message
        assert "\n" not in message and len(message) < 1000
    assert time.monotonic() - started < 10
