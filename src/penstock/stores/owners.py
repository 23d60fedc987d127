"""Who holds what: processes by name, and whether they are still there."""

from __future__ import annotations

import os
import socket
from pathlib import Path

__all__ = ["is_alive", "is_here", "this_owner"]


def this_owner() -> str:
    """The name of this process, ``host-pid-start``, that no other process has or will have.

    The host includes the namespace of process ids, since containers may share a host name. ``start`` is the kernel's
    start time of the process in ticks: it tells a process from a later one with the same id. It is 0 where there is no
    ``/proc``.
    """
    return f"{_host()}-{os.getpid()}-{_start(os.getpid()) or 0}"


def is_here(owner: str) -> bool:
    """Whether the process runs, or ran, where it can be seen from here: then `is_alive` is certain."""
    return owner.rsplit("-", 2)[0] == _host()


def is_alive(owner: str) -> bool:
    """Whether the process is known to be there.

    Of a process on another machine nothing can be known, so False: only the length of its lease protects its holds.
    """
    host, pid, start = owner.rsplit("-", 2)
    if host != _host():
        return False
    if int(start):
        return _start(int(pid)) == int(start)
    if os.name != "posix":
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _host() -> str:
    try:
        namespace = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        namespace = "0"
    return f"{socket.gethostname()}.{namespace}"


def _start(pid: int) -> int | None:
    """Field 22 of proc_pid_stat(5); None when there is no such process, or it is dead and only waits to be reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])
