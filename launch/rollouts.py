"""Samples chains of thought and labels their steps, to train a value head.

    python -m launch.rollouts --model=runs/xs/model --output=runs/rollouts.jsonl

With `--strategy=beam` or another that writes step by step the chains are the
paths of its trees: the steps that mislead the model's own scores among them.
With `--next_step` right chains break off anywhere, and the model writes one
step after each, in several branches; the share of right ones, which is printed,
tells in minutes whether more training made a model better. With `--corrupt` no
model writes: right chains are drawn, of all families unless --tasks names them,
and one step of each is changed. The file is appended to, so that several models
and temperatures can share it.
"""

from __future__ import annotations

import sys

from absl import flags

from jaxlrm.config import STRATEGIES

from . import console, environment, search_flags
from . import flags as launch_flags

_FLAGS = flags.FLAGS
_MODEL = flags.DEFINE_string("model", "mini", "Shipped model or folder.")
_OUTPUT = launch_flags.define_path("output", "JSON-lines file.", required=True)
_TASKS = flags.DEFINE_list(
    "tasks",
    [],
    "Families, each with a level as in gcd@5 or without; by default those of "
    "the model.",
)
_EXTENSIONS = flags.DEFINE_list(
    "extensions", [], "Modules that register families of your own."
)
_PROBLEMS = flags.DEFINE_integer(
    "problems", 4096, "Problems to draw.", lower_bound=1
)
_BRANCHES = flags.DEFINE_integer(
    "branches", 8, "Of the search, a problem.", lower_bound=1
)
_STRATEGY = flags.DEFINE_enum(
    "strategy", "majority", STRATEGIES, "Which writes the chains."
)
_CHAINS = flags.DEFINE_integer(
    "chains",
    0,
    "Most chains of a problem that are kept; 0: all.",
    lower_bound=0,
)
_TEMPERATURE = flags.DEFINE_float(
    "temperature", 1.0, "Of sampling.", lower_bound=0
)
_CHAIN = flags.DEFINE_integer(
    "chain_tokens",
    0,
    "Most tokens of a chain; 0: half the context.",
    lower_bound=0,
)
_CORRUPT = flags.DEFINE_bool(
    "corrupt", False, "Change a step of right chains; asks no model."
)
_NEXT = flags.DEFINE_bool(
    "next_step", False, "Only a step after the first ones of right chains."
)
_SEED = flags.DEFINE_integer(
    "seed",
    0,
    "Of problems and sampling.",
    lower_bound=0,
    upper_bound=(1 << 32) - 1,  # what JAX takes without 64 bits
)

# By mode, what it has no use for.
_UNUSED = {
    "next_step": ("strategy", "chain_tokens"),
    "corrupt": (
        *("model", "strategy", "branches", "chains", "temperature"),
        "chain_tokens",
    ),
}


def main(argv: list[str]) -> int:
    """Writes the file."""
    del argv
    try:
        _check_modes()
        chains, right = _sample()
    except (OSError, ValueError) as error:
        print(console.message(error), file=sys.stderr)
        console.leave(2)
    except KeyboardInterrupt:
        print(
            f"interrupted; the chains so far are in {_OUTPUT.value}",
            file=sys.stderr,
        )
        console.leave(130)
    print(f"{chains} chains in {_OUTPUT.value}")
    if right:
        shares = ", ".join(f"{k} {100 * v:.1f}" for k, v in right.items())
        mean = 100 * sum(right.values()) / len(right)
        print(f"right next steps: {mean:.1f} % ({shares})")
    return 0


def _check_modes() -> None:
    if _CORRUPT.value and _NEXT.value:
        raise ValueError(
            "--corrupt and --next_step are two ways to make chains; give "
            "one of them, and append the other's in a second run"
        )
    for mode, unused in _UNUSED.items():
        given = [f"--{name}" for name in unused if _FLAGS[name].present]
        if _FLAGS[mode].value and given:
            raise ValueError(
                f"--{mode} has no use for {', '.join(given)}; leave it out"
            )


def _sample() -> tuple[int, dict[str, float]]:
    """The number of chains; of next steps also what share is right."""
    with console.interruptible():
        from jaxlrm import extend
        from jaxlrm.engine import loading
        from jaxlrm.families.training import corrupt, next_step
        from jaxlrm.train import rollouts

        for name in _EXTENSIONS.value:
            search_flags.import_extension(name)
    names = _TASKS.value
    for name in names:
        extend.get(extend.at_level(name)[0])
    common = {
        "problems": _PROBLEMS.value,
        "seed": _SEED.value,
        "report": lambda done: print(
            f"{done}/{_PROBLEMS.value} problems", file=sys.stderr, flush=True
        ),
    }
    if _CORRUPT.value:
        names = names or extend.names()
        return corrupt.sample(names, _OUTPUT.value, **common), {}
    common |= {
        "branches": _BRANCHES.value,
        "temperature": _TEMPERATURE.value,
        "chains": _CHAINS.value,
    }
    with console.interruptible():
        environment.require_devices()
        engine = loading.load(_MODEL.value, extensions=_EXTENSIONS.value)
    with engine:
        names = names or engine.tasks or extend.names()
        if _NEXT.value:
            return next_step.sample(engine, names, _OUTPUT.value, **common)
        chains = rollouts.sample(
            engine,
            names,
            _OUTPUT.value,
            chain_tokens=_CHAIN.value,
            strategy=_STRATEGY.value,
            **common,
        )
        return chains, {}


def run() -> None:
    """Entry point of the console script."""
    launch_flags.run(main)


if __name__ == "__main__":
    run()
