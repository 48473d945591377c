"""What the command line prints: help, errors, sentences, labels, and headings of tables.

`--help` reads this table without the rendering of the package, so its texts have at most one value, `{value}`.
"""

TEXTS: dict[str, tuple[str, str]] = {
    # --help
    "cli.help": (
        "A task scheduler in one folder: did the task run, and if not, why not?",
        "装在一个文件夹里的任务调度器：任务运行了吗？没有的话，为什么？",
    ),
    "cli.help_usage": ("usage: ", "用法："),
    "cli.help_sentence": ("{value}.", "{value}。"),
    "cli.help_arguments": ("arguments", "参数"),
    "cli.help_options": ("options", "选项"),
    "cli.option.help": ("show this help and exit", "显示此帮助并退出"),
    "cli.help_commands": ("commands (default: run)", "命令（默认：run）"),
    "cli.help_example_title": ("examples:", "示例："),
    "cli.help_examples": (
        "examples:\n"
        "  minisched init                          create a home here: a config and two sample tasks\n"
        "  minisched                               run the tasks of this home until Ctrl-C\n"
        "  minisched list                          what each task is doing, and when it runs next\n"
        "  minisched history nightly_backup        did it run, and if not, why not\n"
        "  minisched logs -f nightly_backup        follow its output\n"
        '  minisched next --expr "30 2 * * mon-fri" --tz Europe/Berlin -n 3',
        "示例：\n"
        "  minisched init                          在此创建 minisched 目录和两个示例任务\n"
        "  minisched                               运行此目录中的任务，直到按 Ctrl-C\n"
        "  minisched list                          各任务的状态和下次运行时间\n"
        "  minisched history nightly_backup        任务是否运行过；没有的话，为什么\n"
        "  minisched logs -f nightly_backup        实时跟踪任务的输出\n"
        '  minisched next --expr "30 2 * * mon-fri" --tz Europe/Berlin -n 3',
    ),
    "cli.help_exit_codes": (
        "exit codes: 0 success; 1 failure (invalid config, failed task, not found); 2 wrong usage;\n"
        "`run` also 74 (the home cannot be read or written), 75 (another engine runs on it), 78 (invalid config)\n",
        "退出码：0 成功；1 失败（配置无效、任务失败、未找到）；2 用法错误；\n"
        "`run` 还有 74（目录无法读写）、75（已有引擎在运行）、78（配置无效）\n",
    ),
    "cli.help.init": (
        "create a home: a config with two sample tasks and the script templates; never overwrites",
        "创建 minisched 目录：含两个示例任务的配置和脚本模板；从不覆盖已有文件",
    ),
    "cli.help.run": (
        "run the engine in the foreground until TERM or Ctrl-C",
        "在前台运行引擎，直到 TERM 信号或 Ctrl-C",
    ),
    "cli.help.validate": ("show all problems of a config, or a summary of it", "列出配置的所有问题，或其摘要"),
    "cli.help.list": ("list all tasks with their states and next due times", "列出所有任务及其状态和下次计划时间"),
    "cli.help.status": (
        "show the engine, the problems, and the tasks that need attention",
        "显示引擎、问题，以及需要关注的任务",
    ),
    "cli.help.next": (
        "show coming due times of the tasks, or of a schedule text",
        "显示任务或某个时间表的后续计划时间",
    ),
    "cli.help.trigger": ("run a task now through the engine", "通过引擎立即运行任务"),
    "cli.help.rerun": ("run a task again for the due time of a run", "按某次运行的计划时间再次运行任务"),
    "cli.help.backfill": (
        "run a task for each past due time of a span that has no success",
        "对一段时间内没有成功的每个计划时间补做任务",
    ),
    "cli.help.exec": (
        "run a task once in the foreground, without the engine, and record the run",
        "不经引擎在前台运行一次任务，并记入历史",
    ),
    "cli.help.stop": ("stop a run that is waiting, queued, running or retrying", "停止等待、排队、运行或重试中的运行"),
    "cli.help.show": (
        "show a task's fields and where each comes from, its last run and its next due times",
        "显示任务的各字段及其来源、上次运行和后续计划时间",
    ),
    "cli.help.notifications": (
        "list the outbox: messages that wait, were sent or have failed; or send one again",
        "列出通知：等待、已发送和失败的消息；或重新发送一条",
    ),
    "cli.help.backup": (
        "write everything needed to go on into one tar file, also while the engine runs",
        "把恢复所需的一切写入一个 tar 文件，引擎运行时也可以",
    ),
    "cli.help.restore": (
        "bring a home back from a backup; never over a running engine",
        "从备份恢复 minisched 目录；引擎运行时不能恢复",
    ),
    "cli.help.url": (
        "print the address of the page with its token",
        "输出网页的地址（含令牌）",
    ),
    "cli.help.edit": (
        "edit the config, or one task of it, in $VISUAL or $EDITOR; checked before it is saved",
        "用 $VISUAL 或 $EDITOR 编辑配置或其中一个任务；检查通过后才保存",
    ),
    "cli.help.enable": ("enable a task, in the config", "在配置中启用任务"),
    "cli.help.disable": ("disable a task, in the config", "在配置中停用任务"),
    "cli.help.why": ("did it run, and if not, why not", "是否运行了；若没有，为什么"),
    "cli.help.pause": (
        "pause the engine: no task is due until `resume`; tasks can still be started manually",
        "暂停引擎：在 `resume` 之前，任何任务都不会按计划运行；仍可手动运行任务",
    ),
    "cli.help.resume": ("resume the engine after `pause`", "在 `pause` 之后恢复引擎"),
    "cli.help.reload": ("load the config file now, or show its problems", "立即加载配置文件，或显示其问题"),
    "cli.help.history": ("list past runs, newest first", "列出历史运行，最新的在前"),
    "cli.help.logs": ("show the output of a task", "显示任务的输出"),
    "cli.help.notify-test": (
        "send a marked test message by a task's rules, and show the response of each server",
        "按任务的通知规则发送带标记的测试消息，并显示各服务器的返回内容",
    ),
    "cli.help.import-crontab": (
        "turn a crontab into tasks, with a report of each line; without FILE, this user's",
        "把 crontab 转换成任务并逐行报告；不带 FILE 时取当前用户的 crontab",
    ),
    "cli.help.bundle": (
        "write the whole program into one file, for a machine without network",
        "将整个程序写入一个文件，供没有网络的机器使用",
    ),
    "cli.help.completion": (
        "print the completion of commands, options and task ids for a shell",
        "输出 shell 的补全脚本：命令、选项和任务 ID",
    ),
    "cli.help.help": (
        "show the help of a command, or a document; without TOPIC the list of both",
        "显示命令的帮助或某篇文档；不带 TOPIC 时列出两者",
    ),
    "cli.help.export": (
        "write the tasks for systemd, Kubernetes, Airflow or cron, with a report of what differs",
        "为 systemd、Kubernetes、Airflow 或 cron 导出任务，并报告差异",
    ),
    "cli.help.doctor": (
        "check this machine and this home, and say what to do about each problem",
        "检查本机和此目录，并说明每个问题的解决办法",
    ),
    "cli.help.schema": (
        "print the JSON Schema of tasks/config.json, for editors",
        "输出 tasks/config.json 的 JSON Schema，供编辑器使用",
    ),
    "cli.help.version": (
        "print the versions of minisched, Python and SQLite, and where the program is",
        "输出 minisched、Python 和 SQLite 的版本，以及程序的位置",
    ),
    "cli.option.home": (
        "the folder that holds everything (default: $MINISCHED_HOME or .)",
        "存放所有内容的文件夹（默认：$MINISCHED_HOME 或当前目录）",
    ),
    "cli.option.task": ("the id of a task", "任务 ID"),
    "cli.option.export.attempts": (
        "kubernetes: indexed counts MINISCHED_ATTEMPT; needs 1.29",
        "kubernetes：indexed 提供 MINISCHED_ATTEMPT；需 1.29",
    ),
    "cli.option.export.cron": (
        "crontab: cronie has CRON_TZ, Debian's cron ignores it",
        "crontab：cronie 支持 CRON_TZ，Debian 的 cron 忽略它",
    ),
    "cli.option.export.image": ("kubernetes: the image in which the commands run", "kubernetes：运行命令的镜像"),
    "cli.option.export.out": (
        "write to this new folder (systemd, airflow) or this file",
        "写入此新目录（systemd、airflow）或此文件",
    ),
    "cli.option.export.prefer": (
        "kubernetes: what to keep of a due time that finds the last run going on",
        "kubernetes：到计划时间时上次运行未结束，如何取舍",
    ),
    "cli.option.export.report": ("write the report to this file", "把报告写入此文件"),
    "cli.option.export.to": ("the engine to write for", "目标引擎"),
    "cli.option.import-crontab.all": (
        "also import the operating system's own jobs (run-parts)",
        "也导入操作系统自己的作业（run-parts）",
    ),
    "cli.option.import-crontab.disabled": (
        "also import jobs that are commented out, as disabled tasks",
        "也导入已注释掉的作业，作为停用的任务",
    ),
    "cli.option.import-crontab.enable": (
        "with --write: add the tasks enabled; without it they are disabled until you enable them",
        "与 --write 一起用：添加为启用的任务；否则为停用，直到手动启用",
    ),
    "cli.option.import-crontab.file": (
        "a crontab or anacrontab; - is standard input",
        "crontab 或 anacrontab 文件；- 表示标准输入",
    ),
    "cli.option.import-crontab.fix-percent": (
        "take a bare %% as it was meant, not as cron reads it",
        "按原意理解未转义的 %%，而非 cron 的读法",
    ),
    "cli.option.import-crontab.system": (
        "the sixth column is the user, as in /etc/crontab; a path below /etc has it anyway",
        "第六列是用户，如 /etc/crontab；/etc 下的路径自动如此",
    ),
    "cli.option.import-crontab.write": ("add the tasks to the config", "把任务添加到配置中"),
    "cli.option.check": (
        "one line for a monitor, and exit code 0 (well), 1 (something failed or a problem stands) or 3 (no engine)",
        "为监控系统输出一行；退出码 0（正常）、1（有失败或问题）、3（没有引擎）",
    ),
    "cli.option.backup.file": ("the tar file to write; - is standard output", "要写入的 tar 文件；- 表示标准输出"),
    "cli.option.restore.file": ("the tar file to read; - is standard input", "要读取的 tar 文件；- 表示标准输入"),
    "cli.option.force": (
        "replace what is there already; it is kept under another name",
        "替换已有内容；原内容以另一名称保留",
    ),
    "cli.option.resend": ("send this message again", "重新发送此消息"),
    "cli.option.notifications.status": (
        "only messages in these states, separated by commas",
        "只列出处于这些状态的消息，以逗号分隔",
    ),
    "cli.option.edit.task": ("only this task", "只编辑此任务"),
    "cli.option.json": ("print JSON instead of text", "输出 JSON 而非文本"),
    "cli.option.env": ("add to the task's environment; repeatable", "为任务添加环境变量；可重复使用"),
    "cli.option.notify": ("send the messages of its notification rules", "按其通知规则发送消息"),
    "cli.option.file": ("default: tasks/config.json of the home", "默认：minisched 目录中的 tasks/config.json"),
    "cli.option.tag": ("only tasks with this tag", "只列出带此标签的任务"),
    "cli.option.list.status": (
        "only tasks in these states, separated by commas",
        "只列出处于这些状态的任务，以逗号分隔",
    ),
    "cli.option.next.n": ("how many (default: 1, or 5 of one schedule)", "个数（默认：1；单个时间表为 5）"),
    "cli.option.expr": ("a schedule text instead of a task", "用时间表文本代替任务"),
    "cli.option.tz": (
        "IANA time zone of the times shown (default: the terminal's)",
        "显示时间所用的 IANA 时区（默认：本终端的时区）",
    ),
    "cli.option.next.tz": (
        "IANA time zone of the times shown (default: the terminal's; with --expr, that of the home)",
        "显示时间所用的 IANA 时区（默认：本终端的时区；与 --expr 同用时为该目录的时区）",
    ),
    "cli.option.after": (
        "due times later than this ISO 8601 time (default: now)",
        "晚于此 ISO 8601 时间的计划时间（默认：现在）",
    ),
    "cli.option.lang": ("language of the description (default: by $LANG)", "描述所用的语言（默认：取自 $LANG）"),
    "cli.option.wait": ("follow its output, and exit with its exit code", "跟踪其输出，并以其退出码退出"),
    "cli.option.for": (
        "a past time, for which it runs: MINISCHED_SCHEDULED_TIME is that time",
        "要补做的过去时间：MINISCHED_SCHEDULED_TIME 即为该时间",
    ),
    "cli.option.rerun.run_id": ("the number of a run", "运行的编号"),
    "cli.option.backfill.from": ("the first due time, or its day", "第一个计划时间，或其日期"),
    "cli.option.backfill.to": (
        "the last due time, or its day (default: now)",
        "最后一个计划时间，或其日期（默认：现在）",
    ),
    "cli.option.backfill.all": ("also due times that have a success", "也包括已成功的计划时间"),
    "cli.option.backfill.yes": ("do not ask", "不询问"),
    "cli.option.backfill.keep-going": ("go on after a run that did not succeed", "某次运行未成功后仍继续"),
    "cli.option.at": (
        "a day (today, yesterday, 2026-11-28) or a moment (02:30); default: the last 24 hours",
        "某天（today、yesterday、2026-11-28）或某时刻（02:30）；默认：最近 24 小时",
    ),
    "cli.option.run_id": (
        "a run, as shown by `history`, or a task, for all its runs that have not ended",
        "运行编号（见 `history`），或任务（停止其所有未结束的运行）",
    ),
    "cli.option.n": ("how many (default: 20)", "条数（默认：20）"),
    "cli.option.page": ("which page of them (default: 1)", "页码（默认：1）"),
    "cli.option.history.status": ("only these statuses, separated by commas", "只列出这些状态，以逗号分隔"),
    "cli.option.trigger": ("only these triggers, separated by commas", "只列出这些触发方式，以逗号分隔"),
    "cli.option.since": (
        "created at or after this time: ISO 8601, 2h, 3d, today, yesterday",
        "创建于此时间或之后：ISO 8601、2h、3d、today、yesterday",
    ),
    "cli.option.until": ("created before this time, written as for --since", "创建于此时间之前，写法同 --since"),
    "cli.option.history.run": ("one run with its attempts", "某次运行及其各次尝试"),
    "cli.option.follow": (
        "print new lines as they arrive; without TASK, of all tasks",
        "持续输出新行；不指定 TASK 时跟踪所有任务",
    ),
    "cli.option.logs.n": ("begin with the last N lines (default: 40)", "从最后 N 行开始（默认：40）"),
    "cli.option.logs.run": ("the output of one run; not with -f", "某次运行的输出；不能与 -f 同用"),
    "cli.option.output": ("default: minisched.pyz", "默认：minisched.pyz"),
    "cli.option.shell": (
        "bash, zsh or fish; `words` is what their scripts call",
        "bash、zsh 或 fish；`words` 供这些脚本调用",
    ),
    "cli.option.words": ("with `words`: the words so far", "与 `words` 同用：已输入的词"),
    "cli.option.topic": ("a command or a document", "命令或文档"),
    "cli.option.rule": ("the name of one rule (default: all enabled ones)", "某条规则的名称（默认：所有已启用的规则）"),
    # Wrong usage
    "cli.usage.error": ("error: {value}", "错误：{value}"),
    "cli.usage.required": ("the following arguments are required: {value}", "缺少参数：{value}"),
    "cli.usage.unrecognized": ("unrecognized arguments: {value}", "无法识别的参数：{value}"),
    "cli.usage.no_value": ("expected one argument{value}", "需要一个值{value}"),
    "cli.usage.choice": ("invalid choice: {value}", "无效的选项值：{value}"),
    "cli.usage.choose_from": ("choose from", "可选："),
    "cli.usage.ambiguous": ("ambiguous option: {value}", "选项不明确：{value}"),
    "cli.usage.takes_no_value": ("ignored explicit argument {value}", "此选项不带值：{value}"),
    "cli.not_a_count": (
        '"{value}" is not a whole number from 1 to 999999999',
        '"{value}" 不是 1 至 999999999 之间的整数',
    ),
    "cli.typed_instead": (
        ' (instead of "{value}" write "{ascii}")',
        '（"{value}" 请改为半角 "{ascii}"）',
    ),
    "cli.typed": ('{text}; instead of "{found}" write "{ascii}"', '{text}；"{found}" 请改为半角 "{ascii}"'),
    "cli.run_takes_no_task": (
        "`minisched trigger {value}` runs a task now through the engine, `minisched exec {value}` without one;"
        " `minisched run` starts the engine and takes no task",
        "`minisched trigger {value}` 通过引擎立即运行任务，`minisched exec {value}` 不经引擎运行；"
        "`minisched run` 启动引擎，不带任务",
    ),
    "cli.variable_position": (" (a variable is given as --env {value})", "（变量应写作 --env {value}）"),
    "cli.dash_id": (
        ' (an id that begins with "-" goes after "--": minisched {value} -- -a)',
        '（以 "-" 开头的 ID 应放在 "--" 之后：minisched {value} -- -a）',
    ),
    "cli.no_add": (
        "`minisched edit` adds a task to the config; `minisched import-crontab` adds those of a crontab",
        "`minisched edit` 可在配置中添加任务；`minisched import-crontab` 导入 crontab 中的任务",
    ),
    "cli.no_remove": (
        "`minisched edit` removes a task from the config; `minisched disable TASK` keeps it, but it is no longer due",
        "`minisched edit` 可从配置中删除任务；`minisched disable TASK` 保留任务，但不再按计划运行",
    ),
    "cli.takes_no_option": (
        " ({value} is given without an option: minisched {line})",
        "（{value} 不用选项，直接写出：minisched {line}）",
    ),
    "cli.no_command": ('no command "{value}"', '没有命令 "{value}"'),
    "cli.did_you_mean": ('did you mean "{value}"?', '是否指 "{value}"？'),
    "cli.see_help": ("`minisched --help` lists them", "`minisched --help` 列出所有命令"),
    "cli.env_syntax": (
        "--env {pair}: expected K=V, such as --env DAY=2026-11-23",
        "--env {pair}：应为 K=V，如 --env DAY=2026-11-23",
    ),
    "cli.env_name": (
        '--env {pair}: "{name}" is not a name that can be set: letters, digits and "_", not beginning with a digit or'
        ' with "MINISCHED_"',
        '--env {pair}："{name}" 不是可设置的变量名：字母、数字和 "_"，不以数字或 "MINISCHED_" 开头',
    ),
    "cli.near_word": ('"{word}" is unknown; did you mean "{near}"?', '未知的 "{word}"；是否指 "{near}"？'),
    "cli.unknown_word": ('"{word}" is not one of {allowed}', '"{word}" 不是以下之一：{allowed}'),
    "cli.task_or_expr": ("next takes a TASK or --expr, not both", "next 可带 TASK 或 --expr，不能两者都带"),
    "cli.in_zone": ("{words} ({zone})", "{words}（{zone}）"),
    "cli.follow_or_run": ("logs takes -f or --run, not both", "logs 可带 -f 或 --run，不能两者都带"),
    "cli.which_logs": (
        "logs takes a TASK, --run ID, or -f for all tasks",
        "logs 需要 TASK、--run ID，或用 -f 跟踪所有任务",
    ),
    # What is not there
    "cli.no_task": (
        'no task "{task}"; `minisched list` shows the existing ones',
        '没有任务 "{task}"；`minisched list` 列出现有任务',
    ),
    "cli.similar_task": ('no task "{task}"; did you mean "{similar}"?', '没有任务 "{task}"；是否指 "{similar}"？'),
    "cli.nothing_to_stop": (
        "no run of {task} is waiting, queued, running or retrying",
        "{task} 没有等待、排队、运行或重试中的运行",
    ),
    "cli.no_run": ("no run {run_id} in the history", "历史中没有运行 #{run_id}"),
    "cli.run_of_other_task": ("run {run_id} belongs to {task}", "运行 #{run_id} 属于 {task}"),
    "cli.no_tasks": ("no tasks", "没有任务"),
    "cli.no_matching_tasks": ("no matching tasks", "没有符合条件的任务"),
    "cli.no_runs": ("no runs yet", "还没有运行记录"),
    "cli.no_matching_runs": ("no matching runs", "没有符合条件的运行"),
    "cli.hint_init": (
        "`minisched --home {home} init` creates a home there, with two sample tasks",
        "`minisched --home {home} init` 可在那里创建 minisched 目录，含两个示例任务",
    ),
    "cli.other_user": (
        "{home} belongs to user {user}, as whom its engine runs; use: sudo -u {user} minisched --home {home} {command}",
        "{home} 属于用户 {user}，其引擎以该用户运行；请使用：sudo -u {user} minisched --home {home} {command}",
    ),
    "cli.other_zone": (
        "the engine works in the time zone {engine}, this command in {own}: due times shown here may not be its own;"
        ' set "timezone" in the settings, or TZ for both',
        '引擎使用时区 {engine}，此命令使用 {own}：此处显示的计划时间可能与引擎不同；请在 settings 中设置 "timezone"，'
        "或为两者设置相同的 TZ",
    ),
    "cli.hint_lost_config": (
        "this home has a history, so it had a config: put {path} back from a backup; `minisched init` would start with"
        " two sample tasks",
        "此目录已有运行历史，因此曾有配置：请从备份恢复 {path}；`minisched init` 会从两个示例任务开始",
    ),
    "cli.hint_locked": (
        "{error}; another program holds it; close that program, or try again",
        "{error}；其他程序正占用它；请关闭该程序，或稍后再试",
    ),
    "cli.hint_damaged": (
        "{error}; the next engine start moves it aside; see docs/operation.md for how to rescue it",
        "{error}；引擎下次启动时会将其移开；抢救方法见 docs/operation.md",
    ),
    # Values and labels
    "cli.comma": (", ", "，"),
    "cli.semicolon": ("; ", "；"),
    "cli.pair": ("{name}: {value}", "{name}：{value}"),
    "cli.disabled": ("disabled", "已停用"),
    "cli.unknown": ("unknown", "未知"),
    "cli.disabled_start": ("disabled ({start})", "已停用（{start}）"),
    "cli.left_out": ("{task}: {text}", "{task}：{text}"),
    "cli.never_again": ("never again", "不会再有"),
    "cli.waits_for": ("for {tasks}", "等待 {tasks}"),
    "cli.attempt_failed": (
        "{reason}, attempt {attempt} of {max_attempts} failed",
        "{reason}，第 {attempt}/{max_attempts} 次尝试失败",
    ),
    "cli.is_slow": ("slow", "偏慢"),
    "cli.is_late": ("late: no success for {day} by {time}", "逾期：{day} 到 {time} 仍无成功"),
    "cli.running_since": ("run {run_id} since {time}", "运行 #{run_id}，自 {time}"),
    "cli.in_a_row": ("{why}, {count} in a row", "{why}，连续 {count} 次"),
    "cli.exit": ("exit {exit_code}", "退出码 {exit_code}"),
    "cli.exit_hint": ("exit {exit_code}: {hint}", "退出码 {exit_code}：{hint}"),
    "cli.looks_like_crash": ("the output looks like a crash", "输出像是程序崩溃"),
    "cli.why.not_executable": ("not executable", "不可执行"),
    "cli.why.command_not_found": ("not found", "未找到"),
    "cli.why.command_not_executable": ("not executable", "不可执行"),
    "cli.why.memory_limit": ("memory limit?", "内存限制？"),
    "cli.why.cpu_limit": ("CPU limit?", "CPU 限制？"),
    "cli.why.no_interpreter": ("no such interpreter: {interpreter}", "没有解释器：{interpreter}"),
    "cli.why.script_crlf": ("Windows line ends in {program}", "{program} 是 Windows 换行"),
    "cli.why.script_bom": ("BOM in {program}", "{program} 带有 BOM"),
    "cli.why.script_utf16": ("{program} is UTF-16", "{program} 是 UTF-16"),
    "cli.why.is_folder": ("is a folder: {program}", "是目录：{program}"),
    "cli.why.noexec": ("mounted noexec", "以 noexec 挂载"),
    "cli.why.no_access": ("no access: {program}", "无权访问：{program}"),
    "cli.why.no_program": ("no #! line in {program}", "{program} 没有 #! 行"),
    "cli.why.not_in_path": ("not in PATH: {program}", "不在 PATH 中：{program}"),
    "cli.why.tilde": ("~ is not expanded", "~ 不会展开"),
    "cli.why.in_home": ("{word} is in the home", "{word} 在 minisched 目录中"),
    "cli.why.spawn": ("{reason}: {program}", "{reason}：{program}"),
    "cli.why.upstream_failed": ("{task}: {status}", "{task}：{status}"),
    "cli.why.no_folder": ("task_cwd {path}: {reason}", "task_cwd 目录 {path}：{reason}"),
    "cli.signal": ("signal {signal} ({name})", "信号 {signal}（{name}）"),
    "cli.unknown_signal": ("signal {signal}", "信号 {signal}"),
    "cli.by_signal": ("{signal}", "{signal}"),
    "cli.signal_hint": ("{signal}: {hint}", "{signal}：{hint}"),
    "cli.log_lost": ("output lost", "输出丢失"),
    "cli.output_cut": ("output cut", "输出截断"),
    "cli.missed_span": ("{count} due times since {since}", "自 {since} 起 {count} 个计划时间"),
    "cli.engine_running": ("running, pid {pid}", "运行中，pid {pid}"),
    "cli.engine_not_running": ("not running", "未运行"),
    "cli.task_counts": ("{count}: {states}", "{count}：{states}"),
    "cli.no_task_counts": ("0: none", "0：无"),
    "cli.disabled_count": ("; {count} disabled", "；已停用 {count}"),
    "cli.damaged_history": ("{path}: a damaged history was moved aside", "{path}：损坏的历史已移开"),
    "cli.page": (
        "{shown} of {total} runs, page {page} of {pages}",
        "共 {total} 次运行，显示 {shown} 次，第 {page}/{pages} 页",
    ),
    "cli.page_of_messages": (
        "{shown} of {total} messages, page {page} of {pages}",
        "共 {total} 条消息，显示 {shown} 条，第 {page}/{pages} 页",
    ),
    "cli.no_messages": ("no messages", "没有消息"),
    "cli.resent": ("message {message} is sent again", "正在重新发送消息 {message}"),
    "cli.url_is_secret": (
        "whoever sees this address can run commands as the engine's user; it stays in the history of the terminal",
        "看到此地址的人都能以引擎用户的身份执行命令；它会留在终端的滚动记录中",
    ),
    "cli.run_of": ("run {run_id}: {words}", "运行 #{run_id}：{words}"),
    "cli.from.file": ("file", "文件"),
    "cli.from.defaults": ("defaults", "默认值 defaults"),
    "cli.from.settings": ("settings", "settings 配置"),
    "cli.from.built-in": ("built-in", "内置"),
    "cli.check.well": (
        "OK: {count} {count|task|tasks}, engine pid {pid}",
        "OK: {count} 个任务，引擎 pid {pid}",
    ),
    "cli.check.trouble": ("WARNING: {found}", "WARNING: {found}"),
    "cli.check.failed": ("{count} failed: {tasks}", "{count} 个任务失败：{tasks}"),
    "cli.check.late": ("{count} late: {tasks}", "{count} 个任务逾期：{tasks}"),
    "cli.check.problem": ("{count} {count|problem|problems}: {problem}", "{count} 个问题：{problem}"),
    "cli.check.no_engine": ("UNKNOWN: no engine runs on {home}", "UNKNOWN: {home} 上没有引擎在运行"),
    "cli.label.last_run": ("last run", "上次运行"),
    "cli.label.next": ("next", "下次"),
    "cli.label.engine": ("engine", "引擎"),
    "cli.label.home": ("home", "目录"),
    "cli.label.zone": ("zone", "时区"),
    "cli.label.tasks": ("tasks", "任务"),
    "cli.label.problem": ("problem", "问题"),
    "cli.label.run": ("run", "运行"),
    "cli.label.task": ("task", "任务"),
    "cli.label.status": ("status", "状态"),
    "cli.label.why": ("why", "原因"),
    "cli.label.paused": ("paused", "暂停"),
    "cli.label.trigger": ("trigger", "触发"),
    "cli.label.due": ("due", "计划"),
    "cli.label.started": ("started", "开始"),
    "cli.label.ended": ("ended", "结束"),
    "cli.label.took": ("took", "用时"),
    "cli.label.missed": ("missed", "错过"),
    "cli.column.task": ("TASK", "任务"),
    "cli.column.status": ("STATUS", "状态"),
    "cli.column.next": ("NEXT", "下次"),
    "cli.column.why": ("WHY", "原因"),
    "cli.column.last_run": ("LAST RUN", "上次运行"),
    "cli.column.name": ("NAME", "名称"),
    "cli.column.run": ("RUN", "运行"),
    "cli.column.started": ("STARTED", "开始"),
    "cli.column.took": ("TOOK", "用时"),
    "cli.column.due": ("DUE", "计划时间"),
    "cli.column.trigger": ("TRIGGER", "触发"),
    "cli.column.attempt": ("ATTEMPT", "尝试"),
    "cli.column.exit": ("EXIT", "退出码"),
    "cli.column.pid": ("PID", "PID"),
    "cli.column.leftover": ("LEFT BEHIND", "残留进程"),
    "cli.column.field": ("FIELD", "字段"),
    "cli.column.value": ("VALUE", "值"),
    "cli.column.source": ("FROM", "来源"),
    "cli.column.message": ("MESSAGE", "消息"),
    "cli.column.state": ("STATE", "状态"),
    "cli.column.created": ("CREATED", "创建"),
    "cli.column.error": ("ERROR", "错误"),
    "cli.column.rule": ("RULE", "规则"),
    "cli.column.channel": ("CHANNEL", "渠道"),
    "cli.column.tries": ("TRIES", "次数"),
    "cli.column.schedule": ("SCHEDULE", "时间表"),
    # init, validate
    "cli.created": ("created {path}", "已创建 {path}"),
    "cli.kept": ("kept    {path}", "已保留 {path}"),
    "cli.next_steps": (
        "next: `minisched {home}validate`,\nthen `minisched {home}run`",
        "接下来检查配置：`minisched {home}validate`\n然后启动引擎：`minisched {home}run`",
    ),
    "cli.bundled": (
        "created {path} and {path}.sha256 ({size} bytes, byte code of Python {python})",
        "已创建 {path} 和 {path}.sha256（{size} 字节，含 Python {python} 的字节码）",
    ),
    "cli.bundle_again": (
        "the byte code in {path} is for another Python; for faster starts: python3 {path} bundle -o {path}",
        "{path} 中的字节码属于另一版本的 Python；运行 python3 {path} bundle -o {path} 可加快启动",
    ),
    "cli.bundled_without_croniter": (
        "without croniter, which is not installed here: all schedules work without it",
        "不含 croniter（此处未安装）：没有它所有时间表也能用",
    ),
    "cli.bundled_without_tzdata": (
        "without time zone data: the package tzdata is not installed here; the target needs its own",
        "不含时区数据（此处未安装 tzdata 包）：目标机器需自带时区数据",
    ),
    "cli.documents": ("documents (help NAME): {names}", "文档（help 名称）：{names}"),
    "cli.no_topic": (
        'no command and no document "{topic}"; `minisched help` lists them',
        '没有名为 "{topic}" 的命令或文档；`minisched help` 列出全部',
    ),
    "cli.problem_count": ("{count} {count|problem|problems}", "{count} 个问题"),
    "cli.valid": ("{path} is valid: {count} {count|task|tasks}", "{path} 有效：{count} 个任务"),
    # edit
    "cli.edit_needs_terminal": (
        "edit needs a terminal; change {path} in another way, and check it with `minisched validate`",
        "edit 需要终端；请用其他方式修改 {path}，并用 `minisched validate` 检查",
    ),
    "cli.edit_needs_editor": (
        "no editor was found; set EDITOR, as in EDITOR=vi, or change {path} in another way",
        "没有找到编辑器；请设置 EDITOR，如 EDITOR=vi，或用其他方式修改 {path}",
    ),
    "cli.edit_not_utf8": ("{path} is not UTF-8", "{path} 不是 UTF-8"),
    "cli.edit_whole": (
        "{path} is no valid JSON, so no task can be found in it; `minisched edit` edits all of it",
        "{path} 不是有效的 JSON，无法在其中找到任务；`minisched edit` 可编辑整个文件",
    ),
    "cli.edit_unchanged": ("nothing was changed", "没有更改"),
    "cli.edit_failed": (
        "the editor ({editor}) ended with exit code {exit_code}; nothing was changed",
        "编辑器（{editor}）以退出码 {exit_code} 结束；未作任何更改",
    ),
    "cli.edit_again": ("edit again? [Y/n] ", "再次编辑？[Y/n] "),
    "cli.edit_kept": (
        "nothing was saved; what you wrote is in {path}",
        "没有保存；你编辑的内容在 {path} 中",
    ),
    "cli.edit_changed": (
        "{path} was changed by another program meanwhile",
        "{path} 在此期间被其他程序修改",
    ),
    "cli.edit_not_durable": (
        "{path} is written, but the disk has not confirmed it: {reason}",
        "{path} 已写入，但磁盘尚未确认：{reason}",
    ),
    "cli.edit_saved": (
        "{path} is saved; a running engine loads it within 2 s",
        "{path} 已保存；正在运行的引擎会在 2 秒内加载",
    ),
    # backup, restore
    "cli.backed_up": (
        "{path}: {count} {count|file|files}, {size} MB; it has tokens and secrets: keep it where only you can read it",
        "{path}：{count} 个文件，{size} MB；其中含有令牌和机密，请保存在只有你能读取的地方",
    ),
    "cli.backup_to_terminal": (
        "a backup is no text; write it to a file, or pass it on: `minisched backup - | ssh host 'cat > jobs.tar'`",
        "备份不是文本；请写入文件，或传给其他程序：`minisched backup - | ssh host 'cat > jobs.tar'`",
    ),
    "cli.not_in_backup": (
        "{path} is left out: it is neither a file nor a symbolic link to one",
        "未包含 {path}：它既不是文件，也不是指向文件的符号链接",
    ),
    "cli.backup_config_unread": (
        "{path} cannot be read as JSON: files that it names outside tasks/ are left out",
        "{path} 无法作为 JSON 读取：其中提到的 tasks/ 以外的文件未包含在内",
    ),
    "cli.backup_failed": ("{path} could not be copied: {reason}", "无法复制 {path}：{reason}"),
    "cli.changed_while_read": (
        "{path} was changed while it was read; try again",
        "{path} 在读取时被修改；请重试",
    ),
    "cli.restore_over": (
        "{home} is a home already; restore to another --home, or use --force, which keeps what is there under another"
        " name",
        "{home} 已是 minisched 目录；请恢复到其他 --home，或使用 --force（原有内容以其他名称保留）",
    ),
    "cli.restore_damaged": ("{path} is damaged: {reason}", "{path} 已损坏：{reason}"),
    "cli.restore_no_backup": (
        "{path} is no complete backup of minisched: its list of files is missing",
        "{path} 不是完整的 minisched 备份：缺少文件清单",
    ),
    "cli.restore_incomplete": (
        "{path} is damaged: {member} is not as it was backed up",
        "{path} 已损坏：{member} 与备份时不一致",
    ),
    "cli.restore_kind": (
        "{member} in the backup is a link or a device, which no backup of minisched has; nothing was restored",
        "备份中的 {member} 是链接或设备，minisched 的备份中不会有；未恢复任何内容",
    ),
    "cli.restore_name": (
        "{member} in the backup is not the name of a file that may be restored; nothing was restored",
        "备份中的 {member} 不是可恢复的文件名；未恢复任何内容",
    ),
    "cli.restored": (
        "{home}: {count} {count|file|files} restored, as {from_home} was at {time}",
        "{home}：已恢复 {count} 个文件，为 {from_home} 在 {time} 的状态",
    ),
    "cli.set_aside": ("what was there is kept as {paths}", "原有内容保留为 {paths}"),
    "cli.restored_next": (
        "due times since then count as downtime at the next start: `task_misfire` decides what is made up",
        "此后的计划时间在下次启动时视为停机期间：由 `task_misfire` 决定补跑哪些",
    ),
    # logs
    "cli.no_output": ("{task} has no output yet", "{task} 还没有输出"),
    "cli.not_a_log": (
        "{path} is not a regular file: output is neither written to it nor read from it; move it away",
        "{path} 不是普通文件：既不向其写入输出，也不从中读取；请将其移走",
    ),
    "cli.not_started": ("run {run_id} was not started", "运行 #{run_id} 未启动"),
    "cli.of_attempt": ("{missing} (attempt {attempt})", "{missing}（第 {attempt} 次尝试）"),
    "cli.tail_in_history": (
        "{missing}; its last lines, from the history:",
        "{missing}；以下为历史中保存的最后几行：",
    ),
    "cli.no_tail_in_history": ("{missing}, and the history has none of it", "{missing}，历史中也没有保存"),
    "cli.run_without_output": (
        "run {run_id} of {task} has no output: it is {status}",
        "{task} 的运行 #{run_id} 没有输出：其状态为 {status}",
    ),
    "cli.output_lost": (
        "output of run {run_id} could not be written to {path}; `minisched logs --run {run_id}` shows what is left",
        "运行 #{run_id} 的输出未能写入 {path}；可用 `minisched logs --run {run_id}` 查看保存下来的部分",
    ),
    "cli.output_not_written": (
        "the output of run {run_id} could not be written to {path}",
        "运行 #{run_id} 的输出无法写入 {path}",
    ),
    "cli.output_not_in": ("the output of run {run_id} is not in {path}", "运行 #{run_id} 的输出不在 {path} 中"),
    "cli.output_beginning_gone": (
        "the beginning of the output of run {run_id} is gone; the rest of it:",
        "运行 #{run_id} 的输出开头已不存在；其余部分：",
    ),
    "cli.lines_gone": (
        "{task}: some lines were rotated away or removed before they could be shown",
        "{task}：部分行在显示之前已被轮转或删除",
    ),
    # exec
    "cli.no_slot": (
        "{task} has reached its task_max_instances ({max}): {count|run|runs} {runs} {count|is|are} active; wait until"
        " {count|it has|they have} ended, then try again",
        "{task} 已达到 task_max_instances（{max}）：{count} 次运行（{runs}）尚未结束；请等其结束后再试",
    ),
    "cli.no_lock": (
        "{task} needs lock {lock}, which has {size} {size|holder|holders} at most and is held by {runs}; wait until it"
        " is free, then try again",
        "{task} 需要锁 {lock}，该锁最多由 {size} 次运行占用，现由 {runs} 占用；请等其空闲后再试",
    ),
    "cli.orphan": (
        "run {run_id}: the program that started it is gone, but its process is still alive; the next engine start ends"
        " it",
        "运行 #{run_id}：启动它的程序已不在，但其进程仍在运行；引擎下次启动时会将其终止",
    ),
    "cli.ended_before": (
        "run {run_id}: an engine took this program for dead and has recorded the run as interrupted; that stays",
        "运行 #{run_id}：引擎曾认为本程序已不在，并已将该运行记为中断；记录不再改变",
    ),
    "cli.stdout_lost": ("standard output: {reason}; the task continues", "标准输出：{reason}；任务继续运行"),
    "cli.stderr_lost": ("standard error: {reason}; the task continues", "标准错误：{reason}；任务继续运行"),
    "cli.cancelling": (
        "run {run_id} is being stopped: TERM now, KILL after {seconds} s; Ctrl-C again kills it at once",
        "正在停止运行 #{run_id}：已发送 TERM，{seconds} 秒后发送 KILL；再按 Ctrl-C 立即强制终止",
    ),
    "cli.killing": ("run {run_id} is being killed", "正在强制终止运行 #{run_id}"),
    "cli.goes_on": (
        "run {run_id} of {task} goes on; `minisched stop {run_id}` ends it",
        "{task} 的运行 #{run_id} 仍在继续；`minisched stop {run_id}` 可将其终止",
    ),
    # trigger, stop, enable, disable, reload
    "cli.no_engine": (
        "no engine runs on {home}; start one with `minisched run`, or run the task with `minisched exec`",
        "{home} 上没有引擎在运行；用 `minisched run` 启动引擎，或用 `minisched exec` 运行任务",
    ),
    "cli.no_engine_to_ask": (
        "no engine runs on {home}; start one with `minisched run`",
        "{home} 上没有引擎在运行；用 `minisched run` 启动引擎",
    ),
    "cli.no_engine_to_edit": (
        'no engine runs on {home}; edit "enabled" of the task in {config}, or start the engine with `minisched run`',
        '{home} 上没有引擎在运行；请在 {config} 中修改该任务的 "enabled"，或用 `minisched run` 启动引擎',
    ),
    "cli.no_api": (
        "the engine (pid {pid}) has no API: settings.http.enabled is false, or the page cannot be served; a changed"
        " config file is loaded automatically, with `kill -HUP {pid}` at once",
        "引擎（pid {pid}）没有 API：settings.http.enabled 为 false，或无法提供网页；修改后的配置会自动加载，"
        "`kill -HUP {pid}` 可立即加载",
    ),
    "cli.api_not_served": (
        "the engine (pid {pid}) cannot serve its page and its API, which `minisched {command}` needs",
        "引擎（pid {pid}）无法提供网页和 `minisched {command}` 所需的 API",
    ),
    "cli.no_response": (
        "the engine at {address} does not respond: {reason}",
        "{address} 上的引擎没有响应：{reason}",
    ),
    "cli.no_proof": (
        "what answers at {address} does not know the token of this home, so nothing was sent to it: another program has"
        " taken the address, or the engine is an older version and has to be restarted",
        "{address} 上的程序不知道此目录的令牌，因此没有向它发送任何内容："
        "该地址被其他程序占用，或引擎是旧版本，需要重启",
    ),
    "cli.status": ("the engine responded with HTTP {status}", "引擎返回 HTTP {status}"),
    "cli.repeats": (
        "run {repeats} is of {time} already: this one repeats it",
        "{time} 已有运行 #{repeats}：此次为重复运行",
    ),
    "cli.not_in_schedule": (
        "{time} is no due time of the schedule in force: it runs all the same",
        "{time} 不是当前时间表中的计划时间，仍会运行",
    ),
    "cli.backfill_no_schedule": (
        "{task} has no schedule, so no due times; run it with `minisched trigger {task} --for TIME`",
        "{task} 没有时间表，因此没有计划时间；请用 `minisched trigger {task} --for TIME` 运行",
    ),
    "cli.backfill_too_many": (
        "there are more than {max} due times; take a span up to {last}, and the rest in another backfill",
        "计划时间超过 {max} 个；请把时间段缩短到 {last} 为止，其余另行补做",
    ),
    "cli.backfill_too_long": (
        "the span is longer than {years} years; take a shorter one, and the rest in another backfill",
        "时间段超过 {years} 年；请缩短时间段，其余另行补做",
    ),
    "cli.backfill_nothing": ("no due time is to be made up", "没有需要补做的计划时间"),
    "cli.backfill_plan": (
        "{count} due {count|time|times} to make up, from {first} to {last}, one after another",
        "将依次补做 {count} 个计划时间，从 {first} 到 {last}",
    ),
    "cli.backfill_done_already": (
        "{count} {count|has|have} a success already and {count|is|are} left out (--all includes {count|it|them})",
        "{count} 个已成功，不再补做（--all 可包括在内）",
    ),
    "cli.backfill_unfinished": (
        "{count} {count|has a run that has|have runs that have} not ended and {count|is|are} left out",
        "{count} 个的运行尚未结束，不再补做",
    ),
    "cli.backfill_ask": (
        "standard input is no terminal, so nobody can be asked; start it with --yes",
        "标准输入不是终端，无法询问；请加上 --yes",
    ),
    "cli.backfill_question": ("Run {task} {count} {count|time|times}? [y/N] ", "运行 {task} {count} 次？[y/N] "),
    "cli.backfill_run": (
        "{number} of {count}: {time}: run {run_id}: {status}",
        "第 {number} 个，共 {count} 个：{time}：运行 #{run_id}：{status}",
    ),
    "cli.backfill_stopped": (
        "{done} of {count} made up; the rest: `minisched backfill {task} --from {next} --to {last}`",
        "已补做 {done} 个，共 {count} 个；其余：`minisched backfill {task} --from {next} --to {last}`",
    ),
    "cli.run_requested": (
        "run {run_id} of {task} requested; `minisched logs --run {run_id}` shows its output",
        "已请求 {task} 的运行 #{run_id}；`minisched logs --run {run_id}` 显示其输出",
    ),
    "cli.stop_requested": ("stop of run {run_id} of {task} requested", "已请求停止 {task} 的运行 #{run_id}"),
    "cli.stopped": ("run {run_id} of {task} is {status}", "{task} 的运行 #{run_id} 状态为 {status}"),
    "cli.enabled": ("{task} is enabled", "{task} 已启用"),
    "cli.disabled_now": (
        "{task} is disabled: it is no longer due, but can be run manually",
        "{task} 已停用：不再按计划运行，仍可手动运行",
    ),
    "cli.paused_now": (
        "the engine is paused: no task is due until `minisched resume`{runs}",
        "引擎已暂停：在 `minisched resume` 之前，任何任务都不会按计划运行{runs}",
    ),
    "cli.paused_already": (
        "the engine was paused already, nothing changed: no task is due until `minisched resume`{runs}",
        "引擎本来就已暂停，没有任何改动：在 `minisched resume` 之前，任何任务都不会按计划运行{runs}",
    ),
    "cli.paused_runs": (
        "; {count} {count|run that has|runs that have} begun {count|is|are} finished",
        "；已开始的 {count} 次运行会继续到结束",
    ),
    "cli.not_paused": ("the engine was not paused, nothing changed", "引擎并未暂停，没有任何改动"),
    "cli.resumed": (
        "the engine is resumed; what was due in the pause is not caught up",
        "引擎已恢复；暂停期间的计划时间不补跑",
    ),
    "cli.paused": (
        "the engine is paused: no task is due until `minisched resume`",
        "引擎已暂停：在 `minisched resume` 之前，任何任务都不会按计划运行",
    ),
    "cli.paused_since": (
        "the engine has been paused since {since}, {by}: no task is due until `minisched resume`",
        "引擎自 {since} 起暂停，{by}：在 `minisched resume` 之前，任何任务都不会按计划运行",
    ),
    "cli.reloaded": ("config loaded", "配置已加载"),
}
