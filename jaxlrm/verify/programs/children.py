"""Keeps a zygote and children that wait, and replaces what is lost."""

from __future__ import annotations

import collections
import contextlib
import os
import threading
from typing import Any

from jaxlrm.verify.programs.child import (
    OUTSIDE,
    Child,
    Job,
    ZygoteLost,
    converse,
)
from jaxlrm.verify.programs.run import Protection, Run
from jaxlrm.verify.programs.start import start_zygote
from jaxlrm.verify.workers.start import end_interpreter

ATTEMPTS = 3  # zygotes lost under one program, or in a row at their start


class Children:
    """A zygote with the children that are ready; thread-safe.

    Attributes:
        protection: what the first zygote found of this host.
        absent: modules that were wanted and are not installed.
        restarts: zygotes that were replaced.
    """

    def __init__(self, settings: dict[str, Any], ready: int):
        """Starts the zygote.

        Args:
            settings: for zygote.py.
            ready: children that wait, at most.

        Raises:
            RuntimeError: it did not start.
        """
        self.restarts = 0
        self._settings = settings
        self._most = ready
        self._lock = threading.Lock()
        self._ready: collections.deque[Child] = collections.deque()
        self._number = 0
        self._closed = False
        self._owner = os.getpid()
        self._process, self._channel, reply = start_zygote(settings)
        self.protection = Protection(reply["missing"], tuple(reply["breaches"]))
        self.absent: list[str] = reply["absent"]

    def fill(self) -> None:
        """Has as many children made as may wait."""
        for _ in range(self._most):
            self._ready.append(Child(self._channel, self._number))

    def run(self, job: Job) -> Run:
        """Runs a job; again where somebody else has ended it.

        Raises:
            RuntimeError: closed, or its zygote keeps dying.
        """
        lost, spared = 0, False
        while lost < ATTEMPTS:
            number = self._number
            try:
                child = self._take()
                number = child.number
                with contextlib.closing(child):
                    run = converse(child, job)
            except ZygoteLost as error:
                lost += 1
                self._replace(number, error)
                continue
            self._replenish()
            # SIGKILL may come from anyone, so it is believed only twice.
            if run.error != OUTSIDE or spared:
                return run
            spared = True
        raise RuntimeError(
            f"the sandbox's zygote was lost {ATTEMPTS} times under one program"
        )

    def close(self) -> None:
        """Ends all processes; runs under way fail. May be repeated."""
        with self._lock:
            self._closed = True
            children = list(self._ready)
            self._ready.clear()
        for child in children:
            child.close()
        self._channel.close()
        if self._owner == os.getpid():
            end_interpreter(self._process)

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the sandbox is closed; make a new one")

    def _take(self) -> Child:
        """A waiting child, or a new one."""
        with self._lock:
            self._check_open()
            if self._owner != os.getpid():
                raise RuntimeError(
                    "the sandbox belongs to another process, of which this "
                    "is a fork; make a new one"
                )
            if self._ready:
                return self._ready.popleft()
            return Child(self._channel, self._number)

    def _replenish(self) -> None:
        """Has the next child made while the caller does something else."""
        with self._lock:
            if not self._closed and len(self._ready) < self._most:
                with contextlib.suppress(ZygoteLost, OSError):  # the next run's
                    self._ready.append(Child(self._channel, self._number))

    def _replace(self, number: int, cause: Exception) -> None:
        """Starts another zygote, unless somebody has."""
        with self._lock:
            self._check_open()
            if number != self._number:
                return
            self._number += 1
            self.restarts += 1
            for child in self._ready:
                child.close()
            self._ready.clear()
            self._channel.close()
            self._process.kill()
            self._process.wait()
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    started = start_zygote(self._settings)
                    break
                except RuntimeError as error:
                    if attempt == ATTEMPTS:
                        self._closed = True
                        raise RuntimeError(
                            f"the zygote was lost ({cause}); no other starts"
                        ) from error
            self._process, self._channel, reply = started
            if reply["breaches"] and not self.protection.breaches:
                self._closed = True
                self._channel.close()
                raise RuntimeError("this host no longer isolates programs")
