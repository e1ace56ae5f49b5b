"""How Mozilla's HTTP Observatory would score an answer, by its published table.

The table: "Tests & Scoring" of developer.mozilla.org/en-US/observatory (in mdn/yari as
copy/observatory/tests_and_scoring.md, read in November 2026). 100 points, penalties off; bonuses count only from 90 on;
A+ begins at 100. Two of its tests are about a whole site rather than one answer: the redirect to HTTPS
(`tests/stack/test_production.py`) and the list of browsers (preloading), which gives no penalty. The table gives 5 for
a Cross-Origin-Resource-Policy that is missing; that is taken for a slip, and nothing is given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_GRADES = (
    (100, "A+"), (90, "A"), (85, "A-"), (80, "B+"), (70, "B"), (65, "B-"), (60, "C+"), (50, "C"), (45, "C-"),
    (40, "D+"), (30, "D"), (25, "D-"), (0, "F"),
)  # fmt: skip

HALF_A_YEAR_S = 15_768_000

_PRIVATE_REFERRERS = {"no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"}
_UNSAFE_REFERRERS = {"origin", "origin-when-cross-origin", "unsafe-url"}


@dataclass
class Score:
    """What an answer earns, and by which of the table's tests."""

    modifiers: dict[str, int] = field(default_factory=dict)

    @property
    def points(self) -> int:
        """Out of 100 and the bonuses."""
        base = max(0, 100 + sum(each for each in self.modifiers.values() if each < 0))
        return base + (sum(each for each in self.modifiers.values() if each > 0) if base >= 90 else 0)

    @property
    def grade(self) -> str:
        """`A+` to `F`."""
        return next(grade for least, grade in _GRADES if self.points >= least)

    @property
    def penalties(self) -> list[str]:
        """The tests that took points off."""
        return [name for name, modifier in self.modifiers.items() if modifier < 0]


def score(fields: Iterable[tuple[str, str]], body: str = "") -> Score:
    """The score of an answer with these headers; of a body only its scripts count, and only where it is a page."""
    given = [(name.lower(), value) for name, value in fields]
    first = dict(reversed(given))
    is_page = first.get("content-type", "").startswith("text/html")
    policy = parse_policy(first["content-security-policy"]) if "content-security-policy" in first else None
    hsts = _hsts(first.get("strict-transport-security"))
    found = [
        *_cookies([value for name, value in given if name == "set-cookie"], has_hsts=hsts[1] >= 0),
        _cors(first.get("access-control-allow-origin")),
        _policy(policy),
        hsts,
        _referrer(first.get("referrer-policy")),
        _scripts(body) if is_page else ("sri-not-implemented-response-not-html", 0),
        _nosniff(first.get("x-content-type-options")),
        _frames(first.get("x-frame-options"), policy or {}),
        _resource(first.get("cross-origin-resource-policy")),
    ]
    return Score(dict(found))


def parse_policy(text: str) -> dict[str, set[str]]:
    """The sources of each directive of a content security policy."""
    parts = [part.split() for part in text.split(";") if part.strip()]
    return {name.lower(): {source.lower() for source in sources} for name, *sources in parts}


def _policy(policy: dict[str, set[str]] | None) -> tuple[str, int]:  # noqa: PLR0911 - one for each row of the table
    if policy is None:
        return "csp-not-implemented", -25
    default = policy.get("default-src", {"*"})
    script, style, embedded = (policy.get(name, default) for name in ("script-src", "style-src", "object-src"))
    broad = {"*", "http:", "https:", "data:"}
    if (script | embedded) & broad or "'unsafe-inline'" in script:
        return "csp-implemented-with-unsafe-inline", -20
    if any(source.startswith("http:") for sources in policy.values() for source in sources):
        return "csp-implemented-with-insecure-scheme", -20
    if "'unsafe-eval'" in script:
        return "csp-implemented-with-unsafe-eval", -10
    if style & (broad | {"'unsafe-inline'"}):
        return "csp-implemented-with-unsafe-inline-in-style-src-only", 0
    if policy.get("default-src") == {"'none'"}:
        return "csp-implemented-with-no-unsafe-default-src-none", 10
    return "csp-implemented-with-no-unsafe", 5


def _cookies(cookies: list[str], *, has_hsts: bool) -> Iterator[tuple[str, int]]:
    """What is wrong with any of them; ours are all of a session, or against forged forms."""
    if not cookies:
        yield "cookies-not-found", 0
        return
    faults: dict[str, int] = {}
    for cookie in cookies:
        said = {part.strip().lower() for part in cookie.split(";")[1:]}
        if "secure" not in said:
            kept = {"cookies-session-without-secure-flag-but-protected-by-hsts": -10}
            faults |= kept if has_hsts else {"cookies-session-without-secure-flag": -40}
        if "httponly" not in said:
            faults["cookies-session-without-httponly-flag"] = -30
        if not said & {"samesite=lax", "samesite=strict"}:
            faults["cookies-anticsrf-without-samesite-flag"] = -20
    yield from (faults or {"cookies-secure-with-httponly-sessions-and-samesite": 5}).items()


def _cors(value: str | None) -> tuple[str, int]:
    if value == "*":
        return "cross-origin-resource-sharing-implemented-with-universal-access", -50
    return "cross-origin-resource-sharing-not-implemented", 0


def _hsts(value: str | None) -> tuple[str, int]:
    if not value:
        return "hsts-not-implemented", -20
    age = re.search(r"max-age=(\d+)", value)
    if age is None:
        return "hsts-header-invalid", -20
    if int(age[1]) < HALF_A_YEAR_S:
        return "hsts-implemented-max-age-less-than-six-months", -10
    return "hsts-implemented-max-age-at-least-six-months", 0


def _referrer(value: str | None) -> tuple[str, int]:
    if value is None:
        return "referrer-policy-not-implemented", 0
    if value in _PRIVATE_REFERRERS:
        return "referrer-policy-private", 5
    return ("referrer-policy-unsafe", -5) if value in _UNSAFE_REFERRERS else ("referrer-policy-header-invalid", -5)


def _scripts(body: str) -> tuple[str, int]:
    scripts = re.findall(r"<script\b[^>]*>", body)
    sources = [found[1] for each in scripts if (found := re.search(r"""src=["']([^"']+)""", each))]
    if not scripts:
        return "sri-not-implemented-but-no-scripts-loaded", 0
    if any(source.startswith("http:") for source in sources):
        return "sri-not-implemented-and-external-scripts-not-loaded-securely", -50
    if any(re.match(r"https:|//", source) for source in sources):
        return "sri-not-implemented-but-external-scripts-loaded-securely", -5
    return "sri-not-implemented-but-all-scripts-loaded-from-secure-origin", 0


def _nosniff(value: str | None) -> tuple[str, int]:
    if value is None:
        return "x-content-type-options-not-implemented", -5
    return (
        ("x-content-type-options-nosniff", 0) if value == "nosniff" else ("x-content-type-options-header-invalid", -5)
    )


def _frames(value: str | None, policy: dict[str, set[str]]) -> tuple[str, int]:
    if policy.get("frame-ancestors", {"*"}) <= {"'none'", "'self'"}:
        return "x-frame-options-implemented-via-csp", 5
    if value is None:
        return "x-frame-options-not-implemented", -20
    is_known = value.upper() in {"DENY", "SAMEORIGIN"}
    return ("x-frame-options-sameorigin-or-deny", 0) if is_known else ("x-frame-options-header-invalid", -20)


def _resource(value: str | None) -> tuple[str, int]:
    if value is None:
        return "corp-not-implemented", 0
    is_closed = value in {"same-origin", "same-site"}
    return (f"corp-implemented-with-{value}", 0) if is_closed else ("corp-implemented-with-cross-origin", -20)


def complaints(fields: Iterable[tuple[str, str]], body: str = "") -> list[str]:
    """What keeps an answer from the best that it can be: points, and what gives none but is promised all the same."""
    given = [(name.lower(), value) for name, value in fields]
    earned = score(given, body)
    found = list(earned.penalties)
    if earned.grade != "A+":
        found.append(f"grade {earned.grade}")
    headers = dict(given)
    once = ("content-security-policy", "strict-transport-security", "x-content-type-options", "referrer-policy")
    found += [f"{name} is said twice" for name in once if [each for each, _ in given].count(name) > 1]
    if "unsafe" in headers.get("content-security-policy", ""):
        found.append("the policy has something unsafe")
    wanted = {
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "same-origin",
        "x-frame-options": "DENY",
    }
    found += [f"{name}: {headers.get(name)}" for name, value in wanted.items() if headers.get(name) != value]
    cookies = [value for name, value in given if name == "set-cookie"]
    return found + [cookie for cookie in cookies if not cookie.startswith("__Host-")]
