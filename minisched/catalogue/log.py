"""Lines of the engine's log: who, what, state, next. `exec` prints some of them."""

TEXTS: dict[str, tuple[str, str]] = {
    # The engine
    "log.started": ("engine started: pid {pid}, {count} {count|task|tasks}", "引擎已启动：pid {pid}，{count} 个任务"),
    "log.as_root": (
        "running as root: tasks without task_user run as root too",
        "正以 root 运行：没有 task_user 的任务也以 root 运行",
    ),
    "log.zone": ("time zone: {zone}", "时区：{zone}"),
    "log.zone_changed": ("time zone: {zone} ({source}) instead of {before}", "时区：{zone}（{source}），原为 {before}"),
    "log.clock_set": (
        "the clock was set {forward|forward|back} by {seconds} s",
        "时钟被{forward|拨快|拨慢} {seconds} 秒",
    ),  # forward: 1 or 0
    "log.taken_back": (
        "{count} {count|due time is|due times are} still to come: the record that nothing was started is removed",
        "{count} 个尚未到来的计划时间：已删除其“未启动”的记录",
    ),
    "log.home_lost": (
        "{reason}: this engine has lost it and ends; its tasks are stopped, and their ends are not recorded",
        "{reason}：此引擎已失去该目录，正在退出；其任务将被停止，且不记录其结束",
    ),
    "log.old_copy": (
        "{path} ({size} MB) is a copy from before an upgrade; delete it when you do not want to go back",
        "{path}（{size} MB）是升级前的副本；不再需要回退时可删除",
    ),
    "log.stopping": (
        "stopping: {count} {count|run gets|runs get} {seconds} s to end",
        "正在停止：{count} 次运行有 {seconds} 秒时间结束",
    ),
    "log.stopping_idle": ("stopping: nothing runs", "正在停止：没有运行中的任务"),
    "log.stopped": ("engine stopped", "引擎已停止"),
    "log.stopped_unwritten": (
        "engine stopped, the last changes could not be written",
        "引擎已停止，最后的更改未能写入",
    ),
    "log.slow": ("run {run_id} of {task} is slow: {why}", "{task} 的运行 #{run_id} 偏慢：{why}"),
    "log.late": ("{task} is late: {why}", "{task} 逾期：{why}"),
    "log.edited": ("config edited: {task}", "已编辑配置：{task}"),
    "log.problem": ("{key}: {problem}", "{key}：{problem}"),
    "log.resolved": ("resolved after {seconds} s: {key}: {problem}", "{seconds} 秒后恢复：{key}：{problem}"),
    "log.uptime_lost": (
        "history: when the engine ran could not be written: {error}",
        "历史：未能写入引擎的运行时间：{error}",
    ),
    "log.retention_waits": ("history: retention waits: {error}", "历史：清理推迟：{error}"),
    "log.due_time_taken": ("{task}: its due time {due} has a run already", "{task}：计划时间 {due} 已有一次运行"),
    # Config
    "log.reloaded": (
        "config: reloaded ({why}): {count} {count|task|tasks}; {added} added, {changed} changed, {removed} removed",
        "配置：已重新加载（{why}）：{count} 个任务；新增 {added}，更改 {changed}，移除 {removed}",
    ),
    "log.requested": ("requested by {by}", "由 {by} 请求"),
    "log.file_changed": ("the file has changed", "文件已更改"),
    "log.file_readable": ("the file can be read again", "文件可再次读取"),
    "log.config_refused": (
        "config: {count} {count|problem|problems}, the previous config stays in force",
        "配置：{count} 个问题，继续使用之前的配置",
    ),
    # Runs
    "log.run": (
        "run {run_id} of {task}: {status}{why}{took}{retry}{left}{process}",
        "{task} 的运行 #{run_id}：{status}{why}{took}{retry}{left}{process}",
    ),
    "log.run.why": (" ({why})", "（{why}）"),
    "log.run.took": (
        " after {seconds} s, attempt {attempt} of {max}",
        "，用时 {seconds} 秒，第 {attempt}/{max} 次尝试",
    ),
    "log.run.took_once": (" after {seconds} s", "，用时 {seconds} 秒"),
    "log.run.retry": (", next in {seconds} s", "，{seconds} 秒后重试"),
    "log.run.left": (", {count} {count|process|processes} left behind", "，残留 {count} 个进程"),
    "log.run.process": (", pid {pid}, by {trigger}", "，pid {pid}，触发：{trigger}"),
    "log.run.running": (
        "run {run_id} of {task}: running, pid {pid}, attempt {attempt} of {max}, by {trigger}",
        "{task} 的运行 #{run_id}：运行中，pid {pid}，第 {attempt}/{max} 次尝试，触发：{trigger}",
    ),
    "log.output_lost": (
        "output of run {run_id} of {task} could not be written to {path}: {reason}",
        "{task} 的运行 #{run_id} 的输出未能写入 {path}：{reason}",
    ),
    "log.run_requested": ("{task}: started manually, requested by {by}", "{task}：手动启动，由 {by} 请求"),
    "log.backfill_requested": (
        "{task}: started for a past time ({due}), requested by {by}",
        "{task}：为过去的时间（{due}）补做，由 {by} 请求",
    ),
    "log.stop_requested": (
        "run {run_id} of {task}: stop requested by {by}",
        "{task} 的运行 #{run_id}：由 {by} 请求停止",
    ),
    # Notifications
    "log.delivery": (
        'notification {id} of {task}, rule "{rule}", {type}: {result}',
        '{task} 的通知 #{id}，规则 "{rule}"，{type}：{result}',
    ),
    "log.delivery.sent": ("sent", "已送达"),
    "log.delivery.partly": ("sent, but {error}", "已送达，但 {error}"),
    "log.delivery.failed": (
        "not sent after {count} {count|attempt|attempts}: {error}",
        "{count} 次尝试后仍未送达：{error}",
    ),
    "log.delivery.retry": (
        "{error}, attempt {attempt}, next in {seconds} s",
        "{error}，第 {attempt} 次尝试，{seconds} 秒后重试",
    ),
    "log.resend": (
        "notification {id}: to be sent again, requested by {by}",
        "通知 #{id}：将重新发送，由 {by} 请求",
    ),
    "log.resend_failed": (
        "{count} failed {count|notification|notifications}: to be sent again, requested by {by}",
        "{count} 条未送达的通知：将重新发送，由 {by} 请求",
    ),
    "log.not_composed": (
        "run {run_id}: its notifications could not be composed: {error}",
        "运行 #{run_id}：无法生成其通知：{error}",
    ),
    "log.not_routed": (
        '{task}: {count} {count|notification|notifications} of rule "{rule}", channel {channel}, {count|was|were} not'
        " sent: {why}",
        '{task}：规则 "{rule}" 渠道 {channel} 的 {count} 条通知未发送：{why}',
    ),
    "log.too_many": (
        "{count} {count|notification was|notifications were} not sent: {why}",
        "{count} 条通知未发送：{why}",
    ),
    "log.command": ("{action}, by user {user} on the command line", "{action}（用户 {user}，命令行）"),
    "log.exec": (
        "run {run_id} of {task}: started in the foreground (exec)",
        "{task} 的运行 #{run_id}：在前台启动（exec）",
    ),
    "log.notify_test": ("{task}: test message (notify-test): {result}", "{task}：测试消息（notify-test）：{result}"),
    "log.tested": ("{task}: test message, requested by {by}: {result}", "{task}：测试消息，由 {by} 请求：{result}"),
    # The page
    "log.page": ("the page and the API are at {url}", "网页与 API 位于 {url}"),
    "log.page_one_loopback": (
        "this machine has no {address}, so localhost leads to the page alone",
        "本机没有 {address}，localhost 只会通向本网页",
    ),
    "log.page_reachable": (
        "they can be reached from other machines: put TLS in front (docs/security.md)",
        "其他机器可以访问：请在前面加上 TLS（docs/security.md）",
    ),
    "log.page_problem": ("{problem}; tasks run nevertheless", "{problem}；任务照常运行"),
    "log.http.more": (
        "{text} (and {count} of this kind before it)",
        "{text}（此前还有 {count} 次同类情况）",
    ),
    "log.http.full": (
        "{count} connections are open; closed the one from {client}",
        "已有 {count} 个连接；关闭了来自 {client} 的连接",
    ),
    "log.http.token": ("a request with a wrong token, from {client}", "来自 {client} 的请求令牌错误"),
    "log.http.misdirected": (
        "a request under a name that is not ours, from {client}: see http.allowed_hosts",
        "来自 {client} 的请求使用了不属于本网页的名称：参见 http.allowed_hosts",
    ),
    "log.http.forbidden": (
        "a request refused, from {client}: from a page of another site, or with the read token for more than reading",
        "已拒绝来自 {client} 的请求：来自其他网站的页面，或以只读令牌执行读取以外的操作",
    ),
    "log.http.not_accepted": ("no connection can be accepted: {error}", "无法接受连接：{error}"),
    "log.http.no_thread": (
        "no thread can be started for a connection: {error}",
        "无法为连接启动线程：{error}",
    ),
    "log.http.not_served": ("a connection could not be served: {error}", "无法处理一个连接：{error}"),
    "log.http.no_answer": ("no answer to {method} {path}: {error}", "未能应答 {method} {path}：{error}"),
    "log.http.bug": ("bug in {method} {path}: {error}", "{method} {path} 中的程序错误：{error}"),
    "log.http.bug_in_answer": ("bug in an answer to {client}: {error}", "应答 {client} 时的程序错误：{error}"),
}
