"""launch.train as a person runs it."""

from __future__ import annotations

from tests import fakes


def test_a_bad_folder_gets_one_message():
    result = fakes.run_launch(
        "train", "--config=configs/mini.py:xs", "--output=/dev/null/x"
    )
    assert result.returncode == 2
    assert result.stderr == "/dev/null/x: Not a directory\n"
