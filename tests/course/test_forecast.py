"""How long a run will take: the stored minutes, times what this machine needs."""

import pytest

from forecast import UNKNOWN, Forecast, calibrate, in_minutes


def test_a_slower_machine_takes_longer():
    forecast = Forecast({"a": 1, "b": 2}, factor=1.5)
    assert forecast.seconds(["a", "b"]) == 60 * 1.5 * 3
    assert forecast.seconds(["new"]) == 60 * 1.5 * UNKNOWN
    assert calibrate() > 0


def test_lessons_that_have_run_correct_the_forecast():
    forecast = Forecast({"a": 1, "b": 2}, factor=9)
    forecast.learn("a", 30)
    assert forecast.seconds(["b"]) == 60
    forecast.learn("b", 240)
    assert forecast.seconds(["a"]) == pytest.approx(60 * 270 / 180)


@pytest.mark.parametrize(
    ("seconds", "words"), [(1, "1 minute"), (60, "1 minute"), (61, "2 minutes")]
)
def test_seconds_are_rounded_up_to_minutes(seconds, words):
    assert in_minutes(seconds) == f"about {words}"
