"""A container's volume, and its image in the record."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from selfimp_bench.cli.app import cli
from selfimp_bench.errors import InputError
from selfimp_bench.machine import Image, describe_image, ready_home
from selfimp_bench.mounts import is_mounted

ROOT = Path(__file__).parent.parent

FACTS = {
    "accelerator": "cpu",
    "base_image": "base@sha256:1",
    "commit": "c0",
    "lock_digest": "11",
    "manifests_digest": "22",
    "references_digest": "33",
    "wheels_digest": "44",
}


def test_an_environment_that_is_no_image_has_no_image(tmp_path: Path) -> None:
    assert describe_image("sha256:5", tmp_path) is None


def test_an_image_says_what_it_was_built_from_and_its_digest_where_that_is_given(tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "image.json").write_text(json.dumps(FACTS))
    assert describe_image(None, tmp_path) == Image(**FACTS)
    assert describe_image("sha256:5", tmp_path) == Image(**FACTS, digest="sha256:5")


def test_outside_containers_the_home_is_made(tmp_path: Path) -> None:
    ready_home(tmp_path / "a" / "b", None)
    assert (tmp_path / "a" / "b").is_dir()


def test_a_container_without_a_volume_writes_nothing_and_says_how_to_mount_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no volume is mounted here.*docker run --volume selfimp-bench:"):
        ready_home(tmp_path / "home", tmp_path)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("name", "commands"),
    [
        ("tiny-iter-sft", ["--network=none {0} reproduce tiny-iter-sft"]),
        (
            "gsm8k-iter-sft",
            [
                "--env=HF_TOKEN {0} fetch gsm8k-iter-sft",
                "--network=none --gpus=all --ipc=host {0} reproduce gsm8k-iter-sft",
            ],
        ),
    ],
)
def test_a_container_that_lacks_something_says_the_commands_that_lead_to_a_run(
    tmp_path: Path, name: str, commands: list[str]
) -> None:
    place = {"SELFIMP_BENCH_VOLUME": str(tmp_path), "SELFIMP_BENCH_HOME": str(tmp_path)}
    run = CliRunner().invoke(cli, ["reproduce", name], env=place)
    assert run.exit_code == 2 and "no volume is mounted" in run.stderr
    assert [line.strip() for line in run.stderr.splitlines() if line.startswith("  docker")] == [
        f"docker run --rm {command.format(f'--volume=selfimp-bench:{tmp_path} selfimp-bench')}" for command in commands
    ]


def test_compose_confines_as_the_tests_of_the_image_do() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    asked = (ROOT / "ci" / "image").read_text()
    assert "--read-only --cap-drop ALL --security-opt no-new-privileges" in asked
    for service in services.values():
        assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["volumes"] == ["selfimp-bench:/data"]
        assert service["security_opt"] == ["no-new-privileges:true"] and service["pull_policy"] == "never"
    assert services["cpu"]["network_mode"] == services["gpu"]["network_mode"] == "none"
    assert services["gpu"]["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]


def test_what_an_image_does_not_use_is_taken_out_of_its_environment(tmp_path: Path) -> None:
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    gone = ["pandas/tests/a.py", "bitsandbytes/libbitsandbytes_rocm64.so", "bitsandbytes/libbitsandbytes_cuda118.so"]
    kept = ["pandas/frame.py", "bitsandbytes/libbitsandbytes_cpu.so", "bitsandbytes/libbitsandbytes_cuda130.so"]
    for name in (*gone, *kept):
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).write_text("1234")
    command = [sys.executable, ROOT / "ci" / "image_trim", "--accelerator", "cuda", tmp_path]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.search(r"^ +4  \*\*/tests$", said, re.MULTILINE)
    assert sorted(str(path.relative_to(packages)) for path in packages.rglob("*.*")) == sorted(kept)
    command[3] = "cpu"
    subprocess.run(command, capture_output=True, check=True)
    assert not (packages / kept[2]).exists() and (packages / kept[1]).exists()


def test_a_home_outside_the_volume_needs_no_volume(tmp_path: Path) -> None:
    ready_home(tmp_path / "elsewhere", tmp_path / "data")
    assert (tmp_path / "elsewhere").is_dir()


def test_a_mounted_volume_is_a_home() -> None:
    ready_home(Path("/dev/shm"), Path("/dev/shm"))


def test_a_volume_that_may_not_be_written_says_who_may_not_and_what_to_do() -> None:
    with pytest.raises(InputError, match=r"mount a volume that the container's user may write: .*--user"):
        ready_home(Path("/proc/home"), Path("/proc"))


def test_a_home_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"Not a directory; give a folder that you may write as --home"):
        ready_home(tmp_path / "file" / "home", None)


def test_a_folder_bound_from_the_root_s_own_file_system_is_mounted(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "700 600 254:0 /containers/vfs/1 / ro,relatime - ext4 /dev/vda rw\n"
        "701 700 254:0 /volumes/results /data rw,nosuid - ext4 /dev/vda rw\n"
        "702 700 254:0 /volumes/other /my\\040data rw,nosuid - ext4 /dev/vda rw\n"
    )
    assert is_mounted(Path("/data"), mounts) and is_mounted(Path("/my data"), mounts)
    assert not is_mounted(Path("/data/home"), mounts) and not is_mounted(Path("/volumes/results"), mounts)
