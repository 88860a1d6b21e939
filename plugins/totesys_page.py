"""The page "Warehouse" in Airflow's UI."""

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

PATH = "/totesys"


class TotesysPage(AirflowPlugin):
    """Adds the page to the navigation, and serves it."""

    name = "totesys_warehouse"
    external_views = [  # noqa: RUF012 - as Airflow declares it
        {
            "name": "Warehouse",
            "href": f"{PATH.lstrip('/')}/",  # relative: the UI may lie under a path of its own
            "destination": "nav",
            "url_route": "totesys",
            "icon": f"{PATH.lstrip('/')}/icon.svg",
            "icon_dark_mode": f"{PATH.lstrip('/')}/icon-dark.svg",
        }
    ]

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The page's application; only an API server asks for it, and workers are spared its imports."""
        from totesys_status.web import make_app

        return [{"name": "ToteSys warehouse", "app": make_app(), "url_prefix": PATH}]
