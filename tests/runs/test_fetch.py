"""`fetch` against a hub on this machine: what it brings, what it refuses, and that a run then needs no network."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fake_hub import FakeHub, Fault, Repository, hashes, running_hub
from hub_experiments import (
    CARD,
    COUNTS,
    DATA,
    DATA_REVISION,
    MODEL,
    MODEL_ID,
    REVISION,
    data_repository,
    fill,
    hub_experiment,
    jsonl,
    model_repository,
    parquet,
    rows,
)
from real_rows import real_rows
from support import PYTHON, ManifestMaker

from selfimp_bench.engines.hub import hub as hub_engine
from selfimp_bench.engines.hub.fetched import hub_folder, pinned_dataset
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Profile
from selfimp_bench.measurement import Split
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.fetch import FetchReport, fetch, parse_mirror
from selfimp_bench.runs.hub_needs import hub_needs
from selfimp_bench.runs.study import Experiment, open_experiment
from selfimp_bench.steps.dataset import ProblemsBlock, load_dataset, problems_digest
from selfimp_bench.steps.progress import Silent

WEIGHTS = "model.safetensors"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    """A filled hub, and a client with no token."""
    from huggingface_hub import constants

    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    with running_hub() as server:
        fill(server)
        yield server


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The client's waits in seconds, which take no time."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", lambda seconds: waits.append(seconds) if seconds else None)
    return waits


class Bench(NamedTuple):
    """An experiment on a hub and a home to fetch it to."""

    experiment: Experiment
    home: Path
    hub: FakeHub

    def fetch(self, *mirrors: str) -> FetchReport:
        needs = hub_needs((self.experiment,))
        found = [parse_mirror(mirror) for mirror in mirrors]
        return fetch(needs, self.home, mirrors=found, endpoint=self.hub.url, say=lambda _: None)

    def refused(self, *mirrors: str) -> str:
        with pytest.raises(InputError) as caught:
            self.fetch(*mirrors)
        return str(caught.value)

    def lying(self) -> set[str]:
        """The files that were accepted, relative to the hub's folder; parts and locks left out."""
        folder = hub_folder(self.home)
        found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        return {path for path in found if not path.startswith(("partial/", ".lock"))}

    def records(self) -> int:
        return len(list((hub_folder(self.home) / "fetched").glob("*")))


Make = Callable[..., Bench]


@pytest.fixture
def bench(make_manifest: ManifestMaker, tmp_path: Path, hub: FakeHub) -> Make:
    def make(**keys: Any) -> Bench:
        path = hub_experiment(make_manifest, **keys)
        experiment = open_experiment(str(path), profile=Profile.PAPER, only=None, replicates=1)
        return Bench(experiment=experiment, home=tmp_path / "home", hub=hub)

    return make


def test_the_fake_hub_satisfies_the_hub_s_own_client(hub: FakeHub, tmp_path: Path) -> None:
    from huggingface_hub import snapshot_download

    folder = snapshot_download("org/tiny", revision=REVISION, cache_dir=tmp_path, endpoint=hub.url)
    files = hub.repositories[MODEL].files
    assert {name: (Path(folder) / name).read_bytes() for name in files} == files


def test_weights_configuration_tokenizer_and_rows_are_brought_and_nothing_that_can_run(bench: Make) -> None:
    found = bench()
    report = found.fetch()
    model, data = f"models/org--tiny/{REVISION}", f"datasets/org--rows/{DATA_REVISION}/main"
    assert {path for path in found.lying() if not path.startswith("fetched/")} == {
        *(f"{model}/{name}" for name in ("config.json", "generation_config.json", "tokenizer.json")),
        f"{model}/tokenizer_config.json",
        f"{model}/{WEIGHTS}",
        *(f"{data}/train-0000{part}-of-00002.parquet" for part in (0, 1)),
        f"{data}/test-00000-of-00001.parquet",
    }
    assert not {name for name in found.hub.downloads() if name.endswith((".bin", ".py"))}
    assert {each.pinned.id for each in report.fetched} == {MODEL_ID, "rows-train", "rows-test"}
    (record,) = (hub_folder(found.home) / "fetched").glob("model--*")
    listed = {file["path"]: file["sha256"] for file in json.loads(record.read_bytes())["files"]}
    assert listed[WEIGHTS] == hashes(found.hub.repositories[MODEL].files[WEIGHTS])[0]


def test_what_is_there_is_not_downloaded_again_and_asks_nothing(bench: Make) -> None:
    found = bench()
    found.fetch()
    asked = len(found.hub.asked)
    assert all(each.downloaded == 0 for each in found.fetch().fetched)
    assert len(found.hub.asked) == asked


def test_a_file_changed_on_the_disk_is_fetched_again(bench: Make) -> None:
    found = bench(data=False)
    found.fetch()
    weights = hub_folder(found.home) / "models" / "org--tiny" / REVISION / WEIGHTS
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + b"!")
    (report,) = found.fetch().fetched
    assert report.downloaded == len(content) and weights.read_bytes() == content


def test_after_fetching_a_run_needs_no_hub(bench: Make) -> None:
    found = bench()
    with pytest.raises(InputError, match="a run uses no network"):
        execute(found.experiment, found.home, Silent())
    found.fetch()
    found.hub.repositories.clear()
    asked = len(found.hub.asked)
    assert (execute(found.experiment, found.home, Silent()) / "record.json").is_file()
    assert len(found.hub.asked) == asked
    shutil.rmtree(hub_folder(found.home))
    execute(found.experiment, found.home, Silent())  # every step is done, so nothing is missing


def test_a_run_refuses_weights_that_were_changed_after_fetching(bench: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    found = bench()
    found.fetch()
    monkeypatch.setattr("selfimp_bench.engines.hub.fetched.LARGE", 1000)
    weights = hub_folder(found.home) / "models" / "org--tiny" / REVISION / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with pytest.raises(InputError, match=r"model\.safetensors has sha256 .* when it was fetched"):
        execute(found.experiment, found.home, Silent())


def test_rows_in_json_lines_without_a_card_are_found_by_their_names(bench: Make) -> None:
    found = bench()
    files = {f"main/{split}.jsonl": jsonl(rows(split)) for split in (Split.TRAIN, Split.TEST)}
    found.hub.repositories[DATA].files = {
        "README.md": b"---\nconfigs:\n- config_name: main\n  data_dir: main\n---\n",
        **files,
    }
    found.fetch()
    assert f"datasets/org--rows/{DATA_REVISION}/main/train.jsonl" in found.lying()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda hub: hub.repositories.pop(MODEL), ["HTTP 401", "org/tiny", "HF_TOKEN"]),
        (lambda hub: setattr(hub.repositories[MODEL], "revision", "b" * 40), ["no such revision", REVISION]),
        (lambda hub: hub.repositories[MODEL].files.pop(WEIGHTS), ["pytorch_model.bin", "can run code", "safetensors"]),
        (lambda hub: hub.repositories[MODEL].files.pop("tokenizer.json"), ["no tokenizer.json", "fast tokenizer"]),
        (lambda hub: hub.faults.append(Fault(on="/revision/", status=404)), ["HTTP 404", "org/tiny"]),
        (
            lambda hub: hub.faults.append(Fault(on="/revision/", status=403)),
            ["HTTP 403", "HF_TOKEN", "no token is set"],
        ),
        (lambda hub: hub.faults.append(Fault(on="config.json", status=401)), ["HTTP 401", "config.json", "HF_TOKEN"]),
        (lambda hub: hub.faults.append(Fault(on="/cdn/", status=404)), ["HTTP 404", WEIGHTS]),
        (lambda hub: hub.faults.append(Fault(on="/cdn/", corrupt=True)), [WEIGHTS, "another hash", "not kept"]),
    ],
)
@pytest.mark.usefixtures("waited")
def test_what_cannot_be_had_is_refused_with_the_reason_and_no_record(
    bench: Make, change: Callable[[FakeHub], object], words: list[str]
) -> None:
    found = bench(data=False)
    change(found.hub)
    message = found.refused()
    assert all(word in message for word in words), message
    assert found.records() == 0 and f"models/org--tiny/{REVISION}/{WEIGHTS}" not in found.lying()


def test_a_gated_model_without_a_token_names_page_variable_and_experiment(
    bench: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = bench()
    fill(found.hub, gated=True, token="hf_right")
    message = found.refused()
    for words in ("small needs model tiny-gsm-base", "https://huggingface.co/org/tiny", "HF_TOKEN", "no token is set"):
        assert words in message
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert "HTTP 403" in (message := found.refused()) and "it has none" in message
    assert "hf_wrong" not in message
    assert not found.lying()
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    found.fetch()
    tokens = {token for line, token in found.hub.asked if "/cdn/" in line}
    assert tokens == {None}, "the content network must not see the token"


@pytest.mark.usefixtures("waited")
def test_a_download_that_breaks_off_goes_on_from_there_with_the_next_command(
    bench: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = bench(data=False)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 100_000)  # what it writes at a time
    found.hub.faults = [Fault(on="/cdn/", cut=1_000_000, times=1), Fault(on="/cdn/", cut=0)]
    message = found.refused()
    assert WEIGHTS in message and "goes on from what is there" in message
    assert found.records() == 0 and f"models/org--tiny/{REVISION}/{WEIGHTS}" not in found.lying()
    (part,) = (hub_folder(found.home) / "partial").iterdir()
    assert part.stat().st_size == 1_000_000
    found.hub.faults, found.hub.asked = [], []
    found.fetch()
    assert found.hub.ranges[-1] == "bytes=1000000-"
    weights = hub_folder(found.home) / "models" / "org--tiny" / REVISION / WEIGHTS
    assert weights.read_bytes() == found.hub.repositories[MODEL].files[WEIGHTS]


def test_a_part_of_something_else_is_never_accepted(bench: Make) -> None:
    found = bench(data=False)
    content = found.hub.repositories[MODEL].files[WEIGHTS]
    part = hub_folder(found.home) / "partial" / hashes(content)[0]
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 1000)
    assert "another hash" in found.refused()
    found.fetch()
    part.write_bytes(b"x" * (len(content) + 1))
    assert all(each.downloaded == 0 for each in found.fetch().fetched)


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "7"},
        {"RateLimit": '"api";r=0;t=7', "RateLimit-Policy": '"fixed window";"api";q=500;w=300'},  # as the hub does
    ],
)
def test_too_many_requests_are_waited_out_as_long_as_the_hub_says(
    bench: Make, waited: list[float], headers: dict[str, str]
) -> None:
    found = bench(data=False)
    busy = {"status": 429, "headers": headers}
    found.hub.faults = [Fault(on="/revision/", times=2, **busy), Fault(on="/cdn/", times=1, **busy)]
    found.fetch()
    assert waited == [8.0, 8.0, 8.0]
    shutil.rmtree(found.home)
    found.hub.faults = [Fault(on="/revision/", **busy)]
    message = found.refused()
    assert "HTTP 429" in message and "in 7 seconds" in message


@pytest.mark.parametrize("on", ["/revision/", "/cdn/"])
def test_a_hub_that_does_not_answer_is_given_up_on(bench: Make, monkeypatch: pytest.MonkeyPatch, on: str) -> None:
    found = bench(data=False)
    sleep = time.sleep
    monkeypatch.setattr(
        "huggingface_hub.utils._http.time.sleep", lambda seconds: sleep(seconds if seconds == 0.5 else 0)
    )
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    monkeypatch.setattr(hub_engine, "TIMEOUT", 0.1)
    found.hub.faults = [Fault(on=on, stall=0.5)]
    message = found.refused()
    assert "cannot be reached or broke off (ReadTimeout" in message and "HF_ENDPOINT" in message
    assert not found.records()


@pytest.mark.usefixtures("waited")
def test_no_hub_at_all_is_said(bench: Make) -> None:
    found = bench(data=False)
    with running_hub() as gone:
        pass
    message = found._replace(hub=gone).refused()
    assert "ConnectError" in message and gone.url in message


def test_a_full_disk_is_noticed_before_the_first_download(bench: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    found = bench()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10**6))
    message = found.refused()
    assert "0.00 GB free" in message and "choose another --home" in message
    assert not found.lying()
    assert WEIGHTS not in found.hub.downloads()


def test_a_disk_that_fills_up_meanwhile_ends_with_advice(
    make_manifest: ManifestMaker, tmp_path: Path, hub: FakeHub
) -> None:
    manifest, home = hub_experiment(make_manifest, data=False), tmp_path / "home"
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6)); "
    code = f"{limited}from selfimp_bench.cli.app import main; main()"
    command = [PYTHON, "-P", "-c", code, "fetch", str(manifest), "--home", str(home)]
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")}
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.returncode == 2 and "Traceback" not in run.stderr
    assert "File too large; nothing finished is lost: make room" in run.stderr
    assert not (home / "hub" / "fetched").exists() and not list(home.rglob(WEIGHTS))


@pytest.mark.parametrize(
    ("name", "only", "found"),
    [("gsm8k-iter-sft", "model=llama-2-7b", "1318 rows"), ("small-cpu-gsm8k-iter-sft", None, "200 rows")],
)
def test_the_real_rows_of_a_manifest_are_those_it_pins(
    name: str, only: str | None, found: str, hub: FakeHub, tmp_path: Path
) -> None:
    files = {f"main/{split}-00000-of-00001.parquet": parquet(real_rows(f"gsm8k/{split}.jsonl")) for split in COUNTS}
    experiment = open_experiment(name, profile=Profile.PAPER, only=only, replicates=1)
    needs = [need for need in hub_needs((experiment,)) if need.pinned.repo == "openai/gsm8k"]
    repository = Repository(revision=needs[0].pinned.revision, files=files | {"README.md": CARD.encode()})
    hub.repositories["datasets/openai/gsm8k"] = repository
    report = fetch(needs, tmp_path, mirrors=(), endpoint=hub.url, say=lambda _: None)
    assert [each.pinned.id for each in report.fetched] == ["gsm8k-train", "gsm8k-test"]
    files["main/test-00000-of-00001.parquet"] = parquet(real_rows("gsm8k/test.jsonl")[1:])
    repository.files |= files
    with pytest.raises(InputError, match=f"data set gsm8k-test: found {found}"):
        fetch(needs, tmp_path / "again", mirrors=(), endpoint=hub.url, say=lambda _: None)


def test_rows_of_a_split_are_fetched_with_it_and_keep_their_ids(bench: Make, tmp_path: Path) -> None:
    found = bench()
    found.fetch()
    (ref,) = [each.dataset for each in _problems_blocks(found.experiment) if each.dataset.id == "rows-test"]
    whole = load_dataset(ref, "gsm8k", tmp_path, hub_folder(found.home))
    for part, some in (("[:2]", whole[:2]), ("[1:3]", whole[1:3]), ("[2:]", whole[2:]), ("[0:1]", whole[:1])):
        of_it = replace(ref, split=f"test{part}", rows=len(some), digest=problems_digest(some))
        assert load_dataset(of_it, "gsm8k", tmp_path, hub_folder(found.home)) == some
        assert pinned_dataset(of_it) == pinned_dataset(ref)
    beyond = replace(ref, split="test[10000:]", rows=1)
    with pytest.raises(InputError, match="found 0 rows"):
        load_dataset(beyond, "gsm8k", tmp_path, hub_folder(found.home))


def _problems_blocks(experiment: Experiment) -> list[ProblemsBlock]:
    return [step.block for step in experiment.plan().steps if isinstance(step.block, ProblemsBlock)]


def test_pinned_weights_are_compared_before_they_are_downloaded(bench: Make) -> None:
    found = bench(data=False, weights_sha256="0" * 64)
    assert "the manifest pins 0000" in found.refused()
    assert WEIGHTS not in found.hub.downloads()


def test_other_rows_than_the_pinned_are_refused(bench: Make) -> None:
    found = bench()
    name = "main/test-00000-of-00001.parquet"
    found.hub.repositories[DATA].files[name] = found.hub.repositories[DATA].files["main/train-00000-of-00002.parquet"]
    assert "found 12 rows with digest" in found.refused()
    assert not list((hub_folder(found.home) / "fetched").glob("*test*")) and found.records() == 1  # rows-train's


def test_a_mirror_of_a_gated_model_is_accepted_where_every_file_is_the_same(bench: Make) -> None:
    found = bench(data=False)
    fill(found.hub, gated=True, token="hf_right")
    mirror = model_repository()
    mirror.revision = "c" * 40
    found.hub.repositories["models/mirror/tiny"] = mirror
    (model,) = found.fetch(f"{MODEL_ID}=mirror/tiny@{'c' * 40}").fetched
    assert model.mirror == f"mirror/tiny@{'c' * 40}"
    assert f"models/org--tiny/{REVISION}/{WEIGHTS}" in found.lying()


@pytest.mark.parametrize("name", [WEIGHTS, "config.json", "generation_config.json"])
def test_a_mirror_with_another_file_is_refused(bench: Make, name: str) -> None:
    found = bench(data=False)
    mirror = model_repository()
    if name == "generation_config.json":
        del mirror.files[name]
    else:
        mirror.files[name] += b" "
    found.hub.repositories["models/mirror/tiny"] = mirror
    message = found.refused(f"{MODEL_ID}=mirror/tiny@{REVISION}")
    assert f"not those of org/tiny: {name};" in message
    assert not found.lying()


def test_a_mirror_of_a_data_set_is_held_against_the_digest_of_its_rows(bench: Make) -> None:
    found = bench()
    mirror = data_repository()
    mirror.files = {
        "test.jsonl": jsonl(rows(Split.TEST)),
        "train.jsonl": jsonl(rows(Split.TRAIN)),
        "README.md": CARD_MAIN,
    }
    found.hub.repositories["datasets/mirror/rows"] = mirror
    place = f"mirror/rows@{DATA_REVISION}"
    mirrors = {each.pinned.id: each.mirror for each in found.fetch(f"rows-test={place}").fetched}
    assert mirrors == {"rows-train": None, "rows-test": place, MODEL_ID: None}
    shutil.rmtree(found.home)
    mirror.files["test.jsonl"] = jsonl(rows(Split.TEST)[::-1])
    assert "data set rows-test: found 24 rows with digest" in found.refused(f"rows-test={place}")


CARD_MAIN = b"""---
configs:
- config_name: main
  data_files:
  - {split: train, path: train.jsonl}
  - {split: test, path: test.jsonl}
---
"""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda files: files.update({"README.md": b""}), "configuration 'main' is not to be had"),
        (
            lambda files: files.update({"README.md": files["README.md"].replace(b"split: train", b"split: first")}),
            "no split 'train'",
        ),
        (
            lambda files: [files.pop(name) for name in list(files) if name.endswith("parquet")],
            "holds README.md, rows.py",
        ),
    ],
)
def test_a_split_that_the_repository_lacks_is_refused(
    bench: Make, change: Callable[[dict[str, bytes]], object], words: str
) -> None:
    found = bench()
    change(found.hub.repositories[DATA].files)
    message = found.refused()
    assert "data set rows-train: org/rows" in message and words in message, message
    assert not found.lying()


def test_a_mirror_is_named_as_it_must_be(bench: Make) -> None:
    with pytest.raises(InputError, match="expected ID=REPO@REVISION"):
        parse_mirror("tiny=mirror/tiny@main")
    assert "nothing of this name is fetched; expected rows-test or rows-train or tiny-gsm-base" in bench().refused(
        f"other=mirror/tiny@{REVISION}"
    )


def test_a_file_outside_its_folder_is_refused(bench: Make) -> None:
    found = bench(data=False)
    found.hub.repositories[MODEL].files["../config.json"] = b"{}"
    assert "'../config.json', which would lie outside its folder" in found.refused()


@pytest.mark.parametrize(
    "lie",
    [
        {"lfs": {"sha256": "/tmp/elsewhere", "size": 3}},
        {"lfs": {"sha256": "../../record", "size": 3}},
        {"lfs": {"sha256": "AB" * 32, "size": 3}},
        {"lfs": {"sha256": "ab" * 32, "size": -1}},
        {"blobId": "/etc/hostname"},
        {"blobId": "ab" * 19},
    ],
)
def test_a_listing_whose_hashes_are_no_hashes_is_refused_before_anything_is_written(
    bench: Make, lie: dict[str, Any]
) -> None:
    found = bench(data=False)
    found.hub.repositories[MODEL].lies["config.json"] = lie
    assert "expected 40 and 64 hex digits" in found.refused()
    assert not found.lying()


@pytest.mark.slow
def test_the_command_fetches_what_a_run_without_network_then_uses(make_manifest: ManifestMaker, tmp_path: Path) -> None:
    manifest, home = hub_experiment(make_manifest, engine="real"), str(tmp_path / "home")
    command = [PYTHON, "-P", "-m", "selfimp_bench"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    offline = clean | {"HF_HUB_OFFLINE": "1", "HF_ENDPOINT": "http://127.0.0.1:9"}

    def call(*words: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *words, "--home", home], capture_output=True, text=True, env=environment)

    first = call("run", str(manifest), environment=offline)
    assert first.returncode == 2
    assert f"selfimp-bench fetch {manifest} --home {home}" in first.stderr and "Traceback" not in first.stderr
    with running_hub() as hub:
        fill(hub)
        online = clean | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")}
        fetched = call("fetch", str(manifest), "--json", environment=online)
    assert fetched.returncode == 0, fetched.stderr
    assert len(json.loads(fetched.stdout)["fetched"]) == 3
    assert "[1/5]" in fetched.stderr and "Traceback" not in fetched.stderr
    assert call("run", str(manifest), environment=offline).returncode == 0
