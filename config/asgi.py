"""The door of the site and the API for an ASGI server."""

import os

from django.core.asgi import get_asgi_application

from config import embedded

embedded.provide()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_asgi_application()
