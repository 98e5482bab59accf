#!/bin/sh
# Brings a bare Debian to the point where `python3 -m sandbox` can run, then hands over to it.
# Everything after this file is Python of the standard library, so nothing else needs to be there.
set -eu
cd "$(dirname "$0")/.."

refuse() {
    printf '%s\n' \
        "The sandbox cannot run here: $1." \
        "It needs root on Debian 12 (or a later one), because it makes Unix accounts and runs SLURM and sshd." \
        "In a container it runs anywhere:  docker compose up" >&2
    exit 2
}

works() { [ -x /usr/bin/python3 ] && /usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null; }

if [ "$1" != venv ]; then
    [ "$(id -u)" = 0 ] || refuse "you are not root"
    # shellcheck disable=SC2015 # `refuse` is for whichever of the two fails
    [ -e /etc/debian_version ] && command -v apt-get >/dev/null || refuse "this is not Debian"
fi

# Always the system's Python: one below a private home could not be read by the accounts that run the service.
if ! works; then
    # shellcheck disable=SC2015 # as above
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || refuse "/usr/bin/python3 lacks the venv module"
    echo "Installing python3 and python3-venv"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends python3 python3-venv >/dev/null
fi
/usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || refuse "/usr/bin/python3 is older than 3.11"

exec /usr/bin/python3 -B -m sandbox "$@"
