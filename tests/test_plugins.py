"""Other packages bring networks and losses by the entry-point group ``basicsr.plugins``."""

import pytest

from ssiu_arch import plugins
from ssiu_arch.cli import main as command

TINY = """
import torch
from basicsr.utils.registry import ARCH_REGISTRY
@ARCH_REGISTRY.register()
class TinySR(torch.nn.Upsample):
    def __init__(self):
        super().__init__(scale_factor=4)
        self.gain = torch.nn.Parameter(torch.ones(1))
    def forward(self, x):
        return super().forward(x) * self.gain
"""


@pytest.fixture
def tiny_sr(tmp_path, monkeypatch):
    """An installed package with one plugin that works and one that does not."""
    from basicsr.utils.registry import ARCH_REGISTRY

    site = tmp_path / "site"
    metadata = site / "tiny_sr-1.2.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-sr\nVersion: 1.2\n")
    (metadata / "entry_points.txt").write_text("[basicsr.plugins]\ntiny = tiny_sr\nbroken = no_such_module\n")
    (site / "tiny_sr.py").write_text(TINY)
    monkeypatch.syspath_prepend(site)
    monkeypatch.setattr(plugins, "_loaded", {})
    monkeypatch.setattr(plugins, "_failed", {})
    yield
    ARCH_REGISTRY._obj_map.pop("TinySR", None)


@pytest.mark.usefixtures("tiny_sr")
def test_a_package_with_an_entry_point_is_registered_before_the_run(workplace, small, monkeypatch, capsys):
    monkeypatch.chdir(workplace)
    changes = [*small[2:], "network_g={type: TinySR}", "train:total_iter=1"]
    code = command.main(["check", "-opt", "options/demo/train_SSIU_x4.yml", "--force_yml", *changes])
    said = capsys.readouterr()
    assert code == 0, said
    assert "tiny-sr 1.2" in plugins.loaded_plugins()
    (failure,) = plugins.failures()
    assert failure.startswith("tiny-sr 1.2 ")
    assert "no_such_module" in failure
    assert f"basicsr: plugin {failure}" in said.err
