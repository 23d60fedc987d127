"""What may be said about the compression of tool outputs, and what cannot be meant."""

from __future__ import annotations

import pytest

from penstock.errors import ConfigError
from penstock.policy.compress.settings import CompressSettings


@pytest.mark.parametrize(
    "settings",
    [
        CompressSettings(share=1.5),
        CompressSettings(target_tokens=0),
        CompressSettings(above_tokens=1000, target_tokens=2000),
    ],
)
def test_what_cannot_be_meant_is_said(settings: CompressSettings) -> None:
    with pytest.raises(ConfigError):
        settings.checked()
    assert CompressSettings().checked()
