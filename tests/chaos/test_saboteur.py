"""All that the saboteur reaches into is there: a worker with a bug or an order starts, on no Kafka yet."""

import subprocess
import sys
from pathlib import Path

from chaos.controls import CONTROLS
from chaos.saboteur import BUGS
from integration.processes import ROOT


def test_every_bug_is_found_by_a_control() -> None:
    assert sorted(control.bug for control in CONTROLS) == sorted(BUGS)


def test_what_the_saboteur_replaces_exists(tmp_path: Path) -> None:
    # In a process of its own, since everything in it is spoilt.
    spoil = "\n".join(
        [
            "from pathlib import Path",
            "from chaos import saboteur",
            "saboteur.tell_interruptions()",
            "saboteur.silence_steps.tell_known(saboteur._say, saboteur._around)",
            f"saboteur.obey(saboteur.Orders(Path({str(tmp_path / 'order')!r})))",
            *(f"saboteur._{bug}()" for bug in BUGS),
            "saboteur.produce_little(1_000)",
            "saboteur.slow_down(Path('slowness'))",
        ]
    )
    done = subprocess.run(
        [sys.executable, "-c", spoil],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        check=False,
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stderr) == (0, "")
