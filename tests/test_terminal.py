"""How scripts end; `tests/cli/test_output.py` holds what names look like."""

import pytest

from soundkin.errors import ArtefactError, SoundkinError
from soundkin.terminal import run_script


def test_a_script_ends_with_the_code_of_its_main() -> None:
    for code in (None, 3):
        with pytest.raises(SystemExit) as ended:
            run_script(lambda code=code: code)
        assert ended.value.code == code


def test_a_mistake_of_the_users_ends_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def main(error: SoundkinError) -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        run_script(lambda: main(ArtefactError("two\nlines \x1b[2J")))
    assert ended.value.code == 4 and capsys.readouterr() == ("", "two\nlines \\x1b[2J\n")
    with pytest.raises(ValueError):
        run_script(lambda: int("a bug"))
