"""The container engine, the images, built once for all tests, and stacks that are gone afterwards."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.stack.compose import Stack, copied, write_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def new_stack() -> Iterator[Callable[[], Stack]]:
    """Makes fresh clones, nothing started, whose images are built. Without an engine the tests fail."""
    engine = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False)
    if engine.returncode:
        pytest.fail(f"no container engine: {engine.stderr.strip()}")
    first = Stack()
    names = ("expenses-api", "expenses-nginx")

    def make() -> Stack:
        # Some tests build images of their own, and the name is the same for all: everybody starts from the first.
        for name in names:
            first.sh(f"docker tag {name}:{first.project} {name}")
        # Copies of one snapshot: what changes in the tree meanwhile would make every stack build anew.
        return Stack(folder=copied(first.folder))

    try:
        first.compose("build")
        for name in names:
            first.sh(f"docker tag {name} {name}:{first.project}")
        yield make
        for name in names:
            first.sh(f"docker tag {name}:{first.project} {name} && docker image rm {name}:{first.project}")
    finally:
        first.remove()


@pytest.fixture
def development(new_stack: Callable[[], Stack]) -> Iterator[Stack]:
    """A fresh clone, nothing started."""
    stack = new_stack()
    yield stack
    stack.remove()


@pytest.fixture
def production(new_stack: Callable[[], Stack]) -> Iterator[Callable[..., Stack]]:
    """Makes fresh clones with an `.env.prod` that differs from the example as the arguments say."""
    made: list[Stack] = []

    def make(**settings: str) -> Stack:
        made.append(new_stack())
        made[-1].production = True
        write_settings(made[-1], **settings)
        return made[-1]

    yield make
    for stack in made:
        stack.remove()
