"""Walks the journal in its order: asks the badges, awards what is missing, finds what they no longer give."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from brabeion_cli.base import Badge
from brabeion_cli.domain.events import BADGE_AWARDED
from brabeion_cli.domain.grants import Grant
from brabeion_cli.domain.outcomes import Failure, NewAward
from brabeion_cli.domain.timeline import JournalEntry
from brabeion_cli.engine.awarding import EndlessAwardsError, award_entry_at, require_end
from brabeion_cli.engine.evaluation import EvaluationContext, evaluate
from brabeion_cli.engine.session import Session
from brabeion_cli.replay.checkpoints import Checkpoints
from brabeion_cli.replay.messages import Checkpoint, FailedEvaluation, PrunedNeed, ReplayReport, ReplayRequest
from brabeion_cli.sandbox.guard import BadgeFailedError
from brabeion_cli.sandbox.scoreboard import Scoreboard
from brabeion_cli.store.award_changes import EarnedAward, Origin
from brabeion_cli.store.award_log import REPLAY
from brabeion_cli.store.event_range import EventRange
from brabeion_cli.store.reconciliation import Reconciliation

MAX_PASSES = 20  # walks that pruning takes at most; each finds the awards that rest on those revoked before


class Replay:
    """Evaluates the events of a request by its badges.

    A dry run and pruning work on a copy of the awards that nobody else sees.
    """

    def __init__(self, session: Session, request: ReplayRequest, scoreboard: Scoreboard | None = None) -> None:
        self._session, self._request, self._scoreboard = session, request, scoreboard
        self._store, self._journal = session.store, session.journal
        self._reconciliation = Reconciliation(session.store, on_copy=request.dry_run or request.prune)
        # Events recorded from now on are evaluated as they come.
        self._events = request.events._replace(last=self._store.events.last_number())
        chosen = request.badges
        self._badges = [badge for badge in session.registry if chosen is None or badge.slug in chosen]
        self._user = ""  # of the event that is evaluated
        self._again = False  # whether failures have been reported
        self._prunes = self._store.events.prunes()
        self._pruned_needs = [
            PrunedNeed(badge.slug, name, before)
            for name, before in self._prunes.items()
            for badge in session.registry.needing(name)
            if badge in self._badges
        ]
        self._incomplete = {need.slug for need in self._pruned_needs}  # badges that did not return for every event

    def run(self, tell: Callable[[Checkpoint], None]) -> ReplayReport:
        """Walk the journal, and report progress often. Pruning walks again until nothing is stale."""
        self._checkpoints = Checkpoints(self._store, tell)
        self._walk_all()
        for _ in range(MAX_PASSES if self._request.prune else 0):
            if not self._reconciliation.revoke_stale(self._complete, self._events, self._request.now):
                break
            self._again = True
            self._reconciliation.forget_granted()  # awards that rested on those may be stale now, too
            self._walk_all()
        for awards in (
            self._reconciliation.differences(enter=not self._request.dry_run) if self._reconciliation.on_copy else ()
        ):
            self._checkpoints.awards += awards
            self._checkpoints.commit_and_report()
        changes = self._reconciliation.changes(self._badges, self._complete, self._events, pruned=self._request.prune)
        stale, revoked = sum(change.stale for change in changes), self._reconciliation.revoked.total()
        return ReplayReport(self._events.count(self._store.database), stale, revoked, changes, self._pruned_needs)

    @property
    def _complete(self) -> list[str]:
        """Badges that returned for every event. Awards of the others are never called stale."""
        if self._store.events.prunes() != self._prunes:  # events were pruned meanwhile
            return []
        return [badge.slug for badge in self._badges if badge.slug not in self._incomplete]

    # The walk

    def _walk_all(self) -> None:
        self._walk(self._events, self._badges, enter=True)
        suspects = self._reconciliation.suspects(self._complete, self._events)
        if suspects and self._events != self._events.whole:  # an event outside the range may earn it
            badges = [badge for badge in self._badges if badge.slug in suspects]
            self._walk(self._events.whole, badges, enter=False)

    def _walk(self, events: EventRange, badges: Sequence[Badge], *, enter: bool) -> None:
        """Ask the badges about the events of a range; without `enter` only note what they give."""
        listening: dict[str, list[Badge]] = {}
        for badge in badges:
            for name in dict.fromkeys(badge.events):
                listening.setdefault(name, []).append(badge)
        database = self._store.database
        names = events.names(database) if BADGE_AWARDED in listening else list(listening)
        with self._checkpoints.walk(events.count(database, names)):
            for number in events.numbers(database, names):
                entry = self._store.events.entry(number)
                if entry is not None:  # None: it was deleted since its number was read
                    self._evaluate_event(entry, listening, enter)
                self._checkpoints.count_event()

    def _evaluate_event(self, entry: JournalEntry, listening: Mapping[str, Sequence[Badge]], enter: bool) -> None:
        """Ask the badges about an event, and about the awards that it earned."""
        if self._scoreboard is not None:
            self._scoreboard.line = entry.number
        self._session.guard.excluded = self._request.exclusions.at(entry.number)
        self._user = entry.user
        asked = {badge.slug for group in listening.values() for badge in group}
        answered = asked - self._incomplete
        seen: set[EarnedAward] = set()
        waiting = deque([EvaluationContext(entry, self._journal, hindsight=True)])
        while waiting:
            context = waiting.popleft()
            earned = self._ask_listeners(context, listening, answered, enter)
            if BADGE_AWARDED in listening:
                if context.entry.position == 0 or answered != asked:  # awards of badges that failed or were not asked
                    earned.update(self._reconciliation.earned_by(entry.number, but_for=answered))
                waiting.extend(self._award_context(award, context.entry) for award in sorted(earned - seen))
                seen |= earned

    def _ask_listeners(
        self, context: EvaluationContext, listening: Mapping[str, Sequence[Badge]], answered: set[str], enter: bool
    ) -> set[EarnedAward]:
        """The awards that the entry earned. Badges that fail are removed from `answered`."""
        earned: set[EarnedAward] = set()
        for badge in listening.get(context.entry.name, ()):
            granted = self._ask(badge, context)
            if granted is None:
                answered.discard(badge.slug)
            for grant in granted or ():
                position = self._enter_or_note(grant, context.entry, enter)
                if position is not None:
                    earned.add(EarnedAward(position, grant._replace(implied=False)))
        return earned

    def _ask(self, badge: Badge, context: EvaluationContext) -> list[Grant] | None:
        """What the badge gives; None if it failed."""
        entry = context.entry
        if badge.async_:
            self._checkpoints.pause()
        try:
            require_end(entry)
            return evaluate(badge, context, self._session.guard.call)
        except EndlessAwardsError as error:
            self._fail(entry, badge, Failure(str(error)))
        except BadgeFailedError as error:
            self._fail(entry, badge, error.failure)
        return None

    def _fail(self, entry: JournalEntry, badge: Badge, failure: Failure) -> None:
        if not self._reconciliation.stands(self._origin(entry)):
            return
        self._incomplete.add(badge.slug)
        if not self._again:
            self._checkpoints.failures.append(FailedEvaluation(entry, badge.slug, failure))

    def _enter_or_note(self, grant: Grant, entry: JournalEntry, enter: bool) -> int | None:
        """Enter an award if it is missing, and note it. Returns its position if this event earned it, else None."""
        on_record = self._store.awards.get(grant)
        missing = on_record is None or on_record.revoked_by == REPLAY
        if missing and not enter:
            return None
        if missing:
            if not self._reconciliation.on_copy:
                self._checkpoints.begin_transaction()
            if not self._reconciliation.stands(self._origin(entry)):
                return None
        self._reconciliation.note_granted(grant)
        if missing:
            if self._store.awards.add(grant, entry.at, entry.number):
                self._note_new(NewAward(grant, entry.number, entry.at), self._origin(entry))
            on_record = self._store.awards.get(grant)
        return on_record.position if on_record is not None and on_record.event_number == entry.number else None

    def _note_new(self, award: NewAward, origin: Origin) -> None:
        if self._reconciliation.on_copy:
            self._reconciliation.note_origin(award.grant, origin)
        else:
            self._checkpoints.awards.append(award)
            self._reconciliation.note_gained(award.grant)

    def _origin(self, entry: JournalEntry) -> Origin:
        return Origin(entry.number, self._user, entry.user if entry.position else None)

    def _award_context(self, award: EarnedAward, entry: JournalEntry) -> EvaluationContext:
        name = self._session.registry.level_name(award.grant.slug, award.grant.level)
        about = award_entry_at(award.position, award.grant, name, entry)
        return EvaluationContext(about, self._journal, hindsight=True)
