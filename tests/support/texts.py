"""Strategies for text."""

from __future__ import annotations

from hypothesis import strategies as st

#: Any text that can be stored: no lone surrogates, and no NUL.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
