# What submissions leave in the user's home. Each verb is for many submissions at once, and starts one process of a kind.

# clear TOKENS NEW, lists with commas: removes what the submissions TOKENS have left, now that their outcome is stored,
# and makes the directories of submissions to come. It answers first: nobody waits for that.
verb_clear() {
    js_last :
    js_clear "${1#-}" "${2#-}" </dev/null >/dev/null
}

# shellcheck disable=SC2086 # tokens between blanks
js_clear() {
    js_split "$1"
    js_remove $js_list
    js_split "$2"
    js_prepare $js_list
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

# tidy: removes what was left more than a day ago.
verb_tidy() {
    js_last js_remove_old 0
}

# $1: how many days old, in whole days, as `find -mtime +$1` counts them.
js_remove_old() {
    find "$js_home" -mindepth 1 -maxdepth 1 -mtime "+$1" -exec rm -rf {} +
}
