#!/bin/sh
# Writes the whole registry into one file: backup.sh FILE, with the owner's DATABASE_URL in the environment.
# PostgreSQL is the only place that has to be kept: Redis may be lost at any moment.
set -eu
umask 077
trap 'rm -f "$1.part"' EXIT
"$(dirname "$0")/pgclient.py" pg_dump --format=custom --no-owner --file="$1.part"
mv "$1.part" "$1"
