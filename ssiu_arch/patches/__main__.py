"""``python -m ssiu_arch.patches`` prints ``docs/patches.md``."""

from ssiu_arch.patches import of_room

HEAD = """# Patches of BasicSR 1.4.2

BasicSR 1.4.2 does not import with current packages, and has defects that cost a long training. `ssiu_arch` replaces
single functions of it at run time; BasicSR's files stay as they are.

- The patches are in `ssiu_arch/patches/`, one file each, and their tests in `tests/patches/`. Two that replace removed
  modules share `removed_modules.py`.
- A patch reads the function that it would replace. It does nothing where BasicSR, a fork or an older release has no
  such function, or has no such defect.
- `basicsr doctor` prints the state of every patch on your machine.
"""
COMPAT = """
## Compatibility: applied by `import ssiu_arch`

Import `ssiu_arch` before `basicsr`: with current packages the other order fails inside `import basicsr` (No module
named 'torchvision.transforms.functional_tensor'), before anything here runs. The `basicsr` command does so by itself.
"""
TRAINING = """
## Training: applied by the `basicsr` command

In a `train.py` of your own, call `ssiu_arch.apply_training_patches()` once, before or after `import basicsr`.
"""
COLUMNS = """
| patch | without it | where in BasicSR 1.4.2 |
| --- | --- | --- |
"""


def page() -> str:
    """The page: a table for each group of patches, in the order in which they are applied."""
    text = HEAD
    for room, intro in (("compat", COMPAT), ("training", TRAINING)):
        rows = [f"| `{patch.name}` | {patch.defect} | {patch.upstream} |" for patch in of_room(room)]
        text += intro + COLUMNS + "\n".join(rows) + "\n"
    return text


if __name__ == "__main__":
    print(page(), end="")
