"""The journal again: walks it in its order, asks the badges, awards what is missing, finds what they no longer give."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from brabeion_cli.base import Badge
from brabeion_cli.domain.award_rules import Grant
from brabeion_cli.domain.events import BADGE_AWARDED
from brabeion_cli.domain.outcomes import Failure, NewAward
from brabeion_cli.domain.timeline import JournalEntry
from brabeion_cli.engine.awarding import EndlessAwardsError, award_entry_at, require_end
from brabeion_cli.engine.evaluation import EvaluationContext, evaluate
from brabeion_cli.project.registry import Registry
from brabeion_cli.replay.checkpoints import Checkpoint, Checkpoints
from brabeion_cli.sandbox.guard import BadgeFailedError, Guard
from brabeion_cli.sandbox.scoreboard import Scoreboard
from brabeion_cli.store.award_log import REPLAY
from brabeion_cli.store.event_range import EventRange
from brabeion_cli.store.journal import Journal
from brabeion_cli.store.reconciliation import LevelChange, Origin, Reconciliation
from brabeion_cli.store.store import Store

MAX_PASSES = 20  # walks that pruning takes at most: one for each award that rests on another one


class PrunedNeed(NamedTuple):
    """A badge that needs events of which those before a moment were pruned: nothing of it is called stale."""

    badge: str
    event: str
    before: str


class ReplayReport(NamedTuple):
    """What a whole replay came to."""

    events: int
    stale: int
    revoked: int
    changes: list[LevelChange]
    unsure: list[PrunedNeed]


class Exclusions(NamedTuple):
    """Evaluations that are not to be tried again, with the failure that stands as their answer: a badge for one event,
    or a badge altogether.
    """

    once: Mapping[tuple[int, str], Failure] = {}
    always: Mapping[str, Failure] = {}


class Replay:
    """Judges the events of a stretch by the badges named (None: all).

    With `dry_run` nothing is written. With `prune` awards that the rules no longer give are revoked. Both judge against
    a copy of the awards that nobody else sees.
    """

    def __init__(
        self,
        registry: Registry,
        store: Store,
        guard: Guard,
        stretch: EventRange,
        *,
        badges: Sequence[str] | None = None,
        now: datetime,
        dry_run: bool = False,
        prune: bool = False,
        doomed: Exclusions | None = None,
        watch: Scoreboard | None = None,
        timezone: str = "UTC",
    ) -> None:
        self._registry, self._store = registry, store
        self._now, self._dry_run, self._prune = now, dry_run, prune
        self._doomed, self._watch = doomed or Exclusions(), watch
        self._ask = guard.call
        self._journal = Journal(store.database, timezone, registry.level_name)
        self._ledger = Reconciliation(store, apart=dry_run or prune)
        self._stretch = stretch._replace(
            last=self._journal.recorded.last_number()
        )  # later ones are judged as they come
        self._badges = [badge for badge in registry if badges is None or badge.slug in badges]
        self._user = ""  # whose event is judged
        self._again = False  # whether failures have been told
        self._prunes = self._journal.recorded.prunes()
        self._unsure = [
            PrunedNeed(badge.slug, name, before)
            for name, before in self._prunes.items()
            for badge in registry.needing(name)
            if badge in self._badges
        ]
        self._silent = {unsure.badge for unsure in self._unsure}  # whose answers are not all there

    def run(self, tell: Callable[[Checkpoint], None]) -> ReplayReport:
        """Walk the journal, and tell often how far it has come. Pruning walks again until nothing is stale."""
        self._steps = Checkpoints(self._store, tell)
        self._walk_all()
        for _ in range(MAX_PASSES if self._prune else 0):
            if not self._ledger.revoke_stale(self._sure, self._stretch, self._now):
                break
            self._again = True
            self._ledger.forget_granted()  # what rested on those may be stale now, too
            self._walk_all()
        for awards in self._ledger.differences(enter=not self._dry_run) if self._ledger.apart else ():
            self._steps.awards += awards
            self._steps.end()
        changes = self._ledger.changes(self._badges, self._sure, self._stretch, pruned=self._prune)
        stale, revoked = sum(change.stale for change in changes), self._ledger.revoked.total()
        return ReplayReport(self._stretch.count(self._store.database), stale, revoked, changes, self._unsure)

    @property
    def _sure(self) -> list[str]:
        """Badges that have answered for every event; of the others nothing is called stale."""
        if self._journal.recorded.prunes() != self._prunes:  # meanwhile
            return []
        return [badge.slug for badge in self._badges if badge.slug not in self._silent]

    # The walk

    def _walk_all(self) -> None:
        self._walk(self._stretch, self._badges, enter=True)
        suspects = self._ledger.suspects(self._sure, self._stretch)
        if suspects and self._stretch != self._stretch.whole:  # what no event of a part earns, another may
            badges = [badge for badge in self._badges if badge.slug in suspects]
            self._walk(self._stretch.whole, badges, enter=False)

    def _walk(self, stretch: EventRange, badges: Sequence[Badge], *, enter: bool) -> None:
        """Judge the events of a stretch by badges; without `enter` only note what they give."""
        listening: dict[str, list[Badge]] = {}
        for badge in badges:
            for name in dict.fromkeys(badge.events):
                listening.setdefault(name, []).append(badge)
        database = self._store.database
        names = stretch.names(database) if BADGE_AWARDED in listening else list(listening)
        with self._steps.walk(stretch.count(database, names)):
            for number in stretch.numbers(database, names):
                entry = self._journal.recorded.entry(number)
                if entry is not None:  # else it has gone since its place was read
                    self._judge_event(entry, listening, enter)
                self._steps.went_on()

    def _judge_event(self, entry: JournalEntry, listening: Mapping[str, Sequence[Badge]], enter: bool) -> None:
        """Ask the badges about an event, and about the awards that it earned."""
        if self._watch is not None:
            self._watch.line = entry.number
        self._user = entry.user
        cases = [EvaluationContext(entry, self._journal, hindsight=True)]
        asked = {badge.slug for group in listening.values() for badge in group}
        answered = asked - self._silent
        seen: set[tuple[int, Grant]] = set()
        for case in cases:  # which grow meanwhile
            earned: set[tuple[int, Grant]] = set()
            for badge in listening.get(case.entry.name, ()):
                granted = self._judge(badge, case)
                if granted is None:
                    answered.discard(badge.slug)
                for grant in granted or ():
                    position = self._settle(grant, case.entry, enter)
                    if position is not None:
                        earned.add((position, grant._replace(implied=False)))
            if BADGE_AWARDED in listening:
                if case.entry.position == 0 or answered != asked:  # of a badge that failed what stands, stands
                    earned.update(self._ledger.earned_by(entry.number, but_for=answered))
                cases += [self._award_case(position, grant, case.entry) for position, grant in sorted(earned - seen)]
                seen |= earned

    def _judge(self, badge: Badge, case: EvaluationContext) -> list[Grant] | None:
        """What the badge gives; None where it failed."""
        entry = case.entry
        if badge.async_:
            self._steps.pause()
        try:
            require_end(entry)
            failure = self._doomed.always.get(badge.slug) or self._doomed.once.get((entry.number, badge.slug))
            if failure is not None:
                raise BadgeFailedError(failure)
            return evaluate(badge, case, self._ask)
        except EndlessAwardsError as error:
            self._fail(entry, badge, Failure(str(error)))
        except BadgeFailedError as error:
            self._fail(entry, badge, error.failure)
        return None

    def _fail(self, entry: JournalEntry, badge: Badge, failure: Failure) -> None:
        if not self._ledger.stands(self._origin(entry)):
            return
        self._silent.add(badge.slug)
        if not self._again:
            self._steps.failures.append((entry, badge.slug, failure))

    def _settle(self, grant: Grant, entry: JournalEntry, enter: bool) -> int | None:
        """Enter an award that is missing, note one that is there; its position where this event is what earned it."""
        on_record = self._store.award(grant)
        missing = on_record is None or on_record.revoked_by == REPLAY
        if missing and not enter:
            return None
        if missing:
            if not self._ledger.apart:
                self._steps.enter()
            if not self._ledger.stands(self._origin(entry)):
                return None
        self._ledger.note_granted(grant)
        if missing:
            if self._store.add_award(grant, entry.at, entry.number):
                self._gain(NewAward(grant, entry.number, entry.at), self._origin(entry))
            on_record = self._store.award(grant)
        return on_record.position if on_record is not None and on_record.event_number == entry.number else None

    def _gain(self, award: NewAward, origin: Origin) -> None:
        if self._ledger.apart:
            self._ledger.note_origin(award.grant, origin)
        else:
            self._steps.awards.append(award)
            self._ledger.note_gained(award.grant)

    def _origin(self, entry: JournalEntry) -> Origin:
        return Origin(entry.number, self._user, entry.user if entry.position else None)

    def _award_case(self, position: int, grant: Grant, entry: JournalEntry) -> EvaluationContext:
        name = self._registry.level_name(grant.badge, grant.level)
        return EvaluationContext(award_entry_at(position, grant, name, entry), self._journal, hindsight=True)
