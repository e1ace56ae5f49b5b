"""Templates that were compiled when the image was built, as Python's modules are.

A server that compiles them itself takes 0.1 s for its first page, and keeps 1.9 MB of what Jinja's compiler had needed
in between. `python -m expenses.web.compiled` compiles all; a server only reads, since its files are read-only, and
compiles by itself what is missing here or has changed since.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

from jinja2 import BytecodeCache

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.bccache import Bucket

FOLDER = Path(__file__).with_name("__pycache__")
"""Where Python keeps what it made of this package: left out of git, and of what the image is built from."""


class Compiled(BytecodeCache):
    """What there is in the folder. Jinja compares Python's version and the template's text.

    Not its own settings: who changes those in `page.templates` compiles anew, as every build of the image does.
    """

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take it from there, if it is there."""
        with suppress(OSError, EOFError, UnpicklingError), _file(bucket).open("rb") as file:
            bucket.load_bytecode(file)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Nothing: servers do not write."""


class _Kept(BytecodeCache):
    def load_bytecode(self, bucket: Bucket) -> None:
        """Nothing: what there is may be older than the code that says how to compile."""

    def dump_bytecode(self, bucket: Bucket) -> None:
        # Not Jinja's own cache of files: only who wrote those can read them, and the server is somebody else.
        file = _file(bucket)
        partial = file.with_suffix(".partial")
        with partial.open("wb") as writing:
            bucket.write_bytecode(writing)
        partial.replace(file)  # a server that reads meanwhile finds the whole of it, old or new


def compile_templates(environment: Environment) -> None:
    """Compile all templates of an environment for the servers that will read them."""
    FOLDER.mkdir(exist_ok=True)
    environment = environment.overlay(bytecode_cache=_Kept())
    for name in environment.list_templates():
        environment.get_template(name)


def _file(bucket: Bucket) -> Path:
    return FOLDER / f"{bucket.key}.jinja"


if __name__ == "__main__":
    from expenses.web.page import templates

    compile_templates(templates())
