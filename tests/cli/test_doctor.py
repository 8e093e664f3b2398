"""``basicsr doctor``."""

from importlib.metadata import version

import pytest

from ssiu_arch import patches
from ssiu_arch.cli import doctor, which_basicsr
from ssiu_arch.cli import main as command
from ssiu_arch.patches.patch import original


def test_this_installation(capsys):
    assert command.main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} <= {"ok", "warning"}
    text = "\n".join(lines)
    for part in (f"torch: {version('torch')}", "basicsr: 1.4.2", "registered: arch ", "which basicsr: ", "GPU: "):
        assert part in text
    assert [line for line in lines if " patch functional_tensor: in force" in line]
    assert sum(" patch " in line for line in lines) == sum(len(patches.of_room(room)) for room in patches.ROOMS)


def test_a_broken_basicsr_is_one_line_and_exit_code_2(python, tmp_path, root):
    (tmp_path / "basicsr").mkdir()
    (tmp_path / "basicsr/__init__.py").write_text("from nothing import here")
    run = ("-m", "ssiu_arch.cli.main", "doctor")
    done = python(*run, cwd=tmp_path, env={"PYTHONPATH": f"{tmp_path}:{root}"})
    assert done.returncode == 2
    assert "broken  import basicsr: ModuleNotFoundError: No module named 'nothing'" in done.stdout
    assert "warning which basicsr: there are several packages basicsr" in done.stdout
    assert done.stderr == "basicsr doctor: 1 thing is broken here\n"


@pytest.mark.parametrize(
    ("found", "warned"), [("1.3.4.9", True), ("1.4.2", False), ("1.4.2+abc", False), (None, False)]
)
def test_another_version_of_basicsr_is_warned_of(monkeypatch, found, warned):
    monkeypatch.setattr(which_basicsr, "number", lambda folder: found)
    said = [line[2] for line in doctor.lines() if line[:2] == ("warning", f"basicsr {found}")]
    assert bool(said) == warned
    assert all("1.4.2" in line and "forks" in line for line in said)


def test_a_broken_torchvision_is_what_is_to_be_reinstalled(tmp_path, monkeypatch):
    """As its operators raise it, from torch's own code."""
    code = compile("raise RuntimeError('operator torchvision::nms does not exist')", "torch.py", "exec")
    inner = {"__name__": "torch._ops"}
    outer = {"__name__": "torchvision.ops", "inner": lambda: exec(code, inner)}
    with pytest.raises(RuntimeError) as raised:
        exec("inner()", outer)
    assert "reinstall torch torchvision" in doctor.reinstall(raised.value)


def test_a_plugin_that_fails_is_broken(monkeypatch):
    from ssiu_arch import plugins

    monkeypatch.setitem(plugins._failed, "mine", "mine 1.0 failed to load: ImportError: no")
    assert ("broken", "plugin", "mine 1.0 failed to load: ImportError: no") in list(doctor.lines())


def test_a_patch_that_is_not_in_force_is_broken(monkeypatch):
    from basicsr.models.base_model import BaseModel

    monkeypatch.setattr(BaseModel, "get_bare_model", original(BaseModel.get_bare_model))
    broken = [line for line in doctor.patch_states() if line[0] == "broken"]
    assert [name for _, name, _ in broken] == ["patch compiled_networks"]


def test_a_patch_without_its_function_is_not_applicable(monkeypatch):
    from basicsr.data.prefetch_dataloader import CUDAPrefetcher

    monkeypatch.delattr(CUDAPrefetcher, "preload")
    (line,) = [line for line in doctor.patch_states() if line[1] == "patch prefetch_streams"]
    assert line == ("ok", "patch prefetch_streams", "not applicable to this basicsr")


def test_without_basicsr_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(which_basicsr, "imported", lambda: None)
    monkeypatch.setattr(doctor, "version_of", {"torch": "2.9"}.get)
    (line,) = [line for line in doctor.lines() if line[1] == "basicsr"]
    assert line[0] == "broken"
    assert "basicsr install" in line[2]
    assert "basicsr install" in which_basicsr.version()


def test_a_tensorboard_without_pkg_resources_is_warned_of(monkeypatch):
    monkeypatch.setattr(which_basicsr, "imported", lambda: None)
    for versions, found, warned in (
        ({"tensorboard": "2.20"}, None, True),
        ({}, None, False),
        ({"tb-nightly": "3"}, 1, False),
    ):
        monkeypatch.setattr(doctor, "version_of", versions.get)
        monkeypatch.setattr(doctor, "find_spec", lambda name, found=found: found)
        assert any(name == "tensorboard" for _, name, _ in doctor.lines()) == warned


def test_no_doubt_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert which_basicsr.warning() is None
    assert which_basicsr.imported() == which_basicsr.installed()


def test_asking_does_not_use_up_the_plugins_own_finder(python):
    code = (
        "import ssiu_arch; from ssiu_arch.cli import which_basicsr; which_basicsr.warning();"
        "from basicsr.utils.registry import ARCH_REGISTRY; print('SSIU' in ARCH_REGISTRY)"
    )
    assert python("-c", code).stdout.strip() == "True"
