# What became of submissions whose answer was lost.

# look_up SINCE ACCOUNT, then a line with tokens. SINCE: the seconds before now in which all of them began.
# Two sections for each token: its fate, and what sbatch has printed; its errors. Then the command lines of the account's
# jobs, by squeue and by sacct. Accounting keeps those from SLURM 21.08 on; before that it tells ids alone, and what the
# controller has forgotten is known from the token's directory.
verb_look_up() {
    IFS= read -r js_tokens || exit 65
    [ -d "$js_home" ] || mkdir -m 700 "$js_home" >/dev/null </dev/null
    for js_token in $js_tokens; do
        js_section js_fence "$js_home/$js_token"
        js_section js_head "$js_home/$js_token/error"
    done
    js_section js_ask squeue -h -t all -o '%i|%o' -u "$2"
    js_last js_command_lines "$1" "$2"
}

# Claims the submission of the directory $1, unless that is done. `fenced`: it has begun nothing, and cannot any more.
# `claimed`: it has gone on to sbatch. `nowhere`: the home takes no file, which leaves it open.
js_fence() {
    js_at=$1
    # Where the home took no file, the submission may have gone on all the same.
    # shellcheck disable=SC3067 # as in verb_progress
    if [ -d "${TMPDIR:-/tmp}/$js_token" ] && [ -O "${TMPDIR:-/tmp}/$js_token" ]; then
        echo claimed
        js_head "${TMPDIR:-/tmp}/$js_token/answer"
        return
    fi
    mkdir -m 700 "$js_at" >/dev/null 2>&1
    set -C
    { printf '' >"$js_at/job.sh" && printf '' >"$js_at/fenced"; } 2>/dev/null
    set +C
    if [ -e "$js_at/fenced" ]; then
        echo fenced
    elif [ -d "$js_at" ]; then
        echo claimed
        js_head "$js_at/answer"
    else
        echo nowhere
    fi
}

js_head() {
    head -c 24576 "$1" 2>/dev/null
}

js_command_lines() {
    js_fields=$(js_ask sacct -e 2>/dev/null)
    case $js_fields in
    *SubmitLine*) js_fields=JobID,SubmitLine ;;
    *JobID*) js_fields=JobID ;;
    *) js_fields=JobID,SubmitLine ;;
    esac
    js_ask sacct -u "$2" -X -P -n -D -o "$js_fields" -S "now-$1seconds"
}

# look_up_elsewhere SINCE ACCOUNT: with which command lines jobs were submitted, by every cluster's controller, after a
# line with the cluster's name, and by accounting, after that name and the id. Of jobs that have not become eligible,
# such as held ones, accounting tells nothing; before SLURM 21.08 of none.
verb_look_up_elsewhere() {
    js_section js_ask squeue -t all -o '%i|%o' -M all -u "$2"
    js_last js_command_lines_elsewhere "$1" "$2"
}

js_command_lines_elsewhere() {
    case $(js_ask sacct -e 2>/dev/null) in
    *SubmitLine*) js_ask sacct -L -u "$2" -X -P -n -D -o Cluster,JobID,SubmitLine -S "now-$1seconds" ;;
    esac
}
