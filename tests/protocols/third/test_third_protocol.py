"""A protocol that another installed package brings is planned, run, judged and reported like the two of this one."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from support import COMMAND, problems_digest_of

from selfimp_bench.measurement import Split

PACKAGE = Path(__file__).parent / "third_protocol"
WRITE_SCHEMA = (
    "from third_protocol.protocol import PROTOCOL; from selfimp_bench.protocols.schemas import TABLES; "
    "from selfimp_bench.manifest.json_schema import json_schema; import json; "
    "PROTOCOL.schema.write_text(json.dumps(json_schema(PROTOCOL.manifest, PROTOCOL.schema.name, TABLES)))"
)
PRIORS = """\
setting,metric,split,trained,sd,unit,df,kind,source,locator,reason
answers,letters,any,any,2,letters,4,assumed,nothing,,"a draw of forty answers, so few letters"
answers,words,any,any,0.5,words,4,assumed,nothing,,"a draw of forty answers, so few words"
"""
CLAIM = {
    "id": "letters",
    "statement": "An answer has more letters than words.",
    "source": "test",
    "order": {
        "greater": {"metric": "letters", "split": "test", "iteration": 1},
        "lesser": {"metric": "words", "split": "test", "iteration": 1},
    },
}


def _manifest() -> dict[str, Any]:
    return {
        "schema": 1,
        "name": "long-answers",
        "version": 1,
        "title": "How long answers are",
        "summary": "Answers are drawn and measured.",
        "paper": {"id": "none", "title": "No paper", "section": "None"},
        "protocol": "answer-length",
        "seed": 1,
        "models": [{"id": "tiny-gsm-base", "asset": "tiny-gsm-base", "weights_sha256": "0" * 64, "source": "test"}],
        "datasets": {
            "test": {
                "id": "tiny-gsm-test",
                "generator": {"task": "tiny_gsm", "split": "test", "count": 60, "seed": 1},
                "rows": 60,
                "digest": problems_digest_of(Split.TEST, 60),
                "source": "test",
            }
        },
        "draws": 40,
        "engines": {
            "sampler": "fake",
            "trainer": "fake",
            "device": "cpu",
            "sampler_precision": "float32",
            "max_batch_rows": 16,
            "micro_batch_size": 16,
            "gradient_checkpointing": False,
            "threads": 1,
            "assumed": "test",
        },
        "claims": [CLAIM],
        "priors": "answers",
        "profiles": {"smoke": {"draws": 5}},
    }


def _study() -> dict[str, Any]:
    """The same experiment as a study file says it."""
    resolved = _manifest()
    (model,), (claim,) = resolved["models"], resolved["claims"]
    return {
        **{
            key: resolved[key]
            for key in ("version", "title", "summary", "paper", "protocol", "seed", "engines", "priors")
        },
        "schema": 2,
        "name": "lengths",
        "tables": "none",
        "models": {model["id"]: {key: value for key, value in model.items() if key != "id"}},
        "tasks": {"tiny-gsm": {"test": {k: v for k, v in resolved["datasets"]["test"].items() if k != "id"}}},
        "methods": {"drawn": {"draws": 30}},
        "experiments": {"long-answers": {"task": "tiny-gsm", "method": "drawn", "draws": 40, "title": "Long answers"}},
        "claims": {
            "letters": {"says": claim["statement"], "source": "test", "above": ["letters t=1", "words t=1"]},
        },
    }


@dataclass(frozen=True, kw_only=True)
class Installed:
    """A folder of installed packages that holds the third protocol, a manifest and a study file of it."""

    site: Path
    manifest: Path
    study: Path
    home: Path

    def call(self, *arguments: str, site: bool = True) -> subprocess.CompletedProcess[str]:
        """Call the command line; without ``site`` as where the package is not installed."""
        environment = _with_path(self.site) if site else dict(os.environ)
        command = [*COMMAND, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    def to_do(self) -> list[str]:
        """The steps that are to do."""
        asked = self.call("plan", str(self.manifest), "--home", str(self.home), "--json")
        steps = json.loads(asked.stdout)["forecast"]["steps"]
        return [each["step"]["stage"] for each in steps if each["state"] != "done"]


def _with_path(site: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])}


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    site, manifest = tmp_path / "site", tmp_path / "long-answers.v1.yaml"
    shutil.copytree(PACKAGE, site / "third_protocol", ignore=shutil.ignore_patterns("__pycache__"))
    info = site / "third_protocol-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-protocol\nVersion: 1\n")
    entry_point = "[selfimp_bench.protocols]\nanswer-length = third_protocol.protocol:PROTOCOL\n"
    (info / "entry_points.txt").write_text(entry_point)
    subprocess.run([sys.executable, "-c", WRITE_SCHEMA], check=True, env=_with_path(site))
    YAML(typ="safe", pure=True).dump(_manifest(), manifest)
    (tmp_path / "priors.csv").write_text(PRIORS)
    study = tmp_path / "lengths.v1.yaml"
    YAML(typ="safe", pure=True).dump(_study(), study)
    return Installed(site=site, manifest=manifest, study=study, home=tmp_path / "home")


@pytest.mark.slow
def test_a_protocol_of_another_package_is_reproduced_and_redone_when_its_code_changes(installed: Installed) -> None:
    run = installed.call("reproduce", str(installed.manifest), "--home", str(installed.home))
    assert run.returncode == 0, run.stderr
    assert "1 REPRODUCED" in run.stdout
    (folder,) = (installed.home / "runs" / "long-answers").iterdir()
    record = json.loads((folder / "record.json").read_bytes())
    assert [step["stage"] for step in record["steps"]] == ["draw", "length"]
    assert "An answer has more letters than words." in (folder / "report.html").read_text()
    assert installed.to_do() == []
    measure = installed.site / "third_protocol" / "measure.py"
    measure.write_text(measure.read_text().replace("LETTERS_OF_A_WORD: Final = 1", "LETTERS_OF_A_WORD: Final = 2"))
    assert installed.to_do() == ["length"]


def test_its_manifests_are_shown_and_checked_by_its_own_schema_and_rules(installed: Installed) -> None:
    shown = installed.call("show", str(installed.manifest))
    assert "draws      40 answers" in shown.stdout
    installed.manifest.write_text(installed.manifest.read_text().replace("draws: 40", "draws: 61"))
    refused = installed.call("validate", str(installed.manifest))
    assert refused.returncode == 2
    assert "expected at most 60, the problems there are, found 61" in refused.stdout + refused.stderr


@pytest.mark.slow
def test_its_study_file_is_reproduced_and_its_flaws_stand_at_their_keys(installed: Installed) -> None:
    shown = installed.call("show", str(installed.study), "--resolved")
    assert YAML(typ="safe").load(shown.stdout) == _manifest() | {"title": "Long answers"}, shown.stderr
    run = installed.call("reproduce", str(installed.study), "--home", str(installed.home))
    assert (run.returncode, "1 REPRODUCED" in run.stdout) == (0, True), run.stderr
    installed.study.write_text(installed.study.read_text().replace("draws: 40", "drawings: 40"))
    refused = installed.call("validate", str(installed.study))
    assert refused.returncode == 2
    expected = '$.experiments.long-answers.drawings: unknown key "drawings"; did you mean draws?'
    assert expected in refused.stdout + refused.stderr


@pytest.mark.slow
def test_where_its_package_is_not_installed_its_manifests_are_refused(installed: Installed) -> None:
    refused = installed.call("validate", str(installed.manifest), site=False)
    assert refused.returncode == 2
    expected = 'expected one of iterative-post-training, verification-gap, found "answer-length"'
    assert expected in refused.stdout + refused.stderr
