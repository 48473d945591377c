"""`trigger`, `stop`, `enable`, `disable`, `reload`: what the running engine is asked, through its API."""

from __future__ import annotations

import json
import re
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Optional
from urllib.parse import urlsplit

from minisched.api.routes import BASE, IDS
from minisched.api.token import UnsafeToken, read_token
from minisched.cli.output import Refusal, harmless, print_json, variables
from minisched.executor import is_alive
from minisched.home import Home, read_lock
from minisched.model import EXIT_NO, EXIT_OK, UNFINISHED, Status

if TYPE_CHECKING:
    from argparse import Namespace

TIMEOUT_S = 20.0  # the engine answers within 5 s or says that it cannot
LOOK_EVERY_S = 0.2
_OPEN = tuple(status.value for status in UNFINISHED)


class Engine(NamedTuple):
    """The engine of a home: where it listens, and the token."""

    host: str
    port: int
    token: str

    def call(self, method: str, path: str, body: Optional[dict[str, Any]] = None) -> Any:
        """The answer's JSON. Raises Refusal with what the engine says, or with what stands in the way."""
        status, data = self.ask(method, path, body)
        if status < 400:
            return data
        error = data.get("error", {})
        problems = error.get("problems") or ()
        lines = [" ".join(filter(None, (f"{one['file']}:", one["place"], one["message"]))) for one in problems]
        raise Refusal(str(error.get("message", f"the engine answers {status}")), *lines)

    def ask(self, method: str, path: str, body: Optional[dict[str, Any]] = None) -> tuple[int, Any]:
        from http.client import HTTPConnection, HTTPException  # pulls ssl in: only these commands pay for it

        headers = {"Authorization": f"Bearer {self.token}"}
        data = None
        if method == "POST":
            headers["Content-Type"] = "application/json"
            data = json.dumps({} if body is None else body).encode()
        connection = HTTPConnection(self.host, self.port, timeout=TIMEOUT_S)
        try:
            connection.request(method, BASE + path, data, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, HTTPException, ValueError) as error:
            raise Refusal(
                f"the engine at {self.host}:{self.port} does not answer: {error or type(error).__name__}"
            ) from None
        finally:
            connection.close()


def engine_of(options: Namespace) -> Engine:
    """Raises Refusal where no engine runs on the home, or none that can be asked."""
    home = Home(options.home)
    lock = read_lock(home)
    if lock.holder is None or not is_alive(lock.holder, assume=True):
        raise Refusal(f"no engine runs on {home.path}; `minisched run` starts one, `minisched exec` needs none")
    if not lock.url:
        raise Refusal(
            f"the engine (pid {lock.holder.pid}) has no API: settings.http.enabled is false, or its port was taken;"
            f" a change of the config file is taken over by itself, `kill -HUP {lock.holder.pid}` does it at once"
        )
    try:
        token = read_token(home.token)
    except (UnsafeToken, OSError) as error:
        raise Refusal(str(error)) from None
    where = urlsplit(lock.url)
    return Engine(where.hostname or "", where.port or 0, token.decode())


def _place(options: Namespace) -> str:
    """The path of the task. Raises Refusal for what cannot be an id."""
    if not re.fullmatch(IDS["task_id"], options.task):
        raise Refusal(f'no task "{options.task}"; `minisched list` shows those there are')
    return f"/tasks/{options.task}"


def _say(options: Namespace, data: Any, sentence: str) -> int:
    if options.json:
        print_json(data)
    else:
        print(harmless(sentence))
    return EXIT_OK


def trigger(options: Namespace) -> int:
    """Run a task now; with --wait its output comes here, and its exit code is ours."""
    env = variables(options.env)
    engine = engine_of(options)
    answer = engine.call("POST", f"{_place(options)}/run", {"env": env} if env else {})
    run_id = answer["run_id"]
    if options.wait:
        return _follow(options, engine, run_id)
    return _say(
        options, answer, f"run {run_id} of {options.task} was asked for; `minisched logs --run {run_id}` shows it"
    )


def _follow(options: Namespace, engine: Engine, run_id: int) -> int:
    """Print the run's output as it comes; the exit code that a shell would give for the process."""
    cursor = ""
    while True:
        run = engine.call("GET", f"/executions/{run_id}")
        ended = run["status"] not in _OPEN
        while not options.json:
            status, page = engine.ask("GET", f"/executions/{run_id}/log" + (f"?offset={cursor}" if cursor else ""))
            if status >= 400:
                break
            if page["text"]:
                print(page["text"], end="", flush=True)
            cursor = page["next_offset"]  # also past other runs' lines, of which a request may see nothing else
            if page["at_end"]:
                break
        if ended:
            break
        time.sleep(LOOK_EVERY_S)
    if options.json:
        print_json(run)
    elif run["status"] != Status.SUCCESS.value:
        _end(run)
    return _code(run)


def _end(run: dict[str, Any]) -> None:
    why = ": ".join(part for part in (run["reason"], run["detail"]) if part)
    print(
        f"minisched: run {run['run_id']} of {run['task_id']}: {run['status']}{f' ({harmless(why)})' if why else ''}",
        file=sys.stderr,
    )


def _code(run: dict[str, Any]) -> int:
    if run["status"] == Status.SUCCESS.value:
        return EXIT_OK
    last = run["attempts"][-1] if run["attempts"] else {}
    if last.get("exit_code"):
        return int(last["exit_code"])
    return 128 + int(last["signal"]) if last.get("signal") else EXIT_NO


def stop(options: Namespace) -> int:
    run = engine_of(options).call("POST", f"/executions/{options.run_id}/stop")
    ends = "is told to end" if run["status"] in _OPEN else f"is {run['status']}"
    return _say(options, run, f"run {options.run_id} of {run['task_id']} {ends}")


def enable(options: Namespace) -> int:
    return _switch(options, "enable", "enabled")


def disable(options: Namespace) -> int:
    return _switch(options, "disable", "disabled: never due, it can be run by hand")


def _switch(options: Namespace, word: str, told: str) -> int:
    card = engine_of(options).call("POST", f"{_place(options)}/{word}")
    return _say(options, card, f"{options.task} is {told}")


def reload(options: Namespace) -> int:
    answer = engine_of(options).call("POST", "/reload")
    return _say(options, answer, "the config is in force")
