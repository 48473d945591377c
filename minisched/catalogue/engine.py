"""What is wrong with the engine now, for its log, `status` and the page; what `run` prints."""

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
    "engine.hangs": (
        "the engine's loop has not turned for {seconds} s",
        "引擎的主循环已 {seconds} 秒没有运行",
    ),
    "engine.stopping": ("the engine is stopping", "引擎正在停止"),
    "engine.home_busy": ("another engine runs on this home (pid {pid})", "另一引擎正在使用此目录（pid {pid}）"),
    "engine.home_locked": ("this home is locked", "此目录已被锁定"),
    "engine.partly_damaged": (
        "{error}; a part of the history is damaged: stop the engine and repair it, or move it away",
        "{error}；历史的一部分已损坏：请停止引擎后修复，或将其移走",
    ),
    "engine.unknown_rows": (
        "{count} {count|row|rows} of the history cannot be understood and {count|is|are} left out: {rows}",
        "历史中有 {count} 行无法识别，已忽略：{rows}",
    ),
    "engine.unknown_run": ("run {run}", "运行 #{run}"),
    "engine.unknown_state": ("the state of {task}", "{task} 的状态"),
    "engine.unknown_token": ("a success that {task} waits for", "{task} 所等待的一次成功"),
    "engine.unreadable": ("{error}; the history cannot be read now", "{error}；暂时无法读取历史"),
    "engine.lock_unwritable": ("the lock cannot be kept: {reason}", "无法保持锁：{reason}"),
    "engine.lock_outdated": (
        "{path} cannot be written, so the commands cannot find the page: {reason}",
        "{path} 无法写入，命令行找不到网页：{reason}",
    ),
    "engine.port_taken": (
        "the page cannot be served at {address}: another program uses port {port}; end it, or set settings.http.port"
        " to another port",
        "无法在 {address} 提供网页：端口 {port} 已被其他程序占用；请结束该程序，或将 settings.http.port 改为其他端口",
    ),
    "engine.no_page": (
        "the page cannot be served at {address}: {reason}",
        "无法在 {address} 提供网页：{reason}",
    ),
    "engine.beside_taken": (
        "{address} cannot be listened on ({reason}): another program may be reached under the name localhost, so only"
        " {url} is answered; give the token to no other address",
        "无法监听 {address}（{reason}）：localhost 这个名称可能通向其他程序，因此只应答 {url}；请勿把令牌交给其他地址",
    ),
    "engine.socket_unused": (
        "systemd listens on {addresses} for minisched, but the page is at {url}: set settings.http.host and .port, or"
        " ListenStream, to the same address",
        "systemd 为 minisched 监听 {addresses}，但网页位于 {url}：请将 settings.http.host 和 .port 与 ListenStream"
        " 设为同一地址",
    ),
    "engine.notifications_failed": (
        "{count} {count|message|messages} could not be sent in the last 24 h; see the outbox",
        "过去 24 小时内有 {count} 条消息未能送达；见通知记录",
    ),
    "engine.outbox": (
        "{error}; messages wait until it can be read again",
        "{error}；恢复读取之前暂缓发送消息",
    ),
    "engine.sender_hangs": (
        "the sender hangs at notification {delivery_id}, which should have ended after {seconds} s: no message is sent"
        " meanwhile; restart minisched to continue",
        "第 {delivery_id} 条消息的发送卡住了，本应在 {seconds} 秒内结束：期间不发送任何消息；请重启 minisched",
    ),
    "engine.heartbeat": (
        "the heartbeat could not be delivered several times in a row: {error}",
        "心跳连续多次未能送达：{error}",
    ),
    "engine.service.running": (
        "{running} of {tasks} {tasks|task|tasks} running",
        "{tasks} 个任务，{running} 个运行中",
    ),
    "engine.service.stopping": (
        "stopping; {running} of {tasks} {tasks|task|tasks} running",
        "正在停止；{tasks} 个任务，{running} 个运行中",
    ),
    "engine.service.problems": (
        "{state}; {count} {count|problem|problems}: {problem}",
        "{state}；{count} 个问题：{problem}",
    ),
    "engine.own_log": (
        "{path} cannot be written, so the engine's own lines are lost: {reason}",
        "{path} 无法写入，引擎自身的日志丢失：{reason}",
    ),
    "engine.task_logs": (
        "output of tasks is lost: {logs}; the history keeps the end of it",
        "任务输出丢失：{logs}；运行历史中保留其末尾部分",
    ),
    "engine.more_logs": ("{count} more {count|log|logs}", "另有 {count} 个日志"),
    "engine.uncomposed": (
        "no notification was sent for {count} {count|run|runs}: the messages could not be composed; see"
        " logs/minisched.log",
        "有 {count} 次运行没有发出消息：无法生成消息内容；见 logs/minisched.log",
    ),
    # The file of the token.
    "engine.token.symlink": (
        "{path} is a symbolic link; replace it by the file itself, or remove it",
        "{path} 是符号链接；请换成文件本身，或将其删除",
    ),
    "engine.token.not_a_file": ("{path} is not a regular file; remove it", "{path} 不是普通文件；请将其删除"),
    "engine.token.owner": (
        "{path} belongs to user {uid}, not to the one that runs minisched",
        "{path} 属于用户 {uid}，而不是运行 minisched 的用户",
    ),
    "engine.token.mode": (
        "{path} is accessible to other users: chmod 600 {quoted}, and better replace the token",
        "其他用户可以访问 {path}：请执行 chmod 600 {quoted}，最好同时更换令牌",
    ),
    "engine.token.same": (
        "{path} is the same as the token that may do everything: remove it, and the next start makes a new one",
        "{path} 与拥有全部权限的令牌相同：请删除它，下次启动会生成新的",
    ),
    "engine.token.form": (
        "{path} is not a token of at least {min} of the characters A-Z a-z 0-9 . _ ~ + / = -; remove it, and the next"
        " start makes a new one",
        "{path} 不是令牌：须至少有 {min} 个字符，限 A-Z a-z 0-9 . _ ~ + / = -；删除它，下次启动会生成新的",
    ),
    "engine.unsafe": ("{path} {text}", "{path} {text}"),
    "engine.unsafe.owner": (
        "{path} belongs to user {user}, not to the one that runs minisched: run it as that user, for example with"
        " sudo -u '#{user}', or check what is in it, then chown {own} {quoted}",
        "{path} 属于用户 {user}，而不是运行 minisched 的用户：请以该用户运行（如 sudo -u '#{user}'），"
        "或检查其内容后执行 chown {own} {quoted}",
    ),
    "engine.unsafe.mode": (
        "{path} is accessible to other users, and its mode cannot be set to {mode} on this file system: move the home",
        "其他用户可以访问 {path}，且此文件系统无法将其模式设为 {mode}：请移动 minisched 目录（home）",
    ),
    "engine.unsafe.lock": (
        "{path} could have been written by another user: chmod go-w {quoted}, and restart the engine",
        "{path} 可能由其他用户写入：请执行 chmod go-w {quoted}，并重启引擎",
    ),
    # The database's file.
    "engine.db.io": ("{path}: {error}", "{path}：{error}"),
    "engine.db.locked": ("{path}: {error}", "{path}：被其他程序锁定（{error}）"),
    "engine.db.full": ("{path}: {error}", "{path}：磁盘已满（{error}）"),
    "engine.db.damaged": ("{path}: {error}", "{path}：文件已损坏（{error}）"),
    "engine.db.incomplete": ("{path}: {names} missing", "{path}：缺少 {names}"),
    "engine.db.not_moved": ("{path} cannot be moved aside: {error}", "{path} 无法移开：{error}"),
    "engine.db.older": (
        "{path} has schema version {found}; start the engine, or restart it if it runs, to upgrade it",
        "{path} 的结构版本为 {found}；启动引擎（正在运行则重启）即可升级",
    ),
    "engine.db.newer": (
        "{path} has schema version {found}, this minisched knows versions up to {known}; run the newer minisched, or"
        " move the file away (a copy from before the upgrade may be beside it as *.v{known}.bak)",
        "{path} 的结构版本为 {found}，此 minisched 只支持到 {known}；请运行较新的 minisched，或移走该文件"
        "（升级前的副本可能在旁边，名为 *.v{known}.bak）",
    ),
    "engine.db.duplicate": (
        "{task} has a run for the due time {due} already",
        "{task} 在计划时间 {due} 已有一次运行",
    ),
    "engine.db.slot_taken": (
        "another process has started the same task",
        "另一进程已启动同一任务",
    ),
    "engine.db.missing": (
        "{path} is missing although this home had a history{aside}; a new one was started",
        "{path} 不存在，而此目录原有运行历史{aside}；已新建历史",
    ),
    "engine.db.empty": (
        "{path} is empty although this home had a history{aside}; a new one was started",
        "{path} 为空，而此目录原有运行历史{aside}；已新建历史",
    ),
    "engine.db.aside": (" (what was left is at {path})", "（残留文件在 {path}）"),
    "engine.db.set_aside": (
        "{error}; it was moved to {aside} and a new history was started",
        "{error}；已移到 {aside}，并新建了历史",
    ),
    "engine.db.moved": (
        "the damaged history was moved to {aside}; a new one was started",
        "损坏的历史已移到 {aside}；已新建历史",
    ),
    "engine.db.other": (
        "{path} holds another history ({found}) than this home had before ({expected})",
        "{path} 中是另一份历史（{found}），此目录之前的历史为 {expected}",
    ),
    "engine.db.gone": ("{path} is gone: {error}", "{path} 已不存在：{error}"),
    "engine.db.replaced": ("{path} was replaced by another file", "{path} 已被另一文件取代"),
    "engine.db.side_file_gone": (
        "{path} was removed, so that no other process saw what was written since",
        "{path} 已被删除，此后写入的内容对其他进程不可见",
    ),
    "engine.db.truncated": (
        "{path} was truncated from {before} to {bytes} bytes",
        "{path} 从 {before} 字节被截短到 {bytes} 字节",
    ),
    "engine.db.saved": (
        "the removed history was saved from the open file",
        "被删除的历史已从打开的文件中保存",
    ),
    "engine.db.not_saved": (
        "the removed history could not be saved ({error}); a new one was started",
        "无法保存被删除的历史（{error}）；已新建历史",
    ),
    # Why a command was refused.
    "engine.reply.stopping": ("the engine is stopping; nothing new starts", "引擎正在停止，不再启动新的运行"),
    "engine.reply.config_stays": (
        "the engine is stopping; the config stays as it is",
        "引擎正在停止，配置保持不变",
    ),
    "engine.reply.no_task": ('no task "{task}"', '没有任务 "{task}"'),
    "engine.reply.foreign": (
        "run {run} belongs to an `exec`; end that command",
        "运行 #{run} 属于一个 `exec`；请结束该命令",
    ),
    "engine.reply.ended": ("run {run} has ended", "运行 #{run} 已结束"),
    "engine.reply.disk_full": (
        "the disk is full: the run cannot be recorded, so it may not start",
        "磁盘已满：无法记录该次运行，因此不能启动",
    ),
    "engine.reply.unavailable": (
        "the history cannot be written now, so nothing may start; see the problems of the engine",
        "历史暂时无法写入，因此不能启动任何运行；请查看引擎的问题",
    ),
    "engine.reply.invalid": ("the config file has problems", "配置文件有问题"),
    "engine.reply.outbox": ("the outbox cannot be written now: {error}", "暂时无法写入通知记录：{error}"),
    "engine.reply.no_delivery": ("no delivery {delivery}", "没有消息 {delivery}"),
    "engine.reply.pending": (
        "delivery {delivery} is already waiting to be sent",
        "消息 {delivery} 已在等待发送",
    ),
    # what `run` prints
    "engine.home_lost": (
        "another engine holds {home} now; this one has ended",
        "另一引擎正在使用 {home}；此引擎已退出",
    ),
    "engine.home_in_use": (
        "{home}: {reason}; stop it first, or use another --home",
        "{home}：{reason}；请先停止它，或改用其他 --home",
    ),
    "engine.home_unusable": ("the home {home} cannot be used: {reason}", "无法使用目录 {home}：{reason}"),
    "engine.zone": ("{zone} ({source})", "{zone}（{source}）"),
    "engine.zone.settings": ("{zone} (settings)", "{zone}（配置）"),
    "engine.zone.none": ("{zone} (none found)", "{zone}（未找到本机时区）"),
    "engine.greeting": (
        "minisched {version}: home {home}, {count} {count|task|tasks}, time zone {zone}",
        "minisched {version}：目录 {home}，{count} 个任务，时区 {zone}",
    ),
    "engine.where_logs_are": (
        "task output is in logs/, the engine's own log in logs/minisched.log; Ctrl-C stops the engine",
        "任务输出在 logs/ 中，引擎日志为 logs/minisched.log；按 Ctrl-C 停止",
    ),
    "engine.page_at": ("page: {url}", "网页：{url}"),
    "engine.sample_tasks": (
        "these are two sample tasks; next: `minisched help tutorial`,\n"
        "or a home of your own: `minisched --home ~/jobs init`,\nthen `minisched --home ~/jobs run`",
        "以上是两个示例任务；接下来请看教程：`minisched help tutorial.zh`\n"
        "建立自己的 minisched 目录：`minisched --home ~/jobs init`\n然后启动：`minisched --home ~/jobs run`",
    ),
    "engine.sample_tasks_own": (
        "these are two sample tasks; `minisched help tutorial` replaces them by your first own one,\n"
        "`minisched edit` opens the config",
        "以上是两个示例任务；教程 `minisched help tutorial.zh` 教你换成自己的第一个任务，\n`minisched edit` 打开配置",
    ),
    "engine.stopping_now": (
        "{stopping}; Ctrl-C again ends them at once",
        "{stopping}；再按 Ctrl-C 立即终止",
    ),
}
