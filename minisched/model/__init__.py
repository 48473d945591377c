"""The values that all parts of minisched exchange: statuses, runs, tasks, settings, messages, snapshots.

Values only, of the standard library only. Every instant is a number of seconds since 1970-01-01T00:00Z (UTC by
definition), because two datetimes that differ only in `fold` compare and hash as equal: they cannot represent an hour
that the clock repeats. Local time appears at the edges only. Every duration is a number of seconds.
"""

from minisched.catalogue import Text, TextError
from minisched.model.messages import *
from minisched.model.notification import *
from minisched.model.run import *
from minisched.model.snapshot import *
from minisched.model.status import *
from minisched.model.task import *
from minisched.model.text import iso
