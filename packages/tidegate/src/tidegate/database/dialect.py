"""The URL as an `env.py` expects it: the driver it was made for, the options that this driver knows.

The application's URL often names its own driver (`postgresql+asyncpg://…`), `env.py` may need another.
"""

from __future__ import annotations

from tidegate.database.address import read_address
from tidegate.database.url import LIBPQ_OPTIONS
from tidegate.project import env_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.database.address import Address
    from tidegate.project.configuration import Project

_ASYNC_DRIVERS = ("asyncpg", "psycopg")
"""Those that an asynchronous engine can use, the first that is installed counts."""

_ONLY_ASYNC = {"asyncpg", "psycopg_async"}
_ONLY_SYNC = {"psycopg2", "psycopg2cffi", "pg8000"}

_SET_OTHERWISE = {"application_name", "fallback_application_name", "client_encoding"}
"""Options of libpq that asyncpg does not take as arguments; tidegate's own connections set them themselves."""


def as_env_py_expects(url: str, project: Project) -> str:
    """The URL for `sqlalchemy.url`, in a form that SQLAlchemy understands.

    The driver is the one that the configuration file names, else the URL's own, unless that one cannot work with the
    engine that `env.py` makes.
    """
    address = read_address(url)
    driver = _driver(address.driver, project)
    options = _options(address, driver)
    if address.is_plain and options == address.query:
        rest = url.partition("://")[2]
        return f"postgresql{'+' + driver if driver else ''}://{rest}"
    return address._replace(query=options).url(driver)


def _driver(given: str | None, project: Project) -> str | None:
    named = read_driver(project.sqlalchemy_url)
    if named:
        return named
    text = project.env_py
    if env_text.is_sync(text) and given in _ONLY_ASYNC:
        return None
    if env_text.is_async(text) and (given is None or (given in _ONLY_SYNC and given not in text)):
        return _installed(_ASYNC_DRIVERS) or given
    return given


def read_driver(url: str | None) -> str | None:
    """The driver that a URL names, whatever else is wrong with the URL."""
    return (url or "").partition("://")[0].partition("+")[2] or None


def _installed(drivers: tuple[str, ...]) -> str | None:
    from importlib.util import find_spec

    return next((driver for driver in drivers if find_spec(driver)), None)


def _options(address: Address, driver: str | None) -> tuple[tuple[str, str], ...]:
    """The options of the URL in the words of another driver; those that it would refuse are left out."""
    if driver == address.driver:
        return address.query
    if driver == "asyncpg":
        renamed = [("ssl" if name == "sslmode" else name, value) for name, value in address.query]
        return tuple((name, value) for name, value in renamed if name not in LIBPQ_OPTIONS | _SET_OTHERWISE)
    renamed = [("sslmode" if name == "ssl" else name, value) for name, value in address.query]
    return tuple((name, value) for name, value in renamed if name in LIBPQ_OPTIONS)
