"""Errors in the config file and in JSON bodies, and what each field means."""

TEXTS: dict[str, tuple[str, str]] = {
    "config.error": ("{file}: {place} {text}", "{file}：{place} {text}"),
    "config.error.file": ("{file}: {text}", "{file}：{text}"),
    # What is wrong with a value. `place` comes before: "task_timeout" "is 5; expected ...".
    "config.is": ("is {value}; {why}", "值为 {value}；{why}"),
    "config.full_width": ('{why}; instead of "{found}" write "{ascii}"', '{why}；"{found}" 请改为半角 "{ascii}"'),
    "config.half_open": (
        'is {text}: "{found}" is only half of a variable; expected one such as "{{ task_name }}", or "{{{{" for the'
        ' text "{{"',
        '为 {text}："{found}" 只是变量的一半；应写作 "{{ task_name }}" 这样的形式；若要输出 "{{" 本身，请写 "{{{{"',
    ),
    "config.expected": ("expected {rule}", "应为{rule}"),
    "config.missing": ("is missing; {why}", "缺少此项；{why}"),
    "config.unknown_field": ('unknown field "{name}"; {hint}', '未知字段 "{name}"；{hint}'),
    "config.unknown_variable": ("unknown template variable {name}; {hint}", "未知模板变量 {name}；{hint}"),
    "config.hinted": ("{why}; {hint}", "{why}；{hint}"),
    "config.did_you_mean": ('did you mean "{word}"?', '是否指 "{word}"？'),
    "config.belongs": ("it belongs in {place}", "它应写在 {place} 中"),
    "config.known": ("expected one of {words}", "应为以下之一：{words}"),
    "config.known_names": ("see docs/configuration.md for the known names", "可用名称见 docs/configuration.md"),
    "config.more": ("{count} more {count|problem|problems}", "另有 {count} 个问题"),
    "config.duplicate": ("{value} occurs twice in this list", "{value} 在此列表中重复"),
    "config.bad_name": ("{name} is not a valid name; {why}", "{name} 不是有效的名称；{why}"),
    "config.own_field": (
        "cannot be set in defaults; each task has its own",
        "不能在 defaults 中设置；须由各任务自行设置",
    ),
    # JSON that cannot be read.
    "config.json.at": ("line {line}, column {column}: {text}", "第 {line} 行，第 {column} 列：{text}"),
    "config.json.place": ("line {line}, column {column}:", "第 {line} 行，第 {column} 列:"),
    "config.json.too_large": (
        "has {bytes} bytes; at most {max_bytes} are allowed",
        "共 {bytes} 字节；最多允许 {max_bytes} 字节",
    ),
    "config.json.bom": (
        "begins with a byte order mark (BOM); save it as UTF-8 without BOM",
        "以字节顺序标记（BOM）开头；请保存为不带 BOM 的 UTF-8",
    ),
    "config.json.encoding": ("looks like {encoding}; save it as UTF-8", "似为 {encoding} 编码；请保存为 UTF-8"),
    "config.json.not_utf8": (
        "byte {byte} (offset {offset}) is not UTF-8; save the file as UTF-8",
        "字节 {byte}（偏移 {offset}）不是 UTF-8；请将文件保存为 UTF-8",
    ),
    "config.json.empty": (
        'is empty; expected an object such as {"tasks": []}',
        '内容为空；应为对象，如 {"tasks": []}',
    ),
    "config.json.too_deep": (
        "lists and objects are nested deeper than {max} levels",
        "列表与对象的嵌套超过 {max} 层",
    ),
    "config.json.unclosed": (
        "unexpected end; a bracket or brace above is not closed",
        "内容到此意外结束；前面有未闭合的括号",
    ),
    "config.json.unclosed_text": (
        "the text that starts here has no closing quote",
        "从此处开始的文本没有右引号",
    ),
    "config.json.raw_control": (
        "unescaped {found} in a text; write it as an escape such as \\n or \\t",
        "文本中有未转义的 {found}；请写作转义，如 \\n 或 \\t",
    ),
    "config.json.bad_escape": (
        r"invalid escape; for a backslash write \\",
        r"无效的转义；反斜杠本身应写作 \\",
    ),
    "config.json.trailing_comma": (
        'unexpected "," before "{bracket}"; remove the comma',
        '"{bracket}" 之前多了一个 ","；请删去逗号',
    ),
    "config.json.full_width": (
        "found the full-width character {found}; write {ascii} instead",
        "此处是全角字符“{found}”；请改为半角 {ascii}",
    ),
    "config.json.curly_quote": (
        "found the curly quote {found}; write {ascii} instead",
        "此处是弯引号 {found}；请改为半角 {ascii}",
    ),
    "config.json.wide_blank": (
        "found the blank {found}; write an ordinary blank instead",
        "此处是空白字符 {found}；请改为普通空格",
    ),
    "config.json.invisible": (
        "found the invisible character {found}; remove it",
        "此处有不可见字符 {found}；请删除",
    ),
    "config.json.crontab": (
        'looks like a crontab; `minisched import-crontab FILE` makes tasks of it; a config is JSON such as {"tasks":'
        ' [{"task_id": "backup", "task_schedule": "30 2 * * *", "task_exec": "tasks/backup.sh"}]}',
        '看起来是 crontab；`minisched import-crontab FILE` 可将其转为任务；配置应为 JSON，如 {"tasks":'
        ' [{"task_id": "backup", "task_schedule": "30 2 * * *", "task_exec": "tasks/backup.sh"}]}',
    ),
    "config.json.a_text": ("a text", "一个文本"),
    "config.json.a_number": ("a number", "一个数字"),
    "config.json.a_word": ("a word", "一个词"),
    "config.json.found": ("found {found}; {why}", "此处为 {found}；{why}"),
    "config.json.write": ("write {word}", "应写作 {word}"),
    "config.json.double_quotes": ("texts need double quotes", "文本须用双引号"),
    "config.json.no_comments": ("JSON has no comments", "JSON 不支持注释"),
    "config.json.end_expected": ("expected the end of the file", "文件应在此处结束"),
    "config.json.comma_expected": (
        'expected a "," or a closing bracket before it',
        '之前应有 "," 或右括号',
    ),
    "config.json.colon_expected": ('expected a ":" before it', '之前应有 ":"'),
    "config.json.name_expected": ("expected a field name in double quotes", "应为双引号中的字段名"),
    "config.json.value_expected": ("expected a value", "应为一个值"),
    # Values that JSON readers treat differently.
    "config.json.twice": (
        "occurs twice, in line {first} and in line {second}; remove one",
        "重复出现，见第 {first} 行和第 {second} 行；请删去其一",
    ),
    "config.json.twice_in_line": (
        "occurs twice in line {line}, in column {first} and in column {second}; remove one",
        "在第 {line} 行重复出现，见第 {first} 列和第 {second} 列；请删去其一",
    ),
    "config.json.number": (
        "is {number} in line {line}; expected a finite number of at most {digits} digits",
        "在第 {line} 行的值为 {number}；应为最多 {digits} 位的有限数值",
    ),
    "config.json.many_digits": ("a number of {count} digits", "{count} 位的数"),
    "config.json.big_integer": (
        "is {number}; expected an integer of at most {max}",
        "值为 {number}；整数不得超过 {max}",
    ),
    "config.json.long_text": (
        "is a text of {length} characters; expected at most {max}",
        "文本有 {length} 个字符；最多允许 {max} 个",
    ),
    "config.json.bad_character": (
        "contains a NUL character or an unpaired surrogate",
        "含有 NUL 字符或不成对的代理项",
    ),
    # Rules: what is expected.
    "config.rule.bool": ("true or false", "布尔值 true 或 false"),
    "config.rule.constant": ("{value}", "数字 {value}"),
    "config.rule.integer": ("a whole number from {min} to {max}", "整数，{min} 至 {max}"),
    "config.rule.number": ("a number from {min} to {max}", "数字，{min} 至 {max}"),
    "config.rule.size": (
        'a size such as 1048576 or "10MB", of at least {min}',
        '大小，如 1048576 或 "10MB"，至少 {min}',
    ),
    "config.rule.size_or_zero": (
        'a size such as 1048576 or "10MB", of at least {min}, or 0',
        '大小，如 1048576 或 "10MB"，至少 {min}，或 0',
    ),
    "config.rule.single": ("{word}", "固定值 {word}"),
    "config.rule.choice": ("{words} or {last}", "以下之一：{words}、{last}"),
    "config.rule.encoding": (
        'the name of a text encoding that Python knows, such as "utf-8", "gb18030" or "latin-1"',
        '文本编码的名称（Python 支持的），如 "utf-8"、"gb18030" 或 "latin-1"',
    ),
    "config.rule.zone": (
        'an IANA time zone name such as "Europe/Berlin"',
        '时区的 IANA 名称，如 "Europe/Berlin"',
    ),
    "config.rule.time_of_day": ('a time of day such as "06:00"', '一天中的时刻，如 "06:00"'),
    "config.rule.schedule": (
        'a schedule such as "30 2 * * *", "@every 90s" or "@reboot"',
        '时间表，如 "30 2 * * *"、"@every 90s" 或 "@reboot"',
    ),
    "config.rule.text": ("a text of at most {max} characters", "文本，最多 {max} 个字符"),
    "config.rule.text_min": ("a text of {min} to {max} characters", "文本，{min} 至 {max} 个字符"),
    "config.rule.line": ("a text of at most {max} characters on one line", "单行文本，最多 {max} 个字符"),
    "config.rule.line_min": ("a text of {min} to {max} characters on one line", "单行文本，{min} 至 {max} 个字符"),
    "config.rule.no_nul": ("a text without a NUL character", "不含 NUL 字符的文本"),
    "config.rule.no_surrogate": ("a text without unpaired surrogates", "不含不成对代理项的文本"),
    "config.rule.secret": (
        '{rule}, or {"from_env": "NAME"} or {"from_file": "path"}',
        '{rule}，或 {"from_env": "NAME"} 或 {"from_file": "path"}',
    ),
    "config.rule.template_object": (
        "{rule}, or an object whose texts are templates",
        "{rule}，或其中文本均为模板的对象",
    ),
    "config.rule.one_or_list": ("{rule}, or a list of them", "{rule}，或其列表"),
    "config.rule.list": ("a list", "列表"),
    "config.rule.list_min": ("a list that is not empty", "非空列表"),
    "config.rule.list_of": ("{rule}: [{item}]", "{rule}：[{item}]"),
    "config.rule.tasks": (
        'a list of tasks: [{"task_id": "backup", "task_exec": "tasks/backup.sh"}]',
        '任务列表：[{"task_id": "backup", "task_exec": "tasks/backup.sh"}]',
    ),
    "config.rule.document": ('an object: {"tasks": [...]}', '对象：{"tasks": [...]}'),
    "config.rule.calendar_name": (
        '1 to 64 ASCII letters, digits, "_" or "-"',
        '半角（ASCII）字母、数字、"_" 或 "-"，共 1 至 64 个',
    ),
    "config.rule.name_or_object": ("a name, or an object such as {example}", "名称，或对象，如 {example}"),
    "config.rule.object": ("an object", "对象"),
    "config.rule.object_such_as": ("an object such as {example}", "对象，如 {example}"),
    "config.rule.quoted": ('a text: "{text}"', '文本："{text}"'),
    "config.rule.unquoted": ("{rule}: {value}, without quotes", "{rule}：{value}，不加引号"),
    "config.rule.written": ('{rule}; write "{value}"', '{rule}；请写作 "{value}"'),
    "config.rule.command": (
        "a command: a text for /bin/sh, or a list of a program and its arguments",
        "命令：交给 /bin/sh 的文本，或由程序及其参数组成的列表",
    ),
    "config.rule.task_id": (
        '1 to 64 ASCII letters, digits, "_" or "-"; "task_name" can hold any text',
        '半角（ASCII）字母、数字、"_" 或 "-"，共 1 至 64 个；名称可写在 "task_name"',
    ),
    "config.rule.dependency": ("the id of a task, or {example}", "任务 ID，或{example}"),
    "config.rule.within": ('a duration such as 300 or "26h", or "ever"', '时长，如 300 或 "26h"，或 "ever"'),
    "config.rule.path": ("a path without control characters", "不含控制字符的路径"),
    "config.rule.env_name": (
        'the name of an environment variable: letters, digits and "_"',
        '环境变量名：字母、数字和 "_"',
    ),
    "config.rule.secret_env_name": (
        'the name of an environment variable: letters, digits and "_"; not one that every task gets (PATH, HOME, USER,'
        " LOGNAME, SHELL, LANG, LC_*, TZ)",
        '环境变量名：字母、数字和 "_"；不能是每个任务都有的变量（PATH、HOME、USER、LOGNAME、SHELL、LANG、LC_*、TZ）',
    ),
    "config.rule.lock": (
        'the name of a lock: 1 to 64 ASCII letters, digits, "_" or "-"',
        '锁的名称：半角（ASCII）字母、数字、"_" 或 "-"，共 1 至 64 个',
    ),
    "config.rule.task_env_name": (
        'the name of an environment variable: letters, digits and "_"; names that start with "MINISCHED_" are reserved',
        '环境变量名：字母、数字和 "_"；以 "MINISCHED_" 开头的名称为保留名称',
    ),
    "config.rule.host": ("a host name or an address", "主机名或地址"),
    "config.rule.allowed_host": (
        'a host name or an address, with its port if any, such as "plant.example.org:8787", or with "https://" before'
        ' it behind a proxy with TLS; "*" is not allowed',
        '主机名或地址，如有端口一并写出，如 "plant.example.org:8787"；位于 TLS 代理之后时前面加 "https://"；不允许 "*"',
    ),
    "config.rule.listen": (
        'an IP address such as "127.0.0.1", "0.0.0.0" or "::1", or "localhost" for the first of these; other names'
        " cannot be used to listen on, list those that browsers use in allowed_hosts",
        '本机的 IP 地址，如 "127.0.0.1"、"0.0.0.0" 或 "::1"，或 "localhost"（即第一个）；不能用其他名称监听，'
        "浏览器使用的名称请写入 allowed_hosts",
    ),
    "config.rule.address": (
        'a mail address such as "ops@example.org": ASCII only, no comments, no dot at an end or next to another dot',
        '邮件地址，如 "ops@example.org"：仅 ASCII 字符，不含注释，点号不在两端且不相连',
    ),
    "config.rule.sender": (
        'a mail address such as "ops@example.org": ASCII only, no comments, no dot at an end or next to another'
        " dot; or a name and an address, such as Ops <ops@example.org>, with double quotes around a name that contains"
        " , ; : @ ( ) [ or ]",
        '邮件地址，如 "ops@example.org"：仅 ASCII 字符，不含注释，点号不在两端且不相连；或名称加地址，如 Ops'
        " <ops@example.org>，名称中含有 , ; : @ ( ) [ ] 之一时须用双引号括起",
    ),
    "config.rule.url": (
        "an http:// or https:// address without user name, blanks or templates",
        "以 http:// 或 https:// 开头的地址，不含用户名、空白和模板",
    ),
    "config.rule.header_name": ("the name of an HTTP header", "名称合法的 HTTP 头"),
    "config.rule.header": ("a text of printable ASCII characters", "由可打印 ASCII 字符组成的文本"),
    # Types, as the reference and the page's form name them.
    "config.type.bool": ("true or false", "true 或 false"),
    "config.type.constant": ("`{value}`", "`{value}`"),
    "config.type.integer": ("whole number, {min} to {max}", "整数，{min} 至 {max}"),
    "config.type.number": ("number, {min} to {max}", "数字，{min} 至 {max}"),
    "config.type.duration": ("duration", "时长"),
    "config.type.duration_min": ("duration, at least {min}s", "时长，至少 {min}s"),
    "config.type.size": ("size", "大小"),
    "config.type.size_or_zero": ("size, at least {min}, or 0", "大小，至少 {min}，或 0"),
    "config.type.choice": ("{words}", "{words}"),
    "config.type.encoding": ("text encoding", "文本编码"),
    "config.type.zone": ("IANA time zone name", "IANA 时区名"),
    "config.type.schedule": ("schedule", "时间表"),
    "config.type.text": ("text", "文本"),
    "config.type.time_of_day": ("time of day", "时刻"),
    "config.type.secret": ("{type}, or the source of a secret", "{type}，或机密的来源"),
    "config.type.template": ("template", "模板"),
    "config.type.template_object": ("template, or an object of templates", "模板，或由模板组成的对象"),
    "config.type.list": ("list of {type}", "列表：{type}"),
    "config.type.one_or_list": ("{type}, or a list of them", "{type}，或其列表"),
    "config.type.map": ("object: name to {type}", "对象：名称到{type}"),
    "config.type.object": ("object", "对象"),
    "config.type.name_or_object": ("name, or object", "名称，或对象"),
    "config.type.variants": ("object, depending on `type`", "对象，由 `type` 决定"),
    "config.type.command": (
        "text (run by `/bin/sh -c`), or list of texts (run directly)",
        "文本（由 `/bin/sh -c` 执行）或文本列表（直接执行）",
    ),
    "config.type.dependency": (
        "task id, or an object with `task_id`, `on` and `within`",
        "任务 ID，或含 `task_id`、`on`、`within` 的对象",
    ),
    "config.type.within": ('duration, or `"ever"`', '时长，或 `"ever"`'),
    "config.type.task_id": ("task id", "任务 ID"),
    "config.type.name": ("name", "名称"),
    "config.type.path": ("path", "路径"),
    "config.type.host": ("host name or address", "主机名或地址"),
    "config.type.allowed_host": ("host, or host:port", "主机，或 主机:端口"),
    "config.type.listen": ("IP address, or `localhost`", "IP 地址，或 `localhost`"),
    "config.type.address": ("mail address", "邮件地址"),
    "config.type.sender": ("mail address, or `name <address>`", "邮件地址，或 `名称 <地址>`"),
    "config.type.url": ("http(s) address", "http(s) 地址"),
    # Defaults that are computed.
    "config.default.task_id": ("`task_id`", "`task_id`"),
    "config.default.task_log": ("`<task_id>.log`", "`<task_id>.log`"),
    "config.default.settings_zone": ("`settings.timezone`", "`settings.timezone`"),
    "config.default.system_zone": ("the system's time zone", "系统时区"),
    "config.default.dependency_timeout": ("until the next due time", "直到下一次计划时间"),
    "config.default.home": ("the home", "minisched 目录（home）"),
    "config.default.smtp_port": (
        "by `security`: 25 (none), 587 (starttls), 465 (ssl)",
        "随 `security` 而定：25（none）、587（starttls）、465（ssl）",
    ),
    "config.default.system_certificates": ("the system's certificates", "系统证书库"),
    "config.default.subject": ("task, status, and how often in a row", "任务、状态及连续次数"),
    "config.default.text": (
        "task, host, status, reason, times, and the end of the output",
        "任务、主机、状态、原因、时间及输出末尾",
    ),
    "config.default.json": ("a JSON object with all variables", "含所有变量的 JSON 对象"),
    # Warnings: valid, and will fail or surprise. `place` comes before each of them.
    "config.warning": ("warning: {warning}", "警告：{warning}"),
    "config.warn.program": ("will fail: {problem}", "会失败：{problem}"),
    "config.warn.writable": (
        "runs what every user of the machine can change; fix it with: chmod o-w {quoted}",
        "运行的内容可被本机任何用户更改；请执行：chmod o-w {quoted}",
    ),
    "config.warn.owner": (
        "runs what user {user}, to whom {path} belongs, can change",
        "运行的内容可被用户 {user} 更改：{path} 属于该用户",
    ),
    "config.warn.in_home": (
        "names {word}, which is in the home, not in task_cwd; write {path}",
        "中的 {word} 在 minisched 目录（home）中，不在 task_cwd 中；请写作 {path}",
    ),
    "config.warn.operator": (
        "is {operator}, which only a shell reads; write the command as one text, not as a list",
        "为 {operator}，只有 shell 才识别；请将命令写成一个文本，不要写成列表",
    ),
    "config.warn.tilde": (
        "is {value}: ~ is not expanded here; write the whole path, such as /home/NAME/...",
        "为 {value}：此处 ~ 不会展开；请写完整路径，如 /home/NAME/...",
    ),
    "config.warn.list_variable": (
        "is {variable}, which is not expanded in a list; write the command as one text",
        "为 {variable}，在列表中不会展开；请将命令写成一个文本",
    ),
    "config.warn.variable": (
        "contains {variable}, which is not expanded; write its value, or set it in a command:"
        " PATH=$PATH:/opt/bin tasks/x.sh",
        "含有 {variable}，不会展开；请写出其值，或在命令中设置：PATH=$PATH:/opt/bin tasks/x.sh",
    ),
    "config.warn.variable_in_file": (
        "sets {name} to a value with a $, which is not expanded; write all folders",
        "将 {name} 设为含有 $ 的值，不会展开；请写出所有目录",
    ),
    "config.warn.never_slow": (
        "is not shorter than task_timeout, which ends a run first; set a shorter one",
        "不短于 task_timeout，运行会先因超时结束；请设得更短",
    ),
    "config.warn.never_late": (
        "has no effect, because the task has no schedule: only a day on which it is due can be late",
        "不起作用，因为任务没有时间表：只有有计划时间的日子才可能逾期",
    ),
    "config.warn.no_folder": ("is {path}, which is not a folder", "为 {path}，不是目录"),
    "config.warn.no_file": ("is {path}, which is not a file", "为 {path}，不是文件"),
    "config.warn.secret_readable": (
        "is {path}, which every user of this machine can read; run: chmod o-r {quoted}",
        "为 {path}，本机所有用户都能读取；请执行：chmod o-r {quoted}",
    ),
    "config.warn.no_user": ("is {user}; this machine has no such user", "为 {user}；本机没有此用户"),
    "config.warn.no_zero": (
        "does not have 0, so exit code 0 is a technical failure",
        "不含 0，因此退出码 0 会成为技术失败",
    ),
    "config.warn.past": (
        "is {schedule}, which is in the past: never again due",
        "为 {schedule}，已是过去的时间：不会再触发",
    ),
    "config.warn.step": (
        '{field}: the step of "{item}" is longer than the field, so it means {value} alone',
        '{field}："{item}" 的步长超出该字段，因此只等于 {value}',
    ),
    "config.warn.step_every": (
        '{field}: the step of "{item}" is longer than the field, so it means {value} alone; for an interval write'
        ' "{every}"',
        '{field}："{item}" 的步长超出该字段，因此只等于 {value}；若要固定间隔，请写 "{every}"',
    ),
    "config.warn.never_again": (
        '"{schedule}" is not due any more on the days of the calendar "{calendar}"',
        '"{schedule}" 按日历 "{calendar}" 今后不再触发',
    ),
    "config.warn.rarer": (
        "{task} ({schedule}) is not due before each due time of this task, and each success counts once: runs between"
        ' them wait, and are then skipped; with "within" one end counts for all of them',
        "{task}（{schedule}）并非在此任务的每个计划时间之前都会运行，而每次成功只计一次：其间的运行会等待，"
        '然后被跳过；加上 "within" 则一次结束对它们都有效',
    ),
    "config.warn.too_old": (
        "{task} ({schedule}) is not due in the {within} before each due time of this task, which waits for it then",
        "{task}（{schedule}）并非在此任务每个计划时间之前的 {within} 内都会运行，届时此任务会等待它",
    ),
    "config.warn.lock_unused": ("is a lock that no task uses", "是没有任务使用的锁"),
    "config.warn.lock_alone": (
        "is {lock}, which no other task uses and settings.locks does not name; {hint}",
        "为 {lock}，没有其他任务使用，settings.locks 中也没有；{hint}",
    ),
    "config.warn.no_condition": (
        "has no effect without task_condition",
        "没有 task_condition 时不起作用",
    ),
    "config.warn.disabled": (
        "{task} is disabled, so runs of this task wait for it, and are then skipped",
        "{task} 已停用，因此此任务的运行会等待它，然后被跳过",
    ),
    "config.warn.replaced": (
        "replaces the list of the defaults, so this task goes without {rules}; to keep them, set"
        " task_notify_defaults to true",
        "会取代 defaults 中的列表，因此 {rules} 不适用于此任务；要保留它们，请将 task_notify_defaults 设为 true",
    ),
    "config.warn.block": (
        "contains {%, which is sent as it is: templates have only variables such as {{ task_name }}",
        "含有 {%，会原样发送：模板中只有 {{ task_name }} 这样的变量",
    ),
    "config.warn.wide_braces": (
        "contains full-width braces, which are sent as they are; write a variable as {{ task_name }}",
        "含有全角大括号，会原样发送；变量请写作 {{ task_name }}",
    ),
    "config.warn.readable": (
        "every user of this machine can read it, and it contains secrets ({places}); run: chmod o-r {quoted}",
        "本机所有用户都能读取它，而其中含有机密（{places}）；请执行：chmod o-r {quoted}",
    ),
    # Rules across fields.
    "config.http.allowed_hosts": (
        "a host other than loopback needs allowed_hosts: the names that browsers use for the page",
        "非回环地址须设置 allowed_hosts：浏览器访问网页所用的名称",
    ),
    "config.smtp.login": ("username and password must be set together", "username 与 password 须同时设置"),
    "config.webhook.two_bodies": (
        "has both preset and body_template; with a preset use text_template",
        "同时设置了 preset 和 body_template；使用 preset 时请改用 text_template",
    ),
    "config.webhook.no_preset": (
        "needs a preset; without one use body_template",
        "需要同时设置 preset；没有 preset 时请改用 body_template",
    ),
    "config.webhook.not_json": (
        "is not JSON, but the header Content-Type says that the body is; expected JSON, or the type"
        ' "application/x-ndjson" for one JSON value per line',
        "不是 JSON，而 Content-Type 头声明请求体为 JSON；应为 JSON，或将类型设为"
        ' "application/x-ndjson"（每行一个 JSON）',
    ),
    "config.mail.no_smtp": (
        'is an email channel, but settings.smtp is not set; expected settings.smtp with "host" and "from", or another'
        " type of channel",
        '类型为 email，但没有设置 settings.smtp；应设置它及其 "host" 和 "from"，或改用其他类型的渠道',
    ),
    "config.mail.no_sender": (
        'is an email channel, but settings.smtp has no "from"; expected the sender\'s address there, such as'
        ' "minisched@example.org"',
        '类型为 email，但没有设置 settings.smtp 的 "from"；应为发件人地址，如 "minisched@example.org"',
    ),
    "config.task.same_id": (
        "{other} has this id already, and ids are case-insensitive",
        "{other} 已用此 ID；ID 不区分大小写",
    ),
    "config.task.id_changed": (
        "is not {task_id}; the id of a task cannot be changed: create another task and remove this one",
        "不是 {task_id}；任务的 ID 不能更改：请新建另一任务，再删除此任务",
    ),
    "config.task.itself": ("a task cannot depend on itself", "任务不能依赖自身"),
    "config.task.unknown": ("no task has this id", "没有此 ID 的任务"),
    "config.task.only_within": (
        'all have "within", so that nothing starts the task: leave it out of one of them, or add task_schedule',
        '全部带有 "within"，因此没有什么会启动此任务：请从其中一项去掉它，或添加 task_schedule',
    ),
    "config.task.cycle": (
        "form a cycle in which each task depends on the next: {path}",
        "形成循环，前者依赖后者：{path}",
    ),
    "config.exit_codes.both": (
        "{value} is in both lists, and a code has one meaning; remove it from one of them, such as with"
        ' "business_failure": [] (its default is [1])',
        '{value} 同时出现在两个列表中，而一个退出码只有一种含义；请从其中一个去掉，例如写 "business_failure": []'
        "（默认为 [1]）",
    ),
    # Calendars.
    "config.calendar.place": ("line {line}:", "第 {line} 行:"),
    "config.calendar.unknown": (
        "no calendar has this name in settings.calendars",
        "settings.calendars 中没有此名称的日历",
    ),
    "config.calendar.no_schedule": (
        "has no effect without task_schedule: it restricts the due times of schedules; remove it, or add a schedule",
        "没有 task_schedule 时不起作用：它只限制时间表的计划时间；请删除此项，或添加时间表",
    ),
    "config.calendar.reboot": (
        '"@reboot" is due at a start of the machine, whatever the calendar says; give it to a task of its own, without'
        ' a calendar ("task_calendar": null)',
        '"@reboot" 在机器启动时触发，与日历无关；请放到另一个不带日历的任务中（"task_calendar": null）',
    ),
    "config.calendar.never": (
        '"{schedule}" is never due on the days of the calendar "{calendar}"',
        '"{schedule}" 按日历 "{calendar}" 永远不会触发',
    ),
    "config.calendar.never_at": ('"{schedule}" is never due: {why}', '"{schedule}" 永远不会触发：{why}'),
    "config.calendar.not_regular": ("it is not a regular file", "它不是普通文件"),
    "config.calendar.too_large": ("it is larger than 1 MB", "它超过 1 MB"),
    "config.log.outside": (
        'expected a file inside logs/, such as "backup/nightly.log", or an absolute path',
        '应为 logs/ 内的文件，如 "backup/nightly.log"，或绝对路径',
    ),
    "config.log.protected": (
        "it is in tasks/ or var/ of the home; expected a path in logs/ or outside the home",
        "它位于 minisched 目录的 tasks/ 或 var/ 内；应为 logs/ 内或 minisched 目录之外的路径",
    ),
    "config.log.taken": (
        "it is the log of {owner}; expected a different log for each task",
        "此日志已属于 {owner}；每个任务应使用单独的日志",
    ),
    "config.log.rotated": (
        "this name is used for rotated logs of {owner}; expected a different log for each task",
        "此名称用于 {owner} 的轮转日志；每个任务应使用单独的日志",
    ),
    "config.log.folder": (
        "its folder is the log file of {owner}; expected a different log for each task",
        "其上级目录是 {owner} 的日志文件；每个任务应使用单独的日志",
    ),
    "config.log.engine": ("the engine", "引擎"),
    # Secrets that come back as stars.
    "config.secret.absent": (
        'is "{stars}", but there is no current value to keep; {rule}',
        '值为 "{stars}"，但没有可保留的原值；{rule}',
    ),
    "config.secret.moved": (
        'is "{stars}", but {field} was changed: enter this value again; {rule}',
        '值为 "{stars}"，但 {field} 已更改，须重新填写；{rule}',
    ),
    # The file.
    "config.file.unreadable": ("cannot be read: {error} ({path})", "无法读取：{error}（{path}）"),
    "config.file.unavailable": ("cannot be checked now ({error}); retrying", "暂时无法检查（{error}）；稍后会重试"),
    "config.file.not_regular": ("is not a regular file ({path})", "不是普通文件（{path}）"),
    "config.file.too_large": (
        "is larger than {max_bytes} bytes; expected a smaller file",
        "超过 {max_bytes} 字节；应缩小文件",
    ),
    "config.file.would_be_too_large": (
        "would have {bytes} bytes; at most {max_bytes} are allowed",
        "将有 {bytes} 字节；最多允许 {max_bytes} 字节",
    ),
    "config.file.backup": (
        "{problem}; {backup} of {time} is valid, with {count} {count|task|tasks}; bring it back with:"
        " cp -p {backup} {path}",
        "{problem}；{time} 的 {backup} 有效，含 {count} 个任务；恢复命令：cp -p {backup} {path}",
    ),
    "config.file.backup_beside": (
        "{problem}; {backup} of {time} is valid, with {count} {count|task|tasks}; bring it back with:"
        " mv {path} {path}.old && cp -p {backup} {path}",
        "{problem}；{time} 的 {backup} 有效，含 {count} 个任务；"
        "恢复命令：mv {path} {path}.old && cp -p {backup} {path}",
    ),
    "config.file.writable": (
        "is writable by everyone; fix it with: chmod o-w {quoted}",
        "任何用户都可写入；请执行：chmod o-w {quoted}",
    ),
    "config.file.owner": (
        "belongs to user {user}, who could change it; fix it with: chown {own} {quoted}",
        "属于用户 {user}，可被其修改；请执行：chown {own} {quoted}",
    ),
    "config.file.above_writable": (
        "is writable by everyone, who could replace the folders in it; fix it with: chmod o-w {quoted}",
        "任何用户都可写入，并可替换其中的目录；请执行：chmod o-w {quoted}",
    ),
    "config.file.above_owner": (
        "belongs to user {user}, who could replace the folders in it: run minisched as that user, or move the home to a"
        " folder of root, such as /srv",
        "属于用户 {user}，其可替换其中的目录：请以该用户运行 minisched，或将 minisched 目录移到 root 的目录中，如 /srv",
    ),
    # What the fields mean: the whole file and its settings.
    "config.field.document.schema": ("For editors; ignored.", "供编辑器使用；不作检查。"),
    "config.field.document.version": ("Version of the format.", "格式版本。"),
    "config.field.document.settings": ("Settings of the engine.", "引擎设置。"),
    "config.field.document.defaults": (
        "Values of task fields for all tasks that do not set them.",
        "未自行设置的任务所用的字段值。",
    ),
    "config.field.document.tasks": ("The tasks.", "任务列表。"),
    "config.field.settings.timezone": (
        "Time zone of schedules and of displayed times.",
        "时间表和显示时间所用的时区。",
    ),
    "config.field.settings.max_running": (
        "Maximum number of processes at once, over all tasks.",
        "所有任务同时运行的进程数上限。",
    ),
    "config.field.settings.locks": (
        "How many runs may hold a lock of `task_locks` at once; 1 for a lock that is not named here.",
        "`task_locks` 中的锁最多可由多少次运行同时占用；未列出的锁为 1。",
    ),
    "config.field.settings.log": ("Log rotation.", "日志轮转。"),
    "config.field.settings.history": ("How long runs are kept.", "运行记录的保留。"),
    "config.field.settings.language": (
        "Language of messages and of what the commands print. `auto`: messages are English, and commands follow the"
        " locale (`LC_ALL`, `LC_MESSAGES`, `LANG`): Chinese, or else English.",
        "通知和命令行文字的语言。`auto`：通知为英文，命令行取自系统语言环境（`LC_ALL`、`LC_MESSAGES`、`LANG`），中文或英文。",
    ),
    "config.field.settings.paused": (
        "true: no task is due, in the whole engine. Runs that have begun are finished, and tasks can be started"
        " manually. Set by `minisched pause` and `resume`.",
        "true：暂停整个引擎，任何任务都不再按计划运行。已开始的运行会继续到结束，仍可手动运行任务。"
        "由 `minisched pause` 与 `resume` 设置。",
    ),
    "config.field.settings.http": ("The page and the API.", "网页与 API。"),
    "config.field.settings.smtp": ("Mail server for `email` channels.", "`email` 渠道所用的邮件服务器。"),
    "config.field.settings.notify": ("How messages are sent.", "消息的发送。"),
    "config.field.settings.calendars": (
        "Calendars of working days by name, for `task_calendar`.",
        "工作日日历，按名称，供 `task_calendar` 使用。",
    ),
    "config.field.calendar.file": (
        "Text file with the days, from the home.",
        "列出日期的文本文件，相对路径从 minisched 目录（home）算起。",
    ),
    "config.field.settings.heartbeat": (
        "A request to a dead man's switch while the engine is well: it raises the alarm when the requests stop.",
        "引擎正常时定期向外部监控发出的请求：请求停止时由对方告警。",
    ),
    "config.field.heartbeat.url": (
        "Requested by GET. Redirects are not followed.",
        "以 GET 请求的地址；不跟随重定向。",
    ),
    "config.field.heartbeat.every": ("Time between two requests.", "两次请求的间隔。"),
    "config.field.settings.shutdown_grace": (
        "How long running tasks may take to finish when the engine stops.",
        "引擎停止时，运行中的任务最多可用多久来结束。",
    ),
    "config.field.log.when": ("When logs are rotated.", "日志何时轮转。"),
    "config.field.log.backup_count": (
        "Number of rotated files that are kept; 0: all.",
        "保留的轮转文件数；0：全部保留。",
    ),
    "config.field.log.max_bytes": (
        "A log is rotated before it exceeds this size; 0: at midnight only.",
        "日志在超过此大小之前轮转；0：仅在午夜轮转。",
    ),
    "config.field.history.keep_days": ("Older runs are deleted.", "更早的运行记录会被删除。"),
    "config.field.history.keep_runs": ("Number of runs kept per task.", "每个任务保留的运行数。"),
    "config.field.history.max_bytes": (
        "Size limit of the database. Beyond it the oldest successful runs of all tasks are deleted first, then other"
        " runs; the latest run and the latest failure of each task are kept. `0`: no limit.",
        "数据库的大小上限。超过时先删除所有任务中最早的成功运行，再删除其他运行；每个任务最近一次运行和最近一次失败始终保留。"
        "`0`：不限。",
    ),
    "config.field.http.enabled": ("If false, there is no page and no API.", "关闭后没有网页和 API。"),
    "config.field.http.host": ("Address to listen on.", "监听地址。"),
    "config.field.http.port": ("Port; 0: any free port.", "端口；0：任一空闲端口。"),
    "config.field.http.public_status": (
        "Allows reading task states without the token.",
        "无需令牌即可读取任务状态。",
    ),
    "config.field.http.allowed_hosts": (
        "Names that browsers may use for the page, in addition to loopback. Links in messages begin with the first one,"
        " with `https://` if it is written so.",
        "除回环地址外，浏览器访问网页可用的名称。消息中的链接以第一个开头，写明 `https://` 时也以它开头。",
    ),
    "config.field.smtp.host": ("Mail server.", "邮件服务器。"),
    "config.field.smtp.port": ("Port of the mail server.", "邮件服务器的端口。"),
    "config.field.smtp.security": ("Encryption of the connection.", "连接的加密方式。"),
    "config.field.smtp.username": ("User name for the login.", "登录用户名。"),
    "config.field.smtp.password": ("Password for the login; never shown.", "登录密码；不会显示。"),
    "config.field.smtp.from": ("Sender.", "发件人。"),
    "config.field.smtp.timeout": ("Time limit for sending one message.", "发送一封邮件的总时限。"),
    "config.field.ca_file": (
        "Certificates (PEM) of the authorities to trust, instead of the system's.",
        "所信任的 CA 证书（PEM），取代系统证书库。",
    ),
    "config.field.notify.max_attempts": ("Maximum number of attempts to send a message.", "每条消息的最多发送次数。"),
    "config.field.notify.log_tail_lines": (
        "Number of lines in `execution_log_tail`.",
        "`execution_log_tail` 的行数。",
    ),
    # A task.
    "config.field.task.task_id": ("Unique id of the task; case-insensitive.", "任务的唯一标识（ID），不区分大小写。"),
    "config.field.task.task_exec": (
        "What to run; a relative path is resolved in the home.",
        "要执行的命令；相对路径从 minisched 目录（home）算起。",
    ),
    "config.field.task.task_name": ("Display name.", "显示名称。"),
    "config.field.task.task_description": ("Description.", "说明。"),
    "config.field.task.task_tags": ("Tags for filters on the page and in the CLI.", "用于在网页和命令行中筛选。"),
    "config.field.task.enabled": (
        "If false, the task is not started by schedule; it can still be run manually.",
        "关闭后不再按计划运行，仍可手动运行。",
    ),
    "config.field.task.task_schedule": (
        "When the task is due; with several schedules, whenever one of them is. None: manually or by dependency only.",
        "何时触发；有多条时满足任意一条即触发。留空：仅手动或由前置任务触发。",
    ),
    "config.field.task.task_timezone": ("Time zone of the schedules.", "时间表所用时区。"),
    "config.field.task.task_dependencies": (
        "Tasks that must end first, by default with success.",
        "必须先结束（默认为成功）的任务。",
    ),
    "config.field.dependency.task_id": ("The task to wait for.", "要等待的任务。"),
    "config.field.dependency.on": (
        "Which end of that task counts: `failure` is a business or a technical one, `end` a success or a failure.",
        "哪种结束算数：`failure` 为业务失败或技术失败，`end` 为成功或失败。",
    ),
    "config.field.dependency.within": (
        "The latest such end is at most so old, and one end counts for any number of runs. Without it each end counts"
        " for one run.",
        "最近一次这样的结束距今不超过此时长，且可供任意多次运行使用。不设置时，每次结束只供一次运行使用。",
    ),
    "config.field.task.task_dependency_timeout": (
        "How long a run may wait for its dependencies.",
        "等待前置任务的最长时间。",
    ),
    "config.field.task.task_overlap": (
        "What happens if the task is due while it still runs; `queue` holds at most one run.",
        "到点时上一次尚未结束的处理方式；`queue` 最多排队一次。",
    ),
    "config.field.task.task_max_instances": ("How many runs of the task may run at once.", "可同时运行的个数。"),
    "config.field.task.task_locks": (
        "Locks that a run holds while its process runs, shared with other tasks; it starts once it can have them all.",
        "运行期间占用的锁，与其他任务共用；能同时取得所有锁时才启动。",
    ),
    "config.field.task.task_condition": (
        "Command that is asked before a start that no person requested, for 30 s at most: exit code 0 starts the task,"
        " 1 does not start it now, any other is a technical failure.",
        "非手动启动之前执行的命令，最长 30 秒：退出码 0 启动任务，1 暂不启动，其他为技术失败。",
    ),
    "config.field.task.task_condition_wait": (
        "How long the condition is asked again, each minute, while it says not now; then the run is skipped.",
        "条件为“暂不启动”时，每分钟重新检查，最长持续多久；之后跳过这次运行。",
    ),
    "config.field.task.task_misfire": (
        "Which of the due times missed while the engine was down are caught up.",
        "引擎停机期间错过的计划时间中，哪些仍要补跑。",
    ),
    "config.field.task.task_misfire_grace": (
        "How late a run may still start; due times older than this become `missed`.",
        "过了计划时间后最迟多久仍可启动；更早的记为 `missed`。",
    ),
    "config.field.task.task_timeout": (
        "Time limit; then TERM is sent to the process group. `null`: no limit.",
        "时限；超时后向进程组发送 TERM。`null`：不限。",
    ),
    "config.field.task.task_exit_codes": (
        "What the exit codes of the program mean. All others are technical failures, which are retried.",
        "程序各退出码的含义；其他退出码均为技术失败，会重试。",
    ),
    "config.field.task.task_expect": (
        "What is expected of the task. It limits nothing: what is not kept is shown, and a trigger of notification"
        " rules.",
        "对任务的期望。它不限制任何事：未达到时会显示，并可触发通知规则。",
    ),
    "config.field.expect.duration": (
        "A run that takes longer, counted from its first start, is `slow` while it runs.",
        "从首次启动算起，超过此时长的运行在其运行期间为 `slow`（偏慢）。",
    ),
    "config.field.expect.finish_by": (
        "A day on which the task was due and had no success by this time, in the task's time zone, makes it `late`. If"
        " the first due time of the day is later, the time on the next day counts.",
        "任务有计划时间的那一天，若到此时刻（任务时区）仍无一次成功，任务即为 `late`（逾期）。"
        "若当天首个计划时间晚于此时刻，则以次日的该时刻为准。",
    ),
    "config.field.task.task_kill_grace": ("Time from TERM to KILL.", "从 TERM 到 KILL 的时间。"),
    "config.field.task.task_retry": ("Retries after a technical failure.", "技术失败后的重试。"),
    "config.field.task.task_calendar": (
        "The schedules are due only on the working days of this calendar, or on other days of it.",
        "时间表只在此日历的工作日（或其他指定的日子）触发。",
    ),
    "config.field.calendar_rule.name": ("Name in `settings.calendars`.", "`settings.calendars` 中的名称。"),
    "config.field.calendar_rule.days": (
        "Working days, days off, or the first or last working day of each month.",
        "工作日、休息日，或每月第一个、最后一个工作日。",
    ),
    "config.field.task.task_jitter": (
        "Delays each start by up to this long. The delay is derived from task id and due time, so it is the same after"
        " a restart.",
        "每次启动最多推迟这么久。推迟量由任务 ID 和计划时间算出，重启后不变。",
    ),
    "config.field.task.task_cwd": (
        "Working directory. The program of `task_exec` starts from the home all the same; name other files of the home"
        " as `$MINISCHED_HOME/...`",
        "运行所在目录。`task_exec` 的程序仍以 minisched 目录（home）为起点；其中的其他文件请写作 `$MINISCHED_HOME/...`",
    ),
    "config.field.task.task_env_file": (
        "Files with lines `NAME=text`, relative to the home, read at each start. `task_env` takes precedence over"
        " them.",
        "每行为 `NAME=文本` 的文件，相对路径从 minisched 目录（home）算起，每次启动时读取。`task_env` 优先于它们。",
    ),
    "config.field.task.task_env": (
        "Environment variables, in addition to the engine's.",
        "附加到引擎环境变量之上的环境变量。",
    ),
    "config.field.task.task_user": ("Run as this user; requires root.", "以该用户运行；需要 root。"),
    "config.field.task.task_nice": (
        "CPU priority (nice value); 19 is the lowest.",
        "CPU 优先级（nice 值）；19 最低。",
    ),
    "config.field.task.task_output_encoding": (
        "Encoding of the output of the task. Log, history and messages are UTF-8; bytes that do not fit are shown as"
        " `\\xff`.",
        "任务输出的编码。日志、历史和通知均为 UTF-8；无法解码的字节显示为 `\\xff`。",
    ),
    "config.field.task.task_limits": ("Resource limits of its processes.", "进程的资源限制。"),
    "config.field.task.task_log": (
        "Log file; a relative path is resolved in `logs/` and must stay inside it. Each task has its own.",
        "日志文件；相对路径从 `logs/` 算起且不得离开它。每个任务使用单独的日志。",
    ),
    "config.field.task.task_notify": ("Notification rules.", "通知规则。"),
    "config.field.task.task_notify_defaults": (
        "The rules of `defaults.task_notify` apply beside the task's own `task_notify`, except those of the same name.",
        "在任务自己的 `task_notify` 之外，`defaults.task_notify` 中的规则仍然适用（同名规则除外）。",
    ),
    "config.field.retry.max_attempts": ("Number of attempts in total; 1: no retry.", "总尝试次数；1 表示不重试。"),
    "config.field.retry.delay": ("Wait before the second attempt.", "第二次尝试前的等待。"),
    "config.field.retry.backoff": ("Factor by which the wait grows each time.", "每次等待乘以的倍数。"),
    "config.field.retry.max_delay": ("Upper limit of the wait.", "等待时长的上限。"),
    "config.field.retry.jitter": ("Share of the wait that is random.", "等待中随机部分的比例。"),
    "config.field.exit_codes.success": ("Codes that are a success.", "视为成功的退出码。"),
    "config.field.exit_codes.business_failure": (
        "Codes that are a business failure, which is never retried. `[]`: none, for a program whose 1 may be a crash.",
        "视为业务失败（从不重试）的退出码。`[]`：没有，适用于以 1 表示崩溃的程序。",
    ),
    "config.field.limits.memory": ("Address space of each process.", "每个进程的地址空间。"),
    "config.field.limits.cpu_seconds": (
        "CPU time of each process; then XCPU (signal 24), and KILL after one more second of CPU time.",
        "每个进程的 CPU 时间；到时发送 XCPU（信号 24），再过一秒 CPU 时间发送 KILL。",
    ),
    "config.field.limits.open_files": ("Open files of each process.", "每个进程可打开的文件数。"),
    "config.engine_rule.threshold": (
        "does not apply here: each problem of the engine is reported once; cooldown limits the messages",
        "在此不适用：引擎的每个问题只通知一次；用 cooldown 限制消息",
    ),
    "config.engine_rule.recovery": (
        'does not apply here; write "problem_gone" into triggers',
        '在此不适用；请在 triggers 中写 "problem_gone"',
    ),
    "config.field.notify.engine": (
        "Notification rules for the engine's own problems.",
        "针对引擎自身问题的通知规则。",
    ),
    "config.field.engine_rule.name": ("Name, unique among these rules.", "名称，在这些规则中唯一。"),
    "config.field.engine_rule.triggers": (
        "`problem`: something is wrong with the engine, as `status` shows it; `problem_gone`: no longer.",
        "`problem`：引擎出现问题，与 `status` 所示相同；`problem_gone`：问题已消除。",
    ),
    "config.field.engine_rule.cooldown": (
        "No second message of the rule within this time; those suppressed are counted in the next one.",
        "在此时长内该规则不发第二条消息；被抑制的计入下一条。",
    ),
    # Notification rules and channels.
    "config.field.rule.name": ("Name, unique within the task.", "名称，在任务内唯一。"),
    "config.field.rule.enabled": ("If false, the rule never fires.", "关闭后不再触发。"),
    "config.field.rule.triggers": (
        "What counts: results of runs, `slow`, `late`. `technical_failure` includes timeouts.",
        "计入的事件：运行结果、`slow`、`late`。`technical_failure` 包含超时。",
    ),
    "config.field.rule.threshold": (
        "Fires on every N-th event in a row.",
        "连续发生 N 次时触发，之后每再累计 N 次触发一次。",
    ),
    "config.field.rule.cooldown": (
        "Minimum time between two messages.",
        "两条消息之间的最短间隔。",
    ),
    "config.field.rule.recovery": (
        "Also notify on the first success after the rule fired.",
        "触发后首次成功时再通知一次。",
    ),
    "config.field.rule.channels": ("Where the message is sent.", "消息发往何处。"),
    "config.field.email.recipients": ("Recipients.", "收件人。"),
    "config.field.email.subject_template": ("Subject.", "邮件主题。"),
    "config.field.email.body_template": ("Text of the mail.", "邮件正文。"),
    "config.field.webhook.url": (
        "Address of the request; never shown, because such addresses often contain a token.",
        "请求地址；地址中常含令牌，因此不会显示。",
    ),
    "config.field.webhook.method": ("HTTP method.", "HTTP 方法。"),
    "config.field.webhook.headers": ("Additional headers.", "附加的请求头。"),
    "config.field.webhook.body_template": (
        "Body: a text, or a JSON object whose texts are templates.",
        "请求体：文本，或其中文本均为模板的 JSON 对象。",
    ),
    "config.field.webhook.secret": (
        "Key of the `X-Minisched-Signature` header, an HMAC-SHA256 of the body; with `dingtalk` and `feishu` the key of"
        " the robot's own signature.",
        "`X-Minisched-Signature` 头的密钥，对请求体做 HMAC-SHA256；预设为 `dingtalk`、`feishu` 时是机器人的加签密钥。",
    ),
    "config.field.webhook.preset": ("Built-in body for a service.", "适用于某项服务的内置请求体。"),
    "config.field.webhook.text_template": (
        "Your own text in the body of the preset.",
        "放入预设请求体中的自定义文本。",
    ),
    "config.field.command.task_exec": (
        "Command to run, written as in a task; it reads the message as JSON from standard input.",
        "要执行的命令，写法同任务；消息以 JSON 从标准输入传入。",
    ),
    "config.field.file.path": (
        "File to which a JSON line is appended per message; a relative path is resolved in the home.",
        "每条消息追加一行 JSON 的文件；相对路径从 minisched 目录（home）算起。",
    ),
}
