"""What the commands of spot-ca share: the CA's folder, the passphrase, and the options that several of them take."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec

from ca.issue import Issuer
from ca.lifetimes import MAX_DAYS
from ca.passphrase import read_passphrase
from ca.profiles import ISSUING, KeyType
from ca.vault import Vault, check_vault, open_vault, read_lifetimes

ENV_NAME: Final = "SPOT_CA_PASSPHRASE"

F = TypeVar("F", bound=Callable[..., Any])


class Settings(msgspec.Struct, frozen=True):
    """What stands before the command: the CA's folder, where the passphrase comes from, and where the issuing key lies
    if not in the folder."""

    folder: Path
    passphrase_file: Path | None
    issuing_key: Path | None = None

    def passphrase(self, *, confirm: bool = False) -> str:
        """The passphrase; `confirm`: one is being chosen."""
        return read_passphrase(
            env=ENV_NAME,
            file=self.passphrase_file,
            prompt="Passphrase for the CA's keys",
            confirm=confirm,
            environ=os.environ,
            interactive=sys.stdin.isatty(),
        )

    @contextmanager
    def unlocking(self) -> Iterator[tuple[Vault, Callable[[str], Issuer]]]:
        """The open vault, and what gives a signer by its name; nobody is asked anything if the folder is no good."""
        with self.unlocking_with() as (vault, passphrase):
            yield vault, lambda authority: vault.unlock(authority, passphrase)

    @contextmanager
    def unlocking_with(self) -> Iterator[tuple[Vault, str]]:
        """The open vault, and the passphrase of its keys; as `unlocking`."""
        check_vault(self.folder)
        read_lifetimes(self.folder)
        passphrase = self.passphrase()
        with open_vault(self.folder, self.issuing_key) as vault:
            yield vault, passphrase

    @contextmanager
    def signer(self) -> Iterator[tuple[Vault, Issuer]]:
        """The open vault and its issuing CA, ready to sign."""
        with self.unlocking() as (vault, unlock):
            yield vault, unlock(ISSUING.name)


def utc_now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


def key_type_option(command: F) -> F:
    """The option `--key-type`, passed on as `key_type: str`, a value of `KeyType`."""
    return click.option(
        "--key-type",
        type=click.Choice([key_type.value for key_type in KeyType]),
        default=KeyType.RSA2048.value,
        show_default=True,
        help="Kind of key to make.",
    )(command)


def days_option(command: F) -> F:
    """The option `--days`, passed on as `days: int | None`."""
    return click.option(
        "--days",
        type=click.IntRange(1, MAX_DAYS),
        help="How long the certificate is good.  [default: as in lifetimes.toml of the CA's folder]",
    )(command)


def json_option(command: F) -> F:
    """The option `--json`, passed on as `as_json: bool`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document, and nothing else.")(command)


def dry_run_option(command: F) -> F:
    """The option `--dry-run`, passed on as `dry_run: bool`."""
    return click.option(
        "--dry-run", is_flag=True, help="Show what would be done, and change nothing; needs no passphrase."
    )(command)
