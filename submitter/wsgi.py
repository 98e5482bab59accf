"""The WSGI application that the web server loads."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from submitter.frontserver import with_client_address
from submitter.requestid import with_request_id

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "submitter.settings")

application = with_client_address(with_request_id(get_wsgi_application()), settings.FRONT_SERVERS)
