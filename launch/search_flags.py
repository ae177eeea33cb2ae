"""The flags of a search that programs share, and the model they name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from absl import flags

from jaxlrm.config import SearchConfig

from . import console

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
        "branches": flags.DEFINE_integer(
            "branches", default.branches, "Chains of thought side by side."
        ),
        "width": flags.DEFINE_integer(
            "width",
            default.width,
            "Children of each step that a beam keeps; divides --branches.",
        ),
        "temperature": flags.DEFINE_float(
            "temperature",
            default.temperature,
            "Of sampling; 0 takes the likeliest token.",
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
            "rounds", default.rounds, "Most steps of a chain, in a beam."
        ),
        "chain_tokens": flags.DEFINE_integer(
            "chain_tokens",
            default.chain_tokens,
            "Most tokens of a chain; 0: half of the model's context.",
            lower_bound=0,
        ),
        "batch": flags.DEFINE_integer(
            "batch", default.batch, "Problems solved side by side."
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
    """Defines `--model` and `--reward`.

    Args:
        several: take a list of models.

    Returns:
        A function that loads the model, or the one it is given the name of;
        FileNotFoundError or ValueError if it cannot. Its `names()` are the
        models that were asked for.
    """
    say = "Name of a shipped model, or a model folder"
    if several:
        model = flags.DEFINE_list("model", "mini", f"{say}; or several.")
    else:
        model = flags.DEFINE_string("model", "mini", f"{say}.")
    reward = flags.DEFINE_string(
        "reward",
        None,
        "The same for a reward model that scores the steps; by default the "
        "model's own value head does.",
    )

    def load(name: str | None = None) -> Engine:
        with console.interruptible():
            from jaxlrm import engine

            engine.enable_compilation_cache()
            return engine.load(name or model.value, reward=reward.value)

    load.names = lambda: list(dict.fromkeys(model.value))
    return load
