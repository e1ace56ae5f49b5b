"""What may stand in a text. Pure: no I/O, no clock."""

from __future__ import annotations

from expenses.errors import Invalid


class InvalidText(Invalid):
    """This text cannot be stored."""

    code = "invalid_text"


def check_text(text: str, *, field: str, longest: int, may_be_blank: bool = False) -> None:
    """Refuse what cannot be stored or would not be seen.

    Raises:
        InvalidText: Blank, longer than `longest` characters, or with U+0000 (PostgreSQL has no room for it)
            or half of a surrogate pair (UTF-8 has none); carries `field`.
    """
    if len(text) > longest:
        raise InvalidText(f"At most {longest} characters.", field=field)
    if not may_be_blank and not text.strip():
        raise InvalidText("It must not be blank.", field=field)
    if "\0" in text or not _is_unicode(text):
        raise InvalidText("It holds a character that cannot be stored.", field=field)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
