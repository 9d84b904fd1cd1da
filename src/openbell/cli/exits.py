"""How a command ends: the exit codes, and the one error that carries a sentence and a code."""

from __future__ import annotations

FAILED = 1
BAD_INPUT = 2
NOTHING_KNOWN = 3
TIMED_OUT = 4
NO_DATABASE = 5
INTERRUPTED = 130

EXIT_CODES = """\b
Exit codes:
  0    done
  1    failed, or something needed is unavailable
  2    wrong usage: unknown command, product or setting, malformed key
  3    nothing is known under this name
  4    the wait ended before the value was fresh
  5    the database cannot be reached, or nothing is running
  130  interrupted
"""


class CliError(Exception):
    """Ends the command: `sentence` goes to stderr, `code` to the shell."""

    def __init__(self, sentence: str, code: int = FAILED) -> None:
        super().__init__(sentence)
        self.code = code
