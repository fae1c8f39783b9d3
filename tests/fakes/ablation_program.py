"""Stands for the command line in an ablation's steps: writes small result files instead of doing the work.

``FAKE_JOURNAL`` names a file that gets a line for each start; steps whose output folder holds ``FAKE_SLOW`` wait until
the file ``FAKE_GO`` is there, or for SIGINT, and those that hold ``FAKE_FAIL`` fail.
"""

import os
import sys
import time
from pathlib import Path

RESULTS = {
    "generate": "dataset/dataset.jsonl",
    "train": "adapter/adapter_config.json",
    "evaluate": "results.json",
}


def main() -> int:
    kind, out = sys.argv[1], Path(sys.argv[sys.argv.index("--out") + 1])
    cell = out.parent.relative_to(Path(os.environ["FAKE_ROOT"]))
    with Path(os.environ["FAKE_JOURNAL"]).open("a") as journal:
        journal.write(f"{cell} {kind}\n")
    name = f"{cell} {kind}"
    out.mkdir(parents=True, exist_ok=True)
    print(f"fake {name}", flush=True)
    if (slow := os.environ.get("FAKE_SLOW")) and slow in name:
        (out / "half-done").touch()
        try:
            while not Path(os.environ["FAKE_GO"]).exists():
                time.sleep(0.02)
        except KeyboardInterrupt:
            (out / "stopped").touch()
            return 130
    if (fail := os.environ.get("FAKE_FAIL")) and fail in name:
        print("the server is on fire")
        return 3
    result = out / RESULTS[kind]
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_text("{}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
