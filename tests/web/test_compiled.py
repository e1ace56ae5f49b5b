"""Templates compiled beforehand: used as long as they are what the template says, and never needed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

import pytest
from jinja2 import DictLoader, Environment

from expenses.web import compiled, page
from expenses.web.compiled import Compiled, compile_templates

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "compiled"
    monkeypatch.setattr(compiled, "FOLDER", folder)
    return folder


def environment(**templates: str) -> Environment:
    return Environment(loader=DictLoader(templates), autoescape=True, bytecode_cache=Compiled())


def compiles(found: Environment, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether it has to, to render the template `hello`."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError

    with monkeypatch.context() as patched:
        patched.setattr(Environment, "_generate", refuse)
        try:
            assert found.get_template("hello").render(name="<b>") == "Hello &lt;b&gt;"
        except AssertionError:
            return True
    return False


def test_a_server_uses_what_was_compiled_and_writes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment(hello="Hello {{ name }}").get_template("hello").render(name="x") == "Hello x"
    assert not folder.exists()
    compile_templates(environment(hello="Hello {{ name }}"))
    assert not compiles(environment(hello="Hello {{ name }}"), monkeypatch)


def test_a_template_that_has_changed_is_compiled_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_templates(environment(hello="Hello {{ name }}"))
    (file,) = folder.iterdir()
    changed = environment(hello="Bye {{ name }}")
    assert compiles(changed, monkeypatch)
    assert changed.get_template("hello").render(name="x") == "Bye x"
    whole = file.read_bytes()
    for length in (len(whole) - 20, 30, 10, 3, 0):
        file.write_bytes(whole[:length])
        assert compiles(environment(hello="Hello {{ name }}"), monkeypatch)
    assert environment(hello="Hello {{ name }}").get_template("hello").render(name="x") == "Hello x"


def test_the_image_s_build_compiles_every_template_for_everybody_to_read(folder: Path) -> None:
    before = os.umask(0o022)
    try:
        compile_templates(page.templates())
    finally:
        os.umask(before)
    files = list(folder.iterdir())
    assert len(files) == len(page.templates().list_templates()) > 30
    assert {file.stat().st_mode & 0o777 for file in files} == {0o644}
