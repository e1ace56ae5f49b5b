"""A text as a picture that a phone's camera reads."""

from __future__ import annotations


def qr_picture(text: str) -> str:
    """The QR code as a `data:` address of an SVG, which our content security policy allows as an image.

    Black on white with its quiet zone, whatever the page's colours: cameras want that (ISO/IEC 18004, 9.1).
    """
    import segno  # noqa: PLC0415 - needed once in an account's life; no start waits for it

    address: str = segno.make(text, error="m", micro=False).svg_data_uri(
        scale=5, border=4, dark="#000", light="#fff", svgclass=None, lineclass=None
    )
    return address
