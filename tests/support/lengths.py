"""Tests in two lengths: a quick one for the suite that everybody runs, and a long one for `pytest -m long`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


def lengths(quick: Any, long: Any) -> list[Any]:
    """Values of a parameter: one for the quick suite, and one for the long runs."""
    return [pytest.param(quick, id="quick"), pytest.param(long, id="long", marks=pytest.mark.long)]


def holds_for(*strategies: st.SearchStrategy[Any], quick: int, long: int) -> Callable[[Callable[..., None]], Any]:
    """Makes a test of a property: `given` these strategies, with so many examples in the quick suite and in long runs.

    The strategies are the last parameters of the property; those before them are fixtures.
    """

    def decorate(holds: Callable[..., None]) -> Any:
        forms = {
            count: settings(max_examples=count, deadline=None)(given(*strategies)(holds)) for count in (quick, long)
        }

        def test(examples: int, **fixtures: Any) -> None:
            forms[examples](**fixtures)

        fixtures = inspect.signature(forms[quick]).parameters.values()
        examples = inspect.Parameter("examples", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        test.__signature__ = inspect.Signature([examples, *fixtures])  # type: ignore[attr-defined]
        test.__doc__ = holds.__doc__
        return pytest.mark.parametrize("examples", lengths(quick, long))(test)

    return decorate
