"""Reading an LMDB in a subprocess, since a damaged one kills or hangs the process instead of raising.

``python -m ssiu_arch.utils.lmdb_health FOLDER KEY ...`` prints the first problem and exits with 1, else with 0.
"""

import signal
import subprocess
import sys
from pathlib import Path

from ssiu_arch.utils.errors import UserError

PATIENCE = 60  # seconds


def check(where: str, folder: str, keys: list[str]) -> None:
    """Check that a database has every key of its meta_info.txt, and that some of its images can be read.

    Args:
        where: the data set in the option file.
        folder: an LMDB folder that ``data.lmdb_sets.open_lmdb`` opens.
        keys: the keys to read.

    Raises:
        UserError: a key is missing, or the database is damaged.
    """
    command = [sys.executable, "-m", "ssiu_arch.utils.lmdb_health", folder, *keys]
    again = "the database is damaged; copy or prepare it again"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise UserError(f"{where}: {folder} cannot be read in {PATIENCE} s: {again}") from error
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise UserError(f"{where}: reading {folder} crashes ({name}): {again}")
    if done.returncode:
        said = (done.stdout.strip() or done.stderr.strip()).splitlines()
        raise UserError(f"{where}: {folder}: {said[-1] if said else 'cannot be read'}")


def problem(folder: Path, keys: list[str]) -> str | None:
    """The first problem of a database, or None."""
    import lmdb

    lines = (folder / "meta_info.txt").read_text(encoding="utf-8").splitlines()
    listed = {line.split(".")[0] for line in lines}
    try:
        environment = lmdb.open(str(folder), readonly=True, lock=False, readahead=False)
        with environment, environment.begin() as transaction:
            stored = set()
            for number, stored_key in enumerate(transaction.cursor().iternext(values=False)):
                if number > environment.stat()["entries"]:
                    return "its pages form a circle; prepare it again"
                stored.add(stored_key.decode("ascii", "backslashreplace"))
            missing = sorted(listed - stored)
            if missing:
                return f"{len(missing)} keys of meta_info.txt are not in data.mdb ({missing[0]}); prepare it again"
            for key in keys:
                if not transaction.get(key.encode()):
                    return f"{key} is empty; prepare it again"
    except lmdb.Error as error:
        return f"damaged, prepare it again ({error})"
    return None


if __name__ == "__main__":
    found = problem(Path(sys.argv[1]), sys.argv[2:])
    if found:
        print(found)
    sys.exit(1 if found else 0)
