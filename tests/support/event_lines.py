"""Lines for `ingest`."""

from __future__ import annotations

import json
from typing import Any


def points_line(number: int, **fields: Any) -> str:
    """An event for the badge of the README, with an id, of a user with that number and as many points."""
    event = {"event": "points_awarded", "user": f"u{number}", "id": number, "state": {"points": number}}
    return json.dumps(event | fields) + "\n"
