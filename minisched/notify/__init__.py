"""Notifications: which rule fires, what the message says, and how it is sent by mail, webhook, command or file.

`Sender` is the thread that sends, `deliver` sends one message at once (`notify-test`). The modules of the channels are
imported when the first message needs them.
"""

from minisched.notify.sender import Sender, deliver
