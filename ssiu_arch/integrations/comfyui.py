"""``python -m ssiu_arch.integrations.comfyui DEST`` assembles a custom node of ComfyUI; ``--spandrel`` a change to it.

The folder is made from the package's own files: a second copy of the network in the repository could drift. It needs
torch, einops and spandrel, which ComfyUI has, and neither ``ssiu_arch`` nor BasicSR.
"""

import argparse
import os
from pathlib import Path

from ssiu_arch.utils.ending import ended
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import write_file
from ssiu_arch.utils.version import __version__

PACKAGE = Path(__file__).parents[1]
ARCH, OPTIONS, INTEGRATION = "archs/ssiu_arch.py", "weights/options.py", "integrations/spandrel.py"
REGISTRY = "utils/registry.py"  # what the network registers itself in, instead of BasicSR's

NODE = f'''# From ssiu_arch {__version__}. SPDX-License-Identifier: Apache-2.0
"""SSIU for ComfyUI's "Load Upscale Model".

Put this folder into ComfyUI/custom_nodes and the weights into ComfyUI/models/upscale_models.
"""

from .integrations.spandrel import install

install()
NODE_CLASS_MAPPINGS = {{}}  # ComfyUI's own nodes load and run SSIU
'''

HOME = "libs/spandrel/spandrel/architectures/SSIU"
IN_SPANDREL = (  # words of ``INTEGRATION``, and what they are in spandrel
    ("import MAIN_REGISTRY, Architecture, ArchSupport, ", "import Architecture, "),
    ("\nfrom spandrel import", "\nfrom ...__helpers.model_descriptor import"),
    ("from ..archs.ssiu_arch import", "from .__arch.ssiu_arch import"),
    ("from ..weights.options import", "from .__arch.options import"),
)
TEST = """import pytest
import torch

from spandrel import MAIN_REGISTRY
from spandrel.architectures.SSIU import SSIU

from .util import assert_size_requirements


@pytest.mark.parametrize("upscale", [2, 3, 4])
@pytest.mark.parametrize("variant", [{}, {"num_head": 2}, {"sparse_attention": False}, {"feature_selector": False}])
def test_SSIU_load(upscale, variant):
    net, image = SSIU(upscale, num_feat=16, num_block=3, **variant).eval(), torch.rand(1, 3, 20, 33)
    model = MAIN_REGISTRY.load(net.state_dict())
    assert isinstance(model.model, SSIU)
    assert model.scale == upscale
    with torch.no_grad():
        assert torch.equal(model(image), net(image).clamp(0, 1))
    assert_size_requirements(model)
"""
README = """# What else spandrel needs

In its README.md, below "Single Image Super Resolution":

    - [SSIU](https://github.com/eezkni/SSIU) (lightweight) | [Models](https://github.com/eezkni/SSIU/tree/main/pretrain_model)

In libs/spandrel/spandrel/__helpers/main_registry.py, `SSIU` among the imported architectures, and at the end:

    ArchSupport.from_architecture(SSIU.SSIUArch()),
"""


def for_comfyui() -> dict[str, str]:
    """The files of the custom node: path and text. The package's own are unchanged."""
    return {"__init__.py": NODE} | {name: _text(name) for name in (ARCH, INTEGRATION, OPTIONS, REGISTRY)}


def for_spandrel() -> dict[str, str]:
    """The files to add to spandrel, in its folders: path and text. The network does not register itself there."""
    arch, integration = _text(ARCH), _text(INTEGRATION)
    start, end = arch.index("try:  # a copy in"), arch.index("class LayerNorm")
    arch = arch[:start] + "\n" + arch[end : arch.rindex('if "SSIU" not in ARCH_REGISTRY')].rstrip() + "\n"
    integration = integration[: integration.index("def install()")].rstrip() + '\n\n\n__all__ = ["SSIU", "SSIUArch"]\n'
    for ours, theirs in IN_SPANDREL:
        integration = integration.replace(ours, theirs)
    files = {"__init__.py": integration, "__arch/__init__.py": "", "__arch/ssiu_arch.py": arch}
    files["__arch/options.py"] = _text(OPTIONS)
    return {f"{HOME}/{name}": text for name, text in files.items()} | {"tests/test_SSIU.py": TEST, "SSIU.md": README}


def write(files: dict[str, str], folder: Path) -> None:
    """Write the files below ``folder``.

    Raises:
        UserError: the folder exists, or cannot be written.
    """
    if os.path.lexists(folder):
        raise UserError(f"{folder}: exists; remove it, or choose another name")
    for name, text in files.items():
        write_file(folder / name, text.encode())


def main() -> None:
    """Parse the arguments and write the folder."""
    what = "Assemble SSIU as a custom node of ComfyUI."
    parser = argparse.ArgumentParser(prog="python -m ssiu_arch.integrations.comfyui", description=what)
    parser.add_argument("folder", type=Path, metavar="DEST", help="folder to write, such as ComfyUI/custom_nodes/ssiu")
    parser.add_argument("--spandrel", action="store_true", help="write what spandrel's repository needs instead")
    args = parser.parse_args()

    def work() -> None:
        write(for_spandrel() if args.spandrel else for_comfyui(), args.folder)
        print(f"written to {args.folder}")

    if code := ended(parser.prog, work):
        raise SystemExit(code)


def _text(name: str) -> str:
    return (PACKAGE / name).read_text(encoding="utf-8")


if __name__ == "__main__":
    main()
