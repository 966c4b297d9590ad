"""Editing what others, or oneself, have written."""

from brabeion_cli import badges
from brabeion_cli.base import Badge, BadgeAwarded, BadgeDetail

from ._rules import is_answer, is_question


@badges.register
class Editor(Badge):
    slug = "editor"
    levels = [BadgeDetail("Editor", "First edit")]
    events = ["post_edited"]

    def award(self, **state):
        return BadgeAwarded()


class EditCount(Badge):
    """A number of edits to others' posts."""

    events = ["post_edited"]

    def award(self, **state):
        if state[self.counter] >= self.edits:
            return BadgeAwarded()


@badges.register
class StrunkAndWhite(EditCount):
    slug = "strunk-white"
    levels = [BadgeDetail("Strunk & White", "Edited 80 posts of others")]
    counter, edits = "user_edit_count", 80


@badges.register
class CopyEditor(EditCount):
    slug = "copy-editor"
    levels = [BadgeDetail("Copy Editor", "Edited 500 posts of others")]
    counter, edits = "user_edit_count", 500


@badges.register
class Excavator(EditCount):
    slug = "excavator"
    levels = [BadgeDetail("Excavator", "Edited a post that was inactive for 6 months")]
    counter, edits = "user_old_post_edit_count", 1


@badges.register
class Archaeologist(EditCount):
    slug = "archaeologist"
    levels = [BadgeDetail("Archaeologist", "Edited 100 posts that were inactive for 6 months")]
    counter, edits = "user_old_post_edit_count", 100


@badges.register
class Explainer(Badge):
    slug = "explainer"
    levels = [BadgeDetail("Explainer", "Edited and answered a question within 12 hours, answer score of 1 or more")]
    events = ["post_upvoted", "post_edited"]

    def award(self, **state):
        if "author_edited_question_minutes" in state and is_answer(state):
            minutes, score = state["author_edited_question_minutes"], state["score_after"]
        elif "editor_answer_minutes" in state and is_question(state) and not state["is_own_post"]:
            minutes, score = state["editor_answer_minutes"], state["editor_answer_score"]
        else:
            return None
        if minutes is not None and minutes <= 720 and score >= 1 and not state["question_closed"]:
            return BadgeAwarded()


@badges.register
class Organizer(Badge):
    slug = "organizer"
    levels = [BadgeDetail("Organizer", "First retag of another's question")]
    events = ["tags_edited"]

    def award(self, **state):
        if not state["is_own_post"]:
            return BadgeAwarded()


@badges.register
class TagEditor(Badge):
    slug = "tag-editor"
    levels = [BadgeDetail("Tag Editor", "First edit of a tag's wiki")]
    events = ["tag_wiki_edited"]

    def award(self, **state):
        return BadgeAwarded()


@badges.register
class Cleanup(Badge):
    slug = "cleanup"
    levels = [BadgeDetail("Cleanup", "First rollback")]
    events = ["post_rolled_back"]

    def award(self, **state):
        return BadgeAwarded()
