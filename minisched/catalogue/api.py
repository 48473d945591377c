"""Errors of the API: `api.<code>` is what a code means, the other texts say more."""

TEXTS: dict[str, tuple[str, str]] = {
    # What each code of an error means.
    "api.bad_request": (
        "The request is malformed, or has an unknown or invalid parameter or field.",
        "请求格式有误，或含有未知或无效的参数或字段。",
    ),
    "api.unauthorized": ("The token is missing or wrong.", "缺少令牌，或令牌不正确。"),
    "api.forbidden": (
        "The request comes from a page of another site, or has the token for reading and wants more.",
        "请求来自其他网站的页面，或使用只读令牌但需要更多权限。",
    ),
    "api.not_found": (
        "There is no such path, task, run, rule or message.",
        "没有这样的路径、任务、运行、规则或消息。",
    ),
    "api.method_not_allowed": (
        "The path exists, for the methods in `Allow`.",
        "该路径存在，但只支持 `Allow` 中的方法。",
    ),
    "api.timeout": ("The request was not complete within 15 s.", "请求未在 15 秒内发送完毕。"),
    "api.exists": (
        "A task of that id exists; ids are not case-sensitive.",
        "已有该 ID 的任务；ID 不区分大小写。",
    ),
    "api.config_changed": (
        "The config file was edited manually and is not loaded yet; read it again.",
        "配置文件已被手动修改，且尚未生效；请重新读取。",
    ),
    "api.has_dependents": ("Other tasks depend on the task.", "有其他任务依赖此任务。"),
    "api.ended": ("The run has ended already.", "该次运行已经结束。"),
    "api.foreign": (
        "The run belongs to an `exec`, which alone can stop it.",
        "该次运行由 `exec` 启动，只能在那里停止。",
    ),
    "api.pending": ("The message is pending already.", "该消息已在等待发送。"),
    "api.output_gone": (
        "The run's output is no longer in a log; `output_tail` of the run has the end of it.",
        "该次运行的输出已不在日志中；运行记录的 `output_tail` 保留了末尾部分。",
    ),
    "api.length_required": ("`Content-Length` is missing.", "缺少 `Content-Length`。"),
    "api.stale": (
        "`If-Match` names another version of the config file than the current one; read the task again.",
        "`If-Match` 不是配置文件的当前版本；请重新读取任务。",
    ),
    "api.too_large": ("The body has more than 256 KiB.", "请求内容超过 256 KiB。"),
    "api.uri_too_long": ("The request line is too long.", "请求行过长。"),
    "api.unsupported_media_type": (
        "`Content-Type` must be application/json, without a content encoding.",
        "`Content-Type` 须为 application/json，且不带内容编码。",
    ),
    "api.expectation_failed": ("`Expect` names something that is not supported.", "不支持 `Expect` 的要求。"),
    "api.misdirected": (
        "`Host` is none of the names under which this page can be reached; see http.allowed_hosts.",
        "`Host` 不是本网页的可用名称；参见 http.allowed_hosts。",
    ),
    "api.invalid_config": (
        "The change would make the config invalid; nothing was changed. See `problems`.",
        "更改会使配置无效；未作任何更改。参见 `problems`。",
    ),
    "api.headers_too_large": ("There are too many headers, or they are too large.", "请求头过多或过大。"),
    "api.internal": (
        "An error in minisched; see logs/minisched.log.",
        "minisched 内部错误；参见 logs/minisched.log。",
    ),
    "api.not_implemented": (
        "The method or the transfer encoding is not supported.",
        "不支持该方法或传输编码。",
    ),
    "api.busy": (
        "The engine did not answer within 5 s, or too many requests are in progress; try again.",
        "引擎未在 5 秒内应答，或正在处理的请求过多；请重试。",
    ),
    "api.stopping": ("The engine is stopping.", "引擎正在停止。"),
    "api.unavailable": (
        "The history or the config file cannot be read or written now; try again.",
        "现在无法读写历史或配置文件；请重试。",
    ),
    "api.too_many_listeners": (
        "There are 16 listeners to events already, or 8 without the token; poll instead.",
        "已有 16 个事件连接，或 8 个无令牌的连接；请改用轮询。",
    ),
    "api.version_not_supported": ("Only HTTP/1.0 and HTTP/1.1 are supported.", "仅支持 HTTP/1.0 和 HTTP/1.1。"),
    "api.disk_full": ("The disk is full; nothing was changed.", "磁盘已满；未作任何更改。"),
    # The gate.
    "api.gate.headers_bytes": ("the headers have more than {max_bytes} bytes", "请求头超过 {max_bytes} 字节"),
    "api.gate.headers_count": ("there are more than {max} headers", "请求头超过 {max} 项"),
    "api.gate.line_bytes": ("the request line has more than {max_bytes} bytes", "请求行超过 {max_bytes} 字节"),
    "api.gate.line_control": ("the request line has a control character", "请求行含有控制字符"),
    "api.gate.line": (
        "the request line is malformed; write non-ASCII characters as %XX",
        "请求行格式有误；非 ASCII 字符应写作 %XX",
    ),
    "api.gate.line_end": ("lines have to end with CR LF", "各行须以 CR LF 结尾"),
    "api.gate.header": ("a header line is malformed", "有一行请求头格式有误"),
    "api.gate.host": ("expected exactly one Host header", "须有且仅有一个 Host 请求头"),
    "api.gate.target": (
        "the request target has to be a path that begins with one slash",
        "请求目标须为以单个斜杠开头的路径",
    ),
    "api.gate.target_bytes": ("the request target has more than {max_bytes} bytes", "请求目标超过 {max_bytes} 字节"),
    "api.gate.ambiguous_path": ("the path can be read in more than one way", "路径有多种解读方式"),
    "api.gate.escape": ("a % has to be followed by two hexadecimal digits", "% 之后须为两位十六进制数字"),
    "api.gate.target_encoding": ("the request target is not UTF-8", "请求目标不是 UTF-8"),
    "api.gate.target_control": ("the request target has a control character", "请求目标含有控制字符"),
    "api.gate.transfer_encoding": (
        "send the body with Content-Length, without a transfer encoding",
        "请用 Content-Length 发送请求内容，不要使用传输编码",
    ),
    "api.gate.length": (
        "Content-Length has to be one number of at most 15 digits",
        "Content-Length 须为至多 15 位的数字",
    ),
    "api.gate.no_body": ("{method} has no body", "{method} 不带请求内容"),
    "api.gate.method": ("this method is unknown", "未知的方法"),
    "api.gate.path": ("there is no such path", "没有这样的路径"),
    "api.gate.allowed": ("allowed here: {methods}", "此处可用：{methods}"),
    # Parameters.
    "api.query.unknown": ('unknown query parameter "{name}"; {text}', '未知的查询参数 "{name}"；{text}'),
    "api.query.none": ("this path takes none", "此路径不接受参数"),
    "api.query.repeated": (
        'query parameter "{name}" is given {count} times; expected once',
        '查询参数 "{name}" 出现了 {count} 次；应只出现一次',
    ),
    "api.query.missing": (
        'query parameter "{name}" is missing; expected {rule}',
        '缺少查询参数 "{name}"；应为{rule}',
    ),
    "api.query.wrong": ('query parameter "{name}": expected {rule}', '查询参数 "{name}"：应为{rule}'),
    "api.rule.integer": ("a whole number from {low} to {high}", "从 {low} 到 {high} 的整数"),
    "api.rule.words": ("words out of {words}, separated by commas", "{words} 中的词，以逗号分隔"),
    "api.rule.text": ("a text of at most {max} characters", "至多 {max} 个字符的文本"),
    "api.rule.time": (
        "an ISO 8601 time such as 2026-11-23 or 2026-11-23T02:30:00+08:00 (a + in a query is written %2B)",
        "ISO 8601 时间，如 2026-11-23 或 2026-11-23T02:30:00+08:00（查询中的 + 写作 %2B）",
    ),
    "api.rule.flag": ("1 or 0", "1 或 0"),
    "api.rule.task_id": ("a task id", "任务 ID"),
    "api.other_site": ("The request comes from a page of another site.", "请求来自其他网站的页面。"),
    "api.read_token": (
        "This token reads the states of the tasks and the metrics only.",
        "此令牌只能读取任务状态和指标。",
    ),
    "api.no_host": (
        "this server is not reached as {host}; see http.allowed_hosts",
        "本服务器不以 {host} 为名；参见 http.allowed_hosts",
    ),
    "api.rule.nonce": ("64 hex digits in lower case", "64 个小写十六进制数字"),
    "api.rule.csv": ("`csv`", "`csv`"),
    "api.rule.epoch": ("an epoch from `hello`", "来自 `hello` 的 epoch"),
    "api.rule.cursor": ("an offset from an answer, or a number of bytes", "来自应答的偏移，或字节数"),
    # Bodies.
    "api.body": ('body, at "{pointer}": {text}', '请求内容 "{pointer}" 处：{text}'),
    "api.body.object": ("is no object", "不是对象"),
    "api.body.unknown": ("unknown field; {text}", "未知字段；{text}"),
    "api.known": ("known are {names}", "已知的有 {names}"),
    "api.body.none_known": ("none is known here", "此处没有可用字段"),
    "api.body.text": ("expected a text", "应为文本"),
    "api.body.texts": ("expected a list of texts", "应为文本列表"),
    "api.body.flag": ("expected true or false", "应为 true 或 false"),
    "api.body.alone": ("cannot be combined with other changes", "不能与其他更改同时使用"),
    "api.body.rule": ("expected the name of a rule", "应为规则名称"),
    "api.body.env": ("expected an object of texts, at most {max}", "应为由文本组成的对象，最多 {max} 项"),
    "api.body.task_or_config": ('expected one of "task" and "config"', '应为 "task" 或 "config" 之一'),
    # Why a request cannot be carried out.
    "api.timeline.span": (
        "`since` and `until` are a span of at most {days} days, given together",
        "`since` 与 `until` 须同时给出，时段不超过 {days} 天",
    ),
    "api.no_task": ("there is no task {task}", "没有任务 {task}"),
    "api.no_run": ("there is no run {run} in the history", "历史中没有运行 #{run}"),
    "api.no_message": ("there is no message {message} in the outbox", "通知记录中没有消息 {message}"),
    "api.task_exists": ("there is a task {task} already", "已有任务 {task}"),
    "api.dependents": ("{task} is a dependency of {tasks}", "{tasks} 依赖 {task}"),
    "api.run_ended": ("run {run} has ended already: {status}", "运行 #{run} 已经结束：{status}"),
    "api.output_gone.run": (
        "the output of run {run} is no longer in a log",
        "运行 #{run} 的输出已不在日志中",
    ),
    "api.problems": (
        "{count} {count|problem|problems}; nothing was changed",
        "{count} 个问题；未作任何更改",
    ),
    "api.schedule": ("{problems}", "{problems}"),
    "api.costly": ("too many such requests are in progress", "正在处理的同类请求过多"),
    "api.config_refused": (
        "the config file is not in force, so it cannot be changed here: {problem}",
        "配置文件未生效，因此无法在此更改：{problem}",
    ),
    # The config file cannot be replaced.
    "api.write.read_only": (
        "{folder} is read-only; edit the config where it comes from: the engine loads a changed file by itself."
        " Nothing was changed",
        "{folder} 为只读；请在配置的来源处编辑：引擎会自动加载修改后的文件。未作任何更改",
    ),
    "api.write.not_permitted": (
        "{folder}: {reason}: the user of the engine has to be able to write in this folder; nothing was changed",
        "{folder}：{reason}：引擎的用户须能写入此目录；未作任何更改",
    ),
    "api.write.mount_point": (
        "{path} is a mount point of its own, so it cannot be replaced; mount its folder instead, or edit the file"
        " where it comes from. Nothing was changed",
        "{path} 本身是挂载点，无法替换；请改为挂载其目录，或在文件的来源处编辑。未作任何更改",
    ),
    "api.write.no_space": (
        "there is no space left for {path}; nothing was changed",
        "没有空间写入 {path}；未作任何更改",
    ),
    "api.write.unwritable": (
        "{path} cannot be written: {reason}; nothing was changed",
        "无法写入 {path}：{reason}；未作任何更改",
    ),
    "api.write.not_durable": (
        "{path} is written and in force, but the disk has not confirmed it ({reason}): a power cut may bring the"
        " previous file back",
        "{path} 已写入并生效，但磁盘未确认（{reason}）：断电后可能恢复为之前的文件",
    ),
    "api.being_changed": ("another change is being written", "正在写入另一项更改"),
    "api.written_not_valid": (
        "the file is written, but not in force: {why}",
        "文件已写入，但未生效：{why}",
    ),
    "api.written_not_in_force": (
        "the file is written, but not in force yet: {why}",
        "文件已写入，但尚未生效：{why}",
    ),
    "api.task_not_in_force": (
        "the file is written, but task {task} is not in force yet",
        "文件已写入，但任务 {task} 尚未生效",
    ),
    "api.no_reply": ("the engine did not answer within {seconds} s", "引擎未在 {seconds} 秒内应答"),
    "api.history": ("the history cannot be read now: {why}", "现在无法读取历史：{why}"),
    # Cards.
}
