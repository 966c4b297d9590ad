"""Reports for people: who holds what, who leads, and how many users hold each badge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from peewee import JOIN, SQL, Expression, fn

from brabeion_cli.database.models import AwardRow, EventRow, HolderRow, StandingRow
from brabeion_cli.domain.catalogue import Catalogue, CatalogueEntry
from brabeion_cli.domain.events import text_or_number
from brabeion_cli.domain.suggestions import near_matches
from brabeion_cli.domain.timestamps import moment
from brabeion_cli.errors import UnknownBadgeError
from brabeion_cli.store.store import Store

Row = dict[str, Any]

MAX_EXPLAINED = 100  # awards read to explain one badge of one user


#: Awards with equal moments come in a fixed order.
NEWEST_FIRST = (
    AwardRow.awarded_at.desc(), AwardRow.user, AwardRow.badge, AwardRow.level.desc(), AwardRow.key,
    AwardRow.occasion.desc(),
)  # fmt: skip


class Filter(NamedTuple):
    """Which awards to list: all fields that are not None must match.

    `since` is included, `until` is not. `level` is a number or a name. With `highest`, only the highest level of each
    user, badge and key is listed.
    """

    user: str | None = None
    badge: str | None = None
    level: str | None = None
    since: str | None = None
    until: str | None = None
    highest: bool = False
    limit: int | None = None


def awards(store: Store, catalogue: Catalogue, chosen: Filter) -> Iterator[Row]:
    """Awards that are held now, newest first; equal moments by user, badge, level (highest first) and key.

    Rows: user, badge, level, level_name, description, key, awarded_at, event {name, id, at} (None if given by hand),
    given_by, reason. Raises `EventError`, or `UnknownBadgeError` if no badge has that level name.
    """
    query = _awards(store).where(AwardRow.revoked_at.is_null()).limit(chosen.limit)
    if chosen.user is not None:
        query = query.where(AwardRow.user == text_or_number(chosen.user, "user"))
    if chosen.badge is not None:
        query = query.where(AwardRow.badge == text_or_number(chosen.badge, "badge"))
    if chosen.since is not None:
        query = query.where(AwardRow.awarded_at >= moment(chosen.since, "--since"))
    if chosen.until is not None:
        query = query.where(AwardRow.awarded_at < moment(chosen.until, "--until"))
    if chosen.level is not None:
        query = query.where(_is_level(catalogue, chosen.level))
    if chosen.highest:
        query = query.where(_is_highest())
    for row in query.iterator():
        yield _award_row(row, catalogue.get(row.badge))


def awards_with_revoked(store: Store, catalogue: Catalogue, user: str, badge: str) -> Iterator[Row]:
    """Awards of a user and badge, at most `MAX_EXPLAINED` of them. Revoked ones come last.

    Rows are as in `awards`, with revoked_at, revoked_by and revoked_because; `event` also has the event's user and
    state.
    """
    query = _awards(store).select_extend(EventRow.state, EventRow.user.alias("event_user"), AwardRow.revoked_at)
    query = query.where((AwardRow.user == user) & (AwardRow.badge == badge)).limit(MAX_EXPLAINED)
    for row in query.order_by(AwardRow.revoked_at.is_null(False), *NEWEST_FIRST):
        made = _award_row(row, catalogue.get(badge))
        if made["event"] is not None:
            made["event"] |= {"user": row.event_user, "state": json.loads(row.state)}
        yield made | {name: getattr(row, name) for name in ("revoked_at", "revoked_by", "revoked_because")}


def _awards(store: Store) -> Any:
    """A query for awards with their events, newest first; equal moments in a fixed order."""
    return store.ask(
        AwardRow.select(AwardRow, EventRow.name, EventRow.id, EventRow.at)
        .join(EventRow, JOIN.LEFT_OUTER, on=(AwardRow.event == EventRow.number))
        .order_by(*NEWEST_FIRST)
        .objects()
    )


def _award_row(row: Any, badge: CatalogueEntry | None) -> Row:
    known = badge is not None and row.level <= len(badge.levels)
    detail = badge.detail(row.level) if badge is not None and known else None
    by_hand = row.event_number is None
    return {
        "user": row.user,
        "badge": row.badge,
        "level": row.level,
        "level_name": detail.name if detail else None,
        "description": detail.description if detail else None,
        "key": row.key or None,
        "awarded_at": row.awarded_at,
        "event": None if by_hand else {"name": row.name, "id": row.id, "at": row.at},
        "given_by": row.given_by,
        "reason": row.reason,
    }


def _is_level(catalogue: Catalogue, level: str) -> Any:
    """A condition for awards of a level: its number, or its name (in any case) in every badge that has it."""
    if level.isdecimal() and len(level) < 10:
        return AwardRow.level == int(level)
    names = {
        (badge.slug, number): badge.detail(number).name
        for badge in catalogue
        for number in range(1, len(badge.levels) + 1)
    }
    fitting = [place for place, name in names.items() if name.casefold() == level.casefold()]
    if not fitting:
        raise UnknownBadgeError(f"no badge has a level {level!r}{near_matches(level, set(names.values()))}")
    condition: Expression | None = None
    for slug, number in fitting:
        this = (AwardRow.badge == slug) & (AwardRow.level == number)
        condition = this if condition is None else condition | this
    return condition


def _is_highest() -> Any:
    """A condition: the user holds no award of the same badge and key with a higher level."""
    higher = AwardRow.alias()
    return ~fn.EXISTS(
        higher.select(1).where(
            (higher.user == AwardRow.user)
            & (higher.badge == AwardRow.badge)
            & (higher.key == AwardRow.key)
            & (higher.level > AwardRow.level)
            & higher.revoked_at.is_null()
        )
    )


def leaders(
    store: Store, *, badge: str | None = None, since: str | None = None, until: str | None = None, limit: int
) -> list[Row]:
    """The users with the most awards. Equal numbers share a rank; who got there first comes first.

    Rows: rank, user, awards, badges (different ones), last_awarded_at. The numbers of all awards come from stored
    totals; those of one badge or a period are counted. Raises `EventError`.
    """
    if badge is None and since is None and until is None:
        totals: Any = (StandingRow.user, StandingRow.awards, StandingRow.badges, StandingRow.last_awarded_at)
        query: Any = store.ask(StandingRow.select(*totals).where(StandingRow.awards > 0))
    else:
        totals = (AwardRow.user, fn.COUNT(SQL("*")), fn.COUNT(AwardRow.badge.distinct()), fn.MAX(AwardRow.awarded_at))
        query = store.ask(AwardRow.select(*totals).where(AwardRow.revoked_at.is_null()).group_by(AwardRow.user))
    if badge is not None:
        query = query.where(AwardRow.badge == text_or_number(badge, "badge"))
    if since is not None:
        query = query.where(AwardRow.awarded_at >= moment(since, "--since"))
    if until is not None:
        query = query.where(AwardRow.awarded_at < moment(until, "--until"))
    user, awards, _, last_awarded_at = totals
    rows: list[Row] = []
    found = query.order_by(awards.desc(), last_awarded_at, user).limit(limit).tuples()
    for number, (user, awards, badges, last_awarded_at) in enumerate(found, 1):
        rank = rows[-1]["rank"] if rows and rows[-1]["awards"] == awards else number
        rows.append(
            {"rank": rank, "user": user, "awards": awards, "badges": badges, "last_awarded_at": last_awarded_at}
        )
    return rows


def holders(store: Store, catalogue: Catalogue) -> list[Row]:
    """Each level of each registered badge, with how many users hold it and their share of all users in the store."""
    counted = {(row.badge, row.level): row.users for row in store.ask(HolderRow.select())}
    users = counted.get(("", 0), 0)
    rows = []
    for badge in catalogue:
        for level in range(1, len(badge.levels) + 1):
            detail, count = badge.detail(level), counted.get((badge.slug, level), 0)
            rows.append(
                {
                    "badge": badge.slug,
                    "level": level,
                    "level_name": detail.name,
                    "description": detail.description,
                    "image": detail.image,
                    "events": list(badge.events),
                    "multiple": badge.multiple,
                    "async": badge.async_,
                    "cumulative": badge.cumulative,
                    "holders": count,
                    "share": round(count / users, 6) if users else 0.0,
                }
            )
    return rows
