"""The README names what is there, and continuous integration runs its commands."""

import re


def test_continuous_integration_installs_and_tests_as_the_readme_says(root):
    readme, script = (root / "README.md").read_text(), (root / ".ci/run").read_text()
    main_job, tests = re.findall(r"```bash\n(.*?)\n```", readme, re.DOTALL)[:2]
    install = re.search(r"pip install '\.\[test\]'", main_job)
    assert install
    assert install[0].replace("pip install", "pip install --quiet") in script
    assert tests == "pytest"
    assert script.rstrip().endswith("\npytest")


def test_paths_exist(root):
    for document in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        text = document.read_text()
        for path in re.findall(r"\]\((?!http)([^)#]+)\)", text):
            assert (document.parent / path).exists(), f"{document.name}: {path}"
        for path in re.findall(r"(?:options|datasets_prep|ssiu_arch)/[\w/]+\.(?:yml|py)", text):
            assert (root / path).exists(), f"{document.name}: {path}"
