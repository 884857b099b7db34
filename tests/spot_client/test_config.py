"""spot.toml: defaults without one, and every mistake in one is told with the file's name."""

import os
from pathlib import Path

import pytest

from spot_client.config import MAX_BYTES, Paths, Settings, load_settings
from spot_client.errors import RefusedLocally


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "spot.toml"


def test_without_a_file_there_are_defaults(file: Path) -> None:
    assert load_settings(file) == Settings(
        channel="stable", tls12=False, keep=2, timeout=30, downloads=4, min_rate=1024, deadline=24, log_file=None
    )


def test_everything_can_be_chosen(file: Path) -> None:
    file.write_text(
        'channel = "beta"\ntls12 = true\nkeep = 5\ntimeout = 60\ndownloads = 16\nmin_rate = 99\ndeadline = 1\n'
        'log_file = "log/spot"\n'
    )
    assert load_settings(file) == Settings(
        channel="beta", tls12=True, keep=5, timeout=60, downloads=16, min_rate=99, deadline=1, log_file="log/spot"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "chanel = 'beta'",
            "no setting 'chanel'; there are channel, tls12, keep, timeout, downloads, min_rate, deadline, log_file",
        ),
        ("[channel]", "channel must be the name of a channel, in quotes"),
        ("downloads = 0", "downloads must be a whole number from 1 to 16"),
        ("downloads = 17", "downloads must be a whole number from 1 to 16"),
        ("site_list = ''", "site_list must be a path of 1 to 4096 characters in quotes"),
        ("site_key = 1", "site_key must be a path of 1 to 4096 characters in quotes"),
        ("log_file = ''", "log_file must be a path of 1 to 4096 characters in quotes"),
        ('log_file = "a\\u0000b"', "log_file"),
        ("log_file = '" + "x" * 4097 + "'", "log_file"),
        ("keep = nan", "keep must be a whole number from 2 to 20"),
        ("keep = 99999999999999999999999999", "keep"),
        ("keep = 1979-05-27", "keep must be a whole number from 2 to 20"),
        ("x = " + "{a=" * 2000 + "1" + "}" * 2000, "deep"),
        ('"\\u001b[2J" = 1', "\\x1b[2J"),
        ("channel = 1", "channel must be the name of a channel, in quotes"),
        ("channel = 'Beta!'", "channel"),
        ("tls12 = 1", "tls12 must be true or false"),
        ("tls12 = 'yes'", "tls12 must be true or false"),
        ("keep = 1", "keep must be a whole number from 2 to 20"),
        ("keep = 21", "keep must be a whole number from 2 to 20"),
        ("keep = true", "keep must be a whole number from 2 to 20"),
        ("timeout = 0", "timeout must be a whole number of seconds from 1 to 600"),
        ("timeout = 1.5", "timeout must be a whole number of seconds from 1 to 600"),
        ("keep = 2\nkeep = 3", "overwrite"),
        ("keep =", "Invalid value"),
        ("\x00", "line 1"),
        ("keep = " + "[" * 5000, "deep"),
        ("x" * (MAX_BYTES + 1), "bytes"),
    ],
)
def test_a_mistake_is_told(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    with pytest.raises(RefusedLocally) as refused:
        load_settings(file)
    assert refused.value.reason == "bad-config"
    assert str(file) in str(refused.value)
    assert said.lower() in str(refused.value).lower()


def test_a_file_that_is_no_text_is_told(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(RefusedLocally):
        load_settings(file)


def test_what_is_no_regular_file_is_told_at_once(file: Path) -> None:
    os.mkfifo(file)
    with pytest.raises(RefusedLocally, match="no regular file"):
        load_settings(file)
    file.unlink()
    file.mkdir()
    with pytest.raises(RefusedLocally, match="no regular file"):
        load_settings(file)


def test_every_place_lies_below_the_root() -> None:
    paths = Paths(Path("/r"))
    places = [paths.own, paths.settings, paths.component("sdk/tool"), paths.versions("sdk/tool")]
    assert [str(place) for place in places] == ["/r/.spot", "/r/spot.toml", "/r/sdk/tool", "/r/sdk/tool/versions"]
