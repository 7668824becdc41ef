"""One file of settings, from the environment (``REGISTRYUI_…``, see docs/settings.md), safe by default."""

import os
from pathlib import Path

from django.utils.csp import CSP

from registryui.environment import database, flag, mailer, secret_key, words

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(os.environ.get("REGISTRYUI_DATA_DIR", str(BASE_DIR / "var"))).resolve()

DEBUG = flag("REGISTRYUI_DEBUG", default=False)
SECRET_KEY = secret_key(DATA_DIR)
ALLOWED_HOSTS = words("REGISTRYUI_ALLOWED_HOSTS", default="localhost 127.0.0.1 [::1]")
CSRF_TRUSTED_ORIGINS = words("REGISTRYUI_TRUSTED_ORIGINS", default="")

INSTALLED_APPS = [
    "registryui.apps.RegistryUI",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "django_tasks_db",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.gzip.GZipMiddleware",  # it pads at random, and form tokens are masked anew each time
    "whitenoise.middleware.WhiteNoiseMiddleware",  # below, so that styles and scripts are sent compressed as well
    "registryui.middleware.RequestId",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "registryui.urls"
ASGI_APPLICATION = "registryui.asgi.application"
WSGI_APPLICATION = "registryui.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["django.templatetags.i18n"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "registryui.context.dashboard",
            ],
        },
    },
]

DATABASES = {"default": database(DATA_DIR)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default"]}}

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 300}}}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "registries"
LOGOUT_REDIRECT_URL = "login"

# What is not a page - the record, plans, logs, e-mail - is in this language (docs/decisions/0018-languages.md).
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "registryui" / "locale"]
FORMAT_MODULE_PATH = "registryui.locale"
LANGUAGE_COOKIE_NAME = "registryui_language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
TIME_ZONE = os.environ.get("REGISTRYUI_TIME_ZONE", "UTC")
USE_TZ = True
USE_I18N = True

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
STATICFILES_DIRS = [BASE_DIR / "static"]
# Files are served as they lie in `static/`; their names need no build step.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

# ---- security ---------------------------------------------------------------------------------------------

SECURE_CSP = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
}
HTTPS = flag("REGISTRYUI_HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = int(os.environ.get("REGISTRYUI_HSTS_SECONDS", "31536000" if HTTPS else "0"))
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = bool(SECURE_HSTS_SECONDS)
if flag("REGISTRYUI_BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_NAME = "registryui_session"
CSRF_COOKIE_NAME = "registryui_csrf"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024
#: A proposal may name this many references at once.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000

#: Whether admins may enter commands that the worker runs to stop and start a registry.
ALLOW_COMMANDS = flag("REGISTRYUI_ALLOW_COMMANDS", default=False)

#: Seconds without a sign of life after which a scan or a run is taken over by another worker.
LEASE_BEAT_SECONDS = 0.5  # how often a worker writes its progress down
LEASE_SECONDS = int(os.environ.get("REGISTRYUI_LEASE_SECONDS", "30"))

#: How often engines and clusters are asked what they run.
IN_USE_SECONDS = int(os.environ.get("REGISTRYUI_IN_USE_SECONDS", "300"))

#: Where the dashboard is opened, for links in e-mail.
BASE_URL = os.environ.get("REGISTRYUI_URL", "http://localhost:8000").rstrip("/")
#: E-mail is sent when there is somebody to send it from, through the server of the URL.
EMAIL_FROM = os.environ.get("REGISTRYUI_EMAIL_FROM", "")
MAILERS = {"default": mailer(os.environ.get("REGISTRYUI_EMAIL_URL", "smtp://localhost"))}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("REGISTRYUI_LOG_LEVEL", "WARNING")},
}
