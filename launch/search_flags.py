"""The flags of a search that programs share, and the model they name."""

from __future__ import annotations

import importlib
import inspect
import math
import re
import types
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from absl import flags

from jaxlrm.config import (
    AGGREGATES,
    BACKUPS,
    EXECUTIONS,
    PROMPTS,
    THINKING,
    TOOLS,
    VOTES,
    SearchConfig,
)

from . import console, environment

if TYPE_CHECKING:
    from jaxlrm.engine import Engine

# Flags defined here belong to the program that asks for them.
flags.disclaim_key_flags()


def define_search() -> Callable[[str, str], SearchConfig]:
    """Defines the flags of a search but `--strategy` and `--verifiers`.

    Returns:
        `(strategy, verifiers) -> config`, for when the flags are parsed;
        ValueError if their values do not go together.
    """
    default = SearchConfig()
    holders = {
        "prompt": flags.DEFINE_enum(
            "prompt",
            default.prompt,
            PROMPTS,
            "How a problem is put to the model: by its chat template, asking "
            "for steps, asking for programs that are run, or as it is.",
        ),
        "system": flags.DEFINE_string(
            "system",
            default.system,
            "The system prompt, in place of that of --prompt.",
        ),
        "thinking": flags.DEFINE_enum(
            "thinking",
            default.thinking,
            THINKING,
            "Whether a model that can do both thinks before it answers.",
        ),
        "branches": flags.DEFINE_integer(
            "branches",
            default.branches,
            "Chains of thought side by side.",
            lower_bound=1,
        ),
        "width": flags.DEFINE_integer(
            "width",
            default.width,
            "Children of each step that a beam keeps; divides --branches.",
            lower_bound=1,
        ),
        "aggregate": flags.DEFINE_enum(
            "aggregate",
            default.aggregate,
            AGGREGATES,
            "The score of a chain out of those of its steps.",
        ),
        "vote": flags.DEFINE_enum(
            "vote",
            default.vote,
            VOTES,
            "What a chain weighs in the vote: 1, its score, or all if its "
            "score is the best; auto is up to the strategy.",
        ),
        "backup": flags.DEFINE_enum(
            "backup",
            default.backup,
            BACKUPS,
            "What a node of mcts and uct is worth, of what was found through "
            "it.",
        ),
        "temperature": flags.DEFINE_float(
            "temperature",
            default.temperature,
            "Of sampling; 0 takes the likeliest token.",
        ),
        "min_tokens": flags.DEFINE_integer(
            "min_tokens",
            default.min_tokens,
            "Fewest tokens that a branch of sequential thinks; one that ends "
            "sooner begins another chain.",
            lower_bound=0,
        ),
        "lookahead": flags.DEFINE_integer(
            "lookahead",
            default.lookahead,
            "Likeliest further steps written after each step for its score.",
            lower_bound=0,
        ),
        "tokens": flags.DEFINE_integer(
            "tokens",
            default.tokens,
            "Most tokens that the generator writes for a problem; 0: any.",
            lower_bound=0,
        ),
        "rounds": flags.DEFINE_integer(
            "rounds",
            default.rounds,
            "Most rounds of a search, in each of which branches write a step.",
            lower_bound=1,
        ),
        "chain_tokens": flags.DEFINE_integer(
            "chain_tokens",
            default.chain_tokens,
            "Most tokens of a chain; 0: half of the model's context.",
            lower_bound=0,
        ),
        "tools": flags.DEFINE_enum(
            "tools",
            default.tools,
            TOOLS,
            "Run steps that are programs in the sandbox and append what they "
            "print; auto: if the model was trained for it and a problem is of "
            "the family programs.",
        ),
        "adaptive": flags.DEFINE_bool(
            "adaptive",
            default.adaptive,
            "Give the --tokens that easy problems leave to hard ones.",
        ),
        "seconds": flags.DEFINE_float(
            "seconds",
            default.seconds,
            "Time after which a problem is answered with what was found; "
            "0: any.",
            lower_bound=0,
        ),
        "confidence": flags.DEFINE_float(
            "confidence",
            default.confidence,
            "End a problem when an answer is as sure as this; 0: never.",
            lower_bound=0,
            upper_bound=1,
        ),
        "execution": flags.DEFINE_enum(
            "execution",
            default.execution,
            EXECUTIONS,
            "Ask the host between rounds, or from inside one program.",
        ),
        "trunk": flags.DEFINE_integer(
            "trunk",
            default.trunk,
            "Most tokens of kept steps in the cache, a problem; 0: as needed.",
            lower_bound=0,
        ),
        "batch": flags.DEFINE_integer(
            "batch",
            default.batch,
            "Problems solved side by side; 0: what the device is quickest "
            "with.",
            lower_bound=0,
        ),
        "seed": flags.DEFINE_integer(
            "seed",
            default.seed,
            "Of all sampling.",
            lower_bound=0,
            upper_bound=(1 << 32) - 1,  # what JAX takes without 64 bits
        ),
    }

    def config(strategy: str, verifiers: str) -> SearchConfig:
        values = {name: holder.value for name, holder in holders.items()}
        return SearchConfig(strategy=strategy, verifiers=verifiers, **values)

    return config


def define_model(several: bool = False) -> Callable[..., Engine]:
    """Defines `--model`, and what else an engine is made of.

    Args:
        several: take a list of models.

    Returns:
        A function that loads the model, or the one it is given the name of;
        FileNotFoundError or ValueError if it cannot. Its `extend()`, to be
        called first, imports the extensions, which reading a dataset may need;
        ValueError if it cannot. With `several`, its `names()` are the models
        that were asked for, and its `find()` raises FileNotFoundError if there
        is no such model, or none of those that are to score.
    """
    say = "Name of a shipped model, or a model folder"
    if several:
        model = flags.DEFINE_list("model", "mini", f"{say}; or several.")
    else:
        model = flags.DEFINE_string("model", "mini", f"{say}.")
    reward = flags.DEFINE_list(
        "reward",
        [],
        "Models that score the steps: NAME or NAME=WEIGHT, separated by "
        "commas; `own` is the model's own value head, and the default.",
    )
    checkers = flags.DEFINE_list(
        "checkers", [], "Symbolic verifiers of your own: MODULE:FUNCTION."
    )
    extensions = flags.DEFINE_list(
        "extensions", [], "Modules that register tasks and rules of your own."
    )
    require_sandbox = flags.DEFINE_bool(
        "require_sandbox",
        False,
        "Refuse to run programs where this host cannot isolate them fully.",
    )
    mesh = flags.DEFINE_string(
        "mesh",
        "1x1",
        "Devices: DATAxMODEL, problems (in Nx1 also the branches of one) are "
        "shared over DATA of them and the weights over MODEL.",
    )

    def extend() -> None:
        with console.interruptible():
            for name in extensions.value:
                _import("extension", name, name)

    def names() -> list[str]:
        return list(dict.fromkeys(model.value))

    def find() -> None:
        rewards = _weights(reward.value)
        with console.interruptible():
            from jaxlrm import loading
        rewards.pop(loading.OWN, None)
        for name in [*(names() or [""]), *rewards]:
            loading.find(name)

    def load(name: str | None = None) -> Engine:
        ways = _mesh(mesh.value)
        rewards = _weights(reward.value)
        with console.interruptible():
            from jaxlrm import loading, sharding

            environment.require_devices()
            loading.enable_compilation_cache()
            return loading.load(
                name or model.value,
                reward=rewards,
                mesh=sharding.make_mesh(*ways),
                checkers=[_function(name) for name in checkers.value],
                extensions=extensions.value,
                require_sandbox=require_sandbox.value,
            )

    load.names, load.find = names, find
    load.extend = extend
    return load


def _mesh(value: str) -> tuple[int, int]:
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
