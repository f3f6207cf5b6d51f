"""The project's own files, for the tests of the house."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("otel_llm", "exporters/otel_llm_exporters", "proxy/otel_llm_proxy")
_NOT_OURS = ("tests/wire/recorded/",)
_MADE = {".venv", ".git", ".cache", "__pycache__", "build", "dist"}


@functools.cache
def tracked() -> tuple[str, ...]:
    """Every file under version control but the recordings, which others wrote; without git, every file that is there."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = listed.stdout.splitlines() if listed.returncode == 0 else _walked()
    return tuple(name for name in names if not name.startswith(_NOT_OURS) and (ROOT / name).is_file())


def _walked() -> list[str]:
    return [
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*")
        if path.is_file() and not _MADE & set(path.relative_to(ROOT).parts)
    ]


def text(name: str) -> str:
    """A file's text; empty for a binary one."""
    try:
        return (ROOT / name).read_text("utf-8")
    except UnicodeDecodeError:
        return ""


def modules(*below: str) -> Iterator[tuple[str, ast.Module]]:
    """The Python files of these folders, parsed, by their path from the root."""
    for folder in below:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text("utf-8"), str(path))


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """All string constants with their lines, docstrings left out; of an f-string its fixed parts."""
    prose = {
        id(body[0].value)
        for node in ast.walk(tree)
        if isinstance(body := getattr(node, "body", None), list) and body and isinstance(body[0], ast.Expr)
    }
    loose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose | loose:
            yield node.lineno, node.value


def is_module(name: str) -> bool:
    """Whether `name` is the dotted path of a module of ours, or of something in one."""
    path = re.sub(r":.*", "", name).replace(".", "/")
    return any(
        (ROOT / f"{one}{end}").exists()
        for one in (path, str(Path(path).parent))
        for end in (".py", "/__init__.py")
    )
