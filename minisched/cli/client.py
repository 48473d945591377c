"""`trigger`, `stop`, `enable`, `disable`, `pause`, `resume`, `reload`: commands to the running engine, by its API."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from urllib.parse import urlsplit

from minisched.api.routing import BASE, COMMAND_LINE, IDS, USER_HEADER
from minisched.api.token import UnsafeToken, prove, read_token
from minisched.catalogue import render
from minisched.cli.output import CommandError, caller, parse_env, print_error, print_json, text
from minisched.cli.terminal import language
from minisched.executor.procfs import is_alive
from minisched.home import Home, read_lock
from minisched.model import EXIT_OK, UNFINISHED, LogPosition, Status, Text
from minisched.model.task import shown_address
from minisched.namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any, Optional, Union

    from minisched.cli.view import View

TIMEOUT_S = 20.0  # the engine answers within 5 s, if only that it cannot
HEALTH_TIMEOUT_S = 3.0  # for `/healthz`, which waits for nothing in the engine
POLL_S = 0.2  # between two looks at a run that is followed
# What to do where no engine runs, by the command.
_NO_ENGINE = {
    "trigger": "cli.no_engine",
    "enable": "cli.no_engine_to_edit",
    "disable": "cli.no_engine_to_edit",
}
# Options whose values the engine checks, and their fields in the request.
_OPTIONS = (("--for", "/for"), ("--env", "/env"))
_PAGE_BYTES = 256 * 1024
_UNFINISHED = tuple(status.value for status in UNFINISHED)


class Engine(NamedTuple):
    """The engine of a home: its address and the token."""

    host: str
    port: int
    token: str
    timeout_s: float

    @property
    def address(self) -> str:
        return shown_address(self.host, self.port)

    def check(self) -> None:
        """Raises CommandError if what answers at the address does not know the token: it must not get it then."""
        nonce = os.urandom(32).hex()
        _, data = self.request("GET", f"/proof?nonce={nonce}", authorized=False)
        proof = data.get("proof") if isinstance(data, dict) else None
        if proof != prove(self.token.encode(), nonce, self.address):
            raise CommandError(Text("cli.no_proof", address=self.address))

    def call(self, method: str, path: str, body: Optional[dict[str, Any]] = None) -> Any:
        """The JSON of the response. Raises CommandError with the engine's error."""
        status, data = self.request(method, path, body)
        if status < 400:
            return data
        error = data.get("error", {})
        lines = [
            " ".join(filter(None, (f"{one['file']}:", _message(one, "place"), _message(one))))
            for one in error.get("problems") or ()
        ]
        first = _message(error) if "message" in error else Text("cli.status", status=status)
        raise CommandError(_with_option(first, error.get("pointer", "")), *lines)

    def request(
        self, method: str, path: str, body: Optional[dict[str, Any]] = None, authorized: bool = True
    ) -> tuple[int, Any]:
        """The status and the JSON of the response. Raises CommandError if there is none."""
        from http.client import HTTPConnection, HTTPException  # imports ssl, which only these commands pay for

        headers = {"User-Agent": COMMAND_LINE, **({"Authorization": f"Bearer {self.token}"} if authorized else {})}
        user = caller()
        if user.isascii() and user.isprintable():
            headers[USER_HEADER] = user
        data = None
        if method == "POST":
            headers["Content-Type"] = "application/json"
            data = json.dumps({} if body is None else body).encode()
        connection = HTTPConnection(self.host, self.port, timeout=self.timeout_s)
        try:
            connection.request(method, BASE + path, data, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        except (OSError, HTTPException, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise CommandError(Text("cli.no_response", address=f"{self.host}:{self.port}", reason=reason)) from None
        finally:
            connection.close()


def _message(error: dict[str, Any], name: str = "message") -> str:
    """A text of the API in our language."""
    words = error.get("words" if name == "message" else f"{name}_words") or {}
    return str(words.get(language(), error[name]))


def _with_option(message: Union[Text, str], pointer: str) -> Union[Text, str]:
    """The message about a field of a request, with the option that the user typed in place of the field's pointer."""
    option = next((option for option, field in _OPTIONS if pointer.startswith(field)), "")
    place = render(Text("api.body", pointer=pointer, text=""), language())
    return f"{option}: {message.removeprefix(place)}" if option and isinstance(message, str) else message


def engine_of(options: Namespace) -> Engine:
    """Raises CommandError if no engine runs on the home, if it has no API, or if another program has its address."""
    from minisched.cli.view import other_user, read_only_config

    home = Home(options.home)
    target = getattr(options, "task", None) or getattr(options, "run_id", "")
    if getattr(options, "resend", None):
        target = f"--resend {options.resend}"
    foreign = other_user(home, f"{options.command} {target}".rstrip())
    lock = read_lock(home)
    if lock.holder is None and foreign:  # it cannot be read
        raise CommandError(foreign)
    if lock.holder is None or not is_alive(lock.holder, assume=True):
        code = _NO_ENGINE.get(options.command, "cli.no_engine_to_ask")
        raise CommandError(Text(code, home=home.path, config=home.config))
    if not lock.url:
        config, _ = read_only_config(home)
        # To load the config again helps only the command that does so, or where http.enabled has to be changed first.
        enabled = config is not None and config.settings.http.enabled and options.command != "reload"
        code = "cli.api_not_served" if enabled else "cli.no_api"
        reason = Text(code, pid=lock.holder.pid, command=options.command)
        raise CommandError(reason, *(problem for _, problem in lock.problems))
    try:
        token = read_token(home.token)
    except UnsafeToken as error:
        raise CommandError(foreign or error.text) from None
    except PermissionError:
        if foreign is None:
            raise
        raise CommandError(foreign) from None
    return _engine_at(lock.url, token, TIMEOUT_S)


def _engine_at(url: str, token: bytes, timeout_s: float) -> Engine:
    address = urlsplit(url)
    engine = Engine(address.hostname or "", address.port or 0, token.decode(), timeout_s)
    engine.check()
    return engine


def engine_problems(view: View) -> list[tuple[str, Union[Text, str]]]:
    """What is wrong with the running engine, by key: as it says itself, else as its lock has it (without an API, or if
    its token is another user's). An engine that does not respond in time is a problem too."""
    lock = read_lock(view.home)
    try:
        token = read_token(view.home.token)
    except (UnsafeToken, OSError):
        return [*view.engine_problems]
    if view.engine is None or not lock.url:
        return [*view.engine_problems]
    try:
        _, health = _engine_at(lock.url, token, HEALTH_TIMEOUT_S).request("GET", "/healthz")
    except CommandError as error:
        return [*view.engine_problems, *(("engine", line) for line in error.lines)]
    return [(reason["key"], Text.from_json(reason)) for reason in health.get("reasons", ())]


def _call_task(options: Namespace, action: str, body: Optional[dict[str, Any]] = None) -> Any:
    """An action of the task. Raises CommandError, for an unknown task with a similar id."""
    try:
        engine = engine_of(options)
        if not re.fullmatch(IDS["task_id"], options.task):
            raise CommandError(Text("cli.no_task", task=options.task))
        return engine.call("POST", f"/tasks/{options.task}/{action}", body)
    except CommandError:
        _refuse_unknown(options, options.task)
        raise


def _refuse_unknown(options: Namespace, task: str) -> None:
    """Raises CommandError for a task that the config does not have, with a similar id."""
    from minisched.cli.view import read_only_config, unknown_task

    config, _ = read_only_config(Home(options.home))
    if config is not None and task not in config.tasks:
        raise unknown_task(task, config.tasks)


def _print(options: Namespace, data: Any, code: str, **values: Any) -> int:
    if options.json:
        print_json(data)
    else:
        print(text(code, **values))
    return EXIT_OK


def trigger(options: Namespace) -> int:
    """Run a task now. With --wait its output is printed here, and its exit code is ours."""
    env = parse_env(options.env)
    body = {**({"env": env} if env else {}), **({"for": options.due} if options.due else {})}
    return report_start(options, _call_task(options, "run", body))


def report_start(options: Namespace, answer: dict[str, Any]) -> int:
    """A run was started, for a past time if the answer has one; with --wait follow it."""
    if "scheduled_time" in answer and not options.json:
        repeats, time = answer["repeats"], answer["scheduled_time"]
        if repeats is not None:
            print_error(Text("cli.repeats", repeats=repeats, time=time))
        if not answer["in_schedule"]:
            print_error(Text("cli.not_in_schedule", time=time))
    if options.wait:
        return follow(options, answer["run_id"])
    return _print(options, answer, "cli.run_requested", run_id=answer["run_id"], task=options.task)


def follow(options: Namespace, run_id: int) -> int:
    """Print the output of a run as it arrives; the exit code that a shell would have for the process.

    The history and the log are read here, as `history` and `logs` do: a request of the API costs the engine more than
    the capture of the same output.
    """
    from minisched.cli.view import View, print_unfinished

    with View(options.home) as view:
        try:
            return _follow_in(view, options, run_id)
        except KeyboardInterrupt:
            print_unfinished(view, [options.task], run_id)
            raise


def _follow_in(view: View, options: Namespace, run_id: int) -> int:
    from minisched.cli.logs import output_lost
    from minisched.cli.view import exit_code_of
    from minisched.engine.log_lines import run_line
    from minisched.model.text import visible_bytes
    from minisched.tasklog import pages

    path = view.log_of(options.task)
    position: Optional[pages.RunPosition] = None  # in the output of the run
    while True:
        run = view.as_seen(view.run(run_id, options.task))
        while not options.json:
            page = pages.run(path, run, position, _PAGE_BYTES)
            if page is None:
                break  # its log was removed
            sys.stdout.write(page.text)
            sys.stdout.flush()
            if "-" in page.after:  # also past lines of other runs, which may fill a page
                attempt, inode, offset = map(int, page.after.split("-"))
                position = attempt, LogPosition(inode, offset)
            if page.at_end:
                break
        if run.status.ended:
            break
        time.sleep(POLL_S)
    if output_lost(run) and not options.json:
        missing = Text("cli.output_not_written", run_id=run_id, path=path)
        print_error(Text("cli.tail_in_history", missing=missing))
        sys.stdout.write(visible_bytes(view.history.tail(run_id)))
        sys.stdout.flush()
    if options.json:
        print_json(view.as_json(run))
    elif run.status is not Status.SUCCESS:
        print_error(run_line(run))
    return exit_code_of(run)


def stop(options: Namespace) -> int:
    """Stop a run, or all runs of a task that have not ended."""
    if re.fullmatch("[0-9]{1,9}", options.run_id):
        return _print_stop(options, _stop(engine_of(options), int(options.run_id)))
    from minisched.cli.view import View

    task: str = options.run_id
    _refuse_unknown(options, task)
    engine = engine_of(options)
    with View(options.home) as view:
        run_ids = [run.run_id for run in view.history.unfinished() if run.task_id == task]
    if not run_ids:
        raise CommandError(Text("cli.nothing_to_stop", task=task))
    stopped = [_stop(engine, run_id) for run_id in run_ids]
    if options.json:
        print_json(stopped)
        return EXIT_OK
    return max(_print_stop(options, run) for run in stopped)


def _stop(engine: Engine, run_id: int) -> Any:
    return engine.call("POST", f"/executions/{run_id}/stop")


def _print_stop(options: Namespace, run: Any) -> int:
    code = "cli.stop_requested" if run["status"] in _UNFINISHED else "cli.stopped"
    return _print(options, run, code, run_id=run["run_id"], task=run["task_id"], status=run["status"])


def enable(options: Namespace) -> int:
    return _print(options, _call_task(options, "enable"), "cli.enabled", task=options.task)


def disable(options: Namespace) -> int:
    return _print(options, _call_task(options, "disable"), "cli.disabled_now", task=options.task)


def pause(options: Namespace) -> int:
    answer = engine_of(options).call("POST", "/pause")
    code = "cli.paused_now" if answer["changed"] else "cli.paused_already"
    runs = Text("cli.paused_runs", count=answer["unfinished"]) if answer["unfinished"] else ""
    return _print(options, answer, code, runs=runs)


def resume(options: Namespace) -> int:
    answer = engine_of(options).call("POST", "/resume")
    return _print(options, answer, "cli.resumed" if answer["changed"] else "cli.not_paused")


def reload(options: Namespace) -> int:
    answer = engine_of(options).call("POST", "/reload")
    return _print(options, answer, "cli.reloaded")
