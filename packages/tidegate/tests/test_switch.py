"""`RUN_MIGRATIONS` is a boolean and nothing else."""

from __future__ import annotations

import pytest

from tidegate.errors import UsageError
from tidegate.run.switch import migrations_wanted


@pytest.mark.parametrize("word", ["true", "1", "yes", "on", "TRUE", "Yes", " on "])
def test_these_words_mean_migrate(word: str) -> None:
    assert migrations_wanted({"RUN_MIGRATIONS": word})


@pytest.mark.parametrize("word", ["false", "0", "no", "off", "FALSE", "No"])
def test_these_words_mean_do_not(word: str) -> None:
    assert not migrations_wanted({"RUN_MIGRATIONS": word})


def test_unset_means_do_not() -> None:
    assert not migrations_wanted({})


@pytest.mark.parametrize("word", ["maybe", "", "truee", "2", "none"])
def test_anything_else_is_an_error_that_names_variable_and_value(word: str) -> None:
    with pytest.raises(UsageError, match=f"`RUN_MIGRATIONS` is `{word}`") as caught:
        migrations_wanted({"RUN_MIGRATIONS": word})
    assert caught.value.exit_code == 64
