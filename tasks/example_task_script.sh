#!/bin/sh
# A template for a task in POSIX sh (runs in dash, bash and busybox). Copy it, rename it, replace `work`.
#
# This example measures how full a disk is and adds the result to a CSV file, one line per measurement.
#
#     sh tasks/example_task_script.sh --folder . --output data/disk_usage.csv --max-percent 95
#
# The script only prints: the scheduler writes its output to the log of the task and adds the time to each line.
#
# The exit code tells the scheduler the result:
#     0      success
#     1      business failure: the script worked but did not meet its goal (the disk is too full). Never retried.
#     other  technical failure, retried if the task has `task_retry`: 2 wrong arguments, 70 an unexpected failure,
#            143 ended by TERM (time limit, stop button, shutdown).

# -e: a command that fails ends the script. -u: a variable that is not set (a typo) ends it too.
set -eu

KEEP_LINES=1000 # in the CSV file, so that it cannot fill the disk that it monitors

folder=.
output=
max_percent=95
samples=3
pause=1 # seconds between two measurements

temp_file=     # removed by on_exit
goal_missed=no # set by goal_not_met only

# Set by the scheduler; a manual run works without them.
task_id=${MINISCHED_TASK_ID:-example}
run_id=${MINISCHED_RUN_ID:-0}
attempt=${MINISCHED_ATTEMPT:-1}
trigger=${MINISCHED_TRIGGER:-manual}
previous_status=${MINISCHED_PREVIOUS_STATUS:-none}
last_success_time=${MINISCHED_LAST_SUCCESS_TIME:-never}
# The due time. A late run (after an outage) must use its due time, so use this variable instead of `date`.
scheduled_time=${MINISCHED_SCHEDULED_TIME:-$(date -u '+%Y-%m-%dT%H:%M:%S+00:00')}

usage() {
    cat <<'END'
usage: example_task_script.sh --output FILE [--folder DIR] [--max-percent N] [--samples N] [--pause SECONDS]
END
}

wrong_arguments() {
    printf 'error: %s\n' "$1" >&2
    usage >&2
    exit 2
}

# The only way to end as a business failure. Do not call it inside $(...) or a pipe: it would end only that subshell.
goal_not_met() {
    printf 'goal not met: %s\n' "$1" >&2
    goal_missed=yes
    exit 1
}

# Runs at every end except KILL. A command that fails under `set -e` ends the script with the code of the command, usually
# 1. That would be a business failure, so a 1 that does not come from goal_not_met becomes 70.
on_exit() {
    code=$?
    trap - EXIT
    trap '' HUP INT PIPE TERM # a second signal must not interrupt the cleanup
    if [ -n "$temp_file" ]; then
        rm -f "$temp_file" || :
    fi
    if [ "$code" -eq 1 ] && [ "$goal_missed" = no ]; then
        printf 'unexpected failure: a command exited with 1\n' >&2 || :
        code=70
    fi
    exit "$code"
}

require_number() { # require_number OPTION TEXT
    case $2 in
        '' | *[!0-9]*) wrong_arguments "$1 is \"$2\"; expected a whole number" ;;
    esac
}

parse_arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
            -h | --help)
                usage
                exit 0
                ;;
            --folder | --output | --max-percent | --samples | --pause)
                [ $# -ge 2 ] || wrong_arguments "$1 needs a value"
                case $1 in
                    --folder) folder=$2 ;;
                    --output) output=$2 ;;
                    --max-percent) require_number "$1" "$2" && max_percent=$2 ;;
                    --samples) require_number "$1" "$2" && samples=$2 ;;
                    --pause) require_number "$1" "$2" && pause=$2 ;;
                esac
                shift 2
                ;;
            *) wrong_arguments "unknown argument \"$1\"" ;;
        esac
    done
    [ -n "$output" ] || wrong_arguments "--output is missing"
}

# used_percent DIR: prints how full its disk is, 0 to 100. Fails if `df` fails.
used_percent() {
    # Two steps, because the exit code of `df | awk` is that of awk only.
    table=$(df -P "$1")
    printf '%s\n' "$table" | awk '
        NR == 2 { for (i = NF; i > 0; i--) if ($i ~ /^[0-9]+%$/) { print $i + 0; found = 1; exit } }
        END { exit !found }'
}

# lines_of_other_times FILE TIME: the newest lines except those of TIME, so that a retry adds nothing twice.
lines_of_other_times() {
    [ -e "$1" ] || return 0
    awk -F , -v time="$2" -v keep="$KEEP_LINES" '
        $1 != time { line[count++] = $0 }
        END { for (i = count > keep ? count - keep : 0; i < count; i++) print line[i] }' "$1"
}

work() {
    mkdir -p "$(dirname "$output")"
    # Written to a temporary file in the same folder and renamed at the end: a reader never sees a partial file, and an
    # attempt that dies does not change the old one. The name is set before the file is created, so that on_exit knows it.
    temp_file=$output.$$.tmp
    lines_of_other_times "$output" "$scheduled_time" >"$temp_file"

    highest=0
    number=1
    while [ "$number" -le "$samples" ]; do
        percent=$(used_percent "$folder")
        echo "sample $number of $samples: the disk of $folder is $percent % full"
        printf '%s,%s,%s\n' "$scheduled_time" "$folder" "$percent" >>"$temp_file"
        if [ "$percent" -gt "$highest" ]; then
            highest=$percent
        fi
        if [ "$number" -lt "$samples" ]; then
            # The whole process group gets TERM: it ends this child too, and then the shell runs its trap.
            sleep "$pause"
        fi
        number=$((number + 1))
    done

    mv -f "$temp_file" "$output"
    echo "wrote $output"
    if [ "$highest" -gt "$max_percent" ]; then
        goal_not_met "the disk of $folder is $highest % full, allowed are $max_percent %"
    fi
}

main() {
    parse_arguments "$@"
    echo "run $run_id of $task_id, attempt $attempt, started by $trigger, for $scheduled_time"
    echo "previous run: $previous_status; last success: $last_success_time"
    work
}

run() {
    trap on_exit EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 141' PIPE
    trap 'exit 143' TERM
    main "$@"
}

# For tests: `SOURCE_ONLY=1; . ./example_task_script.sh` defines the functions and runs nothing.
if [ -z "${SOURCE_ONLY:-}" ]; then
    run "$@"
fi
