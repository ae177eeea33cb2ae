"""The one table of tensors: their names and layouts in a checkpoint.

Loading, saving and messages about what does not fit are folds over it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from jaxlrm.config import ModelConfig
from jaxlrm.models import params
from jaxlrm.models.architectures import ARCHITECTURES, model_type

HEAD = "lm_head.weight"
EMBEDDING = "model.embed_tokens.weight"
_LAYER = "model.layers.{layer}."
_EXPERT = _LAYER + "mlp.experts.{expert}."


class Layout(NamedTuple):
    """How a checkpoint lays out a parameter.

    Attributes:
        shape: there, given ours.
        read: from its layout to ours.
        write: from ours to its.
    """

    shape: Callable[[tuple[int, ...]], tuple[int, ...]]
    read: Callable[[np.ndarray], np.ndarray]
    write: Callable[[np.ndarray], np.ndarray]


_SAME = Layout(lambda ours: ours, lambda x: x, lambda x: x)
# A weight, `[out, in]` there.
_LINEAR = Layout(lambda ours: ours[::-1], lambda x: x.T, lambda x: x.T)
# A parameter of the scalar head, which there has one row of outputs.
_ROW = Layout(lambda ours: (1, *ours), lambda x: x[0], lambda x: x[None])


class Place(NamedTuple):
    """Where a tensor, or some of its rows, is among the parameters.

    Attributes:
        path: names of fields from `params.Transformer` on.
        index: in the stacked axes: layer and expert.
        rows: of the tensor's first axis.
    """

    path: tuple[str, ...]
    index: tuple[int, ...]
    rows: slice


class Tensor(NamedTuple):
    """A tensor of a checkpoint.

    Attributes:
        shape: there.
        layout: of what is in it.
        places: its parts, one after the other along its first axis.
    """

    shape: tuple[int, ...]
    layout: Layout
    places: tuple[Place, ...]

    def read(self, value: np.ndarray) -> Iterator[tuple[Place, np.ndarray]]:
        """What it holds of each parameter, in our layout."""
        for place in self.places:
            part = value if len(self.places) == 1 else value[place.rows]
            yield place, self.layout.read(part)

    def write(self, values: params.Transformer) -> np.ndarray:
        """The tensor, out of the parameters."""
        parts = []
        for place in self.places:
            part = values
            for name in place.path:
                part = getattr(part, name)
            parts.append(self.layout.write(np.asarray(part[place.index])))
        whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return np.ascontiguousarray(whole)


def tensors(config: ModelConfig) -> dict[str, Tensor]:
    """The tensors of a checkpoint, by their names in `transformers`.

    Raises:
        ValueError: no architecture has this shape.
    """
    declared = params.specs(config)
    found: dict[str, Tensor] = {}

    def add(name: str, layout: Layout, *paths: str, **index: int) -> None:
        name, size, places = name.format(**index), 0, []
        for path in paths:
            spec = declared
            for field in path.split("."):
                spec = spec and getattr(spec, field)
            if spec is None:
                return
            shape = layout.shape(spec.shape[len(index) :])
            rows = shape[0] if shape else 0
            places.append(
                Place(
                    tuple(path.split(".")),
                    tuple(index.values()),
                    slice(size, size + rows),
                )
            )
            size += rows
        shape = (size, *shape[1:]) if len(paths) > 1 else shape
        found[name] = Tensor(shape, layout, tuple(places))

    add(EMBEDDING, _SAME, "embedding")
    for layer in range(config.num_layers):
        for name, layout, *fields in _layer(config):
            paths = ["layers." + field for field in fields]
            if not name.startswith(_EXPERT):
                add(name, layout, *paths, layer=layer)
                continue
            for expert in range(config.num_experts):
                add(name, layout, *paths, layer=layer, expert=expert)
    add("model.norm.weight", _SAME, "final_norm")
    add(HEAD, _LINEAR, "unembedding")
    for field in ("kernel", "bias"):
        kind = "weight" if field == "kernel" else "bias"
        add(f"score.{kind}", _ROW, f"value_head.{field}")
    return found


def _layer(config: ModelConfig) -> list[tuple]:
    """Rows of the table: name, layout, and the fields of `params.Layers`.

    A row whose fields the model has not is left out.
    """
    fused = ARCHITECTURES[model_type(config)].fused
    before, behind = "post_attention_layernorm", ""
    if config.post_norm:  # the name of one norm is that of another elsewhere
        before, behind = "pre_feedforward_layernorm", before
    mlp = _EXPERT if config.num_experts else _LAYER + "mlp."
    attention = _LAYER + "self_attn."
    projections = [
        (f"{attention}{name}_proj.weight", _LINEAR, field)
        for name, field in (("q", "query"), ("k", "key"), ("v", "value"))
    ]
    gates = [
        (f"{mlp}{name}_proj.weight", _LINEAR, name) for name in ("gate", "up")
    ]
    if fused:
        fields = [row[-1] for row in projections]
        projections = [(attention + "qkv_proj.weight", _LINEAR, *fields)]
        fields = [row[-1] for row in gates]
        gates = [(mlp + "gate_up_proj.weight", _LINEAR, *fields)]
    return [
        (_LAYER + "input_layernorm.weight", _SAME, "attention_norm"),
        *projections,
        (attention + "o_proj.weight", _LINEAR, "output"),
        (attention + "q_proj.bias", _SAME, "query_bias"),
        (attention + "k_proj.bias", _SAME, "key_bias"),
        (attention + "v_proj.bias", _SAME, "value_bias"),
        (attention + "q_norm.weight", _SAME, "query_norm"),
        (attention + "k_norm.weight", _SAME, "key_norm"),
        (f"{_LAYER}{behind}.weight", _SAME, "attention_post_norm"),
        (f"{_LAYER}{before}.weight", _SAME, "mlp_norm"),
        (_LAYER + "mlp.gate.weight", _LINEAR, "router"),
        *gates,
        (mlp + "down_proj.weight", _LINEAR, "down"),
        (
            _LAYER + "post_feedforward_layernorm.weight",
            _SAME,
            "mlp_post_norm",
        ),
    ]
