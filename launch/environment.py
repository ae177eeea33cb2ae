"""What a program expects of the process that it runs in.

Closed streams, a locale that is not UTF-8, switches of JAX that its own code
does not run with, a platform without a device.
"""

from __future__ import annotations

import io
import os
import signal
import sys

# Debugging switches with other results, or none: JAX's defaults are meant.
_SWITCHES = {
    "JAX_ENABLE_X64": ("", "0", "false", "off", "no", "n", "f"),
    "JAX_NUMPY_RANK_PROMOTION": ("", "allow"),
    "JAX_NUMPY_DTYPE_PROMOTION": ("", "standard"),
    "JAX_TRANSFER_GUARD": ("", "allow"),
    "JAX_TRANSFER_GUARD_HOST_TO_DEVICE": ("", "allow"),
    "JAX_TRANSFER_GUARD_DEVICE_TO_HOST": ("", "allow"),
    "JAX_TRANSFER_GUARD_DEVICE_TO_DEVICE": ("", "allow"),
}


def prepare() -> None:
    """To be called first, before JAX is imported."""
    open_streams()
    for name, defaults in _SWITCHES.items():
        value = os.environ.get(name, "")
        if value.lower() not in defaults:
            print(
                f"{name}={ascii(value)[1:-1]} is ignored: this program runs "
                "with JAX's default",
                file=sys.stderr,
            )
            del os.environ[name]


def restore_interrupts() -> None:
    """Makes Ctrl-C a KeyboardInterrupt, which it is not while imports run."""
    if callable(signal.getsignal(signal.SIGINT)):
        signal.signal(signal.SIGINT, signal.default_int_handler)


def open_streams() -> None:
    """Opens the standard streams that are closed, on nothing.

    Otherwise the next file that is opened takes the number of one, and gets
    what is printed.
    """
    for number, (name, mode) in enumerate(
        (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
    ):
        try:
            os.fstat(number)
        except OSError:
            found = os.open(os.devnull, os.O_RDWR)
            if found != number:
                os.dup2(found, number)
                os.close(found)
        if getattr(sys, name) is None:
            raw = open(number, f"{mode}b", buffering=0, closefd=False)
            buffer = io.BufferedReader(raw) if mode == "r" else raw
            stream = io.TextIOWrapper(buffer, "utf-8", write_through=True)
            setattr(sys, name, stream)


def as_utf8(argument: str) -> str:
    """An argument as the UTF-8 text that it is in any locale.

    Where the locale is not UTF-8, Python keeps the bytes above 127 of the
    command line as halves of surrogate pairs. Bytes that are no UTF-8 stay so.
    """
    try:
        return os.fsencode(argument).decode("utf-8")
    except UnicodeError:
        return argument


def require_devices() -> None:
    """Starts JAX's backend.

    Raises:
        ValueError: there is no device of the platform that was asked for.
    """
    import jax

    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        platforms = jax.config.jax_platforms
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"JAX finds no device of JAX_PLATFORMS={platforms}"
            f"{': ' if reason else ''}{reason}; unset it, or install JAX for "
            "that platform"
        ) from None
