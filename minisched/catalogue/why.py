"""Why a task ran, or did not, at a time."""

TEXTS: dict[str, tuple[str, str]] = {
    # What became of a due time.
    "why.run": ("{time}: run {run_id} ({trigger}), {status}", "{time}：运行 #{run_id}（{trigger}），{status}"),
    "why.run_why": (
        "{time}: run {run_id} ({trigger}), {status}: {why}",
        "{time}：运行 #{run_id}（{trigger}），{status}：{why}",
    ),
    "why.span": (
        "{time}: one of {count} due times from {first} to {last} in row {run_id}, {status}: {why}",
        "{time}：记录 #{run_id} 中从 {first} 到 {last} 的 {count} 个计划时间之一，{status}：{why}",
    ),
    "why.made_up": ("{time}: made up by run {run_id}, {status}", "{time}：由运行 #{run_id} 补做，{status}"),
    "why.cause": ("because of run {run_id} of {task}, {status}", "原因：{task} 的运行 #{run_id}，{status}"),
    "why.cause_why": (
        "because of run {run_id} of {task}, {status}: {why}",
        "原因：{task} 的运行 #{run_id}，{status}：{why}",
    ),
    "why.more": (
        "only {count} due times are explained: the latest ones and those to come",
        "只解释 {count} 个计划时间：最近的和即将到来的",
    ),
    "why.same_runs": (
        "the same for {count} more runs, the last {last}: run {run_id}",
        "此后还有 {count} 次运行情况相同，最后一次在 {last}：运行 #{run_id}",
    ),
    "why.same": (
        "the same for {count} more due times, the last at {last}",
        "此后还有 {count} 个计划时间情况相同，最后一个在 {last}",
    ),
    # A due time without a row.
    "why.coming": ("{time}: due then, it is still to come", "{time}：计划时间，尚未到来"),
    "why.coming_paused": (
        "{time}: by the schedule, but the engine is paused: nothing is due until it is resumed",
        "{time}：按时间表应运行，但引擎已暂停：恢复之前不会运行",
    ),
    "why.coming_no_engine": (
        "{time}: due then, but no engine runs now",
        "{time}：计划时间，但现在没有引擎在运行",
    ),
    "why.due_paused": (
        "{time}: due while the engine was paused; its row follows at the end of the pause",
        "{time}：引擎暂停期间的计划时间；暂停结束时写入其记录",
    ),
    "why.due_no_engine": (
        "{time}: due while no engine ran; the next start records it, unless the schedule was changed meanwhile",
        "{time}：没有引擎运行时的计划时间；下次启动时记录，除非其间更改了时间表",
    ),
    "why.due_not_kept": ("{time}: due, but its row is no longer kept", "{time}：计划时间，但其记录已不再保留"),
    "why.due_unknown": (
        "{time}: due by the schedule in force; nothing is recorded from then",
        "{time}：按当前时间表是计划时间；没有当时的记录",
    ),
    "why.due_before_first": (
        "{time}: due by the schedule in force, but the first recorded start of an engine was at {first}",
        "{time}：按当前时间表是计划时间，但引擎首次有记录的启动在 {first}",
    ),
    "why.due_no_row": ("{time}: due, but it has no row yet", "{time}：计划时间，但还没有记录"),
    # Nothing was due.
    "why.not_due": (
        "it was not due then: the due time before is {previous}, the next one {next}",
        "此时没有计划时间：上一个为 {previous}，下一个为 {next}",
    ),
    "why.not_due_again": (
        "it was not due then: the last due time was {previous}, and there is none after it",
        "此时没有计划时间：最后一个为 {previous}，之后没有",
    ),
    "why.not_due_yet": (
        "it was not due then: the first due time is {next}",
        "此时没有计划时间：第一个为 {next}",
    ),
    "why.never_due": ("its schedule is due at no time", "其时间表没有任何计划时间"),
    "why.no_schedule": ("it has no schedule: only a person starts it", "没有时间表：只能手动启动"),
    "why.by_dependencies": (
        "it has no schedule: it starts once {tasks} ended as required",
        "没有时间表：{tasks} 按要求结束后启动",
    ),
    "why.disabled": ("the task is disabled", "任务已停用"),
    "why.disabled_since": ("the task was disabled at {since}, {by}", "任务于 {since} 被停用，{by}"),
    "why.removed": ("the task was removed from the config at {since}, {by}", "任务于 {since} 从配置中移除，{by}"),
    "why.added_later": (
        "the task did not exist yet: it was added at {time}, {by}",
        "任务当时还不存在：于 {time} 添加，{by}",
    ),
    "why.not_there": ("the config has no task {task}", "配置中没有任务 {task}"),
    "why.by_unknown": ("it is not known by whom", "不清楚由谁更改"),
    "why.schedule_changed": (
        "the schedule then was {schedule}; it was changed at {time}, {by}",
        "当时的时间表为 {schedule}；于 {time} 更改，{by}",
    ),
    # The engine.
    "why.paused": ("the engine is paused since {since}, {by}", "引擎自 {since} 起暂停，{by}"),
    "why.was_paused": (
        "the engine was paused from {since} to {until}, {by}",
        "引擎从 {since} 到 {until} 暂停，{by}",
    ),
    "why.no_engine": ("no engine runs since {since}: {how}", "自 {since} 起没有引擎运行：{how}"),
    "why.no_engine_then": (
        "no engine ran from {since} to {until}: {how}",
        "从 {since} 到 {until} 没有引擎运行：{how}",
    ),
    "why.ending_stopped": ("it was stopped", "已被停止"),
    "why.ending_lost": (
        "it ended without a record (killed, or the power was cut), and was last seen then",
        "未留下记录便结束（被强制终止或断电），那是最后一次检测到它运行",
    ),
    "why.ending_asleep": (
        "the machine was asleep, or its clock was set forward",
        "机器在休眠，或时钟被拨快",
    ),
    "why.not_kept": ("runs before {since} are no longer all kept", "{since} 之前的运行已不再全部保留"),
    "why.uncounted": (
        "not counted: the newest {count} runs are of later days",
        "未统计：最近 {count} 次运行都在此后",
    ),
    # The clock.
    "why.skipped_time": (
        "{time} did not exist: the clock was set forward then; a task with that time is due at {instead}",
        "{time} 不存在：当时时钟被拨快；该时间的任务在 {instead} 运行",
    ),
    "why.first_pass": (
        "{time} came twice that night: a task with a fixed time is due the first time only",
        "{time} 当晚出现两次：固定时间的任务只在第一次运行",
    ),
}
