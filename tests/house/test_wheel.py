"""The built wheel, installed where nothing of this repository is in reach.

An editable install sees the whole repository, so that a package or a file that was forgotten in the build goes unnoticed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.house import source

PACKAGES = {"otel_llm", "otel_llm_exporters", "otel_llm_proxy"}
SLOW = {
    "aiohttp", "anthropic", "boto3", "botocore", "genai_prices", "httpx", "httpx2", "openai", "pydantic", "requests", "rich",
    "sqlite3", "urllib3",
}  # fmt: skip
"""What importing us must not import: other people's clients, and what takes a program's first half second."""
OF_EXTRAS = {"otel_llm.demo.app", "otel_llm.demo.table"}
"""Modules that need what the core does not bring."""
MAX_MODULES = 40
"""Modules that `import otel_llm` may add to an interpreter that has OpenTelemetry's API loaded."""

UV = Path(sys.executable).parent / "uv"


def _run(*command: str | Path, cwd: Path = source.ROOT, **environment: str) -> str:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "OTEL_", "VIRTUAL_ENV"))
    }
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution, and the wheel that was built from it alone."""
    folder = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data") if sys.version_info >= (3, 12) else archive.extractall(
            folder
        )
    (unpacked,) = (path for path in folder.iterdir() if path.is_dir())
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=unpacked)
    return folder


@pytest.fixture(scope="module")
def python(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has the wheel and what the core is pinned to, and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    _run(UV, "venv", "--quiet", "--python", sys.executable, folder / "venv", cwd=folder)
    made = folder / "venv" / "bin" / "python"
    install = (UV, "pip", "install", "--quiet", "--python", made)
    locked = ("--require-hashes", "-r", source.ROOT / "requirements" / "core.txt")
    try:
        _run(*install, "--offline", *locked, cwd=folder)
    except AssertionError:  # the installer's cache lacks something
        _run(*install, *locked, cwd=folder)
    (wheel,) = built.glob("*.whl")
    _run(*install, "--offline", "--no-deps", wheel, cwd=folder)
    return made


def _ask(python: Path, code: str) -> Any:
    return json.loads(_run(python, "-c", f"import json, sys\n{code}", cwd=python.parent))


def _names(built: Path) -> list[str]:
    (wheel,) = built.glob("*.whl")
    return zipfile.ZipFile(wheel).namelist()


def test_the_wheel_has_three_packages_and_nothing_else(built: Path) -> None:
    tops = {name.partition("/")[0] for name in _names(built)}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES


def test_the_wheel_has_types_and_licence_but_no_tests(built: Path) -> None:
    names = _names(built)
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert not [
        name for name in names if re.search(r"(^|/)(tests?|test_[^/]*|conftest\.py)(/|$)|\.(pyc|db)$", name)
    ]


def test_the_wheel_has_every_file_of_the_packages(built: Path) -> None:
    folders = {
        "otel_llm/": "",
        "exporters/otel_llm_exporters/": "exporters/",
        "proxy/otel_llm_proxy/": "proxy/",
    }
    ours = {
        name.removeprefix(prefix)
        for name in source.tracked()
        for folder, prefix in folders.items()
        if name.startswith(folder)
    }
    assert ours - set(_names(built)) == set()


def test_the_source_distribution_has_what_a_reader_needs(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "docs/README.md"} <= names
    assert not [name for name in names if name.startswith(("tests", ".venv", ".ci"))]


def test_declared_dependencies_are_complete_and_agree(python: Path) -> None:
    _run(UV, "pip", "check", "--quiet", "--python", python)
    found = _ask(
        python,
        f"""
import importlib, pkgutil
failed = {{}}
for package in {sorted(PACKAGES)}:
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        try:
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
        except ImportError as error:
            failed[found.name] = str(error)
print(json.dumps(failed))
""",
    )
    assert found.keys() <= OF_EXTRAS, found


def test_every_entry_point_loads(python: Path) -> None:
    found = _ask(
        python,
        """
from importlib.metadata import distribution
points = distribution("otel-llm").entry_points
print(json.dumps({f"{one.group}:{one.name}": str(type(one.load())) for one in points}))
""",
    )
    assert {
        "console_scripts:otel-llm",
        "opentelemetry_configurator:otel_llm",
        "opentelemetry_distro:otel_llm",
        "opentelemetry_environment_variables:otel_llm",
        "opentelemetry_instrumentor:otel_llm",
        "opentelemetry_traces_exporter:sqlite",
    } <= found.keys()


def test_the_command_shows_its_help(python: Path) -> None:
    said = _run(python.parent / "otel-llm", "--help", cwd=python.parent)
    assert "otel-llm" in said
    assert "demo" in said
    assert "doctor" in said


def test_importing_us_imports_no_client_and_little_else(python: Path) -> None:
    loaded = _ask(
        python,
        """
import opentelemetry.trace, opentelemetry.context
before = set(sys.modules)
import otel_llm
print(json.dumps([otel_llm.__file__, *sorted(set(sys.modules) - before)]))
""",
    )
    where, *added = loaded
    assert Path(where).is_relative_to(python.parent.parent)
    assert SLOW.isdisjoint(name.partition(".")[0] for name in added)
    assert len(added) <= MAX_MODULES, added


def test_the_auto_instrumentation_imports_no_client(python: Path) -> None:
    loaded = _ask(
        python,
        """
from otel_llm.bootstrap import OtelLlmInstrumentor
OtelLlmInstrumentor().instrument()
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
""",
    )
    assert (SLOW - {"sqlite3"}).isdisjoint(loaded)
