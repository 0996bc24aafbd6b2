"""How long a tagger takes to start, as it tells."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
WAITED_SECS = 4


def test_time_before_python_took_the_place_of_a_shell_does_not_count():
    age = "from aec_ofa_tf.tagging.recordings import process_age_secs; print(process_age_secs())"
    script = f'sleep {WAITED_SECS}; exec "{sys.executable}" -c "{age}"'
    done = subprocess.run(
        ["/bin/sh", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert 0 < float(done.stdout) < WAITED_SECS
