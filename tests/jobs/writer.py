"""A writer of a ledger that may be killed at any time: finishes its share of trials, and says so after each.

Usage: python -m tests.jobs.writer URL TRIALS SHARE OF ACKNOWLEDGEMENTS
"""

from __future__ import annotations

import os
import sys

from archc.jobs.ledger import Finished, Ledger


def result(number: int) -> dict[str, float]:
    """What a trial comes to."""
    return {"accuracy": (number * 37 % 101) / 101}


def main(url: str, trials: int, share: int, of: int, acknowledgements: str) -> None:
    with Ledger(url, "kills") as ledger:
        done = ledger.history().finished
        handle = os.open(acknowledgements, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        for number in range(share, trials, of):
            if number not in done:
                ledger.ask(number, {"point": number})
                ledger.finish(number, Finished(result(number), 0.0))
                os.write(handle, b"%d\n" % number)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
