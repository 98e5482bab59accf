"""The service with user certificates that expire two seconds after the login."""

import datetime as dt

from clusters.ssh import certificates
from submitter.wsgi import application as application  # noqa: PLC0414 - what gunicorn loads

certificates.LIFETIME = certificates.BACKDATED + dt.timedelta(seconds=2)
