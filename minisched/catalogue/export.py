"""What `export` says of each task: what the target does otherwise, and what it cannot do."""

TEXTS: dict[str, tuple[str, str]] = {
    # a task that is not in the target
    "export.left.by_hand": (
        "it has no schedule and no dependency: nothing would start it there",
        "既无时间表也无前置任务：在那里不会被启动",
    ),
    "export.left.dependency": (
        "it starts after {tasks}, and the target has no dependencies",
        "它在 {tasks} 之后启动，而目标不支持前置任务",
    ),
    "export.left.join": (
        "it waits for several tasks ({tasks}), which the target cannot",
        "它等待多个任务（{tasks}），目标做不到",
    ),
    "export.left.lines": (
        "its command or a variable has several lines, and a crontab has one line for a job",
        "命令或变量有多行，而 crontab 中一个作业只有一行",
    ),
    "export.left.on": (
        "it starts after a failure, or any end, of {tasks}, and the target knows successes alone",
        "它在 {tasks} 失败或任意结束后启动，而目标只认成功",
    ),
    "export.left.within": (
        "it depends on when {tasks} ended, which the target does not know",
        "它取决于 {tasks} 何时结束，而目标无从得知",
    ),
    "export.left.schedule_and_dependency": (
        "it has a schedule and waits for {tasks} as well, which the target cannot",
        "它既有时间表又等待 {tasks}，目标做不到",
    ),
    "export.left.env_file": (
        "no env file is read there: start it by a script that reads {paths}, or move the variables to task_env",
        "目标不读取环境变量文件：请改由读取 {paths} 的脚本启动，或将变量移到 task_env",
    ),
    "export.left.secrets": (
        "its variables {names} are secrets, and a crontab would show them",
        "变量 {names} 是机密，写进 crontab 会暴露",
    ),
    "export.left.upstream": (
        "it starts after {tasks}, which is left out",
        "它在 {tasks} 之后启动，而后者未导出",
    ),
    "export.left.user": (
        "it runs as {user}, and a user's crontab has no other user",
        "它以 {user} 运行，而用户的 crontab 不能换用户",
    ),
    "export.left.zone": (
        "its time zone is {zone}, the machine's is {machine}, and Debian's cron ignores CRON_TZ; "
        "with --cron cronie it is written",
        "其时区为 {zone}，本机为 {machine}，而 Debian 的 cron 忽略 CRON_TZ；用 --cron cronie 可导出",
    ),
    "export.left.zones": (
        "its schedules are meant in two time zones (`@every` counts in UTC), and the target takes one",
        "其时间表涉及两个时区（`@every` 按 UTC 计），而目标只接受一个",
    ),
    "export.lost.at": ("the target has no single date (`@at`)", "目标没有单次时间（`@at`）"),
    "export.lost.both_days": (
        "both day fields have to match, and the target cannot say that",
        "两个日期字段须同时满足，目标无法表达",
    ),
    "export.lost.calendar": (
        "the target has no calendars: it starts the task on every day of its schedule, also on those that {calendar}"
        " leaves out",
        "目标没有日历：它会在时间表的每一天启动任务，包括 {calendar} 排除的日子",
    ),
    "export.airflow.calendar": (
        "the target needs a timetable of your own (a plugin) for the days of {calendar}: without it the task is started"
        " on every day of its schedule",
        "要遵循 {calendar} 的日子，目标需要自定义的 timetable（插件）；否则任务会在时间表的每一天启动",
    ),
    "export.lost.dialect": ("the target has no {items} in a schedule", "目标的时间表没有 {items}"),
    "export.lost.every": (
        "the target has no `@every` that divides neither an hour nor a day",
        "目标没有既不整除小时也不整除一天的 `@every`",
    ),
    "export.lost.field": ("not in the target", "目标中没有"),
    "export.lost.instances": ("several runs at once need units of another kind", "同时多次运行需要另一类单元"),
    "export.lost.reboot": ("the target has no start at boot (`@reboot`)", "目标没有开机启动（`@reboot`）"),
    "export.lost.seconds": ("the target has no seconds in a schedule", "目标的时间表没有秒"),
    "export.lost.variables": (
        "a script gets no variable of minisched",
        "脚本得不到 minisched 的变量",
    ),
    # what several targets do
    "export.misfire.latest": (
        "after a downtime only the newest missed run is made up",
        "停机后只补跑最近一次错过的运行",
    ),
    # crontab
    "export.crontab.exit_codes": (
        "cron does not look at exit codes",
        "cron 不看退出码",
    ),
    "export.crontab.misfire": (
        "what is due while the machine is off is not made up",
        "关机期间错过的不会补跑",
    ),
    "export.crontab.jitter": (
        "a random sleep before the start, another one each time",
        "启动前随机等待，每次不同",
    ),
    "export.crontab.output": (
        "cron mails the output to the user; no log is kept",
        "cron 把输出用邮件发给用户，不保存日志",
    ),
    "export.crontab.condition": (
        "asked before the command; any exit code but 0 is not now, and nothing tells that it did not run",
        "在命令之前检查；非 0 的退出码都视为暂不启动，也没有记录",
    ),
    "export.crontab.locks": (
        "flock, one lock after the other and in no order of due times; a lock has one holder",
        "使用 flock：逐个取得锁，不按计划时间先后；每个锁只有一个占用者",
    ),
    # systemd
    "export.systemd.exit_codes": (
        "exit code 0 is a success of systemd in any case",
        "systemd 总把退出码 0 视为成功",
    ),
    "export.systemd.every": (
        "{text} is counted from the boot and from the last start, not from 1970",
        "{text} 从开机及上次启动算起，而非从 1970 年",
    ),
    "export.systemd.grace": (
        "a run that was missed is made up however late it is",
        "错过的运行无论多晚都会补跑",
    ),
    "export.systemd.jitter": (
        "the delay is fixed for each machine, and another one than here",
        "延迟对每台机器固定，但与这里不同",
    ),
    "export.systemd.condition": (
        "ExecCondition=: exit codes 1 to 254 are not now; a start by hand and each retry ask too; no limit of 30 s",
        "ExecCondition=：退出码 1 至 254 都视为暂不启动；手动启动和每次重试也会检查，没有 30 秒的限制",
    ),
    "export.systemd.locks": (
        "no locks: write flock(1) before the commands that must not run at once",
        "没有锁：请在不能同时运行的命令前加 flock(1)",
    ),
    "export.systemd.notify": (
        "write a unit that reports, and OnFailure= in the service; from systemd 255 on it runs after each attempt",
        "请自行编写报告单元并在服务中加 OnFailure=；从 systemd 255 起每次尝试后都会运行",
    ),
    "export.systemd.on_failure": (
        "started by {settings} of the task before it; from systemd 255 on after each failed attempt; nothing bounds the"
        " wait",
        "由前一任务的 {settings} 启动；从 systemd 255 起每次失败的尝试后都会启动；等待没有期限",
    ),
    "export.systemd.on_success": (
        "started by {settings} of the task before it; nothing bounds the wait",
        "由前一任务的 {settings} 启动；等待没有期限",
    ),
    "export.systemd.retry": (
        "each delay is the first one, without growth or jitter",
        "每次延迟都等于首次延迟，不增长也无抖动",
    ),
    "export.systemd.retry_plain": (
        "attempts are counted by StartLimitBurst=",
        "尝试次数由 StartLimitBurst= 计数",
    ),
    "export.systemd.env_file": (
        "EnvironmentFile= reads the same lines, and also goes on after a backslash at the end of a line",
        "EnvironmentFile= 读取同样的行，但行尾反斜杠会续行",
    ),
    "export.systemd.env_file_order": (
        "EnvironmentFile= takes precedence over Environment=: remove {names} from the files if they are there",
        "EnvironmentFile= 优先于 Environment=：若文件中有 {names}，请将其删除",
    ),
    "export.systemd.secrets": (
        "write {names} as NAME=value into {path}, with mode 0600",
        "请把 {names} 以 NAME=value 写入 {path}，权限 0600",
    ),
    "export.systemd.variables": (
        "a script gets MINISCHED_HOME, _TASK_ID, _TRIGGER and _RUN_ID, and no other variable of minisched",
        "脚本只得到 MINISCHED_HOME、_TASK_ID、_TRIGGER 和 _RUN_ID",
    ),
    # Kubernetes
    "export.kubernetes.exit_codes": (
        "a Job succeeds with exit code 0 alone: let the command end with 0 where it would end with one of {codes}",
        "Job 只把退出码 0 视为成功：请让命令在以 {codes} 结束时改为以 0 结束",
    ),
    "export.kubernetes.env_file": (
        "make it a secret: kubectl create secret generic {secret} --from-env-file=FILE; quotation marks stay in the"
        " values",
        "请将其建为 secret：kubectl create secret generic {secret} --from-env-file=文件；引号会留在值中",
    ),
    "export.kubernetes.attempt": (
        "not set; --attempts indexed counts the attempts, from Kubernetes 1.29 on",
        "不设置；用 --attempts indexed 可计数，需 Kubernetes 1.29 以上",
    ),
    "export.kubernetes.cwd": (
        "the command starts in the folder of the image; scripts have to be in it",
        "命令在镜像的目录中启动；脚本须在镜像内",
    ),
    "export.kubernetes.instances": (
        "any number of runs at once",
        "同时运行的数量不限",
    ),
    "export.kubernetes.jitter": (
        "a random sleep before each attempt, within its time limit",
        "每次尝试前随机等待，计入时间限制",
    ),
    "export.kubernetes.condition": (
        "no conditions: let the command ask, and exit with 0 if it is not now",
        "没有条件：请让命令自己检查，暂不运行时以 0 退出",
    ),
    "export.kubernetes.locks": (
        "no locks between CronJobs: let the programs take a Lease, or a lock of the database",
        "CronJob 之间没有锁：请让程序使用 Lease 或数据库的锁",
    ),
    "export.kubernetes.nice": ("a container cannot raise its priority", "容器不能提高优先级"),
    "export.kubernetes.queue": (
        "a due time that finds the last run going on starts when that ends; --prefer skip gives up the grace instead",
        "到计划时间时若上次运行未结束，则待其结束后启动；用 --prefer skip 则放弃宽限",
    ),
    "export.kubernetes.retry": (
        "{attempts} attempts after 10 s, doubled each time, at most 10 minutes: constants of Kubernetes",
        "{attempts} 次尝试，间隔 10 秒起翻倍、最多 10 分钟：Kubernetes 的常数",
    ),
    "export.kubernetes.secrets": (
        "make a Secret {secret} with the keys {names}: kubectl create secret generic {secret} --from-literal=KEY=value",
        "请创建 Secret {secret}，键为 {names}：kubectl create secret generic {secret} --from-literal=KEY=value",
    ),
    "export.kubernetes.several": (
        "{count} CronJobs, which know nothing of each other: their runs may overlap",
        "{count} 个 CronJob，互不知晓：运行可能重叠",
    ),
    "export.kubernetes.skip": (
        "starts later than 15 s are given up, also after a pause of the controller",
        "晚于 15 秒的启动会被放弃，控制器暂停后也是如此",
    ),
    "export.kubernetes.user": (
        "a pod has numeric users: set runAsUser, or let the image be of {user}",
        "Pod 只有数字用户：请设置 runAsUser，或让镜像使用 {user}",
    ),
    # Airflow
    "export.airflow.condition": (
        "put a ShortCircuitOperator before the task that asks",
        "请在任务之前加一个 ShortCircuitOperator 来检查",
    ),
    "export.airflow.locks": (
        "a task has one pool: where it has one lock, make a pool of that size and set it",
        "一个任务只有一个资源池：若只有一个锁，请创建同样大小的池并设置它",
    ),
    "export.airflow.nights": (
        "a fixed time that a change of the clocks skips is started an hour later, a repeated one in the second hour",
        "时钟调整跳过的固定时间晚一小时启动，重复的在第二遍启动",
    ),
    "export.airflow.queue": (
        "a due time that finds the last run going on starts when that ends",
        "到计划时间时若上次运行未结束，则待其结束后启动",
    ),
    "export.airflow.retry": (
        "the delay is doubled each time, with Airflow's own jitter",
        "间隔每次翻倍，并带 Airflow 自己的抖动",
    ),
    "export.airflow.secrets": (
        "make Airflow variables {names}",
        "请创建 Airflow 变量 {names}",
    ),
    # the report
    "export.report.all": ("all tasks", "所有任务"),
    "export.report.more": ("{count} more", "另有 {count} 个"),
    "export.report.exact": ("exact", "一致"),
    "export.report.approximated": ("differs", "有差异"),
    "export.report.lost": ("lost", "丢失"),
    "export.report.left": ("left out", "未导出"),
    "export.report.night": (
        "{day}: here {ours}; there {theirs}",
        "{day}：这里 {ours}；那里 {theirs}",
    ),
    "export.report.no_start": ("no start", "不启动"),
    "export.report.counts": (
        "{count} {count|task|tasks} exported, {left} left out",
        "导出 {count} 个任务，{left} 个未导出",
    ),
    "export.next.crontab": (
        "Install them with: crontab FILE. It replaces the crontab that is there.",
        "安装：crontab FILE。会替换现有的 crontab。",
    ),
    "export.next.systemd": (
        "Copy the units to /etc/systemd/system, then: systemctl daemon-reload; systemctl enable --now {timers}",
        "把单元复制到 /etc/systemd/system，然后：systemctl daemon-reload; systemctl enable --now {timers}",
    ),
    "export.next.kubernetes": ("Apply them with: kubectl apply -f FILE", "应用：kubectl apply -f FILE"),
    "export.next.airflow": (
        'Copy the files to the folder of DAGs, and make the pool: airflow pools set minisched {slots} "runs at once"',
        '把文件复制到 DAG 目录，并创建资源池：airflow pools set minisched {slots} "runs at once"',
    ),
    "export.next.stop": (
        "Disable the tasks here before you enable them there: else each runs twice.",
        "在那里启用之前，请先在这里停用：否则每个任务会运行两次。",
    ),
    # errors
    "export.no_image": ("--to kubernetes needs --image", "--to kubernetes 需要 --image"),
    "export.no_out": (
        "--to {target} writes several files: it needs --out DIR",
        "--to {target} 写多个文件：需要 --out DIR",
    ),
    "export.exists": (
        "{path}: exists and is not empty; nothing was written",
        "{path}：已存在且不为空；未写入任何内容",
    ),
}
