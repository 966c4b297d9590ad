"""The catalogue: the definitions of the badges without their code, as plain values that go between processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from brabeion_cli.base import Badge, BadgeDetail


class CatalogueEntry(NamedTuple):
    """A badge's definition, with the attribute names of `Badge`."""

    slug: str
    levels: tuple[BadgeDetail, ...]
    events: tuple[str, ...]
    asks: tuple[str, ...]
    multiple: bool
    async_: bool
    cumulative: bool

    @classmethod
    def of(cls, badge: Badge) -> CatalogueEntry:
        """Make the entry of a loaded badge."""
        return cls(
            badge.slug,
            tuple(badge.detail(level) for level in range(1, len(badge.levels) + 1)),
            tuple(map(str, badge.events)),
            tuple(map(str, badge.asks)),
            badge.multiple,
            badge.async_,
            badge.cumulative,
        )

    def detail(self, level: int) -> BadgeDetail:
        """Return the name, description and image of a level, counted from 1."""
        return self.levels[level - 1]

    def needs(self, event: str) -> bool:
        """Whether the badge listens to an event, or names it in `asks`."""
        return event in self.events or event in self.asks


class Catalogue:
    """Every registered badge, in the order of registration."""

    def __init__(self, entries: Iterable[CatalogueEntry] = ()) -> None:
        self.entries = tuple(entries)

    @classmethod
    def of(cls, badges: Iterable[Badge]) -> Catalogue:
        """Make the catalogue of loaded badges."""
        return cls(map(CatalogueEntry.of, badges))

    def __iter__(self) -> Iterator[CatalogueEntry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def slugs(self) -> list[str]:
        """Every slug, in the order of registration."""
        return [entry.slug for entry in self.entries]

    def get(self, slug: str) -> CatalogueEntry | None:
        """Return the badge with that slug, or None."""
        return next((entry for entry in self.entries if entry.slug == slug), None)

    def level_name(self, slug: str, level: int) -> str | None:
        """Return the name of a level, counted from 1. None if there is no such badge or level."""
        entry = self.get(slug)
        return entry.detail(level).name if entry is not None and 1 <= level <= len(entry.levels) else None

    def needing(self, event: str) -> list[str]:
        """Return the slugs of the badges that need an event (see `CatalogueEntry.needs`)."""
        return [entry.slug for entry in self.entries if entry.needs(event)]

    def listening_to(self, event: str) -> list[str]:
        """Return the slugs of the badges that listen to an event."""
        return [entry.slug for entry in self.entries if event in entry.events]
