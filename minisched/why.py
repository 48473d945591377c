"""Why a task ran, or did not, at a moment or on a day. Pure: rows and the config in, codes with values out.

What was due is computed by the schedule that was in force at the time: the recorded changes are undone, from the newest
to the oldest. Each due time is then explained by its row; one without a row by what was so at the time: no engine ran,
the engine was paused, the history is no longer kept.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from itertools import groupby

from minisched.model import DAY_S, Action, CalendarRule, Reason, Status, Text, Trigger, iso, origin_text
from minisched.namedtuple import NamedTuple
from minisched.timetable import (
    ScheduleError,
    ZoneError,
    fires_between,
    latest_fires,
    load_zone,
    next_of,
    parse_schedule,
    parse_time,
)
from minisched.timetable.working_days import left_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import tzinfo
    from typing import Any, Optional

    from minisched.model import Calendar, ConfigChange, Instant, Origin, Task, TaskExecution, Uptime
    from minisched.timetable import Schedule

MAX_DUE_TIMES = 100  # explained in one answer
MAX_CHAIN = 10  # runs that are followed from one to its cause
LOOK_BACK_S = (8 * DAY_S, 400 * DAY_S)  # for the due time before: most tasks are due within the first

# Why a task has no run on a day, as `quiet_days` finds it.
NO_RUNS = ("not_due", "calendar", "disabled", "absent", "no_engine", "paused", "coming", "unknown")

_CLOCK = re.compile(r"(\d\d?):(\d\d)(?::(\d\d))?", re.ASCII)
_HAS_SECONDS = re.compile(r"\d\d:\d\d:\d\d")


class Pause(NamedTuple):
    since: Instant
    until: Optional[Instant]  # None: still
    origin: Origin


class Downtime(NamedTuple):
    """No engine ran, as far as it is recorded. `ending`: how that of the engine before was: stopped, lost or asleep."""

    since: Instant
    until: Optional[Instant]  # None: still
    ending: str


class Facts(NamedTuple):
    """What is known of a task.

    task: None if the config in force does not have it. runs: that have to do with the span, and `causes`: by run id the
    runs that those name as theirs. alive: an engine runs. kept_since: of older runs some are deleted; 0: none yet.
    """

    task_id: str
    task: Optional[Task]
    now: Instant
    runs: Sequence[TaskExecution]
    causes: Mapping[int, TaskExecution]  # by the id of the run that they explain
    changes: Sequence[ConfigChange]  # of the task, oldest first
    pauses: Sequence[Pause]
    uptimes: Sequence[Uptime]  # oldest first
    alive: bool
    kept_since: Instant
    calendars: Mapping[str, Calendar]
    timezone: str  # of the engine

    @property
    def is_empty(self) -> bool:
        """There is no such task, and there never was."""
        return self.task is None and not self.runs and not self.changes


class Span(NamedTuple):
    """What is asked about: [since, until) in whole seconds. `moment`: it is one minute or second, not a day."""

    since: int
    until: int
    moment: bool
    note: Optional[Text] = None  # about the time itself


class Finding(NamedTuple):
    """One sentence of the answer. `time`: of the due time or the run; `run_id`: of the run that it is about."""

    text: Text
    time: Optional[int] = None
    run_id: Optional[int] = None


class _State(NamedTuple):
    """What decided when the task was due, from `since` on."""

    since: float
    until: float
    exists: bool
    enabled: bool
    schedules: tuple[Schedule, ...]
    texts: tuple[str, ...]
    zone: tzinfo
    begin: Optional[ConfigChange]  # the change that began it, if it is known


# ------------------------------------------------------------------------------------------------------------ the time


def parse_when(text: str, zone: tzinfo, now: Instant) -> Span:
    """A day (`today`, `yesterday`, `2026-11-28`) or a moment (`02:30`, the latest or, with a date, any) in `zone`.

    A moment without seconds is the whole minute. Raises TextError.
    """
    word = text.strip()
    today = datetime.fromtimestamp(now, zone).date()
    days = {"today": 0, "yesterday": -1, "tomorrow": 1}
    if word.lower() in days:
        return _day((today + timedelta(days=days[word.lower()])).isoformat(), zone)
    if re.fullmatch(r"\d{4}-\d\d-\d\d", word, re.ASCII):
        return _day(word, zone)
    clock = _CLOCK.fullmatch(word)
    if clock:
        written = f"{int(clock[1]):02}:{clock[2]}:{clock[3] or '00'}"
        moment = parse_time(f"{today.isoformat()}T{written}", zone)
        if moment > now:
            moment = parse_time(f"{(today - timedelta(days=1)).isoformat()}T{written}", zone)
        return _moment(int(moment), bool(clock[3]), written[:5], zone)
    moment = parse_time(word, zone)
    shown = re.search(r"\d\d:\d\d", word)
    has_offset = re.search(r"([Zz]|[+-]\d\d:?\d\d)$", word[10:])
    return _moment(int(moment), bool(_HAS_SECONDS.search(word)), shown[0] if shown and not has_offset else "", zone)


def _day(day: str, zone: tzinfo) -> Span:
    after = (datetime.fromisoformat(day) + timedelta(days=1)).date().isoformat()
    return Span(int(parse_time(day, zone)), int(parse_time(after, zone)), False)


def _moment(moment: int, exact: bool, written: str, zone: tzinfo) -> Span:
    """written: the local time, `HH:MM`, if it had no offset: the clock may have skipped it, or shown it twice."""
    local = datetime.fromtimestamp(moment, zone)
    note = None
    if written and f"{local:%H:%M}" != written:
        before = moment - DAY_S
        while moment - before > 1:  # the first instant after the change
            middle = (before + moment) // 2
            same = datetime.fromtimestamp(middle, zone).utcoffset() == local.utcoffset()
            before, moment = (before, middle) if same else (middle, moment)
        note = Text("why.skipped_time", time=f"{local:%Y-%m-%d} {written}", instead=iso(moment, zone))
    elif written and local.replace(fold=1).utcoffset() != local.utcoffset():
        note = Text("why.first_pass", time=f"{local:%Y-%m-%d} {written}")
    return Span(moment, moment + (1 if exact else 60), True, note)


# ---------------------------------------------------------------------------------------------------------- the answer


def explain(facts: Facts, span: Span) -> list[Finding]:
    """What is to be said about the span, in the order of time; first what holds for it as a whole."""
    states = _states(facts, span)
    zone = states[-1].zone
    dues, more = _due_times(states, facts.now)
    found: list[Finding] = []
    if span.note is not None:
        found.append(Finding(span.note))
    found += [finding for state in states for finding in _about_state(facts, state, span)]
    pauses = [(one.since, one.until, {"by": origin_text(one.origin)}) for one in facts.pauses]
    found += _about_spells(pauses, ("why.was_paused", "why.paused"), span, zone)
    stopped = _downtimes(facts)
    ends = [(one.since, one.until, {"how": Text(f"why.ending_{one.ending}")}) for one in stopped]
    past = span._replace(until=min(span.until, int(facts.now) + 1))
    found += _about_spells(ends, ("why.no_engine_then", "why.no_engine"), past, zone)
    told: set[int] = set()
    explained: list[Finding] = []
    for due, due_zone in dues:
        explained += _due_time(facts, stopped, due, due_zone, told)
    for run in facts.runs:
        time = int(run.created_time) if run.scheduled_time is None else run.scheduled_time
        first = time if run.missed_since is None else run.missed_since
        if run.run_id not in told and time >= span.since and first < span.until:
            explained += _run(facts, run, zone, time)
            told.add(run.run_id)
    found += _folded(sorted(explained, key=lambda one: one.time or 0), zone)
    if more:
        found.append(Finding(Text("why.more", count=MAX_DUE_TIMES)))
    if not dues:
        found += _not_due(facts, states[-1], span)
    if span.since < facts.kept_since and not any(one.run_id for one in explained):
        found.append(Finding(Text("why.not_kept", since=iso(int(facts.kept_since), zone))))
    return found


def quiet_days(facts: Facts, spans: Sequence[tuple[float, float]]) -> list[tuple[str, Optional[Text]]]:
    """For each day why the task has no run on it, one of NO_RUNS, and what its calendar says of the day.

    spans: the days as [since, until), oldest first.
    """
    states = _states(facts, Span(int(spans[0][0]), int(spans[-1][1]), False))
    stopped = _downtimes(facts)
    return [_quiet_day(facts, states, stopped, since, until) for since, until in spans]


def _quiet_day(
    facts: Facts, states: Sequence[_State], stopped: Sequence[Downtime], since: float, until: float
) -> tuple[str, Optional[Text]]:
    there = [one for one in states if one.since < until and one.until > since and one.exists]
    in_use = [one for one in there if one.enabled]
    if not in_use:
        return ("disabled" if there else "absent"), None
    calendar: Optional[Text] = None
    for one in in_use:
        first, last = max(since, one.since) - 1e-6, min(until, one.until) - 1e-6
        for due in fires_between(one.schedules, first, last, one.zone, 1):
            code = _without_row(facts, stopped, due, one.zone).code
            return _NO_RUN_BY_CODE.get(code, "unknown"), None
        calendar = next((found.text for found in left_out(one.schedules, first, last, one.zone)), calendar)
    if calendar is not None:
        return "calendar", calendar
    whole = any(down <= since and (up is None or up >= min(until, facts.now)) for down, up, _ in stopped)
    return ("no_engine" if whole else "not_due"), None


_NO_RUN_BY_CODE = {
    "why.coming": "coming",
    "why.coming_paused": "paused",
    "why.due_paused": "paused",
    "why.due_no_engine": "no_engine",
}


def _folded(findings: Sequence[Finding], zone: tzinfo) -> list[Finding]:
    """With one sentence for all due times in a row that have no run, and the same reason for that."""
    found: list[Finding] = []
    for (_, run_id), group in groupby(findings, lambda one: (one.text.code, one.run_id)):
        first, *more = group
        found.append(first)
        if len(more) < 2 or run_id is not None:
            found += more
        else:
            last = more[-1].time or 0
            found.append(Finding(Text("why.same", count=len(more), last=iso(last, zone)), more[0].time))
    return found


def _states(facts: Facts, span: Span) -> list[_State]:
    """How the task was configured in the span, oldest first."""
    task = facts.task
    exists, enabled = task is not None, task is None or task.enabled
    texts = task.task_schedule if task is not None else ()
    timezone = task.task_timezone if task is not None else facts.timezone
    rule = task.task_calendar if task is not None else None
    states: list[_State] = []
    until = float(span.until)
    for change in [*reversed(facts.changes), None]:
        since = float(span.since) if change is None else change.time
        if since < until:
            begin = change
            schedules, zone = _parsed(facts.task_id, texts, timezone, rule)
            first = max(since, float(span.since))
            states.append(_State(first, until, exists, enabled, schedules, texts, zone, begin))
            until = first
        if change is None or until <= span.since:
            break
        if change.action is Action.ADDED:
            exists = False
        elif change.action is Action.REMOVED:
            exists = True
        before = change.before
        enabled = before.get("enabled", enabled)
        texts = tuple(before.get("task_schedule", texts))
        timezone = before.get("task_timezone", timezone)
        if "task_calendar" in before:
            known = before["task_calendar"]
            rule = known and CalendarRule(known["name"], known["days"], facts.calendars.get(known["name"]))
    return states[::-1]


def _parsed(
    task_id: str, texts: Sequence[str], timezone: str, rule: Optional[CalendarRule]
) -> tuple[tuple[Schedule, ...], tzinfo]:
    try:
        zone = load_zone(timezone)
        return tuple(parse_schedule(text, task_id, rule) for text in texts), zone
    except (ScheduleError, ZoneError):  # of an older version
        return (), load_zone("UTC")


def _due_times(states: Sequence[_State], now: Instant) -> tuple[list[tuple[int, tzinfo]], bool]:
    """The latest up to now, then the next ones, oldest first; and whether there are more than are explained."""
    past: list[tuple[int, tzinfo]] = []
    coming: list[tuple[int, tzinfo]] = []
    in_use = [state for state in states if state.exists and state.enabled and state.schedules]
    for state in reversed(in_use):
        limit = MAX_DUE_TIMES + 1 - len(past)
        fires = latest_fires(state.schedules, state.since - 1e-6, min(state.until - 1e-6, now), state.zone, limit)
        past[:0] = [(due, state.zone) for due in fires]
    for state in in_use:
        limit = MAX_DUE_TIMES + 1 - len(past) - len(coming)
        if limit > 0:
            fires = fires_between(state.schedules, max(state.since - 1e-6, now), state.until - 1e-6, state.zone, limit)
            coming += [(due, state.zone) for due in fires]
    more = len(past) + len(coming) > MAX_DUE_TIMES
    return (past[-MAX_DUE_TIMES:] + coming)[:MAX_DUE_TIMES], more


def _about_state(facts: Facts, state: _State, span: Span) -> list[Finding]:
    """That the task could not be due and since when, and that its schedule was changed in the span or since."""
    found = []
    begin = state.begin
    since = None if begin is None else iso(int(begin.time), state.zone)
    by = Text("why.by_unknown") if begin is None else origin_text(begin.origin)
    if not state.exists:
        removed = begin is not None and begin.action is Action.REMOVED
        added = _next_change(facts, state, Action.ADDED)
        if removed:
            found.append(Finding(Text("why.removed", since=since, by=by)))
        elif added is not None:
            values = {"time": iso(int(added.time), state.zone), "by": origin_text(added.origin)}
            found.append(Finding(Text("why.added_later", **values)))
        else:
            found.append(Finding(Text("why.not_there", task=facts.task_id)))
    elif not state.enabled:
        change = _last_change(facts, state, Action.DISABLED)
        if change is None:
            found.append(Finding(Text("why.disabled")))
        else:
            values = {"since": iso(int(change.time), state.zone), "by": origin_text(change.origin)}
            found.append(Finding(Text("why.disabled_since", **values)))
    elif not state.texts:
        dependencies = [] if facts.task is None else [one.task_id for one in facts.task.task_dependencies]
        code = "why.by_dependencies" if dependencies else "why.no_schedule"
        found.append(Finding(Text(code, **({"tasks": dependencies} if dependencies else {}))))
    later = [
        change
        for change in facts.changes
        if change.time >= state.until
        and {"task_schedule", "task_timezone", "task_calendar"} & set(change.before)
        and change.action not in (Action.REMOVED, Action.ADDED)
    ]
    if later and state.exists:
        values = {"time": iso(int(later[0].time), state.zone), "by": origin_text(later[0].origin)}
        found.append(Finding(Text("why.schedule_changed", schedule=list(state.texts) or ["-"], **values)))
    return found


def _last_change(facts: Facts, state: _State, action: Action) -> Optional[ConfigChange]:
    found = (one for one in reversed(facts.changes) if one.action is action and one.time < state.until)
    return next(found, None)


def _next_change(facts: Facts, state: _State, action: Action) -> Optional[ConfigChange]:
    found = (one for one in facts.changes if one.action is action and one.time >= state.until - 1e-6)
    return next(found, None)


def pauses(changes: Sequence[ConfigChange]) -> list[Pause]:
    """When the engine was paused, oldest first. changes: of the engine, oldest first."""
    found: list[Pause] = []
    for change in changes:
        if change.action is Action.PAUSED and (not found or found[-1].until is not None):
            found.append(Pause(change.time, None, change.origin))
        elif change.action is Action.RESUMED and found and found[-1].until is None:
            found[-1] = found[-1]._replace(until=change.time)
    return found


def _about_spells(
    spells: Iterable[tuple[Instant, Optional[Instant], dict[str, Text]]],
    codes: tuple[str, str],
    span: Span,
    zone: tzinfo,
) -> list[Finding]:
    """A sentence about each spell that touches the span. spells: since when, until when (None: still), and further
    values of the sentence. codes: of a spell that has ended, and of one that goes on."""
    found = []
    for since, until, values in spells:
        if since < span.until and (until is None or until > span.since):
            end = {} if until is None else {"until": iso(int(until), zone)}
            found.append(Finding(Text(codes[until is None], since=iso(int(since), zone), **end, **values)))
    return found


def _downtimes(facts: Facts) -> list[Downtime]:
    """Oldest first."""
    found: list[Downtime] = []
    for one, after in zip(facts.uptimes, [*facts.uptimes[1:], None]):
        if after is not None:
            end = one.end_time if one.end_time is not None else one.seen_time
            if after.start_time > end:
                found.append(Downtime(end, after.start_time, one.ending or "lost"))
        elif one.end_time is not None:
            found.append(Downtime(one.end_time, None, one.ending))
        elif not facts.alive:
            found.append(Downtime(one.seen_time, None, "lost"))
    return found


def _due_time(facts: Facts, stopped: Sequence[Downtime], due: int, zone: tzinfo, told: set[int]) -> list[Finding]:
    """What became of a due time. told: gets the ids of the runs that are named."""
    rows = [run for run in facts.runs if run.due is not None and (run.missed_since or run.due) <= due <= run.due]
    found = []
    for run in rows:
        found += _run(facts, run, zone, due)
        told.add(run.run_id)
    for run in facts.runs:
        if run.trigger is Trigger.BACKFILL and run.scheduled_time == due:
            values = {"time": iso(due, zone), "run_id": run.run_id, "status": run.status.value}
            found.append(Finding(Text("why.made_up", **values), due, run.run_id))
            told.add(run.run_id)
    if rows:
        return found
    return [Finding(_without_row(facts, stopped, due, zone), due), *found]


def _without_row(facts: Facts, stopped: Sequence[Downtime], due: int, zone: tzinfo) -> Text:
    time = iso(due, zone)
    paused = any(since <= due and (until is None or due < until) for since, until, _ in facts.pauses)
    if due > facts.now:
        is_paused = any(one.until is None for one in facts.pauses)
        code = "why.coming_paused" if is_paused else "why.coming" if facts.alive else "why.coming_no_engine"
        return Text(code, time=time)
    if paused:
        return Text("why.due_paused", time=time)
    if any(since <= due and (until is None or due <= until) for since, until, _ in stopped):
        return Text("why.due_no_engine", time=time)
    if due < facts.kept_since:
        return Text("why.due_not_kept", time=time)
    if not facts.uptimes or due <= facts.uptimes[0].start_time:
        if facts.uptimes:
            return Text("why.due_before_first", time=time, first=iso(int(facts.uptimes[0].start_time), zone))
        return Text("why.due_unknown", time=time)
    return Text("why.due_no_row", time=time)


def _run(facts: Facts, run: TaskExecution, zone: tzinfo, time: int) -> list[Finding]:
    """One run or row, and the runs that it names as its cause."""
    values: dict[str, Any] = {"time": iso(time, zone), "run_id": run.run_id, "status": run.status.value}
    why = reason_text(run)
    if run.missed_count > 1 and run.missed_since is not None and run.scheduled_time is not None:
        first, last = iso(run.missed_since, zone), iso(run.scheduled_time, zone)
        text = Text("why.span", count=run.missed_count, first=first, last=last, why=why or "", **values)
    elif why is None:
        text = Text("why.run", trigger=run.trigger.value, **values)
    else:
        text = Text("why.run_why", trigger=run.trigger.value, why=why, **values)
    found = [Finding(text, time, run.run_id)]
    cause = facts.causes.get(run.run_id)
    for _ in range(MAX_CHAIN):
        if cause is None:
            break
        reason = reason_text(cause)
        about = {"task": cause.task_id, "run_id": cause.run_id, "status": cause.status.value}
        code, more = ("why.cause", {}) if reason is None else ("why.cause_why", {"why": reason})
        found.append(Finding(Text(code, **about, **more), time, cause.run_id))
        cause = facts.causes.get(cause.run_id)
    return found


def reason_text(run: TaskExecution) -> Optional[Text]:
    """Why a run has its status; None for a success and for one that runs."""
    if run.status in (Status.SUCCESS, Status.RUNNING):
        return None
    if run.status is Status.WAITING:
        return run.detail or Text("why_waiting", tasks=(run.reason or "").split(","))
    if run.detail is not None and run.reason != Reason.PAUSED.value and run.detail.code != "due_times":
        return run.detail
    return Text(f"why_{run.status.value}_{run.reason}") if run.reason else None


def _not_due(facts: Facts, state: _State, span: Span) -> list[Finding]:
    """Nothing was due in the span: because of the calendar, or by the schedule."""
    if not state.exists or not state.enabled or not state.schedules:
        return []
    found = []
    zone = state.zone
    days = datetime.fromtimestamp(span.since, zone).date(), datetime.fromtimestamp(span.until - 1, zone).date()
    start, end = (int(parse_time(day.isoformat(), zone)) for day in (days[0], days[1] + timedelta(days=1)))
    found += [Finding(one.text) for one in left_out(state.schedules, start - 1, end - 1, zone)]
    previous: list[int] = []
    for back in LOOK_BACK_S:
        previous = previous or latest_fires(state.schedules, span.since - back, span.since - 1, zone, 1)
    following = next_of(state.schedules, span.until - 1, zone)
    values = {name: iso(time, zone) for name, time in (("previous", next(iter(previous), None)), ("next", following))}
    code = {(True, True): "why.not_due", (True, False): "why.not_due_again", (False, True): "why.not_due_yet"}
    known = code.get((bool(previous), following is not None), "why.never_due")
    found.append(Finding(Text(known, **{name: time for name, time in values.items() if time})))
    return found
