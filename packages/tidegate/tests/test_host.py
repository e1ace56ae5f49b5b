"""What calls tidegate is the same afterwards: a program with `upgrade` or a gate, a command behind `tidegate run`."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from projects import BIN, Project

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.deep

RUDE = """
import asyncio, logging, logging.config, os, signal, sys, threading, warnings

logging.disable(logging.CRITICAL)
logging.config.dictConfig({"version": 1, "disable_existing_loggers": True, "root": {"level": "ERROR"}})
os.environ["LEAK"] = "1"
os.chdir("/")
os.umask(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
warnings.simplefilter("ignore")
sys.path.insert(0, "/leak")
leak = open("/dev/null")
threading.Thread(target=threading.Event().wait, daemon=True).start()
asyncio.run(asyncio.sleep(0))
import models
"""
"""What an `env.py` may do to the process that runs it."""

HOST = '''
import asyncio, json, logging, os, signal, sys, threading, warnings

def handler(*_): pass

def children_of(task):
    try:
        return open(f"/proc/self/task/{task}/children").read()
    except (FileNotFoundError, ProcessLookupError):  # a thread that has ended since it was listed
        return ""


def snapshot():
    loggers = {name: (logger.disabled, logger.level, list(map(repr, logger.handlers)), logger.propagate)
               for name, logger in [("root", logging.getLogger()), *logging.Logger.manager.loggerDict.items()]
               if isinstance(logger, logging.Logger)}
    umask = os.umask(0o022)
    os.umask(umask)
    wakeup = signal.set_wakeup_fd(-1) if threading.current_thread() is threading.main_thread() else None
    if wakeup is not None:
        signal.set_wakeup_fd(wakeup)
    children = "".join(children_of(task) for task in os.listdir("/proc/self/task"))
    return {
        "logging": loggers, "disabled below": logging.root.manager.disable, "environment": dict(os.environ),
        "folder": os.getcwd(), "umask": umask, "path": list(sys.path), "wakeup": wakeup,
        "signals": {s.name: repr(signal.getsignal(s)) for s in signal.Signals if s not in (9, 19)},
        "blocked": repr(signal.pthread_sigmask(signal.SIG_BLOCK, [])), "warnings": list(map(repr, warnings.filters)),
        "files": sorted(os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")
                        if os.path.islink(f"/proc/self/fd/{n}")),
        "threads": sorted(thread.name for thread in threading.enumerate()), "children": children,
        "of the project": sorted(m for m in sys.modules if m.partition(".")[0] in ("models", "alembic", "sqlalchemy")),
        "hooks": [repr(sys.excepthook), repr(threading.excepthook)],
    }

def upgrade():
    import tidegate
    try:
        tidegate.upgrade(tell=lambda line: None)
    except tidegate.MigrationFailed:
        print("failed")

def gate():
    import tidegate
    schema = tidegate.SchemaGate()
    schema.start()
    print("the gate saw", schema.report.state)
    schema.stop()

def look(call):
    """Once more than it counts: what Python loads late (encodings, selectors) is loaded then."""
    import tidegate.run.runner, tidegate.run.guarded, tidegate.gate
    before = snapshot()
    call()
    after = snapshot()
    for what in before:
        assert before[what] == after[what], (what, before[what], after[what])
    print("the same")

logging.basicConfig(level=logging.INFO)
for name in ("app", "uvicorn", "uvicorn.access", "uvicorn.error", "alembic"):
    logging.getLogger(name).setLevel(logging.INFO)
for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(signum, handler)

async def in_a_loop(call):
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, handler)
    look(call)
    await asyncio.sleep(0)

def in_a_thread(call):
    thread = threading.Thread(target=look, args=(call,))
    thread.start()
    thread.join()

call = {"upgrade": upgrade, "gate": gate}[sys.argv[1]]
{"in a thread": in_a_thread, "in a loop": lambda call: asyncio.run(in_a_loop(call))}[sys.argv[2]](call)
'''


@pytest.fixture
def rude(project: Project) -> Project:
    """A project whose `env.py` does what it likes, and one of whose revisions only Alembic can read."""
    project.write_env(guard=False, top=RUDE)
    (project.folder / "models.py").write_text("")
    ini = project.folder / "alembic.ini"
    ini.write_text(ini.read_text() + "prepend_sys_path = %(here)s\n")
    path = project.add_table("a")
    path.write_text(path.read_text().replace('revision = "a"', 'import models\nrevision = "A".lower()'))
    (project.folder / "host.py").write_text(HOST)
    return project


@pytest.mark.parametrize("where", ["in a thread", "in a loop"])
def test_an_upgrade_leaves_the_program_as_it_was(rude: Project, where: str) -> None:
    result = rude.run("python", "host.py", "upgrade", where)
    assert (result.code, result.out) == (0, "the same\n"), result.err
    assert rude.at() == ["a"]


def test_an_upgrade_that_fails_leaves_the_program_as_it_was(rude: Project) -> None:
    rude.add("b", 'op.execute("nonsense")', down="a")
    result = rude.run("python", "host.py", "upgrade", "in a loop")
    assert (result.code, result.out) == (0, "failed\nthe same\n"), result.err


def test_a_gate_that_came_and_went_leaves_the_server_as_it_was(rude: Project) -> None:
    result = rude.run("python", "host.py", "gate", "in a loop")
    assert (result.code, result.out) == (0, "the gate saw empty\nthe same\n"), result.err


COMMAND = """
import json, os, signal, sys
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines())
print(json.dumps({
    "pid": os.getpid(), "folder": os.getcwd(), "environment": dict(os.environ), "input": sys.stdin.read(),
    "files": sorted(int(n) for n in os.listdir("/proc/self/fd") if os.path.islink(f"/proc/self/fd/{n}")),
    "ignored": int(status["SigIgn"], 16), "blocked": int(status["SigBlk"], 16), "umask": status["Umask"],
    "children": open(f"/proc/self/task/{os.getpid()}/children").read(),
}))
"""


@pytest.mark.parametrize(("switch", "options"), [("true", ()), ("true", ("--lock-wait", "1m")), ("false", ())])
def test_the_command_sees_what_it_would_see_without_us(rude: Project, switch: str, options: tuple[str, ...]) -> None:
    environ = {name: value for name, value in rude._environ({}).items() if not name.startswith(("LANG", "LC_"))}
    environ |= {"RUN_MIGRATIONS": switch, "ODD": "a=b\nc"}
    script = rude.folder / "command.py"
    script.write_text(COMMAND)
    command = [sys.executable, str(script)]
    alone = seen_by(rude.folder, command, environ)
    with_us = seen_by(rude.folder, [str(BIN / "tidegate"), "run", *options, "--", *command], environ)
    assert with_us == alone
    assert rude.at() == (["a"] if switch == "true" else [])


def seen_by(folder: Path, command: list[str], environ: dict[str, str]) -> dict[str, Any]:
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        umask=0o027,
    )
    out, err = process.communicate(b"for the command")
    assert process.returncode == 0, err
    seen: dict[str, Any] = json.loads(out)
    assert seen.pop("pid") == process.pid
    return seen


def test_the_environment_is_the_commands_to_the_byte(project: Project) -> None:
    environ = {"PATH": "/usr/bin:/bin", "RUN_MIGRATIONS": "false", "ODD": "a=b\nc"}  # no locale: Python makes one up
    command = [str(BIN / "tidegate"), "run", "--", "cat", "/proc/self/environ"]
    done = subprocess.run(command, env=environ, capture_output=True, check=True, cwd=project.folder)
    assert dict(entry.split(b"=", 1) for entry in done.stdout.split(b"\0") if entry) == {
        name.encode(): value.encode() for name, value in environ.items()
    }
