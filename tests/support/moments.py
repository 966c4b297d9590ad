"""The moment at which tests happen, where no clock is asked."""

from __future__ import annotations

from datetime import datetime, timezone

NOW = datetime(2026, 11, 22, 18, 19, tzinfo=timezone.utc)
