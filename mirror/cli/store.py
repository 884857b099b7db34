"""What the commands about customers and their installations share: how the records are opened, and asked for one."""

from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import click

from mirror import config
from mirror.errors import NotThere
from mirror.records.protocol import Records
from mirror.records.sqlite import FILE_NAME, open_records
from spot_client.wire import names

WAIT_SECONDS: Final = 10.0
"""How long a command waits for others who write, before it says that the records are locked."""

customer_filter = click.option("--customer", "customer_name", metavar="CUSTOMER", help="Only this customer's.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document for programs.")


def records(config_path: Path) -> closing[Records]:
    """The records of the mirror with that configuration. Raises `ConfigError`, `NotThere`, `StoreFault`."""
    return closing(open_records(config.load(config_path).data_dir / FILE_NAME, wait_seconds=WAIT_SECONDS))


def check_customer(store: Records, name: str) -> None:
    """Refuse a customer who is not there. Raises `BadName`, `NotThere`."""
    names.check_id("customer", name)
    if name not in {line.name for line in store.customers()}:
        raise NotThere("no-customer", f"There is no customer {name}: 'spot-mirror customer list' shows all.")


def today() -> date:
    """Today in UTC, the day by which licences hold."""
    return datetime.now(UTC).date()
