"""The notebook of the docs runs from top to bottom, without Jupyter: commands in its cells are run as a shell would."""

import csv
import json
import re
import shlex
from pathlib import Path

from PIL import Image

COMMAND = re.compile(r"^( *)[!%](.+)$", re.MULTILINE)  # as IPython has them


def test_the_quickstart_runs(root, tmp_path, monkeypatch, ssiu, basicsr):
    monkeypatch.chdir(tmp_path)
    ran = []

    def run(line):
        program, *words = shlex.split(line)
        if program == "ssiu":
            code, _, err = ssiu(*words)
        else:
            assert program == "basicsr", line  # pip is not called where the package is installed
            done = basicsr(*words, cwd=tmp_path)
            code, err = done.returncode, done.stderr
        assert code == 0, err
        ran.append(f"{program} {words[0]}")

    notebook = json.loads((root / "docs/notebooks/quickstart.ipynb").read_text(encoding="utf-8"))
    variables = {"run": run}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert not cell["outputs"]
            exec(COMMAND.sub(lambda found: f"{found[1]}run({found[2]!r})", "".join(cell["source"])), variables)
    assert ran == ["basicsr install", "ssiu upscale", "ssiu compare", "basicsr test"]
    assert variables["sr"].tobytes() == Image.open("quickstart/SSIU/coffee.png").tobytes()
    assert Image.open("quickstart/compare.png").width > 192
    *_, mean = csv.DictReader(Path("results/quickstart/scores.csv").read_text().splitlines())
    assert float(mean["psnr"]) > float(mean["bicubic_psnr"]) + 3
