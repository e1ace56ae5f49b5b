"""Reads the command blocks of a guide, in order. Each has its name in a comment above it; one without is an error."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.stack.compose import ROOT, Done

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.stack.compose import Stack

_BLOCK = re.compile(
    r"(?:<!-- step: (?P<name>[a-z-]+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)

_NOT_COMMANDS = frozenset({"text", "json", "yaml"})


@dataclass(frozen=True)
class Step:
    """How the test runs one block: what has to be so before, what is typed, and what has to be so afterwards."""

    before: Callable[[Stack], object] = lambda _: None
    after: Callable[[Stack, Done], object] = lambda _stack, _done: None
    code: int = 0
    replace: Callable[[Stack], tuple[str, str]] = lambda _: ("", "")
    """A placeholder of the guide, and what this stack has in its place."""
    limit_s: int = 0
    """Ended after so many seconds, as with Ctrl-C; 0 for a command that ends by itself."""
    typed: tuple[str, ...] = ()
    """What is typed on a terminal, one line each time the command asks for a password or for the same again."""


def command_blocks(page: str) -> dict[str, str]:
    """The blocks of a guide by name, in the order of the page. Raises when a block has no name, or another's."""
    found: dict[str, str] = {}
    for match in _BLOCK.finditer((ROOT / page).read_text(encoding="utf-8")):
        if match["language"] in _NOT_COMMANDS:
            continue
        name = match["name"]
        if name is None or name in found:
            raise ValueError(f"a command block in {page} has no name of its own:\n{match['text']}")
        found[name] = match["text"]
    return found


def run_step(stack: Stack, text: str, step: Step) -> Done:
    """Type the block's lines into a shell that stops at the first error."""
    step.before(stack)
    placeholder, value = step.replace(stack)
    if placeholder:
        assert placeholder in text
        text = text.replace(placeholder, value)
    (stack.folder / "step.sh").write_text(text)
    if step.typed:
        done = _on_a_terminal(stack, step.typed)
    else:
        command = f"timeout {step.limit_s} bash -e step.sh" if step.limit_s else "bash -e step.sh"
        done = stack.sh(command, code=124 if step.limit_s else step.code)
    step.after(stack, done)
    return done


def _on_a_terminal(stack: Stack, typed: tuple[str, ...]) -> Done:
    """Run the step on a terminal of its own, and answer each time it asks for a password."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        ["timeout", "60", "bash", "-e", "step.sh"], cwd=stack.folder, env=stack.environ,
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    seen, answered = b"", 0
    while True:
        try:
            seen += os.read(master, 4096)
        except OSError:  # EIO: the other side has gone
            break
        asked = len(re.findall(rb"(?:Password|confirmation): ", seen))
        if asked > answered and answered < len(typed):
            os.write(master, typed[answered].encode() + b"\n")
            answered += 1
    os.close(master)
    code = process.wait()
    assert code == 0, seen.decode(errors="replace")
    return Done(code, seen.decode(errors="replace"), "", 0.0)
