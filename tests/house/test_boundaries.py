"""What an import contract cannot hold: who spells attribute names, reads the environment, swallows exceptions."""

from __future__ import annotations

import ast
import re

import pytest

from otel_llm import semconv
from tests.house import source

EDGES = {
    "otel_llm/shield.py": "it is the place where they end",
    "otel_llm/observer.py": "the shield's rule, without its cost on hot paths",
    "otel_llm/hooks/": "likewise",
    "otel_llm/telemetry/adopted.py": "the other library's span ends whatever we do",
    "otel_llm/redaction.py": "the user's own function; a text that it could not redact is not recorded",
    "otel_llm/price_library.py": "nobody stands above its thread",
    "otel_llm/wire/exchange.py": "the email package raises many kinds on a broken form",
}
"""Files and folders where a handler may end any exception without raising again, and why; `shield` serves all others."""

ENVIRONMENT = {
    "otel_llm/settings.py": "it is the one that reads",
    "otel_llm/demo/app.py": "it plays somebody's program, which knows nothing of us",
}
"""Who may touch the process environment, and why."""

METRICS = "otel_llm/telemetry/metrics.py"
"""Names of metrics are its own; it spells no attribute."""

_MARKS = re.compile(
    r"# (?:noqa|type: ignore)\b(?P<codes>: [A-Z]+[0-9]+(?:, [A-Z]+[0-9]+)*|\[[a-z, -]+\])?(?P<reason>.*)"
)


def _attributes(tree: ast.Module) -> list[str]:
    keys = {
        id(argument)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "create_key"
        for argument in node.args
    }
    context_keys = {
        node.value for node in ast.walk(tree) if id(node) in keys and isinstance(node, ast.Constant)
    }
    return [
        f"{line}: {text}"
        for line, text in source.texts(tree)
        if re.match(r"(gen_ai|otel_llm)\.\S", text)
        and text not in context_keys
        and not source.is_module(text)
    ]


def test_only_semconv_spells_attribute_names() -> None:
    found = {
        name: spelled
        for name, tree in source.modules(*source.PACKAGES)
        if name not in {"otel_llm/semconv.py", METRICS} and (spelled := _attributes(tree))
    }
    assert found == {}


def test_the_module_of_the_metrics_spells_no_attribute() -> None:
    names = {row.name for row in semconv.table()}
    tree = dict(source.modules("otel_llm/telemetry"))[METRICS]
    assert names.isdisjoint(text for _, text in source.texts(tree))


def _environment(tree: ast.Module) -> list[int]:
    """Lines that touch the process environment: `os.environ`, `os.getenv`, or either imported by name."""
    attributes = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        and node.attr in {"environ", "getenv", "putenv"}
    ]
    imports = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and node.module == "os"
        and {alias.name for alias in node.names} & {"environ", "getenv", "putenv"}
    ]
    return attributes + imports


def test_only_settings_reads_the_environment() -> None:
    found = {
        name: lines
        for name, tree in source.modules(*source.PACKAGES)
        if name not in ENVIRONMENT and (lines := _environment(tree))
    }
    assert found == {}


def _swallows(handler: ast.ExceptHandler) -> bool:
    """Whether it catches everything and does not raise on all of its ways."""
    caught = handler.type
    names = [
        one.id
        for one in (caught.elts if isinstance(caught, ast.Tuple) else [caught])
        if isinstance(one, ast.Name)
    ]
    blind = caught is None or not {"Exception", "BaseException"}.isdisjoint(names)
    return blind and not isinstance(handler.body[-1], ast.Raise)


def _suppresses(node: ast.AST) -> bool:
    """`contextlib.suppress(Exception)`, in whatever spelling."""
    return (
        isinstance(node, ast.Call)
        and "suppress" in {getattr(node.func, "attr", ""), getattr(node.func, "id", "")}
        and any(isinstance(one, ast.Name) and one.id in {"Exception", "BaseException"} for one in node.args)
    )


def _swallowers() -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for name, tree in source.modules(*source.PACKAGES):
        for node in ast.walk(tree):
            if (isinstance(node, ast.ExceptHandler) and _swallows(node)) or _suppresses(node):
                found.setdefault(name, []).append(getattr(node, "lineno", 0))
    return found


def test_only_the_shield_and_the_marked_edges_swallow_exceptions() -> None:
    found = _swallowers()
    edges = tuple(EDGES)
    assert {name: lines for name, lines in found.items() if not name.startswith(edges)} == {}
    idle = [edge for edge in edges if not any(name.startswith(edge) for name in found)]
    assert idle == [], "an edge that swallows nothing any more"


@pytest.mark.parametrize("folder", ["otel_llm/wire", "otel_llm/record.py", "otel_llm/errors.py"])
def test_the_ground_and_the_wire_open_no_file(folder: str) -> None:
    below = [folder] if "." not in folder else []
    trees = dict(source.modules(*below)) or {folder: ast.parse(source.text(folder))}
    called = {
        f"{name}:{node.lineno}"
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"open", "print", "input"}
    }
    assert called == set()


def test_each_exemption_from_a_rule_names_the_rule_and_gives_its_reason() -> None:
    bare = []
    for name in source.tracked():
        if not name.endswith(".py") or name.startswith("tests/house/"):
            continue
        for number, line in enumerate(source.text(name).splitlines(), 1):
            mark = _MARKS.search(line)
            if mark and (not mark["codes"] or not re.search(r"[a-z]{3}", mark["reason"])):
                bare.append(f"{name}:{number}: {line.strip()}")
    assert bare == []
