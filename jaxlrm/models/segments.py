"""Keys and values of some slots of a cache, and who sees what of them."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct


class Part(NamedTuple):
    """One layer of one segment, and who sees what of it.

    Attributes:
        keys: `[G, groups, K, D, T]`, rotated and transposed.
        values: `[G, groups, K, T, D]`.
        mask: bool or int8, broadcastable to `[G, B, S, T]`; a token must see at
            least one slot of at least one part.
    """

    keys: jax.Array
    values: jax.Array
    mask: jax.Array


@struct.dataclass
class Segment:
    """Keys and values of some slots, each layer an array of its own.

    Attributes:
        keys: `L` arrays `[G, groups, K, D, slots]`, rotated and transposed.
        values: `L` arrays `[G, groups, K, slots, D]`.
    """

    keys: tuple[jax.Array, ...]
    values: tuple[jax.Array, ...]

    @property
    def slots(self) -> int:
        return self.keys[0].shape[-1]

    def layers(self, first: int, size: int) -> Segment:
        """Up to `size` of its layers, from `first` on."""
        some = slice(first, first + size)
        return Segment(self.keys[some], self.values[some])

    def squeeze(self) -> Segment:
        """Without the axes of length one.

        A loop that updates a segment carries it so: XLA drops these axes
        where it reads one, takes this for another array than the one it
        carries, and copies the segment for each.
        """
        return jax.tree.map(jnp.squeeze, self)

    def unsqueeze(self, like: Segment) -> Segment:
        """In the shape of `like`, which was squeezed."""
        return jax.tree.map(lambda x, y: x.reshape(y.shape), self, like)

    def write(self, number: int, keys, values, index):
        """Layer `number` with new slots written at `index` onwards."""

        def write(old, new, axis: int):
            alone = [n for n, size in enumerate(old.shape) if size == 1]
            alone = tuple(n for n in alone if n != axis)  # see `squeeze`
            written = jax.lax.dynamic_update_slice_in_dim(
                old.squeeze(alone),
                new.squeeze(alone),
                index,
                axis - sum(n < axis for n in alone),
            )
            return written.reshape(old.shape)

        return (
            write(self.keys[number], keys, 4),
            write(self.values[number], values, 3),
        )


class Context(NamedTuple):
    """A segment that is read, and who sees what of it.

    Attributes:
        segment: the keys and values.
        mask: bool, or int8 of 0 and 1, broadcastable to `[G, B, S, slots]`.
        positions: int32, broadcastable to `[G, B, slots]`: those of the slots
            in their branch's chain. Needed by layers with a window.
    """

    segment: Segment
    mask: jax.Array
    positions: jax.Array | None = None

    def within(self, window: int, positions: jax.Array) -> Context:
        """What tokens at `positions [G, B, S]` see through a window."""
        mask = within(self.mask, window, positions, self.positions)
        return self._replace(mask=mask)

    def layer(self, number: int) -> Part:
        segment = self.segment
        return Part(segment.keys[number], segment.values[number], self.mask)

    def branches(self, first, size: int, total: int) -> Context:
        """What `size` of `total` branches see: of a group, or whole groups.

        Args:
            first: number of the first of them, may be traced.
            size: how many.
            total: `B`.
        """
        cut = jax.lax.dynamic_slice_in_dim
        segment, mask = self.segment, self.mask
        groups = segment.keys[0].shape[1]
        if groups > 1:
            members = total // groups
            group, count = first // members, max(size // members, 1)
            segment = jax.tree.map(
                lambda x: cut(x, group, count, axis=1), segment
            )
        if mask.ndim > 2 and mask.shape[-3] > 1:
            mask = cut(mask, first, size, axis=mask.ndim - 3)
        positions = self.positions
        if positions is not None and positions.ndim > 1:
            if positions.shape[-2] > 1:
                axis = positions.ndim - 2
                positions = cut(positions, first, size, axis=axis)
        return Context(segment, mask, positions)


def within(
    mask: jax.Array, window: int, positions: jax.Array, slots: jax.Array
) -> jax.Array:
    """A mask without the slots that a window leaves behind.

        positions  3 4    slots  0 1 2 3 4    window 2    . . x x .
                                                          . . . x x

    Args:
        mask: bool or int8, broadcastable to `[G, B, S, T]`.
        window: positions that a token sees, its own the last; 0 is all.
        positions: of the tokens, broadcastable to `[G, B, S]`.
        slots: positions of the slots, broadcastable to `[G, B, T]`.
    """
    if not window:
        return mask
    near = slots[..., None, :] > positions[..., :, None] - window
    return mask.astype(bool) & near


def each_layer(function, *segments: Segment) -> Segment:
    """Calls `function` on each layer, with the axis of its slots."""
    keys, values = (
        tuple(function(*layers, axis) for layers in zip(*parts, strict=True))
        for parts, axis in (
            ([segment.keys for segment in segments], 4),
            ([segment.values for segment in segments], 3),
        )
    )
    return Segment(keys, values)
