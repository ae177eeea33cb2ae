"""Muon for the matrices of the layers, Adam for everything else."""

from __future__ import annotations

import jax
import optax
from optax import contrib

from jaxlrm.config import ModelConfig, OptimiserConfig
from jaxlrm.models import params


def schedule(peak: float, config: OptimiserConfig, steps: int):
    """Linear warm-up, a plateau at `peak`, linear decay to zero."""
    return optax.join_schedules(
        [
            optax.linear_schedule(0.0, peak, config.warmup),
            optax.constant_schedule(peak),
            optax.linear_schedule(peak, 0.0, max(1, config.decay)),
        ],
        [config.warmup, steps - config.decay],
    )


def build(
    model: ModelConfig, config: OptimiserConfig, steps: int
) -> optax.GradientTransformation:
    """The optimiser of a run of `steps` steps."""
    return optax.chain(
        optax.clip_by_global_norm(config.clip),
        contrib.muon(
            schedule(config.learning_rate, config, steps),
            adam_learning_rate=schedule(
                config.adam_learning_rate, config, steps
            ),
            muon_weight_dimension_numbers=_matrices(model),
        ),
    )


def _matrices(model: ModelConfig) -> params.Transformer:
    """Which axes of each layer parameter are a matrix's rows and columns.

    None leaves a parameter to Adam. The leading axis (layers) is a batch.
    """
    rows_and_columns = contrib.MuonDimensionNumbers(1, 2)
    names = ("query", "key", "value", "output", "gate", "up", "down")
    matrices = dict.fromkeys(names, rows_and_columns)
    declared = params.specs(model)
    nothing = jax.tree.map(lambda _: None, declared, is_leaf=params.is_spec)
    return nothing.replace(layers=nothing.layers.replace(**matrices))
