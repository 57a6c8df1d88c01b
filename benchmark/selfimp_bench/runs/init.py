"""`init`: an experiment of one's own, made from one that is there: its own model, data, iterations or task.

What is made is a resolved manifest. Everything that pins content is computed: rows, digests, the weights' sha256, the
token ids of a canary prompt. A claim is kept where what is measured can still decide it.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from selfimp_bench.canonical import file_sha256
from selfimp_bench.durable import write_atomically
from selfimp_bench.engines.tokens import TokenCodec, load_codec, read_json
from selfimp_bench.engines.weights import weight_files, weights_digest
from selfimp_bench.errors import Flaw, InputError
from selfimp_bench.manifest.catalog import entries, find
from selfimp_bench.manifest.fault import Fault, path_text
from selfimp_bench.manifest.yaml_scalar import Json
from selfimp_bench.manifest.yaml_text import yaml_text
from selfimp_bench.places import ASSETS
from selfimp_bench.plain_json import shortened
from selfimp_bench.plural import plural
from selfimp_bench.protocols.load import load_experiment
from selfimp_bench.protocols.load_resolved import resolved_faults
from selfimp_bench.protocols.post_training.smoke import smoke_blocks
from selfimp_bench.runs.hardware.sizes import architecture_in
from selfimp_bench.runs.validate import validate
from selfimp_bench.steps.dataset import iterate_rows, problem_row, problems_digest, read_problems
from selfimp_bench.steps.sample import render_prompt
from selfimp_bench.tasks.grading.graders import GRADERS
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.tables import PROBLEM_READERS

Data = dict[str, Any]

PROTOCOL: Final = "iterative-post-training"
SPLITS: Final = ("train", "test", "ood")
OWN: Final = "given to `selfimp-bench init`"
_HUB: Final = re.compile(r"([\w.-]+/[\w.-]+)@([0-9a-f]{40})")
_SUFFIXES: Final = (".jsonl", ".parquet")


@dataclass(frozen=True, kw_only=True)
class Initialised:
    """What `init` wrote.

    kept: ids of the claims that stay. dropped: ids of the others, each with the reason. notes: what else was done to
    the experiment, or made beside it, in words.
    """

    path: Path
    kept: tuple[str, ...]
    dropped: Mapping[str, str]
    notes: tuple[str, ...]


def init(
    name: str,
    *,
    source: str,
    folder: Path,
    model: str | None = None,
    data: Path | None = None,
    iterations: int | None = None,
    task: str | None = None,
) -> Initialised:
    """Write ``folder/NAME.v1.yaml``, the experiment ``source`` with what is given in place of its own.

    model: a folder (config.json, tokenizer.json, safetensors), ORG/NAME@REVISION of the hub, or a shipped model. data:
    a folder with train and test, and ood if there is any, as .jsonl or .parquet: rows of this kit or of the task's own
    data set. iterations: 1 or more; the schedule goes on as it began. task: a grader's name, with ``data``.
    Raises InputError for what cannot be such an experiment, and writes nothing then.
    """
    path = folder / f"{name}.v1.yaml"
    if path.exists():
        raise InputError(f"{path}: is there already; choose another name, or remove it")
    loaded = load_experiment(find(source))
    made = _Made(name=name, folder=folder, data=deepcopy(loaded.data), source=source)  # type: ignore[arg-type]
    if made.data["protocol"] != PROTOCOL:
        raise InputError(
            f"{source}: follows the protocol {made.data['protocol']}; init knows {PROTOCOL}. "
            f"`selfimp-bench show {source} --resolved` prints it to be changed by hand"
        )
    if task is not None:
        made.take_task(task, data)
    if data is not None:
        made.take_data(data)
    if model is not None:
        made.take_model(model)
    if own := " and ".join(word for word, given in (("model", model), ("data", data)) if given is not None):
        made.leave_published(own)
    if iterations is not None:
        made.take_iterations(iterations)
    made.rename()
    made.finish(path)
    claims = [claim["id"] for claim in made.data["claims"]]
    return Initialised(path=path, kept=tuple(claims), dropped=made.dropped, notes=tuple(made.notes))


class _Made:
    """The experiment while it is made: its data, what became of the claims, and files that are to lie beside it."""

    def __init__(self, *, name: str, folder: Path, data: Data, source: str) -> None:
        self.name, self.folder, self.data, self.source = name, folder, data, source
        self.dropped: dict[str, str] = {}
        self.notes: list[str] = []
        self._problems: dict[str, tuple[Problem, ...]] = {}
        self._files: dict[Path, bytes] = {}
        self._links: dict[Path, Path] = {}

    def rename(self) -> None:
        data = self.data
        data |= {"name": self.name, "version": 1, "title": f"{self.name}, after {self.source}"}
        data["summary"] = f"Made from {self.source} with `selfimp-bench init`: {data['summary']}"
        for key in ("corrects", "variant", "profiles"):
            data.pop(key, None)
        if (smoke := smoke_blocks(data)) is not None:
            data["profiles"] = {"smoke": smoke}

    # What is given

    def take_task(self, task: str, data: Path | None) -> None:
        if task not in GRADERS:
            raise InputError(f"--task {task}: no such task; known: {', '.join(GRADERS)}")
        if data is None:
            raise InputError(f"--task {task}: its problems are needed; give --data, a folder with train and test")
        self.data["grading"] = {"task": task, "extraction": "strict", "source": OWN}
        if (prompt := _prompt_of(task)) is not None:
            self.data["prompt"] = prompt
        self.data.pop("rationales", None)

    def take_data(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError(f"--data {folder}: no such folder; expected one with train.jsonl and test.jsonl")
        task, datasets = self.data["grading"]["task"], {}
        for split in SPLITS:
            file = next(
                (folder / f"{split}{suffix}" for suffix in _SUFFIXES if (folder / f"{split}{suffix}").is_file()), None
            )
            if file is not None:
                datasets[split] = self._dataset(split, file, task)
            elif split != "ood":
                raise InputError(
                    f"--data {folder}: no {split}.jsonl or {split}.parquet in it; expected both train and test"
                )
        self.data["datasets"] = datasets
        self.data.pop("ood_grading", None)
        self.data.pop("rationales", None)
        probe = self.data["engines"].get("probe")
        if probe is not None and probe["prompts"] > datasets["test"]["rows"]:
            probe["prompts"] = datasets["test"]["rows"]
            self.notes.append(f"engines.probe.prompts is {probe['prompts']}, all test problems")
        if "ood" not in datasets:
            self._unmeasure("group-disparity", "there are no ood problems")
        elif any(problem.level is None for problem in self._problems["ood"]):
            self._unmeasure("group-disparity", "its problems have no level")

    def _dataset(self, split: str, file: Path, task: str) -> Data:
        problems, are_ours = _problems(file, split, task)
        path = _inside(file, self.folder) if are_ours else None
        if path is None:
            target = self.folder / f"{self.name}.{split}.jsonl"
            self._files[target] = b"".join(msgspec.json.encode(problem_row(each)) + b"\n" for each in problems)
            self.notes.append(
                f"{target}: the {plural(len(problems), 'problem')} of {file}"
                + ("" if are_ours else f" as {task}'s, with ids")
            )
            path = target.name
        self._problems[split] = problems
        return {
            "id": f"{self.name}-{split}",
            "path": path,
            "rows": len(problems),
            "digest": problems_digest(problems),
            "source": OWN,
        }

    def take_iterations(self, total: int) -> None:
        rules = self.data["post_training"]
        schedule: list[str] = rules["schedule"]
        last = len(schedule)
        rules["schedule"] = extended(schedule, total)
        claims = [(claim["id"], _with_last(claim, last, total)) for claim in self.data["claims"]]
        for name, claim in claims:
            if claim is None:
                self.dropped[name] = f"is about more iterations than {total}"
        self.data["claims"] = [claim for _, claim in claims if claim is not None]
        if "dpo" not in rules["schedule"]:
            self.data.pop("dpo", None)

    def take_model(self, model: str) -> None:
        prompt, hub = self.data["prompt"], _HUB.fullmatch(model)
        prompt["canaries"] = []
        if Path(model).is_dir():
            self._take_folder(_own_id(Path(model).resolve().name), Path(model), is_asset=False)
        elif (ASSETS / model / "config.json").is_file() and "/" not in model:
            self._take_folder(model, ASSETS / model, is_asset=True)
        elif hub is not None:
            entry = {"id": _own_id(hub[1].rpartition("/")[2]), "repo": hub[1], "revision": hub[2], "source": OWN}
            self.data["models"] = [entry]
            self._assume_no_canaries("its tokenizer was not at hand")
        else:
            raise InputError(
                f"--model {model}: no such folder; expected a folder with config.json, tokenizer.json and safetensors, "
                "ORG/NAME@REVISION of the hub with 40 hex digits, or a shipped model"
            )

    def _take_folder(self, name: str, folder: Path, *, is_asset: bool) -> None:
        files, codec = weight_files(folder), load_codec(folder)
        entry: Data = {"id": name}
        if is_asset:
            entry["asset"] = name
        else:
            entry["path"] = _inside(folder, self.folder) or self._link(folder)
        entry["weights_sha256"] = weights_digest({file.name: file_sha256(file) for file in files})
        if not is_asset:
            entry["architecture"] = msgspec.to_builtins(architecture_in(folder, OWN))
            entry["architecture"] = {k: v for k, v in entry["architecture"].items() if v is not None}
        self.data["models"] = [entry | {"source": OWN}]
        self._take_prompt(name, codec)
        positions = read_json(folder / "config.json").get("max_position_embeddings")
        vllm = self.data["engines"].get("vllm")
        if vllm is not None and isinstance(positions, int) and positions < vllm["max_model_len"]:
            self.notes.append(f"engines.vllm.max_model_len is {positions}, the model's (was {vllm['max_model_len']})")
            vllm["max_model_len"] = positions

    def _take_prompt(self, model: str, codec: TokenCodec) -> None:
        prompt = self.data["prompt"]
        if prompt["add_bos"] and codec.bos_id is None:
            prompt["add_bos"] = False
            self.notes.append("prompt.add_bos is false: the model has no BOS token")
        some = Problem(problem_id="canary", question="How many?", choices=("1", "2"), tests=("assert f() == 1",))
        problem = self._problems["test"][0] if self._problems else some
        asked = {"question": problem.question}
        for field in ("choices", "tests"):
            if f"{{{field}}}" in prompt["template"]:
                asked[field] = list(getattr(problem, field) or ())  # type: ignore[assignment]
        tokens = codec.encode_prompt(render_prompt(prompt["template"], problem), add_bos=prompt["add_bos"])
        prompt["canaries"] = [{"model": model, **asked, "token_ids": list(tokens)}]
        if isinstance(prompt.get("assumed"), dict):
            prompt["assumed"].pop("canaries", None)

    def _assume_no_canaries(self, reason: str) -> None:
        prompt = self.data["prompt"]
        if isinstance(prompt.get("assumed"), str):
            prompt["assumed"] = {"template": prompt["assumed"]}
        prompt.setdefault("assumed", {})["canaries"] = reason

    def _link(self, folder: Path) -> str:
        link = self.folder / f"{self.name}.model"
        self._links[link] = folder.resolve()
        self.notes.append(f"{link}: a link to {folder.resolve()}")
        return link.name

    def _unmeasure(self, metric: str, reason: str) -> None:
        measure = self.data["measure"]
        if metric in measure["metrics"]:
            measure["metrics"] = [each for each in measure["metrics"] if each != metric]
            self.notes.append(f"{metric} is not measured: {reason}")

    # What stays of the claims

    def leave_published(self, own: str) -> None:
        """Leave out claims that are about published numbers, which are others' for another model or other data."""
        for claim in self.data["claims"]:
            if "value" in _keys(claim):
                self.dropped[claim["id"]] = f"is about published numbers, and they are not of your {own}"
        self.data["claims"] = [claim for claim in self.data["claims"] if claim["id"] not in self.dropped]
        for figure in self.data.get("figures") or ():
            if figure.pop("beside", None) is not None:
                figure["unpublished"] = "an experiment of one's own: no numbers of it are published"

    def finish(self, path: Path) -> None:
        """Leave out what cannot be, as long as only claims, figures and what may vary are in the way; then write."""
        while faults := resolved_faults(self.data, frozenset(), self.folder, path.name):
            self._leave_out(path, [(fault.path, fault.message) for fault in faults], faults)
        self._refuse_others()
        new = [each for each in (path, *self._files, *self._links) if not os.path.lexists(each)]
        self.folder.mkdir(parents=True, exist_ok=True)
        for target, raw in self._files.items():
            write_atomically(target, raw)
        for link, folder in self._links.items():
            if link in new:
                link.symlink_to(folder, target_is_directory=True)
        write_atomically(path, yaml_text(self.data).encode())
        while flaws := validate([str(path)]).flaws:
            try:
                self._leave_out(path, [(_place(flaw), flaw.message) for flaw in flaws], flaws)
            except InputError:
                for each in new:
                    each.unlink()
                raise
            write_atomically(path, yaml_text(self.data).encode())

    def _refuse_others(self) -> None:
        """Raises InputError where something else lies where a file or a link is to lie: nothing is overwritten."""
        others = [
            *(each for each, raw in self._files.items() if os.path.lexists(each) and _content(each) != raw),
            *(each for each, to in self._links.items() if os.path.lexists(each) and each.resolve() != to),
        ]
        for each in others:
            raise InputError(f"{each}: is there already, and is something else; choose another name, or remove it")

    def _leave_out(
        self, path: Path, found: Sequence[tuple[Sequence[object], str]], all_: Sequence[Fault | Flaw]
    ) -> None:
        drop: dict[str, dict[int, str]] = {"claims": {}, "figures": {}, "sensitivity": {}}
        for where, message in found:
            if len(where) > 1 and where[0] in drop and isinstance(where[1], int):
                drop[str(where[0])].setdefault(where[1], message)
        if not any(drop.values()):
            lines = [
                f"{path_text(each.path)}: {each.message}" if isinstance(each, Fault) else str(each) for each in all_
            ]
            raise InputError("\n".join([f"{path}: cannot be such an experiment:", *(f"  {line}" for line in lines)]))
        for key, indices in drop.items():
            for index, message in indices.items():
                if key == "claims":
                    self.dropped[self.data[key][index]["id"]] = message
                elif key == "figures":
                    self.notes.append(f"the figure {self.data[key][index]['id']} is left out: {message}")
            if indices:
                left = [each for index, each in enumerate(self.data[key]) if index not in indices]
                self.data[key] = left
                if not left and key != "claims":
                    del self.data[key]


def extended(schedule: Sequence[str], total: int) -> list[str]:
    """The first ``total`` steps of a schedule that goes on as it began: sft-gold, and then what repeats in it."""
    first, rest = list(schedule[:1]), list(schedule[1:])
    if not rest:
        raise InputError(
            f"--iterations {total}: the schedule is {', '.join(schedule)} alone, which does not say how it goes on"
        )
    period = next(
        size for size in range(1, len(rest) + 1) if all(a == b for a, b in zip(rest, rest[size:], strict=False))
    )
    return (first + [rest[index % period] for index in range(total - 1)])[:total]


def _with_last(claim: Data, last: int, total: int) -> Data | None:
    """A claim for ``total`` iterations in place of ``last``; None where nothing of it is left.

    What is said of the last iteration is of the new last one, what of the way there is of the iterations there are, and
    published numbers stay with their own.
    """
    if "value" in claim:
        points = [point for point in claim["value"]["points"] if point["iteration"] <= total]
        return claim | {"value": claim["value"] | {"points": points}} if points else None
    if "trend" in claim:
        said = claim["trend"]["iterations"]
        new = [each for each in said if each <= total]
        if total > last and said[-1] == last and len(said) > 1:
            new += range(last + 1, total + 1)
        return claim | {"trend": claim["trend"] | {"iterations": new}} if len(new) > 1 else None
    for key in ("any_of", "all_of"):
        if key in claim:
            parts = [_with_last(part, last, total) for part in claim[key]]
            left = [part for part in parts if part is not None]
            if len(left) < len(parts) and (key == "all_of" or not left):
                return None
            return claim | {key: left}
    moved = deepcopy(claim)
    for cell in _cells(moved):
        if cell["iteration"] == last:
            cell["iteration"] = total
        elif cell["iteration"] > total:
            return None
    sides = [json.dumps(each, sort_keys=True) for each in _cells(moved)]
    return None if len(sides) > 1 and len(set(sides)) == 1 else moved


def _cells(value: Any) -> Iterator[Data]:
    if isinstance(value, dict):
        if "iteration" in value and "metric" in value:
            yield value
        for each in value.values():
            yield from _cells(each)
    elif isinstance(value, list):
        for each in value:
            yield from _cells(each)


def _keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for each in value.values() for key in _keys(each)}
    return {key for each in value for key in _keys(each)} if isinstance(value, list) else set()


def _place(flaw: Flaw) -> list[object]:
    """``$.claims[3].order`` as a path."""
    return [int(part) if part.isdigit() else part for part in re.findall(r"[\w-]+", flaw.where.lstrip("$"))]


def _prompt_of(task: str) -> Json:
    """The prompt of the first shipped experiment of a task, without what is its models'."""
    for entry in entries():
        data: Any = load_experiment(entry.place).data
        if data["protocol"] == PROTOCOL and data["grading"]["task"] == task:
            return {**data["prompt"], "canaries": []}
    return None


def _problems(file: Path, split: str, task: str) -> tuple[tuple[Problem, ...], bool]:
    """The problems of a file, and whether they have this kit's own form."""
    first = next(iterate_rows(file), None)
    if first is None:
        raise InputError(f"{file}: holds no problem")
    if "problem_id" in first or task not in PROBLEM_READERS:
        return read_problems(file), True
    read, found = PROBLEM_READERS[task], []
    for index, row in enumerate(iterate_rows(file)):
        try:
            found.append(read(row, f"{split}-{index}"))
        except (KeyError, InputError):
            there = shortened(", ".join(row), 400)
            raise InputError(
                f"{file}:{index + 1}: has neither problem_id and question, nor task {task}'s columns; it has {there}"
            ) from None
    return tuple(found), False


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _inside(path: Path, folder: Path) -> str | None:
    """The path relative to the folder, if it lies there."""
    resolved, home = path.resolve(), folder.resolve()
    return resolved.relative_to(home).as_posix() if resolved.is_relative_to(home) else None


def _own_id(name: str) -> str:
    return re.sub(r"[^a-z0-9.-]+", "-", name.lower()).strip("-.") or "model"
