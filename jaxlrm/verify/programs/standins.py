"""What stands in for modules that need what a program may not have.

An event loop of asyncio has no sockets: it needs a pair of them only to be
woken by other threads and by signals, which a program cannot have either. A
pool of threads does each task at once, when it is submitted. A drawing library
draws nothing, and lets a program go on that draws by the way.
"""

from __future__ import annotations

import functools
import importlib
import importlib.machinery
import selectors
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

_DRAWING = ("matplotlib", "mpl_toolkits", "pylab", "seaborn")
_MODULES = (("matplotlib", "pyplot"), ("mpl_toolkits", "mplot3d"))
# What `from pylab import *` brings, beside the names of numpy.
_PYPLOT = (
    "axis axes axhline axvline bar barh clf close contour contourf figure "
    "fill fill_between gca gcf grid hist imshow legend plot plt savefig "
    "scatter show subplot subplots text tight_layout title xlabel xlim xticks "
    "ylabel ylim yticks"
).split()


# --- Event loops and threads ------------------------------------------------


def _use_no_sockets(module: types.ModuleType) -> None:
    """Lets event loops do without the pair of sockets that wakes them."""

    def make(loop: Any) -> None:
        loop._ssock = loop._csock = None

    def close(loop: Any) -> None:
        del loop

    async def shut_down(loop: Any, timeout: float | None = None) -> None:
        # The original waits for the pool in a thread.
        del timeout
        loop._executor_shutdown_called = True
        if loop._default_executor is not None:
            loop._default_executor.shutdown()

    loop_type = module.BaseSelectorEventLoop
    loop_type._make_self_pipe, loop_type._close_self_pipe = make, close
    loop_type.shutdown_default_executor = shut_down


def _use_no_threads(module: types.ModuleType) -> None:
    """Lets a pool of threads do without them."""

    def submit(pool: Any, function: Callable, /, *arguments, **named) -> Any:
        if pool._shutdown:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future = futures.Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(function(*arguments, **named))
        except Exception as error:
            future.set_exception(error)
        return future

    futures = module._base
    module.ThreadPoolExecutor.submit = submit


# Module, and what to do with it once it has been imported.
PATCHES: dict[str, Callable[[types.ModuleType], None]] = {
    "asyncio.selector_events": _use_no_sockets,
    "concurrent.futures.thread": _use_no_threads,
}


# --- Drawing ----------------------------------------------------------------


class Drawing:
    """Whatever a drawing library gives: it can be called, indexed and set."""

    _is_drawing = True

    def __getattr__(self, name: str) -> Drawing:
        if name.startswith("__"):
            raise AttributeError(name)
        return Drawing()

    def __call__(self, *arguments, **named) -> Drawing:
        return Drawing()

    def __getitem__(self, key) -> Drawing:
        return Drawing()

    def __setitem__(self, key, value) -> None:
        pass

    def __iter__(self) -> Iterator[Drawing]:
        yield Drawing()  # as in `line, = plot(...)`

    def __len__(self) -> int:
        return 1

    def __enter__(self) -> Drawing:
        return self

    def __exit__(self, *exception) -> None:
        pass

    def __repr__(self) -> str:
        return "<not drawn>"


def _subplots(nrows: int = 1, ncols: int = 1, *arguments, **named):
    """A figure and its axes, in the shape that matplotlib gives them."""
    if nrows == ncols == 1 and named.get("squeeze", True):
        return Drawing(), Drawing()
    axes = [[Drawing() for _ in range(ncols)] for _ in range(nrows)]
    if "numpy" in sys.modules:
        array = sys.modules["numpy"].empty((nrows, ncols), dtype=object)
        for row, drawings in enumerate(axes):
            for column, drawing in enumerate(drawings):
                array[row, column] = drawing
        axes = array.squeeze() if named.get("squeeze", True) else array
    return Drawing(), axes


def _hist(x, bins=10, *arguments, **named):
    """Counts and borders, which a program may want, and no bars."""
    if "numpy" not in sys.modules:
        return [], [], Drawing()
    return *sys.modules["numpy"].histogram(x, bins), Drawing()


def _limits(*arguments, **named) -> tuple[float, float]:
    return 0.0, 1.0


_FUNCTIONS = {
    "subplots": _subplots,
    "hist": _hist,
    "xlim": _limits,
    "ylim": _limits,
    "show": lambda *arguments, **named: None,
    "__version__": "0",
}


class DrawingFinder:
    """The last of the finders: the libraries that are not there for real."""

    def find_spec(self, name: str, path=None, target=None):
        """As `importlib.abc.MetaPathFinder`."""
        top = name.partition(".")[0]
        # Of a library that is there, an absent part stays absent.
        found = sys.modules.get(top)
        if top not in _DRAWING or (
            found is not None and found.__spec__.loader is not self
        ):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec) -> None:
        """The ordinary kind of module."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Fills the module."""
        if "." not in module.__name__:
            sys.stderr.write(f"{module.__name__}: nothing is drawn here\n")
        if module.__name__ == "pylab" and "numpy" in sys.modules:
            module.__dict__.update(
                (name, value)
                for name, value in vars(sys.modules["numpy"]).items()
                if not name.startswith("_")
            )
            module.np = sys.modules["numpy"]
        if module.__name__ in ("pylab", "matplotlib.pyplot"):
            module.__dict__.update((name, Drawing()) for name in _PYPLOT)
        module.__dict__.update(_FUNCTIONS)
        module.__getattr__ = functools.partial(_attribute, module.__name__)


def _attribute(module: str, name: str) -> object:
    """What a module has that nobody has set: another module, or a drawing."""
    if name.startswith("__"):
        raise AttributeError(name)
    if (module, name) in _MODULES:
        return importlib.import_module(f"{module}.{name}")
    return Drawing()


def install() -> None:
    """Puts the stand-ins where programs find them."""
    selectors.DefaultSelector = selectors.PollSelector  # others open files
    for name, patch in PATCHES.items():
        if name in sys.modules:
            patch(sys.modules[name])
    sys.meta_path.append(DrawingFinder())
