"""Tables as text and as Markdown."""

from ssiu_arch.utils.table import Table

TABLE = Table("psnr: in dB", ["Set5", "coffee"], [("this run", ["28.4305", "-"]), ("SSIU *", ["32.64", "-"])], "* a_b")


def test_text_is_aligned():
    assert TABLE.text().splitlines() == [
        "psnr: in dB",
        "             Set5  coffee",
        "this run  28.4305       -",
        "SSIU *      32.64       -",
        "* a_b",
    ]


def test_markdown():
    assert TABLE.markdown().splitlines() == [
        "psnr: in dB",
        "",
        "|  | Set5 | coffee |",
        "| --- | ---: | ---: |",
        "| this run | 28.4305 | - |",
        "| SSIU \\* | 32.64 | - |",
        "",
        "\\* a\\_b",
        "",
    ]
