"""What `import-crontab` says of each line of a crontab.

The middle of a code is the kind of the note: `better` than a copy, `note`, `warn`, `left` out, `disabled`.
"""

TEXTS: dict[str, tuple[str, str]] = {
    "migration.better.anacron": (
        "runs once every {days} {days|day|days}; if the machine is off at that time, after its start",
        "每 {days} 天运行一次；到时机器未开机，则开机后补跑",
    ),
    "migration.better.chronic": (
        "without {program}: minisched reports failures only",
        "去掉 {program}：minisched 只报告失败",
    ),
    "migration.better.container": (
        "without the redirection to the container's log: the task's log keeps its output",
        "去掉写入容器日志的重定向：任务日志保存其输出",
    ),
    "migration.better.cwd": ("`cd` is now task_cwd: {folder}", "`cd` 改为 task_cwd：{folder}"),
    "migration.better.env": ("now in task_env: {names}", "改写入 task_env：{names}"),
    "migration.better.jitter": (
        "the random delay is now task_jitter: {duration}",
        "随机延迟改为 task_jitter：{duration}",
    ),
    "migration.better.log": (
        "without the redirection to {path}: the task's log keeps the output, run by run, and rotates",
        "去掉到 {path} 的重定向：任务日志按次保存输出，并自动轮转",
    ),
    "migration.better.logger": (
        "without `logger`: the task's log keeps the output",
        "去掉 `logger`：任务日志保存输出",
    ),
    "migration.better.mailto": (
        "MAILTO is now a rule that mails {recipients} when a run fails or is missed; cron mails on any output",
        "MAILTO 改为规则：运行失败或错过时给 {recipients} 发邮件；cron 则是有输出就发",
    ),
    "migration.better.nice": ("`nice` is now task_nice: {number}", "`nice` 改为 task_nice：{number}"),
    "migration.better.null": (
        "without /dev/null: the task's log keeps the output, and nothing is mailed because of it",
        "去掉 /dev/null：任务日志保存输出，且不会因此发邮件",
    ),
    "migration.better.null_errors": (
        "without 2>/dev/null: the task's log keeps the error messages",
        "去掉 2>/dev/null：任务日志保存错误信息",
    ),
    "migration.better.queue": (
        "the lock {path} is now task_overlap: queue; a run that waits is visible",
        "锁 {path} 改为 task_overlap: queue；等待的运行可见",
    ),
    "migration.better.task_locks": (
        "{count} lines wait for its lock: it is now the lock {lock} of these tasks, which programs outside minisched do"
        " not see; take these lines out of the crontab together",
        "{count} 行等待此锁：现改为这些任务的锁 {lock}，minisched 之外的程序看不到它；请同时从 crontab 中删去这些行",
    ),
    "migration.better.skip": (
        "the lock {path} is now task_overlap: skip; a skipped run is in the history",
        "锁 {path} 改为 task_overlap: skip；跳过的运行记入历史",
    ),
    "migration.better.streams": (
        "without 2>&1: the task's log keeps both streams",
        "去掉 2>&1：任务日志保存两个输出流",
    ),
    "migration.better.timeout": (
        "`timeout` is now task_timeout: {duration}; it ends all processes of the run",
        "`timeout` 改为 task_timeout：{duration}；到时结束该次运行的所有进程",
    ),
    "migration.disabled.line": (
        "commented out; --disabled imports it as a disabled task",
        "已注释掉；用 --disabled 可导入为停用的任务",
    ),
    "migration.left.distribution": (
        "a job of the operating system itself, better left to cron; --all imports it",
        "操作系统自己的作业，最好仍由 cron 运行；用 --all 可导入",
    ),
    "migration.left.no_command": (
        "no command after the schedule; a file with a column of users needs --system, one without does not",
        "时间之后没有命令；有用户列的文件要加 --system，没有的不要加",
    ),
    "migration.left.not_a_line": (
        "neither a job nor a variable: expected five time fields or a name such as @daily, then a command",
        "既不是作业也不是变量：应为五个时间字段或 @daily 之类的名称，然后是命令",
    ),
    "migration.left.nul": ("a line with a NUL byte", "该行含有 NUL 字节"),
    "migration.left.period": (
        'the period "{period}" is no number of days from 1 to 366, nor @daily, @weekly, @monthly',
        "周期“{period}”不是 1 至 366 的天数，也不是 @daily、@weekly、@monthly",
    ),
    "migration.left.schedule": ("its schedule is not valid: {why}", "时间表无效：{why}"),
    "migration.left.six_fields": (
        "more than five time fields; crontabs of cron have five. In minisched, seconds are the first of six",
        "时间字段多于五个；cron 的 crontab 只有五个。minisched 的六个字段中，第一个是秒",
    ),
    "migration.left.too_long": (
        "a line of {characters} characters; at most {max} are taken",
        "该行有 {characters} 个字符；最多 {max} 个",
    ),
    "migration.note.bom": ("the file begins with a byte order mark, which is ignored", "文件以 BOM 开头，已忽略"),
    "migration.note.crlf": ("the file has Windows line ends, which are ignored", "文件用 Windows 换行符，已忽略"),
    "migration.note.file": (
        "still writes {path}: kept, because the file may be what the job is for",
        "仍写入 {path}：保留，因为该文件可能正是任务的产物",
    ),
    "migration.note.latin1": (
        "line {line} is not UTF-8: the file is read as Latin-1",
        "第 {line} 行不是 UTF-8：按 Latin-1 读取文件",
    ),
    "migration.note.mail": (
        "still sends its output by mail; a rule in task_notify mails failures with the end of the output",
        "仍用邮件发送输出；task_notify 规则可在失败时发送输出的末尾",
    ),
    "migration.note.mailto": (
        "MAILTO={recipients}: settings.smtp is not set, so no rule is made; set it and import again",
        "MAILTO={recipients}：未设置 settings.smtp，因此不生成规则；设置后再导入",
    ),
    "migration.note.random": (
        "{range}: cron chooses a number at each start; this task has {number}",
        "{range}：cron 每次启动时选一个数；此任务固定为 {number}",
    ),
    "migration.warn.background": (
        "ends with `&`: the run ends at once and is a success, whatever happens to the program",
        "以 `&` 结尾：运行立即结束并算成功，与程序结果无关",
    ),
    "migration.warn.bash": (
        "has syntax of bash, but /bin/sh runs it; where that is not bash, it does something else. "
        "SHELL=/bin/bash above it makes it run by bash",
        "含有 bash 语法，却由 /bin/sh 运行；若 sh 不是 bash，含义不同。在其上方写 SHELL=/bin/bash 可由 bash 运行",
    ),
    "migration.warn.cron_tz": (
        "CRON_TZ is now task_timezone: {zone}, as under cronie; Debian's cron ignores it",
        "CRON_TZ 改为 task_timezone：{zone}，与 cronie 相同；Debian 的 cron 会忽略它",
    ),
    "migration.warn.literal_variable": (
        "{names} of the crontab: a value contains `$`, which cron does not expand, nor does minisched",
        "crontab 的变量 {names}：值含有 `$`，cron 不展开，minisched 也不展开",
    ),
    "migration.warn.no_user": (
        "there is no user {user} on this machine: the task cannot start",
        "本机没有用户 {user}：任务无法启动",
    ),
    "migration.warn.percent": (
        "cron ends the command at its first % and makes the rest its input, so it runs only `{command}`; "
        "--fix-percent imports it as it was meant",
        "cron 在第一个 % 处截断命令，其余作为输入，因此只运行 `{command}`；用 --fix-percent 可按原意导入",
    ),
    "migration.warn.percent_mended": (
        "cron would end the command at its first %: imported as it was meant",
        "cron 会在第一个 % 处截断命令：已按原意导入",
    ),
    "migration.warn.quotes": (
        "a quote or a bracket is not closed: the shell refuses the command",
        "引号或括号未闭合：shell 会拒绝该命令",
    ),
    "migration.warn.shared_lock": (
        "{count} lines use its lock, so the lock stays: it keeps these jobs apart from each other",
        "{count} 行共用此锁，因此保留：它使这些作业不同时运行",
    ),
    "migration.warn.test": (
        "if the test before && is false, the exit code is 1: a business failure. `if ...; then ...; fi` gives 0",
        "&& 之前的测试为假时退出码为 1，算业务失败。改用 `if ...; then ...; fi` 则为 0",
    ),
    "migration.warn.user_column": (
        "{user} is a user of this machine: a file with a column of users needs --system",
        "{user} 是本机用户：有用户列的文件要加 --system",
    ),
    "migration.warn.wraps": (
        'a range of "{schedule}" runs backwards: under cron it was never due; here it will be',
        "“{schedule}”中有倒序的范围：在 cron 下从不触发；在这里会触发",
    ),
    "migration.left.user": (
        'the sixth column is "{user}", which is no name of a user; a file without a column of users is read without '
        "--system",
        "第六列“{user}”不是用户名；没有用户列的文件不要加 --system",
    ),
    # the report
    "migration.report.task": ("line {line} -> {task}", "第 {line} 行 -> {task}"),
    "migration.report.no_task": ("line {line} -> no task", "第 {line} 行 -> 无任务"),
    "migration.report.better": ("better", "更好"),
    "migration.report.note": ("note", "注意"),
    "migration.report.warn": ("warning", "警告"),
    "migration.report.left": ("left out", "未导入"),
    "migration.report.disabled": ("left out", "未导入"),
    "migration.report.known": (
        "the config has this task already: it is not added again",
        "配置中已有此任务：不再添加",
    ),
    "migration.report.counts": (
        "{jobs} {jobs|job|jobs}: {tasks} {tasks|task|tasks}, {better} of them better than a copy; "
        "{warned} with a warning; {left} left out; {disabled} commented out",
        "{jobs} 个作业：生成 {tasks} 个任务，其中 {better} 个优于原样照搬；{warned} 个有警告；"
        "{left} 个未导入；{disabled} 个已注释掉",
    ),
    "migration.report.nothing_new": (
        "nothing to add: {path} has all of these tasks",
        "无需添加：{path} 已有全部这些任务",
    ),
    "migration.report.added": (
        "{count} {count|task|tasks} added to {path}, disabled. Check them, remove their lines from the crontab, "
        "then: minisched {home}enable TASK",
        "已在 {path} 中添加 {count} 个停用的任务。请检查，从 crontab 中删除相应行，然后：minisched {home}enable TASK",
    ),
    "migration.report.added_enabled": (
        "{count} {count|task|tasks} added to {path}, enabled. Remove their lines from the crontab now",
        "已在 {path} 中添加 {count} 个启用的任务。请立即从 crontab 中删除相应行",
    ),
    "migration.report.twice": (
        "The crontab still runs these jobs. Until its lines are removed (crontab -e), each enabled task runs twice.",
        "crontab 仍在运行这些作业。在删除其中的行（crontab -e）之前，每个启用的任务会运行两次。",
    ),
    "migration.report.exit_code": (
        "Most scripts exit with 1 for any failure. minisched takes 1 as a business failure, which is never retried: "
        'before you set task_retry, set task_exit_codes to {"business_failure": []}, or let the script exit with'
        " another code, such as 75, for what is worth a retry.",
        "多数脚本任何失败都以 1 退出。minisched 把 1 当作业务失败，不会重试：设置 task_retry 之前，"
        '请把 task_exit_codes 设为 {"business_failure": []}，或让脚本在值得重试时以其他代码（如 75）退出。',
    ),
    "migration.report.differences": (
        "cron starts a job while its last run still goes on, has no time limit, and forgets what it missed. "
        "These tasks skip such a start, end after {timeout}, and make up the last missed run within an hour.",
        "cron 会在上次运行未结束时再次启动，没有时间限制，错过的也不补。这些任务会跳过这样的启动，"
        "{timeout} 后结束，并在一小时内补跑最近一次错过的运行。",
    ),
    "migration.no_crontab": (
        "this user has no crontab: {error}. Name a file, or - for standard input",
        "此用户没有 crontab：{error}。请指定文件，或用 - 表示标准输入",
    ),
    "migration.no_program": (
        "there is no `crontab` program here. Name a file, or - for standard input",
        "此处没有 `crontab` 程序。请指定文件，或用 - 表示标准输入",
    ),
    "migration.no_jobs": ("{path}: no job found", "{path}：未找到作业"),
}
