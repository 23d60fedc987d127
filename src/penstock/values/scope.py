"""On whose behalf a call runs."""

from __future__ import annotations

import msgspec

__all__ = ["Scope"]


class Scope(msgspec.Struct, frozen=True):
    """The place of a call in the tree of work.

    ``tenant`` parts everything that is stored: nothing stored for one tenant is ever served to another.
    ``session`` and ``run`` name the accounts a call is charged to, from the root to the leaf.

    >>> Scope("acme", "s1").child("ask").path
    ('acme', 's1', 'ask')
    """

    tenant: str = "local"
    session: str = ""
    run: tuple[str, ...] = ()

    @property
    def path(self) -> tuple[str, ...]:
        """The accounts from the root down, each name once."""
        return (self.tenant, self.session, *self.run) if self.session else (self.tenant, *self.run)

    def child(self, name: str) -> Scope:
        """The scope of a sub-call: the same tenant and session, one level down."""
        return Scope(self.tenant, self.session, (*self.run, name))
