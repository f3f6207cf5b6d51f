"""The variables that `opentelemetry-instrument` offers as flags, such as `--llm_sqlite_path`.

Ours alone: two packages that both name one variable break that command for everybody, so those that we share with
others (content capture, semantic conventions) stay variables.
"""

from __future__ import annotations

from otel_llm.settings import SETTINGS

NAMES = sorted({setting.variable for setting in SETTINGS if setting.variable.startswith("OTEL_LLM_")})

globals().update({name: name for name in NAMES})
