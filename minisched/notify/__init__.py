"""Notifications: a message becomes a mail, a request, a command's input or a line, and is sent.

`Sender` is the thread that does it, `deliver` the same for one message at once (`notify-test`). What an outcome says
holds no secret. `templates.log_tail` makes the variable `execution_log_tail`; it is not imported here, for the patterns
beside it take 2 ms of a start.
"""

from minisched.notify.sender import Sender, deliver

__all__ = ["Sender", "deliver"]
