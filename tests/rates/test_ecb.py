"""Files of rates are read to the last digit, or refused with the numbers of the bad lines."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from expenses.rates.ecb import InvalidRatesFile, parse_rates

if TYPE_CHECKING:
    from expenses.rates.model import Rate

WORKSPACE = UUID(int=1)
SAMPLE = Path(__file__).parent.parent.parent / "docs" / "examples" / "made-up-rates.csv"


def parsed(text: str) -> list[Rate]:
    return parse_rates(text, workspace_id=WORKSPACE, source="ECB")


def test_the_sample_can_be_read() -> None:
    rates = parsed(SAMPLE.read_text())
    assert len(rates) == 6 * 30 - 1  # one is N/A
    assert rates[0].snapshot() == {
        "base": "EUR",
        "quote": "USD",
        "on": "2026-11-20",
        "rate": "1.1234",
        "source": "ECB",
    }


def test_windows_line_ends_blank_lines_blanks_and_a_byte_order_mark_do_not_matter() -> None:
    rates = parsed("\ufeffDate, USD, JPY,\r\n\r\n2026-11-20, 1.1, N/A,\r\n2026-11-19,,170\r\n")
    assert [(each.quote, each.rate) for each in rates] == [("USD", Decimal("1.1")), ("JPY", Decimal(170))]


BAD = """Date,USD,JPY,
2026-11-20,1.1,170
2026-11-31,1.1,170
2026-11-19,1.1,abc
2026-11-20,1.2,170
20261118,1.1,170
2026-11-17,1.1,170,,5
2026-11-16,0,170
2026-11-15,1,170,5
"""


def test_every_bad_line_is_named_with_its_number() -> None:
    with pytest.raises(InvalidRatesFile) as refused:
        parsed(BAD)
    said = refused.value.detail
    assert said.startswith("Nothing was loaded. ")
    for part in (
        "line 3: `2026-11-31` is not a day",
        "line 4: `abc` under JPY",
        "line 5: 2026-11-20 stands in line 2 already",
        "line 6: `20261118` is not a day",
        "line 7: 5 cells under 4 headings",
        "line 8: `0` under USD",
        "line 9: `5` stands under no heading",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("head", "fault"),
    [("day,USD", "`Date`"), ("Date,XXY", "`XXY` is not"), ("Date,EUR", "EUR in EUR"), ("Date,USD,USD", "USD stands")],
)
def test_bad_headings_are_named(head: str, fault: str) -> None:
    with pytest.raises(InvalidRatesFile, match=fault):
        parsed(f"{head}\n2026-11-20,1\n")


@pytest.mark.parametrize("text", ["", "\n\n", "Date,USD\n", "Date,USD\n2026-11-20,N/A\n", "%PDF-1.7", 'Date,"USD'])
def test_a_file_without_rates_is_refused(text: str) -> None:
    with pytest.raises(InvalidRatesFile):
        parsed(text)


def test_of_many_bad_lines_the_first_are_named_and_the_others_counted() -> None:
    with pytest.raises(InvalidRatesFile, match=r"line 21: .*; and 5 more bad lines\.$"):
        parsed("Date,USD\n" + "x,1\n" * 25)
