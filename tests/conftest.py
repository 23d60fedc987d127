"""What holds for every test: no key, no setting and no state of the person who runs it.

Asynchronous tests are plain functions that call ``asyncio.run``; there is no plug-in to learn.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# A shell starts what runs in the background with SIGINT ignored, and what a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

_FOREIGN = ("PENSTOCK_", "OPENAI_", "ANTHROPIC_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``PENSTOCK_HOME`` of this test alone; it does not exist yet."""
    for name in list(os.environ):
        if name.upper().startswith(_FOREIGN) or name.upper().endswith("_API_KEY"):
            monkeypatch.delenv(name)
    path = tmp_path / "penstock-home"
    monkeypatch.setenv("PENSTOCK_HOME", str(path))
    return path
