"""Schedules in words, for people who look at a list of them. Pure."""

from collections.abc import Collection, Sequence

_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))
_FEW = 4
"""So many times of day are listed; more are described."""


def of_seconds(seconds: float) -> str:
    """``90.0`` is ``1 minute 30 seconds``."""
    parts, left = [], round(seconds, 6)
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(_plural(int(count), unit))
    if left or not parts:
        parts.append(f"{left:g} second{'' if left == 1 else 's'}")
    return " ".join(parts)


def of_cron(
    seconds: Sequence[int],
    minutes: Sequence[int],
    hours: Sequence[int],
    weekdays: Collection[int],
    days: Sequence[int],
    months: Sequence[int],
) -> str:
    """``at 08:00 on Monday to Friday``. All in sorted order."""
    parts = [_times(seconds, minutes, hours)]
    if len(weekdays) < 7:
        monday_first = sorted(weekdays, key=lambda day: (day - 1) % 7)
        parts.append(f"on {_runs([(day - 1) % 7 for day in monday_first], (*_WEEKDAYS[1:], _WEEKDAYS[0]))}")
    if len(days) < 31:
        parts.append(f"on day {_runs(days)} of the month")
    if len(months) < 12:
        parts.append(f"in {_runs([month - 1 for month in months], _MONTHS)}")
    return " ".join(parts)


def _times(seconds: Sequence[int], minutes: Sequence[int], hours: Sequence[int]) -> str:
    if len(seconds) * len(minutes) * len(hours) <= _FEW:
        shown = [
            f"{hour:02}:{minute:02}" + (f":{second:02}" if seconds[0] or len(seconds) > 1 else "")
            for hour in hours
            for minute in minutes
            for second in seconds
        ]
        return f"at {', '.join(shown)}"
    parts = []
    if list(seconds) != [0]:
        parts.append(_each(seconds, 60, "second"))
    if not (list(seconds) != [0] and len(minutes) == 60):
        parts.append(_each(minutes, 60, "minute"))
    if len(hours) < 24:
        parts.append(_each(hours, 24, "hour"))
    return " of ".join(parts)


def _each(numbers: Sequence[int], size: int, unit: str) -> str:
    """``every 15 minutes``, ``minute 5, 10 to 12``."""
    step = numbers[1] - numbers[0] if len(numbers) > 1 else size
    if list(numbers) == list(range(0, size, step)) and size % step == 0 and step < size:
        return f"every {unit}" if step == 1 else f"every {step} {unit}s"
    return f"{unit} {_runs(numbers)}"


def _runs(numbers: Sequence[int], names: Sequence[str] | None = None) -> str:
    """Sorted numbers with runs drawn together: ``1, 3 to 5``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    name = names.__getitem__ if names is not None else str
    return ", ".join(
        f"{name(run[0])} to {name(run[-1])}" if len(run) > 2 else ", ".join(map(name, run)) for run in runs
    )


def _plural(count: int, unit: str) -> str:
    return f"{count} {unit}{'' if count == 1 else 's'}"
