"""The WSGI application that the web server loads."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from submitter.http.content_type import with_readable_content_type
from submitter.http.forwarded import with_reverse_proxies
from submitter.http.last_resort import with_faults_answered
from submitter.http.request_id import with_request_id

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "submitter.settings")

application = with_faults_answered(with_readable_content_type(get_wsgi_application()))
application = with_reverse_proxies(with_request_id(application), settings.REVERSE_PROXIES)
