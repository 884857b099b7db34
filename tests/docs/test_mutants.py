"""The list of mutants that survive is readable as data, and of the code as it is now."""

from tests.docs.pages import ROOT
from tests.mutants.page import PAGE, accepted, plain
from tests.mutants.run import FILES

TEXT = PAGE.read_text()


def test_each_survivor_has_a_reason_and_changes_a_line_that_is_there() -> None:
    found = dict(accepted(TEXT))
    assert len(found) == TEXT.count("```diff")
    for mutant, reason in found.items():
        assert len(reason) > 10
        code = {line.strip() for line in (ROOT / mutant.file).read_text().splitlines()}
        gone = [line[2:] for line in mutant.diff.splitlines() if line.startswith("-")]
        assert gone
        assert code >= set(gone), f"{mutant.file} has changed: run make mutants FILE={mutant.file}"


def test_the_files_are_there_and_have_tests() -> None:
    for file, tests in FILES.items():
        assert (ROOT / file).is_file()
        assert all(list(ROOT.glob(pattern)) for pattern in tests)
        assert f"`{file}`" in TEXT


def test_a_diff_is_read_without_its_headers_and_indentation() -> None:
    assert (
        plain("--- a.py\n+++ a.py\n@@ -1 +1 @@\n def f():\n-    return 1\n+    return 2\n") == "- return 1\n+ return 2"
    )
