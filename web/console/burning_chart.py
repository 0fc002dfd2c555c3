"""The burn-down of a budget as a drawing: what is left over time, and where it would be gone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from capabilities.marketing.campaigns import BurnDown

WIDTH, HEIGHT = 640, 180
LEFT, RIGHT, TOP, BOTTOM = 8, 8, 20, 24
ROWS_SHOWN = 60


@dataclass(frozen=True, slots=True)
class BurnChart:
    """Coordinates of the drawing. The same stands as `rows` in the table under it: when, taken, used, left."""

    burn: BurnDown
    width: int
    height: int
    base: float
    area: str
    line: str
    forecast: str
    now_x: float
    now_y: float
    begins: datetime
    ends: datetime
    rows: tuple[tuple[datetime, int, int, int], ...]


def burn_chart(burn: BurnDown, at: datetime) -> BurnChart | None:
    """None where nothing was taken yet, or where the budget is counted for each buyer by itself."""
    if not burn.points or burn.budget.left is None:
        return None
    begins, ends = burn.points[0].at, burn.lasts_until or at
    span = max(1.0, (ends - begins).total_seconds())
    most = max(1, burn.budget.most)
    floor = HEIGHT - BOTTOM

    def x(moment: datetime) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * max(0.0, (moment - begins).total_seconds()) / span, 1)

    def y(left: int) -> float:
        return round(TOP + (floor - TOP) * (1 - max(0, min(most, left)) / most), 1)

    steps = [(x(begins), y(most))]
    for place, point in enumerate(burn.points):
        until = burn.points[place + 1].at if place + 1 < len(burn.points) else at
        steps.append((x(min(until, at)), y(most - point.used)))
    line = " ".join(f"{a},{b}" for a, b in steps)
    last = steps[-1]
    forecast = "" if burn.lasts_until is None else f"{last[0]},{last[1]} {x(burn.lasts_until)},{floor}"
    rows = tuple((p.at, p.taken, p.used, max(0, most - p.used)) for p in burn.points)
    return BurnChart(
        burn=burn,
        width=WIDTH,
        height=HEIGHT,
        base=floor,
        area=f"{steps[0][0]},{floor} {line} {last[0]},{floor}",
        line=line,
        forecast=forecast,
        now_x=last[0],
        now_y=last[1],
        begins=begins,
        ends=ends,
        rows=rows[-ROWS_SHOWN:],
    )
