"""What is wrong with the engine now, for its log, `status` and the page."""

TEXTS: dict[str, tuple[str, str]] = {
    "engine.config": ("{problems}", "{problems}"),
    "engine.disk_nearly_full": (
        "the disk is nearly full: runs that cannot be recorded will not start",
        "磁盘空间即将用尽：无法记录的运行将不会启动",
    ),
    "engine.files": ("{problems}", "{problems}"),
    "engine.history": (
        "{error}; due times wait until it can be written again",
        "{error}；恢复写入之前不会启动任何运行",
    ),
    "engine.history_file": ("{problems}", "{problems}"),
    "engine.lock": ("{path}: {error}", "{path}：{error}"),
    "engine.lock_unwritable": ("the lock cannot be kept: {reason}", "无法保持锁：{reason}"),
    "engine.notifications_failed": (
        "{count} {count|message|messages} could not be sent in the last 24 h; see the outbox",
        "过去 24 小时内有 {count} 条通知发送失败；见通知记录",
    ),
    "engine.outbox": (
        "{error}; messages wait until it can be read again",
        "{error}；恢复读取之前通知暂缓发送",
    ),
    "engine.sender_hangs": (
        "the sender hangs at notification {delivery_id}, which should have ended after {seconds} s: no message is sent"
        " meanwhile; restart minisched to continue",
        "通知 {delivery_id} 的发送卡住了，本应在 {seconds} 秒内结束：期间不会发送任何通知；请重启 minisched",
    ),
    "engine.uncomposed": (
        "no notification was sent for {count} {count|run|runs}: the messages could not be composed; see"
        " logs/minisched.log",
        "有 {count} 次运行没有发出通知：无法生成消息；见 logs/minisched.log",
    ),
}
