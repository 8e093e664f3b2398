"""Reading an LMDB in a subprocess, since a damaged one kills or hangs the process instead of raising.

``python -m ssiu_arch.utils.lmdb_health FOLDER KEY ...`` prints a problem on stderr and exits with 1, else with 0.
"""

import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path

from ssiu_arch.utils.errors import UserError

PATIENCE = 60  # seconds


def check(where: str, folder: str, keys: list[str]) -> None:
    """Raise ``UserError`` if a database lacks a key of its meta_info.txt, or if one of ``keys`` cannot be read.

    ``folder`` is an LMDB that ``data.lmdb_sets.open_lmdb`` opens; ``where``, its data set, starts the message.
    """
    command = [sys.executable, "-m", "ssiu_arch.utils.lmdb_health", folder, *keys]
    again = "the database is damaged; copy or prepare it again"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise UserError(f"{where}: {folder} cannot be read in {PATIENCE} s: {again}") from error
    if done.returncode < 0:
        raise UserError(f"{where}: reading {folder} crashes ({signal.Signals(-done.returncode).name}): {again}")
    if done.returncode:
        raise UserError(f"{where}: {folder}: {(done.stderr.strip() or 'cannot be read').splitlines()[-1]}")


def problem(folder: Path, keys: list[str]) -> str | None:
    """The first problem of a database, or None."""
    import lmdb

    lines = (folder / "meta_info.txt").read_text(encoding="utf-8").splitlines()
    listed = {line.split(".")[0] for line in lines}
    try:
        environment = lmdb.open(str(folder), readonly=True, lock=False, readahead=False)
        with environment, environment.begin() as transaction:
            every = islice(transaction.cursor().iternext(values=False), environment.stat()["entries"])
            missing = sorted(listed - {key.decode("ascii", "backslashreplace") for key in every})
            if missing:
                return f"{len(missing)} keys of meta_info.txt are not in data.mdb ({missing[0]}); prepare it again"
            for key in keys:
                if not transaction.get(key.encode()):
                    return f"{key} is empty; prepare it again"
    except lmdb.Error as error:
        return f"damaged, prepare it again ({error})"
    return None


if __name__ == "__main__":
    sys.exit(problem(Path(sys.argv[1]), sys.argv[2:]))
