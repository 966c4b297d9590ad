"""What several families of badges ask in the same words."""


def reaches(score, state):
    """The post has this score for the first time: its best score until now was lower."""
    return state["score_after"] >= score > state["best_score_before"]


def is_question(state):
    return state["post_type"] == "question"


def is_answer(state):
    return state["post_type"] == "answer"
