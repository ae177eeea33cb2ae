"""Random models of a few thousand parameters, and their tokenizer."""

from __future__ import annotations

import functools

import jax

from jaxlrm.config import ModelConfig
from jaxlrm.engine.engine import Engine, Learned
from jaxlrm.models import params
from jaxlrm.text import Text, train_tokenizer


@functools.cache
def text() -> Text:
    """A tokenizer of the printable ASCII characters, a token each.

    A line is a step.
    """
    return train_tokenizer([], 128)


def model_config(**changes) -> ModelConfig:
    """A model of two layers that fits the tokenizer of `text`.

    Args:
        **changes: fields of `ModelConfig`.
    """
    shape = {
        "vocab_size": 128,
        "hidden_size": 16,
        "num_layers": 2,
        "num_heads": 4,
        "num_kv_heads": 2,
        "head_dim": 8,
        "intermediate_size": 32,
        "max_position_embeddings": 256,
        "value_head": True,
    }
    return ModelConfig(**{**shape, **changes})


@functools.cache
def learned(seed: int = 0, **changes) -> Learned:
    """A random model; its value head is random too, so that scores differ.

    Args:
        seed: of the parameters.
        **changes: fields of `ModelConfig`.
    """
    config = model_config(**changes)
    values = params.init(config, jax.random.key(seed))
    if config.value_head:
        kernel = jax.random.normal(
            jax.random.key(seed + 1), (config.hidden_size,)
        )
        values = values.replace(
            value_head=values.value_head.replace(kernel=kernel)
        )
    return Learned(config, jax.device_get(values))


def engine(seed: int = 0, *, mesh=None, **changes) -> Engine:
    """An engine with the model of `learned`."""
    return Engine(learned(seed, **changes), text(), mesh=mesh, name="tiny")
