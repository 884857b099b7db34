"""The threat model has every attack of the table and no other, and sends readers to tests that are there."""

import re

from spot_client.wire import halts, trust
from tests.docs.pages import ROOT, rows, sections
from tests.docs.threat_model import PAGE, refreshed
from tests.hostile.catalogue import attacks
from tests.hostile.catalogue.people import Production

TEXT = PAGE.read_text()


def test_the_page_has_the_attacks_of_the_table_both_ways() -> None:
    assert refreshed(TEXT) == TEXT, "run: make reference"


def test_each_attack_is_a_row_with_its_test() -> None:
    table = TEXT.partition("## Every attack")[2]
    assert [row[-1] for row in rows(table)] == [
        attack.name
        for family in dict.fromkeys(one.family for one in attacks.ALL)
        for attack in attacks.ALL
        if attack.family == family
    ]
    for attack in attacks.ALL:
        file, _, function = attack.test.partition("::")
        assert f"def {function.partition('[')[0]}(" in (ROOT / file).read_text()


def test_each_role_stands_there_with_the_keys_that_the_tests_sign_with() -> None:
    (told,) = (one for one in sections(TEXT) if one.title == "What stands between")
    found = {row[0].strip("`"): row[1] for row in rows(told.text)}
    production = Production()
    for role in ("root", "targets", halts.ROLE, trust.ROLE):
        threshold = (production.root.roles.get(role) or production.delegated[role]).threshold
        assert found[role] == f"{threshold} of {len(production.holders[role])} people"
    assert found["a product"].startswith("2 of 3")
    assert {role for role in found if "online" in found[role]} == {"snapshot", "timestamp"}


def test_what_stops_a_host_without_keys_is_there_and_tested() -> None:
    (told,) = (one for one in sections(TEXT) if one.title == "The side that signs")
    lines = rows(told.text)
    assert len(lines) > 20
    for what, _, stopped, test in lines:
        if found := re.fullmatch(r"(\w+)` in `([\w./]+)", stopped):
            assert f"def {found[1]}(" in (ROOT / found[2]).read_text(), what
        else:
            assert stopped.startswith("nothing: ") or (ROOT / stopped).exists(), what
        file, _, function = test.partition("::")
        assert f"def {function}(" in (ROOT / "tests/mirror" / file).read_text(), what


def test_files_that_the_page_names_are_there() -> None:
    for name in re.findall(r"`((?:tests|spot_client|mirror|ca)/[\w./-]+)`", TEXT):
        assert (ROOT / name).exists(), name
