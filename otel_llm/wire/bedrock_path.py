"""What the paths of Bedrock's runtime say: the model, and what is done with it."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from otel_llm.wire.protocol import Ask

_PATH: Final = re.compile(r"(?:^|/)model/(.+)/([a-z-]+)/*$")
_PLAIN: Final = re.compile(r"arn:[^:]*:bedrock:[^:]*:[^:]*:(?:foundation-model|inference-profile)/(.+)$")


def model_of(path: str) -> str | None:
    """The model id of a path, which may be percent-encoded and may be an ARN; None when the path has no model.

    The ARN of a model or of AWS's own inference profile is reduced to the id in it, so that both spellings are one
    model; other ARNs (application profiles, prompts, imported models, endpoints) say nothing shorter.
    """
    found = _PATH.search(path)
    return plain_model(unquote(found[1])) if found else None


def plain_model(model: str) -> str:
    """A model id without the ARN around it, where the ARN says no more than the id."""
    arn = _PLAIN.match(model)
    return arn[1] if arn else model


def is_bedrock(ask: Ask) -> bool:
    """Whether the host is one of AWS's own, a VPC endpoint included."""
    host = ask.host.lower()
    return "bedrock" in host and host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))
