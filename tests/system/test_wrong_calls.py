"""The table of wrong calls says what they are told now."""

import subprocess
import sys
from pathlib import Path

import wrong_calls


def test_the_table_of_wrong_calls_is_that_of_now():
    # As a user has it: without checked types, in 32 bits.
    script = Path(__file__).with_name("wrong_calls.py")
    run = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert sum(map(len, wrong_calls.CALLS.values())) >= 40
