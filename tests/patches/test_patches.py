"""All patches alike: needed by BasicSR 1.4.2, and inert where BasicSR does right or lacks what they would replace."""

import importlib.util
import subprocess
import sys
import types
from pathlib import Path

import basicsr
import pytest

from ssiu_arch import patches
from ssiu_arch.patches.patch import (
    IN_FORCE,
    NEEDED,
    NOT_APPLICABLE,
    NOT_NEEDED,
    Patch,
    _resolve,
    original,
)

ROOM = {patch: room for room in patches.ROOMS for patch in patches.of_room(room)}
PATCHES = [patch for patch in ROOM if isinstance(patch, Patch)]

# Functions of a BasicSR that does right, in the order of a patch's targets and reads.
RIGHT = {
    "cpu_only": """
def parse_options():
    parser.add_argument('--local_rank', '--local-rank')
    opt['num_gpu'] *= torch.cuda.is_available()""",
    "lmdb_reopen": "def init(self): self._client = shared(path)",
    "optimizers": "def get_optimizer(): return {'Adam': torch.optim.Adam, 'AdamW': torch.optim.AdamW}",
    "ema_weights": "def load(): torch.load(path, weights_only=True)\ndef settings(): load(opt.get('param_key_g'))",
    "compiled_networks": "def unwrap(): return getattr(net, '_orig_mod', net)",
    "prefetch_streams": "def fetch(): batch.record_stream(stream)\ndef preload(): pass",
    "wandb_id": "def init(): wandb.init(project=project)",
    "safe_yaml": """
def ordered_yaml():
    import re, yaml
    class Loader(yaml.SafeLoader): pass
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile("1e-3"), ["1"])
    return Loader, None""",
    "option_files": "def parse_options(): parser.add_argument('--force_yml', type=yaml.safe_load)",
    "distributed": """
def pytorch(): backend = 'gloo'
def slurm(): init_process_group(backend, timeout=timeout)
def to_device(): DDP(net, broadcast_buffers=False)""",
    "path_keys": "def make_exp_dirs(): [os.makedirs(opt['path'][key]) for key in KNOWN]",
    "resume_state": "def load_resume_state(): return torch.load(path, map_location='cpu')",
    "one_owner": "def load(): lock(folder)\ndef make(): pass",
    "sample_order": "def create(): return EnlargedSampler(resume_state['iter']), total_iters / len(train_loader)",
    "training_state": "def save(): torch.save(self.best_metric_results, path)\ndef resume(): pass\ndef rate(): pass",
    "atomic_saves": "def save(): os.replace(temporary, path)",
    "guarded_iterations": "def build_model(): pass\ndef train_pipeline(): assert math.isfinite(loss)",
    "image_errors": "def get(): pass\ndef decode():\n    raise OSError(path)\ndef crop(): pass",
    "cpu_prefetcher": """
def make(): pass
def begin(self): return super().__iter__()
def start(self): self.loader = None""",
    "eta": "def init(): pass\ndef call(): eta = average * (self.max_iters - current_iter)",
}


def places(patch):
    return [_resolve(target) for target in (*patch.targets, *patch.reads)]


@pytest.fixture
def put(monkeypatch):
    """Let functions stand where a patch looks."""

    def put(patch, functions):
        for (owner, name, _), function in zip(places(patch), functions, strict=True):
            monkeypatch.setattr(owner, name, function)

    return put


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.name)
class TestEachPatch:
    def test_in_force(self, patch):
        assert patch.state() == IN_FORCE

    def test_applied_again_changes_nothing(self, patch):
        before = places(patch)
        patch.apply()
        assert places(patch) == before

    def test_needed_by_basicsr_1_4_2(self, patch, put):
        put(patch, [original(function) for _, _, function in places(patch)])
        assert patch.state() == NEEDED
        patch.apply()
        assert patch.state() == IN_FORCE

    def test_inert_where_basicsr_does_right(self, patch, put, tmp_path):
        (tmp_path / "right.py").write_text(RIGHT[patch.name])
        spec = importlib.util.spec_from_file_location("right", tmp_path / "right.py")
        right = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(right)
        functions = [value for value in vars(right).values() if isinstance(value, types.FunctionType)]
        put(patch, functions)
        assert patch.state() == NOT_NEEDED
        patch.apply()
        assert [function for _, _, function in places(patch)] == functions

    def test_inert_where_one_function_is_missing(self, patch, monkeypatch):
        for owner, name, _ in places(patch):
            with monkeypatch.context() as context:
                context.delattr(owner, name)
                before = dict(vars(owner))
                assert patch.state() == NOT_APPLICABLE
                patch.apply()
                assert dict(vars(owner)) == before

    @pytest.mark.parametrize("stand_in", [types.ModuleType("bare"), None], ids=["empty modules", "no modules"])
    def test_inert_where_everything_is_missing(self, patch, stand_in, monkeypatch):
        for target in (*patch.targets, *patch.reads):
            monkeypatch.setitem(sys.modules, target.partition(":")[0], stand_in)
        assert patch.state() == NOT_APPLICABLE
        patch.apply()

    def test_says_what_and_where(self, patch):
        assert len(patch.defect) > 20
        assert patch.upstream.startswith("basicsr/")


def test_every_patch_has_a_test_of_its_name():
    tested = {(file.parent.name, file.stem.removeprefix("test_")) for file in Path(__file__).parent.glob("*/test_*.py")}
    assert {(ROOM[patch], patch.name) for patch in PATCHES} <= tested


def test_every_file_of_a_room_is_listed():
    for room in patches.ROOMS:
        files = {file.stem for file in (Path(patches.__file__).parent / room).glob("*.py")}
        listed = importlib.import_module(f"ssiu_arch.patches.{room}").MODULES
        assert files == {"__init__", *(module.__name__.rpartition(".")[2] for module in listed)}


def test_a_function_is_replaced_wherever_it_was_imported():
    assert basicsr.train.parse_options is basicsr.test.parse_options is basicsr.utils.options.parse_options
    assert original(basicsr.train.parse_options) is not basicsr.train.parse_options


def test_a_function_named_where_it_was_imported_is_replaced_there_alone():
    assert original(basicsr.train.build_model) is basicsr.models.build_model is basicsr.test.build_model


@pytest.mark.parametrize("room", patches.ROOMS)
def test_the_table_in_docs(root, room):
    table = (root / "docs/patches.md").read_text().split("| --- | --- | --- |\n")[1 + patches.ROOMS.index(room)]
    rows = [f"| `{patch.name}` | {patch.defect} | {patch.upstream} |" for patch in patches.of_room(room)]
    assert [line for line in table.splitlines() if line.startswith("| `")] == rows


STATES = """
from ssiu_arch import apply_training_patches, patches
from ssiu_arch.cli import main as command
command.{command}(["--version"])
import basicsr
def states():
    for room in patches.ROOMS:
        print(*sorted({{patch.state() for patch in patches.of_room(room)}} - {{"not needed here"}}), sep=", ")
states()
apply_training_patches()
states()
"""


@pytest.mark.parametrize(("command", "training"), [("ssiu", NEEDED), ("main", IN_FORCE)])
def test_who_applies_what(command, training):
    """The import and ``ssiu`` compatibility alone; ``basicsr`` and the public function training, too."""
    code = STATES.format(command=command)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert done.stdout.splitlines()[-4:] == [IN_FORCE, training, IN_FORCE, IN_FORCE], done.stderr
