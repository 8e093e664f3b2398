"""SSIU through spandrel: every format and variant, its own detection only, and the folders for other programs."""

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
    from ssiu_arch.weights.ssiu import Weights
    from ssiu_arch.weights.writing import as_bytes

    net = sine_weights(SSIU(**{"num_feat": 16, "num_block": 3, **options}))
    weights = {name: value.half() if half else value for name, value in net.state_dict().items()}
    path = tmp_path / f"net{suffix}"
    path.write_bytes(as_bytes(Weights(weights, {"upscale": options["upscale"]}, None), suffix))
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
    from ssiu_arch.integrations.comfyui.__main__ import for_comfyui, write

    write(for_comfyui(), tmp_path / "ssiu.node")
    copied, own = (folder / "archs/ssiu_arch.py" for folder in (tmp_path / "ssiu.node", root / "ssiu_arch"))
    assert copied.read_bytes() == own.read_bytes()
    run = python("-W", "ignore", "-c", COMFYUI, tmp_path / "ssiu.node", shipped(4), tmp_path / "x.pt", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    with torch.no_grad():
        ours = ssiu_arch.load("shipped")(torch.linspace(0, 1, 3 * 20 * 33).reshape(1, 3, 20, 33)).clamp(0, 1)
    assert torch.equal(torch.load(tmp_path / "x.pt"), ours)


def test_an_existing_folder_is_kept(tmp_path, monkeypatch, capsys):
    from ssiu_arch.integrations.comfyui.__main__ import main

    (tmp_path / "node").mkdir()
    monkeypatch.setattr(sys, "argv", ["comfyui", str(tmp_path / "node")])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "node: exists" in capsys.readouterr().err
    assert not list((tmp_path / "node").iterdir())
