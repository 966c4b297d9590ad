"""Editing what others have written."""

from datetime import datetime, timedelta

from brabeion_cli import badges
from brabeion_cli.base import Badge, BadgeAwarded, BadgeDetail, CountBadge

from ._rules import at_least, is_answer, is_question


class EditCount(CountBadge):
    """A number of edits to others' posts."""

    events = ["post_edited"]
    where = {"is_own_post": False}


@badges.register
class StrunkAndWhite(EditCount):
    slug = "strunk-white"
    levels = [BadgeDetail("Strunk & White", "Edited 80 posts of others")]
    thresholds = [80]


@badges.register
class CopyEditor(EditCount):
    slug = "copy-editor"
    levels = [BadgeDetail("Copy Editor", "Edited 500 posts of others")]
    thresholds = [500]


class OldPostEditCount(CountBadge):
    """A number of edits to others' posts that were inactive for 6 months."""

    events = ["post_edited"]
    where = {"is_own_post": False, "days_inactive": at_least(183)}


@badges.register
class Excavator(OldPostEditCount):
    slug = "excavator"
    levels = [BadgeDetail("Excavator", "Edited a post that was inactive for 6 months")]
    thresholds = [1]


@badges.register
class Archaeologist(OldPostEditCount):
    slug = "archaeologist"
    levels = [BadgeDetail("Archaeologist", "Edited 100 posts that were inactive for 6 months")]
    thresholds = [100]


@badges.register
class Explainer(Badge):
    """On a vote for the answer it looks for the edit, on the edit for the answer."""

    slug = "explainer"
    levels = [BadgeDetail("Explainer", "Edited and answered a question within 12 hours, answer score of 1 or more")]
    events = ["post_upvoted", "post_edited"]
    asks = ["answer_posted", "post_downvoted"]

    def award(self, **state):
        history, question = state["history"], state["question_id"]
        if state["question_closed"]:
            return None
        if history.event.name == "post_edited":
            answers = history.events("answer_posted", **half_a_day_around(history.event.at), question_id=question)
            if is_question(state) and not state["is_own_post"] and any(is_liked(answer, history) for answer in answers):
                return BadgeAwarded()
        elif is_answer(state) and state["score_after"] >= 1:
            near = half_a_day_around(datetime.fromisoformat(state["answered_at"]))
            if any(history.events("post_edited", **near, post_id=question, is_own_post=False)):
                return BadgeAwarded()


def half_a_day_around(at):
    return {"since": at - timedelta(hours=12), "until": at + timedelta(hours=12)}


def is_liked(answer, history):
    vote = history.last("post_upvoted", "post_downvoted", post_id=answer.state["post_id"])
    return vote is not None and vote.state["score_after"] >= 1
