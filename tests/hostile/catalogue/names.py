"""Attacks with the roles that targets names: what they are called, what they may speak of, whom they trust in turn."""

from collections.abc import Iterator

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import DelegatedRole, Delegations, Targets

from tests.hostile.catalogue import guards
from tests.hostile.catalogue.stage import EVIL, Stage
from tests.hostile.catalogue.table import attack

ROLES = "names of roles"
ONLINE = ("snapshot", "timestamp")
TARGETS = ("targets.1", "targets.2", *ONLINE)


@attack(ROLES, "A role whose name climbs out of SPOT's folder.", guard=guards.ROLE_NAMES, stopped="bad-role-name")
def role_name_that_climbs(stage: Stage) -> Iterator[None]:
    _name(stage, "../../evil")
    yield
    assert not list(stage.folder.rglob("evil*"))


@attack(
    ROLES, "Two roles whose names are one where case does not count.", guard=guards.ROLE_NAMES, stopped="bad-role-name"
)
def role_names_that_clash(stage: Stage) -> Iterator[None]:
    _name(stage, "SDK")
    yield


@attack(ROLES, "A role named after one of the four above it.", guard=guards.ROLE_NAMES, stopped="bad-role-name")
def role_named_root(stage: Stage) -> Iterator[None]:
    _name(stage, "Root")
    yield


@attack(ROLES, "A role that may speak of another product's paths.", guard=guards.ROLE_KIND, stopped="bad-role-kind")
def role_for_paths_of_another(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal("art.1", "art.2", *TARGETS)
    repository.delegated["art"].paths = ["sdk/*/index.json.zst"]
    repository.sign()
    thief.lay_out()
    yield


@attack(
    ROLES,
    "A product's people hand its indexes on to a single key.",
    guard=guards.EXTRANEOUS_ROLE,
    stopped="extraneous-role",
)
def role_handed_on(stage: Stage) -> Iterator[None]:
    thief, repository = stage.steal("sdk.1", "sdk.2", *ONLINE)
    thief.publish(EVIL, "6.6")
    product, helper = repository.products["sdk"], Targets(1, expires=repository.targets.expires)
    helper.targets, product.targets = product.targets, {}
    product.delegations = Delegations({}, {})
    role = DelegatedRole("helper", [], 1, terminating=True, paths=["sdk/*/index.json.zst"])
    assert product.delegations.roles is not None
    product.delegations.roles["helper"] = role
    repository.signers["helper"] = CryptoSigner.generate_ed25519()
    product.add_key(repository.signers["helper"].public_key, "helper")
    repository.products["helper"] = helper
    repository.sign()
    thief.lay_out()
    yield
    stage.repository.replace_keys(*ONLINE)  # SPOT does not let a role go that a signed snapshot had
    stage.vendor.lay_out()


def _name(stage: Stage, name: str) -> None:
    """Targets names one more role, for a product's people, and its own people sign that."""
    thief, repository = stage.steal(*TARGETS)
    known = repository.delegated["art"]
    repository.delegated[name] = DelegatedRole(
        name, known.keyids, 2, terminating=True, paths=[f"{name}/*/index.json.zst"]
    )
    repository.sign()
    thief.lay_out()
