"""The service with user certificates that expire two seconds after the login."""

import datetime as dt

from clusters import authority
from submitter.wsgi import application as application  # noqa: PLC0414 - what gunicorn loads

authority.LIFETIME = authority.BACKDATED + dt.timedelta(seconds=2)
