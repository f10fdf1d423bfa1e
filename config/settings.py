"""Settings of every process, all from the environment; anything odd stops the boot."""

import re
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy

from config.providers import allowed_hosts, providers
from config.unfold import UNFOLD  # noqa: F401  how the admin looks

BASE_DIR = Path(__file__).resolve().parent.parent
INSECURE_KEY = "development-only-" + "not-a-secret-" * 4

env = environ.Env()
if (BASE_DIR / ".env").exists():
    env.read_env(BASE_DIR / ".env")

VAR = Path(env.str("BEDROCK_VAR", default=str(BASE_DIR / "var")))

# --- which world this is ------------------------------------------------------------------------
ENVIRONMENT = env.str("BEDROCK_ENV", default="development")
if ENVIRONMENT not in {"development", "production"}:
    raise ImproperlyConfigured("BEDROCK_ENV must be development or production.")
PRODUCTION = ENVIRONMENT == "production"
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default=INSECURE_KEY)
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])  # what was encrypted under a former one can still be read
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[] if PRODUCTION else ["localhost", "127.0.0.1", "[::1]", "testserver"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
if PRODUCTION:
    if DEBUG:
        raise ImproperlyConfigured("DEBUG must be off in production: unset DEBUG or set it to false.")
    if SECRET_KEY == INSECURE_KEY or len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 5:  # noqa: PLR2004
        raise ImproperlyConfigured("SECRET_KEY must be a secret of at least 50 random characters in production.")
    if not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS:
        raise ImproperlyConfigured("ALLOWED_HOSTS must name the hosts that are served in production; * is refused.")

# --- the database: one server, three roles ------------------------------------------------------
# `default` owns nothing and row-level security holds for it; `system` serves jobs over many accounts; `owner` migrates.
if not env.str("DATABASE_URL", default=""):
    raise ImproperlyConfigured(
        "DATABASE_URL is not set. Start through manage.py, make or `python -m config.stack`, which provide the embedded server."
    )


def _database(variable: str, group_role: str) -> dict[str, Any]:
    """Return the connection of one role; where only DATABASE_URL is given, its login assumes the role."""
    own = env.str(variable, default="")
    database: dict[str, Any] = env.db_url_config(own or env.str("DATABASE_URL"))
    if database["ENGINE"] != "django.db.backends.postgresql":
        raise ImproperlyConfigured(f"{variable} must be a postgres:// URL; no other database is supported.")
    options = database.setdefault("OPTIONS", {})
    if not env.str("DATABASE_OWNER_URL", default="") and group_role:
        options["options"] = f"-c role={group_role}"
    if env.bool("DATABASE_PREPARES", default=True):
        options["prepare_threshold"] = 0  # at once: who asks for it means it
    database |= {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}
    return database


DATABASES = {
    "default": _database("DATABASE_URL", "bedrock_app") | {"ATOMIC_REQUESTS": True},
    "system": _database("DATABASE_SYSTEM_URL", "bedrock_system"),
    "owner": _database("DATABASE_OWNER_URL", ""),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis: the broker and the cache; nothing in it is ever the only copy ------------------------
REDIS_URL = env.str("REDIS_URL", default="")
if not REDIS_URL:
    raise ImproperlyConfigured("REDIS_URL is not set. Start through manage.py, make or `python -m config.stack`.")
_REDIS_BASE = REDIS_URL.rstrip("/") if REDIS_URL.count("/") == 2 else REDIS_URL.rsplit("/", 1)[0]  # noqa: PLR2004
CACHES = {
    "default": {
        "BACKEND": "config.cache.ForgivingRedisCache",
        "LOCATION": f"{_REDIS_BASE}/1",
        "KEY_PREFIX": env.str("CACHE_PREFIX", default="bedrock"),
        "REST": 5.0,  # seconds in which it is not asked again after a failure
        "OPTIONS": {
            "serializer": "config.cache.JsonSerializer",
            "socket_timeout": env.int("CACHE_TIMEOUT", default=2),
            "socket_connect_timeout": env.int("CACHE_TIMEOUT", default=2),
        },
    }
}
CACHE_SECONDS = {  # how long the values of each namespace are kept
    "quote": env.int("CACHE_SECONDS_QUOTE", default=300),
    "perf": env.int("CACHE_SECONDS_PERF", default=600),
    "analysis": env.int("CACHE_SECONDS_ANALYSIS", default=3600),
}
if not all(seconds > 0 for seconds in CACHE_SECONDS.values()):
    raise ImproperlyConfigured("CACHE_SECONDS_QUOTE, CACHE_SECONDS_PERF and CACHE_SECONDS_ANALYSIS must be above 0.")
CACHE_LARGEST = env.int("CACHE_LARGEST", default=1_000_000)  # bytes of one value
CACHE_WAIT = 2.0  # seconds that one waits for another who computes the same
CACHE_LOCK = 30.0  # seconds that one may compute while others take it to be alive
CELERY_BROKER_URL = f"{_REDIS_BASE}/0"

# --- the site -----------------------------------------------------------------------------------
INSTALLED_APPS = [
    "config.apps.ConfigConfig",
    "unfold.apps.BasicAppConfig",  # the other config of Unfold would replace our site
    "unfold.contrib.filters",
    "config.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "marketdata",
    "accounts",
    "portfolio",
    "trading",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.RequestId",
    "django.middleware.http.ConditionalGetMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.middleware.ActingUser",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "static/"
STATIC_ROOT = VAR / "static"
STATICFILES_DIRS = [BASE_DIR / "config" / "static"]
WHITENOISE_USE_FINDERS = not PRODUCTION
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = "config.display"  # days and times as ISO 8601 writes them

# --- people and their sessions ------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = reverse_lazy("admin:login")
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = PRODUCTION
SECURE_REDIRECT_EXEMPT = [r"^health/$"]
SECURE_HSTS_SECONDS = 31_536_000 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000

# --- the API ------------------------------------------------------------------------------------
RATES = {
    "caller": env.str("API_RATE", default="1200/min"),
    "nobody": env.str("API_RATE_ANONYMOUS", default="60/min"),
    "login": env.str("API_RATE_LOGIN", default="10/min"),
}
for name, rate in zip(("API_RATE", "API_RATE_ANONYMOUS", "API_RATE_LOGIN"), RATES.values(), strict=True):
    if not re.fullmatch(r"[1-9]\d*/(s|sec|second|m|min|minute|h|hour|d|day)", rate):
        raise ImproperlyConfigured(f"{name} must be a number for a time, such as 1200/min.")
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "config.authentication.BearerAuthentication",
        "config.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["config.authentication.ScopedPermission", "config.filters.KnownParameters"],
    "DEFAULT_PAGINATION_CLASS": "config.pagination.KeysetPagination",
    "DEFAULT_FILTER_BACKENDS": ["config.filters.StrictFilterBackend"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "config.formats.Negotiation",
    "DEFAULT_PARSER_CLASSES": ["config.formats.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["config.formats.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "config.schema.Schema",
    "DEFAULT_THROTTLE_CLASSES": ["config.throttles.CallerThrottle"],
    "DEFAULT_THROTTLE_RATES": RATES,
    "DEFAULT_METADATA_CLASS": "config.formats.NoMetadata",
    "URL_FORMAT_OVERRIDE": None,
    "NUM_PROXIES": 1 if BEHIND_PROXY else 0,
    "EXCEPTION_HANDLER": "config.api.handle_exception",
    "COERCE_DECIMAL_TO_STRING": True,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Bedrock",
    "DESCRIPTION": "Portfolio and trading records: an append-only ledger, and every figure derived from it.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "AccountKind": "accounts.models.AccountKind",
        "ActionKind": "marketdata.domain.actions.ActionKind",
        "CostBasisMethod": "accounts.models.CostBasisMethod",
        "EntryKind": "accounts.domain.ledger.EntryKind",
        "ImportStatus": "accounts.models.ImportStatus",
        "JobKind": "accounts.models.JobKind",
        "PolicyKind": "accounts.models.PolicyKind",
        "RunOutcome": "accounts.models.RunOutcome",
        "TradeOutcome": "trading.domain.trade_records.OUTCOMES",
    },
}

# --- market data --------------------------------------------------------------------------------
PROVIDER_HOSTS = allowed_hosts(env)
MARKETDATA_PROVIDERS: dict[str, dict[str, Any]] = providers(env, hosts=PROVIDER_HOSTS, var=VAR)

# live feeds: where the gaps of one are filled from is the provider of its name, or the one that `history` names
MARKETDATA_STREAMS: dict[str, dict[str, Any]] = {
    "alpaca": {
        "class": "marketdata.adapters.alpaca_stream.AlpacaStream",
        "url": env.str(
            "ALPACA_STREAM_URL", default=f"wss://stream.data.alpaca.markets/v2/{env.str('ALPACA_FEED', default='iex')}"
        ),
        "encoding": env.str("ALPACA_STREAM_ENCODING", default="json"),
        "key_id": env.str("ALPACA_KEY_ID", default=""),
        "secret_key": env.str("ALPACA_SECRET_KEY", default=""),
    },
}
# --- trading ------------------------------------------------------------------------------------
# where brokers are: an account's own keys, and whether it trades live, are in its connection
BROKERS: dict[str, dict[str, str]] = {
    "alpaca": {
        "paper_url": env.str("ALPACA_TRADING_URL", default="https://paper-api.alpaca.markets"),
        "live_url": env.str("ALPACA_LIVE_URL", default="https://api.alpaca.markets"),
    },
}
# how orders are filled on paper; see trading.domain.paper.Model
PAPER_TRADING: dict[str, Any] = {"seed": 1}
# where pictures of trades are kept: named by ids alone, and served to members only; back it up with the database
ATTACHMENTS = Path(env.str("ATTACHMENTS", default=str(VAR / "attachments")))

# where the ASGI process is that streams, and whose pages may listen to it; `:8001` is a port of the host that was asked
STREAM_URL = env.str("STREAM_URL", default="")
STREAM_ORIGINS = env.list("STREAM_ORIGINS", default=[])

# Days that are over leave the database for files: in a folder, or in a bucket of any service that speaks S3. What is not set
# of the bucket is found as the service's own tools find it.
ARCHIVE_URL = env.str("ARCHIVE_URL", default=(VAR / "archive").absolute().as_uri())
ARCHIVE_S3 = {
    "endpoint": env.str("ARCHIVE_S3_ENDPOINT", default=""),
    "region": env.str("ARCHIVE_S3_REGION", default=""),
    "access_key_id": env.str("ARCHIVE_S3_KEY", default=""),
    "secret_access_key": env.str("ARCHIVE_S3_SECRET", default=""),
}
ARCHIVE_KEEP_DAYS = env.int("ARCHIVE_KEEP_DAYS", default=2)  # so many days that are over stay where late trades are cheap
if ARCHIVE_KEEP_DAYS < 0:
    raise ImproperlyConfigured("ARCHIVE_KEEP_DAYS must not be negative; 0 archives every day as soon as it is over.")

# how strictly the quality rules are applied, by source: OFF, WARN or STRICT; `default` is for all others
# (bars that we roll up ourselves are made of rows that have kept the rules)
MARKETDATA_QUALITY: dict[str, str] = {"rollup": "OFF"} | env.dict("MARKETDATA_QUALITY", default={"default": "STRICT"})
# of what bars are rolled up as it comes in: ticks, quotes (where an instrument has no ticks), both or none
MARKETDATA_ROLLUP = env.list("MARKETDATA_ROLLUP", default=["ticks", "quotes"])
if unknown := set(MARKETDATA_ROLLUP) - {"ticks", "quotes"}:
    raise ImproperlyConfigured(f"MARKETDATA_ROLLUP takes ticks and quotes, not {', '.join(sorted(unknown))}.")
# rules and cross-record checks of your own: modules that hold them, or one each
MARKETDATA_RULES = env.list("MARKETDATA_RULES", default=[])
CHECK_POSITIONS_SECONDS = 120  # how long the nightly check derives accounts anew; those it has no time for have another night
MARKETDATA_CHECKS = ["portfolio.services.checks.POSITIONS_FOLLOW", *env.list("MARKETDATA_CHECKS", default=[])]

# ways of trading of your own, beside those of the house: classes, as `module.Name`
STRATEGIES = env.list("STRATEGIES", default=[])

# a currency rate that is carried forward further than this many days is called stale
FX_STALE_DAYS = env.int("FX_STALE_DAYS", default=7)
if FX_STALE_DAYS < 0:
    raise ImproperlyConfigured("FX_STALE_DAYS must be a number of days, 0 or above.")

# addresses that are told what happens in an account: those of this machine and of private networks only where this is on
WEBHOOKS_TO_PRIVATE_NETWORKS = env.bool("WEBHOOKS_TO_PRIVATE_NETWORKS", default=False)
if PRODUCTION and WEBHOOKS_TO_PRIVATE_NETWORKS:
    raise ImproperlyConfigured("WEBHOOKS_TO_PRIVATE_NETWORKS is for development: whoever owns an account could ask your network.")

# --- mail ---------------------------------------------------------------------------------------
vars().update(env.email_url("EMAIL_URL", default="consolemail://"))  # without a server, mails are written to the log
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("MAIL_FROM", default="bedrock@localhost")
SITE_URL = env.str("SITE_URL", default="").rstrip("/")  # what links in mails begin with

# --- scheduled jobs: the task that does each kind (by name: floors below don't know those above) ---
JOB_TASKS = {
    "SNAPSHOT": "portfolio.tasks.run_snapshots",
    "REFRESH": "accounts.tasks.run_refreshes",
    "ACTIONS": "portfolio.tasks.run_corporate_actions",
    "STRATEGIES": "trading.tasks.run_strategies",
}

# --- an account as a ZIP: what is added of floors that accounts does not know ---
ACCOUNT_ZIP = {
    "instruments": "trading.selectors.account_zip.instruments_of",
    "write": "trading.selectors.account_zip.write_parts",
    "take": "trading.services.account_zip.take_parts",
}

# --- before an account trades on paper no longer, or live no longer, and before it is closed: who has to agree ---
BEFORE_MODE_CHANGES = "trading.services.connections.refuse_other_mode_of_orders"
BEFORE_CLOSING = "trading.services.connections.refuse_closing_over_orders"

# --- logs ---------------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "config.logs.RequestIdFilter"}},
    "formatters": {"line": {"format": "{asctime} {levelname} {name} [{request_id}] {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request_id"]}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {"django.server": {"level": "WARNING"}},
}
