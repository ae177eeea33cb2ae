"""The shape of a model."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

from jaxlrm.config.checks import require_positive, require_types

WEIGHTS = ("", "int8")
ACTIVATIONS = ("silu", "gelu", "gelu_pytorch_tanh", "relu2")
ROPE_TYPES = ("linear", "dynamic", "llama3", "yarn", "longrope")
FULL, SLIDING = LAYER_TYPES = ("full_attention", "sliding_attention")


@dataclasses.dataclass(frozen=True)
class RopeScaling:
    """How a rotary embedding is stretched for longer texts.

    Field names are those of `rope_scaling` in a Hugging Face `config.json`.

    Attributes:
        rope_type: one of `ROPE_TYPES`. `dynamic` changes nothing up to
            `max_position_embeddings`, and no chain is longer here.
        factor: by which low frequencies are divided.
        original_max_position_embeddings: longest text before (llama3, yarn,
            longrope).
        low_freq_factor: wavelengths above the original length divided by it
            are stretched whole (llama3).
        high_freq_factor: those below the length divided by it not at all.
        beta_fast: dimensions that turn more often than this within the
            original length are not stretched (yarn).
        beta_slow: those that turn less often are stretched whole.
        truncate: whether the range between is rounded to whole dimensions.
        attention_factor: multiplies cosines and sines (yarn, longrope).
        short_factor: of each frequency, for texts up to the original length
            (longrope).
        long_factor: for longer ones. Not computed with: a chain's keys would
            have to be rotated anew as it grows beyond.
    """

    rope_type: str
    factor: float = 1.0
    original_max_position_embeddings: int = 0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    truncate: bool = True
    attention_factor: float = 1.0
    short_factor: tuple[float, ...] = ()
    long_factor: tuple[float, ...] = ()

    def __post_init__(self):
        require_types(self)
        if self.rope_type not in ROPE_TYPES:
            raise ValueError(
                f"rope_type {self.rope_type!r} is unknown; use one of "
                f"{', '.join(ROPE_TYPES)}"
            )
        require_positive(self, "factor", "attention_factor")
        if self.rope_type in ("llama3", "yarn", "longrope"):
            require_positive(self, "original_max_position_embeddings")
        if self.rope_type == "llama3":
            require_positive(self, "low_freq_factor")
            if not self.low_freq_factor < self.high_freq_factor:
                raise ValueError(
                    f"low_freq_factor {self.low_freq_factor} is not below "
                    f"high_freq_factor {self.high_freq_factor}"
                )
        if self.rope_type == "yarn":
            require_positive(self, "beta_fast", "beta_slow")


class Rope(NamedTuple):
    """A rotary embedding: its base, and how it is stretched, if it is."""

    theta: float
    scaling: RopeScaling | None


class LayerKind(NamedTuple):
    """What the layers of a model may differ in.

    Attributes:
        window: positions that a token sees, its own the last of them; 0 is
            all before it.
        rope: the rotary embedding of queries and keys; None is none.
    """

    window: int
    rope: Rope | None


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Shape of a decoder: what Llama, Qwen, Mistral, Gemma, ... differ in.

    Field names are those of a Hugging Face `config.json`, where it has one.
    What a parameter is present for (`pre_norm`, `qk_norm`, ...) is declared in
    `models.params`, and which architecture has what in `models.hf_config`.

    Attributes:
        vocab_size: `V`, rows of the embedding.
        hidden_size: `E`.
        num_layers: `L`.
        num_heads: `H`, query heads.
        num_kv_heads: `K`, key/value heads; divides `num_heads`.
        head_dim: `D`, even (rotary embedding works on pairs).
        intermediate_size: `F`.
        hidden_act: activation of the gated MLP, one of `ACTIVATIONS`.
        rms_norm_eps: epsilon of every RMSNorm.
        rope_theta: base of the rotary embedding.
        max_position_embeddings: longest sequence, in tokens.
        attention_bias: bias on q, k and v (Qwen2).
        qk_norm: RMSNorm on q and k (Qwen3, Gemma 3, OLMo 2).
        tie_word_embeddings: the unembedding is the embedding.
        value_head: a scalar head on the last hidden state (reward model, or
            generator that judges its own steps).
        rope_scaling: how the rotary embedding is stretched.
        partial_rotary_factor: share of each head's dimensions, the first ones,
            that are rotated (Phi-4-mini).
        rope_local_base_freq: base of the rotary embedding, unstretched, of the
            layers with a window (Gemma 3); 0 is that of all layers.
        sliding_window: positions that a token sees in the layers with a
            window; 0 is no window.
        layer_types: of each layer, one of `LAYER_TYPES`; () is a window in
            all of them, if there is one.
        no_rope_layers: of each layer, 1 where it has a rotary embedding and 0
            where it has none (SmolLM3); () is 1 for all.
        qk_norm_per_head: whether that norm is over each head, or over all of
            them together (OLMo 2).
        pre_norm: norms before attention and MLP (all but OLMo 2).
        post_norm: norms behind them (Gemma, OLMo 2).
        norm_offset: norms multiply by one plus their weight (Gemma).
        scale_embedding: embeddings are multiplied by the root of `E` (Gemma).
        query_pre_attn_scalar: logits of the attention are divided by its root
            (Gemma); 0 is `head_dim`.
        attn_logit_softcapping: bound of the logits of the attention, by a
            hyperbolic tangent (Gemma 2); 0 is none.
        final_logit_softcapping: the same of the logits of the next token.
        num_experts: `X`, of each MLP; 0 is one MLP for all tokens.
        num_experts_per_tok: how many of them read a token.
        moe_intermediate_size: `F` of an expert.
        norm_topk_prob: whether the weights of a token's experts sum to one.
        model_type: architecture that `models.hf` writes a checkpoint as, if it
            can have this shape; models that differ in it alone are equal.
        weights: how those of products are held: "" as they are, or "int8".
    """

    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    intermediate_size: int
    hidden_act: str = "silu"
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    max_position_embeddings: int = 2048
    attention_bias: bool = False
    qk_norm: bool = False
    tie_word_embeddings: bool = True
    value_head: bool = False
    rope_scaling: RopeScaling | None = None
    partial_rotary_factor: float = 1.0
    rope_local_base_freq: float = 0.0
    sliding_window: int = 0
    layer_types: tuple[str, ...] = ()
    no_rope_layers: tuple[int, ...] = ()
    qk_norm_per_head: bool = True
    pre_norm: bool = True
    post_norm: bool = False
    norm_offset: bool = False
    scale_embedding: bool = False
    query_pre_attn_scalar: float = 0.0
    attn_logit_softcapping: float = 0.0
    final_logit_softcapping: float = 0.0
    num_experts: int = 0
    num_experts_per_tok: int = 0
    moe_intermediate_size: int = 0
    norm_topk_prob: bool = False
    model_type: str = dataclasses.field(default="", compare=False)
    weights: str = ""

    def __post_init__(self):
        require_types(self)
        require_positive(
            self,
            "vocab_size",
            "hidden_size",
            "num_layers",
            "num_heads",
            "num_kv_heads",
            "head_dim",
            "intermediate_size",
            "rms_norm_eps",
            "rope_theta",
            "max_position_embeddings",
        )
        if self.weights not in WEIGHTS:
            raise ValueError(
                f"weights {self.weights!r} is unknown; use one of "
                f"{', '.join(map(repr, WEIGHTS))}"
            )
        for name in (
            "rope_local_base_freq",
            "sliding_window",
            "query_pre_attn_scalar",
            "attn_logit_softcapping",
            "final_logit_softcapping",
            "num_experts",
        ):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; it must be positive, "
                    "or 0 for none"
                )
        if self.num_heads % self.num_kv_heads:
            raise ValueError(
                f"num_heads {self.num_heads} is not a multiple of "
                f"num_kv_heads {self.num_kv_heads}; grouped-query attention "
                "shares each key/value head among equally many query heads"
            )
        if self.head_dim % 2:
            raise ValueError(
                f"head_dim {self.head_dim} is odd; the rotary embedding "
                "rotates pairs, use an even number"
            )
        if self.hidden_act not in ACTIVATIONS:
            raise ValueError(
                f"hidden_act {self.hidden_act!r} is unknown; use one of "
                f"{', '.join(ACTIVATIONS)}"
            )
        self._check_rope()
        self._check_layers()
        self._check_experts()

    def _check_rope(self):
        if not 0 < self.partial_rotary_factor <= 1 or self.rotary_dim % 2:
            raise ValueError(
                f"partial_rotary_factor {self.partial_rotary_factor} rotates "
                f"{self.rotary_dim} of head_dim {self.head_dim} dimensions; "
                "it must be an even number of them, and all at most"
            )
        scaling = self.rope_scaling
        if scaling is None or scaling.rope_type != "longrope":
            return
        for name in ("short_factor", "long_factor"):
            factors = getattr(scaling, name)
            if len(factors) != self.rotary_dim // 2 or not all(
                0 < factor < math.inf for factor in factors
            ):
                raise ValueError(
                    f"{name} has {len(factors)} numbers; it must have "
                    f"{self.rotary_dim // 2}, half as many as are rotated of "
                    "head_dim, all positive"
                )

    def _check_layers(self):
        for name, allowed in (
            ("layer_types", LAYER_TYPES),
            ("no_rope_layers", (0, 1)),
        ):
            value = getattr(self, name)
            if value and (
                len(value) != self.num_layers or not set(value) <= set(allowed)
            ):
                raise ValueError(
                    f"{name} has {len(value)} items; it must have one for "
                    f"each of num_layers {self.num_layers}, of "
                    f"{', '.join(map(str, allowed))}"
                )
        if SLIDING in self.layer_types and not self.sliding_window:
            raise ValueError(
                f"layer_types has {SLIDING} and sliding_window is 0; say how "
                "many positions such a layer sees"
            )

    def _check_experts(self):
        if not self.num_experts:
            return
        require_positive(self, "moe_intermediate_size", "num_experts_per_tok")
        if self.num_experts_per_tok > self.num_experts:
            raise ValueError(
                f"num_experts_per_tok {self.num_experts_per_tok} is more than "
                f"num_experts {self.num_experts}"
            )

    @property
    def rotary_dim(self) -> int:
        """Dimensions of each head that are rotated."""
        return int(self.head_dim * self.partial_rotary_factor)

    @property
    def context(self) -> int:
        """Tokens of the longest chain that is computed as it was trained."""
        scaling = self.rope_scaling
        if scaling is not None and scaling.rope_type == "longrope":
            original = scaling.original_max_position_embeddings
            return min(self.max_position_embeddings, original)
        return self.max_position_embeddings

    @property
    def kinds(self) -> tuple[LayerKind, ...]:
        """The kind of each layer."""
        types = self.layer_types or (SLIDING,) * self.num_layers
        rotated = self.no_rope_layers or (1,) * self.num_layers
        everywhere = Rope(self.rope_theta, self.rope_scaling)
        local = everywhere
        if self.rope_local_base_freq:
            local = Rope(self.rope_local_base_freq, None)
        # A window as long as the longest chain hides nothing.
        window = self.sliding_window
        window = window if window < self.context else 0

        def kind(layer_type: str, has_rope: int) -> LayerKind:
            sliding = layer_type == SLIDING and self.sliding_window > 0
            rope = local if sliding else everywhere
            return LayerKind(
                window if sliding else 0, rope if has_rope else None
            )

        return tuple(map(kind, types, rotated))

    @property
    def ropes(self) -> tuple[Rope | None, ...]:
        """The rotary embeddings of the layers, each once."""
        return tuple(dict.fromkeys(kind.rope for kind in self.kinds))

    @property
    def has_windows(self) -> bool:
        """Whether some layer does not see all of a chain."""
        return any(kind.window for kind in self.kinds)
