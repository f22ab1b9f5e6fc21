"""Times are read a column at a time, and each as it would be read alone."""

from __future__ import annotations

import pyarrow as pa
import pytest

from meterbook.usage.columns import TIME_TYPE
from meterbook.usage.times import read_time, read_times

RIGHT = [
    "2026-11-20T10:00:00Z",
    "2026-11-20T10:00:00.5Z",
    "2026-11-20T10:00:00.123456+05:30",
    "2026-11-20T10:00:00.1234567Z",
    "2026-11-20t10:00:00z",
    "2026-11-20 10:00:00-23:59",
    "2026-11-20T10:00:00+0530",
    "9999-12-31T23:59:59-23:59",
    "1969-12-31T23:59:59Z",
]
WRONG = [
    "2026-11-20T10:00:00",
    "2026-11-20T10:00:00+05",
    "2026-11-20T10:00Z",
    "2026-11-20T10:00+05:30",
    "2026-11-20T10+05:30",
    "2026-11-20",
    "2026-02-30T10:00:00Z",
    "2026-11-20T24:00:00Z",
    "2026-11-20T10:00:60Z",
    "2026-11-20T10:00:00.Z",
    "2026-11-20T10:00:00+24:00",
    "20. November 2026, 10 Uhr",
    "",
]


@pytest.mark.parametrize("text", RIGHT)
def test_a_right_time_is_read_alike_alone_and_in_a_column(text: str) -> None:
    plain = "2026-11-20T10:00:01Z"
    column = [plain, text, plain]
    alone = pa.array([read_time(each) for each in column], TIME_TYPE)
    assert read_times(pa.array(column)) == alone
    assert read_times(pa.array([text])) == alone[1:2]


@pytest.mark.parametrize("text", WRONG)
def test_a_column_with_a_wrong_time_is_not_read(text: str) -> None:
    assert read_times(pa.array(["2026-11-20T10:00:00Z", text])) is None
    assert read_times(pa.array([text])) is None
    alone = read_time(text)
    assert alone is None or alone.tzinfo is None


def test_no_times_are_a_column_of_none() -> None:
    assert len(read_times(pa.array([], pa.string()))) == 0
