"""Reading files in the CSV format of the European Central Bank (`eurofxref-hist.csv`). Pure: no I/O, no clock.

    Date,USD,JPY,BGN,
    2026-11-20,1.0843,169.21,1.9558,
    2026-11-19,1.0861,N/A,1.9558,

A row is a day, a column what one euro is worth in that currency; `N/A` or nothing: not quoted. All or nothing: a file
with one bad row is refused, with the numbers of the bad lines.
"""

from __future__ import annotations

import csv
import io
import re
from datetime import date
from typing import TYPE_CHECKING, Final

from expenses.errors import Invalid
from expenses.money import CURRENCIES
from expenses.rates.model import CROSS, Rate, parse_rate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal
    from uuid import UUID

MOST_NAMED: Final = 20
"""Bad lines that are named; more are counted."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

_EARLIEST: Final = date(1900, 1, 1)


class InvalidRatesFile(Invalid):
    """The file is not in the ECB's format."""

    code = "invalid_rates_file"


def parse_rates(text: str, *, workspace_id: UUID, source: str) -> list[Rate]:
    """All rates of a file, in its order.

    Raises:
        InvalidRatesFile: Names the first bad lines, and says what is wrong with each.
        InvalidSource: The source cannot be used.
    """
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), skipinitialspace=True, strict=True)
    reading = _Reading(workspace_id, source)
    try:
        for row in rows:
            if any(cell.strip() for cell in row) and not reading.is_hopeless:
                reading.take(rows.line_num, [cell.strip() for cell in row])
    except csv.Error as exc:
        reading.faults.append(f"line {rows.line_num}: {exc}")
    if reading.faults:
        raise InvalidRatesFile(_told(reading.faults), field="file")
    if not reading.found:
        raise InvalidRatesFile("There is no rate in the file.", field="file")
    return reading.found


class _Reading:
    """What is known of the file so far."""

    def __init__(self, workspace_id: UUID, source: str) -> None:
        self.found: list[Rate] = []
        self.faults: list[str] = []
        self._workspace_id, self._source = workspace_id, source
        self._codes: list[str] | None = None
        self.is_hopeless = False
        """The headings are wrong, so that no line under them means anything."""
        self._days: dict[date, int] = {}

    def take(self, line: int, row: list[str]) -> None:
        if self._codes is None:
            self._codes = row[1:]
            self.faults += [f"line {line}: {fault}" for fault in _faults_of_head(row)]
            self.is_hopeless = bool(self.faults)
            return
        try:
            day = self._day(line, row[0])
            self.found += [
                Rate(self._workspace_id, CROSS, code, day, rate, self._source) for code, rate in self._rates(row)
            ]
        except ValueError as exc:
            self.faults.append(f"line {line}: {exc}")

    def _day(self, line: int, text: str) -> date:
        try:
            day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
        except ValueError:
            day = None
        if day is None or day < _EARLIEST:
            raise ValueError(f"`{text[:20]}` is not a day as YYYY-MM-DD")
        if day in self._days:
            raise ValueError(f"{day} stands in line {self._days[day]} already")
        self._days[day] = line
        return day

    def _rates(self, row: list[str]) -> Iterator[tuple[str, Decimal]]:
        codes = self._codes or []
        if len(row) - 1 > len(codes):
            raise ValueError(f"{len(row)} cells under {len(codes) + 1} headings")
        for code, cell in zip(codes, row[1:], strict=False):
            if cell not in {"", "N/A"}:
                if not code:
                    raise ValueError(f"`{cell[:30]}` stands under no heading")
                try:
                    yield code, parse_rate(cell)
                except Invalid as exc:
                    raise ValueError(f"`{cell[:30]}` under {code} is not a rate") from exc


def _faults_of_head(row: list[str]) -> Iterator[str]:
    if row[0] != "Date":
        yield "the first heading is not `Date`"
    named = [code for code in row[1:] if code]
    for code in dict.fromkeys(named):
        if code not in CURRENCIES:
            yield f"`{code[:20]}` is not a currency"
        elif code == CROSS:
            yield f"a rate of {CROSS} in {CROSS} makes no sense"
        elif named.count(code) > 1:
            yield f"{code} stands there twice"


def _told(faults: list[str]) -> str:
    more = len(faults) - MOST_NAMED
    tail = f"; and {more} more bad lines" if more > 0 else ""
    return f"Nothing was loaded. {'; '.join(faults[:MOST_NAMED])}{tail}."
