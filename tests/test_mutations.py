"""Randomly mutated input gives one clear line and exit code 2, or a run; never a traceback, a hang or a stray file.

By default each kind of input is mutated a few times, the same ways each time. The environment variable
``SSIU_MUTATIONS`` sets the number of mutations, and draws new ones in each run:

    SSIU_MUTATIONS=500 pytest tests/test_mutations.py
"""

import hashlib
import os
import shutil
import subprocess
import sys

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.checks import check_run
from ssiu_arch.checks import options as option_kinds
from ssiu_arch.cli import main as command
from ssiu_arch.utils.errors import UserError

MUTATIONS = int(os.environ.get("SSIU_MUTATIONS", 0))
FEW = 12  # mutations by default
TRAIN, TEST = "options/demo/train_SSIU_x4.yml", "options/demo/test_SSIU_x4.yml"


def examples(few):
    suppressed = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(
        max_examples=MUTATIONS or few,
        derandomize=not MUTATIONS,
        deadline=30_000,
        database=None,
        suppress_health_check=suppressed,
    )


def contents(folder):
    """Every file below a folder, with a fingerprint of what it holds."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def place(demo_data, root, tmp_path_factory):
    """A folder with small copies of everything that a run reads."""
    folder = tmp_path_factory.mktemp("mutated")
    (folder / "datasets").symlink_to(demo_data / "datasets")
    (folder / "options").symlink_to(root / "options")
    (folder / "experiments/demo_SSIU_x4/models").mkdir(parents=True)
    torch.save({"params": SSIU().state_dict()}, folder / "experiments/demo_SSIU_x4/models/net_g_latest.pth")
    before = os.getcwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


def told(check):
    """Run a check: None, or the line it says. Anything but a ``UserError`` fails the test."""
    try:
        check()
    except UserError as error:
        line = str(error)
        assert line
        assert "\n" not in line
        assert "Traceback" not in line
        return line
    return None


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 12),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["", "~", "..", "/", "SSIU", "auto", "disk", "lmdb", "{}", "{0.x}", "cuda", "L1Loss", "val"]),
    st.lists(st.integers(-2, 500), max_size=3),
    st.dictionaries(st.one_of(st.text(max_size=4), st.integers()), st.integers(), max_size=2),
    st.just({"type": "calculate_psnr"}),
)


def places_of(node, path=()):
    """Every place in a tree of options: the way there, from the root."""
    for key, value in node.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from places_of(value, (*path, key))


def at(node, path):
    for key in path:
        node = node[key]
    return node


@st.composite
def mutated_options(draw, text):
    """An option file some of whose options have other values, other names, or are gone."""
    opt = yaml.safe_load(text)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(sorted(places_of(opt), key=str)))
        section = at(opt, path[:-1])
        change = draw(st.sampled_from(["value", "value", "value", "gone", "renamed"]))
        value = section.pop(path[-1])
        if change == "value":
            section[path[-1]] = draw(ODD)
        elif change == "renamed":
            section[draw(st.one_of(st.text(max_size=5), st.just(f"{path[-1]}s")))] = value
    return yaml.safe_dump(opt, sort_keys=False)


@pytest.fixture
def option_file(place):
    def write(text):
        (place / "mutated.yml").write_text(text, encoding="utf-8", errors="surrogatepass")
        return "mutated.yml"

    return write


@pytest.mark.parametrize(("source", "is_train"), [(TRAIN, True), (TEST, False)])
def test_options(place, root, option_file, source, is_train):
    text = (root / source).read_text()
    lines = set()

    @examples(FEW)
    @given(mutated_options(text))
    def holds(mutated):
        file = option_file(mutated)
        before = contents(place)
        lines.add(told(lambda: option_kinds.unknown(check_run(file, is_train))))
        if not is_train and "train" not in yaml.safe_load(mutated):
            assert command.main(["check", "-opt", file]) in (0, 2)
        assert contents(place) == before

    holds()
    assert len(lines) > FEW // 3  # different messages: the mutations reach different checks


def test_text_of_an_option_file(place, root, option_file):
    text = (root / TRAIN).read_text()

    @examples(FEW)
    @given(st.integers(0, len(text)), st.integers(0, 40), st.text(max_size=6))
    def holds(start, length, put):
        told(lambda: check_run(option_file(text[:start] + put + text[start + length :]), True))

    holds()


@pytest.fixture
def image_pair(demo_data, place):
    """The bytes of a pair of small images, and a function that writes mutated ones where a set looks for them."""
    import cv2

    source = demo_data / "datasets/demo/val"
    gt = cv2.imread(str(source / "HR/coffee.png"))[:64, :64]
    lq = cv2.imread(str(source / "LR_bicubic/X4/coffee.png"))[:16, :16]
    held = {"gt": cv2.imencode(".png", gt)[1].tobytes(), "lq": cv2.imencode(".png", lq)[1].tobytes()}
    for side in held:
        (place / side).mkdir(exist_ok=True)

    def write(side, data):
        for name, whole in held.items():
            (place / name / "a.png").write_bytes(data if name == side else whole)

    return held, write


PAIR = {
    "name": "a",
    "type": "PairedImageDataset",
    "dataroot_gt": "gt",
    "dataroot_lq": "lq",
    "io_backend": {"type": "disk"},
}


def test_images(image_pair):
    from ssiu_arch.checks import datasets

    held, write = image_pair
    levels = set()

    @examples(2 * FEW)
    @given(st.sampled_from(["gt", "lq"]), st.data())
    def holds(side, data):
        whole = held[side]
        start = data.draw(st.integers(0, len(whole)))
        put = data.draw(st.binary(max_size=4))
        cut = data.draw(st.sampled_from([0, 1, len(put), len(whole)]))
        write(side, whole[:start] + put + whole[start + cut :])
        told(lambda: datasets.check_one("val", PAIR, 4))
        levels.update(finding.level for finding in datasets.sample("datasets.val", PAIR, 4))
        dataset = datasets.build("datasets.val", PAIR, 4)
        told(lambda: dataset[0])

    holds()
    assert levels >= {"ok", "error"}


CHECK_LMDB = """
import sys
import ssiu_arch, basicsr
from ssiu_arch.checks import datasets
from ssiu_arch.utils.errors import UserError
roots = {"dataroot_gt": "copy.lmdb", "dataroot_lq": "lq.lmdb", "io_backend": {"type": "lmdb"}}
options = {"name": "a", "type": "PairedImageDataset", "gt_size": 128, "use_hflip": True, "use_rot": True, **roots}
options |= {"batch_size_per_gpu": 1, "num_worker_per_gpu": 0}
for line in sys.stdin:  # an offset, and the bytes to be put there; or the length to be cut to
    offset, put = line.split()
    with open("copy.lmdb/data.mdb", "r+b") as file:
        file.truncate(0)
        file.write(open("whole.mdb", "rb").read())
        file.seek(int(offset))
        file.truncate() if put == "cut" else file.write(bytes.fromhex(put))
    try:
        datasets.check_one("train", options, 4)
        levels = sorted({finding.level for finding in datasets.sample("datasets.train", options, 4)})
    except UserError as error:
        levels = ["error"]
        assert str(error).count("\\n") == 0
    print(*levels, flush=True)
"""


@pytest.fixture(scope="module")
def databases(place):
    """Small copies of the demo's databases, a dozen pairs."""
    import lmdb

    for source, target in (("HR", "copy"), ("LR_bicubic_X4", "lq")):
        demo = place / f"{target}_of_demo.lmdb"  # a copy: this process may have the original open
        shutil.copytree(place / f"datasets/demo/train_{source}_sub.lmdb", demo)
        (place / f"{target}.lmdb").mkdir()
        lines = (demo / "meta_info.txt").read_text().splitlines(keepends=True)[:12]
        (place / f"{target}.lmdb/meta_info.txt").write_text("".join(lines))
        with (
            lmdb.open(str(demo), readonly=True, lock=False) as read,
            lmdb.open(str(place / f"{target}.lmdb"), map_size=2**24) as write,
            read.begin() as held,
            write.begin(write=True) as put,
        ):
            for line in lines:
                key = line.split(".")[0].encode()
                put.put(key, held.get(key))
    shutil.copy(place / "copy.lmdb/data.mdb", place / "whole.mdb")
    return place


def test_bytes_of_an_lmdb(databases, root):
    """In a process of its own, which must not be killed either."""
    import random

    chance, count = random.Random(MUTATIONS), MUTATIONS or 4
    size = (databases / "whole.mdb").stat().st_size
    mutations = ["0 00", f"{size // 2} cut", "100 cut"]
    while len(mutations) < count:
        page = 4096 * chance.randrange(size // 4096)
        offset = page + chance.choice([chance.randrange(4096), chance.randrange(64)])  # pages begin with what matters
        mutations.append(f"{offset} {chance.randbytes(chance.choice([1, 2, 8])).hex()}")
    done = subprocess.run(
        [sys.executable, "-c", CHECK_LMDB],
        input="\n".join(mutations),
        cwd=databases,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=60 + 10 * count,
    )
    assert done.returncode == 0, f"{done.returncode} after {done.stdout.count(chr(10))}: {done.stderr[-2000:]}"
    answers = done.stdout.splitlines()
    assert len(answers) == len(mutations)
    assert "error" in answers[1]
    assert "error" in answers[2]


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/../../b", "a\nb", "", "x" * 300])
def test_names_of_runs_and_sets_stay_inside(place, root, option_file, capsys, name):
    for path in (("name",), ("datasets", "val", "name")):
        opt = yaml.safe_load((root / TRAIN).read_text())
        at(opt, path[:-1])[path[-1]] = name
        assert command.main(["train", "-opt", option_file(yaml.safe_dump(opt))]) == 2
        expected = "line " if "\n" in name else f"{'.'.join(path)} ("  # the reader refuses text of several lines
        assert expected in capsys.readouterr().err
