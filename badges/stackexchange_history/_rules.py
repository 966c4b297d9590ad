"""What several families of badges ask in the same words.

These are the badges of `badges/stackexchange` that lean on a running total of the caller's: a number of comments, the
best score until now. Here they ask the journal instead, or trust that an award is given once, and earn the same.
What is left out, and why:

- Revival and the badges for tags: they need what others did, the scores of others' answers and the tags that others
  gave to a question.
- Supporter, Critic, Civic Duty: the journal has the votes that a user got, not those that a user cast.
- All others, such as Student or Popular Question: they look at their own event only, and need no total.
"""


def at_least(least):
    """For `where`: the field has that number or more."""
    return lambda number: number >= least


def is_question(state):
    return state["post_type"] == "question"


def is_answer(state):
    return state["post_type"] == "answer"
