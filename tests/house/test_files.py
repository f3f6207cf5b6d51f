"""What lies in the repository: nothing of one machine, nothing unlicensed, nothing stale."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests import corpus
from tests.house import source

# Spelled in pieces, so that this file may be searched as well.
_HOSTS = [
    "py" + "pi.org",
    "python" + "hosted.org",
    "registry." + "npmjs",
    "crates" + ".io",
    "proxy." + "golang.org",
    "repo1." + "maven",
    "deb." + "debian.org",
]
tomllib = pytest.importorskip("tomllib")  # in the standard library from Python 3.11 on

_PATHS = [
    "/" + "work/",
    "/" + "root/",
    r"/home/(?!(?:app|user|ada|you|\$|<))\w",
    "/" + r"Users/\w",
]
_MAX_RECORDED = 2 << 20


@pytest.mark.parametrize("pattern", [*(re.escape(one) for one in _HOSTS), *_PATHS])
def test_no_file_names_a_registry_or_a_path_of_one_machine(pattern: str) -> None:
    found = [
        f"{name}:{number}: {line.strip()[:120]}"
        for name in source.tracked()
        for number, line in enumerate(source.text(name).splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert found == []


def _pins(name: str) -> dict[str, set[str]]:
    """Project to its pinned versions; one, or one for each of several Pythons."""
    found: dict[str, set[str]] = {}
    for line in source.text(name).splitlines():
        if match := re.match(r"([a-z0-9-]+)(?:\[[a-z,-]+\])?==(\S+)", line):
            found.setdefault(match[1], set()).add(match[2])
    return found


LOCKS = [name for name in source.tracked() if re.fullmatch(r"requirements/.+\.txt", name)]
PROJECT = tomllib.loads(source.text("pyproject.toml"))


def _wanted(*groups: str) -> list[Requirement]:
    found: list[Requirement] = []
    for group in groups:
        for one in PROJECT["dependency-groups"][group]:
            found += _wanted(one["include-group"]) if isinstance(one, dict) else [Requirement(one)]
    return found


CORE = [Requirement(one) for one in PROJECT["project"]["dependencies"]]
DEMO = [Requirement(one) for one in PROJECT["project"]["optional-dependencies"]["demo"]]


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_with_hashes_and_no_address(name: str) -> None:
    lines = source.text(name).splitlines()
    starts = [number for number, line in enumerate(lines) if line and line[0] not in " #"]
    assert starts
    for number in starts:
        assert re.match(r"[a-z0-9-]+(\[[a-z,-]+\])?==\S+ .*\\$", lines[number]), lines[number]
        assert "--hash=sha256:" in lines[number + 1]
    assert not any("://" in line or line.startswith("-") for line in lines)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        pytest.param("requirements/core.txt", CORE, id="core"),
        pytest.param("requirements/demo.txt", [*CORE, *DEMO, *_wanted("build")], id="demo"),
        pytest.param("requirements/develop.txt", [*CORE, *DEMO, *_wanted("check")], id="develop"),
    ],
)
def test_what_the_project_asks_for_is_what_is_pinned(name: str, wanted: list[Requirement]) -> None:
    """`make lock` was run after the last change of pyproject.toml."""
    pinned = _pins(name)
    for one in wanted:
        versions = pinned.get(one.name.lower().replace("_", "-"), set())
        assert versions, f"{one.name} is not in {name}; run make lock"
        assert all(one.specifier.contains(version) for version in versions), (
            f"{one} but {versions}; run make lock"
        )


def test_what_is_pinned_twice_has_one_version() -> None:
    develop = _pins("requirements/develop.txt")
    for name in ("requirements/core.txt", "requirements/demo.txt"):
        for project, versions in _pins(name).items():
            assert versions <= develop[project], f"{project} in {name}"


def test_recordings_that_ship_are_few_and_licensed() -> None:
    below = corpus.SHIPPED
    licences = {path.stem for path in (below / "LICENSES").iterdir()}
    named = (below / "README.md").read_text()
    files = sorted(below.glob("*/*/*.json"))
    assert sum(path.stat().st_size for path in files) < _MAX_RECORDED
    for path in files:
        data = json.loads(path.read_text())
        where = data["source_repo"]
        assert f"| {where} | `{data['source_commit'][:12]}` |" in named, where
        licence = "Apache-2.0" if "Apache-2.0" in data["license"] else where.replace("/", "--")
        assert licence in licences, where
        assert path.stem == data["id"]
        assert path.parent == below / data["provider"] / data["operation"]


def test_recordings_that_tests_name_ship() -> None:
    """So that they run in every clone, not only where the full set is at hand."""
    kept = {one.id for one in corpus.recordings()} - {one.id for one in corpus.shipped()}
    named = {
        (name, found)
        for name in source.tracked()
        if name.startswith(("tests/", "benchmarks/", "scripts/")) and name.endswith(".py")
        for found in re.findall(r"[a-z][a-z0-9-]*-[0-9a-f]{10}", source.text(name))
    }
    assert {(name, found) for name, found in named if found in kept} == set()


@pytest.mark.skipif(not corpus.SHARED.is_dir(), reason="only the shipped recordings are here")
def test_recordings_that_ship_are_verbatim() -> None:
    for path in corpus.SHIPPED.glob("*/*/*.json"):
        original = corpus.SHARED / path.relative_to(corpus.SHIPPED)
        assert not original.exists() or original.read_bytes() == path.read_bytes(), path.name


def test_changelog_fragments_say_their_kind() -> None:
    for path in sorted(Path(source.ROOT, "changelog.d").iterdir()):
        if path.name in {"README.md", ".gitkeep"}:
            continue
        assert re.fullmatch(r"[a-z0-9-]+\.(added|changed|fixed|removed)\.md", path.name), path.name
        assert 0 < len(path.read_text().strip()) < 600, path.name
