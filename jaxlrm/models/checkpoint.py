"""Training state on disk: orbax; what is shipped is safetensors (`hf.py`)."""

from __future__ import annotations

import pathlib

import jax
import orbax.checkpoint as ocp


class Checkpoints:
    """The checkpoints of one run; the newest whole one is what counts.

    A checkpoint is written beside its final place and renamed, so a process
    killed while it writes leaves the one before.
    """

    def __init__(self, folder: str | pathlib.Path, keep: int = 2):
        self._manager = ocp.CheckpointManager(
            pathlib.Path(folder).absolute(),
            options=ocp.CheckpointManagerOptions(
                max_to_keep=keep, enable_async_checkpointing=False
            ),
        )

    def latest(self) -> int | None:
        """Step of the newest checkpoint."""
        return self._manager.latest_step()

    def save(self, step: int, state) -> None:
        """Writes a pytree of arrays and returns once it is on disk."""
        self._manager.save(step, args=ocp.args.StandardSave(state))

    def restore(self, step: int, like):
        """Reads a pytree with the structure and shardings of `like`."""
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        return self._manager.restore(
            step, args=ocp.args.StandardRestore(abstract)
        )

    def close(self) -> None:
        self._manager.close()
