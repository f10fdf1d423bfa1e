"""The doors of the site: the admin, the API with its document, and the health page."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularSwaggerView

from config.document import DocumentView
from config.health import health

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("health/", health, name="health"),
    path("api/v1/", include("marketdata.api.urls")),
    path("api/v1/", include("accounts.api.urls")),
    path("api/v1/", include("portfolio.api.urls")),
    path("api/v1/", include("trading.api.urls")),
    path("alpaca/", include("trading.api.alpaca.urls")),
    path("api/schema/", DocumentView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(), name="docs"),
]

handler400 = "config.api.bad_request"
handler403 = "config.api.permission_denied"
handler404 = "config.api.not_found"
handler500 = "config.api.server_error"
