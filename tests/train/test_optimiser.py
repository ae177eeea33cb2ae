"""Which parameters move how, and how fast."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlrm.config import OptimiserConfig
from jaxlrm.models import params
from jaxlrm.testing import model_config
from jaxlrm.train import optimiser

CONFIG = OptimiserConfig(
    learning_rate=0.02, adam_learning_rate=0.004, warmup=0, clip=1e9
)
MATRICES = ("query", "key", "value", "output", "gate", "up", "down")
# Every kind of parameter there is.
SHAPE = model_config(
    attention_bias=True,
    qk_norm=True,
    tie_word_embeddings=False,
    hidden_size=24,
)


def first_update(config=CONFIG, scale=1.0):
    """The first update, for random gradients."""
    values = params.init(SHAPE, jax.random.key(0))
    leaves, treedef = jax.tree.flatten(values)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    gradients = treedef.unflatten(
        scale * jax.random.normal(key, leaf.shape)
        for key, leaf in zip(keys, leaves, strict=True)
    )
    built = optimiser.build(SHAPE, config, steps=10)

    @jax.jit
    def run(gradients, values):
        return built.update(gradients, built.init(values), values)[0]

    return run(gradients, values), gradients


def test_matrices_move_by_orthogonal_updates():
    """All singular values of a Muon update are about the learning rate."""
    update, gradient = first_update()
    for name in MATRICES:
        for number, layer in enumerate(getattr(update.layers, name)):
            size = np.linalg.svd(layer.reshape(layer.shape[0], -1))[1]
            # Newton-Schulz leaves them between 0.7 and 1.2; by our scale.
            assert size.max() / size.min() < 2.5, (name, number)
            before = getattr(gradient.layers, name)[number]
            assert np.vdot(before, layer) < 0, (name, number)


def test_everything_else_moves_by_adam():
    """Adam's first update has one size, that of the learning rate.

    With Nesterov's momentum it is `1 + b1 / (1 + b1)` times that.
    """
    update, gradient = first_update()
    keep = dict.fromkeys(MATRICES)
    update = update.replace(layers=update.layers.replace(**keep))
    gradient = gradient.replace(layers=gradient.layers.replace(**keep))
    assert len(jax.tree.leaves(update)) == 12
    jax.tree.map(
        lambda found, slope: np.testing.assert_allclose(
            found, -0.004 * (1 + 0.9 / 1.9) * np.sign(slope), rtol=1e-3
        ),
        update,
        gradient,
    )


def test_gradients_are_clipped_together():
    """Then small entries fall below Adam's epsilon, so updates shrink."""
    whole, _ = first_update()
    clipped, _ = first_update(
        OptimiserConfig(
            learning_rate=0.02, adam_learning_rate=0.004, warmup=0, clip=1e-6
        )
    )
    ratio = jnp.abs(clipped.embedding).mean() / jnp.abs(whole.embedding).mean()
    assert ratio < 0.9


@pytest.mark.parametrize(
    ("warmup", "decay", "expected"),
    [
        (0, 0, [1, 1, 1, 1, 1, 1, 1, 1]),
        (4, 0, [0, 0.25, 0.5, 0.75, 1, 1, 1, 1]),
        (0, 4, [1, 1, 1, 1, 1, 0.75, 0.5, 0.25]),
        (2, 4, [0, 0.5, 1, 1, 1, 0.75, 0.5, 0.25]),
        (2, 6, [0, 0.5, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]),
        (100, 0, [0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07]),
    ],
)
def test_schedule(warmup, decay, expected):
    config = OptimiserConfig(warmup=warmup, decay=decay)
    rate = optimiser.schedule(2.0, config, steps=8)
    found = [float(rate(step)) / 2 for step in range(8)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    if decay:
        assert rate(8) == 0


@pytest.mark.parametrize("name", ["warmup", "decay"])
def test_a_number_of_steps_is_not_negative(name):
    with pytest.raises(ValueError, match=f"{name} is -1"):
        OptimiserConfig(**{name: -1})
