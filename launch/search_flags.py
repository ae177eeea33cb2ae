"""The flags of `SearchConfig` that programs share."""

from __future__ import annotations

from collections.abc import Callable

from absl import flags

from jaxlrm.config import SearchConfig

# Flags defined here belong to the program that asks for them.
flags.disclaim_key_flags()


def define() -> Callable[..., SearchConfig]:
    """Defines the flags of a search but `--strategy` and `--verifiers`.

    Returns:
        `(strategy, verifiers) -> config`, to be called once the flags are
        parsed; ValueError if they cannot go together.
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
        "batch": flags.DEFINE_integer(
            "batch", default.batch, "Problems solved side by side."
        ),
        "seed": flags.DEFINE_integer("seed", default.seed, "Of all sampling."),
    }

    def config(strategy: str, verifiers: str) -> SearchConfig:
        values = {name: holder.value for name, holder in holders.items()}
        return SearchConfig(strategy=strategy, verifiers=verifiers, **values)

    return config


def define_model() -> flags.FlagHolder[str]:
    """Defines `--model`."""
    return flags.DEFINE_string(
        "model", "mini", "Name of a shipped model, or a model folder."
    )
