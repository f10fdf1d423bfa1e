"""How the admin looks, and what its navigation leads to."""

from functools import cache, partial
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import get_script_prefix, reverse_lazy


def operator(request: HttpRequest) -> bool:
    """Say whether the navigation shows what operators do."""
    return request.user.is_active and (request.user.is_staff or request.user.is_superuser)


def superuser(request: HttpRequest) -> bool:
    """Say whether the navigation shows what superusers do."""
    return request.user.is_active and request.user.is_superuser


def to_list(model: str, title: str, icon: str, permission: Any = None) -> dict[str, Any]:
    """Return the entry of a model's list in the navigation."""
    entry = {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{model}_changelist")}
    return entry | ({"permission": permission} if permission else {})


NAVIGATION: list[dict[str, Any]] = [
    {
        "items": [{"title": "Overview", "icon": "monitoring", "link": reverse_lazy("admin:index")}],
    },
    {
        "title": "Portfolio",
        "items": [
            to_list("accounts_account", "Accounts", "account_balance"),
            to_list("accounts_ledgerentry", "Ledger", "receipt_long"),
            to_list("portfolio_position", "Positions", "pie_chart"),
            to_list("portfolio_lot", "Lots", "layers"),
            to_list("portfolio_closure", "Closed lots", "task_alt"),
            to_list("portfolio_snapshot", "Daily values", "calendar_month"),
            to_list("portfolio_performance", "Returns", "trending_up"),
            {"title": "Targets", "icon": "target", "link": reverse_lazy("admin:targets")},
            {"title": "Reports", "icon": "summarize", "link": reverse_lazy("admin:reports")},
            to_list("accounts_importbatch", "Imports", "upload_file"),
            to_list("accounts_accountimport", "Whole accounts", "folder_zip"),
        ],
    },
    {
        "title": "Plans",
        "collapsible": True,
        "items": [
            to_list("accounts_targetallocation", "Allocations", "donut_small"),
            to_list("accounts_taxonomy", "Taxonomies", "category"),
            to_list("accounts_classification", "Classifications", "label"),
            to_list("accounts_policy", "Bounds", "gavel"),
            to_list("accounts_tradethresholds", "Bounds of trades", "notification_important"),
            to_list("portfolio_alert", "Alerts", "warning"),
        ],
    },
    {
        "title": "Trading",
        "collapsible": True,
        "items": [
            to_list("trading_strategy", "Strategies", "psychology"),
            to_list("trading_session", "Sessions", "play_circle"),
            to_list("trading_evaluation", "Bars looked at", "candlestick_chart"),
            to_list("trading_signal", "Signals", "sensors"),
            to_list("trading_decision", "Decisions", "psychology_alt"),
            {"title": "New order", "icon": "add_shopping_cart", "link": reverse_lazy("admin:trading_order_ticket")},
            to_list("trading_order", "Orders", "list_alt"),
            to_list("trading_fill", "Fills", "done_all"),
            to_list("trading_trade", "Journal", "menu_book"),
            {"title": "Risk", "icon": "shield", "link": reverse_lazy("admin:trading_riskevent_desk")},
            to_list("trading_riskevent", "Risk events", "gpp_maybe"),
            to_list("trading_tradingpause", "Pauses", "pause_circle"),
            to_list("trading_backtestrun", "Backtests", "history"),
            to_list("trading_brokerconnection", "Brokers", "link"),
            to_list("trading_break", "Breaks", "difference"),
            to_list("trading_webhook", "Webhooks", "webhook"),
            to_list("trading_delivery", "Deliveries", "outbox"),
        ],
    },
    {
        "title": "Market data",
        "collapsible": True,
        "items": [
            to_list("marketdata_instrument", "Instruments", "sell"),
            to_list("marketdata_bar", "Bars", "candlestick_chart"),
            to_list("marketdata_quote", "Quotes", "swap_vert"),
            to_list("marketdata_tick", "Ticks", "point_of_sale"),
            to_list("marketdata_fxrate", "FX rates", "currency_exchange"),
            to_list("marketdata_corporateaction", "Corporate actions", "call_split"),
            to_list("marketdata_pricehistory", "Price reach", "straighten"),
            to_list("marketdata_fxhistory", "Rate reach", "straighten"),
            to_list("marketdata_archivesegment", "Archive", "inventory_2"),
            to_list("marketdata_qualityissue", "Quality issues", "rule"),
            to_list("marketdata_providerhealth", "Providers", "cloud_download", "config.unfold.operator"),
            to_list("marketdata_providerstate", "Fetched series", "cloud_sync", "config.unfold.operator"),
            to_list("marketdata_streamstate", "Live feeds", "stream", "config.unfold.operator"),
        ],
    },
    {
        "title": "People and jobs",
        "collapsible": True,
        "items": [
            to_list("accounts_membership", "Members", "group"),
            to_list("accounts_job", "Jobs", "schedule"),
            to_list("accounts_jobrun", "Job runs", "history"),
            to_list("portfolio_projection", "Derivation", "sync"),
            to_list("accounts_importtemplate", "Import templates", "view_column"),
            to_list("accounts_instrumentanswer", "Import answers", "question_answer"),
            to_list("accounts_watchlist", "Watchlists", "visibility"),
            to_list("accounts_notification", "Notifications", "notifications"),
            to_list("accounts_apitoken", "API tokens", "key"),
        ],
    },
    {
        "title": "Operation",
        "items": [
            to_list("accounts_user", "Users", "manage_accounts", "config.unfold.superuser"),
            {
                "title": "Cache",
                "icon": "bolt",
                "link": reverse_lazy("admin:cache"),
                "permission": "config.unfold.operator",
            },
            {
                "title": "Health",
                "icon": "ecg_heart",
                "link": reverse_lazy("admin:health"),
                "permission": "config.unfold.superuser",
            },
        ],
    },
]


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the navigation; what each user sees of it, and where they are, Unfold works out of a copy."""
    return _addressed(get_script_prefix())


@cache
def _addressed(prefix: str) -> list[dict[str, Any]]:
    """Return the navigation with its addresses below a prefix of the site, which every page asks for many times over."""
    links = tuple(str(item["link"]) for group in NAVIGATION for item in group["items"])
    left = iter(links)
    return [group | {"items": [item | _entry(links, next(left)) for item in group["items"]]} for group in NAVIGATION]


def _entry(links: tuple[str, ...], link: str) -> dict[str, Any]:
    """Return where an entry leads, and what says whether that is here."""
    return {"link": link, "active": partial(_is_here, links, link)}


def _is_here(links: tuple[str, ...], link: str, request: HttpRequest) -> bool:
    """Say whether an entry leads to the page at hand, and none leads nearer to it: a ticket is no list of orders."""
    start = str(reverse_lazy("admin:index"))
    leading = [each for each in links if request.path == each or (each != start and request.path.startswith(each))]
    return bool(leading) and link == max(leading, key=len)


def profile(request: HttpRequest) -> str:
    """Return the address of the user's own profile."""
    return str(reverse_lazy("admin:accounts_user_change", args=[request.user.pk]))


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Bedrock",
    "SITE_HEADER": "Bedrock",
    "SITE_SUBHEADER": "Portfolio and trading records",
    "SITE_URL": None,
    "SITE_ICON": lambda request: static("bedrock/icon.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("bedrock/icon.svg")}],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "8px",
    "STYLES": [lambda request: static("bedrock/bedrock.css")],
    "SCRIPTS": [lambda request: static("bedrock/bedrock.js")],
    "ACCOUNT": {"navigation": [{"title": "Profile", "link": profile}]},
    "COLORS": {
        "primary": {
            "50": "oklch(97.7% .013 236.6)",
            "100": "oklch(95.1% .026 236.8)",
            "200": "oklch(90.1% .058 230.9)",
            "300": "oklch(82.8% .111 230.3)",
            "400": "oklch(74.6% .16 232.7)",
            "500": "oklch(62.5% .155 245)",
            "600": "oklch(54.5% .17 252)",
            "700": "oklch(48.5% .165 254)",
            "800": "oklch(42.4% .14 256)",
            "900": "oklch(37.9% .11 258)",
            "950": "oklch(28.2% .08 260)",
        },
    },
    "SIDEBAR": {"show_search": False, "command_search": False, "show_all_applications": False, "navigation": navigation},
}
