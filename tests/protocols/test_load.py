"""Manifests as files: what is read, and what is refused in which words.

``broken.yaml`` has a case for every way in which a manifest is refused, with the exact lines (see ``broken_cases.py``).
"""

import os
import random
import re
import shutil
import time
from pathlib import Path

import pytest
from broken_cases import Case, read_cases, write_case
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import load_post_training

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Method
from selfimp_bench.manifest.yaml_source import MAX_BYTES
from selfimp_bench.measurement import Split
from selfimp_bench.protocols.load import InvalidManifest, find_flaws, load_manifest

HERE = Path(__file__).parents[1] / "manifest"
VALID = HERE / "valid" / "example-iter-dpo.v1.yaml"
BROKEN = read_cases(HERE / "broken.yaml", VALID.name)


@pytest.mark.parametrize("valid", sorted((HERE / "valid").glob("*.v1.yaml")), ids=lambda valid: valid.name)
def test_a_valid_manifest_has_no_flaws(valid: Path) -> None:
    if ".suite." not in valid.name:
        assert find_flaws(valid) == ()


def test_a_valid_manifest_becomes_the_dataclasses() -> None:
    manifest = load_post_training(VALID)
    assert manifest.post_training.schedule == (Method.SFT_GOLD, Method.DPO, Method.SFT)
    assert manifest.dpo is not None
    assert manifest.dpo.optimisation.learning_rate == 5e-7
    assert manifest.datasets.ood is not None
    assert manifest.datasets.ood.generator is not None
    assert manifest.datasets.ood.generator.split is Split.OOD
    assert manifest.sampling.assumed == {"top_k": "not in the paper"}
    assert manifest.prompt.template == "Question: {question}\nAnswer:\n"
    assert manifest.post_training.max_correct_per_problem is None
    assert manifest.profiles is not None
    assert set(manifest.profiles) == {"smoke"}


def test_a_whole_number_where_a_number_is_wanted_becomes_a_float() -> None:
    sampling = load_post_training(VALID).sampling
    assert isinstance(sampling.top_p, float)
    assert sampling.top_p == 1.0


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.id)
def test_a_broken_manifest_is_refused_in_these_words(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = Path(write_case(case, tmp_path).name)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidManifest) as refused:
        load_manifest(manifest)
    assert str(refused.value).split("\n") == [f"{manifest}:{line}" for line in case.refused]
    assert find_flaws(manifest) == refused.value.flaws


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.id)
def test_no_expected_message_speaks_python(case: Case) -> None:
    assert case.refused, "a broken manifest has at least one flaw"
    for line in case.refused:
        assert re.match(r"\d+:\d+ \$[^ ]*.*: .", line)
        assert not re.search(r"Traceback|NoneType|(?<!!!)\b(None|True|False|dict|tuple|str|int|bool)\b", line)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.v1\.yaml:1:1 \$: no such file; check the path"):
        load_manifest(tmp_path / "nowhere.v1.yaml")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidManifest, match="this is a folder"):
        load_manifest(tmp_path)


def test_a_device_is_refused_unread() -> None:
    with pytest.raises(InvalidManifest, match="not a regular file"):
        load_manifest(Path("/dev/zero"))


def test_a_file_that_the_system_does_not_open_is_refused(tmp_path: Path) -> None:
    loop = tmp_path / "loop.v1.yaml"
    loop.symlink_to(loop)
    with pytest.raises(InvalidManifest, match=r"loop\.v1\.yaml:1:1 \$: cannot be read: "):
        load_manifest(loop)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    locked = tmp_path / "locked.v1.yaml"
    locked.write_bytes(VALID.read_bytes())
    locked.chmod(0)
    with pytest.raises(InvalidManifest, match="cannot be read: Permission denied"):
        load_manifest(locked)


def test_a_very_large_file_is_refused_unparsed(tmp_path: Path) -> None:
    large = tmp_path / VALID.name
    large.write_bytes(VALID.read_bytes() + b"#" * MAX_BYTES)
    with pytest.raises(InvalidManifest, match="larger than 256 KiB"):
        load_manifest(large)


def test_a_very_long_line_is_read(tmp_path: Path) -> None:
    long = tmp_path / VALID.name
    summary = "word " * 40_000
    long.write_text(VALID.read_text().replace("  Three iterations:", f"  {summary}Three iterations:"))
    assert len(load_manifest(long).summary) > len(summary)


def test_windows_line_ends_change_nothing(tmp_path: Path) -> None:
    windows = tmp_path / VALID.name
    windows.write_bytes(VALID.read_bytes().replace(b"\n", b"\r\n"))
    assert load_manifest(windows) == load_manifest(VALID)


@pytest.mark.parametrize(
    "text",
    ["[" * 200_000, "- " * 100_000, "? " * 100_000, "".join(f"k{i}: 1\n" for i in range(20_000)), "k: 1\n" * 20_000],
    ids=["brackets", "dashes", "key marks", "unknown keys", "one key again and again"],
)
def test_a_hostile_file_is_refused_in_seconds(text: str, tmp_path: Path) -> None:
    hostile = tmp_path / VALID.name
    hostile.write_text(text)
    begin = time.process_time()
    assert find_flaws(hostile)
    assert time.process_time() - begin < 30


# ---- no mutation of a valid file meets anything but InvalidManifest ----

VALIDS = (VALID, HERE / "valid" / "example-gv-gap.v1.yaml")
LINES = VALID.read_text(encoding="utf-8").splitlines()
SCALARS = st.one_of(
    st.sampled_from(
        [
            "",
            "null",
            "~",
            "yes",
            "-1",
            "0",
            "1e999",
            ".nan",
            "007",
            "2024-01-01",
            "[]",
            "{}",
            "[1, [2]]",
            "&a x",
            "*a",
            "!t x",
            "!!float 3",
            "<<",
            "- x",
            "? y",
            "|",
            ">-",
            "'",
            '"',
            "{",
            "@",
            "`",
            "%",
            "\t",
            "# c",
            "3.0",
            "a: b",
        ]
    ),
    st.text(max_size=12),
    st.integers().map(str),
    st.floats().map(repr),
)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, str]:
    """A file's name, and its text with a few lines changed."""
    file = draw(st.sampled_from(VALIDS))
    lines = file.read_text(encoding="utf-8").splitlines()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["drop", "repeat", "scalar", "indent", "swap", "cut"])):
            case "drop":
                del lines[at]
            case "repeat":
                lines.insert(draw(st.integers(0, len(lines))), lines[at])
            case "scalar":
                lines[at] = lines[at].partition(":")[0] + ": " + draw(SCALARS)
            case "indent":
                lines[at] = " " * draw(st.integers(0, 8)) + lines[at].lstrip()
            case "swap":
                other = draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
            case _:
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
    return file.name, "\n".join(lines) + "\n"


def _is_read_or_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        load_manifest(path)
    except InvalidManifest as refused:
        assert refused.flaws
        assert all(flaw.line >= 1 and flaw.column >= 1 and "\n" not in str(flaw) for flaw in refused.flaws)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutant=mutated())
def test_a_mutated_manifest_is_read_or_refused(mutant: tuple[str, str], tmp_path: Path) -> None:
    shutil.copytree(HERE / "valid" / "prompts", tmp_path / "prompts", dirs_exist_ok=True)
    name, text = mutant
    _is_read_or_refused(tmp_path / name, text.encode("utf-8", "surrogatepass"))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_refused(content: bytes, tmp_path: Path) -> None:
    _is_read_or_refused(tmp_path / VALID.name, content)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_lines_in_any_order_are_read_or_refused(seed: int, tmp_path: Path) -> None:
    lines = list(LINES)
    start = random.Random(seed).randrange(len(lines) - 6)
    window = lines[start : start + 6]
    random.Random(seed).shuffle(window)
    lines[start : start + 6] = window
    _is_read_or_refused(tmp_path / VALID.name, "\n".join(lines).encode())
