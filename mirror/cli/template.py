"""The mirror.toml that `init` writes."""

from typing import Final

TOML: Final = """\
# The configuration of spot-mirror. Paths are relative to this file's folder. An unknown key is an error.

# The realm of the certificates, as given to 'spot-ca init --realm'.
realm = {realm}

# Records, catalogue, releases and logs: one folder, for the mirror's own user only.
data = {data}

# What signs and publishes, and 'serve' never opens.
[publishing]
# The folder that knows the keys of people. Their private keys may lie elsewhere.
keys = {keys}
{online}# The passphrase of the keys, if it is to be read from a file (mode 0600) and not asked for:
# passphrase_file = "passphrase"
# A file on another disk in which it is written down how far the catalogue has gone: 'restore' needs it.
# high_water = "/mnt/elsewhere/high-water.json"
# Level of zstd, 1 to 22: releases are compressed once and fetched often.
level = 19

# How long the catalogue's statements hold once they are signed.
[lifetimes]
root_days = 365
targets_days = 365
products_days = 365
snapshot_days = 7
timestamp_days = 3
# How often 'spot-mirror catalogue-timer' signs the timestamp anew.
timestamp_every_hours = 6

# The listener that clients talk to, with certificates of 'spot-ca'.
[content]
listen = {listen}
# The server's certificate, and its key (PEM, not encrypted, mode 0600).
certificate = {certificate}
key = {key}
# The issuing CAs whose clients may connect, and their certificate revocation lists.
issuing_cas = {issuing_cas}
crls = {crls}
# The oldest TLS spoken, "1.2" or "1.3".
min_tls = "1.2"
# Days for which a lapsed revocation list still counts.
crl_grace_days = 7
# Seconds that running downloads get after SIGTERM.
drain_seconds = 30
# Whether the audit log names the callers' addresses.
log_addresses = false

# The listener of health and metrics, for balancers and Prometheus. Without this table there is none.
# [health]
# listen = "127.0.0.1:9109"
# The token to be shown, in a file (mode 0600); without it, only 127.0.0.1 and [::1] can be listened on.
# token_file = "health-token"
"""


ONLINE: Final = """\
# The folder of the keys for snapshot and timestamp, which 'spot-mirror catalogue-timer' alone uses, and the passphrase
# of these, if it is to be read from a file (mode 0600).
online_keys = {folder}
# online_passphrase_file = "online-passphrase"
"""
