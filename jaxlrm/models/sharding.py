"""Meshes, the one table of logical axes, and constraints.

A mesh has two axes: `data` (problems, or the branches of a few) and `model`
(heads, feed-forward, vocabulary). Arrays name their axes logically;
`LOGICAL_AXES` maps a logical name to a mesh axis. Everything below works on one
device too: there the mesh is 1x1, so the same code path is always the one that
runs.
"""

from __future__ import annotations

import functools

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxlrm.config import ModelConfig

LOGICAL_AXES: dict[str, str | None] = {
    "problems": "data",
    "branches": "data",  # where it does not divide the problems, see `fit`
    "heads": "model",
    "kv_heads": "model",
    "mlp": "model",
    "experts": None,  # each is shared, as an MLP is
    "vocab": "model",
    "embed": None,
    "head_dim": None,
    "layers": None,
}


def make_mesh(data: int = 1, model: int = 1, devices=None) -> Mesh:
    """A `data` x `model` mesh over the first `data * model` devices.

    Raises:
        ValueError: there are fewer devices than that.
    """
    devices = jax.devices() if devices is None else devices
    if data < 1 or model < 1 or data * model > len(devices):
        more = ""
        if jax.default_backend() == "cpu":
            more = ", or set JAX_NUM_CPU_DEVICES"
        raise ValueError(
            f"a {data}x{model} mesh needs {data * model} devices and there "
            f"are {len(devices)}; choose data * model <= {len(devices)}{more}"
        )
    grid = np.asarray(devices[: data * model]).reshape(data, model)
    return Mesh(grid, ("data", "model"), axis_types=(AxisType.Auto,) * 2)


def partition(*logical: str | None) -> PartitionSpec:
    """The PartitionSpec of an array with these logical axes.

    Raises:
        ValueError: an unknown name, or two axes on one mesh axis that are not
            problems and branches.
    """
    axes = []
    for name in logical:
        if name is not None and name not in LOGICAL_AXES:
            raise ValueError(
                f"unknown logical axis {name!r}; known: "
                f"{', '.join(LOGICAL_AXES)}"
            )
        axes.append(LOGICAL_AXES[name] if name else None)
    used = [
        axis
        for name, axis in zip(logical, axes, strict=True)
        if axis and name != "branches"
    ]
    if len(used) != len(set(used)):
        raise ValueError(
            f"logical axes {logical} map to {axes}: one mesh axis twice"
        )
    return PartitionSpec(*axes)


def fit(spec: PartitionSpec, shape, mesh) -> PartitionSpec:
    """Replicates the axes of `spec` that the mesh does not divide.

    Of two on one mesh axis the first that it divides gets it. Inside
    `on_branches` there is no `data` axis.
    """
    types = dict(zip(mesh.axis_names, mesh.axis_types, strict=True))
    axes = []
    for axis, size in zip(spec, shape, strict=True):
        free = axis and axis not in axes and types[axis] != AxisType.Manual
        axes.append(axis if free and size % mesh.shape[axis] == 0 else None)
    return PartitionSpec(*axes)


def check(config: ModelConfig, mesh) -> None:
    """Refuses a mesh whose `model` axis does not divide the query heads.

    Key/value heads that it does not divide are replicated.
    """
    ways = mesh.shape["model"]
    if config.num_heads % ways:
        devices = ways * mesh.shape["data"]
        fitting = ", ".join(
            f"{devices // n}x{n}"
            for n in range(1, devices + 1)
            if devices % n == 0 and config.num_heads % n == 0
        )
        raise ValueError(
            f"{config.num_heads} query heads cannot be split over a model "
            f"axis of {ways}; of {devices} devices these meshes (data x model) "
            f"fit: {fitting}"
        )


def constrain(x: jax.Array, *logical: str | None) -> jax.Array:
    """Pins `x` to the current mesh (`jax.set_mesh`); no mesh, no effect."""
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty:
        return x
    spec = fit(partition(*logical), x.shape, mesh)
    return jax.lax.with_sharding_constraint(x, spec)


def on_shards(function, axes, *arguments):
    """Calls `function` on each device's own shards.

    Devices talk to each other only where `function` makes them. Without a mesh,
    or on a device's own shards already, it is a plain call.

    Args:
        function: of arrays or pytrees of them; what it returns is shared
            among the devices as its first argument is.
        axes: for each argument the logical names of its first axes; all
            arrays of a pytree have the same.
        *arguments: of `function`.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or AxisType.Manual in mesh.axis_types:
        return function(*arguments)

    def spec(names, x):
        names = (*names, *([None] * (x.ndim - len(names))))
        return fit(partition(*names), x.shape, mesh)

    specs = tuple(
        jax.tree.map(functools.partial(spec, names), argument)
        for names, argument in zip(axes, arguments, strict=True)
    )
    return jax.shard_map(
        function, mesh=mesh, in_specs=specs, out_specs=specs[0]
    )(*arguments)


def on_branches(function, whole, *arguments):
    """Calls `function` on each device's own branches, if they are shared.

    They are if the `data` axis does not divide the problems, but the branches
    and their groups, and the model is not shared. Then no device waits for
    another in a loop of `function`, as it would to find out whether all are
    done. Else it is a plain call.

    Args:
        function: of `whole` and `arguments`, to arrays `[G, B, ...]`.
        whole: what each device has all of.
        *arguments: arrays or pytrees of them, each `[G, B, ...]`, `[G, groups,
            ...]` or `[G, 1, ...]`.
    """
    mesh = jax.sharding.get_abstract_mesh()
    sizes = [x.shape[:2] for x in jax.tree.leaves(arguments)]
    if mesh.empty or not (
        can_share_branches(mesh)
        and all(problems % mesh.shape["data"] for problems, _ in sizes)
        and all(n == 1 or n % mesh.shape["data"] == 0 for _, n in sizes)
    ):
        return function(whole, *arguments)

    def spec(x):
        rest = [None] * (x.ndim - 2)
        return fit(partition("problems", "branches", *rest), x.shape, mesh)

    return jax.shard_map(
        function,
        mesh=mesh,
        in_specs=(PartitionSpec(), *jax.tree.map(spec, arguments)),
        out_specs=partition(None, "branches"),
        check_vma=False,  # a loop may begin with the same zeros everywhere
    )(whole, *arguments)


def can_share_branches(mesh) -> bool:
    """Not with a shared model: its parts talk to each other in each token.

    Loops that end at different times would leave them waiting for ever.
    """
    return mesh.shape["data"] > 1 and mesh.shape["model"] == 1


def place(mesh: Mesh, x, *logical: str | None) -> jax.Array:
    """Puts a host array on the mesh."""
    spec = fit(partition(*logical), np.shape(x), mesh)
    return jax.device_put(x, NamedSharding(mesh, spec))


def spread(mesh: Mesh, tree):
    """Puts a pytree with a leading axis of problems on the mesh."""

    def put(x):
        return place(mesh, x, "problems", *([None] * (np.ndim(x) - 1)))

    return jax.tree.map(put, tree)
