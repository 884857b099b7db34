"""spot.toml: defaults without one, and every mistake in one is told with the file's name."""

from pathlib import Path

import pytest

from spot_client.config import MAX_BYTES, Paths, Settings, load_settings
from spot_client.errors import RefusedLocally


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "spot.toml"


def test_without_a_file_there_are_defaults(file: Path) -> None:
    assert load_settings(file) == Settings(
        channel="stable", tls12=False, keep=2, timeout=30, downloads=4, log_file=None
    )


def test_everything_can_be_chosen(file: Path) -> None:
    file.write_text('channel = "beta"\ntls12 = true\nkeep = 5\ntimeout = 60\ndownloads = 16\nlog_file = "log/spot"\n')
    assert load_settings(file) == Settings(
        channel="beta", tls12=True, keep=5, timeout=60, downloads=16, log_file="log/spot"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "chanel = 'beta'",
            "no setting 'chanel'; there are channel, tls12, keep, timeout, downloads, log_file",
        ),
        ("[channel]", "channel"),
        ("downloads = 0", "downloads"),
        ("downloads = 17", "downloads"),
        ("log_file = ''", "log_file"),
        ('log_file = "a\\u0000b"', "log_file"),
        ("log_file = '" + "x" * 4097 + "'", "log_file"),
        ("keep = nan", "keep"),
        ("keep = 99999999999999999999999999", "keep"),
        ("keep = 1979-05-27", "keep"),
        ("x = " + "{a=" * 2000 + "1" + "}" * 2000, "deep"),
        ('"\\u001b[2J" = 1', "\\x1b[2J"),
        ("channel = 1", "channel"),
        ("channel = 'Beta!'", "channel"),
        ("tls12 = 1", "tls12"),
        ("tls12 = 'yes'", "tls12"),
        ("keep = 1", "keep"),
        ("keep = 21", "keep"),
        ("keep = true", "keep"),
        ("timeout = 0", "timeout"),
        ("timeout = 1.5", "timeout"),
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


def test_every_place_lies_below_the_root() -> None:
    paths = Paths(Path("/r"))
    places = [paths.own, paths.settings, paths.component("sdk/tool"), paths.versions("sdk/tool")]
    assert [str(place) for place in places] == ["/r/.spot", "/r/spot.toml", "/r/sdk/tool", "/r/sdk/tool/versions"]
