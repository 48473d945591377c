"""Cycles among dependencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MOST_CYCLES = 20  # tasks that all depend on each other make one of every pair; twenty are enough to begin with


def find_cycles(graph: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """The cycles of a graph (name -> the names it needs, none: may be left out), none twice; at most MOST_CYCLES.

    Each begins with that name of it which comes first in the graph; the same graph gives the same list. A search in
    depth: each step back into the path being walked closes a cycle, and where there are cycles there is such a step.
    It does not recurse, for a path may have ten thousand names.
    """
    order = {name: index for index, name in enumerate(graph)}
    done: set[str] = set()
    cycles: list[list[str]] = []
    for start in graph:
        # The names walked, in order, each with what is left to try from it.
        path: dict[str, Iterator[str]] = {} if start in done else {start: iter(graph[start])}
        while path:
            here, rest = next(reversed(path.items()))
            step = next(rest, None)
            if step is None:
                path.popitem()
                done.add(here)
            elif step in path:
                walked = list(path)
                cycle = walked[walked.index(step) :]
                first = cycle.index(min(cycle, key=order.__getitem__))
                cycles.append(cycle[first:] + cycle[:first])
                if len(cycles) == MOST_CYCLES:
                    return cycles
            elif step in graph and step not in done:
                path[step] = iter(graph[step])
    return cycles
