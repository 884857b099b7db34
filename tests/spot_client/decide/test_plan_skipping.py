"""Files that are not to be written, state that is there already: a plan without them, and never a dearer one."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from spot_client.decide.plan import FromCache, FromPack, FromTree, Plan, plan
from spot_client.wire.manifest import File, Manifest
from tests.spot_client.decide.test_plan import assert_covered, cases, needed


class Case(msgspec.Struct, frozen=True):
    """A release, what is on this machine, and what is not to be written; `more` is `skip` and some more."""

    manifest: Manifest
    trees: dict[str, str]
    cached: set[str]
    blocks_here: dict[str, int]
    skip: set[str]
    more: set[str]

    def plan(self, skip: set[str]) -> Plan:
        return plan(self.manifest, trees=self.trees, cached=self.cached, blocks_here=self.blocks_here, skip=skip)

    def written(self, skip: set[str]) -> list[File]:
        return [file for file in self.manifest.files if file.path not in skip]


@st.composite
def skipping(draw: st.DrawFn) -> Case:
    """`skip` also names what is no file of the release: state that an earlier one had."""
    manifest, _, trees, cached, here = draw(cases())
    some = st.sets(st.sampled_from([*(file.path for file in manifest.files), "data/db", "f", ""]))
    skip = draw(some)
    return Case(manifest, trees, cached, here, skip, skip | draw(some))


@given(skipping())
def test_what_is_skipped_is_never_planned_for_and_all_else_is_wholly_covered(case: Case) -> None:
    planned, written = case.plan(case.skip), case.written(case.skip)
    wanted = {file.sha256 for file in written}
    missing = wanted - case.cached - case.trees.keys()
    assert planned.sources == {
        digest: FromCache()
        if digest in case.cached
        else FromTree(case.trees[digest])
        if digest in case.trees
        else FromPack()
        for digest in wanted
    }
    assert not {file.path for file in planned.unpack} & case.skip
    assert sorted(file.sha256 for file in planned.unpack) == sorted(missing)
    assert [(span.offset, span.start) for span in planned.blocks] == needed(case.manifest, missing)
    assert_covered(planned)
    blocks = sum(span.block.length for span in planned.blocks)
    assert planned.disk_bytes == sum(file.size for file in (*written, *planned.unpack)) + blocks


@given(skipping())
def test_what_is_skipped_costs_what_a_release_without_it_would(case: Case) -> None:
    entries = tuple(entry for entry in case.manifest.entries if entry.path not in case.skip)
    without = msgspec.structs.replace(case.manifest, entries=entries)
    assert case.plan(case.skip) == msgspec.structs.replace(case, manifest=without).plan(set())


@given(skipping())
def test_the_more_is_skipped_the_less_it_costs(case: Case) -> None:
    dear, cheap = case.plan(case.skip), case.plan(case.more)
    assert cheap.wire_bytes <= dear.wire_bytes
    assert cheap.disk_bytes <= dear.disk_bytes
    assert set(cheap.blocks) <= set(dear.blocks)
    assert {file.sha256 for file in cheap.unpack} <= {file.sha256 for file in dear.unpack}
    assert cheap.sources.items() <= dear.sources.items()


@given(skipping())
def test_where_all_is_skipped_nothing_is_done_and_what_is_no_file_changes_nothing(case: Case) -> None:
    assert case.plan({file.path for file in case.manifest.files}) == Plan({}, (), (), 0, 0)
    assert case.plan({"data/db", "f", ""}) == case.plan(set())
