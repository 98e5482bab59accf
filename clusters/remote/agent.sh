# The agent: it runs as the user on one channel of an SSH connection, and answers one request after another.
#
# It is read line by line by `sh -c`, whose $0 is a marker that no program prints by chance, and whose $1 is the
# directory of SLURM's programs; $2 names, between blanks, the variables among `js_steering` that an operator has set.
# A request is one line, `VERB FIELD...`, an empty field is written as `-`; what may hold anything, such as a script,
# follows it (`js_read_text`). An answer is the output of one or several commands, after each of which comes a line of
# its own, `MARKER STATUS`, and after the last one `MARKER STATUS end`.
#
# The verb `cancel` is the function verb_cancel. Variables begin with js_: one that the user has exported would change in
# the jobs. Comments stand on lines of their own, and are not sent.

js_marker=$0
js_bin=$1
js_home=$HOME/.job-submitter
js_newline=${IFS#??}
js_pipe=

# A submission that has begun goes on when the connection is lost.
trap '' HUP PIPE
# Whichever way the agent ends, its pipe goes (`js_make_pipe`).
trap '[ -z "$js_pipe" ] || rm -f "$js_pipe"' EXIT

# The variables by which squeue, sacct, scancel, scontrol and sinfo choose what they ask, tell or do: those of their
# manual pages and sources, and what options without one would be called. What start-up files have exported for the
# user's own questions is not for ours. sbatch keeps all of them.
js_steering="
    SQUEUE_ACCOUNT SQUEUE_ALL SQUEUE_ARRAY SQUEUE_ARRAY_UNIQUE SQUEUE_CLUSTERS SQUEUE_EXPAND_PATTERNS
    SQUEUE_FEDERATION SQUEUE_FORMAT SQUEUE_FORMAT2 SQUEUE_LICENSES SQUEUE_LOCAL SQUEUE_NAMES SQUEUE_ONLY_JOB_STATE
    SQUEUE_PARTITION SQUEUE_PRIORITY SQUEUE_QOS SQUEUE_RESERVATION SQUEUE_SIB SQUEUE_SIBLING SQUEUE_SORT
    SQUEUE_STATES SQUEUE_USERS
    SACCT_FEDERATION SACCT_FORMAT SACCT_LOCAL
    SCANCEL_ACCOUNT SCANCEL_BATCH SCANCEL_CRON SCANCEL_CTLD SCANCEL_FULL SCANCEL_HURRY SCANCEL_INTERACTIVE
    SCANCEL_NAME SCANCEL_PARTITION SCANCEL_QOS SCANCEL_SIBLING SCANCEL_STATE SCANCEL_USER SCANCEL_VERBOSE
    SCANCEL_WCKEY
    SCONTROL_ALL SCONTROL_FEDERATION SCONTROL_FUTURE SCONTROL_LOCAL SCONTROL_SIB SCONTROL_SIBLING
    SLURM_BITSTR_LEN SLURM_CLUSTERS SLURM_DEBUG_FLAGS SLURM_TIME_FORMAT SLURM_TOPO_LEN SLURM_WORKING_CLUSTER"

js_unsteered() {
    for js_name in $js_steering; do
        case " $1 " in *" $js_name "*) ;; *) js_unset="$js_unset $js_name" ;; esac
    done
}
js_unset=js_nothing
js_unsteered "$2"

# Runs the program $1 of SLURM's with the arguments after it, without the variables that steer. Times are told as
# epochs, since SLURM's own carry no zone; the numbers of an array's pending tasks are not cut to 64 characters.
js_ask() (
    js_exec "$@"
)

# The same in the place of this shell: in `$(...)`, which is a process of its own already.
js_exec() {
    # shellcheck disable=SC2086 # names between blanks
    unset -v $js_unset
    SLURM_TIME_FORMAT=%s SLURM_BITSTR_LEN=0
    export SLURM_TIME_FORMAT SLURM_BITSTR_LEN
    js_program=$1
    shift
    exec "$js_bin/$js_program" "$@"
}

# Runs a command whose output, with its errors, is one section of the answer.
js_section() {
    "$@" 2>&1 </dev/null
    printf '\n%s %s\n' "$js_marker" "$?"
}

# The same for the last section.
js_last() {
    "$@" 2>&1 </dev/null
    printf '\n%s %s end\n' "$js_marker" "$?"
}

# Runs a command of which the output is one section, and its errors are the next, which is the last one.
js_last_with_errors() {
    { js_errors=$("$@" 2>&1 >&3 </dev/null); } 3>&1
    printf '\n%s %s\n%.4096s\n%s 0 end\n' "$js_marker" "$?" "$js_errors" "$js_marker"
}

# Sets js_list to the members of $1, a list with commas, with a blank before each.
js_split() {
    js_list='' js_rest=$1,
    while [ -n "$js_rest" ]; do
        js_list="$js_list ${js_rest%%,*}"
        js_rest=${js_rest#*,}
    done
}

# Reads a text into js_text. $1: 0, if it is the next line, with each line break in it written as \n and each backslash
# as \\, which printf turns back by js_form; else the number of bytes in which it follows as it is, with the marker
# after it as the proof that it is whole. An agent whose input breaks off ends, and has begun nothing.
js_read_text() {
    case $1 in
    0)
        IFS= read -r js_text || exit 65
        js_form=%b
        ;;
    *)
        js_text=$(head -c "$1")
        case $js_text in *"$js_marker") ;; *) exit 65 ;; esac
        js_text=${js_text%"$js_marker"}
        js_form=%s
        ;;
    esac
}

# TMOUT ends a user's idle shell: bash takes it for `read` as well.
js_serve() {
    while cd / && IFS=' ' TMOUT=0 read -r js_verb js_1 js_2 js_3 js_4; do
        command -v "verb_$js_verb" >/dev/null || exit 64
        "verb_$js_verb" "$js_1" "$js_2" "$js_3" "$js_4"
    done
}
