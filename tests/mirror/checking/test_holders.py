"""mirror.checking.holders: who signs for what."""

from mirror.checking.holders import judge_shared, judge_thresholds
from tests.mirror.checking.test_findings import brief


def test_one_key_for_what_people_sign_is_advised_against() -> None:
    single = judge_thresholds({"root": 2, "sdk": 1, "timestamp": 1})
    assert brief(single) == ("advice", "one-key")
    assert "sign as sdk:" in single.what
    assert brief(judge_thresholds({"root": 2, "targets": 3, "snapshot": 1, "timestamp": 1})) == ("ok", "good")


def test_one_person_may_stop_a_release_and_not_say_which_mirrors_there_are() -> None:
    assert brief(judge_thresholds({"root": 2, "halts": 1, "house": 2})) == ("ok", "good")
    assert "sign as house:" in judge_thresholds({"root": 2, "halts": 1, "house": 1}).what


def test_one_key_for_roles_that_have_to_be_apart_is_told_for_each() -> None:
    (fine,) = judge_shared({})
    assert brief(fine) == ("ok", "good")
    found = [*judge_shared({"b" * 64: ("snapshot", "timestamp"), "a" * 64: ("root", "people")})]
    assert [brief(one) for one in found] == [("warning", "shared-key")] * 2
    assert "aaaaaaaaaaaa, signs for root and people" in found[0].what
