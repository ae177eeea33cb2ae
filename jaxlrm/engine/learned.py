"""The models of an engine: one that writes, and those that score."""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Sequence

import jax

from jaxlrm.config import ModelConfig
from jaxlrm.models import params


@dataclasses.dataclass(frozen=True)
class Learned:
    """A model's shape and parameters.

    Attributes:
        config: shape.
        params: parameters, on the host or on devices.
        weight: of its logit, where it is one learned verifier of several.
        likelihood: how much of a step's log-likelihood its score has, see
            `calibrate`.
    """

    config: ModelConfig
    params: params.Transformer
    weight: float = 1.0
    likelihood: float = 0.0


@dataclasses.dataclass(frozen=True)
class Own:
    """The generator's value head as a learned verifier.

    Attributes:
        weight: of its logit.
    """

    weight: float = 1.0


def require_fit(
    generator: Learned, rewards: Sequence[Learned | Own], tokens: int
) -> None:
    """Raises ValueError for models that do not fit together.

    Args:
        generator: the model that writes.
        rewards: the learned verifiers.
        tokens: of the tokenizer, which is the generator's.
    """
    if tokens > generator.config.vocab_size:
        raise ValueError(
            f"the tokenizer has {tokens} tokens and the model "
            f"{generator.config.vocab_size}; they are not of one model"
        )
    for judge in rewards:
        _require_weight(judge.weight)
        own = isinstance(judge, Own)
        config = generator.config if own else judge.config
        if not config.value_head:
            what = "generator" if own else "reward model"
            raise ValueError(
                f"the {what} has no value head (value_head=False); "
                "train one, or leave it out of the rewards"
            )
        if tokens > config.vocab_size:
            raise ValueError(
                f"the tokenizer has {tokens} tokens and a reward model "
                f"{config.vocab_size}; a reward model needs the tokenizer of "
                "the generator"
            )


def _require_weight(weight: float) -> None:
    """Refuses what `--reward` refuses, too."""
    if not isinstance(weight, numbers.Real) or not 0 < weight < math.inf:
        raise ValueError(
            f"a reward has no positive weight: {weight!r}; give it a number, "
            'as in reward={"prm": 2}'
        )


def require_alike(new: params.Transformer, old: params.Transformer) -> None:
    """Raises ValueError if parameters are not of the same shapes and dtypes."""
    found, wanted = _described(new), _described(old)
    for name in wanted | found:
        if found.get(name) != wanted.get(name):
            raise ValueError(
                f"parameter {name} is {found.get(name, 'missing')}, and in "
                f"this model {wanted.get(name, 'missing')}"
            )


def _described(values: params.Transformer) -> dict[str, str]:
    """The dtype and shape of each parameter, by its name."""
    return {
        jax.tree_util.keystr(path).lstrip("."): f"{leaf.dtype} {leaf.shape}"
        for path, leaf in jax.tree.leaves_with_path(values)
    }
