"""Facts of the documentation: links resolve, commands parse, Python runs, equations and numbers match the code."""

import argparse
import csv
import json
import re
import runpy
import shlex
import sys
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from PIL import Image

import ssiu_arch
from ssiu_arch.cli import main as command
from ssiu_arch.data.bicubic import BICUBIC
from ssiu_arch.evaluation import paper
from ssiu_arch.weights.shipped import shipped

ROOT = Path(__file__).parents[1]
FILES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *(path for folder in ("docs", "benchmarks") for path in sorted((ROOT / folder).glob("*.md"))),
]
PAGES = {str(path.relative_to(ROOT)): path for path in FILES}
COMMANDS = {each.name: each for each in (command.BASICSR, command.SSIU)}
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!\w+:)([^)#]*)(?:#([^)]+))?\)")
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")
SCALES = (2, 3, 4)

each_page = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)


def blocks(page, *languages):
    """Info string and text of a page's fenced blocks in these languages."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [(info, text) for info, text in found if (info.split() or [""])[0] in languages]


def prose(page):
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


# Links and pictures


def anchors(page):
    """The anchors of a page's headings, as GitHub and mkdocs make them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_links_resolve(page):
    for path, anchor in LINK.findall(prose(page)):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {path}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {path}#{anchor}"


@each_page
def test_paths_in_the_text_exist(page):
    named = r"(?<![\w/.])(?:options|datasets_prep|ssiu_arch|benchmarks|tests|docs)/[\w/]+\.(?:yml|py|md)\b"
    for path in set(re.findall(named, page.read_text(encoding="utf-8"))):
        assert (ROOT / path).exists(), f"{page.name}: {path}"


def test_pictures_are_described_small_and_used():
    shown = {(page.parent / path).resolve(): words for page in FILES for words, path in PICTURE.findall(prose(page))}
    for path, words in shown.items():
        assert words.strip(), f"{path.name} has no description"
        assert path.stat().st_size <= 300_000, path.name
        with Image.open(path) as picture:
            picture.verify()
    assert {path.resolve() for path in (ROOT / "docs/pictures").iterdir()} <= set(shown)


# Commands


def commands(text):
    """Each command in lines of a shell, as words from the program on: ours, or a script run by Python."""
    for line in text.replace("\\\n", " ").splitlines():
        words = [*shlex.split(line, comments=True), "&&"]
        while words:
            end = next(n for n, word in enumerate(words) if word in ("&&", "||", "|", ";"))
            one, words = words[:end], words[end + 1 :]
            at = next((n for n, word in enumerate(one[:-1]) if word in COMMANDS and one[n - 1] != "install"), None)
            if at is not None:
                yield one[at:]
            elif one[:1] == ["python"] and one[1].startswith(("datasets_prep/", "benchmarks/")):
                yield one[1:]
            elif one[:2] == ["python", "-m"] and one[2].startswith("benchmarks."):
                module = one[2].replace(".", "/")
                yield [module if (ROOT / module).is_dir() else f"{module}.py", *one[3:]]


class Parsed(Exception):
    """A program has accepted its arguments."""


@pytest.fixture
def parse(monkeypatch):
    """Let a program parse its arguments, and stop it there."""

    def then_stop(method):
        def parse_and_stop(self, *given, **options):
            method(self, *given, **options)
            raise Parsed

        return parse_and_stop

    for name in ("parse_args", "parse_intermixed_args"):
        monkeypatch.setattr(argparse.ArgumentParser, name, then_stop(getattr(argparse.ArgumentParser, name)))

    def parse(program, *words):
        if program not in COMMANDS:
            monkeypatch.setattr(sys, "argv", [program, *words])
            with pytest.raises(Parsed):
                runpy.run_path(str(ROOT / program), run_name="__main__")
        elif words[0].startswith("-"):
            assert command.dispatch(COMMANDS[program], list(words)) == 0
        else:
            assert words[0] in COMMANDS[program].verbs, f"{program} has no verb {words[0]}"
            with pytest.raises(Parsed):
                import_module(f"ssiu_arch.cli.{words[0]}").run(list(words[1:]))

    return parse


@each_page
def test_commands_parse(page, parse):
    for _, text in blocks(page, "bash", "sh"):
        for words in commands(text):
            parse(*words)


@each_page
def test_verbs_and_options_in_the_text_exist(page, capsys):
    for name, verb, rest in re.findall(rf"`({'|'.join(COMMANDS)}) ([a-z]\w*)([^`]*)`", prose(page)):
        assert verb in COMMANDS[name].verbs, f"{page.name}: {name} {verb}"
        given = set(re.findall(r"(?<!\S)--?[a-zA-Z][\w-]*", rest))
        if given:
            with pytest.raises(SystemExit):
                command.dispatch(COMMANDS[name], [verb, "--help"])
            known = set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", capsys.readouterr().out))
            assert given <= known, f"{page.name}: {name} {verb} {given - known}"


@pytest.mark.parametrize(
    "words",
    [("basicsr", "check", "--opt", "a.yml"), ("ssiu", "upscale", "a.png"), ("datasets_prep/photos.py", "--bad", "a")],
)
def test_a_wrong_command_does_not_parse(parse, words):
    with pytest.raises((ssiu_arch.utils.errors.UserError, SystemExit)):
        parse(*words)


# Code and option files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A current folder with the files that the pages name."""
    Image.new("RGB", (20, 16), "olive").save(tmp_path / "photo.jpg")
    (tmp_path / "SSIU_x4.pth").symlink_to(shipped(4))
    monkeypatch.chdir(tmp_path)


@each_page
def test_python_runs(page, folder):
    code = [text for info, text in blocks(page, "python") if info == "python"]
    exec(compile("\n".join(code), page.name, "exec"), {"__name__": page.stem})


@each_page
def test_yaml_is_valid(page):
    for _, text in blocks(page, "yaml"):
        assert isinstance(yaml.safe_load(text), dict), f"{page.name}: {text}"


def test_the_option_file_for_fine_tuning_builds():
    from basicsr.losses import build_loss
    from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, MODEL_REGISTRY

    opt = max((yaml.safe_load(text) for _, text in blocks(PAGES["docs/finetune.md"], "yaml")), key=len)
    assert opt["model_type"] in MODEL_REGISTRY
    assert all(data["type"] in DATASET_REGISTRY for data in opt["datasets"].values())
    assert ARCH_REGISTRY.get(opt["network_g"].pop("type"))(**opt["network_g"]).upscale == opt["scale"]
    assert all(build_loss(opt["train"][name]) for name in ("pixel_opt", "fft_opt"))
    assert opt["train"]["scheduler"]["periods"] == [opt["train"]["total_iter"]]


# Equations


def occurs(quotation, source):
    """Whether lines stand in a file one below the other, at any indentation."""
    wanted, lines = dedent(quotation).splitlines(), source.splitlines()
    starts = range(len(lines) - len(wanted) + 1)
    return any(dedent("\n".join(lines[n : n + len(wanted)])).splitlines() == wanted for n in starts)


def test_quoted_code_stands_in_the_named_file():
    quoted = [(info, text) for page in FILES for info, text in blocks(page, "python") if "quote=" in info]
    for info, text in quoted:
        file = re.search(r"quote=(\S+)", info)[1]
        assert occurs(text, (ROOT / file).read_text(encoding="utf-8")), f"not in {file}:\n{text}"
    assert len(quoted) >= 10


def test_the_page_of_equations_quotes_every_line_of_a_stage():
    stage = (ROOT / "ssiu_arch/archs/ssiu_arch.py").read_text(encoding="utf-8").partition("class SSReM")[2]
    forward = re.search(r"def forward.*?\n(.*?)\n\n\nclass ", stage, re.DOTALL)[1]
    lines = {line.strip() for _, text in blocks(PAGES["docs/equations.md"], "python") for line in text.splitlines()}
    assert {line.strip() for line in forward.splitlines()} - {""} <= lines


# Numbers


def tables(page):
    """The tables of a page by the words in their first corner: rows of cells, the first one the head."""
    found, lines = {}, page.read_text(encoding="utf-8").splitlines()
    for n, line in enumerate(lines[1:], 1):
        if re.fullmatch(r"\|( --- \|)+", line):
            rows = [lines[n - 1], *takewhile(lambda row: row.startswith("|"), lines[n + 1 :])]
            cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
            assert {len(row) for row in cells} == {len(cells[0])}, cells[0]
            found[cells[0][0]] = cells
    return found


@pytest.fixture(scope="module")
def results():
    return tables(PAGES["docs/results.md"])


@pytest.fixture(scope="module")
def records():
    return {scale: json.loads(shipped(scale).with_suffix(".json").read_text()) for scale in SCALES}


def psnr(row):
    return [f"{row.psnr[name]:.2f}" for name in paper.SETS]


def test_scores_of_the_readme(records):
    _, *rows = tables(PAGES["README.md"])["weights"]
    for scale, ours, authors in zip(SCALES, rows[:3], rows[3:], strict=True):
        assert ours[0].startswith(f"`SSIU_x{scale}.pth`")
        assert authors[0].startswith(f"x{scale}")
        assert ours[2:4] == [f"{records[scale]['scores'][name][0]:.2f}" for name in ("Set5", "Set14")]
        assert authors[2:4] == psnr(paper.rows(scale)[-1])[:2]


@pytest.mark.parametrize("scale", SCALES)
def test_scores_of_the_benchmarks(records, scale):
    head, bicubic, ours, papers = tables(PAGES["docs/scores.md"])[f"x{scale}"]
    assert head[1:] == list(paper.SETS)
    known = [BICUBIC[name, scale] for name in paper.SETS]
    assert bicubic[1:] == [f"{known_psnr:.3f} / {ssim:.4f}" for known_psnr, ssim in known]
    measured = [records[scale]["scores"][name] for name in ("Set5", "Set14")]
    assert ours[1:3] == [f"{known_psnr:.2f} / {ssim:.4f}" for known_psnr, ssim in measured]
    assert papers[1:] == psnr(paper.rows(scale)[-1])


def test_tables_of_the_paper_are_as_printed(results, golden):
    def printed(number, *columns):
        with open(golden.parent / f"paper/table{number}.csv", encoding="utf-8") as lines:
            return [[row[column] for column in columns] for row in csv.DictReader(lines)]

    scores = [f"{name}_psnr" for name in paper.SETS]
    first = [row for row in printed(1, "method", "scale", "params_k", "macs_g", *scores) if row[0] == paper.SSIU]
    assert results["Table I, SSIU"][1:] == [[f"x{scale}", *row] for _, scale, *row in first]
    assert results["Table II"][1:] == printed(2, "method", "psnr_db", "gpu_mem_mb", "avg_time_ms")
    third = [[row[1], row[3], *row[5:]] for row in results["Table III"][1:]]
    assert third == printed(3, "params_k", "macs_g", *scores)
    assert results["Table IV"][1:] == printed(4, "loss", "macs_g", "params_k", *scores)


def test_parameters_are_counted(results):
    def count(**options):
        return f"{sum(each.numel() for each in ssiu_arch.SSIU(**options).parameters()):,}"

    counted = [count(upscale=scale) for scale in SCALES]
    assert results["size"][1][1:4] == counted
    assert all(number in PAGES["README.md"].read_text(encoding="utf-8") for number in counted)
    variants = [count(feature_selector=False), count(), count(sparse_attention=False)]
    assert [row[2] for row in results["Table III"][1:]] == variants
