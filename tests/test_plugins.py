"""Other packages bring networks and losses by the entry-point group ``basicsr.plugins``."""

import re


def test_a_package_with_an_entry_point_is_registered_before_the_run(workplace, basicsr, small, tmp_path):
    site = tmp_path / "site"
    metadata = site / "tiny_sr-1.2.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-sr\nVersion: 1.2\n")
    (metadata / "entry_points.txt").write_text("[basicsr.plugins]\ntiny = tiny_sr\nbroken = no_such_module\n")
    (site / "tiny_sr.py").write_text(
        "import torch\nfrom basicsr.utils.registry import ARCH_REGISTRY\n"
        "@ARCH_REGISTRY.register()\n"
        "class TinySR(torch.nn.Upsample):\n"
        "    def __init__(self):\n"
        "        super().__init__(scale_factor=4)\n"
        "        self.gain = torch.nn.Parameter(torch.ones(1))\n"
        "    def forward(self, x):\n"
        "        return super().forward(x) * self.gain\n"
    )
    root = __import__("pathlib").Path(__file__).parents[2]
    changes = [*small[2:], "network_g={type: TinySR}", "train:total_iter=1"]
    done = basicsr(
        "train",
        "-opt",
        "options/demo/train_SSIU_x4.yml",
        "--force_yml",
        *changes,
        cwd=workplace,
        env={"PYTHONPATH": f"{root}:{site}"},
    )
    assert done.returncode == 0, done.stderr
    assert "Network [TinySR] is created." in done.stderr
    assert re.search(
        r"^basicsr: plugin tiny-sr 1.2 failed to load: ModuleNotFoundError: .*no_such_module", done.stderr, re.M
    )
