"""The mechanisms: pure functions that look at a call and answer with edits, or with a decision and its evidence."""
