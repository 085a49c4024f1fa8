"""Help is quick, imports nothing heavy, and shows a command that works."""

import re
import subprocess
import sys

import pytest

from atop.__main__ import main, parser
from atop.core.files import ROOT

VERBS = [
    "fetch",
    "pack",
    "checkpoint",
    "prefetch",
    "checkpoints",
    "device",
    "classifier",
    "pretrain",
    "finetune",
]
VERBS += ["attack", "evaluate", "images", "table", "cost", "draw", "plot", "report", "timed-run"]
VERBS += [
    "benchmark",
    "export",
    "release",
    "released",
    "quote",
    "verify",
    "benchmarks",
    "weights",
    "embed",
]
ASK = """
import sys
from atop.__main__ import main
try:
    main(sys.argv[1:])
finally:
    print(*({"torch", "torchvision", "numpy", "pandas", "scipy", "yaml", "PIL"} & set(sys.modules)))
"""


def test_help_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK, "--help"], check=True, cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == ""


def test_a_table_needs_no_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK, "table", "--preset", "smoke", "--table", "table77"],
        check=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert "pandas" in done.stdout
    assert "torch" not in done.stdout
    assert done.stderr.startswith("atop table: error: ")


def test_every_verb_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert not left.value.code
    text = capsys.readouterr().out
    assert set(re.findall(r"^    ([\w-]+)", text, re.MULTILINE)) == set(VERBS)
    assert max(len(line) for line in text.splitlines()) <= 100


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([verb, "--help"])
    assert not left.value.code
    text = capsys.readouterr().out
    assert text.startswith(f"usage: python -m atop {verb}")
    # Every option says what it takes.
    options = re.findall(r"^  (--[\w-]+)(?: \S+)?( {2,}\S|\n {10,}\S)?", text, re.MULTILINE)
    assert all(told for _, told in options), options
    if "--cell" in text:
        assert "cifar10-resnet18-deepfill-places2-rt2-adversarial-paper-s0" in text


def test_the_commands_in_the_help_parse() -> None:
    text = parser().epilog or ""
    commands = [line.split()[3:] for line in text.splitlines() if "python -m atop" in line]
    assert len(commands) == 5
    for command in commands:
        parser().parse_args(command)


def test_no_verb_and_a_wrong_one(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["nonsense"]):
        with pytest.raises(SystemExit) as left:
            main(words)
        assert left.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("atop COMMAND: error: ")
    assert all(verb in line for verb in ("nonsense", "fetch", "finetune", "table"))
