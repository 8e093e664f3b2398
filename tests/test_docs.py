"""What the pages say is so: quotations, links, pictures, commands, and whose the numbers are.

Files and verbs are collected as they are found; ``test_readme.py`` has the paths that the pages name.
"""

import argparse
import csv
import json
import re
import shlex
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from textwrap import dedent

import pytest
from PIL import Image

from ssiu_arch.cli import main as command
from ssiu_arch.data.bicubic import BICUBIC
from ssiu_arch.evaluation import paper
from ssiu_arch.evaluation.published import COSTS
from ssiu_arch.tools.profile.candidates import parse
from ssiu_arch.tools.profile.macs import multiply_adds
from ssiu_arch.weights.shipped import shipped

ROOT = Path(__file__).parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "benchmarks").glob("*.md")))
}
COMMANDS = {each.name: each for each in (command.BASICSR, command.SSIU)}
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LARGEST_PICTURE = 300_000  # bytes

each_page = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)


def blocks(page, *languages):
    """The fenced blocks in one of these languages: info string and text of each."""
    found = BLOCK.findall(page.read_text())
    return [(info, text) for info, text in found if (info.split() or [""])[0] in languages]


def prose(page):
    return BLOCK.sub("", page.read_text())


# Quotations


def occurs(quotation, source):
    wanted, lines = dedent(quotation).splitlines(), source.splitlines()
    starts = range(len(lines) - len(wanted) + 1)
    return any(dedent("\n".join(lines[n : n + len(wanted)])).splitlines() == wanted for n in starts)


@each_page
def test_quoted_code_stands_in_the_named_file(page, root):
    for info, text in blocks(page, "python"):
        file = re.search(r"quote=(\S+)", info)
        if file:
            assert occurs(text, (root / file[1]).read_text()), f"{page.name}: not in {file[1]}:\n{text}"


def test_the_page_of_equations_quotes_all_its_code_and_every_line_of_a_stage(root):
    quoted = blocks(PAGES["docs/equations.md"], "python")
    assert all("quote=" in info for info, _ in quoted)
    stage = (root / "ssiu_arch/archs/ssiu_arch.py").read_text().partition("class SSReM")[2]
    forward = re.search(r"def forward.*?\n(.*?)\n\n\nclass ", stage, re.DOTALL)[1]
    lines = {line.strip() for _, text in quoted for line in text.splitlines()}
    assert {line.strip() for line in forward.splitlines()} - {""} <= lines


def test_a_quotation_is_verbatim_but_for_its_indentation():
    source = "class A:\n    def f(x):\n        y = x\n        return y\n"
    assert occurs("y = x\nreturn y\n", source)
    assert occurs("def f(x):\n    y = x\n", source)
    assert not occurs("y = x\n    return y\n", source)
    assert not occurs("y =  x\n", source)
    assert not occurs("y = x\nreturn\n", source)


# Links and pictures


def sections(page):
    """What links to the headings of a page end with."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_links_to_sections(page):
    for path, section in re.findall(r"\]\((?!http)([^)#]*)#([^)]+)\)", prose(page)):
        target = (page.parent / path).resolve() if path else page
        assert section in sections(target), f"{page.name}: {path}#{section}"


@each_page
def test_pictures_are_said_in_words_and_can_be_shown(page):
    for words, path in re.findall(r"!\[([^\]]*)\]\((?!http)([^)]+)\)", prose(page)):
        assert words.strip(), f"{page.name}: {path} has no words for those who cannot see it"
        with Image.open(page.parent / path) as picture:
            picture.verify()
        assert (page.parent / path).stat().st_size <= LARGEST_PICTURE, f"{page.name}: {path}"


def test_every_picture_is_shown(root):
    shown = {
        (page.parent / path).resolve()
        for page in PAGES.values()
        for path in re.findall(r"!\[[^\]]*\]\((?!http)([^)]+)\)", prose(page))
    }
    assert {path for path in (root / "docs/pictures").iterdir() if path.resolve() not in shown} == set()


# Commands


def commands(text):
    """The commands of ours in lines of a shell: name, verb and the words that follow."""
    for line in text.replace("\\\n", " ").splitlines():
        words = [*shlex.split(line, comments=True), "&&"]
        while words:
            end = next(n for n, word in enumerate(words) if word in ("&&", "||", "|", ";"))
            one, words = words[:end], words[end + 1 :]
            at = next((n for n, word in enumerate(one[:-1]) if word in COMMANDS and one[n - 1] != "install"), None)
            if at is not None:
                yield one[at], one[at + 1], one[at + 2 :]


class Parsed(Exception):
    """A verb has understood its arguments."""


@pytest.fixture
def understand(monkeypatch):
    """Let a verb parse arguments, by its own parser, and nothing else."""

    def parsing_alone(parse):
        def parse_and_leave(self, *given):
            parse(self, *given)
            raise Parsed

        return parse_and_leave

    for name in ("parse_args", "parse_intermixed_args"):
        parse = getattr(argparse.ArgumentParser, name)
        monkeypatch.setattr(argparse.ArgumentParser, name, parsing_alone(parse))

    def understand(name, verb, words):
        assert verb in COMMANDS[name].verbs, f"{name} has no verb {verb}"
        with pytest.raises(Parsed):
            import_module(f"ssiu_arch.cli.{verb}").run(words)

    return understand


@each_page
def test_commands_are_understood(page, understand):
    for _, text in blocks(page, "bash", "sh"):
        for name, verb, words in commands(text):
            understand(name, verb, words)


def options(name, verb, capsys):
    """All options in the help of a verb."""
    with pytest.raises(SystemExit):
        command.dispatch(COMMANDS[name], [verb, "--help"])
    return set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", capsys.readouterr().out))


@each_page
def test_verbs_and_options_in_the_text_exist(page, capsys):
    named = re.findall(rf"`({'|'.join(COMMANDS)}) ([a-z]\w*)([^`]*)`", prose(page))
    for name, verb, rest in named:
        assert verb in COMMANDS[name].verbs, f"{page.name}: {name} {verb}"
        known = options(name, verb, capsys) if "-" in rest else set()
        for option in re.findall(r"(?<!\S)--?[a-zA-Z][\w-]*", rest):
            assert option in known, f"{page.name}: {name} {verb} {option}"


def test_a_line_of_a_shell_is_taken_apart():
    text = "pip install basicsr && A=1 basicsr check -opt a.yml \\\n --strict # basicsr train\ncd a | ssiu lam 'a b'"
    assert list(commands(text)) == [("basicsr", "check", ["-opt", "a.yml", "--strict"]), ("ssiu", "lam", ["a b"])]


@pytest.mark.parametrize("words", [["check", "--opt", "a.yml"], ["check", "--strict"], ["profile", "--size", "wide"]])
def test_a_command_that_is_wrong_is_not_understood(understand, words):
    from ssiu_arch.utils.errors import UserError

    with pytest.raises((UserError, SystemExit)):
        understand("ssiu" if words[0] == "profile" else "basicsr", words[0], words[1:])


# Numbers


def tables(text):
    """The tables of a page by the words in their first corner: rows of cells, the first one the head."""
    found, lines = {}, text.splitlines()
    for n, line in enumerate(lines[1:], 1):
        if re.fullmatch(r"\|( --- \|)+", line):
            rows = [lines[n - 1], *takewhile(lambda row: row.startswith("|"), lines[n + 1 :])]
            cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
            assert {len(row) for row in cells} == {len(cells[0])}, cells[0]
            assert found.setdefault(cells[0][0], cells) is cells, f"two tables {cells[0][0]!r}"
    return found


@pytest.fixture(scope="module")
def results():
    return tables(PAGES["docs/results.md"].read_text())


def psnr(row):
    return [f"{row.psnr[name]:.2f}" for name in paper.SETS]


def test_table_1_is_the_papers(results):
    head, *rows = results["Table I, SSIU"]
    assert head[3:] == list(paper.SETS)
    assert rows == [
        [f"x{scale}", *map(str, COSTS[scale][paper.SSIU]), *psnr(paper.rows(scale)[-1])] for scale in (2, 3, 4)
    ]


def test_scores_of_the_other_tables_agree_with_table_1(results):
    at_x4 = {row.method: row for row in paper.rows(4)}
    for method, on_b100, *_ in results["Table II"][1:]:
        assert on_b100 == f"{at_x4[method].psnr['B100']:.2f}"
    assert [row[5:] for row in results["Table III"][1:] if row[0] == "ESAM, MoE-FS"] == [psnr(at_x4[paper.SSIU])]
    assert [row[3:8] for row in results["Table IV"][1:] if row[0] == "L1+FFT"] == [psnr(at_x4[paper.SSIU])]


def printed(golden, number, *columns):
    with open(golden.parent / f"paper/table{number}.csv", encoding="utf-8") as lines:
        return [[row[column] for column in columns] for row in csv.DictReader(lines)]


def test_tables_2_to_4_are_the_papers(results, golden):
    scores = [f"{name}_psnr" for name in paper.SETS]
    second = printed(golden, 2, "method", "psnr_db", "gpu_mem_mb", "avg_time_ms")
    assert [row[:4] for row in results["Table II"][1:]] == second
    third = printed(golden, 3, "params_k", "macs_g", *scores)
    assert [[row[1], row[3], *row[5:]] for row in results["Table III"][1:]] == third
    assert [row[0] for row in results["Table III"][1:]] == [
        f"{attention}, {'' if selector == 'yes' else 'no '}MoE-FS"
        for attention, selector in printed(golden, 3, "attention", "moe_fs")
    ]
    assert [row[:8] for row in results["Table IV"][1:]] == printed(golden, 4, "loss", "macs_g", "params_k", *scores)


def cost(spelled, scale):
    """Parameters and 10^9 multiply-adds of a candidate, for a result of 1280x720, as the page has them."""
    candidate = parse(spelled, scale)
    net = candidate.build()
    macs = multiply_adds(net, (1, candidate.channels, 720 // scale, 1280 // scale))
    return f"{sum(parameter.numel() for parameter in net.parameters()):,}", f"{macs / 1e9:.1f}"


def test_costs_of_the_network_are_counted(results):
    _, parameters, kilo, macs, giga = results["size"]
    counted = [cost("eager", scale) for scale in (2, 3, 4)]
    assert [parameters[1:4], macs[1:4]] == [list(column) for column in zip(*counted, strict=True)]
    assert [kilo[1:4], giga[1:4]] == [
        [str(COSTS[scale][paper.SSIU][n]) for scale in (2, 3, 4)] for n in range(2)
    ]  # fmt: skip


def test_costs_of_variants_and_rivals_are_counted(results):
    variants = ["eager:feature_selector=False", "eager", "eager:sparse_attention=False"]
    assert [(row[2], row[4]) for row in results["Table III"][1:]] == [cost(spelled, 4) for spelled in variants]
    for (method, kilo, parameters, giga, macs), preset in zip(
        results["rivals"][1:], ("edsr-m", "ecbsr-m"), strict=True
    ):
        assert (kilo, giga) == tuple(map(str, COSTS[4][method]))
        assert (parameters.split(", ")[0], macs) == cost(preset, 4)


def test_scores_of_the_shipped_weights_are_those_of_their_records(results):
    """And the paper's beside them are the paper's."""
    head, bicubic, ours, papers = tables(PAGES["README.md"].read_text())["PSNR (dB)"]
    columns = [(name, scale) for name in ("Set5", "Set14") for scale in (2, 3, 4)]
    records = {scale: json.loads(shipped(scale).with_suffix(".json").read_text()) for scale in (2, 3, 4)}
    assert head[1:] == [f"{name} x{scale}" for name, scale in columns]
    assert bicubic[1:] == [f"{BICUBIC[column][0]:.2f}" for column in columns]
    assert ours[1:] == [f"{records[scale]['scores'][name]:.2f}" for name, scale in columns]
    assert papers[1:] == [f"{paper.rows(scale)[-1].psnr[name]:.2f}" for name, scale in columns]
    both = [[f"{records[scale]['scores'][name]:.2f} / {records[scale]['ssim'][name]:.4f}" for scale in (2, 3, 4)]
            for name in ("Set5", "Set14")]  # fmt: skip
    assert [row[1:4] for row in results["score"] if row[0].startswith("the package's weights")] == both


NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e-\d+)?")


def test_our_numbers_stand_on_the_pages_they_come_from(results, root):
    checked = 0
    for row in (row for rows in results.values() for row in rows[1:] if row[-1].startswith("ours")):
        linked = re.findall(r"\]\(([^)#]+\.md)", row[-1])
        text = "\n".join((root / "docs" / path).read_text() for path in linked)
        for number in NUMBER.findall(" ".join(row[1:-1])) if linked else ():
            assert re.search(rf"(?<![\d.,]){re.escape(number)}(?![\d]|[.,]\d)", text), f"{row[0]}: {number} in {linked}"
            checked += 1
    assert checked > 40
