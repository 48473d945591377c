"""`GET /tasks`: a card for each task. What has not changed is neither asked of the history nor rendered again."""

from __future__ import annotations

from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Optional

from minisched.api.call import compact, history, page_bytes
from minisched.api.card_cache import MAX_LIST_BYTES
from minisched.api.message import Response
from minisched.model import UNFINISHED, Status, iso
from minisched.timetable import describe, load_zone

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo

    from minisched.api.call import Call
    from minisched.api.ports import Outcome, Past, Ports
    from minisched.model import Task, TaskExecution, TaskSnapshot

OUTCOMES = 30  # of the strip on a card
RENDERED_AT_ONCE = 200  # tasks whose history, cards and bytes are in memory at the same time

_WORDS = {"en": ("after {}", "by hand", ", "), "zh": ("在 {} 之后", "手动", "、")}


def list_tasks(call: Call) -> Response:
    ports, full = call.ports, call.request.authorized
    etag = f'"{ports.epoch}-{ports.board.version}{"" if full else "-public"}"'  # before the tasks are looked at
    headers = (("ETag", etag),)
    if etag in _etags(call.request.headers.get("if-none-match", "")):
        return Response(304, headers=headers)
    tag, text, statuses = call.query["tag"], call.query["q"], call.query["status"]
    page, size = call.query["page"], call.query["page_size"]
    whole = tag is None and text is None and not statuses and page == 1 and size is None
    body = ports.cards.find_list(full, etag) if whole else None
    if body is not None:
        return Response(200, body, headers=headers)
    views = [view for view in ports.board.tasks.values() if _is_wanted(view.task, tag, text)]
    if statuses:
        with history(ports) as reader:
            known = ports.statuses.by_task(ports.board, reader.last_statuses)
        views = [view for view in views if known.get(view.task.task_id) in statuses]
    shown = views[(page - 1) * size : page * size] if size else (views if page == 1 else [])
    size = size or len(views)
    pieces = _pieces(ports, shown, full, page, size, len(views))
    if whole:
        pieces = _kept(ports, full, etag, pieces)
    if len(shown) <= RENDERED_AT_ONCE:
        return Response(200, b"".join(pieces), headers=headers)
    first = next(pieces)  # before the head is sent: a history that cannot be read is an error, not half a list
    return Response(200, headers=headers, stream=chain((first,), pieces))


def _pieces(
    ports: Ports, views: Sequence[TaskSnapshot], full: bool, page: int, size: int, total: int
) -> Iterator[bytes]:
    """A page of cards. It is never whole in memory: ten thousand tasks with 30 outcomes each are 50 MB."""
    before, _, after = page_bytes([b"|"], page, size, total).partition(b"|")
    for start in range(0, len(views), RENDERED_AT_ONCE):
        cards = cards_of(ports, views[start : start + RENDERED_AT_ONCE], full)
        yield (b"," if start else before) + b",".join(cards)
    yield after if views else before + after


def _kept(ports: Ports, full: bool, etag: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """These pieces; if the list is small enough, it is kept for whoever asks for it next."""
    kept, size = [], 0
    for piece in pieces:
        size += len(piece)
        if size <= MAX_LIST_BYTES:
            kept.append(piece)
        else:
            kept.clear()
        yield piece
    if size <= MAX_LIST_BYTES:
        ports.cards.keep_list(full, etag, b"".join(kept))


def _etags(header: str) -> list[str]:
    """Of `If-None-Match`, weak ones as strong ones (RFC 9110, 13.1.2)."""
    return [text.strip().removeprefix("W/") for text in header.split(",")] if header else []


def _is_wanted(task: Task, tag: Optional[str], text: Optional[str]) -> bool:
    if tag is not None and tag not in task.task_tags:
        return False
    if not text:
        return True
    text = text.casefold()
    return any(
        text in each.casefold() for each in (task.task_id, task.task_name, task.task_description, *task.task_tags)
    )


def cards_of(ports: Ports, views: Sequence[TaskSnapshot], full: bool = True, fresh: bool = False) -> list[bytes]:
    """The cards of these views as JSON. full: as the holder of the token sees them. fresh: the tasks have just
    changed, so other listeners ask for the same cards. Raises StoreError."""
    cards = [ports.cards.find(view, full) for view in views]
    if None in cards:
        with ports.cards.rendering:
            cards = [card or ports.cards.find(view, full) for card, view in zip(cards, views)]
            missing = [index for index, card in enumerate(cards) if card is None]
            for start in range(0, len(missing), RENDERED_AT_ONCE):
                some = missing[start : start + RENDERED_AT_ONCE]
                with history(ports) as reader:
                    pasts = reader.pasts([views[index].task.task_id for index in some], OUTCOMES)
                for index in some:
                    view = views[index]
                    card = cards[index] = render(view, pasts.get(view.task.task_id), full)
                    ports.cards.keep(view, full, card, drop_oldest=fresh)
    return [card for card in cards if card is not None]


def render(view: TaskSnapshot, past: Optional[Past], full: bool) -> bytes:
    task, last = view.task, past.last_run if past else None
    zone = load_zone(task.task_timezone)
    outcomes = past.outcomes if past else ()
    shown = min(view.live, key=lambda run: UNFINISHED.index(run.status), default=last)
    status = shown.status if shown else Status.IDLE
    successes = [one.duration for one in outcomes if one.status is Status.SUCCESS and one.duration is not None]
    card = {
        "task_id": task.task_id,
        "task_name": task.task_name,
        "task_description": task.task_description,
        "task_tags": task.task_tags,
        "enabled": task.enabled,
        "task_schedule": task.task_schedule,
        "task_timezone": task.task_timezone,
        "schedule_words": schedule_words(task.task_schedule, task.task_dependencies),
        "task_dependencies": task.task_dependencies,
        "task_timeout": task.task_timeout,
        "current_status": status.value,
        "reason": shown.reason if shown else None,
        "next_run_time": iso(view.next_start, zone),
        "last_run": run_json(last, zone, full) if last else None,
        "running": [run_json(run, zone, full) for run in view.live],
        "consecutive_failures": past.record.consecutive_failures if past else 0,
        "outcomes": [_outcome(one, zone) for one in outcomes],
        "median_duration": _median(successes),
        "run_count": past.record.run_count if past else 0,
        "version": view.version,
    }
    return compact(card)


def run_json(run: TaskExecution, zone: tzinfo, full: bool) -> dict[str, Any]:
    """full: without the token no `detail` is told; the name of a variable or of a file may stand in it."""
    shown = {**run.as_json(zone), "retry_time": iso(run.retry_time, zone)}
    if not full:
        for each in (shown, *shown["attempts"]):
            each["detail"] = ""
    return shown


def _median(durations: list[float]) -> Optional[float]:
    """Without the module `statistics`, which costs 2 MB and brings hashlib along."""
    if not durations:
        return None
    ordered = sorted(durations)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _outcome(one: Outcome, zone: tzinfo) -> dict[str, Any]:
    return {
        "run_id": one.run_id,
        "status": one.status.value,
        "start_time": iso(one.start_time, zone),
        "end_time": iso(one.end_time, zone),
        "duration": one.duration,
    }


@lru_cache(maxsize=256)  # many tasks of one schedule
def schedule_words(schedules: tuple[str, ...], dependencies: tuple[str, ...] = ()) -> dict[str, str]:
    """The schedules in words; of a task without one, what starts it instead."""
    words = {}
    for language, (after, by_hand, comma) in _WORDS.items():
        told = "; ".join(describe(text, language) for text in schedules)
        words[language] = told or (after.format(comma.join(dependencies)) if dependencies else by_hand)
    return words
