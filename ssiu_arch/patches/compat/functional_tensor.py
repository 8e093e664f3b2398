"""``import basicsr`` fails: torchvision 0.17 removed the module that one of BasicSR's degradations imports from."""

from types import ModuleType

from ssiu_arch.patches.patch import RemovedModule, Repair


def _fill(module: ModuleType) -> None:
    from torchvision.transforms.functional import rgb_to_grayscale

    module.rgb_to_grayscale = rgb_to_grayscale  # type: ignore[attr-defined]


FUNCTIONAL_TENSOR = RemovedModule("torchvision.transforms.functional_tensor", _fill)


def _apply() -> None:
    FUNCTIONAL_TENSOR.stand_in()


REPAIR = Repair(
    defect="`import basicsr` ends in No module named 'torchvision.transforms.functional_tensor'",
    upstream="basicsr/data/degradations.py:8",
    until="a release of BasicSR after 1.4.2 (mended in its git repository)",
    is_needed=FUNCTIONAL_TENSOR.is_needed,
    apply=_apply,
)
