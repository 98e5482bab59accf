# Questions about jobs, and orders to SLURM about them. IDS is a list with commas, SINCE the number of seconds before now
# in which the jobs were submitted. --noconvert: 2048 nodes are not `2K`.

# $1: js_ask or js_exec.
js_squeue() {
    js_how=$1
    shift
    "$js_how" squeue -h -t all --noconvert -o '%i|%u|%T|%V|%S|%e|%M|%D|%C|%N|%r' "$@"
}

js_sacct() {
    js_ask sacct -a -X -P -n --noconvert \
        -o JobID,User,State,ExitCode,Submit,Start,End,ElapsedRaw,AllocNodes,AllocCPUS,NodeList "$@"
}

# queue ACCOUNT: what the controller holds of an account's jobs, or with `-` of everybody's; then squeue's errors.
verb_queue() {
    case $1 in
    -) js_last_with_errors js_squeue js_exec ;;
    *) js_last_with_errors js_squeue js_exec -u "$1" ;;
    esac
}

# history SINCE SIZE, then two lists of ids (js_read_text SIZE), each on a line: jobs whose exit code the controller may
# still have, and jobs that accounting is asked about. Only a query by id finds a job that was cancelled before it became
# eligible. sacct -D tells every record of an id.
verb_history() {
    js_read_text "$2"
    # shellcheck disable=SC2059 # the form is %b or %s
    js_text=$(printf "$js_form." "$js_text") || exit 70
    js_text=${js_text%.}
    js_section js_exit_codes "${js_text%%"$js_newline"*}"
    js_last_with_errors js_records "$1" "${js_text#*"$js_newline"}"
}

js_exit_codes() {
    [ -z "$1" ] || js_ask squeue -h -t all -j "$1" -O JobArrayID:40,exit_code:20 2>/dev/null
}

js_records() {
    [ -z "$2" ] || js_sacct -D -S "now-$1seconds" -j "$2"
}

# inspect SINCE ACCOUNT IDS: what squeue says of jobs; then what sacct says of those that squeue does not know.
verb_inspect() {
    js_last_records "$@"
}

# cancel SINCE ACCOUNT IDS: the same after cancelling the jobs. The first section is scancel's.
verb_cancel() {
    js_split "$3"
    # shellcheck disable=SC2086 # ids between blanks
    js_section js_ask scancel -Q $js_list
    js_last_records "$@"
}

# squeue filters by one job or by one user in the controller, and by anything else only when all have been sent.
# mksh has no printf of its own, and a program takes no argument of more than 128 KiB: an answer that lacks a section
# would say something else, so the agent ends.
js_last_records() {
    case $3 in
    *,*) js_rows=$(js_squeue js_exec -u "$2" -j "$3" 2>&1 </dev/null) ;;
    *) js_rows=$(js_squeue js_exec -j "$3" 2>&1 </dev/null) ;;
    esac
    js_status=$?
    js_unknown=
    js_split "$3"
    for js_id in $js_list; do
        case $js_newline$js_rows in
        *"$js_newline$js_id|"* | *"$js_newline${js_id}_"* | *"$js_newline$js_id+"*) ;;
        *) js_unknown=$js_unknown,$js_id ;;
        esac
    done
    if [ -n "$js_unknown" ]; then
        printf '%s\n\n%s %s\n' "$js_rows" "$js_marker" "$js_status" || exit 70
        js_last js_sacct -S "now-$1seconds" -j "${js_unknown#,}"
    else
        printf '%s\n\n%s %s end\n' "$js_rows" "$js_marker" "$js_status" || exit 70
    fi
}

# cancel_elsewhere ID CLUSTER: cancels a job that another cluster has, and asks that one what became of it.
verb_cancel_elsewhere() {
    js_section js_ask scancel -M "$2" -Q "$1"
    js_last js_ask squeue -M "$2" -h -t all -j "$1" -o %T
}

# describe ID CLUSTER: what the controller says of a job. CLUSTER: the cluster that has it; empty: the login node's own.
verb_describe() {
    js_last js_show_job "$1" "${2#-}"
}

js_show_job() {
    js_ask scontrol ${2:+-M "$2"} show job "$1"
}

# describe_many IDS: the same of jobs of the login node's own cluster, by one process.
verb_describe_many() {
    js_last js_show_jobs "${1#-}"
}

# scontrol takes one id on its command line, and any number of commands on its standard input. Its status is that of
# any one of them, and so tells nothing: what is described is known by its id.
js_show_jobs() {
    js_split "$1"
    js_commands=
    for js_id in $js_list; do
        js_commands="${js_commands}show job $js_id$js_newline"
    done
    [ -z "$js_commands" ] || js_ask scontrol <<END
${js_commands}quit
END
    return 0
}

# starts ID SINCE HOSTS: which tasks of a job have started where. Accounting comes second: a task that has left the
# controller meanwhile is there. HOSTS: yes, if the names of all nodes' hosts are asked for as well.
verb_starts() {
    js_section js_ask squeue -h -t all -j "$1" -o '%i|%A|%V|%N'
    case $3 in
    yes)
        js_section js_ask sacct -X -P -n -D -o JobID,JobIDRaw,Submit,NodeList -S "now-$2seconds" -j "$1"
        js_last js_ask sinfo -h -N -o '%N|%n'
        ;;
    *) js_last js_ask sacct -X -P -n -D -o JobID,JobIDRaw,Submit,NodeList -S "now-$2seconds" -j "$1" ;;
    esac
}
