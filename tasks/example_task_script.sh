#!/bin/sh
# A template for a task in POSIX sh (runs in dash, bash and busybox). Copy it, rename it, replace `work`.
#
# What it does as it stands: it measures how full a disk is and adds the result to a CSV file, a line per measurement.
#
#     sh tasks/example_task_script.sh --folder . --output data/disk_usage.csv --max-percent 95
#
# It only prints: the scheduler writes what a script prints to the task's log, with the time in front.
#
# How it ends is what the scheduler goes by:
#     0    success
#     1    business failure: the script worked, its goal was not met (the disk is too full). Never retried.
#     other  technical failure, retried where the task has `task_retry`: 2 wrong arguments, 70 something unexpected
#            failed, 143 ended by TERM (time limit, stop button, shutdown).

# -e: a command that fails ends the script. -u: so does a variable that was never set (a typo).
set -eu

KEEP_LINES=1000 # of the CSV file, so that it cannot fill the disk it watches

folder=.
output=
max_percent=95
samples=3
pause=1 # seconds between two measurements

temp_file=     # removed at every end, see on_exit
goal_missed=no # only goal_not_met sets it

# Given by the scheduler; a run by hand works without them.
task_id=${MINISCHED_TASK_ID:-by_hand}
run_id=${MINISCHED_RUN_ID:-0}
attempt=${MINISCHED_ATTEMPT:-1}
trigger=${MINISCHED_TRIGGER:-by_hand}
previous_status=${MINISCHED_PREVIOUS_STATUS:-none}
last_success_time=${MINISCHED_LAST_SUCCESS_TIME:-never}
# The time this run is for. A late run (after an outage) must work for its own time, so take this and not `date`.
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

# The one way to end as a business failure. Not inside $(...) or a pipe: there it would end the subshell only.
goal_not_met() {
    printf 'goal not met: %s\n' "$1" >&2
    goal_missed=yes
    exit 1
}

# Runs at every end but KILL. A command that fails under `set -e` ends the script with the command's own code, mostly 1.
# That would read as a business failure, so a 1 that goal_not_met did not ask for becomes 70.
on_exit() {
    code=$?
    trap - EXIT
    trap '' HUP INT PIPE TERM # a second signal must not interrupt the cleaning up
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

# used_percent DIR: prints how full its disk is, 0 to 100. Fails where `df` does.
used_percent() {
    # Two steps, because of `df | awk` the shell would see the exit code of awk only.
    table=$(df -P "$1")
    printf '%s\n' "$table" | awk '
        NR == 2 { for (i = NF; i > 0; i--) if ($i ~ /^[0-9]+%$/) { print $i + 0; found = 1; exit } }
        END { exit !found }'
}

# lines_of_other_times FILE TIME: its newest lines but those of TIME, so that a second attempt adds nothing twice.
lines_of_other_times() {
    [ -e "$1" ] || return 0
    awk -F , -v time="$2" -v keep="$KEEP_LINES" '
        $1 != time { line[count++] = $0 }
        END { for (i = count > keep ? count - keep : 0; i < count; i++) print line[i] }' "$1"
}

work() {
    mkdir -p "$(dirname "$output")"
    # Written under another name in the same folder and renamed at the end: a reader never sees half a file, and an
    # attempt that dies leaves the old one as it was. The name is set before the file is made, so on_exit knows it.
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
            # TERM comes to the whole process group, so it ends this child too and the script goes on to its trap.
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
    echo "the run before: $previous_status; last success: $last_success_time"
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
