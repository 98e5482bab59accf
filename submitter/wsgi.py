"""The WSGI application that the web server loads."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from submitter.contenttype import with_readable_content_type
from submitter.frontserver import with_front_servers
from submitter.lastresort import with_faults_answered
from submitter.requestid import with_request_id

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "submitter.settings")

application = with_faults_answered(with_readable_content_type(get_wsgi_application()))
application = with_front_servers(with_request_id(application), settings.FRONT_SERVERS)
