"""What the gateway serves, described in OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0): ``GET /openapi.json``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

__all__ = ["description"]


@cache
def description() -> bytes:
    """The description as JSON, as it stands in ``openapi.json`` beside this module.

    It is written by hand: what is described there is promised. `tests/gateway/test_openapi.py` holds it to what is
    served.
    """
    return Path(__file__).with_name("openapi.json").read_bytes()
