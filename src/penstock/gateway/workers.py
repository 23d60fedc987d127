"""Several processes on one socket: started together, stopped together, replaced when one dies."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable

from penstock.errors import BadInput, PenstockError

__all__ = ["supervise"]

_QUICK = 1.0
"""Seconds of life below which the death of a worker says that the next one would die as well."""


def supervise(
    workers: int,
    run: Callable[[int, Callable[[], None]], None],
    ready: Callable[[], None],
    stopping: Callable[[], None] = lambda: None,
) -> int:
    """Fork ``workers`` processes that each ``run(number, up)``, until SIGTERM or SIGINT; the exit code.

    ``ready`` is called when all have said that they are up. Signals are handed on; a worker that dies is replaced, one
    that dies as soon as it is born ends them all.
    """
    if not hasattr(os, "fork"):
        raise BadInput("--workers needs an operating system that can fork", mend="use one worker")
    return _Supervisor(run, stopping).watch(workers, ready)


class _Supervisor:
    def __init__(self, run: Callable[[int, Callable[[], None]], None], stopping: Callable[[], None]) -> None:
        self._run = run
        self._told = stopping
        self._stopping = False
        self._failed = False
        self._born: dict[int, tuple[int, float]] = {}
        self._ended, self._alive = os.pipe()  # held open by this process alone: its end is the end of the pipe

    def watch(self, workers: int, ready: Callable[[], None]) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        reading, writing = os.pipe()
        for worker in range(workers):
            self._start(worker, writing)
        os.close(writing)
        if self._all_up(reading, workers) and not self._stopping:
            ready()
        while self._born:
            self._reap()
        return int(self._failed)

    def _all_up(self, reading: int, workers: int) -> bool:
        """Wait until each has said a byte, or all have closed their end."""
        said = 0
        while said < workers and (byte := os.read(reading, 1)):
            said += len(byte)
        os.close(reading)
        return said == workers

    def _start(self, worker: int, writing: int | None) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        process = os.fork()
        if process:
            self._born[process] = (worker, time.monotonic())
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.close(self._alive)
        threading.Thread(target=self._outlive_nobody, daemon=True).start()
        os._exit(self._live(worker, writing))

    def _outlive_nobody(self) -> None:
        """In a worker: end, as on SIGTERM, when the process that started it is gone."""
        os.read(self._ended, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    def _live(self, worker: int, writing: int | None) -> int:
        """The life of a worker; its exit code."""

        def up() -> None:
            if writing is not None:
                os.write(writing, b"1")
                os.close(writing)

        try:
            self._run(worker, up)
        except PenstockError as error:
            sys.stderr.write(f"penstock: {error}\n")
            return error.exit_code
        except Exception:  # noqa: BLE001  a worker has no caller: what it dies of is told here or nowhere
            traceback.print_exc()
            return 1
        finally:
            sys.stderr.flush()
        return 0

    def _reap(self) -> None:
        """Wait for the next death, and replace who died untimely."""
        process, status = os.wait()
        worker, born = self._born.pop(process)
        if self._stopping:
            return
        code = os.waitstatus_to_exitcode(status)
        sys.stderr.write(f"penstock: worker {worker} ended with {code}\n")
        if time.monotonic() - born < _QUICK:
            self._failed = True
            self._stop()
        else:
            self._start(worker, None)

    def _stop(self, *_: object) -> None:
        self._stopping = True
        self._told()
        for process in self._born:
            os.kill(process, signal.SIGTERM)
