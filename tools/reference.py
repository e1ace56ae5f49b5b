"""`make reference`: writes packages/tidegate/docs/reference.md from the code, so that it cannot say anything else.

Verbs and options come from click's commands, states and exit codes from the tables that the code works with, the
Python names from their signatures, the JSON from real output. A test compares the page with what this makes.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from tools.postgres import temporary_cluster
from tools.reference_json import json_shapes
from tools.reference_python import error_kinds, flat, python_names

from tidegate import commands
from tidegate.report.state import EXIT_CODES, MEANING
from tidegate.run.switch import VARIABLE as SWITCH

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGE = Path(__file__).resolve().parent.parent / "packages" / "tidegate" / "docs" / "reference.md"

SHARED_BY = 3
"""An option of so many verbs is shown once, at the end of the verbs."""

MAY_SERVE = {"current": "yes", "behind": "only if all pending ones are `contract`", "ahead": "yes"}

OTHER_VARIABLES = (
    (
        "POSTGRES_PASSWORD",
        "with the four below the database, where no URL is given: the PostgreSQL image's own names",
        "",
    ),
    ("POSTGRES_USER", "its role", "`postgres`"),
    ("POSTGRES_DB", "its name", "as the role"),
    ("POSTGRES_HOST", "its host", "`db`"),
    ("POSTGRES_PORT", "its port", "`5432`"),
    ("ALEMBIC_CONFIG", "as `TIDEGATE_CONFIG`, which counts before it", ""),
    ("TIDEGATE_APP_VERSION", "version of the application, for the record", "that of `[tidegate] package`"),
)
"""Those that are no option's."""

HEAD = """\
# Reference

Made from the code by `make reference`; a test fails when it is stale. What it is for: [README](../README.md).

Lengths of time are written `250ms`, `30s`, `5m`, `1h30m`, or as a bare number of seconds. Results go to standard
output, progress and errors to standard error.
"""

SETTINGS = """\
## `alembic.ini`

A section `[tidegate]` may say:

| key | meaning |
| --- | --- |
| `package` | the distribution whose version goes on record |
| `version_table` | where the database keeps its revision, if not in `alembic_version`; may be `schema.table` |

A revision file may say `phase = "expand"`, `"backfill"` or `"contract"`. An old image that meets a newer database
reads in the record what the newer revisions were: after `contract` it does not serve.
"""


class Option(NamedTuple):
    """An option as its help has it."""

    names: str
    meaning: str
    default: str
    variables: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its long name, as code."""
        return f"`{self.names.split('`')[1].split(' ')[0]}`"

    @property
    def row(self) -> str:
        """A row of a table."""
        where = ", ".join(f"`{variable}`" for variable in self.variables)
        return f"| {self.names} | {self.meaning} | {self.default} | {where} |"


def page(folder: Path, url: str) -> str:
    """The whole page. Args: as `json_shapes` takes them."""
    parts = [
        HEAD,
        verbs(),
        variables(),
        SETTINGS,
        states(),
        exit_codes(),
        python_names(),
        json_section(json_shapes(folder, url)),
    ]
    return "\n".join(parts)


def verbs() -> str:
    """Every verb with its options, and then the options that most verbs have."""
    named = commands.tidegate.commands
    takes: dict[Option, list[str]] = {}
    for name, command in named.items():
        for option in options_of(command):
            takes.setdefault(option, []).append(name)
    shared = [option for option, who in takes.items() if len(who) >= SHARED_BY]
    parts = ["## Verbs\n"]
    parts += [_verb(name, command, shared) for name, command in named.items()]
    parts.append("### Shared options\n")
    parts.append("| option | meaning | default | variable | verbs |\n| --- | --- | --- | --- | --- |")
    everybody = len(named)
    for option in shared:
        who = takes[option]
        parts.append(f"{option.row} {'all' if len(who) == everybody else ', '.join(who)} |")
    return "\n".join(parts) + "\n"


def options_of(command: click.Command) -> list[Option]:
    """The options of a verb, without `--help`."""
    context = click.Context(command)
    return [_option(one, context) for one in command.params if isinstance(one, click.Option)]


def _verb(name: str, command: click.Command, shared: Iterable[Option]) -> str:
    context = click.Context(command, info_name=f"tidegate {name}")
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f"### `tidegate {name}`\n", f"```\ntidegate {name} {usage}\n```\n"]
    lines += [f"{flat(paragraph)}\n" for paragraph in (command.help or "").split("\n\n")]
    own = [option for option in options_of(command) if option not in shared]
    if own:
        lines += ["| option | meaning | default | variable |\n| --- | --- | --- | --- |", *(one.row for one in own), ""]
    also = [option.name for option in options_of(command) if option in shared]
    lines.append(f"And the [shared options](#shared-options) {', '.join(also)}.\n")
    return "\n".join(lines)


def _option(option: click.Option, context: click.Context) -> Option:
    text = flat(option.help or "")
    variables = re.search(r" ?\(env: ([A-Z_, ]+)\)", text)
    default = re.search(r" ?\[default: ([^\]]+)\]", text)
    for found in (variables, default):
        text = text.replace(found.group(0), "") if found else text
    value = default.group(1) if default else _own_default(option)
    metavar = "" if option.is_flag else f" {option.make_metavar(context)}"
    names = ", ".join(f"`{name}{metavar}`" for name in option.opts)
    return Option(
        names.replace("|", "\\|"),
        text.replace("|", "\\|"),
        value,
        tuple(variables.group(1).split(", ")) if variables else (),
    )


def _own_default(option: click.Option) -> str:
    return f"`{option.default}`" if option.show_default and option.default is not None else ""


def variables() -> str:
    """Every environment variable that is read, with what it means."""
    rows = {SWITCH: f"| `{SWITCH}` | whether `tidegate run` migrates: true/1/yes/on or false/0/no/off | false |"}
    for option in (option for command in commands.tidegate.commands.values() for option in options_of(command)):
        for variable in option.variables:
            rows.setdefault(variable, f"| `{variable}` | as {option.names.split(',')[0]} | {option.default} |")
    for name, meaning, default in OTHER_VARIABLES:
        rows.setdefault(name, f"| `{name}` | {meaning} | {default} |")
    lines = [
        "## Environment\n",
        "An option counts before its variable. Every secret (`TIDEGATE_DATABASE_URL`, `DATABASE_URL`,",
        "`POSTGRES_PASSWORD`) may also be `NAME_FILE`, the path of a file that holds it; both is an error.\n",
        "The database is found in this order: `--database-url`, `TIDEGATE_DATABASE_URL`, `DATABASE_URL`, those of",
        "the PostgreSQL image, `sqlalchemy.url` in the configuration file. In `guard()`, as in Alembic itself,",
        "`sqlalchemy.url` counts before `DATABASE_URL`.\n",
        "| variable | meaning | default |\n| --- | --- | --- |",
        *rows.values(),
    ]
    return "\n".join(lines) + "\n"


def states() -> str:
    """The states that `tidegate status` knows."""
    lines = ["## States\n", "| state | meaning | `status` exits | may serve |\n| --- | --- | --- | --- |"]
    lines += [
        f"| `{state}` | {MEANING[state]} | {code} | {MAY_SERVE.get(state, 'no')} |"
        for state, code in EXIT_CODES.items()
    ]
    return "\n".join(lines) + "\n"


def exit_codes() -> str:
    """What a process ends with when something went wrong."""
    rows = {kind.exit_code: kind for kind in error_kinds() if kind.exit_code > 1}
    lines = ["## Exit codes\n", "| code | meaning | in Python |\n| --- | --- | --- |", "| 0 | done | |"]
    lines.append(
        "| 3 … 8 | `status`: a state, as above; the verbs that need another state: `WrongSchema` | `WrongSchema` |"
    )
    lines += [f"| {code} | {_meaning(kind)} | `{kind.__name__}` |" for code, kind in sorted(rows.items())]
    lines.append("| 130, 143 | stopped by SIGINT or SIGTERM; what ran was cancelled and rolled back | `Interrupted` |")
    return "\n".join(lines) + "\n"


def _meaning(kind: type) -> str:
    text = flat(kind.__doc__ or "").rstrip(".")
    return text[0].lower() + text[1:]


def json_section(shapes: dict[str, Any]) -> str:
    """What `--format json` prints."""
    lines = ["## JSON\n", "With `--format json`: types in the place of values. More keys may come; none goes.\n"]
    for verb, shape in shapes.items():
        lines += [f"### `tidegate {verb} --format json`\n", f"```json\n{json.dumps(shape, indent=2)}\n```\n"]
    return "\n".join(lines)


def main() -> int:
    """Write the page."""
    cluster = temporary_cluster().start()
    try:
        with tempfile.TemporaryDirectory(prefix="tidegate-reference-") as folder:
            PAGE.write_text(page(Path(folder), cluster.url))
    finally:
        cluster.stop()
        shutil.rmtree(cluster.folder, ignore_errors=True)
    print(PAGE.relative_to(Path.cwd()) if PAGE.is_relative_to(Path.cwd()) else PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
