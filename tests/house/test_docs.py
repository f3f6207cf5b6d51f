"""Documents that are made from the code, and links between documents."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from otel_llm import semconv
from otel_llm.settings import SETTINGS
from tests.house import source

MADE = runpy.run_path(str(source.ROOT / "scripts" / "generate-docs"))["MADE"]
PAGES = [name for name in source.tracked() if name.endswith(".md")]


@pytest.mark.parametrize("name", MADE)
def test_what_is_made_from_the_code_is_up_to_date(name: str) -> None:
    assert source.text(name) == MADE[name](), "run make docs"


def test_every_setting_and_every_attribute_is_documented() -> None:
    settings, attributes = source.text("docs/settings.md"), source.text("docs/attributes.md")
    assert [one.variable for one in SETTINGS if f"| `{one.variable}` |" not in settings] == []
    assert [row.name for row in semconv.table() if attributes.count(f"| `{row.name}` |") != 1] == []


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_that_are_there(page: str) -> None:
    here = Path(source.ROOT, page).parent
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", source.text(page))
    missing = [one for one in targets if "://" not in one and not (here / one).exists()]
    assert missing == []


def test_every_page_of_the_docs_is_in_the_index() -> None:
    index = source.text("docs/README.md")
    pages = [
        name.removeprefix("docs/") for name in PAGES if name.startswith("docs/") and name != "docs/README.md"
    ]
    assert [page for page in pages if f"]({page})" not in index] == []


def test_decisions_say_what_else_was_tried_and_when_to_look_again() -> None:
    for page in PAGES:
        if re.fullmatch(r"docs/decisions/\d{4}-[a-z0-9-]+\.md", page):
            text = source.text(page)
            assert [
                part for part in ("## Chosen", "## Also tried", "## Look again") if part not in text
            ] == [], page
