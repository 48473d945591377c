"""Every request is checked against its route, and gets an answer of one form."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minisched.api import edit, events
from minisched.api.context import STATUSES, Request, Turns
from minisched.api.dispatch import respond
from minisched.api.routing import BASE, MODULES, OPEN, PUBLIC, Match, NotAllowed, NotFound, Route, match, routes
from minisched.model import StoreError, Text
from minisched.threads import receive
from support.api import Api
from support.config import task
from support.programs import environment


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    one = Api(tmp_path / "home", task("a"), task("b", task_dependencies=["a"]))
    yield one
    one.close()


def test_a_path_has_its_route_and_its_ids() -> None:
    found = match("PUT", f"{BASE}/tasks/nightly_backup")
    assert isinstance(found, Match)
    assert (found.route.handler, found.ids) == (edit.replace, {"task_id": "nightly_backup"})
    assert match("DELETE", f"{BASE}/tasks") == NotAllowed("GET, HEAD, POST, PATCH")
    assert match("OPTIONS", f"{BASE}/executions/7/stop") == NotAllowed("POST")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        BASE,
        f"{BASE}/",
        f"{BASE}/tasks/",
        f"{BASE}/tasks/../x",
        f"{BASE}/tasks/{'a' * 65}",
        f"{BASE}/tasks/a.b",
        f"{BASE}/tasks/ä",
        f"{BASE}/tasks/a\n",
        f"{BASE}/executions/0",
        f"{BASE}/executions/007",
        f"{BASE}/executions/-1",
        f"{BASE}/executions/٧",
        f"{BASE}/executions/12345678901234567",
        f"{BASE}/Tasks",
        "/tasks",
    ],
)
def test_other_texts_are_no_path(path: str) -> None:
    assert match("GET", path) == NotFound()


def example(route: Route) -> str:
    """A path of it, without BASE."""
    return route.path.replace("{task_id}", "a").replace("{run_id}", "1").replace("{delivery_id}", "1")


def test_every_error_of_a_route_is_known() -> None:
    for route in routes():
        assert set(route.errors) <= set(STATUSES), route.path
        assert len({parameter.name for parameter in route.query}) == len(route.query)
        assert (route.body is not None) == (route.method in ("POST", "PUT", "PATCH"))


@pytest.mark.parametrize("route", routes(), ids=lambda route: f"{route.method} {route.path}")
def test_without_the_token_only_open_routes_answer(api: Api, route: Any) -> None:
    path = example(route)
    found = api(route.method, path, authorized=False)
    assert (found.status == 401) == (route.access != OPEN)
    if found.status == 401:
        assert found.headers["WWW-Authenticate"] == "Bearer"
    api.public_status = True
    found = api(route.method, path, authorized=False)
    assert (found.status == 401) == (route.access not in (OPEN, PUBLIC))
    if found.response.stream is not None:
        found.response.stream.close()  # type: ignore[attr-defined]


def test_an_unknown_path_is_404_and_a_wrong_method_405(api: Api) -> None:
    assert (api.get("/nothing").status, api.get("/nothing").code) == (404, "not_found")
    found = api("DELETE", "/tasks")
    assert (found.status, found.headers["Allow"]) == (405, "GET, HEAD, POST, PATCH")
    assert found.json == {
        "error": {
            "code": "method_not_allowed",
            "message": "allowed here: GET, HEAD, POST, PATCH",
            "words": {"en": "allowed here: GET, HEAD, POST, PATCH", "zh": "此处可用：GET, HEAD, POST, PATCH"},
            "problems": [],
        }
    }


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/tasks?nothing=1", 'unknown query parameter "nothing"; known are tag, status, q, page, page_size'),
        ("/status?page=1", 'unknown query parameter "page"; this path takes none'),
        ("/tasks?page=1&page=2", 'query parameter "page" is given 2 times; expected once'),
        ("/executions?page=0", 'query parameter "page": expected a whole number from 1 to 1000000000'),
        ("/executions?page=%2B1", 'query parameter "page": expected a whole number from 1 to 1000000000'),
        ("/executions?page_size=201", 'query parameter "page_size": expected a whole number from 1 to 200'),
        ("/executions?page=", 'query parameter "page": expected a whole number from 1 to 1000000000'),
        ("/executions?status=success,failed", "expected words out of idle, waiting, queued"),
        ("/executions?trigger=", "expected words out of schedule, manual"),
        ("/executions?since=yesterday", "expected an ISO 8601 time such as 2026-11-23"),
        ("/executions?task=../x", 'query parameter "task": expected a task id'),
        (f"/tasks?q={'x' * 201}", "expected a text of at most 200 characters"),
        ("/preview", 'query parameter "schedule" is missing; expected a text'),
        ("/tasks/a/log?raw=yes", 'query parameter "raw": expected 1 or 0'),
        ("/tasks/a/log?offset=1-2-3", "expected an offset from an answer"),
        ("/log?limit=1", "expected a whole number from 1024 to 1048576"),
    ],
)
def test_a_wrong_query_parameter_is_named_with_its_rule(api: Api, target: str, message: str) -> None:
    found = api.get(target)
    assert (found.status, found.code) == (400, "bad_request")
    assert message in found.message


@pytest.mark.parametrize(
    ("body", "pointer", "message"),
    [
        (b'{"env": {"A": "1", "A": "2"}}', "/env/A", "occurs twice in line 1, in column 10 and in column 20"),
        (b'{"env": {"A": NaN}}', "/env/A", "is NaN in line 1; expected a finite number"),
        (b'{"env": {"A": [1, 1e999]}}', "/env/A/1", "is 1e999 in line 1; expected a finite number"),
        (b'{"env": {"A": ' + b"9" * 5000 + b"}}", "/env/A", "is a number of 5000 digits in line 1"),
        (
            b'{"env": {"A": 9007199254740993}}',
            "/env/A",
            "is 9007199254740993; expected an integer of at most 9007199254740991",
        ),
        (
            b'{"env": {"a/b~": "' + b"x" * 70_000 + b'"}}',
            "/env/a~1b~0",
            "is a text of 70000 characters; expected at most 65536",
        ),
        (b'{"env": {"A": "\\ud800"}}', "/env/A", "an unpaired surrogate"),
        (b'{"env": {"\\u0000": 1}}', "/env/\0", "contains a NUL character"),
        (b"[" * 50_000, "", "nested deeper than 32 levels"),
        (b"[]", "", "is no object"),
        (b"\xef\xbb\xbf{}", "", "byte order mark"),
        ("{}".encode("utf-16"), "", "looks like UTF-16"),
        (b'{"env": "\xff"}', "", "is not UTF-8"),
        (b'{"env": }', "", "line 1, column 9: found }; expected a value"),
        (b'{"env": "x\xed\xa0\x80"}', "", "is not UTF-8"),
        (b'{"enf": {}}', "/enf", "unknown field; known are env"),
        (b'{"env": {"A=B": "x"}}', "/env/A=B", "expected the name of an environment variable"),
        (b'{"env": {"MINISCHED_RUN_ID": "x"}}', "/env/MINISCHED_RUN_ID", "are reserved"),
        (b'{"env": {"A": 1}}', "/env/A", "expected a text"),
        (b'{"env": []}', "/env", "expected an object of texts"),
    ],
)
def test_an_error_in_the_body_has_a_pointer(api: Api, body: bytes, pointer: str, message: str) -> None:
    found = api("POST", "/tasks/a/run", body)
    assert (found.status, found.code) == (400, "bad_request")
    assert found.json["error"]["pointer"] == pointer
    assert message in found.message
    assert api.posted == []


def test_only_a_body_without_required_fields_can_be_left_out(api: Api) -> None:
    assert api("POST", "/tasks/a/run", b"").status == 202
    assert api("POST", "/reload", {"x": 1}).message == 'body, at "/x": unknown field; none is known here'
    assert api("POST", "/tasks", b"").code == "bad_request"


def test_an_unreadable_history_is_503_and_its_path_needs_the_token(api: Api) -> None:
    with closing(sqlite3.connect(api.database)) as db:
        db.execute("PRAGMA user_version = 99")
    api.public_status = True
    found = api.get("/executions")
    assert (found.status, found.code) == (503, "unavailable")
    assert api.database in found.message
    found = api.get("/executions", authorized=False)
    assert (found.status, api.database in found.message) == (503, False)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (StoreError("locked", Text("text", text="locked")), 503, "unavailable"),
        (StoreError("full", Text("text", text="full")), 507, "disk_full"),
        (OSError(28, "No space left on device"), 507, "disk_full"),
        (OSError(24, "Too many open files"), 503, "unavailable"),
        (ImportError("no descriptor"), 503, "unavailable"),
    ],
)
def test_an_error_of_the_system_has_its_status(api: Api, error: Exception, status: int, code: str) -> None:
    def fail(context: Any) -> Any:
        raise error

    response = respond(Request("GET", "/x", Route("GET", "/x", "", (), fail)), api.app)
    assert (response.status, json.loads(response.body)["error"]["code"]) == (status, code)


def printed(program: str) -> list[str]:
    """The lines that a new process prints, which has all that answers requests, but no module of a route yet."""
    begin = "import sys\nimport minisched.api.server\nfrom minisched.api import handler\n"
    begin += "from minisched.api.dispatch import find\nfrom minisched.api.routing import Match, routes\n"
    command = [sys.executable, "-c", begin + program]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_handlers_import_no_heavy_modules() -> None:
    costly = {"hashlib", "_hashlib", "ssl", "_ssl", "email", "http.client", "random", "decimal", "statistics", "urllib"}
    assert printed(f"routes()\nprint(sorted({costly} & set(sys.modules)))") == ["[]"]


def test_the_module_of_a_route_is_imported_with_its_first_request() -> None:
    """An open page that only shows the tasks does without most of them, and what is no path of the API needs none."""
    program = f"""
def loaded():
    names = "static_files", "tasks", "events", "runs", "timeline", "logs", "edit", "why", "backfill"
    print(*[name for name in names if f"minisched.api.{{name}}" in sys.modules])

for path in "/healthz", "{BASE}/status", "{BASE}/tasks", "{BASE}/events":
    find("GET", path)
loaded()
for path in "/", "/core/app.js", "/favicon.ico":
    find("GET", path)
loaded()
find("GET", "{BASE}/timeline")
loaded()
find("GET", "{BASE}/none")
loaded()
print("minisched.why" in sys.modules, "minisched.notify.notify_test" in sys.modules, "csv" in sys.modules)
"""
    assert printed(program) == [
        "tasks events",
        "static_files tasks events",
        "static_files tasks events runs timeline",
        "static_files tasks events runs timeline logs edit why backfill",
        "True False False",
    ]


def test_a_module_that_cannot_be_read_is_imported_with_a_later_request() -> None:
    program = f"""
import resource
from minisched.api.context import ApiError
resource.setrlimit(resource.RLIMIT_NOFILE, (0, limit := resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
for path in "/", "/healthz", "{BASE}/tasks/a/why":
    try:
        find("GET", path)
    except ApiError as error:
        print(error.code)
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
for path in "/", "/healthz", "{BASE}/tasks/a/why":
    print(find("GET", path).route.summary)
"""
    assert printed(program) == [
        *["unavailable"] * 3,
        "The page and its files.",
        "Check the health; the reasons need the token.",
        "Explain why a task ran, or did not, at a moment or on a day.",
    ]


def test_routes_are_found_whole_while_several_threads_import_their_modules() -> None:
    paths = sorted({BASE + example(route) for route in routes()})
    program = f"""
import sys, threading
sys.setswitchinterval(1e-6)
found, begin, paths = [], threading.Barrier(4), {paths}
def ask(first):
    begin.wait(30)
    for path in paths[first:] + paths[:first]:
        match = find("GET", path)
        if isinstance(match, Match):
            found.append((path, match.route.path, match.route.handler.__module__ in sys.modules))
threads = [threading.Thread(target=ask, args=(len(paths) * number // 4,)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(found) == 4 * len(set(found)), sorted(set(found)) == sorted(
    (path, match.route.path, True) for path in paths for match in [find("GET", path)] if isinstance(match, Match)
))
"""
    assert printed(program) == ["True True"]


def test_every_module_that_declares_routes_is_named() -> None:
    declaring = [
        path.stem for path in Path(edit.__file__).parent.glob("*.py") if "\n@route(" in path.read_text(encoding="utf-8")
    ]
    assert sorted(declaring) == sorted(MODULES)


def test_no_route_hides_another_one_whose_module_is_imported_later() -> None:
    for route in routes():
        found = match(route.method, BASE + example(route))
        assert isinstance(found, Match)
        assert found.route is route


TEXT = st.text(max_size=30)
NAMES = sorted({parameter.name for route in routes() for parameter in route.query})
PATHS = st.sampled_from([route for route in routes() if route.handler is not events.listen])
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | st.sampled_from(["task_id", "env"]), inner),
    max_leaves=8,
)
BODY = st.binary(max_size=40) | VALUE.map(lambda value: json.dumps(value).encode())


@given(
    route=PATHS,
    query=st.dictionaries(
        st.sampled_from(NAMES) | TEXT, st.lists(TEXT | st.just("1"), max_size=2).map(tuple), max_size=3
    ),
    headers=st.dictionaries(st.sampled_from(["if-match", "if-none-match"]), TEXT),
    body=BODY,
    authorized=st.booleans(),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_request_gets_an_answer(api: Api, route: Any, query: Any, headers: Any, body: Any, authorized: Any) -> None:
    path = BASE + route.path.format(task_id="a", run_id="1", delivery_id="1")
    found = match(route.method, path)
    assert isinstance(found, Match)
    request = Request(route.method, path, found.route, found.ids, query, headers, body, authorized)
    response = respond(request, api.app)
    assert response.status in {answer.status for answer in route.answers} | set(STATUSES.values())
    assert response.status < 500 or route.path == "/healthz"
    if response.stream is None and response.status != 304:
        assert response.content_type.startswith("text/plain") or json.loads(response.body) is not None


# ------------------------------------------------------------------------------------------- answers that take long


COSTLY = [("GET", "/timeline", None), ("GET", "/metrics", None), ("GET", "/preview?schedule=@daily", None)]
COSTLY += [("POST", "/validate", {"config": {}})]


@pytest.mark.parametrize(("method", "target", "body"), COSTLY)
def test_at_most_two_answers_that_take_long_are_made_at_once(api: Api, method: str, target: str, body: Any) -> None:
    api.app.turns = Turns(wait_s=0.0)
    with api.app.turns.take(full=True), api.app.turns.take(full=True):
        found = api(method, target, body)
        assert (found.status, found.code, found.headers["Retry-After"]) == (503, "busy", "2")
        assert api.get("/status").status == 200
    assert api(method, target, body).status == 200


def test_without_the_token_one_of_them_is_made_at_a_time(api: Api) -> None:
    api.public_status = True
    api.app.turns = Turns(wait_s=0.0)
    with api.app.turns.take(full=False):
        assert api.get("/timeline", authorized=False).code == "busy"
        assert api.get("/timeline").status == 200


def test_six_requests_wait_for_their_turn_and_further_ones_are_refused_at_once(api: Api) -> None:
    api.app.turns = Turns(wait_s=60.0)
    found: SimpleQueue[int] = SimpleQueue()
    threads = [threading.Thread(target=lambda: found.put(api.get("/timeline").status)) for _ in range(8)]
    with api.app.turns.take(full=True), api.app.turns.take(full=True):
        for thread in threads:
            thread.start()
        assert [receive(found, 30) for _ in range(2)] == [503, 503]
        assert found.empty()
    assert [receive(found, 30) for _ in range(6)] == [200] * 6
    for thread in threads:
        thread.join()
