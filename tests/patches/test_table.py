from ssiu_arch import patches as repairs
from ssiu_arch.patches.__main__ import table


def test_the_page_in_docs_is_what_the_repairs_say(root):
    assert (root / "docs/repairs.md").read_text() == table(), "run: python -m ssiu_arch.patches > docs/repairs.md"


def test_every_repair_has_a_line_and_a_test(root):
    tests = "".join(path.read_text() for path in (root / "tests/repairs").glob("test_*.py"))
    for name, repair in repairs.named():
        assert f"| `{name}` | {repair.defect} |" in table()
        assert (root / f"tests/repairs/test_{name}.py").exists() or name in tests
