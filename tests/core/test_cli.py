"""The command line."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from otel_llm import cli
from otel_llm.errors import ConfigError

NAMES = ("demo", "proxy", "sink", "view", "doctor", "spool", "replay")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in NAMES)


def test_without_a_command_it_helps_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "usage:" in capsys.readouterr().out


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"otel-llm {version('otel-llm')}\n"


@pytest.mark.parametrize("name", NAMES)
def test_a_command_that_is_not_there_says_what_to_do(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "_installed", dict)
    assert cli.main([name]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"otel-llm: {name} is not in this installation")
    assert "pip install" in said
    assert said.count("\n") == 1


def test_a_typing_error_is_corrected(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["docter"]) == 2
    assert "Did you mean doctor?" in capsys.readouterr().err


def test_a_command_whose_packages_are_missing_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = EntryPoint("proxy", "no_such_package.commands:main", cli.GROUP)
    monkeypatch.setattr(cli, "_installed", lambda: {"proxy": broken})
    assert cli.main(["proxy"]) == 2
    assert "pip install 'otel-llm[proxy]'" in capsys.readouterr().err


def test_a_wrong_setting_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_: object) -> int:
        raise ConfigError("KEY", "is not set", "Set it.")

    monkeypatch.setattr(cli, "_find", lambda _: fails)
    assert cli.main(["demo"]) == 2
    assert capsys.readouterr().err == "otel-llm: KEY is not set. Set it.\n"


def test_the_demo_names_the_extra_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from otel_llm.demo import command

    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "rich" else object())
    assert cli.main(["demo"]) == 2
    assert capsys.readouterr().err == "otel-llm: demo needs rich. pip install 'otel-llm[demo]'\n"


def test_the_command_imports_neither_sdk_nor_proxy() -> None:
    code = (
        "import sys; from otel_llm import cli; cli.main(['--help']);"
        "print(sorted({'rich', 'openai', 'httpx', 'otel_llm_proxy', 'otel_llm_exporters'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")
