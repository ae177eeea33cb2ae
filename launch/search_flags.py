"""The flags of a search that programs share, and the model they name."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import math
import re
import types
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from absl import flags

from jaxlrm.config import CHOICES, WEIGHTS, SearchConfig

from . import console, environment

if TYPE_CHECKING:
    from jaxlrm.engine.engine import Engine

# Flags defined here belong to the program that asks for them.
flags.disclaim_key_flags()


def define_search() -> Callable[[str, str], SearchConfig]:
    """Defines a flag for each field of a search but the two programs define.

    Those are `--strategy` and `--verifiers`. A flag says what the docstring of
    `SearchConfig` says of its field.

    Returns:
        `(strategy, verifiers) -> config`, for when the flags are parsed;
        ValueError if a value is out of range, or two do not go together.
    """
    words = _words_of(SearchConfig)
    holders = {
        field.name: _define(field, words[field.name])
        for field in dataclasses.fields(SearchConfig)
        if field.name not in ("strategy", "verifiers")
    }

    def config(strategy: str, verifiers: str) -> SearchConfig:
        values = {name: holder.value for name, holder in holders.items()}
        return SearchConfig(strategy=strategy, verifiers=verifiers, **values)

    return config


def _define(field: dataclasses.Field, words: str) -> flags.FlagHolder:
    """The flag of a field, whose annotation is text."""
    if field.name in CHOICES:
        return flags.DEFINE_enum(
            field.name, field.default, CHOICES[field.name], words
        )
    define = {
        "int": flags.DEFINE_integer,
        "float": flags.DEFINE_float,
        "bool": flags.DEFINE_bool,
        "str": flags.DEFINE_string,
    }[field.type.removesuffix(" | None")]
    return define(field.name, field.default, words)


def _words_of(kind: type) -> dict[str, str]:
    """What a docstring's `Attributes` say of each."""
    _, _, text = inspect.getdoc(kind).partition("Attributes:\n")
    text = text.partition("\n\n")[0]
    entries = re.split(r"^    (?=\w+: )", text, flags=re.MULTILINE)[1:]
    found = {}
    for entry in entries:
        name, _, words = entry.partition(": ")
        words = " ".join(words.split())
        # The flag itself lists what it may be.
        words = re.sub(r"^one of `[A-Z]+`: ", "", words).replace("`", "")
        found[name] = words[:1].upper() + words[1:]
    return found


class ModelFlags:
    """Defines `--model`, and what else an engine is made of."""

    def __init__(self, several: bool = False):
        """Defines the flags.

        Args:
            several: take a list of models.
        """
        say = (
            "Name of a shipped model, a model folder, or ORG/NAME[@REVISION] "
            "of the Hugging Face Hub"
        )
        if several:
            self._model = flags.DEFINE_list(
                "model", "mini", f"{say}; or several."
            )
        else:
            self._model = flags.DEFINE_string("model", "mini", f"{say}.")
        self._reward = flags.DEFINE_list(
            "reward",
            [],
            "Models that score the steps: NAME or NAME=WEIGHT, separated by "
            "commas; `own` is the model's own value head, and the default.",
        )
        self._weights = flags.DEFINE_enum(
            "weights",
            "",
            WEIGHTS,
            "Of the model that writes: as its folder has them, or int8: half "
            "the memory of bfloat16, and quicker for few rows on a CPU.",
        )
        self._checkers = flags.DEFINE_list(
            "checkers", [], "Symbolic verifiers of your own: MODULE:FUNCTION."
        )
        self._extensions = flags.DEFINE_list(
            "extensions",
            [],
            "Modules that register families of problems (jaxlrm.families).",
        )
        self._added: list[str] = []
        self._require_sandbox = flags.DEFINE_bool(
            "require_sandbox",
            False,
            "Refuse to run programs where this host cannot isolate them fully.",
        )
        self._mesh = flags.DEFINE_string(
            "mesh",
            "1x1",
            "Devices: DATAxMODEL, problems (in Nx1 also the branches of one) "
            "are shared over DATA of them and the weights over MODEL.",
        )

    def names(self) -> list[str]:
        """The models that were asked for, each once."""
        value = self._model.value
        return list(dict.fromkeys([value] if isinstance(value, str) else value))

    def extend(self, *more: str) -> None:
        """Imports the extensions; reading a dataset may need them.

        Args:
            *more: extensions that the models get beside those of the flag.

        Raises:
            ValueError: one cannot be imported.
        """
        self._added += more
        with console.interruptible():
            for name in (*self._extensions.value, *self._added):
                import_extension(name)

    def find(self) -> None:
        """Looks for all models without loading them.

        Raises:
            FileNotFoundError: there is no such model.
            ValueError: a reward has no positive weight.
        """
        rewards = _weights(self._reward.value)
        with console.interruptible():
            from jaxlrm.engine import loading
        rewards.pop(loading.OWN, None)
        for name in [*(self.names() or [""]), *rewards]:
            loading.find(name)

    def load(self, name: str | None = None) -> Engine:
        """The engine of the model called `name`, or of the only one.

        Raises:
            FileNotFoundError: there is no such model.
            ValueError: it cannot be loaded.
        """
        ways = parse_mesh(self._mesh.value)
        rewards = _weights(self._reward.value)
        with console.interruptible():
            from jaxlrm.engine import loading
            from jaxlrm.models import sharding

            environment.require_devices()
            loading.enable_compilation_cache()
            return loading.load(
                name or self._model.value,
                reward=rewards,
                weights=self._weights.value,
                mesh=sharding.make_mesh(*ways),
                checkers=[_function(name) for name in self._checkers.value],
                extensions=[*self._extensions.value, *self._added],
                require_sandbox=self._require_sandbox.value,
            )


def import_extension(name: str) -> None:
    """Imports a module that registers families; ValueError if it cannot."""
    _import("extension", name, name)


def parse_mesh(value: str) -> tuple[int, int]:
    """The sizes of a mesh written DATAxMODEL.

    Raises:
        ValueError: it is written otherwise.
    """
    match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", value)
    if not match:
        raise ValueError(
            f"mesh {value!r} is not DATAxMODEL; write two numbers, as in 4x2"
        )
    return int(match[1]), int(match[2])


def _weights(values: Sequence[str]) -> dict[str, float]:
    """The weight of each reward model."""
    weights = {}
    for value in values:
        name, _, weight = value.partition("=")
        try:
            weights[name] = float(weight or 1)
        except ValueError:
            weights[name] = math.nan
        if not 0 < weights[name] < math.inf:
            raise ValueError(
                f"reward {value!r} has no positive weight; write NAME or "
                "NAME=WEIGHT, as in prm=2"
            )
    return weights


def _function(value: str) -> Callable:
    module, _, name = value.partition(":")
    found = getattr(_import("checker", value, module), name, None)
    if not inspect.isroutine(found):
        raise ValueError(
            f"checker {value!r} is no function at the top level of a module; "
            "write MODULE:FUNCTION"
        )
    return found


def _import(kind: str, value: str, module: str) -> types.ModuleType:
    try:
        return importlib.import_module(module)
    except Exception as error:  # whatever the module does
        raise ValueError(
            f"{kind} {value!r} cannot be imported: {type(error).__name__}: "
            f"{error}; name a module on PYTHONPATH, which `python -c 'import "
            "MODULE'` imports"
        ) from error
