"""What people recognise a browser by: "Firefox on Android". Pure; the header itself is not kept."""

from __future__ import annotations

UNKNOWN = "Unknown device"
"""A session that began before devices were noted, or a program that does not say what it is."""

_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("python-httpx/", "Python"),
    ("python-requests/", "Python"),
)
"""Marks in the order in which they are looked for: nearly every browser also names those that it wants to pass for."""

_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)

_LOOKED_AT = 512
"""Characters of the header; a real one has 60 to 250."""


def device_of(user_agent: str | None) -> str:
    """A short family name for a `User-Agent` header; never anything of its own text."""
    text = (user_agent or "")[:_LOOKED_AT]
    browser = next((name for mark, name in _BROWSERS if mark in text), None)
    system = next((name for mark, name in _SYSTEMS if mark in text), None)
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or UNKNOWN
