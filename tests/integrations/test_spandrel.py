"""SSIU through spandrel: every format and variant, its own detection only, and the folders for other programs."""

import itertools
import shutil
import sys

import pytest
import torch

import ssiu_arch
from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.weights.shipped import shipped

spandrel = pytest.importorskip("spandrel", reason="spandrel, of the extra rivals, is not installed")
from ssiu_arch.integrations.spandrel import SSIUArch, install  # noqa: E402

IMAGE = torch.rand(1, 3, 20, 33, generator=torch.Generator().manual_seed(0))
VARIANTS = {
    "x2": {"upscale": 2},
    "x3": {"upscale": 3, "num_head": 2},
    "x4 SAM": {"upscale": 4, "sparse_attention": False},
    "x4 no MoE-FS": {"upscale": 4, "num_block": 4, "feature_selector": False},
}


def results(path):
    """The outputs of spandrel and of ``ssiu_arch.load`` for a file."""
    install()
    install()
    found = spandrel.ModelLoader().load_from_file(path).eval()
    with torch.no_grad():
        return found, found(IMAGE), ssiu_arch.load(path)(IMAGE).clamp(0, 1)


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
@pytest.mark.parametrize("half", [False, True])
def test_no_difference_to_load(sine_weights, tmp_path, options, suffix, half):
    from ssiu_arch.weights.writing import as_bytes

    net = sine_weights(SSIU(**{"num_feat": 16, "num_block": 3, **options}))
    weights = {name: value.half() if half else value for name, value in net.state_dict().items()}
    path = tmp_path / f"net{suffix}"
    path.write_bytes(as_bytes(weights, suffix))
    found, theirs, ours = results(path)
    assert (found.architecture.id, found.scale) == ("SSIU", options["upscale"])
    assert found.size_requirements.none
    assert torch.equal(theirs, ours)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_shipped_weights(scale):
    _, theirs, ours = results(shipped(scale))
    assert torch.equal(theirs, ours)


def test_no_other_architecture_claims_ssiu(released_names):
    pytest.importorskip("spandrel_extra_arches")
    from ssiu_arch.integrations.rivals import LIGHT, registry

    ours = SSIU(num_feat=16, num_block=3).state_dict()
    released = {name.removeprefix("module."): value for name, value in released_names(ours).items()}
    for weights in (ours, released):
        assert [arch.architecture.id for arch in registry() if arch.detect(weights)] == ["SSIU"]
    for name, light in LIGHT.items():
        assert not SSIUArch().detect(light.build(4).state_dict()), name


COMFYUI = """
import importlib.util, sys
sys.modules["ssiu_arch"] = sys.modules["basicsr"] = None
import torch
folder, weights, result = sys.argv[1:]
name = folder.replace(".", "_x_")
spec = importlib.util.spec_from_file_location(name, folder + "/__init__.py")
sys.modules[name] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
assert module.NODE_CLASS_MAPPINGS == {}
from spandrel import ModelLoader
model = ModelLoader().load_from_state_dict(torch.load(weights, weights_only=True)).eval()
torch.save(model(torch.linspace(0, 1, 3 * 20 * 33).reshape(1, 3, 20, 33)), result)
"""


def test_the_comfyui_folder_needs_neither_package(tmp_path, root, python):
    from ssiu_arch.integrations.comfyui import for_comfyui, write

    write(for_comfyui(), tmp_path / "ssiu.node")
    copied, own = (folder / "archs/ssiu_arch.py" for folder in (tmp_path / "ssiu.node", root / "ssiu_arch"))
    assert copied.read_bytes() == own.read_bytes()
    run = python("-W", "ignore", "-c", COMFYUI, tmp_path / "ssiu.node", shipped(4), tmp_path / "x.pt", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    with torch.no_grad():
        ours = ssiu_arch.load("shipped")(torch.linspace(0, 1, 3 * 20 * 33).reshape(1, 3, 20, 33)).clamp(0, 1)
    assert torch.equal(torch.load(tmp_path / "x.pt"), ours)


def test_an_existing_folder_is_kept(tmp_path, monkeypatch, capsys):
    from ssiu_arch.integrations.comfyui import main

    (tmp_path / "node").mkdir()
    monkeypatch.setattr(sys, "argv", ["comfyui", str(tmp_path / "node")])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "node: exists" in capsys.readouterr().err
    assert not list((tmp_path / "node").iterdir())


def in_tiles(model, image, tile, overlap):
    """What ComfyUI's node does: tiles every ``tile - overlap`` pixels, the last ones cut short, blended by ramps."""
    s = model.scale
    total, weights = (torch.zeros(1, 3, s * image.shape[2], s * image.shape[3]) for _ in range(2))
    starts = [[min(start, n - overlap) for start in range(0, n, tile - overlap)] for n in image.shape[2:]]
    for y, x in itertools.product(*starts):
        result = model(image[:, :, y : y + tile, x : x + tile])
        ramps = []
        for n in result.shape[2:]:
            ramp = ((torch.arange(n) + 1) / (s * overlap)).clamp(max=1)
            ramps.append(ramp * ramp.flip(0))
        place = ..., slice(s * y, s * y + result.shape[2]), slice(s * x, s * x + result.shape[3])
        total[place] += result * ramps[0][:, None] * ramps[1]
        weights[place] += ramps[0][:, None] * ramps[1]
    return total / weights


@torch.no_grad()
def test_comfyui_s_tiles_cost_little():
    """Tiles of 64 and an overlap of 32 instead of 512 and 32: more seams, and the same loop."""
    install()
    model = spandrel.ModelLoader().load_from_file(shipped(2)).eval()
    image = torch.nn.functional.interpolate(IMAGE, (70, 101), mode="bicubic").clamp(0, 1)
    whole, tiles = model(image), in_tiles(model, image, 64, 32)
    assert tiles.shape == whole.shape == (1, 3, 140, 202)
    assert 0 < (tiles - whole).abs().max() < 8 / 255
    assert (tiles - whole).square().mean().sqrt() < 0.5 / 255


def test_the_files_for_spandrel_are_an_architecture_there(tmp_path, python):
    """A copy of spandrel with the files and the two lines that its registry needs passes the test that comes with it.

    Of spandrel's test helpers only ``assert_size_requirements`` is used, which spandrel does not install: this one runs
    sizes that are no multiple of anything.
    """
    from pathlib import Path

    from ssiu_arch.integrations.comfyui import for_spandrel, write

    write(for_spandrel(), tmp_path / "change")
    shutil.copytree(Path(spandrel.__file__).parent, tmp_path / "spandrel")
    shutil.copytree(tmp_path / "change/libs/spandrel/spandrel", tmp_path / "spandrel", dirs_exist_ok=True)
    registry = tmp_path / "spandrel/__helpers/main_registry.py"
    text = registry.read_text()
    line = (tmp_path / "change/SSIU.md").read_text().split()[-1].rstrip(",")
    assert line == "ArchSupport.from_architecture(SSIU.SSIUArch())"
    registry.write_text(f"{text}\nfrom ..architectures import SSIU\nMAIN_REGISTRY.add({line})\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/__init__.py").touch()
    (tmp_path / "tests/util.py").write_text(
        "import torch\n"
        "def assert_size_requirements(model):\n"
        "    for size in ((1, 1), (7, 13)):\n"
        "        assert model(torch.rand(1, 3, *size)).shape[2:] == tuple(model.scale * side for side in size)\n"
    )
    shutil.copy(tmp_path / "change/tests/test_SSIU.py", tmp_path / "tests")
    program = (
        "import sys; sys.modules['ssiu_arch'] = sys.modules['basicsr'] = None\n"
        "import pytest, spandrel; assert spandrel.__file__.startswith(sys.argv[1])\n"
        "sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', 'tests']))"
    )
    run = python("-W", "ignore", "-c", program, tmp_path, cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "12 passed" in run.stdout
