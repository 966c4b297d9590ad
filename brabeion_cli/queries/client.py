"""`explain` and `progress`: a child process asks the badges, so that none of them can end the command."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from brabeion_cli.engine.session import Session
from brabeion_cli.project.config import Config
from brabeion_cli.queries.explanation import Explanation, explain
from brabeion_cli.queries.progress import ProgressReport, measure_progress
from brabeion_cli.runtime import bootstrap
from brabeion_cli.sandbox.channel import Channel
from brabeion_cli.sandbox.quarantine import Exclusions, Quarantine
from brabeion_cli.sandbox.scoreboard import Scoreboard
from brabeion_cli.sandbox.supervisor import BadgeDiedError, Supervisor


class Question(NamedTuple):
    """Explain a badge of a user; or, if `slug` is None, the user's progress with all badges."""

    user: str
    slug: str | None
    now: datetime
    exclusions: Exclusions = Exclusions()


def ask_explanation(config: Config, user: str, slug: str, now: datetime) -> Explanation:
    """See `explanation.explain`."""
    answer: Explanation = _ask(config, Question(user, slug, now))
    return answer


def ask_progress(config: Config, user: str, now: datetime) -> ProgressReport:
    """See `progress.measure_progress`."""
    answer: ProgressReport = _ask(config, Question(user, None, now))
    return answer


def _ask(config: Config, question: Question) -> Any:
    supervisor, quarantine = Supervisor(partial(answer_question, config)), Quarantine()
    try:
        while True:
            supervisor.start()
            supervisor.send(question._replace(exclusions=quarantine.exclusions))
            try:
                return supervisor.answer()
            except BadgeDiedError as death:
                quarantine.add(death)
    finally:
        supervisor.close()


def answer_question(config: Config, scoreboard: Scoreboard, channel: Channel) -> None:
    """Run the child: answer one `Question` with an `Explanation` or a `ProgressReport`."""

    def work(session: Session) -> None:
        channel.send(True)
        question: Question = channel.receive()
        channel.end_after(bootstrap.seconds_to_ask_all(config, session.registry))
        session.guard.excluded = question.exclusions.at(0)
        if question.slug is not None:
            channel.send(explain(session, question.user, question.slug, question.now))
        else:
            channel.send(measure_progress(session, question.user, question.now))

    bootstrap.run_session(config, scoreboard, channel, work, deferred=config.task_timeout)
