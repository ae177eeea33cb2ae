"""Modules out of memory, for processes that cannot open a file.

The zygote reads the code of the standard library and of the packages that it
has imported, once; its children import from that. Extension modules cannot be
had this way, so those of the standard library are imported beforehand.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import importlib.util
import io
import marshal
import mmap
import os
import pathlib
import sys
import sysconfig
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO, NamedTuple

_LEFT_OUT = frozenset(
    "__pycache__ benchmarks ensurepip idlelib lib2to3 site-packages "
    "dist-packages test tests tkinter turtledemo".split()
)
_PYC_HEADER = 16
Patches = Mapping[str, Callable[[types.ModuleType], None]]
# They need a screen or a terminal, or are for testing.
_NOT_PRELOADED = (
    "_ctypes_test",
    "_curses",
    "_test",
    "_tkinter",
    "_xx",
    "nis",
    "ossaudiodev",
    "readline",
    "xx",
)


class _Module(NamedTuple):
    """Where a module's code is; as source where it is not marshalled."""

    path: pathlib.Path
    start: int
    end: int
    marshalled: bool


class Finder:
    """A meta-path finder and loader over a dictionary of modules."""

    def __init__(
        self,
        folders: Iterable[tuple[str, pathlib.Path]],
        patches: Patches,
    ):
        """Reads the modules.

        Args:
            folders: package name ("" for the top level) and its folder.
            patches: what to do with modules after they were imported.
        """
        self._patches = patches
        self._modules: dict[str, _Module] = {}
        with _store() as file:
            for package, folder in folders:
                for name, path in _walk(package, folder):
                    code, marshalled = _read(path)
                    start = file.tell()
                    self._modules[name] = _Module(
                        path, start, start + len(code), marshalled
                    )
                    file.write(code)
            self._code = _contents(file)

    def find_spec(self, name: str, path=None, target=None):
        """As `importlib.abc.MetaPathFinder`."""
        if name not in self._modules:
            return None
        path = self._modules[name].path
        package = path.name == "__init__.py"
        spec = importlib.machinery.ModuleSpec(
            name, self, origin=str(path), is_package=package
        )
        spec.has_location = True
        if package:
            spec.submodule_search_locations = [str(path.parent)]
        return spec

    def create_module(self, spec) -> None:
        """The ordinary kind of module."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Runs the module's code."""
        entry = self._modules[module.__spec__.name]
        code = self._code[entry.start : entry.end]
        if entry.marshalled:
            body = marshal.loads(code)
        else:
            body = compile(code, str(entry.path), "exec", dont_inherit=True)
        exec(body, module.__dict__)
        if module.__name__ in self._patches:
            self._patches[module.__name__](module)


def install(packages: Sequence[str], patches: Patches) -> None:
    """Makes memory the only place that modules come from.

    Args:
        packages: imported packages whose other modules are wanted too.
        patches: by the name of a module, what to do once it was imported.
    """
    folders = [("", pathlib.Path(sysconfig.get_path("stdlib")))]
    for package in packages:
        for folder in getattr(sys.modules[package], "__path__", ()):
            folders.append((package, pathlib.Path(folder)))
    finder = Finder(folders, patches)
    sys.meta_path[:] = [
        importlib.machinery.BuiltinImporter,
        importlib.machinery.FrozenImporter,
        finder,
    ]
    sys.path.clear()
    sys.path_hooks.clear()
    sys.path_importer_cache.clear()


def import_extensions() -> None:
    """Imports the standard library's extension modules."""
    # Not the "platstdlib" of sysconfig: in a virtual environment it is empty.
    folder = next((p for p in sys.path if p.endswith("lib-dynload")), "")
    for path in sorted(pathlib.Path(folder).glob("*.so") if folder else ()):
        name = path.name.split(".")[0]
        if not name.startswith(_NOT_PRELOADED):
            # One that its library is missing for would fail for anyone.
            with contextlib.suppress(ImportError):
                importlib.import_module(name)


def import_extensions_of(package: str) -> None:
    """Imports the extension modules of a package that has been imported."""
    for folder in getattr(sys.modules[package], "__path__", ()):
        for path in sorted(pathlib.Path(folder).rglob("*.so")):
            parts = path.relative_to(folder).with_name(path.name.split(".")[0])
            # Some are for another system or for tests, and may do anything.
            with contextlib.suppress(Exception):
                importlib.import_module(".".join((package, *parts.parts)))


def _walk(
    package: str, folder: pathlib.Path
) -> Iterator[tuple[str, pathlib.Path]]:
    """The modules in a folder and below, by their full names."""
    start = f"{package}." if package else ""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = pathlib.Path(entry.path)
        if entry.name in _LEFT_OUT or not path.stem.isidentifier():
            continue
        if entry.is_dir():
            if package or (path / "__init__.py").exists():
                yield from _walk(start + entry.name, path)
        elif entry.name == "__init__.py":
            if package:
                yield package, path
        elif entry.name.endswith(".py"):
            yield start + path.stem, path


def _store() -> BinaryIO:
    """A file in memory."""
    try:
        return open(os.memfd_create("modules"), "wb")
    except (AttributeError, OSError):
        return io.BytesIO()


def _contents(file: BinaryIO) -> bytes | mmap.mmap:
    """The file, where a fork need not copy the page tables for it.

    35 MB cost a fork 1.3 ms as bytes, 0.2 ms as a file mapping (measured).
    Private: a child that forced a write into it would write into a copy.
    """
    if isinstance(file, io.BytesIO):
        return file.getvalue()
    file.flush()
    return mmap.mmap(
        file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ
    )


def _read(path: pathlib.Path) -> tuple[bytes, bool]:
    """A module's code, and whether it is marshalled (else it is source)."""
    cached = importlib.util.cache_from_source(str(path))
    with contextlib.suppress(OSError):
        data = pathlib.Path(cached).read_bytes()
        status = path.stat()
        stamp = int.from_bytes(data[8:12], "little")
        if (
            data[:4] == importlib.util.MAGIC_NUMBER
            and data[4:8] == bytes(4)  # stamped with time, not a hash
            and stamp == int(status.st_mtime) & 0xFFFFFFFF
        ):
            return data[_PYC_HEADER:], True
    return path.read_bytes(), False
