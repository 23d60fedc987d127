"""JSON that nobody promised anything about, for bodies and events of all wires."""

from __future__ import annotations

from hypothesis import strategies as st

scalars = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
keys = st.text(max_size=5).map("x_".__add__)
values = st.recursive(scalars | st.text(), lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=6)
extras = st.dictionaries(keys, values, max_size=3)
tokens = st.integers(0, 10**6)
