"""Rules across fields: ids, dependencies and their cycles, logs."""

import json

import pytest

from minisched.config import parse_config
from support.config import problems_of, task


def test_ids_that_differ_in_case_only_are_refused():
    found = problems_of({"tasks": [task("Backup"), task("backup"), task("Backup")]})
    assert found == [
        'tasks[1] (backup): task_id is "backup"; tasks[0] (Backup) has this id already, and ids are case-insensitive',
        'tasks[2] (Backup): task_id is "Backup"; tasks[0] (Backup) has this id already, and ids are case-insensitive',
    ]


def test_an_unknown_dependency_comes_with_the_near_id():
    found = problems_of({"tasks": [task("export_db"), task("b", task_dependencies=["exportdb"])]})
    assert found == ['tasks[1] (b): task_dependencies[0] is "exportdb"; no task has this id; did you mean "export_db"?']


def test_a_dependency_on_a_task_with_another_problem_is_not_unknown():
    found = problems_of({"tasks": [task("a", enabled=5), task("b", task_dependencies=["a"])]})
    assert found == ["tasks[0] (a): enabled is 5; expected true or false"]


@pytest.mark.parametrize(
    ("graph", "cycles"),
    [
        ({"a": "b", "b": "c", "c": "a"}, ["a -> b -> c -> a"]),
        ({"r": "c", "a": "c", "c": "a"}, ["a -> c -> a"]),  # it begins with what comes first in the file
        ({"a": "bc", "b": "a", "c": "a"}, ["a -> b -> a", "a -> c -> a"]),
        ({"a": "b", "b": "a", "c": "d", "d": "ca"}, ["a -> b -> a", "c -> d -> c"]),
        ({"a": "bc", "b": "d", "c": "d", "d": ""}, []),
    ],
)
def test_each_cycle_is_reported_once_with_its_path(graph, cycles):
    tasks = [task(task_id, task_dependencies=list(needs)) for task_id, needs in graph.items()]
    found = problems_of({"tasks": tasks})
    assert [problem.split("depends on the next: ")[1] for problem in found] == cycles


def test_a_cycle_of_ten_thousand_tasks_is_found_and_abbreviated():
    tasks = [task(f"t{index}", task_dependencies=[f"t{(index + 1) % 10_000}"]) for index in range(10_000)]
    (problem,) = problems_of({"tasks": tasks})
    assert problem.endswith("t16 -> t17 -> ... -> t9999 -> t0")


def test_tasks_that_all_need_each_other_make_a_list_that_can_be_read():
    ids = [f"t{index}" for index in range(100)]
    found = problems_of(
        {"tasks": [task(one, task_dependencies=[other for other in ids if other != one]) for one in ids]}
    )
    assert len(found) == 20


@pytest.mark.parametrize(
    ("logs", "words"),
    [
        (["x.log", "./X.log"], "it is the log of tasks[0] (t0)"),
        (["x.log", "/home/plant/logs/a/../x.log"], "it is the log of tasks[0] (t0)"),
        (["/var/log/x.log", "/var/log//x.log"], "it is the log of tasks[0] (t0)"),
        (["a.log", "t0.log", None], None),
        ([None, "t0.log"], "it is the log of tasks[0] (t0)"),
        (["a.log.2026-11-23", "a.log"], "this name is used for rotated logs of tasks[1] (t1)"),
        (["a.log", "a.log.2026-11-23.2"], "this name is used for rotated logs of tasks[0] (t0)"),
        (["a.log.2026-11-23", "a.log.1"], None),
        (["minisched.log"], "it is the log of the engine"),
        (["MINISCHED.log"], "it is the log of the engine"),
        (["minisched.log.2026-01-01"], "this name is used for rotated logs of the engine"),
        (["a.log/x/b.log", "a.log"], "its folder is the log file of tasks[1] (t1)"),
        (["a/b.log", "c/b.log"], None),
        (["../x.log"], "expected a file inside logs/"),
        (["a/../../x.log"], "expected a file inside logs/"),
        ([".."], "expected a file inside logs/"),
        (["a/"], "expected a file inside logs/"),
        (["/var/log/plant/x.log"], None),
        (["/home/plant/tasks/config.json"], "it is in tasks/ or var/ of the home; expected a path in logs/ or"),
        (["/home/plant/var/minisched.db"], "it is in tasks/ or var/ of the home"),
        (["/home/plant/logs/../VAR/x.log"], "it is in tasks/ or var/ of the home"),
        (["/home/plant/var"], "it is in tasks/ or var/ of the home"),
        (["/home/plant/variety/x.log"], None),
    ],
)
def test_each_task_has_a_log_of_its_own(logs, words):
    tasks = [task(f"t{index}", **({"task_log": log} if log else {})) for index, log in enumerate(logs)]
    found = problems_of({"tasks": tasks}, home="/home/plant")
    assert [words in problem for problem in found] == ([True] if words else [])


def test_a_task_named_as_the_engine_needs_another_log():
    (problem,) = problems_of({"tasks": [task("minisched")]})
    assert problem.endswith(
        'task_log is "minisched.log"; it is the log of the engine; expected a different log for each task'
    )


def test_other_threads_can_run_while_many_tasks_are_read() -> None:
    pauses: list[None] = []
    tasks = [{"task_id": f"t{number}", "task_exec": "true"} for number in range(520)]
    data = json.dumps({"version": 1, "tasks": tasks}).encode()
    found, problems = parse_config(data, pause=lambda: pauses.append(None))
    assert found is not None and not problems and len(pauses) == 10
