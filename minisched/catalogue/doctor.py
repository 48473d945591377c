"""What `doctor` finds, and what to do about it."""

TEXTS: dict[str, tuple[str, str]] = {
    "doctor.level.ok": ("ok: ", "正常："),
    "doctor.level.problem": ("problem: ", "问题："),
    "doctor.level.warning": ("warning: ", "警告："),
    "doctor.python": (
        "Python {version}, SQLite {sqlite}: {path}",
        "Python {version}，SQLite {sqlite}，位于 {path}",
    ),
    "doctor.no_croniter": (
        "croniter is not installed, and no schedule needs it",
        "未安装 croniter，也没有时间表需要它",
    ),
    "doctor.no_zones": (
        "this machine has no time zone data",
        "本机没有时区数据",
    ),
    "doctor.no_zones.help": (
        "Install the system's package tzdata, or the Python package tzdata (python3 -m pip install tzdata).",
        "请安装系统的 tzdata 软件包，或 Python 包 tzdata（python3 -m pip install tzdata）。",
    ),
    "doctor.zone": ("time zone {zone}", "时区 {zone}"),
    "doctor.zone.help": (
        'Set settings.timezone in tasks/config.json, such as "Europe/Berlin".',
        '请在 tasks/config.json 中设置 settings.timezone，如 "Asia/Shanghai"。',
    ),
    "doctor.clock": ("the clock shows {now}", "时钟显示 {now}"),
    "doctor.clock.behind": (
        "the clock shows {now}, but this program was installed on {made}",
        "时钟显示 {now}，但本程序安装于 {made}",
    ),
    "doctor.clock.ahead": (
        "the clock shows {now}, but the history has a run of {newest}",
        "时钟显示 {now}，但历史中有 {newest} 的运行",
    ),
    "doctor.clock.help": (
        "Set the clock, best by NTP (timedatectl set-ntp true), before the engine is started.",
        "请在启动引擎前校准时钟，最好用 NTP（timedatectl set-ntp true）。",
    ),
    "doctor.no_home": ("{path}: no such folder", "{path}：没有此文件夹"),
    "doctor.no_home.help": (
        "Create a home: `minisched --home {home} init`",
        "创建 minisched 目录：`minisched --home {home} init`",
    ),
    "doctor.not_writable": (
        "{path}: this user cannot write here",
        "{path}：当前用户无法写入",
    ),
    "doctor.not_writable.help": (
        "Run minisched as the user who owns the home, or choose another home with --home.",
        "请以该目录所有者的身份运行 minisched，或用 --home 指定其他目录。",
    ),
    "doctor.read_only": ("{path}: the file system is read-only", "{path}：文件系统为只读"),
    "doctor.read_only.help": (
        "Mount it writable, or choose a home on another file system.",
        "请以可写方式挂载，或选用其他文件系统上的目录。",
    ),
    "doctor.disk": ("{path}: {megabytes} MB free", "{path}：剩余 {megabytes} MB"),
    "doctor.disk_full": (
        "{path}: only {megabytes} MB and {files} files are free; runs that cannot be recorded do not start",
        "{path}：仅剩 {megabytes} MB、{files} 个文件；无法记录的运行不会启动",
    ),
    "doctor.disk_full.help": (
        "Free some room, or lower settings.log and settings.history so that less is kept.",
        "请释放空间，或调低 settings.log 和 settings.history 以减少保留量。",
    ),
    "doctor.history.help": (
        "Start the engine: it moves a damaged history aside and begins a new one. Or put a backup in its place.",
        "请启动引擎：它会移走损坏的历史并重新开始；也可用备份替换。",
    ),
    "doctor.damaged.help": (
        "The engine began a new history. Keep the file to look into it, or delete it.",
        "引擎已开始新的历史。可保留该文件以便查看，或将其删除。",
    ),
    "doctor.config": (
        "{path}: valid, {count} {count|task|tasks}",
        "{path}：有效，{count} 个任务",
    ),
    "doctor.config.help": (
        "Correct it, then: `minisched validate`",
        "改正后运行：`minisched validate`",
    ),
    "doctor.port": ("the page can listen on {host}, port {port}", "网页可监听 {host} 的端口 {port}"),
    "doctor.port.taken": (
        "another program listens on {host}, port {port}: the page will not be there",
        "其他程序占用了 {host} 的端口 {port}：网页将无法打开",
    ),
    "doctor.port.other": (
        "the page cannot listen on {host}, port {port}: {reason}",
        "网页无法监听 {host} 的端口 {port}：{reason}",
    ),
    "doctor.port.help": (
        "Choose another settings.http.port, or end that program (ss -ltnp shows it). Tasks run without the page.",
        "请更换 settings.http.port，或结束该程序（ss -ltnp 可查）。没有网页，任务照常运行。",
    ),
    "doctor.mail": ("the mail server {host}, port {port}, answers", "邮件服务器 {host} 端口 {port} 有应答"),
    "doctor.mail.dead": (
        "the mail server {host}, port {port}, does not answer: {reason}",
        "邮件服务器 {host} 端口 {port} 无应答：{reason}",
    ),
    "doctor.mail.no_greeting": (
        "what answers at {host}, port {port}, is no mail server, or it wants TLS from the start",
        "{host} 端口 {port} 的应答方不是邮件服务器，或要求一开始就用 TLS",
    ),
    "doctor.mail.help": (
        "Check settings.smtp: host, port, security. To send a test message: `minisched notify-test TASK`",
        "请检查 settings.smtp 的 host、port、security。发送测试消息：`minisched notify-test TASK`",
    ),
    "doctor.engine": ("an engine runs here (pid {pid})", "引擎正在运行（pid {pid}）"),
    "doctor.no_engine": ("no engine runs here now", "目前没有引擎在运行"),
    "doctor.engine.help": (
        "See logs/minisched.log for when it began.",
        "起始时间见 logs/minisched.log。",
    ),
}
