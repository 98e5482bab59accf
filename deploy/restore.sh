#!/bin/sh
# Reads a file of backup.sh into an empty database: restore.sh FILE, with the owner's DATABASE_URL in the environment.
# Before that, `systemctl stop 'job-submitter*'`. All of it is restored, or nothing.
set -eu
here=$(dirname "$0")
"$here/pgclient.py" pg_restore --exit-on-error --single-transaction --no-owner "$1"
# The application's role has been given more than the dump says: see there.
"$here/pgclient.py" psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --file="$here/../audit/privileges.sql"
