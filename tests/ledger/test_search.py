"""The search language: what its terms are, and what is said where it stops making sense."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from expenses.ledger.conditions import EXPONENTS, Amounts, HasText
from expenses.ledger.search import MOST_TERMS, NAMED, InvalidSearch, Term, parse


def test_every_kind_of_term_is_understood_in_one_search() -> None:
    text = (
        'amount>50 cat:food from:2026-01 tag:holiday MERCHANT:"corner bakery" is:refund -gift words "a phrase" -tag:x'
    )
    assert [(term.field, term.comparison, term.value, term.negated) for term in parse(text)] == [
        ("amount", ">", "50", False),
        ("cat", "=", "food", False),
        ("from", "=", "2026-01", False),
        ("tag", "=", "holiday", False),
        ("merchant", "=", "corner bakery", False),
        ("is", "=", "refund", False),
        ("text", "=", "gift", True),
        ("text", "=", "words", False),
        ("text", "=", "a phrase", False),
        ("tag", "=", "x", True),
    ]


@pytest.mark.parametrize("text", ["12:30", "100%", "a=b", "x>y", "-", "--", "C++", "' OR 1=1 --", "\\", "5<6", "_"])
def test_what_only_looks_like_an_operator_is_text(text: str) -> None:
    assert {term.field for term in parse(text)} == {"text"}
    assert " ".join(term.value for term in parse(text)) == text


def test_a_blank_search_has_no_terms() -> None:
    assert parse("") == parse(" \t\u3000\n ") == ()


@pytest.mark.parametrize(
    ("text", "position", "what"),
    [
        ('cat:food "never closed', 10, "has no second one"),
        ('a"b"', 2, "put a blank before"),
        ('x "a"b', 3, "put a blank before and after"),
        ("colour:red", 1, "there is no operator `colour`"),
        ("food http://x", 6, "put quotation marks around"),
        ('""', 1, "nothing between"),
        ("  cat:", 3, "nothing behind `cat:`"),
        ("amount>", 1, "nothing behind `amount>`"),
        ("amount>fifty", 1, "digits with at most one decimal point"),
        ("amount>1,50", 1, "digits with at most one decimal point"),
        ("amount>1e3", 1, "digits with at most one decimal point"),
        ("amount>\u0663", 1, "digits with at most one decimal point"),
        ("amount>1.23456", 1, "digits with at most one decimal point"),
        ("from:2026-13", 1, "such as 2026-03-31, 2026-03 or 2026"),
        ("to:2026-02-30", 1, "such as 2026-03-31"),
        ("on:0000", 1, "such as 2026-03-31"),
        ("from:yesterday", 1, "such as 2026-03-31"),
        ("cat>food", 1, "only `amount` can be compared"),
        ("-from:2026", 1, "has no opposite"),
        ("-amount>5", 1, "has no opposite"),
        ("is:lost", 1, "`is:` takes refund, uncategorised, untagged, divided, unconverted"),
        ("currency:XXY", 1, "no such currency"),
    ],
)
def test_what_makes_no_sense_is_named_with_its_place_and_what_would(text: str, position: int, what: str) -> None:
    with pytest.raises(InvalidSearch) as caught:
        parse(text)
    assert f"character {position}" in caught.value.detail
    assert what in caught.value.detail
    assert (caught.value.field, caught.value.status) == ("q", 422)


def test_an_unknown_operator_is_answered_with_all_that_there_are() -> None:
    with pytest.raises(InvalidSearch) as caught:
        parse("colour:red")
    assert all(name in caught.value.detail for name in NAMED)


def test_the_number_of_terms_is_bounded() -> None:
    assert len(parse("a " * MOST_TERMS)) == MOST_TERMS
    with pytest.raises(InvalidSearch, match=f"At most {MOST_TERMS} terms"):
        parse("a " * (MOST_TERMS + 1))


def test_an_error_repeats_no_more_than_a_piece_of_what_was_written() -> None:
    with pytest.raises(InvalidSearch) as caught:
        parse(f"from:{'9' * 190}")
    assert len(caught.value.detail) < 200


@pytest.mark.parametrize(
    ("value", "first", "last"),
    [
        ("2024", date(2024, 1, 1), date(2024, 12, 31)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2024-02-03", date(2024, 2, 3), date(2024, 2, 3)),
    ],
)
def test_a_year_and_a_month_are_all_their_days(value: str, first: date, last: date) -> None:
    assert Term("on", value, 1).days() == (first, last)


@pytest.mark.parametrize("comparison", ["=", "<", "<=", ">", ">="])
@pytest.mark.parametrize("number", ["50", "12.345", "0.5", "-0.5", "-1.255", "0", "9999999999999999.9999"])
def test_an_amount_compares_exactly_in_the_digits_of_every_currency(comparison: str, number: str) -> None:
    compare = {
        "=": Decimal.__eq__,
        "<": Decimal.__lt__,
        "<=": Decimal.__le__,
        ">": Decimal.__gt__,
        ">=": Decimal.__ge__,
    }
    wanted = Amounts(comparison, Decimal(number))  # type: ignore[arg-type]  # one of the five above
    for exponent in EXPONENTS:
        near = int(Decimal(number).scaleb(exponent))
        for minor in range(max(near - 2, -(10**15)), min(near + 3, 10**15)):
            bound = wanted.minor(exponent)
            found = bound is not None and compare[bound[0]](Decimal(minor), Decimal(bound[1]))
            assert found == compare[comparison](Decimal(minor).scaleb(-exponent), Decimal(number)), (exponent, minor)


@pytest.mark.parametrize(
    ("text", "is_indexed"),
    [
        ("abc", True),
        ("ab", False),
        ("a%b_c", False),
        ("x 100%", True),
        ("%%%%", False),
        ("Бар", True),
        ("ab cd", False),
    ],
)
def test_the_index_needs_three_letters_or_digits_in_a_row(text: str, *, is_indexed: bool) -> None:
    assert HasText(text).is_indexed == is_indexed
