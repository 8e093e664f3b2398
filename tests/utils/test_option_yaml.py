"""Option files are plain data: no code, no expansion without bound, every option once, UTF-8 in every locale."""

import pytest
import yaml

from ssiu_arch.utils import option_yaml
from ssiu_arch.utils.errors import UserError

MULTIPLYING = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)
CHAINED = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 2000))


def refusal(tmp_path, content):
    file = tmp_path / "a.yml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as error:
        option_yaml.load(str(file))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300
    return str(error.value).removeprefix(str(file))


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:pathlib.Path.touch [{made}]",
        "!!python/object/new:pathlib.PosixPath [{made}]",
        "!!python/name:os.system",
        "!!python/module:os",
        "!<tag:yaml.org,2002:python/object/apply:os.system> [{made}]",
        "!other x",
        "!!binary aGVsbG8=",
        "!!set {{a, b}}",
        "!!omap [a: 1]",
        "!!timestamp 2024-01-01",
    ],
)
def test_tags_are_refused(tmp_path, value):
    made = tmp_path / "made"
    said = refusal(tmp_path, f"name: x\nmodel_type: {value.format(made=made)}\n")
    assert said.startswith(", line 2, column 13: the tag !")
    assert not made.exists()


def test_a_tag_by_another_handle(tmp_path):
    assert "!!python/name:os" in refusal(tmp_path, "%TAG !p! tag:yaml.org,2002:python/\n---\na: !p!name:os x\n")


@pytest.mark.parametrize(
    ("content", "line", "part"),
    [
        (MULTIPLYING, 5, "values"),
        (CHAINED, 40, "levels"),
        ("a: " + "[" * 50_000, 1, "levels"),
        ("x: 1\na: " + "{a: " * 10_000, 2, "levels"),
        ("".join(" " * n + "a:\n" for n in range(300)), 40, "levels"),
        ("a: &a [*a]\n", 1, "alias"),
        ("b: 1\na: &a {b: {c: *a}}\n", 2, "alias"),
        ("#" * 10**6, 1, "bytes"),
        ("a: 1\nb: " + "9" * 400 + "\n", 2, "2^63"),
        ("b: " + "9" * 5000, 1, "2^63"),
        ("b: 0x" + "f" * 4000, 1, "2^63"),
        ("a:\n  b: [1, .inf]\n", 2, "finite"),
        ("b: -.INF", 1, "finite"),
        ("b: .nan", 1, "finite"),
        ("a: 1\nb: 010", 2, "'010' means 8 in YAML"),
        ("b: [1, -0777]", 1, "'-0777' means -511 in YAML"),
        ("b: 1:30", 1, "'1:30' means 90 in YAML"),
        ("b: 1:30.5", 1, "'1:30.5' means 90.5 in YAML"),
        ("b: 1e999", 1, "finite"),
        ("a: !!bool maybe\n", 1, "true or false"),
        ("a: !!int ''\n", 1, "whole number"),
        ("a: 1\nb: x\0y\n", 2, "UTF-8"),
        (b"a: 1\n\nb: \xff\xfe\n", 3, "UTF-8"),
        ("a: 1\n".encode("utf-16"), 1, "UTF-8"),
        ('a: "\\0"\n', 1, "printable"),
        ('a: "\\ud800"\n', 1, "printable"),
        ("a:\n\tb: 1\n", 2, "'\\t'"),
        ("a: 1\n---\nb: 1\n", 2, "another document"),
        ("a: 1\n? [b]\n: 1\n", 2, "must be text"),
        ("a:\n  c: 1\n  c: 2\n", 3, "'c' is given twice, first in line 2"),
        ("a: {b: 1, c: 2, 'b': 3}\n", 1, "'b' is given twice"),
        ("x: &x {a: 1, a: 2}\ny: {<<: *x}\n", 1, "'a' is given twice"),
        ("x: &x {a: 1}\ny:\n  <<: *x\n  <<: *x\n", 4, "'<<' is given twice"),
        ("a: 1\nb:\n  - c: 1\n    c: 1\n", 4, "'c' is given twice"),
    ],
)
def test_what_is_refused_and_where(tmp_path, content, line, part):
    said = refusal(tmp_path, content)
    assert said.startswith(f", line {line}, column ")
    assert part in said


def test_merge_keys():
    text = "x: &x {a: 1, b: 2}\nz: &z {b: 3, c: 4}\ny:\n  a: 5\n  <<: [*x, *z]\nw: {<<: *z, c: 9}\n"
    opt = yaml.load(text, option_yaml.OptionLoader)
    assert opt["y"] == {"a": 5, "b": 2, "c": 4}
    assert opt["w"] == {"b": 3, "c": 9}


def test_zeros_and_colons_that_leave_no_doubt():
    text = "a: 0\nb: 0.10\nc: 0x10\nd: '010'\ne: 08\nf: 1:30 h\ng: '1:30'\nh: 100\ni: 0e1\n"
    expected = [0, 0.1, 16, "010", "08", "1:30 h", "1:30", 100, 0]
    assert list(yaml.load(text, option_yaml.OptionLoader).values()) == expected


def test_an_alias_is_a_copy():
    """BasicSR writes ``phase`` into each data set: a shared one would be of the last set's phase."""
    opt = yaml.load("train: &t {io: {type: disk}}\nval: *t\ntest: {<<: *t}\n", option_yaml.OptionLoader)
    opt["train"]["io"]["type"] = "lmdb"
    assert opt["val"] == opt["test"] == {"io": {"type": "disk"}}


def test_utf_8_whichever_encoding_the_file_was_opened_with(tmp_path):
    (tmp_path / "a.yml").write_text("\ufeffname: 写真 ü\nday: 2024-01-01\n", encoding="utf-8")
    expected = {"name": "写真 ü", "day": "2024-01-01"}
    assert option_yaml.load(str(tmp_path / "a.yml")) == expected
    with open(tmp_path / "a.yml", encoding="ascii") as file:
        assert yaml.load(file, option_yaml.OptionLoader) == expected
