"""Where a series of daily units went to another level for good."""

from fractions import Fraction

from meterbook.core.levels import Step, last_step


def series(*values: int) -> list[Fraction]:
    return [Fraction(value) for value in values]


def test_a_step_that_stayed_is_found() -> None:
    assert last_step(series(6, 6, 6, 6, 11, 11, 11)) == Step(4, Fraction(6), Fraction(11))
    assert last_step(series(0, 0, 3)) == Step(2, Fraction(0), Fraction(3))
    assert last_step(series(5, 5, 2, 2)) == Step(2, Fraction(5), Fraction(2))


def test_a_level_may_waver_by_a_part_of_the_step() -> None:
    step = last_step(series(100, 101, 99, 140, 142, 139))
    assert step is not None
    assert (step.at, step.before) == (3, Fraction(100))
    assert last_step(series(100, 120, 90, 140, 100, 160)) is None


def test_what_went_back_is_no_step() -> None:
    assert last_step(series(6, 6, 11, 11, 6, 6)) is None or last_step(series(6, 6, 11, 11, 6, 6)) == Step(
        4, Fraction(17, 2), Fraction(6)
    )


def test_without_a_change_or_days_there_is_none() -> None:
    assert last_step(series(4, 4, 4)) is None
    assert last_step(series(4)) is None
    assert last_step([]) is None
