"""How the engine says that it lives: to systemd, and by a heartbeat to a dead man's switch somewhere else."""

from __future__ import annotations

from minisched.catalogue import render
from minisched.model import Channel, Text
from minisched.model.notification import HEARTBEAT_ID, Message, NotificationEvent, SendRequest, SendStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

    from minisched.engine.launch import Launcher
    from minisched.engine.state import Outside, State
    from minisched.engine.timers import Timer, Timers
    from minisched.model import Config, HeartbeatSettings
    from minisched.systemd import ServiceManager

FAILURES = 3  # heartbeats in a row that were not delivered are a problem
STATUS_EVERY_S = 5.0  # at least, between two lines of status for systemd


class Heartbeat:
    """Sends a GET each `settings.heartbeat.every` while the engine is well, as `/healthz` means it. Its own problem
    does not stop it. One wake-up of the loop for each: its result is looked at when the next one is due."""

    def __init__(self, state: State, timers: Timers, launcher: Launcher, outside: Outside) -> None:
        self.state, self.timers, self.launcher = state, timers, launcher
        self.clock, self.sender, self.system = outside.clock, outside.sender, outside.system
        self._settings: Optional[HeartbeatSettings] = None
        self._timer: Optional[Timer] = None
        self._awaited = False  # the result of one is still to be looked at
        self._failures = 0  # in a row

    def use(self, config: Config) -> None:
        """Heartbeats by this config: with other settings the first one comes at once."""
        settings = config.settings.heartbeat
        if settings == self._settings:
            return
        self._settings, self._failures, self._awaited = settings, 0, False
        self.state.problems.report("heartbeat", None)
        if self._timer is not None:
            self.timers.cancel(self._timer)
            self._timer = None
        if settings is not None:
            self._timer = self.timers.after(0, self._beat, settings)

    def _beat(self, settings: HeartbeatSettings) -> None:
        self._timer = self.timers.after(settings.every, self._beat, settings)
        if self._awaited:
            self._look()
        if self._awaited or self.state.stopping or self.state.problems.current.keys() - {"heartbeat"}:
            return
        self._awaited = True
        message_id = f"heartbeat@{self.system.host_name}"
        message = Message(HEARTBEAT_ID, message_id, NotificationEvent.EVENT, {}, self.clock.wall())
        options = {
            "url": settings.url,
            "method": "GET",
            "headers": {},
            "body_template": None,
            "secret": None,
            "preset": None,
            "text_template": None,
            "ca_file": settings.ca_file,
        }
        system = self.system
        channel = Channel("webhook", options)
        self.sender.send(SendRequest(message, channel, None, system.home, system.environ, self.launcher.base))

    def _look(self) -> None:
        """What became of the last one. While it is still under way, no other is sent."""
        result = self.sender.heartbeat_result()
        self._awaited = result is None
        if result is not None and result.state is SendStatus.SENT:
            self._failures = 0
            self.state.problems.report("heartbeat", None)
            return
        self._failures += 1
        if self._failures >= FAILURES:
            why: Any = result.error if result is not None else Text("notify.timeout")
            self.state.problems.report("heartbeat", Text("engine.heartbeat", error=why))


class ServiceStatus:
    """What the engine says to systemd: a line of status, and a sign of life of the loop, twice in the time that systemd
    waits for one."""

    def __init__(self, manager: ServiceManager, state: State, timers: Timers, outside: Outside) -> None:
        self.manager, self.state, self.timers, self.clock = manager, state, timers, outside.clock
        self._shown: object = None
        self._next = 0.0  # monotonic; not before that another line
        self._timer: Optional[Timer] = None
        self._reloading = False

    def begin(self) -> None:
        if self.manager.watchdog_s is not None:
            self.timers.after(self.manager.watchdog_s / 2, self.begin)
            self.manager.alive()

    def reload_begins(self) -> None:
        if not self._reloading and self.manager.active:
            self._reloading = True
            self.manager.reloading()

    def reload_ended(self) -> None:
        if self._reloading:
            self._reloading = False
            self.manager.ready()

    def show(self) -> None:
        """At the end of each step: say it if something has changed. Costs nothing without systemd."""
        if not self.manager.active or self._timer is not None:
            return
        state = self.state
        shown = (len(state.tasks), len(state.running), state.stopping, state.problems.current)
        if shown == self._shown:
            return
        mono = self.clock.monotonic()
        if mono < self._next:
            self._timer = self.timers.after(self._next - mono, self._may_show)
            return
        self._shown, self._next = shown, mono + STATUS_EVERY_S
        problems = [one.text for one in state.problems.current.values()]
        values = {"tasks": len(state.tasks), "running": len(state.running)}
        text = Text("engine.service.stopping" if state.stopping else "engine.service.running", **values)
        if problems:
            text = Text("engine.service.problems", state=text, count=len(problems), problem=problems[0])
        self.manager.status(render(text))

    def _may_show(self) -> None:
        """This step shows it."""
        self._timer = None
