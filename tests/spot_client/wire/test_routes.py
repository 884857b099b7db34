"""A path has one spelling, and a route one path."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from spot_client.wire import installation, routes
from spot_client.wire.routes import Kind, Route, parse
from tests.spot_client.wire.strategies import ids, mutated, platforms, products, sha256s, versions

numbers = st.integers(1, 10**10 - 1)

metadata = st.one_of(
    st.just(Route(kind=Kind.METADATA, file="timestamp.json")),
    st.builds(
        lambda number, role: Route(kind=Kind.METADATA, file=f"{number}.{role}.json"),
        numbers,
        st.sampled_from(["root", "targets", "snapshot", "house", "halts"]),
    ),
    st.builds(
        lambda number, name: Route(kind=Kind.METADATA, product=name, file=f"{number}.{name}.json"), numbers, products
    ),
)
target = st.builds(
    Route,
    kind=st.just(Kind.TARGET),
    product=products,
    component=ids,
    file=sha256s.map("{}.index.json.zst".format),
)
lists = st.one_of(
    st.builds(Route, kind=st.just(Kind.TRUST), file=sha256s.map("{}.trust.json".format)),
    st.builds(Route, kind=st.just(Kind.BASELINES), product=products, file=sha256s.map("{}.baselines.json.zst".format)),
    st.builds(
        lambda digest, name: Route(kind=Kind.HALTS, product=name, file=f"{digest}.{name}.json.zst"), sha256s, products
    ),
)
release = st.builds(
    Route,
    kind=st.sampled_from([Kind.MANIFEST, Kind.PACK]),
    product=products,
    component=ids,
    version=versions(),
    platform=platforms,
)
others = st.sampled_from([Route(kind=Kind.LICENCES), Route(kind=Kind.INSTALLATIONS)]) | st.builds(
    Route, kind=st.just(Kind.THIN_SNAPSHOT), installation=st.binary(min_size=10, max_size=10).map(installation.mint)
)
all_routes = metadata | target | lists | release | others


@given(all_routes)
def test_a_route_is_found_by_its_path(route: Route) -> None:
    assert parse(route.path) == route
    assert len(route.path) <= routes.MAX_PATH


@given(all_routes.flatmap(lambda route: mutated(route.path.encode())) | st.binary(max_size=40))
def test_any_other_spelling_leads_nowhere_or_elsewhere(raw: bytes) -> None:
    path = raw.decode("latin-1")
    found = parse(path)
    assert found is None or found.path == path


@given(all_routes)
def test_a_path_is_plain_text_without_a_way_up(route: Route) -> None:
    assert set(route.path) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.!+/")
    assert not {"", ".", ".."} & set(route.path[1:].split("/"))


def test_a_path_beyond_the_limit_is_not_even_taken_apart() -> None:
    path = "/" * 2**20
    tracemalloc.start()
    try:
        assert parse(path) is None
        assert tracemalloc.get_traced_memory()[1] < 2**16
    finally:
        tracemalloc.stop()
