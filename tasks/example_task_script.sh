#!/bin/sh
# A task in POSIX sh: writes how full the disk is to data/disk_usage.txt. Copy this file, rename it, and replace the work.
# It only prints; the scheduler keeps the log. Its exit code is its result: 0 is success, 1 means that the goal was not
# met (never retried), any other code is a technical failure (retried if the task has `task_retry`).
set -eu         # a command that fails, or a variable that is not set, ends the script
temp_file=      # removed at the end
goal_missed=no  # yes: the exit code 1 is meant
on_exit() {     # runs at every end except KILL; turns the 1 of a command that failed unexpectedly into 70
    code=$?
    trap - EXIT
    [ -z "$temp_file" ] || rm -f "$temp_file"
    [ "$code" -ne 1 ] || [ "$goal_missed" = yes ] || code=70
    exit "$code"
}
trap on_exit EXIT
trap 'exit 143' TERM # at the time limit, the stop button or a shutdown

# ------------------------------------------------------------------------------------------------------------ the work
mkdir -p data
temp_file=data/disk_usage.txt.$$ # renamed when it is complete: a retry or a reader never meets half a file
df -P . >"$temp_file"
percent=$(awk 'match($0, /[0-9]+%/) { print substr($0, RSTART, RLENGTH - 1) }' "$temp_file")
mv -f "$temp_file" data/disk_usage.txt
echo "the disk is $percent % full"
if [ "$percent" -gt "${MAX_PERCENT:-95}" ]; then
    echo "goal not met: more than ${MAX_PERCENT:-95} %" >&2
    goal_missed=yes
    exit 1
fi
