"""The WSGI entry point."""

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registryui.settings")
application = get_wsgi_application()

# A hundred thousand objects that are here to stay: without this, one page in some hundred waits while the collector
# looks at all of them. The pages are loaded first, since that happens with the first request otherwise.
_ = get_resolver().url_patterns
gc.collect()
gc.freeze()
