# What submissions leave in the user's home.

# settle IDS TOKENS NEW, each a list with commas: describes jobs, and after the answer removes what the submissions
# TOKENS have left, now that their outcome is kept, and makes the directories of submissions to come. It is for many at
# once, after their answers: one process of each kind.
verb_settle() {
    js_last js_show_all "${1#-}"
    js_clear_up "${2#-}" "${3#-}" </dev/null >/dev/null
}

# shellcheck disable=SC2086 # tokens between blanks
js_clear_up() {
    js_split "$1"
    js_remove $js_list
    js_split "$2"
    js_prepare $js_list
}

# scontrol takes one id on its command line, and any number of commands on its standard input. Its status is that of
# any one of them, and so tells nothing: what is described is known by its id.
js_show_all() {
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

js_remove() {
    for js_token; do
        set -- "$@" "$js_home/$js_token" "${TMPDIR:-/tmp}/$js_token"
        shift
    done
    [ "$#" = 0 ] || rm -rf -- "$@"
    set -- "$js_home"/*
    [ "$#" -lt 256 ] || js_remove_old 6
}

js_prepare() {
    for js_token; do
        set -- "$@" "$js_home/$js_token"
        shift
    done
    [ "$#" = 0 ] || mkdir -m 700 -- "$@"
}

# Removes what was left more than a day ago.
js_remove_old() {
    find "$js_home" -mindepth 1 -maxdepth 1 -mtime "+$1" -exec rm -rf {} +
}

verb_tidy() {
    js_last js_remove_old 0
}
