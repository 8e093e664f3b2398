"""Kill trainings at random moments, resume them, and compare the end with the uninterrupted training, exactly.

    python benchmarks/resume_kills.py --kills 40

Each training has 15 iterations of the demo's data, 5 in an epoch, with validations and an EMA: SSIU (tiny), and SwinIR
with dropout (``drop_path_rate`` 0.3), with 0 and 2 workers, each prefetch mode of the CPU, and states in the middle or
at the end of epochs. One is killed (SIGKILL) after a random iteration and resumed by ``--auto_resume``. Weights, EMA,
optimiser and the state of Python's, NumPy's and torch's random generators must be equal. Exits with 1 if one is not.
"""

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from ssiu_arch.cli import main as command
from ssiu_arch.data.training_sets import prepare_demo
from ssiu_arch.plugins import load_plugins

ROOT = Path(__file__).parents[1]
SHORT = (
    "datasets:train:batch_size_per_gpu=3",
    "datasets:train:gt_size=32",
    "datasets:train:dataset_enlarge_ratio=0.1",
    "train:total_iter=15",
    "train:scheduler:periods=[15]",
    "train:ema_decay=0.9",
    "logger:print_freq=1",
    "val:val_freq=3",
)
NETWORKS = {
    "SSIU": ("network_g:num_feat=8", "network_g:num_block=3"),
    "SwinIR": (
        "model_type=SwinIRModel",
        "network_g={type: SwinIR, upscale: 4, img_size: 8, window_size: 4, embed_dim: 12, depths: [2, 2], "
        "num_heads: [2, 2], mlp_ratio: 2, upsampler: pixelshuffledirect, drop_path_rate: 0.3, drop_rate: 0.1}",
        "train:fft_opt=none",
    ),
}
SAVED_EVERY = {"in": 3, "at the end of": 5}  # iterations, of 5 in an epoch
LOADING = {"0 workers": (0, "none"), "2 workers": (2, "none"), "prefetch cpu": (0, "cpu"), "2 + prefetch": (2, "cpu")}


def train(folder: Path, options: list[str]) -> None:
    """Train in a folder, as the command does; resume if there is a state."""
    os.chdir(folder)
    log = os.open("log.txt", os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    options = ["-opt", "options/demo/train_SSIU_x4.yml", "--auto_resume", "--force_yml", *options]
    sys.exit(command.main(["train", *options]))


def start(folder: Path, options: list[str]) -> BaseProcess:
    """Start ``train`` in a process forked from this one, which has imported BasicSR."""
    process = multiprocessing.get_context("fork").Process(target=train, args=(folder, options))
    process.start()
    return process


def outcome(folder: Path) -> list[Any]:
    """Every value that a training leaves: of its weights with their EMA, and of the state of its last iteration."""
    run = folder / "experiments/demo_SSIU_x4"
    return tree_leaves([torch.load(run / "models/net_g_latest.pth"), torch.load(run / "training_states/15.state")])


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are equal, tensors element by element."""
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=40, metavar="N", help="number of kills (default: 40)")
    args = parser.parse_args()
    load_plugins()  # imports BasicSR
    chance, identical = random.Random(0), 0
    with tempfile.TemporaryDirectory() as temporary:
        prepare_demo(Path(temporary, "datasets"), jobs=1, force=False)

        def place(name: str) -> Path:
            folder = Path(temporary, name)
            folder.mkdir()
            (folder / "datasets").symlink_to(Path(temporary, "datasets"))
            (folder / "options").symlink_to(ROOT / "options")
            (folder / "log.txt").touch()
            return folder

        cases = [(net, saved, how) for how in LOADING for saved in SAVED_EVERY for net in NETWORKS]
        whole: dict[tuple[str, str], Any] = {}
        for kill in range(args.kills):
            net, saved, how = cases[kill % len(cases)]
            workers, prefetch = LOADING[how]
            options = [*SHORT, *NETWORKS[net], f"logger:save_checkpoint_freq={SAVED_EVERY[saved]}"]
            if (net, saved) not in whole:  # how images are loaded must change nothing
                folder = place(f"whole {net} {saved}")
                start(folder, options).join()
                whole[net, saved] = outcome(folder)
            options += [f"datasets:train:num_worker_per_gpu={workers}", f"datasets:train:prefetch_mode={prefetch}"]
            folder = place(f"kill {kill}")
            process, iteration = start(folder, options), chance.randint(1, 14)
            while process.is_alive() and f"iter: {iteration:7d}" not in (folder / "log.txt").read_text():
                time.sleep(0.01)
            time.sleep(chance.uniform(0, 0.3))  # in its validation or save, or in the next iteration
            process.kill()
            process.join()
            start(folder, options).join()
            differing = sum(not is_same(*pair) for pair in zip(outcome(folder), whole[net, saved], strict=True))
            identical += not differing
            said = f"{differing} values differ" if differing else "identical"
            print(f"{net}, states {saved} epochs, {how}: killed after iteration {iteration}: {said}", flush=True)
    print(f"identical {identical} of {args.kills}")
    return int(identical != args.kills)


if __name__ == "__main__":
    sys.exit(main())
