"""Whether a service is well, for `compose.yaml`: `python health.py <service>`; its exit status is 0 then.

It imports nothing of Airflow, whose import takes seconds of CPU time.
"""

import json
import os
import sys
from urllib.request import urlopen

API = "http://api-server:8080/api/v2/monitor/health"
TIMEOUT_SECONDS = 10
SERVED = {
    "aws": "http://localhost:5000/moto-api/",
    "api": "http://localhost:8900/health",
    "api-server": "http://localhost:8080/api/v2/monitor/health",
    "scheduler": "http://localhost:8974/health",
}
"""What answers once the service itself does."""

SIMULATOR_AT_WORK = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'simulator' AND usename = user"


def simulator_is_at_work() -> bool:
    """Whether the simulator has a connection to the source."""
    import psycopg

    with psycopg.connect(os.environ["TOTESYS_URL"], application_name="health") as source:
        return source.execute(SIMULATOR_AT_WORK).fetchone() != (0,)


def component_is_healthy(component: str) -> bool:
    """Whether Airflow has heard of its component lately."""
    with urlopen(API, timeout=TIMEOUT_SECONDS) as answer:
        return json.load(answer)[component]["status"] == "healthy"


def is_well(service: str) -> bool:
    """Take a service's name in compose.yaml; return whether it works. An error says no as well."""
    if service == "simulator":
        return simulator_is_at_work()
    if service in SERVED:
        with urlopen(SERVED[service], timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            return answer.status == 200
    return component_is_healthy(service.replace("-", "_"))


if __name__ == "__main__":
    sys.exit(not is_well(sys.argv[1]))
