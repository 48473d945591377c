"""Why a message was not delivered, and other texts about the outbox."""

TEXTS: dict[str, tuple[str, str]] = {
    # notify-test
    "notify.tested": ("{rule}, {channel}: {state}", "{rule}，{channel}：{state}"),
    "notify.tested.sent": ("sent", "已发送"),
    "notify.tested.failed": ("failed", "失败"),
    "notify.tested.error": ("{state}: {error}", "{state}：{error}"),
    "notify.tested.answer": ("{state}; answer: {answer}", "{state}；返回：{answer}"),
    # The outbox
    "notify.unknown_row": (
        "its row in the outbox cannot be understood",
        "通知记录中的这一行无法识别",
    ),
    "notify.removed": ("its rule or channel is no longer in the config", "其规则或渠道已不在配置中"),
    "notify.too_many": ("too many waiting: more than {limit}", "等待发送的消息过多：超过 {limit} 条"),
    # What a message says
    "notify.is_slow": ("{name} is slow: {why}", "{name} 偏慢：{why}"),
    "notify.is_late": ("{name} is late: {why}", "{name} 逾期：{why}"),
    "notify.is_problem": (
        "minisched on {host} has a problem: {why}",
        "{host} 上的 minisched 出现问题：{why}",
    ),
    "notify.is_problem_gone": (
        "minisched on {host}: the problem is over: {why}",
        "{host} 上的 minisched：问题已消除：{why}",
    ),
    # The built-in subject and text. `status` is one of the texts below, `what` a task, perhaps with id and host.
    "notify.headline": ("{what}: {status}", "{what}：{status}"),
    "notify.with_id": ("{name} ({id})", "{name}（{id}）"),
    "notify.on_host": ("{what} on {host}", "{what}，主机 {host}"),
    "notify.in_a_row": (" ({count} in a row)", "，连续 {count} 次"),
    "notify.recovered": ("recovered", "已恢复"),
    "notify.first_line.test": (
        "This is a test message. Nothing has happened.",
        "这是一条测试消息，没有发生任何事情。",
    ),
    "notify.first_line.recovery": ("The task works again.", "任务已恢复正常。"),
    "notify.line.reason": ("Reason: {value}", "原因：{value}"),
    "notify.line.details": ("Details: {value}", "说明：{value}"),
    "notify.line.exit_code": ("Exit code: {value}", "退出码：{value}"),
    "notify.line.due": ("Due: {value}", "计划时间：{value}"),
    "notify.line.started": ("Started: {value}", "开始：{value}"),
    "notify.line.ended": ("Ended: {value}", "结束：{value}"),
    "notify.line.duration": ("Duration: {value}", "用时：{value}"),
    "notify.line.attempt": ("Attempt: {value}", "尝试：第 {value} 次"),
    "notify.line.in_a_row": ("In a row: {value}", "连续次数：{value}"),
    "notify.line.suppressed": (
        "Held back since the last message: {value}",
        "上一条消息之后被抑制的消息：{value}",
    ),
    "notify.line.run": ("Run: {value}", "运行：#{value}"),
    "notify.line.tail": ("The last lines of its output:", "输出的最后几行："),
    "notify.status.success": ("success", "成功"),
    "notify.status.business_failure": ("business failure", "业务失败"),
    "notify.status.technical_failure": ("technical failure", "技术失败"),
    "notify.status.skipped": ("skipped", "已跳过"),
    "notify.status.missed": ("missed", "已错过"),
    "notify.status.cancelled": ("cancelled", "已取消"),
    "notify.status.running": ("running", "运行中"),
    "notify.status.slow": ("slow", "偏慢"),
    "notify.status.late": ("late", "逾期"),
    "notify.status.problem": ("problem", "出现问题"),
    "notify.status.problem_gone": ("problem is over", "问题已消除"),
    "notify.reason": ("{words} ({reason})", "{words}（{reason}）"),
    "notify.reason.signal": ("signal", "信号"),
    "notify.reason.interrupted": ("the engine stopped", "引擎中途停止"),
    "notify.reason.superseded": ("its next due time came first", "下一个计划时间已先到"),
    "notify.reason.duration": ("longer than expected", "超过预期时长"),
    "notify.reason.finish_by": ("no success in time", "未按时成功"),
    # All channels
    "notify.internal_error": (
        "internal error: {error}; see logs/minisched.log",
        "内部错误：{error}；详见 logs/minisched.log",
    ),
    "notify.not_loaded": ("the channel cannot be loaded: {reason}", "无法加载渠道：{reason}"),
    "notify.no_thread": ("no thread to send with: {reason}", "没有可用于发送的线程：{reason}"),
    "notify.unreadable": ("{field} cannot be read: {reason}", "无法读取 {field}：{reason}"),
    "notify.test_timeout": (
        "no answer within {seconds} s; the message may still arrive",
        "{seconds} 秒内没有应答；消息仍可能送达",
    ),
    "notify.no_enabled_rule": (
        "task {task} has no enabled rule in task_notify",
        "任务 {task} 的 task_notify 中没有已启用的规则",
    ),
    "notify.unknown_rule": (
        'task {task} has no rule "{rule}"; it has {names}',
        '任务 {task} 没有规则 "{rule}"；现有 {names}',
    ),
    "notify.no_rules": (
        'task {task} has no rule "{rule}"; it has none',
        '任务 {task} 没有规则 "{rule}"；它没有任何规则',
    ),
    # Connections
    "notify.timeout": ("no answer in time", "未及时应答"),
    "notify.unknown_host": ("unknown host: {reason}", "找不到主机：{reason}"),
    "notify.no_address": ("the host name has no address", "该主机名没有对应的地址"),
    "notify.not_a_host_name": ("not a host name", "不是主机名"),
    "notify.untrusted_certificate": ("its certificate is not trusted: {reason}", "其证书不受信任：{reason}"),
    "notify.ca_file": ("ca_file {path} cannot be used: {reason}", "无法使用 ca_file {path}：{reason}"),
    "notify.not_pem": ("holds no certificates in PEM form", "其中没有 PEM 格式的证书"),
    # Webhooks
    "notify.no_answer": ("no answer within {seconds} s", "{seconds} 秒内没有应答"),
    "notify.closed": ("the server closed the connection without an answer", "服务器未应答就关闭了连接"),
    "notify.not_http": ("the answer is not HTTP: {error}", "应答不是 HTTP：{error}"),
    "notify.unreachable": ("the server cannot be reached: {reason}", "无法连接服务器：{reason}"),
    "notify.http_status": ("HTTP {status}", "HTTP {status}"),
    "notify.redirect": (
        "HTTP {status}: redirects are not followed; set url to the final address",
        "HTTP {status}：不跟随重定向；请将 url 设为最终地址",
    ),
    "notify.no_code": (
        "the answer has no {field}, so it may come from another server (HTTP {status})",
        "应答中没有 {field}，可能来自其他服务器（HTTP {status}）",
    ),
    "notify.code": (
        "the service answered {field} {value} (HTTP {status})",
        "服务返回 {field} {value}（HTTP {status}）",
    ),
    "notify.not_ok": ('the service did not answer "ok" (HTTP {status})', '服务没有返回 "ok"（HTTP {status}）'),
    "notify.invalid_url": (
        "{field} is not an http:// or https:// address without a user name, blanks or templates",
        "{field} 不是以 http:// 或 https:// 开头、不含用户名、空白和模板的地址",
    ),
    "notify.invalid_header": (
        "{field} is not a text of printable ASCII characters",
        "{field} 不是由可打印 ASCII 字符组成的文本",
    ),
    # Commands and files
    "notify.command_not_started": ("the command could not be started: {reason}", "命令无法启动：{reason}"),
    "notify.command_timeout": (
        "the command took longer than {seconds} s and was ended",
        "命令运行超过 {seconds} 秒，已被终止",
    ),
    "notify.command_exit": ("the command ended with exit code {exit_code}", "命令结束，退出码 {exit_code}"),
    "notify.command_exit_hint": (
        "the command ended with exit code {exit_code}: {hint}",
        "命令结束，退出码 {exit_code}：{hint}",
    ),
    "notify.command_signal": ("the command was ended by signal {signal}", "命令被信号 {signal} 终止"),
    "notify.command_lost": (
        "the command's exit code is lost: another process reaped it",
        "命令的退出码丢失：已被其他进程回收",
    ),
    "notify.file": ("{path}: {reason}", "{path}：{reason}"),
    "notify.no_folder": ("its folder does not exist", "其目录不存在"),
    # Mail
    "notify.no_smtp": (
        "settings.smtp is not set, or has no from; both are needed to send mail",
        "没有设置 settings.smtp，或其中没有 from；发送邮件需要两者",
    ),
    "notify.mail_headers": (
        "the mail would have other headers than {names}; check its templates and their values",
        "除 {names} 外还会有其他邮件头；请检查模板及其取值",
    ),
    "notify.mail_unwritable": ("the mail cannot be written: {error}", "无法生成邮件：{error}"),
    "notify.mail_timeout": (
        "the mail server did not take the message within {seconds} s",
        "邮件服务器在 {seconds} 秒内没有接受邮件",
    ),
    "notify.mail_unreachable": ("the mail server cannot be reached: {reason}", "无法连接邮件服务器：{reason}"),
    "notify.mail_closed": ("the mail server closed the connection", "邮件服务器关闭了连接"),
    "notify.mail_error": ("the mail server: {error}", "邮件服务器：{error}"),
    "notify.mail_refused": ("the mail server refused the connection: {reply}", "邮件服务器拒绝连接：{reply}"),
    "notify.login_refused": ("the mail server refused the login", "邮件服务器拒绝登录"),
    "notify.login_not_ascii": (
        "the user name or the password has characters that are not ASCII",
        "用户名或密码含有非 ASCII 字符",
    ),
    "notify.sender_refused": ("the mail server refused the sender: {reply}", "邮件服务器拒绝该发件人：{reply}"),
    "notify.message_refused": ("the mail server refused the message: {reply}", "邮件服务器拒绝该邮件：{reply}"),
    "notify.all_refused": ("every recipient was refused: {reply}", "所有收件人均被拒收：{reply}"),
    "notify.some_refused": (
        "accepted for {taken} of {total} recipients; refused for {replies}",
        "{total} 个收件人中已接受 {taken} 个；被拒收：{replies}",
    ),
    "notify.some_refused_for_now": (
        "accepted for {taken} of {total} recipients; refused for {replies}. A temporary refusal (4xx) is not tried"
        " again when other recipients have the mail: give such a recipient a channel of its own",
        "{total} 个收件人中已接受 {taken} 个；被拒收：{replies}。暂时拒收（4xx）在其他收件人已收到时不再重试："
        "请为该收件人单设渠道",
    ),
}
