"""The memory of a batch goes by `max_active` and not by its items."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests import warm_python
from tests.airflow_home import ROOT
from tests.batch.batch_work import prompts
from tests.batch.test_crashes import PROGRAM, settings_of
from tests.input_files.object_storage import PEAK

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.batch.batch_work import BatchWork


def peak_kib(work: BatchWork, wiro: WiroEmulator, count: int) -> int:
    """Run a batch from a file in a process of its own, and return the most memory that took."""
    inputs = work.folder / f"{count}.jsonl"
    inputs.write_text("\n".join(map(json.dumps, prompts(count))))
    settings = {**settings_of(work, []), "inputs": str(inputs), "max_active": 40}
    settings["state_path"] = str(work.folder / f"state-{count}")
    program = PROGRAM.format(root=str(ROOT), settings=json.dumps(settings))
    done = warm_python.run(f"{program}\n{PEAK}\nprint(peak_kib())", "1", timeout=250)
    assert done.returncode == 0, done.stderr
    *_, summary, peak = done.stdout.splitlines()
    assert json.loads(summary)["succeeded"] == count
    return int(peak)


@pytest.mark.timeout(300)  # 40 s of processor time, which a loaded machine gives late
def test_four_times_the_items_take_no_more_memory(work: BatchWork, wiro: WiroEmulator) -> None:
    """What the record keeps of an item are some dozen bytes; inputs and results would be kibibytes each."""
    few, many = peak_kib(work, wiro, 800), peak_kib(work, wiro, 3200)

    # The peak of one process differs from that of the next by 1 to 8 MiB, whatever it does.
    assert many - few < 14 * 1024
