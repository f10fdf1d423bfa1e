"""The door of the site and the API for a WSGI server."""

import gc
import os

from django.core.wsgi import get_wsgi_application

from config import embedded
from config.bodies import bounded

embedded.provide()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = bounded(get_wsgi_application())
gc.freeze()  # what is loaded stays: nobody looks for garbage in it with every few requests
