"""Configuration: frozen dataclasses and their validation (no JAX, no absl)."""

from jaxlrm.config.model import (
    ACTIVATIONS,
    LAYER_TYPES,
    ROPE_TYPES,
    WEIGHTS,
    LayerKind,
    ModelConfig,
    Rope,
    RopeScaling,
)
from jaxlrm.config.reading import (
    from_json,
    replace_path,
    replace_paths,
    to_json,
)
from jaxlrm.config.search import (
    AGGREGATES,
    CHECKED,
    CHOICES,
    DOUBT,
    LINE,
    PARAGRAPH,
    SCORED,
    STEPWISE,
    STRATEGIES,
    VERIFIERS,
    WHOLE,
    SearchConfig,
)
from jaxlrm.config.training import OptimiserConfig, TrainConfig

__all__ = [
    "ACTIVATIONS",
    "LAYER_TYPES",
    "ROPE_TYPES",
    "WEIGHTS",
    "LayerKind",
    "ModelConfig",
    "Rope",
    "RopeScaling",
    "from_json",
    "replace_path",
    "replace_paths",
    "to_json",
    "AGGREGATES",
    "CHECKED",
    "CHOICES",
    "DOUBT",
    "LINE",
    "PARAGRAPH",
    "SCORED",
    "STEPWISE",
    "STRATEGIES",
    "VERIFIERS",
    "WHOLE",
    "SearchConfig",
    "OptimiserConfig",
    "TrainConfig",
]
