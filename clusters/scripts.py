"""PURE. Every script that is run on a login node.

They are POSIX sh in the alphabet of `shell.quote`. $0 is the marker, $1 SLURM's directory; every command's output is
followed by a marker line with its exit status. Times are asked for as epochs (SLURM_TIME_FORMAT=%s), since SLURM's own
carry no zone. Sources: the manual pages of sbatch, scontrol, squeue, scancel and sacct, SLURM 20.11 to 26.05.
"""

from collections.abc import Collection, Sequence

DIRECTORY = ".job-submitter"  # in the user's home

FIRST = 8192  # bytes that SUBMIT reads at once: the longest directory has room in them, and most scripts
LONGEST_DIRECTORY = 4095  # bytes; PATH_MAX (limits.h) without the NUL at its end
_FIXED_WIDTH = 10_000_000  # is added to the number of bytes that follow, whose width would change it otherwise
_EIGHT_DIGITS = "[123456789]" + "[0123456789]" * 7  # a shell's pattern for the sum
_MANY = 64  # directories of submissions in one home, more than are at work at once
_REMOVE_OLD = 'find "$_js_home" -mindepth 1 -maxdepth 1 -mtime +0 -exec rm -rf {} + 2>/dev/null'
_END = '_js_status=$?; echo; echo "$0 $_js_status";'
_COMMANDS = '"$1/squeue" -t all -o "%i|%o"'  # with which command line each job was submitted

# The variables by which squeue, sacct, scancel and scontrol choose what they ask, tell or do: those of their manual
# pages and sources, and what options without one would be called. A closed list costs no process; among the shells only
# bash and ksh find names by their beginnings without one.
STEERING = (
    "SQUEUE_ACCOUNT", "SQUEUE_ALL", "SQUEUE_ARRAY", "SQUEUE_ARRAY_UNIQUE", "SQUEUE_CLUSTERS", "SQUEUE_EXPAND_PATTERNS",
    "SQUEUE_FEDERATION", "SQUEUE_FORMAT", "SQUEUE_FORMAT2", "SQUEUE_LICENSES", "SQUEUE_LOCAL", "SQUEUE_NAMES",
    "SQUEUE_ONLY_JOB_STATE", "SQUEUE_PARTITION", "SQUEUE_PRIORITY", "SQUEUE_QOS", "SQUEUE_RESERVATION", "SQUEUE_SIB",
    "SQUEUE_SIBLING", "SQUEUE_SORT", "SQUEUE_STATES", "SQUEUE_USERS",
    "SACCT_FEDERATION", "SACCT_FORMAT", "SACCT_LOCAL",
    "SCANCEL_ACCOUNT", "SCANCEL_BATCH", "SCANCEL_CRON", "SCANCEL_CTLD", "SCANCEL_FULL", "SCANCEL_HURRY",
    "SCANCEL_INTERACTIVE", "SCANCEL_NAME", "SCANCEL_PARTITION", "SCANCEL_QOS", "SCANCEL_SIBLING", "SCANCEL_STATE",
    "SCANCEL_USER", "SCANCEL_VERBOSE", "SCANCEL_WCKEY",
    "SCONTROL_ALL", "SCONTROL_FEDERATION", "SCONTROL_FUTURE", "SCONTROL_LOCAL", "SCONTROL_SIB", "SCONTROL_SIBLING",
    "SLURM_BITSTR_LEN", "SLURM_CLUSTERS", "SLURM_DEBUG_FLAGS", "SLURM_TIME_FORMAT", "SLURM_TOPO_LEN",
    "SLURM_WORKING_CLUSTER",
)  # fmt: skip


def _unset(names: Sequence[str]) -> str:
    return f"unset -v {' '.join(names) or '_js'};"


# Stands before the first question of a script: what start-up files have exported for the user's own questions is not
# for ours. sbatch never runs after it. Besides variables these are functions in the place of what we use, and options
# of the shell (SHELLOPTS), which bash takes from its environment as sh too.
_UNSTEERED = f"{_unset(STEERING)} unset -f cat echo head printf read; set +aefuxC;"


def _found(where: str) -> str:
    """Return what prints, of all that squeue tells of a user's jobs, this submission's job and the clusters' names."""
    return (
        f'echo; {{ {_COMMANDS} {where} -u "$_js_user" 2>&1; {_END} }} | '
        'LC_ALL=C grep -e "/$_js_token/" -e "^CLUSTER: " -e "^$0 ";'
    )


# $0: the marker of the token that names this submission. $2: the seconds that sbatch may take. $3: anything, if the job
# is to be described at once and not after the answer. Standard input, as `submission` makes it: how many bytes come
# after the first FIRST, the working directory, and the script with $0 at its end, as proof that it came whole. What is
# no number never comes into $(( )), where bash and ksh run commands: `x[$(command)]`. Whatever needs another process
# and can be done before the input comes has been done by then: the token's directory is there, and the `head` that
# reads those FIRST bytes.
# The first section, of cd, is told to be good only when nothing but sbatch is left to do: a script that ended without
# it has submitted nothing.
# The script's file is created by whoever comes first, this script or LOOKUP: what that has found missing cannot be
# submitted later. SLURM remembers sbatch's command line, and with it the token: where the home takes no file, the
# script's is in the directory for temporary ones, which narrows how a lost submission can be found, as does standard
# input where there is no room for it either. The id is written down before it is told. The answer of sbatch is passed
# on line by line, so that an id is seen even if sbatch does not end (a user's `#SBATCH --wait`). Behind the id is the
# name of a cluster where the job went to another one than the login node's own. Where sbatch ends well and tells no id,
# the controllers are asked: `--test-only` has submitted nothing, but `--quiet` says nothing of a job either.
# A line on standard input says that the answer is known: then the job is described, which would have kept the processor
# from the answer, and the directory is not needed any more. Others are left only by what was killed; where they become
# many, the old ones go.
SUBMIT = f"""
    trap "" HUP PIPE; exec 3<&0; _js_at_once="$3";
    _js_home="$HOME/{DIRECTORY}"; [ -d "$_js_home" ] || mkdir -m 700 "$_js_home" 2>/dev/null;
    _js_token="${{0#--}}"; _js_token="${{_js_token%--}}";
    _js_at="$_js_home/$_js_token"; mkdir -m 700 "$_js_at" 2>/dev/null;
    _js_nl=$(echo; echo x); _js_nl="${{_js_nl%x}}";
    _js_script=$(head -c {FIRST}; echo x); _js_script="${{_js_script%x}}";
    _js_more="${{_js_script%%"$_js_nl"*}}"; _js_script="${{_js_script#*"$_js_nl"}}";
    case "$_js_more" in {_EIGHT_DIGITS}) ;; *) rmdir "$_js_at" 2>/dev/null; exit 65;; esac;
    _js_more=$(($_js_more - {_FIXED_WIDTH:d}));
    _js_dir="${{_js_script%%"$_js_nl"*}}"; _js_script="${{_js_script#*"$_js_nl"}}";
    [ "$_js_more" = 0 ] || _js_script="$_js_script$(head -c "$_js_more")";
    case "$_js_script" in *"$0"*) _js_script="${{_js_script%"$0"*}}";; *) rmdir "$_js_at" 2>/dev/null; exit 65;; esac;
    cd; case "$_js_dir" in /*) ;; *) _js_dir="$PWD/$_js_dir";; esac;
    cd -- "$_js_dir" || {{ {_END} rmdir "$_js_at" 2>/dev/null; exit 0; }};
    _js_claim() {{ set -C; printf "" > "$_js_at/job.sh"; _js_claimed=$?; set +C; return "$_js_claimed"; }};
    _js_write() {{ printf "%s" "$_js_script" > "$_js_at/job.sh" && printf "" > "$_js_at/error"; }};
    {{
        _js_claim || [ -e "$_js_at/job.sh" ] || {{ mkdir -m 700 "$_js_at"; _js_claim; }};
        [ "$_js_claimed" = 0 ] || {{ [ -e "$_js_at/job.sh" ] && exit 75; }};
        _js_write || {{ _js_at="${{TMPDIR:-/tmp}}/$_js_token"; mkdir -m 700 "$_js_at" && _js_write; }};
    }} 2>/dev/null;
    _js_kept=$?;
    _js_describe() {{
        [ -z "$_js_id" ] || {{
            {_unset(STEERING)}
            SLURM_TIME_FORMAT=%s "$1/scontrol" ${{_js_where:+-M "$_js_where"}} show job "$_js_id" 2>&1; {_END}
        }};
    }};
    echo; echo "$0 0";
    {{
        if [ "$_js_kept" = 0 ];
        then timeout -k 5 "$2" "$1/sbatch" --parsable "$_js_at/job.sh" 2> "$_js_at/error";
        else printf "%s" "$_js_script" | timeout -k 5 "$2" "$1/sbatch" --parsable 2>&1; fi; {_END}
    }} | {{
        _js_id=""; _js_where="";
        while IFS= read -r _js_line; do
            case "$_js_line" in "$0 "*|[0-9]*) {{ echo "$_js_line" >> "$_js_at/answer"; }} 2>/dev/null;; esac;
            printf "%s" "$_js_line"; echo;
            case "$_js_line" in
                "$0 "*) break;;
                [0-9]*";"*) _js_id="${{_js_line%%;*}}"; _js_where="${{_js_line#*;}}";;
                [0-9]*) _js_id="$_js_line"; _js_where="";;
            esac;
        done;
        [ "$_js_line" = "$0 0" ] && [ -n "$_js_id" ] || {{
            head -c 24576 "$_js_at/error" 2>/dev/null; {_END} _js_at_once=1;
        }};
        [ "$_js_line" = "$0 0" ] && [ -z "$_js_id" ] && {{
            _js_user=$(id -un); {_unset(STEERING)}
            {_found("")}
            {_found("-M all")}
        }};
        [ -z "$_js_at_once" ] || _js_describe "$1";
        read -r _js_known <&3 || exit 0;
        [ -n "$_js_at_once" ] || _js_describe "$1";
        rm -rf "$_js_at" "$_js_home/$_js_token";
        set -- "$_js_home"/*; [ "$#" -lt {_MANY} ] || {_REMOVE_OLD};
    }};
    exit 0
"""

_QUEUE_FORMAT = "%i|%u|%T|%V|%S|%e|%M|%D|%C|%N|%r"
_HISTORY_FIELDS = "JobID,User,State,ExitCode,Submit,Start,End,ElapsedRaw,AllocNodes,AllocCPUS,NodeList"
# SLURM_BITSTR_LEN=0: the numbers of an array's pending tasks are not cut to 64 characters.
# --noconvert: 2048 nodes or cores are not `2K`.
_SQUEUE = f'SLURM_TIME_FORMAT=%s SLURM_BITSTR_LEN=0 "$1/squeue" -h -t all --noconvert -o "{_QUEUE_FORMAT}"'
_SACCT = f'SLURM_TIME_FORMAT=%s SLURM_BITSTR_LEN=0 "$1/sacct" -a -X -P -n --noconvert -o {_HISTORY_FIELDS}'

# One look at a cluster. $2: an account to ask about, or empty for everybody's jobs.
# Standard input, once the answer of squeue is known: the beginning of the window in seconds before now, the ids of
# jobs whose exit code the controller may still have, and those that accounting is asked about, comma-separated; none
# ends it.
# Only a query by id finds a job that was cancelled before it became eligible. sacct -D tells every record of an id.
LOOK = f"""
    {_UNSTEERED} {_SQUEUE} ${{2:+-u "$2"}}; {_END}
    read -r _js_since; read -r _js_ended; _js_ids=$(cat); [ -n "$_js_ids" ] || exit 0;
    if [ -n "$_js_ended" ]; then "$1/squeue" -h -t all -j "$_js_ended" -O "JobArrayID:40,exit_code:20"; fi; {_END}
    {_SACCT} -D -S "now-${{_js_since}}seconds" -j "$_js_ids"; {_END} exit 0
"""

_ONE = f"""
    _js_rows=$({_SQUEUE} -j "$2" 2>&1); {_END.replace("echo;", 'printf "%s" "$_js_rows"; echo;', 1)}
    case "$_js_rows" in *"|"*) ;; *) {_SACCT} -S "now-$3seconds" -j "$2" 2>&1; {_END} ;; esac; exit 0
"""

# $2: a job's id, $3: the window as in LOOK. Asks about one job: accounting only where the controller knows nothing.
INSPECT = f"{_UNSTEERED} {_ONE}"

# The same after cancelling it.
CANCEL = f'{_UNSTEERED} "$1/scancel" -Q "$2" 2>&1; {_END} {_ONE}'

# Asks for the version of SLURM's tools, and whether the controller answers.
PING = f'{_UNSTEERED} "$1/sbatch" --version 2>&1; {_END} "$1/scontrol" ping 2>&1; {_END} exit 0'

# $2: the window as in LOOK, $3: the account. Standard input: tokens of submissions whose outcome is not known.
# Two sections a token (its fate and sbatch's output; sbatch's errors), then squeue's and sacct's command lines.
# Accounting keeps those from SLURM 21.08 on; before that it answers by ids alone, and what the controller has forgotten
# is known from the token's directory.
LOOKUP = f"""
    read -r _js_tokens;
    _js_home="$HOME/{DIRECTORY}"; [ -d "$_js_home" ] || mkdir -m 700 "$_js_home" 2>/dev/null;
    {_REMOVE_OLD};
    for _js_token in $_js_tokens; do
        _js_at="$_js_home/$_js_token";
        {{ mkdir -m 700 "$_js_at"; set -C; printf "" > "$_js_at/job.sh" && printf "" > "$_js_at/fenced"; }} 2>/dev/null;
        set +C;
        if [ -e "$_js_at/fenced" ]; then echo fenced;
        elif [ -d "$_js_at" ]; then echo "claimed"; head -c 24576 "$_js_at/answer" 2>/dev/null;
        else echo nowhere; fi; {_END}
        head -c 24576 "$_js_at/error" 2>/dev/null; {_END}
    done;
    {_UNSTEERED} {_COMMANDS} -h -u "$3" 2>&1; {_END}
    _js_fields=JobID,SubmitLine;
    case " $(echo $("$1/sacct" -e 2>/dev/null)) " in *" SubmitLine "*) ;; *" JobID "*) _js_fields=JobID;; esac;
    "$1/sacct" -u "$3" -X -P -n -D -o "$_js_fields" -S "now-$2seconds" 2>&1; {_END} exit 0
"""


def submission(directory: str, script: str, marker: str) -> bytes:
    """Return what SUBMIT reads on standard input; `marker` is its $0.

    Raises ValueError for a directory that no system call takes: longer than LONGEST_DIRECTORY.
    """
    head = f"{directory}\n".encode()
    if len(head) > LONGEST_DIRECTORY + 1:
        raise ValueError(f"a directory's path has at most {LONGEST_DIRECTORY} bytes")
    content = head + f"{script}{marker}".encode()
    more = max(0, len(f"{_FIXED_WIDTH}\n") + len(content) - FIRST)
    return (f"{_FIXED_WIDTH + more}\n".encode() + content).ljust(FIRST, b"\n")


# $2: a job's id, $3: the name of the cluster that has it, or empty for the login node's own.
DESCRIBE = f'{_UNSTEERED} SLURM_TIME_FORMAT=%s "$1/scontrol" ${{3:+-M "$3"}} show job "$2" 2>&1; {_END} exit 0'

# $2: the window as in LOOK, $3: the account. Asks every cluster's controller, and accounting, with which command lines
# jobs were submitted: a controller's after a line with the cluster's name, accounting's after that name and the id. Of
# jobs that have not become eligible, such as held ones, accounting tells nothing; before SLURM 21.08 of none.
LOOKUP_ELSEWHERE = f"""
    {_UNSTEERED} {_COMMANDS} -M all -u "$3" 2>&1; {_END}
    case " $(echo $("$1/sacct" -e 2>/dev/null)) " in
        *" SubmitLine "*) "$1/sacct" -L -u "$3" -X -P -n -D -o Cluster,JobID,SubmitLine -S "now-$2seconds" 2>&1;;
    esac; {_END} exit 0
"""

# Asks what SLURM calls the cluster of the login node.
NAME = f'{_UNSTEERED} "$1/scontrol" show config 2>&1; {_END} exit 0'

# $2: a job's id, $3: the name of the cluster that has it. Cancels it there, and asks what became of it.
CANCEL_ELSEWHERE = f"""
    {_UNSTEERED} "$1/scancel" -M "$3" -Q "$2" 2>&1; {_END}
    "$1/squeue" -M "$3" -h -t all -j "$2" -o "%T" 2>&1; {_END} exit 0
"""

# Removes what submissions left behind in a home more than a day ago.
TIDY = f'find "$HOME/{DIRECTORY}" -mindepth 1 -maxdepth 1 -mtime +0 -exec rm -rf {{}} + 2>&1; {_END} exit 0'

# Where OpenSSH's sftp-server is: Debian; Red Hat; SUSE, Arch and Alpine; Tumbleweed; OpenSSH's own; Gentoo.
_SFTP_SERVERS = (
    "/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server",
    "/usr/libexec/ssh/sftp-server", "/usr/libexec/sftp-server", "/usr/local/libexec/sftp-server",
    "/usr/lib64/misc/sftp-server", "/usr/lib/misc/sftp-server",
)  # fmt: skip

# Prints the path of the SFTP server and becomes it; an empty line where there is none.
SFTP = f"""
    for _js_server in {" ".join(_SFTP_SERVERS)}; do
        [ -x "$_js_server" ] && {{ echo "$_js_server"; exec "$_js_server"; }};
    done; echo
"""

# $2: a job's id, $3: the window as in LOOK, $4: anything, if the names of all nodes' hosts are asked for as well.
# Accounting comes second: a task that has left the controller meanwhile is there.
STARTS = f"""
    {_UNSTEERED}
    SLURM_TIME_FORMAT=%s SLURM_BITSTR_LEN=0 "$1/squeue" -h -t all -j "$2" -o "%i|%A|%V|%N" 2>&1; {_END}
    SLURM_TIME_FORMAT=%s SLURM_BITSTR_LEN=0 "$1/sacct" -X -P -n -D -o JobID,JobIDRaw,Submit,NodeList
        -S "now-$3seconds" -j "$2" 2>&1; {_END}
    [ -z "$4" ] || {{ "$1/sinfo" -h -N -o "%N|%n" 2>&1; {_END} }}; exit 0
"""


def keeping(script: str, names: Collection[str]) -> str:
    """Return `script` as it is to run where an operator has set the variables `names`, which then steer our questions.

    Names that steer none are no matter: nothing takes them away.
    """
    return script.replace(_unset(STEERING), _unset([name for name in STEERING if name not in names]))
