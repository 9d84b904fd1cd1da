"""An executor of DBOS for the suite; see :mod:`tests.conformance.engines.process`."""

from __future__ import annotations

import json
import queue
import sys
import time

from dbos import DBOS

from tests.conformance.engines.process import say

OPTIONS = json.loads(sys.argv[1])
WORDS: queue.Queue[str] = queue.Queue()


@DBOS.workflow(name="work")
def work() -> str:
    """Says that it began, and ends as it is told."""
    say("began")
    if OPTIONS.get("quick"):
        time.sleep(0.15)
        say("ended")
    else:
        word = WORDS.get()
        say("ended")
        if word == "fail":
            raise RuntimeError("it broke")
    return str(OPTIONS["name"])


def main() -> None:
    """Run until killed."""
    DBOS(
        config={
            "name": "suite", "system_database_url": OPTIONS["dsn"], "executor_id": OPTIONS["name"],
            "application_version": "1", "run_admin_server": False, "log_level": "CRITICAL",
        }
    )  # fmt: skip
    DBOS.launch()
    DBOS.register_queue("q", concurrency=OPTIONS["limit"], polling_interval_sec=0.05)
    say("ready")
    for line in sys.stdin:
        command, _, name = line.strip().partition(" ")
        if command == "recover":
            DBOS._recover_pending_workflows([name])
        else:
            WORDS.put(command)


if __name__ == "__main__":
    main()
