"""What every program shares: config files, overrides, help, flag errors.

A program is a module with a docstring, flags, and

    from . import flags as launch_flags

    _CONFIG = launch_flags.define_config()  # if it takes --config

    def main(argv):
        config = _CONFIG.value  # the dataclass, overrides applied
        ...

    def run():
        launch_flags.run(main)

    if __name__ == "__main__":
        run()

The import is relative because the wheel installs this folder under another
name (see pyproject.toml). JAX is imported inside `main`, so that `--help` and
flag errors come at once.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib.util
import inspect
import pathlib
import re
import sys
from collections.abc import Callable, Collection
from typing import Any

from absl import app, flags, logging

from jaxlrm import config as config_lib

from . import console, environment

# Flags defined here belong to the program that asks for them.
flags.disclaim_key_flags()

_SPEC = re.compile(r"(?P<file>.*\.py)(:(?P<preset>.*))?")
_OVERRIDE = re.compile(r"--?config\.(?P<path>[^=]*)(=(?P<text>.*))?", re.DOTALL)
# What absl says of a required flag that was not given.
_MISSING = re.compile(
    r"flag --(\w+)=None: Flag --\1 must have a value other than None\."
)
_HELP = ("-h", "-?", "-help", "--help", "--helpshort")


def run(
    main: Callable[[list[str]], Any], positional: Collection[str] = ()
) -> None:
    """Parses the command line, then exits with what `main(argv)` returns.

    Args:
        main: takes the program's name and the positional arguments.
        positional: the positional arguments that are welcome (`-`); any other
            is an error.
    """
    parser = functools.partial(
        parse, module=main.__module__, positional=positional
    )

    def quiet(argv: list[str]) -> Any:
        # Libraries log every step they take; --verbosity=0 shows it.
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)
        console.repeat_lost_interrupts()
        environment.restore_interrupts()
        return main(argv)

    environment.prepare()
    app.run(quiet, flags_parser=parser)


def parse(
    argv: list[str],
    module: str = "__main__",
    positional: Collection[str] = (),
) -> list[str]:
    """Sets the flags; a `flags_parser` for `absl.app.run`.

    Help goes to stdout with exit code 0, an error to stderr with code 2 and
    no traceback.

    Args:
        argv: the command line, the program's name first.
        module: name of the program's module, whose docstring and flags are
            its help.
        positional: see `run`.

    Returns:
        The program's name and the positional arguments.
    """
    options = argv[: argv.index("--")] if "--" in argv else argv
    if any(option in _HELP for option in options[1:]):
        print(_help(module))
        sys.exit(0)
    try:
        return _parse(argv, positional)
    except (flags.Error, ValueError) as error:
        message = _MISSING.sub(r"--\1 is missing; give --\1=...", str(error))
        print(f"FATAL Flags parsing error: {message}", file=sys.stderr)
        print("Pass --help to see the flags.", file=sys.stderr)
        sys.exit(2)


def define_config() -> flags.FlagHolder:
    """Defines the required flag `--config`, whose value is a dataclass.

    `--config=configs/mini.py:preset` loads it and `--config.a.b=value` changes
    one of its fields.
    """
    return flags.DEFINE(
        _ConfigParser(),
        "config",
        None,
        "Python file with get_config(preset=...), as in configs/mini.py or "
        "configs/mini.py:preset. --config.a.b=value overrides a field.",
        required=True,
    )


def define_path(
    name: str, help: str, required: bool = False
) -> flags.FlagHolder[str | None]:
    """Defines a flag that names a file or a folder; an empty one is refused.

    `pathlib` would take it for the folder that the program runs in.
    """
    return flags.DEFINE(_PathParser(), name, None, help, required=required)


def define_columns() -> flags.FlagHolder[dict[str, str]]:
    """Defines `--columns=problem=NAME,answer=NAME`, of a dataset."""
    return flags.DEFINE(
        _ColumnsParser(),
        "columns",
        "",
        "Columns of the dataset, where they have names of their own: "
        "problem=NAME,answer=NAME; also id, task (a label that tables are "
        "grouped by) and level.",
        serializer=_ColumnsSerializer(),
    )


def load_config(spec: str) -> Any:
    """The config that `FILE.py` or `FILE.py:preset` names.

    Args:
        spec: path of a Python file that defines `get_config(preset="...")`,
            and after a colon the preset; without, its default. The file is
            executed.

    Returns:
        The dataclass that `get_config` returned.

    Raises:
        ValueError: no such file, no `get_config` in it, a preset that it does
            not know, or a result that is no dataclass.
    """
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise ValueError(
            f"{spec!r} is not a Python file; write configs/NAME.py or "
            "configs/NAME.py:preset"
        )
    path, preset = pathlib.Path(match["file"]), match["preset"] or ""
    if not path.is_file():
        raise ValueError(_no_file(path))
    get_config = getattr(_execute(path), "get_config", None)
    if get_config is None:
        raise ValueError(f"{path} defines no get_config(preset=...)")
    if preset and not inspect.signature(get_config).parameters:
        raise ValueError(f"{path} has no presets; leave out ':{preset}'")
    try:
        config = get_config(preset) if preset else get_config()
    except KeyError as error:
        if error.args != (preset,):
            raise
        raise ValueError(f"{path} has no preset {preset!r}") from None
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        raise ValueError(
            f"get_config of {path} returned {config!r}, not a dataclass"
        )
    return config


def split_overrides(argv: list[str]) -> tuple[list[str], dict[str, str]]:
    """Takes `--config.a.b=value` and `--config.a.b value` out of `argv`.

    Returns:
        The other arguments, and the text of each path; the last one counts.

    Raises:
        ValueError: a path without a value.
    """
    rest, overrides = [], {}
    arguments = iter(argv)
    for argument in arguments:
        if argument == "--":
            return [*rest, argument, *arguments], overrides
        match = _OVERRIDE.fullmatch(argument)
        if match is None:
            rest.append(argument)
            continue
        text = match["text"]
        if text is None:
            text = next(arguments, "--")
            if text.startswith("--"):
                raise ValueError(f"{argument} needs a value: {argument}=VALUE")
        overrides[match["path"]] = text
    return rest, overrides


class _ConfigParser(flags.ArgumentParser):
    def parse(self, argument: str) -> Any:
        return load_config(argument)

    def flag_type(self) -> str:
        return "config file"


class _PathParser(flags.ArgumentParser):
    def parse(self, argument: str) -> str:
        if not argument:
            raise ValueError("it is empty; give a path")
        return argument

    def flag_type(self) -> str:
        return "path"


class _ColumnsParser(flags.ArgumentParser):
    def parse(self, argument: str | dict[str, str]) -> dict[str, str]:
        if isinstance(argument, dict):
            return argument
        columns: dict[str, str] = {}
        for pair in filter(None, argument.split(",")):
            field, equals, name = pair.partition("=")
            if not (field and equals and name) or field in columns:
                raise ValueError("write it as problem=NAME,answer=NAME")
            columns[field] = name
        return columns

    def flag_type(self) -> str:
        return "FIELD=COLUMN,..."


class _ColumnsSerializer(flags.ArgumentSerializer):
    def serialize(self, value: dict[str, str]) -> str:
        return ",".join(f"{field}={name}" for field, name in value.items())


def _parse(argv: list[str], positional: Collection[str]) -> list[str]:
    has_config = "config" in flags.FLAGS and isinstance(
        flags.FLAGS["config"].parser, _ConfigParser
    )
    overrides = {}
    if has_config:
        argv, overrides = split_overrides(argv)
    flags.FLAGS.set_gnu_getopt(True)  # flags may follow a positional argument
    rest = flags.FLAGS(argv)
    for argument in rest[1:]:
        if argument not in positional:
            raise ValueError(
                f"unexpected argument {argument!r}; flags are written "
                "--name=value"
            )
    if overrides:
        flag = flags.FLAGS["config"]
        flag.value = config_lib.replace_paths(flag.value, overrides)
    return rest


def _help(module: str) -> str:
    program = sys.modules[module]
    doc = inspect.getdoc(program) or ""
    return f"{doc}\n\nflags:\n{flags.FLAGS.module_help(program)}"


def _no_file(path: pathlib.Path) -> str:
    folder = path.parent
    names = sorted(p.name for p in folder.glob("*.py"))
    near = difflib.get_close_matches(path.name, names, n=1)
    if near:
        return f"no file {path}; did you mean {folder / near[0]}?"
    return f"no file {path}; files in {folder}: {', '.join(names) or 'none'}"


def _execute(path: pathlib.Path) -> Any:
    name = f"config_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their own module up to resolve annotations.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
