"""The pattern in a field's numbers, for the words: all of them, a run of them, every n-th, or a list."""

from __future__ import annotations

from typing import NamedTuple, Optional


class Pattern(NamedTuple):
    """`numbers` of a field, ascending, and what they have in common.

    `step`: 1 for the whole field, n for every n-th number in even steps all round, else 0. The first of them is
    `start`; where that is not the field's own first, the numbers are four at least: fewer are told sooner one by one.
    `run`: the first and the last of three or more numbers in a row, also over the field's end (22, 23, 0); else None.
    """

    numbers: tuple[int, ...]
    step: int
    run: Optional[tuple[int, int]]
    start: int = 0

    def plus(self, shift: int) -> Pattern:
        """The same pattern of a field that counts from `shift`."""
        run = self.run and (self.run[0] + shift, self.run[1] + shift)
        return Pattern(tuple(number + shift for number in self.numbers), self.step, run, self.start + shift)


def pattern(mask: int, size: int) -> Pattern:
    """The pattern of a mask of numbers from 0 to below `size`."""
    numbers = tuple(number for number in range(size) if mask >> number & 1)
    step = size // len(numbers) if numbers else 0
    start = numbers[0] if len(numbers) > 3 else 0
    if len(numbers) < 2 or len(numbers) * step != size or numbers != tuple(range(start, size, step)):
        step = start = 0
    starts = [number for number in numbers if not mask >> (number - 1) % size & 1]
    run = None
    if len(starts) == 1 and len(numbers) > 2:
        run = starts[0], (starts[0] + len(numbers) - 1) % size
    return Pattern(numbers, step, run, start)
