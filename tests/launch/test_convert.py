"""launch.convert as a person runs it."""

from __future__ import annotations

import functools

from tests import fakes, gguf_files

run = functools.partial(fakes.run_launch, "convert")


def test_a_file_is_converted_once(tmp_path):
    path = gguf_files.tiny(tmp_path / "x.gguf", "Q4_0")
    output = tmp_path / "model"
    arguments = f"--source={path}", f"--output={output}"
    result = run(*arguments)
    assert result.returncode == 0, result.stderr
    assert "model: llama, 20 tensors, 0.00 GB in bfloat16" in result.stdout
    assert (output / "config.json").is_file()
    again = run(*arguments)
    assert again.returncode == 2
    assert again.stderr.count("\n") == 1
    assert "is there and not an empty folder" in again.stderr


def test_errors_are_one_line(tmp_path):
    path = gguf_files.tiny(tmp_path / "x.gguf")
    path.write_bytes(path.read_bytes()[:5000])
    for source, message in (
        (path, "x.gguf is cut short: it has 5,000 bytes"),
        (tmp_path / "y.gguf", "no source '"),
        (tmp_path, "x.gguf is not read as it is; make a folder of it"),
    ):
        result = run(f"--source={source}", f"--output={tmp_path / 'out'}")
        assert result.returncode == 2
        assert message in result.stderr and result.stderr.count("\n") == 1
    result = run(f"--source={path}", "--output=x", "--dtype=int8")
    assert result.returncode == 2
    assert "float32" in result.stderr and "Traceback" not in result.stderr
