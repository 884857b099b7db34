"""mirror.toml: what is read, and that nothing in it is ever passed over."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirror import config
from mirror.errors import ConfigError
from tests.hostile.needs import need_root

CONTENT = """
realm = "build.example.com"
[content]
listen = ["127.0.0.1:8443", "[::1]:8443"]
certificate = "tls/mirror.crt"
key = "/etc/spot-mirror/mirror.key"
issuing_cas = ["tls/issuing.crt"]
crls = ["tls/issuing.crl"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mirror.toml"


def refused(file: Path, text: str | bytes) -> ConfigError:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    assert str(file) in str(caught.value)
    return caught.value


def test_a_realm_alone_is_a_configuration_with_defaults_beside_the_file(file: Path) -> None:
    file.write_text('realm = "build.example.com"')
    loaded = config.load(file)
    assert loaded.realm == "build.example.com"
    assert loaded.data_dir == file.parent / "data"
    assert loaded.content is None
    assert loaded.publishing.keys == str(file.parent / "keys")
    assert loaded.publishing.passphrase_file is None


def test_relative_paths_are_those_beside_the_file_and_absolute_ones_stay(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(f'{CONTENT}\n[publishing]\npassphrase_file = "secret/passphrase"')
    monkeypatch.chdir(file.parent)
    loaded = config.load(Path(file.name))
    assert loaded.content is not None
    assert loaded.content.certificate == str(file.parent / "tls/mirror.crt")
    assert loaded.content.key == "/etc/spot-mirror/mirror.key"
    assert loaded.content.issuing_cas == (str(file.parent / "tls/issuing.crt"),)
    assert loaded.content.crls == (str(file.parent / "tls/issuing.crl"),)
    assert loaded.publishing.passphrase_file == str(file.parent / "secret/passphrase")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('raelm = "x"', "raelm"),
        (f"{CONTENT}listn = []", "listn"),
        ('realm = "build.example.com"\n[publishing]\npassphrase = "secret"', "passphrase"),
        (f"{CONTENT}[content.tls]\nmin = 1", "tls"),
    ],
)
def test_an_unknown_key_is_refused_by_name_at_every_level(file: Path, text: str, named: str) -> None:
    error = refused(file, text)
    assert error.reason == "bad-value"
    assert f"`{named}`" in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "realm = 1",
        'realm = "Build.Example.com"',
        'realm = "localhost"',
        'realm = "build.example.com"\ndata = ""',
        'realm = "build.example.com"\ndata = "a\\u0000b"',
        'realm = "build.example.com"\ndata = 2026-01-01',
        'realm = "build.example.com"\ncontent = []',
        'realm = "build.example.com"\n[content]',
        'realm = "build.example.com"\n[publishing]\nlevel = true',
        'realm = "build.example.com"\n[publishing]\nlevel = 7.0',
        'realm = "build.example.com"\n[publishing]\nlevel = 23',
        f"{CONTENT}drain_seconds = -1",
        f'{CONTENT}drain_seconds = "30"',
        f'{CONTENT}log_addresses = "no"',
        f'{CONTENT}min_tls = "1.1"',
        f"{CONTENT}crl_grace_days = {9 * 10**30}",
        CONTENT.replace("[::1]:8443", "[::1]:65536"),
        CONTENT.replace("[::1]:8443", "::1:8443"),
        CONTENT.replace("[::1]:8443", "localhost"),
        CONTENT.replace('["127.0.0.1:8443", "[::1]:8443"]', '"127.0.0.1:8443"'),
        CONTENT.replace('["tls/issuing.crl"]', "[]"),
    ],
)
def test_a_value_that_cannot_be_is_refused(file: Path, text: str) -> None:
    assert refused(file, text).reason == "bad-value"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[content.limits]\nhandshake_seconds = 0", "content.limits.handshake_seconds must be at least 1"),
        ("[content.limits]\nhandshake_seconds = 601", "content.limits.handshake_seconds must be at most 600"),
        ('[content.limits]\nhandshake_seconds = "9"', "content.limits.handshake_seconds must be a whole number"),
        ("[content.limits]\nhandshake_secs = 9", "`handshake_secs` under [content.limits] is no key: is"),
        ("[content.limits]\nhandshake_secs = 9", "is `handshake_seconds` meant?"),
        ("wrokers = 2", "`wrokers` under [content] is no key: is `workers` meant?"),
        ("[lifetimes]\nx = 2", "`x` under [lifetimes] is no key; there are root_days, targets_days,"),
        ("[helth]", "`helth` is no key: is `health` meant?"),
        ("[health]", "`listen` is missing under [health]"),
        ("workers = 0", 'content.workers must be a whole number from 1 to 256, or "auto"'),
        ('workers = "all"', 'content.workers must be a whole number from 1 to 256, or "auto"'),
        ("workers = 1.5", 'content.workers must be a whole number from 1 to 256, or "auto"'),
        ('min_tls = "1.1"', 'content.min_tls must be "1.2" or "1.3"'),
        ("min_tls = 1.2", 'content.min_tls must be "1.2" or "1.3"'),
        ('log_addresses = "no"', "content.log_addresses must be true or false"),
        ('proxies = "192.0.2.2"', "content.proxies must be a list, [...]"),
        ("proxies = [1]", "content.proxies[0] must be a text in quotes"),
        (f"proxies = {['::1'] * 65}", "content.proxies must have at most 64 entries"),
        ('proxies = ["balancer.example.com"]', "content.proxies[0] must be an address or a network"),
        ('[health]\nlisten = "localhost"', "health.listen must be an address with its port"),
        ("limits = []", "content.limits must be a table"),
        ('[publishing]\nkeys = ""', "publishing.keys must not be empty"),
        ('[publishing]\nkeys = "a\\u0000"', "Expected `str` matching regex"),
        (
            'proxies = ["10.0.0.1/8"]',
            "10.0.0.1/8 is an address with the size of a network: name 10.0.0.0/8, or 10.0.0.1",
        ),
        ('proxies = ["10.0.0.0/33"]', "content.proxies: '10.0.0.0/33' does not appear to be"),
        ('proxies = ["192.0.2.2", "0.0.0.0/0"]', "0.0.0.0/0 is everybody"),
        ('proxies = ["::/0"]', "::/0 is everybody"),
    ],
)
def test_the_usual_mistakes_are_told_in_plain_words(file: Path, text: str, said: str) -> None:
    error = refused(file, f"{CONTENT}{text}")
    assert error.reason == "bad-value"
    assert said in str(error)


def test_a_realm_that_is_missing_is_told_and_where_all_keys_are(file: Path) -> None:
    assert "`realm` is missing. docs/reference/configuration.md" in str(refused(file, ""))


@pytest.mark.parametrize(
    "text",
    [
        "realm",
        b'realm = "\xff"',
        'realm = "build.example.com"\nrealm = "other.example.com"',
        "realm = " + "9" * 5000,
        "realm = " + "[" * 50_000 + "]" * 50_000,
    ],
)
def test_what_is_not_toml_is_refused_however_deep_or_long(file: Path, text: str | bytes) -> None:
    assert refused(file, text).reason == "not-toml"


def test_a_file_is_read_up_to_its_largest_size_and_no_further(file: Path) -> None:
    head = 'realm = "build.example.com"\n#'
    file.write_text(head + "x" * (config.MAX_BYTES - len(head)))
    assert config.load(file).realm == "build.example.com"
    assert refused(file, file.read_bytes() + b"x").reason == "too-large"


def test_a_missing_file_or_a_folder_says_how_to_make_one(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.toml", tmp_path):
        with pytest.raises(ConfigError, match="spot-mirror init") as caught:
            config.load(path)
        assert caught.value.reason == "missing-file"


KEYS = ["realm", "data", "content", "content.listen", "content.crls", "publishing.level", "x", '"\u202e"']
ODD = ["nan", "inf", "-1", "1e999", "[]", "{}", "2026-01-01", '""', '"\\u0000"', "true", "[[[[[]]]]]"]
VALUES = st.one_of(st.sampled_from(ODD), st.integers().map(str), st.text(max_size=20).map(lambda text: f"'{text}'"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.tuples(st.sampled_from(KEYS), VALUES), max_size=6), raw=st.binary(max_size=40))
@pytest.mark.parametrize("before", [b"", CONTENT.encode()])
def test_whatever_the_file_holds_it_is_a_configuration_or_refused_in_a_sentence(
    file: Path, before: bytes, lines: list[tuple[str, str]], raw: bytes
) -> None:
    text = "".join(f"{key} = {value}\n" for key, value in lines)
    file.write_bytes(before + text.encode("utf-8", "surrogatepass") + raw)
    refusal = None
    try:
        assert config.load(file).data_dir.is_absolute()
    except ConfigError as error:
        refusal = error
    if refusal:
        assert str(file) in str(refusal)
        assert refusal.reason in {"not-toml", "bad-value"}


def test_a_configuration_that_this_user_may_not_read_is_told_who_may() -> None:
    need_root()
    with TemporaryDirectory(dir="/tmp") as name:
        file = Path(name) / "mirror.toml"
        file.write_text('realm = "build.example.com"')
        os.seteuid(65534)
        try:
            with pytest.raises(ConfigError) as caught:
                config.load(file)
        finally:
            os.seteuid(0)
    assert caught.value.reason == "unreadable-file"
    assert "runuser -u spot-mirror" in str(caught.value)
    assert "init" not in str(caught.value)


@pytest.mark.parametrize("listen", ["127.0.0.1:9100", "127.8.9.1:9100", "[::1]:9100"])
def test_health_on_this_machine_alone_needs_no_token(file: Path, listen: str) -> None:
    file.write_text(f'{CONTENT}[health]\nlisten = "{listen}"')
    health = config.load(file).health
    assert health is not None
    assert (health.listen, health.token_file) == (listen, None)


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.1", "localhost", "128.0.0.1", "[::ffff:7f00:1]"])  # noqa: S104
def test_health_elsewhere_needs_a_token(file: Path, host: str) -> None:
    listen = f"{host}:9100"
    error = refused(file, f'{CONTENT}[health]\nlisten = "{listen}"')
    assert error.reason == "bad-value"
    assert listen in str(error)
    file.write_text(f'{CONTENT}[health]\nlisten = "{listen}"\ntoken_file = "token"')
    health = config.load(file).health
    assert health is not None
    assert health.token_file == str(file.parent / "token")
