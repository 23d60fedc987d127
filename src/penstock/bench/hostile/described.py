"""Requests that schemathesis makes of the OpenAPI description: as it says, and against what it says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from penstock.bench.hostile.served import Gate
from penstock.bench.hostile.shot import Answer, Shot
from penstock.bench.hostile.shots import drawn
from penstock.bench.hostile.verdicts import Tally
from penstock.gateway.openapi import description

__all__ = ["Described"]

_CHECKS = (
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "allow_header_conformance",
)
"""What an answer is held to. Not: that what is against the description is refused, since the upstream judges that."""


class Described:
    """Makes the requests and sends them itself, one after the other: use it in a thread of its own."""

    def __init__(self, packages: Path) -> None:
        sys.path.append(str(packages))  # behind those of .venv
        schemathesis: Any = import_module("schemathesis")
        checks: Any = import_module("schemathesis.checks")
        checks.load_all_checks()
        self._checks = checks.CHECKS.get_by_names(list(_CHECKS))
        schema = schemathesis.openapi.from_dict(msgspec.json.decode(description()))
        found: list[Any] = [each.ok() for each in schema.get_all_operations()]
        modes = schemathesis.GenerationMode
        calls = [each for each in found if each.method == "post"]
        looks = [each for each in found if each.method == "get"]
        self._usual = [each.as_strategy(generation_mode=mode) for each in calls for mode in modes]
        self._looks = [each.as_strategy(generation_mode=modes.POSITIVE) for each in looks]

    def cases(self, number: int, chance: int) -> Iterator[Any]:
        """So many requests, nine of ten for the endpoints that call a model."""
        looks = max(1, number // (10 * len(self._looks)))
        usual = -(-(number - looks * len(self._looks)) // len(self._usual))
        for strategy in self._usual:
            yield from drawn(strategy, usual, chance)
        for strategy in self._looks:
            yield from drawn(strategy, looks, chance)

    def send(self, case: Any, gate: Gate, number: int, tally: Tally) -> None:
        """One request; what its answer does against the description is a finding."""
        key = gate.key(number)
        headers = {"authorization": f"Bearer {key}"} if key else {}
        response = case.call(base_url=gate.url, headers=headers, timeout=60)
        shot = Shot((case.as_curl_command(headers).encode(),), timed=True)
        answer = Answer(response.status_code, body=response.content)
        tally.add(shot, [answer], "described")
        try:
            case.validate_response(response, checks=self._checks)
        except BaseExceptionGroup as against:
            tally.counts["against the description"] += 1
            tally.findings.append(f"described: {case.method} {case.path}: {against!s:.3000}")
