"""Processes of a benchmark, watched from outside and ended whatever happens. On Linux: /proc tells about them."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from penstock.bench.figure import Broken

__all__ = ["Process", "clean", "free_port", "spawned"]

_CLOCK_OF_PROCESS = 2
"""With the inverted id of a process: its CPU clock, threads that have ended included (clock_getcpuclockid(3))."""
_DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


class Process(msgspec.Struct, frozen=True):
    """A running program, alone in a session of its own with the processes it starts."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path
    """What it has printed."""
    began: float
    """When it was started, on `time.perf_counter`."""

    def cpu(self) -> float:
        """CPU seconds so far, user and system, of the program and its children."""
        return sum(map(_cpu, self._session()))

    def rss(self) -> int:
        """Resident bytes of the program and its children."""
        return sum(map(_resident, self._session()))

    def settled(self) -> float:
        """`cpu` once it has done what it put off: when 0.1 s cost less than 2 ms, or 2 s have passed."""
        before = self.cpu()
        for _ in range(20):
            time.sleep(0.1)
            now = self.cpu()
            if now - before < 0.002:
                return now
            before = now
        return before

    def check(self) -> None:
        """Raise `Broken` when it has ended, with the end of what it said."""
        if self.popen.poll() is not None:
            raise Broken(f"{self.name} ended with {self.popen.returncode}:\n{self.said()}")

    def said(self) -> str:
        """The end of what it has printed."""
        return self.log.read_text(errors="replace").strip()[-2000:]

    def _session(self) -> list[int]:
        self.check()
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _leader(pid) == self.popen.pid]


def _leader(pid: int) -> int:
    """Who began the session of a process; 0 when that has ended meanwhile."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def _cpu(pid: int) -> float:
    return time.clock_gettime((~pid << 3) | _CLOCK_OF_PROCESS)


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def clean(**variables: str) -> dict[str, str]:
    """An environment without the keys, proxies and settings of this shell."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", **variables}


def free_port() -> int:
    """A port of this machine that nobody has."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def spawned(name: str, command: Sequence[str | Path], folder: Path, env: Mapping[str, str]) -> Generator[Process]:
    """A program that runs in ``folder`` until the context ends; it does not outlive this process either."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    began = time.perf_counter()
    with log.open("wb") as out:
        popen = subprocess.Popen(
            list(map(str, command)), cwd=folder, env=dict(env), stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_die_with_parent,
        )  # fmt: skip
    try:
        yield Process(name, popen, log, began)
    finally:
        _end(popen)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGTERM)


def _end(popen: subprocess.Popen[bytes]) -> None:
    """End a program and those it has started: gently, then all of its session."""
    popen.terminate()
    with suppress(subprocess.TimeoutExpired):
        popen.wait(5)
    with suppress(ProcessLookupError):
        os.killpg(popen.pid, signal.SIGKILL)
    popen.wait()
