"""The catalogue through a repository in memory, signed with python-tuf: what is believed, and what never is."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.metadata import DelegatedRole, Delegations, TargetFile

from spot_client.errors import NotLicensed, NotReachable, NotTrusted, OutOfDate, Refused
from spot_client.fetch.catalogue import Catalogue
from spot_client.fetch.rules import Rules, house_rules
from spot_client.wire.routes import METADATA_BASE, TARGET_BASE
from tests.spot_client.vendor import DAY, Line, Vendor, not_licensed

PATH = "sdk/tool/index.json.zst"
KEPT = "targets/sdk%2Ftool%2Findex.json.zst"
FIRST, SECOND = b"the first index", b"the second index, longer"
TIMESTAMP = f"{METADATA_BASE}timestamp.json"

Open = Callable[[], Catalogue]


@pytest.fixture
def vendor() -> Vendor:
    vendor = Vendor()
    vendor.put_index("sdk/tool", FIRST)
    return vendor


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "catalogue"


@pytest.fixture
def fresh(vendor: Vendor, line: Line, folder: Path) -> Open:
    """The catalogue as a new run of SPOT opens it: same folder, same first root."""

    def build() -> Catalogue:
        return Catalogue(
            folder, line, root=vendor.root, metadata_base=METADATA_BASE, target_base=TARGET_BASE, rules=house_rules
        )

    return build


def read(fresh: Open, path: str = PATH, max_bytes: int = 1000) -> bytes | None:
    catalogue = fresh()
    catalogue.refresh()
    return catalogue.target(path, max_bytes=max_bytes)


def distrust(fresh: Open, reason: str = "bad-metadata", max_bytes: int = 1000) -> str:
    with pytest.raises(NotTrusted) as failed:
        read(fresh, max_bytes=max_bytes)
    assert type(failed.value) is NotTrusted
    assert failed.value.reason == reason
    return str(failed.value)


def target_file(vendor: Vendor) -> str:
    """Where the index of sdk/tool lies on the mirror."""
    return f"{TARGET_BASE}{vendor.repository.products['sdk'].targets[PATH].get_prefixed_paths()[0]}"


def test_a_target_that_a_product_signed_for_is_had(fresh: Open) -> None:
    assert read(fresh) == FIRST


def test_a_newer_target_takes_its_place(fresh: Open, vendor: Vendor) -> None:
    assert read(fresh) == FIRST
    vendor.put_index("sdk/tool", SECOND)
    assert read(fresh) == SECOND


@pytest.mark.parametrize("path", ["sdk/other/index.json.zst", "other/tool/index.json.zst", "sdk/tool/other.json"])
def test_a_target_that_nobody_signed_for_does_not_exist(fresh: Open, path: str) -> None:
    assert read(fresh, path) is None


def test_what_was_verified_is_kept_for_its_owner_only_and_is_asked_for_once(
    fresh: Open, line: Line, folder: Path, vendor: Vendor
) -> None:
    read(fresh)
    assert (folder / KEPT).read_bytes() == FIRST
    assert folder.stat().st_mode & 0o777 == 0o700
    line.asked.clear()
    assert read(fresh) == FIRST
    assert line.asked == [f"{METADATA_BASE}2.root.json", TIMESTAMP]


def test_that_a_target_is_kept_here_is_told_on_request(fresh: Open, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "spot_client.fetch.catalogue")
    read(fresh)
    assert caplog.messages == []
    read(fresh)
    assert caplog.messages == [f"{PATH}: unchanged, kept here"]


def test_a_kept_target_is_verified_again_and_a_damaged_one_fetched_anew(
    fresh: Open, folder: Path, line: Line, vendor: Vendor
) -> None:
    read(fresh)
    for damage in (FIRST[:-1], FIRST + b"x", b"X" + FIRST[1:]):
        (folder / KEPT).write_bytes(damage)
        line.asked.clear()
        assert read(fresh) == FIRST
        assert target_file(vendor) in line.asked


def test_damaged_metadata_on_this_machine_is_replaced(fresh: Open, folder: Path) -> None:
    read(fresh)
    for role in ("timestamp", "snapshot", "targets", "sdk"):
        (folder / f"{role}.json").write_bytes(b"{}")
    assert read(fresh) == FIRST


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_expired_metadata_is_out_of_date_and_the_role_the_moment_and_the_clock_are_told(
    fresh: Open, vendor: Vendor, role: str
) -> None:
    since = datetime.now(UTC).replace(microsecond=0) - DAY
    getattr(vendor.repository, role).expires = since
    vendor.repository.sign()
    vendor.lay_out()
    with pytest.raises(OutOfDate) as failed:
        read(fresh)
    assert failed.value.reason == "expired-metadata"
    assert f"The role {role} of the signed catalogue expired on {since:%Y-%m-%d %H:%M} UTC" in str(failed.value)
    assert f"this machine's clock says {datetime.now(UTC):%Y-%m-%d}" in str(failed.value)
    assert "Check the clock" in str(failed.value)


def test_an_expired_root_is_told_as_such(fresh: Open, vendor: Vendor) -> None:
    vendor.repository.root.expires = datetime.now(UTC).replace(microsecond=0) - DAY
    rotate(vendor, "root")
    with pytest.raises(OutOfDate) as failed:
        read(fresh)
    assert "The role root of the signed catalogue expired on " in str(failed.value)


def test_a_first_root_that_has_expired_and_has_no_successor_is_told_as_such(fresh: Open, vendor: Vendor) -> None:
    since = vendor.repository.root.expires = datetime.now(UTC).replace(microsecond=0) - DAY
    vendor.repository.write("1.root.json", vendor.repository.root, "root")
    vendor.root = vendor.repository.metadata["1.root.json"]
    with pytest.raises(OutOfDate) as failed:
        read(fresh)
    assert f"The role root of the signed catalogue expired on {since:%Y-%m-%d %H:%M} UTC" in str(failed.value)


def test_an_expired_product_is_out_of_date_and_the_others_go_on(fresh: Open, vendor: Vendor) -> None:
    vendor.repository.products["sdk"].expires = datetime.now(UTC).replace(microsecond=0) - DAY
    vendor.put_index("science/maths", SECOND)
    assert read(fresh, "science/maths/index.json.zst") == SECOND
    with pytest.raises(OutOfDate) as failed:
        read(fresh)
    assert "The role sdk of the signed catalogue expired on " in str(failed.value)


def test_by_which_clock_a_product_has_expired_is_told_by_the_mirrors(fresh: Open, vendor: Vendor, line: Line) -> None:
    vendor.repository.products["sdk"].expires = datetime.now(UTC).replace(microsecond=0) - DAY
    vendor.put_index("sdk/tool", SECOND)
    line.mirror_time = datetime.now(UTC) - 2 * DAY
    with pytest.raises(OutOfDate) as failed:
        read(fresh)
    assert failed.value.reason == "clock-wrong"


def twin_of(vendor: Vendor, role: str) -> SSlibKey:
    """The role's key once more, under another id."""
    key = vendor.repository.signers[role].public_key
    return SSlibKey("f" * 64, key.keytype, key.scheme, dict(key.keyval))


def test_one_key_under_two_ids_is_not_trusted_though_both_sign(fresh: Open, vendor: Vendor, folder: Path) -> None:
    """Else one person could meet a threshold of two. What was good before stays."""
    read(fresh)
    good = {role: (folder / f"{role}.json").read_bytes() for role in ("root", "targets", "sdk")}
    vendor.repository.targets.add_key(twin_of(vendor, "sdk"), "sdk")
    vendor.repository.sign()
    vendor.lay_out()
    for _ in range(2):
        distrust(fresh, "one-key-twice")
        assert {role: (folder / f"{role}.json").read_bytes() for role in good} == good


def test_a_root_that_breaks_a_rule_is_never_kept_or_followed(fresh: Open, vendor: Vendor, folder: Path) -> None:
    read(fresh)
    vendor.repository.root.add_key(twin_of(vendor, "snapshot"), "snapshot")
    rotate(vendor, "root")
    for _ in range(2):
        distrust(fresh, "one-key-twice")
        assert [path.name for path in (folder / "root_history").iterdir()] == ["1.root.json"]


def test_a_product_that_hands_on_to_a_role_of_its_own_is_not_trusted(fresh: Open, vendor: Vendor, folder: Path) -> None:
    mallory = CryptoSigner.generate_ed25519()
    role = DelegatedRole("mallory", [], 1, terminating=False, paths=["sdk/*/index.json.zst"])
    vendor.repository.products["sdk"].delegations = Delegations({}, {"mallory": role})
    vendor.repository.products["sdk"].add_key(mallory.public_key, "mallory")
    vendor.put_index("sdk/tool", SECOND)
    distrust(fresh, "extraneous-role")
    assert not (folder / "sdk.json").exists()


def test_a_first_root_that_breaks_a_rule_is_not_trusted(folder: Path, line: Line, vendor: Vendor) -> None:
    vendor.repository.root.add_key(twin_of(vendor, "root"), "root")
    vendor.repository.write("1.root.json", vendor.repository.root, "root")
    vendor.root = vendor.repository.metadata["1.root.json"]
    with pytest.raises(NotTrusted) as failed:
        Catalogue(
            folder, line, root=vendor.root, metadata_base=METADATA_BASE, target_base=TARGET_BASE, rules=house_rules
        )
    assert failed.value.reason == "one-key-twice"
    assert not (folder / "root.json").exists()


def test_what_an_older_spot_has_kept_is_held_to_the_rules_too(
    fresh: Open, folder: Path, line: Line, vendor: Vendor
) -> None:
    vendor.repository.targets.add_key(twin_of(vendor, "sdk"), "sdk")
    vendor.put_index("sdk/tool", SECOND)
    Catalogue(folder, line, root=vendor.root, metadata_base=METADATA_BASE, target_base=TARGET_BASE).refresh()
    distrust(fresh, "one-key-twice")


@pytest.mark.parametrize("said", [True, "true", 1, None])
def test_a_set_for_machines_without_a_network_is_not_taken_from_a_mirror(
    fresh: Open, vendor: Vendor, folder: Path, said: object
) -> None:
    vendor.repository.timestamp.unrecognized_fields["x-spot-offline"] = said
    vendor.repository.sign()
    vendor.lay_out()
    told = distrust(fresh, "offline-set")
    assert told == ("The mirror shows a catalogue that was made for machines without a network. Tell your vendor.")
    assert not (folder / "timestamp.json").exists()


def open_offline(folder: Path, line: Line, vendor: Vendor) -> Catalogue:
    return Catalogue(folder, line, root=vendor.root, metadata_base=METADATA_BASE, target_base=TARGET_BASE, offline=True)


def test_what_a_mirror_serves_is_not_taken_for_a_set_without_a_network(
    line: Line, vendor: Vendor, folder: Path
) -> None:
    with pytest.raises(NotTrusted) as failed:
        open_offline(folder, line, vendor).refresh()
    assert failed.value.reason == "not-an-offline-set"
    assert str(failed.value) == "This is not a set that was made for machines without a network."
    assert not (folder / "timestamp.json").exists()


def test_a_set_for_machines_without_a_network_is_read_as_one(line: Line, vendor: Vendor, folder: Path) -> None:
    vendor.repository.timestamp.unrecognized_fields["x-spot-offline"] = True
    vendor.repository.sign()
    vendor.lay_out()
    catalogue = open_offline(folder, line, vendor)
    catalogue.refresh()
    assert catalogue.target(PATH, max_bytes=1000) == FIRST


def test_a_mirror_does_not_freeze_spot_at_a_set_that_lies_here_from_elsewhere(
    fresh: Open, line: Line, vendor: Vendor, folder: Path
) -> None:
    """With the same version as the mirror's timestamp python-tuf would go on with the one it has."""
    vendor.repository.timestamp.unrecognized_fields["x-spot-offline"] = True
    vendor.repository.sign()
    vendor.lay_out()
    open_offline(folder, line, vendor).refresh()
    del vendor.repository.timestamp.unrecognized_fields["x-spot-offline"]
    vendor.repository.timestamp.version -= 1
    vendor.repository.sign()
    vendor.lay_out()
    distrust(fresh, "offline-set")


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "sdk"])
def test_a_statement_signed_by_another_key_is_not_trusted(fresh: Open, vendor: Vendor, role: str) -> None:
    vendor.repository.signers[role] = CryptoSigner.generate_ed25519()
    vendor.repository.sign()
    vendor.lay_out()
    distrust(fresh)


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "sdk"])
def test_a_statement_that_went_back_to_a_lower_version_is_not_trusted(fresh: Open, vendor: Vendor, role: str) -> None:
    repository = vendor.repository
    vendor.put_index("sdk/tool", SECOND)
    read(fresh)
    statement = repository.products["sdk"] if role == "sdk" else getattr(repository, role)
    statement.version -= 2
    repository.sign()
    vendor.lay_out()
    distrust(fresh)


def test_an_older_catalogue_as_a_whole_is_not_trusted(fresh: Open, vendor: Vendor) -> None:
    older = dict(vendor.files)
    vendor.put_index("sdk/tool", SECOND)
    read(fresh)
    vendor.files |= older
    distrust(fresh)


@pytest.mark.parametrize("role", ["snapshot", "targets", "sdk"])
def test_statements_of_two_catalogues_are_not_mixed(fresh: Open, vendor: Vendor, role: str) -> None:
    """Each file is validly signed, but is not the one that the others lead to."""
    repository = vendor.repository
    statement = repository.products["sdk"] if role == "sdk" else getattr(repository, role)
    name = f"{METADATA_BASE}{statement.version}.{role}.json"
    vendor.put_index("sdk/tool", SECOND)
    vendor.files[f"{METADATA_BASE}{statement.version}.{role}.json"] = vendor.files[name]
    distrust(fresh)


@pytest.mark.parametrize("raw", [b"", b"{}", b"not json", b"\xff\xfe", b'{"signatures":[],"signed":{}}', b"[" * 16_000])
def test_garbage_in_place_of_metadata_is_not_trusted(fresh: Open, vendor: Vendor, raw: bytes) -> None:
    vendor.files[TIMESTAMP] = raw
    distrust(fresh)


def test_metadata_longer_than_its_role_may_be_is_not_read(fresh: Open, vendor: Vendor) -> None:
    vendor.files[TIMESTAMP] += b" " * 20_000
    with pytest.raises(NotReachable) as failed:
        read(fresh)
    assert failed.value.reason == "too-long"


@pytest.mark.parametrize("ending", ["timestamp.json", ".snapshot.json", ".targets.json", ".sdk.json", ".json.zst"])
def test_what_has_to_be_there_and_is_not_handed_out_is_a_fault_of_the_mirror(
    fresh: Open, vendor: Vendor, ending: str
) -> None:
    gone = [path for path in vendor.files if path.endswith(ending)]
    for path in gone:
        del vendor.files[path]
    with pytest.raises(NotTrusted) as failed:
        read(fresh)
    assert failed.value.reason == "withheld"
    assert any(path in str(failed.value) for path in gone)


def test_a_target_with_another_digest_is_not_trusted_and_not_kept(fresh: Open, vendor: Vendor, folder: Path) -> None:
    vendor.files[target_file(vendor)] = FIRST[::-1]
    assert "damaged or hostile" in distrust(fresh, "bad-target")
    assert not (folder / "targets").exists()


def test_a_target_that_is_shorter_than_was_signed_is_not_trusted(fresh: Open, vendor: Vendor) -> None:
    vendor.files[target_file(vendor)] = FIRST[:-1]
    distrust(fresh, "bad-target")


def test_a_target_that_is_longer_than_was_signed_is_not_read(fresh: Open, vendor: Vendor) -> None:
    vendor.files[target_file(vendor)] = FIRST * 2
    with pytest.raises(NotReachable):
        read(fresh)


def test_a_target_longer_than_the_caller_takes_is_not_asked_for(fresh: Open, vendor: Vendor, line: Line) -> None:
    told = distrust(fresh, max_bytes=len(FIRST) - 1)
    assert told == f"The catalogue lists {PATH} in a way that SPOT does not accept."
    assert target_file(vendor) not in line.asked
    assert read(fresh, max_bytes=len(FIRST)) == FIRST


def put_with(vendor: Vendor, *digests: str) -> None:
    """Sign for the first index by these digests, and lay it out under the last one's name alone."""
    target = TargetFile.from_data(PATH, FIRST, list(digests))
    vendor.repository.products["sdk"].targets[PATH] = target
    vendor.repository.sign()
    vendor.lay_out()
    vendor.files = {path: raw for path, raw in vendor.files.items() if not path.startswith(TARGET_BASE)}
    vendor.files[f"{TARGET_BASE}{target.get_prefixed_paths()[-1]}"] = FIRST


def test_of_several_digests_the_name_of_a_target_has_the_sha256(folder: Path, vendor: Vendor) -> None:
    put_with(vendor, "sha224", "sha256")
    assert open_alone(folder, vendor).target(PATH, max_bytes=1000) == FIRST


def test_without_rules_another_digest_will_do_and_with_them_it_will_not(folder: Path, vendor: Vendor) -> None:
    put_with(vendor, "sha512")
    assert open_alone(folder, vendor).target(PATH, max_bytes=1000) == FIRST
    with pytest.raises(NotTrusted) as failed:
        open_alone(folder, vendor, house_rules).target(PATH, max_bytes=1000)
    assert failed.value.reason == "bad-metadata"


def open_alone(folder: Path, vendor: Vendor, rules: Rules | None = None) -> Catalogue:
    catalogue = Catalogue(
        folder,
        Line(vendor.files),
        root=vendor.root,
        metadata_base=METADATA_BASE,
        target_base=TARGET_BASE,
        rules=rules,
    )
    catalogue.refresh()
    return catalogue


def test_a_product_without_licence_is_refused_as_such(fresh: Open, line: Line) -> None:
    line.failures[f"{METADATA_BASE}2.sdk.json"] = not_licensed()
    with pytest.raises(NotLicensed):
        read(fresh)


def test_a_refusal_of_the_next_root_is_not_taken_for_there_being_none(fresh: Open, line: Line) -> None:
    """python-tuf itself would read a 403 there as "no newer root"."""
    line.failures[f"{METADATA_BASE}2.root.json"] = Refused("revoked", "The mirror refused.")
    with pytest.raises(Refused) as failed:
        read(fresh)
    assert failed.value.reason == "revoked"


def test_a_mirror_out_of_reach_says_so_and_spoils_nothing(fresh: Open, line: Line) -> None:
    read(fresh)
    line.down = True
    with pytest.raises(NotReachable):
        read(fresh)
    line.down = False
    assert read(fresh) == FIRST


def rotate(vendor: Vendor, *signers: str, version: int = 2) -> None:
    """A next root with another key for the timestamp, signed by these roles' keys."""
    root = vendor.repository.root
    root.version = version
    root.revoke_key(vendor.repository.signers["timestamp"].public_key.keyid, "timestamp")
    vendor.repository.signers["timestamp"] = CryptoSigner.generate_ed25519()
    root.add_key(vendor.repository.signers["timestamp"].public_key, "timestamp")
    vendor.repository.write(f"{version}.root.json", root, *signers)
    vendor.repository.sign()
    vendor.lay_out()


def test_a_root_that_the_last_one_signed_takes_its_place_for_good(fresh: Open, vendor: Vendor, line: Line) -> None:
    read(fresh)
    rotate(vendor, "root")
    assert read(fresh) == FIRST
    rotate(vendor, "root", version=3)
    line.asked.clear()
    assert read(fresh) == FIRST
    assert f"{METADATA_BASE}2.root.json" not in line.asked


def test_without_a_root_the_newest_that_lies_here_counts_though_the_link_to_it_is_gone(
    fresh: Open, vendor: Vendor, folder: Path, line: Line
) -> None:
    def alone() -> Catalogue:
        return Catalogue(folder, line, root=None, metadata_base=METADATA_BASE, target_base=TARGET_BASE)

    with pytest.raises(FileNotFoundError):
        alone()
    for version in range(2, 11):  # of which 9 is not the newest
        rotate(vendor, "root", version=version)
    read(fresh)
    for gone in ("root.json", "root_history/1.root.json"):
        (folder / gone).unlink()
    (folder / "root_history" / "11.root.json.part").touch()
    line.asked.clear()
    alone().refresh()
    assert line.asked[0] == f"{METADATA_BASE}11.root.json"


@pytest.mark.parametrize("signers", [(), ("targets",), ("timestamp",)])
def test_a_root_that_the_last_one_did_not_sign_is_not_trusted(
    fresh: Open, vendor: Vendor, signers: tuple[str, ...]
) -> None:
    read(fresh)
    rotate(vendor, *signers)
    distrust(fresh)


def test_a_root_that_skips_a_version_is_not_trusted(fresh: Open, vendor: Vendor) -> None:
    rotate(vendor, "root", version=3)
    vendor.files[f"{METADATA_BASE}2.root.json"] = vendor.files.pop(f"{METADATA_BASE}3.root.json")
    distrust(fresh)


@pytest.mark.parametrize("root", [b"", b"{}", b"not json"])
def test_a_damaged_root_of_trust_is_not_trusted(folder: Path, line: Line, root: bytes) -> None:
    with pytest.raises(NotTrusted):
        Catalogue(folder, line, root=root, metadata_base=METADATA_BASE, target_base=TARGET_BASE)


def test_a_products_metadata_longer_than_it_may_be_is_not_read(fresh: Open, vendor: Vendor) -> None:
    vendor.files[f"{METADATA_BASE}2.sdk.json"] += b" " * 5_000_000
    with pytest.raises(NotReachable):
        read(fresh)


def listing(fresh: Open, product: str = "sdk") -> tuple[str, ...]:
    catalogue = fresh()
    catalogue.refresh()
    return catalogue.listing(product)


def test_all_that_a_product_signed_for_is_listed(fresh: Open, vendor: Vendor) -> None:
    vendor.put_index("sdk/abc", FIRST)
    vendor.put_index("science/maths", FIRST)
    assert listing(fresh) == ("sdk/abc/index.json.zst", PATH)
    assert listing(fresh, "science") == ("science/maths/index.json.zst",)


def test_a_product_that_the_catalogue_does_not_have_has_nothing_though_its_file_lies_here(
    fresh: Open, vendor: Vendor, folder: Path
) -> None:
    assert listing(fresh) == (PATH,)
    assert listing(fresh, "nosuch") == ()
    (folder / "nosuch.json").write_bytes((folder / "sdk.json").read_bytes())
    assert listing(fresh, "nosuch") == ()


def test_a_listing_is_that_of_the_newest_verified_role_not_of_what_lies_here(
    fresh: Open, vendor: Vendor, folder: Path
) -> None:
    assert listing(fresh) == (PATH,)
    vendor.put_index("sdk/abc", FIRST)
    lie = (folder / "sdk.json").read_bytes().replace(b"sdk/tool", b"sdk/lies")
    (folder / "sdk.json").write_bytes(lie)
    assert listing(fresh) == ("sdk/abc/index.json.zst", PATH)


def test_a_listing_that_was_not_signed_is_not_trusted(fresh: Open, vendor: Vendor) -> None:
    for name in [name for name in vendor.files if name.endswith(".sdk.json")]:
        vendor.files[name] = vendor.files[name].replace(b"sdk/tool", b"sdk/lies")
    with pytest.raises(NotTrusted):
        listing(fresh)


def test_a_product_without_licence_is_refused_as_one(fresh: Open, vendor: Vendor, line: Line) -> None:
    for name in [name for name in vendor.files if name.endswith(".sdk.json")]:
        line.failures[name] = not_licensed()
    with pytest.raises(NotLicensed):
        listing(fresh)


def test_a_role_that_may_not_speak_of_components_lists_none(fresh: Open, vendor: Vendor) -> None:
    delegations = vendor.repository.targets.delegations
    assert delegations is not None
    assert delegations.roles is not None
    delegations.roles["sdk"].paths = ["sdk/*/deltas.json.zst"]
    vendor.put_index("sdk/abc", FIRST)
    assert listing(fresh) == ()


def test_a_catalogue_that_delegates_to_nobody_lists_nothing(fresh: Open, vendor: Vendor) -> None:
    vendor.repository.targets.delegations = None
    vendor.repository.sign()
    vendor.lay_out()
    assert listing(fresh) == ()
