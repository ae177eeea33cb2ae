"""The command line that programs share, run as a person would run it."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

from jaxlrm import config as config_lib
from launch import flags as launch_flags
from tests import fakes

ROOT = pathlib.Path(__file__).parents[2]

CONFIG = """
from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Search:
    branches: int = 4
    shift: float = 0.0


@dataclasses.dataclass(frozen=True)
class Config:
    name: str = "mini"
    greedy: bool = False
    search: Search = Search()


PRESETS = {"narrow": Config(), "wide": Config(search=Search(branches=64))}


def get_config(preset="narrow"):
    return PRESETS[preset]
"""

PROGRAM = '''
"""Prints its config: the first line of the help.

100% of it, without formatting."""

import sys

from absl import flags

from launch import flags as launch_flags

_CONFIG = launch_flags.define_config()
_STRATEGY = flags.DEFINE_enum("strategy", "beam", ["beam", "mcts"], "Search.")


def main(argv):
    print(_CONFIG.value, _STRATEGY.value, argv[1:])
    return 3


def run():
    launch_flags.run(main, positional=("-",))


if __name__ == "__main__":
    run()
'''


@pytest.fixture
def program(tmp_path):
    """Runs the program above, with the config beside it, as `(*arguments)`."""
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "mini.py").write_text(CONFIG)

    def call(*arguments, command=("program.py",)):
        return subprocess.run(
            [sys.executable, *command, *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return call


def assert_refused(result, *messages):
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    for message in messages:
        assert message in result.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["--config=mini.py"],
            "Config(name='mini', greedy=False, "
            "search=Search(branches=4, shift=0.0)) beam []",
        ),
        (
            ["--config", "mini.py:wide", "-", "--strategy=mcts"],
            "Config(name='mini', greedy=False, "
            "search=Search(branches=64, shift=0.0)) mcts ['-']",
        ),
        (
            [
                "--config.search.branches=8",
                "--config.search.shift",
                "-1.5",
                "--config=mini.py:wide",
                "--config.name=a=b",
                "--config.greedy=true",
            ],
            "Config(name='a=b', greedy=True, "
            "search=Search(branches=8, shift=-1.5)) beam []",
        ),
    ],
)
def test_the_program_sees_the_config_resolved(program, arguments, expected):
    result = program(*arguments)
    assert result.stdout.strip() == expected
    assert result.returncode == 3


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        ([], ["--config is missing; give --config=..."]),
        (["--config=mini"], ["'mini' is not a Python file", "configs/NAME.py"]),
        (["--config=mni.py"], ["no file mni.py; did you mean mini.py?"]),
        (["--config=mini.py:tall"], ["mini.py has no preset 'tall'"]),
        (
            ["--config=mini.py", "--config.search.branchs=8"],
            ["no field 'branchs'", "did you mean 'branches'?", "shift"],
        ),
        (
            ["--config=mini.py", "--config.search.branches=many"],
            ["search.branches='many' is not of type int"],
        ),
        (
            ["--config=mini.py", "--config.greedy"],
            ["--config.greedy needs a value"],
        ),
        (
            ["--config=mini.py", "--config.greedy", "--strategy=mcts"],
            ["--config.greedy needs a value"],
        ),
        (
            ["--config=mini.py", "--strateg=mcts"],
            ["Unknown command line flag 'strateg'", "strategy"],
        ),
        (["--config=mini.py", "--strategy=bfs"], ["one of", "beam"]),
        (["--config=mini.py", "stray"], ["unexpected argument 'stray'"]),
    ],
)
def test_mistakes_are_named_without_a_traceback(program, arguments, messages):
    assert_refused(program(*arguments), *messages)


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("solve", "problems"),
        ("solve", "html"),
        ("evaluate", "dataset"),
        ("evaluate", "output"),
        ("train", "output"),
        ("rollouts", "output"),
        ("calibrate", "model"),
        ("calibrate", "rollouts"),
    ],
)
def test_an_empty_path_is_refused(name, flag):
    result = fakes.run_launch(name, f"--{flag}=")
    assert_refused(result, f"flag --{flag}=: it is empty; give a path")


@pytest.mark.parametrize("spelling", ["--help", "-h", "--helpshort"])
def test_help_is_the_docstring_and_the_flags(program, spelling):
    result = program(spelling, "--unknown")
    assert result.returncode == 0
    assert result.stdout.startswith("Prints its config: the first line")
    assert "100% of it" in result.stdout
    for flag in ("--config:", "--strategy:"):
        assert flag in result.stdout


def test_help_is_the_same_where_the_program_is_imported(program):
    """As console scripts do: `__main__` is then somebody else's module."""
    call = "import program; program.run()"
    result = program("--help", command=("-c", call))
    assert result.returncode == 0
    assert result.stdout.startswith("Prints its config")
    assert "--strategy:" in result.stdout


def test_a_path_is_left_alone_where_there_is_no_config(tmp_path):
    (tmp_path / "program.py").write_text(
        "from launch import flags as launch_flags\nlaunch_flags.run(print)\n"
    )
    result = subprocess.run(
        [sys.executable, "program.py", "--config.a=1"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert_refused(result, "Unknown command line flag 'config.a'")


@pytest.mark.parametrize(
    ("source", "spec", "message"),
    [
        ("", "c.py", "defines no get_config"),
        ("def get_config(preset=''): return 3", "c.py", "returned 3, not a"),
        ("def get_config(): return 3", "c.py:wide", "has no presets"),
        (
            "def get_config(preset=''): raise ValueError(f'no {preset}')",
            "c.py:wide",
            "no wide",
        ),
    ],
)
def test_load_config_refuses_other_files(tmp_path, source, spec, message):
    (tmp_path / "c.py").write_text(source)
    with pytest.raises(ValueError, match=message):
        launch_flags.load_config(str(tmp_path / spec))


def test_load_config_leaves_faults_of_the_file_alone(tmp_path):
    (tmp_path / "c.py").write_text("def get_config(preset=''): return {}['k']")
    with pytest.raises(KeyError, match="k"):
        launch_flags.load_config(str(tmp_path / "c.py"))


def test_split_overrides_stops_at_a_double_dash():
    argv = ["p", "--config.a=1", "--x", "--config.a=2", "--", "--config.b=3"]
    rest, overrides = launch_flags.split_overrides(argv)
    assert rest == ["p", "--x", "--", "--config.b=3"]
    assert overrides == {"a": "2"}


PROGRAMS = sorted(
    path.stem
    for path in (ROOT / "launch").glob("*.py")
    if "\ndef main(" in path.read_text()
)


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_of_every_program_comes_without_jax(name):
    script = textwrap.dedent(
        f"""
        import runpy, sys
        sys.argv = ["launch.{name}", "--help"]
        try:
            runpy.run_module("launch.{name}", run_name="__main__")
        except SystemExit as stop:
            assert not stop.code, stop.code
        assert "jax" not in sys.modules, "--help imported jax"
        """
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()


@pytest.mark.parametrize(
    "path", sorted((ROOT / "configs").glob("*.py")), ids=lambda path: path.stem
)
def test_every_config_file_loads_and_survives_json(path):
    config = launch_flags.load_config(str(path))
    record = json.loads(json.dumps(config_lib.to_json(config)))
    assert config_lib.from_json(type(config), record) == config
