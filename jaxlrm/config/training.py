"""The settings of a training run."""

from __future__ import annotations

import dataclasses
from typing import Literal

from jaxlrm.config.checks import require_positive
from jaxlrm.config.model import ModelConfig


@dataclasses.dataclass(frozen=True)
class OptimiserConfig:
    """Muon for matrices, Adam for the rest; warm-up, constant, decay.

    Attributes:
        learning_rate: of Muon (Jordan et al. 2024), at its plateau.
        adam_learning_rate: of Adam (embeddings, norms, biases, heads).
        warmup: steps from zero to the plateau.
        decay: last steps, from the plateau linearly down to zero.
        clip: largest global norm of the gradient.
    """

    learning_rate: float = 0.02
    adam_learning_rate: float = 4e-3
    warmup: int = 100
    decay: int = 0
    clip: float = 1.0

    def __post_init__(self):
        require_positive(self, "learning_rate", "adam_learning_rate", "clip")
        for name in ("warmup", "decay"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; it is a number of "
                    "steps, 0 for none"
                )


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes:
        model: shape of the model.
        extensions: modules to import, which register families of problems;
            the model that is trained will name them as what it needs.
        tasks: families to draw problems from, in equal parts; one named twice
            gets two parts. `expand@5` is drawn at that level of difficulty
            alone.
        levels: levels of difficulty of the other families, in equal parts.
        easy: share of the steps, from the first one, that leave out the
            harder half of the levels.
        rollouts: JSON-lines file of sampled chains with step labels, for the
            value head; empty for none.
        rollout_share: share of documents that are rollouts.
        init: folder of the model to start from; empty starts afresh.
        rows: packed rows a batch, `R`.
        length: tokens a row, `S`; no document in it is longer.
        long: tokens a row of the batches of longer documents, a multiple of
            `length`; those batches have fewer rows, and as many tokens. 0
            leaves longer documents out.
        steps: optimiser steps in all, warm-up and decay among them.
        value_weight: weight of the value head's loss beside the language
            model's.
        optimiser: how the parameters move.
        compute_dtype: of activations and of the products with parameters; the
            parameters themselves, their gradients' sums and the losses are
            float32.
        seed: of initial parameters and data.
        data: devices that share the rows.
        model_parallel: devices that share each parameter.
        log_every: steps between metric lines.
        checkpoint_every: steps between checkpoints.
    """

    model: ModelConfig
    extensions: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    levels: tuple[int, ...] = (1, 2, 3, 4, 5)
    easy: float = 0.0
    rollouts: str = ""
    rollout_share: float = 0.0
    init: str = ""
    rows: int = 32
    length: int = 256
    long: int = 0
    steps: int = 1000
    value_weight: float = 0.5
    optimiser: OptimiserConfig = OptimiserConfig()
    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0
    data: int = 1
    model_parallel: int = 1
    log_every: int = 50
    checkpoint_every: int = 500

    def __post_init__(self):
        require_positive(
            self,
            "rows",
            "length",
            "steps",
            "data",
            "model_parallel",
            "log_every",
            "checkpoint_every",
        )
        if self.rows % self.data:
            raise ValueError(
                f"rows {self.rows} is not a multiple of data {self.data}; "
                "every device takes equally many rows"
            )
        warmup, decay = self.optimiser.warmup, self.optimiser.decay
        if warmup + decay > self.steps:
            raise ValueError(
                f"optimiser.warmup {warmup} and optimiser.decay {decay} are "
                f"more than steps {self.steps}; lower them as well"
            )
        for name in ("easy", "rollout_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f"{name} {getattr(self, name)} is not between 0 and 1"
                )
        if not self.levels or not set(self.levels) <= set(range(1, 8)):
            raise ValueError(
                f"levels {self.levels} are not levels of difficulty; name some "
                "of 1 to 7"
            )
        if self.rollout_share and not (self.rollouts and self.model.value_head):
            raise ValueError(
                f"rollout_share {self.rollout_share} needs rollouts and a "
                "model with value_head"
            )
        if self.long and (
            self.long % self.length
            or self.rows * self.length % (self.long * self.data)
        ):
            raise ValueError(
                f"long {self.long} does not divide a batch: it must be a "
                f"multiple of length {self.length}, and rows {self.rows} a "
                "multiple of long / length times data"
            )
        longest = max(self.length, self.long)
        if longest > self.model.max_position_embeddings:
            raise ValueError(
                f"length {longest} is over max_position_embeddings "
                f"{self.model.max_position_embeddings}; shorten the rows"
            )
