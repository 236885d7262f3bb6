"""The memory of a batch goes by `max_active` and not by its items."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests import warm_python
from tests.airflow_home import ROOT
from tests.batch.batch_work import prompts
from tests.batch.test_crashes import PROGRAM, settings_of
from tests.input_files.object_storage import PEAK

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.batch.batch_work import BatchWork


#: One batch after another in one process, each with its peak of memory since the process began.
BATCHES = f"""{PEAK}
for settings in json.loads(sys.argv[2]):
    operator = WiroBatchRunOperator(task_id="generate", **settings)
    summary = operator.execute({{"ti": FakeTi()}})
    print(json.dumps([summary["succeeded"], peak_kib()]))
"""


def peaks(work: BatchWork, counts: list[int]) -> list[tuple[int, int]]:
    """Run batches from files in one process, and return of each but the first what succeeded and the peak."""
    batches = []
    for count in counts:
        inputs = work.folder / f"{count}.jsonl"
        inputs.write_text("\n".join(map(json.dumps, prompts(count))))
        settings = {**settings_of(work, []), "inputs": str(inputs), "max_active": 40}
        batches.append({**settings, "state_path": str(work.folder / f"state-{count}")})
    program = PROGRAM.format(root=str(ROOT), settings=json.dumps(batches.pop(0)))
    done = warm_python.run(f"{program}\n{BATCHES}", "1", json.dumps(batches), timeout=250)
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines() if line.startswith("[")]


def test_four_times_the_items_take_no_more_memory(work: BatchWork, wiro: WiroEmulator) -> None:
    """What the record keeps of an item are some dozen bytes; inputs and results would be kibibytes each."""
    (few, before), (many, after) = peaks(work, [40, 150, 600])

    assert (few, many) == (150, 600)
    # Half a MiB, give or take a tenth: less than three and a half KiB for each of 450 more items.
    assert after - before < 1.5 * 1024
