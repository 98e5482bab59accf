# A submission, exactly once. Its token, 32 hexadecimal digits, names it on both sides: the directory .job-submitter/TOKEN
# in the user's home holds
#   job.sh   the script. Whoever creates this file has claimed the submission: `submit`, which goes on to sbatch, or
#            `look_up`, after which nobody can;
#   answer   what sbatch has printed; unless that is a job's id alone, also how it ended: a line `--TOKEN-- STATUS`;
#   error    its errors;
#   fenced   there if `look_up` has claimed it.
# SLURM remembers sbatch's command line, and in it the path of job.sh with the token.

# submit TOKEN SECONDS DESCRIBE SIZE, then a line with the working directory, then the script (js_read_text SIZE).
# SECONDS: how long sbatch may take. DESCRIBE: yes, if the job is to be described in the answer.
# The first section says whether the submission began: 0, if nothing but sbatch is left to do; 1 with the shell's words
# if the directory cannot be entered; 75 if somebody has claimed it. The next ones are those of `js_answer`.
verb_submit() {
    IFS= read -r js_directory || exit 65
    js_read_text "$4"
    js_token=$1 js_seconds=$2 js_describe=$3 js_at=$js_home/$1
    if ! js_enter_directory; then
        js_last js_report_directory
        return
    fi
    js_claim
    case $js_claimed in
    here) js_write_files || js_write_files_elsewhere || js_at= ;;
    nowhere) js_write_files_elsewhere || js_at= ;;
    before)
        printf '\n%s 75 end\n' "$js_marker"
        return
        ;;
    esac
    printf '\n%s 0\n' "$js_marker"
    if [ -n "$js_at" ]; then
        js_run_sbatch
        js_answer "$?"
    else
        # There is no room for a file anywhere: SLURM does not learn the token, and the job cannot be found by it.
        js_output=$(js_print_script | timeout -k 5 "$js_seconds" "$js_bin/sbatch" --parsable 2>&1)
        js_status=$?
        js_output=$js_output$js_newline
        js_answer "$js_status"
    fi
}

js_enter_directory() {
    cd || :
    case $js_directory in /*) ;; *) js_directory=$PWD/$js_directory ;; esac
    cd -- "$js_directory" || return
}

# Prints why the directory cannot be entered.
js_report_directory() {
    js_enter_directory
    return 1
}

# Claims the submission by creating job.sh. Sets js_claimed: `here`; `nowhere`, if the home takes no file; `before`, if
# there is a job.sh: somebody else has claimed it.
js_claim() {
    [ -d "$js_home" ] || mkdir -m 700 "$js_home"
    [ -d "$js_at" ] || mkdir -m 700 "$js_at"
    set -C
    printf '' >"$js_at/job.sh"
    js_status=$?
    set +C
    if [ "$js_status" = 0 ]; then
        js_claimed=here
    elif [ -e "$js_at/job.sh" ]; then
        js_claimed=before
    else
        js_claimed=nowhere
    fi
}

# Writes the script into its directory, where there is to be room for what sbatch says as well.
js_write_files() {
    js_print_script >"$js_at/job.sh" && printf '' >"$js_at/answer" && printf '' >"$js_at/error"
}

# The same where the home takes no file.
js_write_files_elsewhere() {
    js_at=${TMPDIR:-/tmp}/$js_token
    mkdir -m 700 "$js_at" && js_write_files
}

# zsh's printf writes a part and ends with 0 where a disk is full; `cat` does not.
# shellcheck disable=SC2059 # the form is %b or %s
js_print_script() {
    case ${ZSH_VERSION-} in
    '') printf "$js_form" "$js_text" ;;
    *) printf "$js_form" "$js_text" | cat ;;
    esac
}

# Runs sbatch, and writes what it prints into `answer` as it comes: a job's id is written down before it is told, and
# also while a user's `#SBATCH --wait` keeps sbatch from ending. The pipe has a name, since one without would take another
# process; a file in its place, where no pipe can be made, has no bound. Leaves the first line in js_id, and what came
# after it, or may have come, in js_further.
js_run_sbatch() {
    js_id='' js_further='' js_count=''
    if ! js_make_pipe >/dev/null; then
        js_further='unread'
        timeout -k 5 "$js_seconds" "$js_bin/sbatch" --parsable "$js_at/job.sh" >"$js_at/answer" 2>"$js_at/error" </dev/null
        return
    fi
    timeout -k 5 "$js_seconds" "$js_bin/sbatch" --parsable "$js_at/job.sh" >"$js_pipe" 2>"$js_at/error" </dev/null &
    js_copy_output <"$js_pipe" >>"$js_at/answer"
    wait "$!"
}

# Makes the pipe of this agent, unless it is there.
js_make_pipe() {
    # shellcheck disable=SC3067 # as in verb_progress
    [ -p "$js_pipe" ] && [ -O "$js_pipe" ] && return
    js_pipe=${TMPDIR:-/tmp}/job-submitter$js_marker
    mkfifo -m 600 "$js_pipe" || {
        js_pipe=$js_home/pipe$js_marker
        mkfifo -m 600 "$js_pipe"
    }
}

# Copies the first hundred lines, and takes the others all the same: a wrapper of sbatch that cannot print would fail,
# with a job.
js_copy_output() {
    IFS= read -r js_id || {
        printf %s "$js_id"
        js_id='' js_further='unfinished'
        return
    }
    printf '%s\n' "$js_id"
    while IFS= read -r js_further && [ "${#js_count}" -lt 99 ]; do
        js_count=x$js_count
        printf '%s\n' "$js_further"
    done
    printf %s "$js_further"
    js_further=$js_further$js_count
    [ "${#js_count}" -lt 99 ] || cat >/dev/null
}

# Answers with what sbatch has printed, and how it ended ($1). In the common case, a job's id alone that is not to be
# described, that is one line and the whole answer. Otherwise there follow: its errors; if it told an id, what scontrol
# says of that job; if it told none and ended well, or without a word, what squeue tells of jobs with this token, on the
# login node's own cluster and on all of them: `--test-only` has submitted nothing, but `--quiet` says nothing of a job
# either.
js_answer() {
    if [ -n "$js_at" ]; then
        case $1,$js_describe,$js_further,$js_id in 0,-,,[0-9]*)
            printf '%s\n\n%s 0 end\n' "$js_id" "$js_marker"
            return
            ;;
        esac
        js_output=$(head -c 24576 "$js_at/answer" && echo .)
        js_output=${js_output%.}
        js_errors=$(head -c 24576 "$js_at/error" && echo .)
        js_errors=${js_errors%.}
        printf '\n%s\n' "--$js_token-- $1" >>"$js_at/answer"
    else
        js_errors=
    fi
    js_find_id
    # Without an id and without a word nothing has been refused either: SLURM is asked. Not where `timeout` or a signal has
    # ended sbatch, as when the controller does not answer: recovery asks later.
    js_search=no js_end=
    case $js_id,$1,$js_output$js_errors in
    ,0,* | ,?, | ,??, | ,10?, | ,11?, | ,12[0-3], | ,12[5-8], | ,255,) js_search=yes ;;
    ,*) js_end=' end' ;;
    esac
    printf '%s\n%s %s\n%s\n%s 0%s\n' "$js_output" "$js_marker" "$1" "$js_errors" "$js_marker" "$js_end"
    case $js_id,$js_search in
    ,yes)
        js_user=$(id -un)
        js_search_token '' ''
        js_search_token '-M all' ' end'
        ;;
    ,*) ;;
    *) js_last js_show_job "$js_id" "$js_cluster" ;;
    esac
}

# Takes the last id from the whole lines of js_output: `ID` or `ID;CLUSTER`.
js_find_id() {
    js_id='' js_cluster='' js_rest=$js_output
    while :; do
        case $js_rest in *"$js_newline"*) ;; *) return ;; esac
        js_line=${js_rest%%"$js_newline"*}
        js_rest=${js_rest#*"$js_newline"}
        case $js_line in
        [0-9]*\;*) js_id=${js_line%%;*} js_cluster=${js_line#*;} ;;
        [0-9]*) js_id=$js_line js_cluster='' ;;
        esac
    done
}

# A section: what squeue, with the options $1, tells of jobs with this token, and the names of the clusters that it asks.
# squeue may tell of many more: they go by in a pipe. $2: ` end` for the last section.
js_search_token() {
    printf '\n'
    {
        # shellcheck disable=SC2086 # one option with its argument
        js_ask squeue -t all -o '%i|%o' $1 -u "$js_user" 2>&1 </dev/null
        printf '\n%s %s%s\n' "$js_marker" "$?" "$2"
    } | GREP_OPTIONS='' LC_ALL=C grep -e "/$js_token/" -e '^CLUSTER: ' -e "^$js_marker "
}

# progress TOKEN: what the sbatch of a submission has said so far, if the job's id is among it: that of a user's
# `#SBATCH --wait` does not end before the job. Among temporary files anybody may make a directory of this name, since
# the token stands in the command line of sbatch: only the user's own tells anything.
verb_progress() {
    js_at=$js_home/$1
    js_elsewhere=${TMPDIR:-/tmp}/$1
    # shellcheck disable=SC3067 # POSIX has no -O, but each of these shells has; without it nothing would be told
    if [ ! -s "$js_at/answer" ] && [ -O "$js_elsewhere" ] && [ ! -h "$js_elsewhere" ]; then
        js_at=$js_elsewhere
    fi
    js_last head -c 24576 "$js_at/answer"
}
