"""Notifications: a message becomes a mail, a request, a command's input or a line, and is sent.

`Sender` is the thread that does it, `deliver` the same for one message at once (`notify-test`). What an outcome says
holds no secret. `log_tail` makes the variable `execution_log_tail`.
"""

from minisched.notify.sender import Sender, deliver
from minisched.notify.templates import log_tail

__all__ = ["Sender", "deliver", "log_tail"]
