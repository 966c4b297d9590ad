"""Suggests known names that are similar to an unknown one: `did you mean …?`"""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 255  # characters of a name that are compared


def near_matches(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean 'points_awarded'?)`, or empty text if no name is similar."""
    import difflib

    near = difflib.get_close_matches(name[:LONGEST], list(known), n=3, cutoff=0.6)
    return f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
