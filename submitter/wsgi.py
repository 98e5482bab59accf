"""The WSGI application that the web server loads."""

import os

from django.core.wsgi import get_wsgi_application

from submitter.requestid import with_request_id

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "submitter.settings")

application = with_request_id(get_wsgi_application())
