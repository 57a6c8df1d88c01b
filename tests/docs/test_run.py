"""The pages' commands do what the pages say: run as they are written, in a scratch folder, output compared.

The tutorial comes first, and its run is what other pages look at; both are slow. In what a page shows, a line in
brackets stands for any lines, and ``...`` within a line for anything.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from docs_pages import ALL_BLOCKS, ROOT, Block
from support import PYTHON

from selfimp_bench.cli.app import cli

TUTORIAL = "docs/tutorials/first-experiment.md"
ON_ITS_RUN = ("docs/how-to/verify-a-run.md",)
RUN_HERE = [block for block in ALL_BLOCKS if block.language in ("bash", "console", "python") and not block.mark]
OTHERS = sorted({block.page for block in RUN_HERE} - {TUTORIAL, *ON_ITS_RUN})


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that has what a checkout has, and the current one."""
    folder = tmp_path_factory.mktemp("scratch")
    for name in subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split():
        top = name.partition("/")[0]
        if not (folder / top).exists():
            (folder / top).symlink_to(ROOT / top)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("SELFIMP_BENCH_HOME", raising=False)
        patch.setenv("PATH", f"{Path(PYTHON).parent}{os.pathsep}{os.environ['PATH']}")
        yield folder


@pytest.fixture(scope="module")
def tutorial(scratch: Path) -> None:
    """Its run is in the home."""
    assert Path.cwd() == scratch
    do_page(TUTORIAL)


def do_page(page: str) -> None:
    namespace: dict[str, object] = {}
    for block in RUN_HERE:
        if block.page == page:
            do_block(block, namespace)


def do_block(block: Block, namespace: dict[str, object]) -> None:
    if block.language == "python":
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(block.text, block.place, "exec"), namespace)
        return
    for command, shown in steps(block):
        printed = printed_by(command, block.place)
        if shown is not None:
            assert fits(shown, printed), f"{block.place}: {command}\nshown:\n{shown}\nprinted:\n{printed}"


def steps(block: Block) -> list[tuple[str, str | None]]:
    """Each command of a block, with what is shown of its output; None where nothing is (``bash``)."""
    if block.language == "bash":
        return [(command, None) for command in block.commands()]
    parts = re.split(r"^\$ ", block.text.replace("\\\n", " "), flags=re.MULTILINE)
    assert parts[0] == "", f"{block.place}: a console block begins with a command"
    return [(command, shown) for command, _, shown in (part.partition("\n") for part in parts[1:])]


def printed_by(command: str, place: str) -> str:
    """Standard output of a command that ends well."""
    if command.startswith("selfimp-bench ") and not re.search(r"[|&;<>*{}$]", command):
        result = CliRunner().invoke(cli, shlex.split(command)[1:])
        code, out, errors = result.exit_code, result.stdout, result.stderr
    else:
        run = subprocess.run(["bash", "-euo", "pipefail", "-c", command], capture_output=True, text=True, check=False)
        code, out, errors = run.returncode, run.stdout, run.stderr
    assert code == 0, f"{place}: {command}: exit code {code}\n{out}{errors}"
    return out


def fits(shown: str, printed: str) -> bool:
    """Whether a text was printed, but for what it leaves out."""
    pattern = ""
    for line in (" ".join(line.split()) for line in shown.splitlines()):
        if re.fullmatch(r"\[.*\]", line):
            pattern += r"(?:.*\n)*?"
        elif line:
            pattern += ".*?".join(re.escape(part.strip()) for part in line.split("...")).replace("\\ ", " ") + r" *\n"
    lines = (" ".join(line.split()) for line in printed.splitlines())
    return re.fullmatch(pattern.replace(".*?", r"[^\n]*?"), "".join(f"{line}\n" for line in lines if line)) is not None


def test_what_is_printed_is_compared() -> None:
    printed = "a   b\n\nc 1.5 s\nd\ne\nf\n"
    assert fits("a b\nc ... s\n[others]\nf\n", printed)
    assert fits("a b\n[all others]\n", printed)
    assert not fits("a b\nc ... s\nf\n", printed)
    assert not fits("a b\n", printed)
    assert not fits("a c\n[others]\n", printed)


@pytest.mark.parametrize("page", OTHERS)
@pytest.mark.usefixtures("scratch")
def test_the_commands_of_a_page_do_what_it_says(page: str) -> None:
    do_page(page)


@pytest.mark.slow
@pytest.mark.parametrize("page", [TUTORIAL, *ON_ITS_RUN])
@pytest.mark.usefixtures("tutorial")
def test_the_tutorial_s_run_is_what_pages_say(page: str) -> None:
    if page != TUTORIAL:
        do_page(page)
