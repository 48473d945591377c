"""Why a run has its status: the `detail` of a run and of an attempt. These codes are in the database and in the API."""

# What the first view of the page needs. `why_<status>_<reason>` is what a reason means, where no other code says that.
FIRST_VIEW: dict[str, tuple[str, str]] = {
    "superseded": ("its next due time came first", "下一个计划时间已先到"),
    "dependency_timeout": ("waited {seconds} s for {tasks}", "等待 {tasks} 超过 {seconds} 秒"),
    "waiting_for": ("waiting for {needs}", "正在等待：{needs}"),  # `needs`: task ids, and texts of the next five codes
    "need_success": ("success of {task}", "{task} 成功"),
    "need_failure": ("failure of {task}", "{task} 失败"),
    "need_end": ("end of {task}", "{task} 结束"),
    "need_within": ("{need} in the last {within}", "最近 {within} 内 {need}"),
    "need_ever": ("{need} at any time", "任意时间内 {need}"),
    "upstream_ended": ("{task} ended as {status}", "{task} 以 {status} 结束"),
    "due_times": ("{count} due times", "共 {count} 个计划时间"),
    "exit_code": ("exit code {exit_code}", "退出码 {exit_code}"),
    "business_exit_code": (
        "exit code {exit_code}: a business failure by convention, not retried",
        "退出码 {exit_code}：按约定为业务失败，不重试",
    ),
    "business_exit_code_crash": (
        "exit code {exit_code}: a business failure by convention, not retried; the output looks like a crash",
        "退出码 {exit_code}：按约定为业务失败，不重试；但输出像是程序崩溃",
    ),
    "signal": ("ended by signal {signal}", "被信号 {signal} 终止"),
    "interrupted": ("the engine stopped before the process ended", "进程结束前引擎已停止"),
    "why_waiting": ("waiting for {tasks}", "正在等待 {tasks} 成功"),
    "why_queued_overlap": ("the previous run has not ended", "上一次运行尚未结束"),
    "why_queued_max_running": (
        "the limit of running processes (max_running) is reached",
        "运行中的进程数已达上限（max_running）",
    ),
    "why_queued_lock": ("waiting for a lock", "正在等待锁"),
    "why_queued_condition": ("waiting for its condition", "正在等待其条件"),
    "why_technical_failure_timeout": ("exceeded its time limit and was terminated", "运行超时，已被终止"),
    "why_technical_failure_spawn": ("could not be started", "无法启动"),
    "why_skipped_overlap": ("the previous run was still running", "到计划时间时上一次运行尚未结束"),
    "why_skipped_upstream_failed": ("a dependency ended otherwise than required", "有前置任务未按要求结束"),
    "why_skipped_dependency_timeout": ("timed out waiting for its dependencies", "等待前置任务超时"),
    "why_skipped_queue_full": ("another run was already queued", "已有一次运行在排队"),
    "why_skipped_paused": ("the engine was paused", "引擎已暂停"),
    "why_skipped_shutdown": ("still queued when the engine was stopped", "引擎停止时仍在排队"),
    "why_skipped_condition": ("its condition was not met", "其条件不满足"),
    "why_missed_downtime": ("the engine was not running at the due time", "到计划时间时引擎未运行"),
    "why_missed_late": ("the machine was asleep or its clock jumped", "机器休眠或时钟跳变，错过了计划时间"),
    "why_cancelled_user": ("stopped manually", "被手动停止"),
    "why_cancelled_replaced": ("replaced by a newer run", "被新的运行取代"),
    "why_cancelled_shutdown": ("the engine was stopped", "引擎已停止"),
}

TEXTS: dict[str, tuple[str, str]] = {
    **FIRST_VIEW,
    "text": ("{text}", "{text}"),  # a sentence that an older version or another program wrote
    # Queued or skipped: what was in the way.
    "blocked_by": ("{runs}", "{runs}"),  # `runs`: texts of the next four codes
    "run_status": ("run {run_id} is {status}", "运行 #{run_id} 处于 {status}"),
    "run_by_exec": ("run {run_id} is running by `exec`", "运行 #{run_id} 正由 `exec` 执行"),
    "more_runs": ("{count} more", "另有 {count} 次"),
    "runs_of_same_time": ("{count} due at the same time", "同一时刻另有 {count} 次"),
    "max_running": (
        "{running} of max_running {limit} processes run",
        "正在运行 {running} 个进程，上限 max_running 为 {limit}",
    ),
    # Queued for locks: `locks` are texts of the next two codes, `runs` of the two after them and of `more_runs`.
    "lock": ("waits for {locks}", "正在等待{locks}"),
    "lock_held": ("lock {lock} (held by {runs})", "锁 {lock}（由 {runs} 占用）"),
    "lock_promised": ("lock {lock} (which {run} gets before)", "锁 {lock}（{run} 先取得）"),
    "run_of_task": ("{task}, run {run_id}", "{task} 的运行 #{run_id}"),
    "new_run_of_task": ("{task}", "{task}"),
    # Conditions.
    "condition_asked": ("its condition is being asked", "正在检查其条件"),
    "condition_no_process": ("its condition has not been asked: {running}", "尚未检查其条件：{running}"),
    "condition_again": ("{answer}; it is asked again each minute", "{answer}；每分钟重新检查"),
    "condition": ("not now: {line}", "暂不启动：{line}"),
    "condition_silent": ("not now; the condition printed nothing", "暂不启动；条件没有输出"),
    "condition_crash": (
        "not now: {line}; the output looks like that of a crash",
        "暂不启动：{line}；输出像是程序崩溃",
    ),
    "condition_failed": ("task_condition: {result}", "task_condition 失败：{result}"),
    # Files.
    "log_lost": ("{path}: {reason}", "{path}：{reason}"),
    "is_symlink": ("is a symbolic link, which is not followed", "是符号链接，不予跟随"),
    "is_hard_link": (
        "has another name elsewhere (a hard link), which would be written to as well",
        "另有硬链接，写入会同时更改该处",
    ),
    "unsafe_place": (
        "another user can change {path}, and so decide where is written",
        "其他用户可更改 {path}，从而决定写入的位置",
    ),
    "not_a_file": ("is not a regular file", "不是普通文件"),
    # What was expected (`task_expect`).
    "slow": ("it takes longer than {seconds} s", "运行已超过 {seconds} 秒"),
    "late": ("no success for {day} by {time}", "{day} 到 {time} 仍无一次成功"),
    # Dependencies.
    "upstream_failed": ("{task} ended as {status} ({reason})", "{task} 以 {status}（{reason}）结束"),
    # Missed.
    "queued_at_stop": ("it was queued when the engine stopped", "引擎停止时仍在排队"),
    # Ended or not started on request, or by a change.
    "cancelled_by": ("by {by}", "由 {by} 取消"),
    "cancelled_before_start": ("cancelled before it was started", "启动前已取消"),
    # Who changed the config. `by`: " (user and address)", or "".
    "by_api": ("through the page or the API{by}", "经网页或 API{by}"),
    "by_cli": ("on the command line{by}", "经命令行{by}"),
    "by_file": ("by hand in the config file{by}", "手动编辑配置文件{by}"),
    "by_stopped": ("by hand in the config file, while no engine ran{by}", "引擎未运行时手动编辑配置文件{by}"),
    "task_removed": ("the task was removed from the config", "任务已从配置中移除"),
    "task_not_configured": ("the task is no longer in the config", "任务已不在配置中"),
    "task_disabled": ("the task was disabled", "任务已停用"),
    "engine_stopped": ("the engine was stopped", "引擎已停止"),
    "not_started": ("not started", "未启动"),
    # How a process ended.
    "business_exit_code_hint": (
        "exit code {exit_code}: a business failure by convention, not retried: {hint}",
        "退出码 {exit_code}：按约定为业务失败，不重试：{hint}",
    ),
    "exit_code_hint": ("exit code {exit_code}: {hint}", "退出码 {exit_code}：{hint}"),
    "signal_hint": ("ended by signal {signal}: {hint}", "被信号 {signal} 终止：{hint}"),
    # What an exit code or a signal hides.
    "command_not_found": ("a command was not found", "有命令未找到"),
    "command_not_executable": ("a command could not be executed", "有命令无法执行"),
    "memory_limit": (
        "task_limits.memory is {limit}, which may be too little for the program",
        "task_limits.memory 为 {limit}，对该程序可能太小",
    ),
    "cpu_limit": (
        "task_limits.cpu_seconds is {limit}, which it may have used up",
        "task_limits.cpu_seconds 为 {limit}，可能已用完",
    ),
    "timeout": (
        "{killed|killed|ended} after {seconds} s",
        "{seconds} 秒后{killed|被强制终止|被终止}",
    ),  # killed: 1 or 0
    "interrupted_killed": (
        "the engine stopped before the process ended; {count} {count|process|processes} left over {count|was|were}"
        " killed",
        "进程结束前引擎已停止；已终止 {count} 个残留进程",
    ),
    "exit_status_lost": ("its exit status is lost: another process reaped it", "退出状态丢失：已被其他进程回收"),
    # Why a process could not be started.
    "task_env": ("task_env: {name}: {reason}", "task_env 中的 {name}：{reason}"),
    "task_env_file": ("task_env_file: {reason}", "环境变量文件 task_env_file：{reason}"),
    "env_file.too_large": (
        "{path} is larger than {max_bytes} bytes",
        "{path} 超过 {max_bytes} 字节",
    ),
    "env_file.no_assignment": (
        "{path}, line {line}: expected NAME=text; a comment begins with #",
        "{path} 第 {line} 行：应为 NAME=文本；注释以 # 开头",
    ),
    "env_file.bad_name": (
        "{path}, line {line}: expected the name of a variable before the =, of ASCII letters, digits and _, not with a"
        " digit first and not beginning with MINISCHED_",
        "{path} 第 {line} 行：等号前应为变量名，由 ASCII 字母、数字和 _ 组成，不以数字开头，也不以 MINISCHED_ 开头",
    ),
    "env_file.no_end_quote": (
        "{path}, line {line}: the quotation mark is not closed in this line; a value cannot have several lines",
        "{path} 第 {line} 行：引号没有在本行内结束；值不能跨行",
    ),
    "env_file.after_quote": (
        "{path}, line {line}: nothing may follow the closing quotation mark; a comment has a line of its own",
        "{path} 第 {line} 行：结束引号之后不能再有内容；注释须单独成行",
    ),
    "env_file.continued": (
        "{path}, line {line}: ends with a backslash, but a value cannot go on in the next line; put a backslash that is"
        " part of it into single quotation marks",
        "{path} 第 {line} 行：以反斜杠结尾，但值不能延续到下一行；若反斜杠属于值本身，请用单引号括起来",
    ),
    "env_file.nul": ("{path}, line {line}: contains a NUL character", "{path} 第 {line} 行：含有 NUL 字符"),
    "variable_not_set": ("environment variable {name} is not set", "没有设置环境变量 {name}"),
    "unsafe_home": (
        "nothing is started while another user could change what is run: {problem}",
        "其他用户可能更改要运行的内容，因此不启动任何任务：{problem}",
    ),
    "unreadable": ("{path}: {reason}", "{path}：{reason}"),
    "not_utf8": ("{path}: not UTF-8", "{path}：不是 UTF-8"),
    "secret_content": (
        "{path}: expected a text of 1 to {max_bytes} bytes without NUL",
        "{path}：应为 1 到 {max_bytes} 字节、不含 NUL 的文本",
    ),
    "secret_writable": (
        "{path}: every user can write to it (chmod o-w)",
        "{path}：所有用户都可写入（chmod o-w）",
    ),
    "no_such_user": ("task_user {user}: there is no such user", "task_user {user}：没有此用户"),
    "user_no_answer": (
        "task_user {user}: the system gave no answer about this user within {seconds} s (LDAP, sssd)",
        "task_user {user}：系统在 {seconds} 秒内未答复该用户的信息（LDAP、sssd）",
    ),
    "not_root": (
        "task_user {user}: only root can run a task as another user",
        "task_user {user}：只有 root 能以其他用户运行任务",
    ),
    "over_hard_limit": (
        "task_limits: {name} {value} is over the hard limit {limit} of the engine",
        "task_limits：{name} {value} 超过引擎的硬限制 {limit}",
    ),
    "no_folder": (
        "task_cwd {path}: {reason}: not a folder that can be entered",
        "task_cwd {path}：{reason}：不是可进入的目录",
    ),
    "no_folder_tilde": (
        "task_cwd {path}: {reason}: ~ is not expanded; write the whole path, such as /home/NAME",
        "task_cwd {path}：{reason}：~ 不会展开；请写完整路径，如 /home/NAME",
    ),
    "no_interpreter": (
        "{program}: {reason}: the interpreter in its #! line, {interpreter}, does not exist or cannot be executed;"
        " install it or correct the line",
        "{program}：{reason}：其 #! 行中的解释器 {interpreter} 不存在或无法执行；请安装它，或更正该行",
    ),
    "script_crlf": (
        "{program}: its lines end in CR LF, as on Windows, so the CR becomes part of a name; remove it:"
        " sed -i 's/\\r$//' {program}",
        "{program}：行尾是 Windows 的 CR LF，CR 会成为名称的一部分；请去掉它：sed -i 's/\\r$//' {program}",
    ),
    "script_bom": (
        "{program}: begins with a byte order mark (BOM), so its #! line is not seen; save it as UTF-8 without BOM:"
        " sed -i '1s/^\\xef\\xbb\\xbf//' {program}",
        "{program}：以字节顺序标记（BOM）开头，因此 #! 行不起作用；请保存为不带 BOM 的 UTF-8："
        "sed -i '1s/^\\xef\\xbb\\xbf//' {program}",
    ),
    "script_utf16": (
        "{program}: its encoding is UTF-16; save it as UTF-8 without BOM",
        "{program}：编码为 UTF-16；请保存为不带 BOM 的 UTF-8",
    ),
    "is_folder": ("{program}: is a folder, not a program", "{program}：是目录，不是程序"),
    "not_executable": ("{program}: {reason}: not executable (chmod +x)", "{program}：{reason}：不可执行（chmod +x）"),
    "noexec": (
        "{program}: {reason}: its file system is mounted noexec; let its interpreter run it, such as"
        ' ["sh", "{program}"]',
        '{program}：{reason}：所在文件系统以 noexec 挂载；请由解释器运行，如 ["sh", "{program}"]',
    ),
    "no_access": (
        "{program}: {reason}: the user of the task may not execute it, or not enter a folder above it",
        "{program}：{reason}：任务的用户无权执行它，或无权进入其上级目录",
    ),
    "no_program": (
        "{program}: {reason}: no program, and a script with no #! line; begin it with a line such as #!/bin/sh",
        "{program}：{reason}：不是程序，也不是带 #! 行的脚本；请在开头加上 #!/bin/sh 这样的一行",
    ),
    "in_home": (
        "{word} is a file of the home, but the working directory is {cwd}; write {path}",
        "{word} 是 minisched 目录（home）中的文件，而工作目录为 {cwd}；请写作 {path}",
    ),
    "one_item": (
        '{program}: {reason}: the program is "{word}"; in a list each argument is an item of its own',
        '{program}：{reason}：程序是 "{word}"；列表中每个参数单独为一项',
    ),
    "tilde": (
        "{path}: {reason}: ~ is not expanded here; write the whole path, such as /home/NAME/...",
        "{path}：{reason}：此处 ~ 不会展开；请写完整路径，如 /home/NAME/...",
    ),
    "not_in_path": (
        "{program}: {reason}: not in any folder of PATH ({path})",
        "{program}：{reason}：不在 PATH 的任何目录中（{path}）",
    ),
    "path_literal": (
        "PATH is {path}: variables are not expanded in task_env; write all folders",
        "PATH 为 {path}：task_env 中的变量不会展开；请写出所有目录",
    ),
    "too_large": (
        "{program}: {reason}: arguments and environment are too large together",
        "{program}：{reason}：参数与环境变量合计过大",
    ),
    "user_failed": ("task_user {user}: {reason}", "无法以 task_user {user} 运行：{reason}"),
    "spawn": ("{program}: {reason}", "{program}：{reason}"),
    "spawn_error": ("{program} could not be started: {error}", "{program} 无法启动：{error}"),
    "empty_command": ("task_exec is empty", "task_exec 为空"),
    "not_encodable": (
        "task_exec, task_cwd or task_env cannot be encoded: {reason}",
        "task_exec、task_cwd 或 task_env 无法编码：{reason}",
    ),
    "no_descriptor": (
        "no file descriptor is left to start it: {reason}",
        "没有可用的文件描述符来启动：{reason}",
    ),
    "no_thread": ("no thread for it: {reason}", "没有可用的线程：{reason}"),
    "internal_error": ("internal error: {error}", "内部错误：{error}"),
}
