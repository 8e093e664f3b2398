"""Continuous integration runs the README's commands."""

import re


def test_continuous_integration_installs_and_tests_as_the_readme_says(root):
    readme, script = ((root / name).read_text(encoding="utf-8") for name in ("README.md", ".ci/run"))
    everything, tests = re.findall(r"```bash\n(.*?)\n```", readme, re.DOTALL)[:2]
    steps = everything.split(" && ")
    extras = [re.search(r"pip install .*'\.\[([\w,]+)\]'", text)[1].split(",") for text in (everything, script)]
    assert set(extras[0]) <= set(extras[1])
    assert "basicsr install" in steps
    assert "\nbasicsr install\n" in script
    assert tests == "pytest"
    assert script.rstrip().endswith("\npytest")


def test_the_readme_is_short(root):
    assert len((root / "README.md").read_text(encoding="utf-8").splitlines()) <= 130
