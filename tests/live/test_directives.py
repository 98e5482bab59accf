"""The user's own #SBATCH lines keep their effect: the submission overrides none of them."""

from pathlib import Path

import pytest

from tests.harness.caller import Caller
from tests.harness.sandbox_env import Cluster

ODD = "a b'c;$(touch canary) ü"


def controller(cluster: Cluster, job_id: str, format_: str) -> str:
    """Return what the controller knows of a job, as squeue prints it in `format_`."""
    return cluster.slurm("squeue", "-h", "-t", "all", "-j", cluster.number(job_id), "-o", format_).rstrip("\n")


def test_output_and_error_go_where_the_script_says(alice: Caller, cluster: Cluster) -> None:
    lines = [f'#SBATCH --output="out {ODD} %j.txt"', f'#SBATCH --error="err {ODD}.%x"', "#SBATCH --job-name=named"]
    job = alice.submit(cluster, *lines, "echo to error >&2", "echo to output")
    assert alice.written(job) == "to output\n"
    assert alice.written(job, "stderr") == "to error\n"
    files = {file.name for file in Path(str(alice.directory)).iterdir()}
    assert {f"out {ODD} {cluster.number(job['job_id'])}.txt", f"err {ODD}.named"} <= files


def test_output_to_an_absolute_path_is_read_from_there(alice: Caller, cluster: Cluster) -> None:
    path = f"{alice.directory}/absolute-{cluster.domain}"
    job = alice.submit(cluster, f"#SBATCH -o {path}", "pwd")
    assert alice.written(job) == Path(path).read_text() == f"{alice.directory}\n"


def test_the_job_s_name_and_comment_are_the_script_s(alice: Caller, cluster: Cluster) -> None:
    lines = ["#SBATCH --hold", f'#SBATCH --job-name="{ODD}"', f'#SBATCH --comment="comment {ODD}"']
    job = alice.submit(cluster, *lines)
    assert controller(cluster, job["job_id"], "%j|%k") == f"{ODD}|comment {ODD}"
    alice.end(job)


def test_the_environment_is_what_the_script_says(alice: Caller, cluster: Cluster) -> None:
    job = alice.submit(cluster, "#SBATCH --export=GREETING=hello", "echo $GREETING $(env | grep -c ^SBATCH_)")
    assert alice.written(job) == "hello 0\n"


def test_the_directory_is_the_script_s_before_the_order_s(alice: Caller, cluster: Cluster) -> None:
    home = f"/home/plgalice/{Path(str(alice.directory)).name}"
    job = alice.submit(cluster, f"#SBATCH --chdir={home}/..", "#SBATCH -o " + home + "/chdir-%j", "pwd -P")
    assert alice.written(job) == "/home/plgalice\n"


@pytest.mark.parametrize(
    ("directive", "format_", "effect"),
    [
        ("--time=42", "%l", "42:00"),
        ("--ntasks=5", "%C", "5"),
        ("--nice=17", "%y", "17"),
        ("--dependency=singleton", "%E", "singleton(unfulfilled)"),
        ("--nodes=2-2", "%D", "2"),
    ],
)
def test_what_a_job_asks_for_is_what_slurm_heard(
    alice: Caller, zeus: Cluster, directive: str, format_: str, effect: str
) -> None:
    job = alice.submit(zeus, "#SBATCH --hold", f"#SBATCH {directive}")
    assert controller(zeus, job["job_id"], format_).strip() == effect
    alice.end(job)


def test_the_script_arrives_byte_for_byte(alice: Caller, cluster: Cluster) -> None:
    odd = "# $(touch canary) `touch canary` ' \" \\ \t ü 漢\r \x7f EOF\n'EOF'\n"
    text = f"#!/bin/bash\n#SBATCH -A plgtest\nsed -n '/^# odd/,$p' \"$0\"\nexit\n# odd\n{odd}"
    answer = alice.order(cluster, text)
    assert answer.status_code == 201, answer.text
    assert alice.written(answer.json()) == f"# odd\n{odd}"


def test_the_script_may_be_in_any_language(alice: Caller, zeus: Cluster) -> None:
    answer = alice.order(zeus, "#!/usr/bin/awk -f\n#SBATCH -A plgtest\nBEGIN { print 6 * 7 }\n")
    assert alice.written(answer.json()) == "42\n"
