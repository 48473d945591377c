"""Tasks for systemd, Kubernetes, Airflow and cron: what is written, and what the report says of each task."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Optional

import pytest

from minisched.config import parse_document
from minisched.migration.crontab import Options, read_crontab
from minisched.migration.export import Exported, TaskReport
from minisched.migration.to_airflow import export_airflow
from minisched.migration.to_crontab import export_crontab
from minisched.migration.to_kubernetes import Image, export_kubernetes, name_of
from minisched.migration.to_systemd import export_systemd
from minisched.model import CalendarRule, Config
from minisched.timetable import parse_schedule
from minisched.timetable.schedule import CronSchedule

NOW = 1_795_000_000.0
HOME = "/srv/plant"
IMAGE = Image("registry.example/jobs:1")
STRANGE = "echo \"a b\" 'c$d' \\ 100% $(date +%F)\n\techo 二 # x"
DAILY = {"task_schedule": "30 2 * * *"}


def config(*tasks: dict[str, Any], zone: str = "Europe/Berlin") -> Config:
    full = [{"task_id": "a", "task_exec": "true", **task} for task in tasks]
    top = {"timezone": zone, "smtp": {"host": "localhost", "from": "a@example.org"}}
    found, problems = parse_document({"version": 1, "settings": top, "tasks": full}, home=HOME)
    assert found is not None and not problems, problems
    return found


def systemd(*tasks: dict[str, Any]) -> Exported:
    return export_systemd(config(*tasks), HOME, NOW)


def kubernetes(*tasks: dict[str, Any], image: Image = IMAGE) -> tuple[list[dict[str, Any]], list[TaskReport]]:
    found = export_kubernetes(config(*tasks), image, NOW)
    return json.loads(found.files["cronjobs.json"])["items"], found.tasks


def crontab(*tasks: dict[str, Any], zone: Optional[str] = None) -> tuple[list[str], list[TaskReport]]:
    found = export_crontab(config(*tasks), HOME, NOW, zone)
    return [line for line in found.files["crontab"].splitlines() if line], found.tasks


def codes(report: TaskReport, kind: str = "lost") -> dict[str, str]:
    return {one.field: one.text.code.split(".", 1)[1] for one in report.findings if one.text and one.kind == kind}


def left_out(report: TaskReport) -> str:
    assert report.left_out is not None
    return report.left_out.code.split(".", 1)[1]


def unit_values(text: str, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)


# -------------------------------------------------------------------------------------------------------------- systemd


def test_a_task_is_a_service_a_timer_and_a_gate() -> None:
    files = systemd({**DAILY, "task_name": "Nightly 100%"}).files
    assert sorted(files) == ["minisched-a-due.service", "minisched-a.service", "minisched-a.timer"]
    timer = files["minisched-a.timer"]
    assert unit_values(timer, "OnCalendar") == ["*-*-* 02:30:00 Europe/Berlin"]
    assert unit_values(timer, "Unit") == ["minisched-a-due.service"]
    assert (unit_values(timer, "Persistent"), unit_values(timer, "AccuracySec")) == (["true"], ["1us"])
    service = files["minisched-a.service"]
    assert unit_values(service, "Description") == ["Nightly 100%%"]
    assert unit_values(service, "WorkingDirectory") == [HOME]
    assert unit_values(service, "TimeoutStartSec") == ["86400s"]


@pytest.mark.parametrize(
    ("overlap", "unit", "verb"), [("skip", "a-due", "start"), ("replace", "a-due", "restart"), ("queue", "a", None)]
)
def test_a_service_alone_queues_so_others_have_a_gate(overlap: str, unit: str, verb: Optional[str]) -> None:
    files = systemd({**DAILY, "task_overlap": overlap}).files
    assert unit_values(files["minisched-a.timer"], "Unit") == [f"minisched-{unit}.service"]
    gate = files.get("minisched-a-due.service", "")
    assert (f" {verb} --no-block" in gate) is bool(verb)
    assert ("exit 0;; esac" in gate) is (overlap == "skip")


def test_attempts_are_counted_and_exit_code_1_is_not_tried_again() -> None:
    retry = {"max_attempts": 3, "delay": "30s"}
    service = systemd({**DAILY, "task_retry": retry, "task_timeout": "5m"}).files["minisched-a.service"]
    assert unit_values(service, "RestartPreventExitStatus") == ["1"]
    assert (unit_values(service, "StartLimitBurst"), unit_values(service, "RestartSec")) == (["3"], ["30s"])
    assert unit_values(service, "StartLimitIntervalSec") == [f"{3 * (300 + 10 + 30)}s"]


def test_exit_codes_are_those_of_the_target_as_far_as_it_has_them() -> None:
    rsync = {
        **DAILY,
        "task_retry": {"max_attempts": 3},
        "task_exit_codes": {"success": [0, 24], "business_failure": [3, 2]},
    }
    found = systemd(rsync)
    service = found.files["minisched-a.service"]
    assert unit_values(service, "SuccessExitStatus") == ["24"]
    assert unit_values(service, "RestartPreventExitStatus") == ["3 2"]
    assert "task_exit_codes" not in codes(found.tasks[0])
    plain = {**rsync, "task_exit_codes": {"business_failure": []}}
    assert unit_values(systemd(plain).files["minisched-a.service"], "RestartPreventExitStatus") == []
    odd = {**rsync, "task_exit_codes": {"success": [24]}}
    assert codes(systemd(odd).tasks[0])["task_exit_codes"] == "systemd.exit_codes"

    (job,), (report,) = kubernetes(rsync)
    _, failed = job["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    assert failed["onExitCodes"]["values"] == [2, 3]
    assert codes(report)["task_exit_codes"] == "kubernetes.exit_codes"
    (job,), (report,) = kubernetes(plain)
    assert len(job["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]) == 1
    assert "task_exit_codes" not in codes(report)

    ((said,),) = airflow(rsync)[0].values()
    assert (said["success"], said["business_failure"]) == ([0, 24], [3, 2])
    assert codes(crontab(rsync)[1][0])["task_exit_codes"] == "crontab.exit_codes"


def test_a_single_dependency_is_started_by_success() -> None:
    found = systemd({"task_id": "b", "task_dependencies": ["a"]}, DAILY)
    assert unit_values(found.files["minisched-a.service"], "OnSuccess") == ["minisched-b.service"]
    assert "minisched-b.timer" not in found.files


@pytest.mark.parametrize(
    ("on", "settings"), [("failure", ["OnFailure"]), ("end", ["OnSuccess", "OnFailure"]), ("success", ["OnSuccess"])]
)
def test_a_dependency_on_an_end_is_started_by_that_end(on: str, settings: list[str]) -> None:
    after = {"task_id": "b", "task_dependencies": [{"task_id": "a", "on": on}]}
    found = systemd(after, DAILY)
    service = found.files["minisched-a.service"]
    assert [name for name in ("OnSuccess", "OnFailure") if unit_values(service, name)] == settings
    (report,) = airflow(after, DAILY)[1][:1]
    assert (report.left_out and left_out(report)) == (None if on == "success" else "left.on")


def test_a_dependency_on_a_state_is_left_out() -> None:
    state = {"task_id": "b", "task_schedule": "@daily", "task_dependencies": [{"task_id": "a", "within": "ever"}]}
    for reports in (
        systemd(state, DAILY).tasks,
        kubernetes(state, DAILY)[1],
        airflow(state, DAILY)[1],
        crontab(state, DAILY)[1],
    ):
        assert left_out(reports[0]) == "left.within"


def test_what_cannot_be_started_is_left_out_with_what_comes_after_it() -> None:
    found = systemd(
        {"task_id": "by_hand"},
        {"task_id": "after", "task_dependencies": ["by_hand"]},
        {"task_id": "join", "task_dependencies": ["a", "b"]},
        {"task_id": "both", "task_dependencies": ["a"], **DAILY},
        DAILY,
        {"task_id": "b", **DAILY},
    )
    kept = [one.task_id for one in found.tasks if not one.left_out]
    assert kept == ["a", "b"]
    reasons = {one.task_id: left_out(one) for one in found.tasks if one.left_out}
    assert reasons == {
        "by_hand": "left.by_hand",
        "after": "left.upstream",
        "join": "left.join",
        "both": "left.schedule_and_dependency",
    }


def test_secrets_are_named_and_never_written() -> None:
    env = {"PW": {"from_env": "DB_PW"}, "KEY": {"from_file": "var/key"}, "LEVEL": 'fu"ll $HOME 100%'}
    found = systemd({**DAILY, "task_env": env})
    service = found.files["minisched-a.service"]
    assert unit_values(service, "EnvironmentFile") == ["/etc/minisched/a.env"]
    assert 'Environment="LEVEL=fu\\"ll $HOME 100%%"' in service
    assert "DB_PW" not in service and "var/key" not in service
    assert codes(found.tasks[0], "approximated")["task_env"] == "systemd.secrets"


def test_env_files_are_read_by_the_unit() -> None:
    files = ["var/a.env", "/etc/b%.env"]
    found = systemd({**DAILY, "task_env_file": files})
    paths = unit_values(found.files["minisched-a.service"], "EnvironmentFile")
    assert paths == [f"{HOME}/var/a.env", "/etc/b%%.env"]
    assert codes(found.tasks[0], "approximated")["task_env_file"] == "systemd.env_file"
    both = systemd({**DAILY, "task_env_file": "var/a.env", "task_env": {"A": "1"}})
    assert codes(both.tasks[0], "approximated")["task_env_file"] == "systemd.env_file_order"


def test_env_files_are_a_secret_of_kubernetes() -> None:
    items, reports = kubernetes({**DAILY, "task_env_file": ["var/a.env", "var/b.env"]})
    container = items[0]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    names = [one["secretRef"]["name"] for one in container["envFrom"]]
    assert len(set(names)) == 2
    assert codes(reports[0], "approximated")["task_env_file"] == "kubernetes.env_file"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    found = systemd(
        {
            **DAILY,
            "task_exec": "echo \"a b\" 'c$d' \\ 100% $(date +%F)\n\techo 二 # x",
            "task_nice": 5,
            "task_jitter": "30s",
        },
        {"task_id": "b", "task_dependencies": ["a"], "task_exec": ["/bin/echo", "$x", "100%", 'q"', ""]},
        {"task_id": "c", "task_schedule": ["@reboot", "@every 7m"], "task_overlap": "replace"},
        {"task_id": "d", "task_schedule": "0 0 13 * fri", "task_limits": {"memory": "512MB", "open_files": 256}},
    )
    for name, content in found.files.items():
        (tmp_path / name).write_text(content)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, tmp_path.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )
    about_ours = [line for line in done.stderr.splitlines() if "minisched-" in line]
    assert (about_ours, done.returncode) == ([], 0)  # an unknown key is a line, not a failure


# ----------------------------------------------------------------------------------------------------------- Kubernetes


def test_a_task_is_a_cron_job() -> None:
    (job,), (report,) = kubernetes({**DAILY, "task_retry": {"max_attempts": 3}})
    spec = job["spec"]
    assert (spec["schedule"], spec["timeZone"]) == ("30 2 * * *", "Europe/Berlin")
    assert (spec["concurrencyPolicy"], spec["startingDeadlineSeconds"], spec["suspend"]) == ("Forbid", 3600, False)
    template = spec["jobTemplate"]["spec"]
    assert template["backoffLimit"] == 2
    ignored, failed = template["podFailurePolicy"]["rules"]
    assert ignored["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    assert failed["onExitCodes"] == {"containerName": "task", "operator": "In", "values": [1]}
    pod = template["template"]["spec"]
    assert (pod["activeDeadlineSeconds"], pod["terminationGracePeriodSeconds"]) == (86400, 10)
    assert [night.day for night in report.nights] == ["2027-03-28", "2027-10-31", "2028-03-26", "2028-10-29"]


# What the API server of Kubernetes 1.36 refuses, as rules.
TROUBLE = [
    {"task_id": "Nightly_Backup"},
    {"task_id": "n" * 64},
    {"task_id": "_"},
    {"task_schedule": "0 0 * * 7"},
    {"task_schedule": "0 0 * * fri-mon"},
    {"task_schedule": ["0 6 * * *", "30 18 * * *"]},
    {"task_schedule": "@every 15m"},
    {"task_misfire": "skip"},
    {"task_misfire_grace": "3s"},
    {"task_overlap": "replace"},
    {"task_max_instances": 3},
    {"task_name": "备份 a b"},
    {"task_env": {"N": "5", "PW": {"from_env": "X"}}},
    {"task_limits": {"memory": "512MB", "cpu_seconds": 5}},
    {"task_timeout": "0.2s"},
    {"task_nice": -5},
    {"task_cwd": "sub"},
]


@pytest.mark.parametrize("attempts", ["plain", "indexed"])
@pytest.mark.parametrize("fields", TROUBLE, ids=[next(iter(fields)) for fields in TROUBLE])
def test_the_api_server_would_take_it(fields: dict[str, Any], attempts: str) -> None:
    jobs, _ = kubernetes({**DAILY, **fields}, image=Image("i:1", attempts))
    assert jobs
    for job in jobs:
        check(job)


def check(job: dict[str, Any]) -> None:
    metadata, spec = job["metadata"], job["spec"]
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", metadata["name"]) and len(metadata["name"]) <= 52
    low, high = (0, 0, 1, 1, 0), (59, 23, 31, 12, 6)
    fields = spec["schedule"].split(" ")
    assert len(fields) == 5
    for field, least, most in zip(fields, low, high):
        for item in field.split(","):
            if item != "*":
                numbers = [int(number) for number in item.split("-")]
                assert numbers == sorted(numbers) and least <= numbers[0] and numbers[-1] <= most
    assert "/" in spec["timeZone"] and spec["concurrencyPolicy"] in ("Allow", "Forbid", "Replace")
    assert isinstance(spec["startingDeadlineSeconds"], int) and spec["startingDeadlineSeconds"] >= 10
    for labels in (metadata["labels"], spec["jobTemplate"]["metadata"]["labels"]):
        assert all(re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?", value) for value in labels.values())
    template = spec["jobTemplate"]["spec"]
    assert ("backoffLimit" in template) is not ("backoffLimitPerIndex" in template)
    pod = template["template"]["spec"]
    assert pod["restartPolicy"] == "Never" and pod.get("activeDeadlineSeconds", 1) >= 1
    (container,) = pod["containers"]
    assert container["name"] == "task" and container["image"]
    assert all(isinstance(one.get("value", ""), str) for one in container["env"])
    assert container.get("workingDir", "/").startswith("/")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"task_schedule": "@reboot"}, "lost.reboot"),
        ({"task_schedule": "@at 2026-12-31T08:00"}, "lost.at"),
        ({"task_schedule": "0 0 L * *"}, "lost.dialect"),
        ({"task_schedule": "0 0 */2 * mon"}, "lost.both_days"),
        ({"task_schedule": "*/5 * * * * *"}, "lost.seconds"),
        ({"task_schedule": "@every 7m"}, "lost.every"),
        ({}, "left.by_hand"),
    ],
)
def test_what_kubernetes_cannot_is_left_out_by_name(fields: dict[str, Any], reason: str) -> None:
    jobs, (report,) = kubernetes(fields)
    assert (jobs, left_out(report)) == ([], reason)


def minute_of(text: str, task_id: str) -> int:
    schedule = parse_schedule(text, task_id)
    assert isinstance(schedule, CronSchedule)
    return schedule.minutes.bit_length() - 1


def test_a_calendar_is_lost_and_a_number_by_a_hash_is_written_as_it_is() -> None:
    found = config({"task_schedule": "H 2 * * *"})
    minute = "H 2 * * *".replace("H", str(minute_of("H 2 * * *", "a")))
    found = found._replace(tasks={"a": found.tasks["a"]._replace(task_calendar=CalendarRule("cn", "working"))})
    for made, reason, line in (
        (export_systemd(found, HOME, NOW), "lost.calendar", f"02:{minute.split()[0]:0>2}:00"),
        (export_kubernetes(found, IMAGE, NOW), "lost.calendar", minute),
        (export_crontab(found, HOME, NOW, "Europe/Berlin"), "lost.calendar", minute),
        (export_airflow(found, HOME, NOW), "airflow.calendar", minute),
    ):
        assert codes(made.tasks[0])["task_calendar"] == reason
        assert any(line in content for content in made.files.values())


def test_names_never_meet() -> None:
    ids = ["a_b", "a-b", "A-b", "a-B", "n" * 64, "n" * 63, "_", "-", "__"]
    names = [name_of(one) for one in ids]
    assert len(set(names)) == len(ids) and names[1] == "a-b"


def test_the_kubelet_expands_nothing_in_a_command() -> None:
    (job,), _ = kubernetes({**DAILY, "task_exec": "echo $(date) $HOME", "task_env": {"X": "$(Y)"}})
    container = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    assert container["args"] == ["/bin/sh", "-c", "echo $$(date) $HOME"]
    assert container["env"][0] == {"name": "X", "value": "$$(Y)"}


@pytest.mark.parametrize("attempts", ["plain", "indexed"])
def test_the_prelude_gives_a_script_its_due_time(attempts: str) -> None:
    task = {**DAILY, "task_exec": 'echo "$MINISCHED_SCHEDULED_TIME $MINISCHED_ATTEMPT"', "task_nice": 1}
    (job,), _ = kubernetes(task, image=Image("i", attempts))
    container = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    words = [word.replace("$$(", "$(") for word in (*container["command"], *container["args"])]
    env = {"PATH": os.environ["PATH"], "MINISCHED_RUN_ID": f"a-{29_916_090}", "MINISCHED_FAILURES": "2"}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    attempt = "3" if attempts == "indexed" else ""
    assert done.stdout == f"2026-11-18T01:30:00+00:00 {attempt}\n"


def test_skip_or_grace_is_the_users_choice() -> None:
    (job,), (report,) = kubernetes(DAILY)
    assert job["spec"]["startingDeadlineSeconds"] == 3600
    assert codes(report, "approximated")["task_overlap"] == "kubernetes.queue"
    (job,), (report,) = kubernetes(DAILY, image=Image("i", prefer="skip"))
    assert job["spec"]["startingDeadlineSeconds"] == 15
    assert codes(report, "approximated")["task_overlap"] == "kubernetes.skip"


# -------------------------------------------------------------------------------------------------------------- Airflow


def airflow(*tasks: dict[str, Any]) -> tuple[dict[str, list[dict[str, Any]]], list[TaskReport]]:
    """The tasks in each file."""
    found = export_airflow(config(*tasks), HOME, NOW)
    said = {}
    for name, text in found.files.items():
        value = next(
            node.value
            for node in ast.parse(text).body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TASKS"
        )
        said[name] = ast.literal_eval(value)
    return said, found.tasks


def test_tasks_that_depend_on_each_other_share_a_file() -> None:
    files, _ = airflow(
        {"task_id": "join", "task_dependencies": ["a", "b"]},
        DAILY,
        {"task_id": "alone", **DAILY},
        {"task_id": "b", **DAILY},
    )
    assert {name: [one["id"] for one in tasks] for name, tasks in files.items()} == {
        "minisched_join.py": ["join", "a", "b"],
        "minisched_alone.py": ["alone"],
    }
    join = files["minisched_join.py"][0]
    assert (join["schedule"], join["upstream"]) == ([], ["a", "b"])


def test_what_was_due_before_the_export_is_not_started() -> None:
    (text,) = export_airflow(config(DAILY), HOME, NOW).files.values()
    assert f"\nSTART = {NOW:.0f} " in text and "start_date=datetime.fromtimestamp(START, timezone.utc)" in text


def test_values_of_a_task_are_literals() -> None:
    files, _ = airflow(
        {**DAILY, "task_exec": "echo {{ ds }} '''\\ \n %s\" é", "task_env": {"A": "{{ x }}"}, "enabled": False}
    )
    (task,) = files["minisched_a.py"]
    assert task["exec"] == "echo {{ ds }} '''\\ \n %s\" é" and task["env"] == {"A": "{{ x }}"} and task["paused"]


# -------------------------------------------------------------------------------------------------------------- crontab


def test_a_line_has_what_cron_lacks() -> None:
    (zone, name, line), (report,) = crontab({**DAILY, "task_name": "Night", "task_exec": "date +%F", "task_nice": 5})
    assert (name, zone) == ("# Night", "CRON_TZ=Europe/Berlin")
    before = "30 2 * * * cd /srv/plant && flock -n /tmp/minisched-a.lock timeout -k 10 86400 nice -n 5"
    assert line == f"{before} /bin/sh -c 'date +\\%F'"
    assert codes(report)["task_misfire"] == "crontab.misfire"


def test_a_condition_is_asked_where_the_target_can_and_is_named_where_it_is_lost() -> None:
    task = {**DAILY, "task_condition": "test -e /mnt/nas/100%", "task_condition_wait": "1h", "task_env": {"A": "1"}}
    lines, (report,) = crontab(task)
    asked = r"cd /srv/plant && env A=1 /bin/sh -c 'test -e /mnt/nas/100\%' && env A=1 flock"
    assert asked in lines[-1]
    assert codes(report, "approximated")["task_condition"] == "crontab.condition"
    assert codes(report)["task_condition_wait"] == "lost.field"
    units = systemd(task)
    assert unit_values(units.files["minisched-a.service"], "ExecCondition") == ['/bin/sh "-c" "test -e /mnt/nas/100%%"']
    assert codes(units.tasks[0], "approximated")["task_condition"] == "systemd.condition"
    listed = unit_values(
        systemd({**DAILY, "task_condition": ["ready", "a b"]}).files["minisched-a.service"], "ExecCondition"
    )
    assert listed == ['ready "a b"']
    assert codes(kubernetes(task)[1][0])["task_condition"] == "kubernetes.condition"
    airflow = export_airflow(config(task), HOME, NOW).tasks
    assert codes(airflow[0])["task_condition"] == "airflow.condition"


def test_locks_are_files_in_crontabs_and_are_named_where_they_are_lost() -> None:
    task = {**DAILY, "task_locks": ["net", "db"]}
    lines, (report,) = crontab(task)
    first, second = "flock /tmp/minisched-lock.db.lock", "flock /tmp/minisched-lock.net.lock"
    assert f"flock -n /tmp/minisched-a.lock {first} {second} timeout" in lines[-1]
    assert codes(report, "approximated")["task_locks"] == "crontab.locks"
    others = {"systemd": systemd(task).tasks, "kubernetes": kubernetes(task)[1]}
    others["airflow"] = export_airflow(config(task), HOME, NOW).tasks
    assert {name: codes(found[0])["task_locks"] for name, found in others.items()} == {
        name: f"{name}.locks" for name in others
    }


def test_without_cronie_another_zone_is_left_out() -> None:
    assert left_out(crontab(DAILY, zone="UTC")[1][0]) == "left.zone"
    assert crontab(DAILY, zone="Europe/Berlin")[0][0].startswith("30 2 * * *")


@pytest.mark.skipif(not shutil.which("crontab"), reason="needs crontab")
def test_cron_takes_the_lines(tmp_path: Path) -> None:
    schedules = ["*/7 22-2 * * fri-mon", "0 0 1-31 * 7", "5/20 5-5 1,15 nov-feb *", "@hourly", "@every 15m", "@reboot"]
    lines, _ = crontab(
        *({"task_id": f"t{n}", "task_schedule": text} for n, text in enumerate(schedules)), zone="Europe/Berlin"
    )
    path = tmp_path / "crontab"
    path.write_text("".join(f"{line}\n" for line in lines))
    done = subprocess.run(["crontab", "-n", str(path)], capture_output=True, text=True, check=False)
    assert (len(lines), done.returncode) == (len(schedules), 0), done.stderr


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"task_exec": "a\nb"}, "left.lines"),
        ({"task_env": {"A": "x\ny"}}, "left.lines"),
        ({"task_env": {"A": {"from_env": "B"}}}, "left.secrets"),
        ({"task_env_file": "var/a.env"}, "left.env_file"),
        ({"task_user": "nobody"}, "left.user"),
        ({"task_schedule": [], "task_dependencies": ["b"]}, "left.dependency"),
    ],
)
def test_what_a_crontab_cannot_is_left_out_by_name(fields: dict[str, Any], reason: str) -> None:
    _, reports = crontab({**DAILY, **fields}, {"task_id": "b", **DAILY})
    assert left_out(reports[0]) == reason


IMPORTED = """\
# Nightly backup
30 2 * * * cd /srv/app && flock -n /l nice -n 19 ./backup.sh --full "a b" >> /var/log/x.log 2>&1
*/5 8-18 * * mon-fri A=1 B='x y' php artisan schedule:run > /dev/null
@reboot sleep $((RANDOM \\% 60)) && ~/start.sh
0 4 * * 7 /bin/bash -c 'source env; x | y' ; echo $(date +\\%F)
15 4 * * 7 /bin/bash -c 'source env; x | y'
1 1 1,15 * * flock /m timeout -k 5 10m z
#0 0 * * * off
SHELL=/bin/bash
CRON_TZ=Asia/Shanghai
0 3 * * * [[ -e /x ]] && /x
"""


def test_a_crontab_comes_back_as_it_went() -> None:
    def read(text: str) -> Config:
        options = Options(disabled=True, user="root")
        tasks = read_crontab(text.encode(), options, {"root": "/root"}.get).tasks
        found, problems = parse_document({"version": 1, "settings": {"timezone": "UTC"}, "tasks": tasks}, home=HOME)
        assert found is not None and not problems, problems
        return found

    first = read(IMPORTED)
    written = export_crontab(first, HOME, NOW, None).files["crontab"]
    second = read(written)
    assert list(second.tasks) == list(first.tasks)
    for task_id, task in first.tasks.items():
        schedule = second.tasks[task_id].task_schedule  # printed otherwise
        assert second.tasks[task_id] == task._replace(task_schedule=schedule)
    assert export_crontab(second, HOME, NOW, None).files["crontab"] == written
