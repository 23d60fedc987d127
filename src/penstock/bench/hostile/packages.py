"""Packages that this benchmark alone needs, in a folder of their own inside ``.venv``: see ``requirements/fuzz.txt``.

They stay out of the tests: schemathesis loads itself into every run of pytest, and atheris has 100 MB.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

__all__ = ["installed"]

_ROOT = Path(__file__).parents[4]
_PINS = _ROOT / "requirements/fuzz.txt"


def installed() -> Path:
    """The folder with the packages, filled when the pins have changed; 20 s and 200 MB."""
    folder = Path(sys.prefix) / "fuzz"
    stamp, pins = folder / "penstock-stamp", hashlib.sha256(_PINS.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != pins:
        sys.stderr.write(f"hostile: installing {_PINS.relative_to(_ROOT)} into {folder.relative_to(_ROOT)} ...\n")
        options = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--only-binary", ":all:"]
        wanted = ["--require-hashes", "--upgrade", "--target", str(folder), "--requirement", str(_PINS)]
        subprocess.run([sys.executable, "-m", "pip", "install", *options, *wanted], check=True)
        stamp.write_text(pins)
    return folder
