"""Settings that must stand before JAX is imported, and test profiles."""

from __future__ import annotations

import gc
import hashlib
import os
import pathlib
import platform
import shutil
import signal
import sys
from importlib import metadata

import hypothesis
import pytest

DEVICES = 8
CACHE_LIMIT = 2 * 2**30  # bytes

# Ignored where a shell started the tests in the background, and so it would be
# in the programs that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _compilation_cache() -> pathlib.Path:
    """The folder of compiled programs, kept from one run to the next.

    Compiled code is for one processor and one JAX, so both name the folder:
    a home folder may be shared by machines, or outlive one.
    """
    try:
        cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
        flags = next(
            (
                line
                for line in cpuinfo.splitlines()
                if line.startswith(("flags", "Features"))
            ),
            "",
        )
    except OSError:
        flags = ""
    identity = "|".join(
        (
            metadata.version("jax"),
            metadata.version("jaxlib"),
            platform.platform(),
            platform.processor(),
            flags,
        )
    )
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return pathlib.Path(home) / "jaxlrm" / "tests" / digest


def _configure_jax() -> None:
    if "jax" in sys.modules:
        raise RuntimeError(
            "jax was imported before tests/conftest.py could set it up; start "
            "pytest without the plugin that imports it (-p no:NAME)"
        )
    # Programs that the tests start inherit all of this.
    os.environ["JAX_PLATFORMS"] = "cpu"
    count = "--xla_force_host_platform_device_count"
    others = [
        flag
        for flag in os.environ.get("XLA_FLAGS", "").split()
        if not flag.startswith(count)
    ]
    os.environ["XLA_FLAGS"] = " ".join([*others, f"{count}={DEVICES}"])
    # The CPU client's threads; with fewer than devices + 1 a host callback
    # with large operands waits for ever.
    os.environ["NPROC"] = str(2 * DEVICES)

    cache = _compilation_cache()
    # JAX's own limit reads the whole folder at every write: start afresh here,
    # before the workers start.
    if "PYTEST_XDIST_WORKER" not in os.environ:
        size = sum(file.stat().st_size for file in cache.glob("*"))
        if size > CACHE_LIMIT:
            shutil.rmtree(cache, ignore_errors=True)
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"


_configure_jax()

# Compiling is slow once and no example is slow after that.
hypothesis.settings.register_profile("jaxlrm", deadline=None)
hypothesis.settings.load_profile("jaxlrm")


def pytest_collection_modifyitems(items):
    """Files with slow tests come first: begun last, one would run alone."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True, scope="module")
def _let_programs_go():
    """A process that held the programs of all tests crashed on one more.

    Each of them maps memory, and the kernel allows a number of maps
    (`vm.max_map_count`).
    """
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
        gc.collect()


@pytest.fixture(scope="module")
def compile_quickly():
    """Without LLVM's optimiser, which is most of what such tests take.

    For modules that compare searches of the same shape, whose sums are rounded
    alike, or of models that compute nothing.
    """
    import jax

    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
