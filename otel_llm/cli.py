"""The command `otel-llm`. Its subcommands are found by entry point, so it imports neither proxy nor sink."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from importlib.metadata import version as distribution_version
from typing import Final

from otel_llm.errors import ConfigError

GROUP: Final = "otel_llm_commands"
COMMANDS: Final = {
    "demo": (
        "run an unchanged app against recorded providers and show its LLM calls as spans",
        "otel-llm[demo]",
    ),
    "doctor": ("tell what is observed, how it is configured, and where telemetry goes", "otel-llm"),
    "view": ("show the stored spans in a local web page", "otel-llm"),
    "proxy": ("run the proxy that clients reach by one base URL", "otel-llm[proxy]"),
    "sink": ("receive OTLP and hand it to any destination", "otel-llm[proxy]"),
    "spool": ("look at what waits on disk for its destination", "otel-llm"),
    "replay": ("send stored spans to a destination", "otel-llm"),
}
"""What each does, and the distribution that brings it."""

Command = Callable[[Sequence[str]], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; gives the exit code. 2: the command line is wrong or the command is not there."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in {"-h", "--help", "help"}:
        sys.stdout.write(usage() + "\n")
        return 0 if given else 2
    if given[0] in {"-V", "--version"}:
        sys.stdout.write(f"otel-llm {distribution_version('otel-llm')}\n")
        return 0
    name, rest = given[0], given[1:]
    try:
        return _find(name)(rest)
    except ConfigError as error:
        sys.stderr.write(f"otel-llm: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130


def usage() -> str:
    """The help text: every name, and which of them are not there."""
    there = _installed()
    lines = ["usage: otel-llm COMMAND [options]     (otel-llm COMMAND --help tells more)", ""]
    for name in [*COMMANDS, *sorted(there.keys() - COMMANDS.keys())]:
        what = COMMANDS[name][0] if name in COMMANDS else f"from {there[name].value.partition(':')[0]}"
        lines.append(f"  {name:<8} {what}{'' if name in there else ' (not installed)'}")
    return "\n".join([*lines, "", "  --version, --help"])


def _installed() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _find(name: str) -> Command:
    there = _installed()
    if name in there:
        try:
            found: Command = there[name].load()
        except ImportError as error:
            package = COMMANDS.get(name, ("", "otel-llm"))[1]
            raise ConfigError(
                f"otel-llm {name}", f"cannot start: {error}", f"pip install '{package}'"
            ) from error
        return found
    if name in COMMANDS:
        what, package = COMMANDS[name]
        problem = (
            f"is not in this installation of version {distribution_version('otel-llm')} (it would {what})"
        )
        raise ConfigError(name, problem, f"A version that has it comes with: pip install -U '{package}'")
    import difflib

    known = sorted({*COMMANDS, *there})
    near = difflib.get_close_matches(name, known, 1)
    hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}."
    raise ConfigError(name, "is no command", hint)


if __name__ == "__main__":
    sys.exit(main())
