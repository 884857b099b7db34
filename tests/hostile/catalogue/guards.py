"""What in the code stops an attack, and the smallest change that takes just that away.

`make guards` makes the change in a copy of the source: each text must be there exactly once, so that this list cannot
rot. Guards of python-tuf are guards of ours: SPOT's trust rests on them, so they are disabled and tested like the rest.
"""

from typing import Final, NamedTuple


class Guard(NamedTuple):
    """A guard: `file` (of this repository, or `tuf/...` of python-tuf) and function, and the change that disables it.

    change: the text that is there exactly once, and what takes its place. None: nothing stops the attack, which is how
        far it gets; the table says so.
    behind: another that stops the same; the tests of this one go red only when both are gone.
    """

    file: str
    function: str
    change: tuple[str, str] | None
    behind: "Guard | None" = None

    @property
    def name(self) -> str:
        """As the table and the threat model have it."""
        return f"`{self.file}` `{self.function}`" if self.change else "nothing"


_TUF = "tuf/ngclient/_internal/trusted_metadata_set.py"
_CATALOGUE = "spot_client/fetch/catalogue.py"
_RULES = "spot_client/fetch/rules.py"
_TRANSPORT = "spot_client/fetch/transport.py"
_FAILOVER = "spot_client/fetch/failover.py"
_NAMES = "spot_client/wire/names.py"
_RENEW = "spot_client/renew.py"
_PROOF = "spot_client/fetch/proof.py"

NOTHING: Final = Guard("", "", None)

# Of python-tuf, who signed
SIGNATURES: Final = Guard("tuf/api/_payload.py", "verify_delegate", ("        if not result:\n", "        if False:\n"))
ONE_SIGNATURE: Final = Guard(
    "tuf/api/metadata.py",
    "from_dict",
    ("            if sig.keyid in signatures:\n", "            if False:\n"),
    SIGNATURES,
)
PATHS_OF_ROLES: Final = Guard(
    "tuf/api/_payload.py",
    "get_roles_for_target",
    ("                if role.is_delegated_path(target_filepath):\n", "                if True:\n"),
)
OLD_ROOT_SIGNS: Final = Guard(
    _TUF, "update_root", ("            Root, data, self.root\n", "            Root, data, None\n")
)
NEW_ROOT_SIGNS: Final = Guard(
    _TUF,
    "update_root",
    ("# Verify that new root is signed by itself\n        new_root.verify_delegate(", "(lambda *_: None)("),
)

# Of python-tuf, versions
ROOT_BY_ONE: Final = Guard(
    _TUF, "update_root", ("        if new_root.version != self.root.version + 1:\n", "        if False:\n")
)
TIMESTAMP_FLOOR: Final = Guard(
    _TUF,
    "update_timestamp",
    ("            if new_timestamp.version < self.timestamp.version:\n", "            if False:\n"),
)
SNAPSHOT_FLOOR: Final = Guard(
    _TUF,
    "update_timestamp",
    ("            if new_snapshot_meta.version < snapshot_meta.version:\n", "            if False:\n"),
)
ROLE_FLOOR: Final = Guard(
    _TUF,
    "update_snapshot",
    ("                if new_fileinfo.version < fileinfo.version:\n", "                if False:\n"),
)
ROLE_STAYS: Final = Guard(
    _TUF,
    "update_snapshot",
    (
        "if new_fileinfo is None:\n                    raise exceptions.",
        "if new_fileinfo is None:\n                    continue\n                    exceptions.",
    ),
)

# Of python-tuf, digests and dates
SNAPSHOT_DIGEST: Final = Guard(
    _TUF, "update_snapshot", ("            snapshot_meta.verify_length_and_hashes(data)\n", "            pass\n")
)
ROLE_DIGEST: Final = Guard(_TUF, "update_delegated_targets", ("        meta.verify_length_and_hashes(data)\n", ""))
ROOT_DATE: Final = Guard(
    _TUF, "update_timestamp", ("        if self.root.is_expired(self.reference_time):\n", "        if False:\n")
)
TIMESTAMP_DATE: Final = Guard(
    _TUF,
    "_check_final_timestamp",
    ("        if self.timestamp.is_expired(self.reference_time):\n", "        if False:\n"),
)
SNAPSHOT_DATE: Final = Guard(
    _TUF,
    "_check_final_snapshot",
    ("        if self.snapshot.is_expired(self.reference_time):\n", "        if False:\n"),
)
ROLE_DATE: Final = Guard(
    _TUF,
    "update_delegated_targets",
    ("        if new_delegate.is_expired(self.reference_time):\n", "        if False:\n"),
)
# Of SPOT, the catalogue and its files
ONE_KEY_TWICE: Final = Guard(
    _RULES,
    "_check_keys",
    ("    if len({_canonical(key.keyval.public) for key in keys.values()}) != len(keys):\n", "    if False:\n"),
)
TARGET_DIGEST: Final = Guard(
    _CATALOGUE,
    "_fetch_target",
    (
        "            found.verify_length_and_hashes(raw)\n        except LengthOrHashMismatchError as error:\n",
        "            pass\n        except LengthOrHashMismatchError as error:\n",
    ),
)
THRESHOLDS: Final = Guard(
    _RULES,
    "_check_thresholds",
    ("        if not 1 <= role.threshold <= len(set(role.keyids)):\n", "        if False:\n"),
)
ONLINE_SET: Final = Guard(
    _CATALOGUE,
    "Catalogue._check_kind",
    ("        if not self._offline and said is not False:\n", "        if False:\n"),
)
THIS_COMPONENT: Final = Guard(
    "spot_client/offers.py",
    "Offers.index",
    ("        if (found.product, found.component) != (product, name):\n", "        if False:\n"),
)
NEVER_CHANGED: Final = Guard(
    "spot_client/offers.py",
    "_check_heads",
    (
        "release.manifest.head) != release.manifest.head:\n",
        "release.manifest.head) != release.manifest.head and False:\n",
    ),
)
THIS_RELEASE: Final = Guard(
    "spot_client/fetch/releases.py",
    "Releases.manifest",
    ("        if named != (component, version, platform):\n", "        if False:\n"),
)
LISTED_NAMES: Final = Guard(
    "spot_client/offers.py",
    "Offers.components",
    ("names.split_component(component)[0] == product:\n", "True:\n"),
)

ROLE_NAMES: Final = Guard(
    _RULES, "_check_names", ('raise _distrust("bad-role-name", f"a role is called {_named(name)!r}")\n', "pass\n")
)
ROLE_KIND: Final = Guard(
    _RULES,
    "_check_kind",
    ('        raise _distrust("bad-role-kind", f"the role {_named', '        str(f"{_named'),
)
EXTRANEOUS_ROLE: Final = Guard(
    _RULES,
    "_check_names",
    ('        raise _distrust("extraneous-role", f"the role {role} hands on what it may not")\n', "        pass\n"),
)
BOTH_WAYS: Final = Guard(
    "spot_client/fetch/floors.py",
    "Floored._hold",
    ("        if ours is not None and known is not None and ours < known:\n", "        if False:\n"),
)
KEYS_OF_FLOORS: Final = Guard(
    "spot_client/fetch/kept.py",
    "snapshot_that_counts",
    (
        "path.exists() or not all(_counts(root, folder, role) for role in (Timestamp.type, Snapshot.type)):\n",
        "path.exists():\n",
    ),
)
KEYS_UNDO: Final = Guard(
    "spot_client/fetch/kept.py",
    "forget_undone",
    (
        "    if not all(_counts(root, folder, role) for role in (Timestamp.type, Snapshot.type)):\n        for",
        "    if False:\n        for",
    ),
)

CLOCK: Final = Guard(
    "spot_client/clock.py",
    "Clock.check",
    ("        if last is not None and here < last - TOLERANCE:\n", "        if False:\n"),
)
EARLIER_CLOCK: Final = Guard(
    "spot_client/clock.py",
    "Clock.advance",
    ("        verified = min(here, there)\n", "        verified = there\n"),
)

# Of SPOT, bytes
MIN_RATE: Final = Guard(
    "spot_client/fetch/pace.py", "Pace.took", ("        if 0 < self._came < self._least:\n", "        if False:\n")
)
NOT_HELD: Final = Guard(
    "spot_client/fetch/pace.py",
    "Pace.took",
    ("        if self._came and self._is_left(self._came / self._waited):\n", "        if False:\n"),
)
RUN_ENDS: Final = Guard(
    "spot_client/fetch/pace.py", "Pace.took", ("        if self._patience.left() <= 0:\n", "        if False:\n")
)
WHOLE_HEAD: Final = Guard(
    "spot_client/fetch/paced.py", "PacedSocket.recv_into", ("            pace.ended()\n", "            pass\n")
)
BODY_SIZE: Final = Guard(_TRANSPORT, "Mirror._read", ("        if len(raw) > max_bytes:\n", "        if False:\n"))
RANGE_SIZE: Final = Guard(_TRANSPORT, "Mirror.stream", ("response.read1(min(CHUNK, left))", "response.read1(CHUNK)"))
RANGE_END: Final = Guard(
    _TRANSPORT,
    "Mirror.stream",
    ('raise NotReachable("broken-off", f"{self.url} broke off {left} bytes before the end.")\n', "return\n"),
)
NEVER_DECODED: Final = Guard(
    _TRANSPORT, "Mirror._send", ("                decode_content=False,\n", "                decode_content=True,\n")
)
NEVER_REDIRECTED: Final = Guard(
    _TRANSPORT,
    "Mirror._send",
    (
        "                redirect=False,\n                retries=False,\n",
        "                redirect=True,\n                retries=3,\n",
    ),
)
BLOCK_DIGEST: Final = Guard(
    "spot_client/fetch/cache.py",
    "Cache.take_in",
    ('if hashlib.file_digest(file, "sha256").hexdigest() == block.sha256:\n', "if True:\n"),
)
SEAL_DIGEST: Final = Guard(
    "spot_client/wire/sealed.py", "_opened", ("    verify(raw[:end], Blob(end, seal.head), what)\n", "")
)
SEAL_LENGTH: Final = Guard(
    "spot_client/wire/sealed.py", "unseal", ("    if head.content.length > max_size:\n", "    if False:\n")
)
FRAME_SIZE: Final = Guard(
    "spot_client/wire/frame.py", "decompress", ("    if len(content) > max_size:\n", "    if False:\n")
)
TREE_DIGEST: Final = Guard(
    "spot_client/install/stage.py",
    "Stager.whole_kept",
    ("            if not any(damage(manifest, self._tree(component, kept))):\n", "            if True:\n"),
)
COPY_DIGEST: Final = Guard(
    "spot_client/install/assemble.py", "fill", ("    if digest.hexdigest() != entry.sha256:\n", "    if False:\n")
)

# Of SPOT, names
SAFE_PATH: Final = Guard(_NAMES, "check_path", ("    problem = _path_problem(path)\n", '    problem = ""\n'))
SAFE_LINK: Final = Guard(_NAMES, "check_link", ('    if climbs > path.count("/"):\n', "    if False:\n"))

# Of SPOT, decisions
THIS_PLATFORM: Final = Guard(
    "spot_client/decide/choose.py",
    "_obstacle",
    ('    if release.platform not in {"any", situation.platform}:\n', "    if False:\n"),
)
THIS_CHANNEL: Final = Guard(
    "spot_client/decide/choose.py",
    "_obstacle",
    ("    if situation.channel not in release.channels:\n", "    if False:\n"),
)
NEVER_BACK: Final = Guard(
    "spot_client/decide/choose.py",
    "_direction",
    (
        "    if asked and Version(best.version) < Version(installed):\n",
        "    if Version(best.version) < Version(installed):\n",
    ),
)
NOT_STOPPED: Final = Guard(
    "spot_client/decide/choose.py",
    "_obstacle",
    ("    stop = stops.of(release.version, release.platform)\n", "    stop = None\n"),
)
NEWER_BUNDLE: Final = Guard(
    "spot_client/enrol.py",
    "_check_not_older",
    ("    if ours and theirs and theirs.begin < ours.begin:\n", "    if False:\n"),
)
SAME_ROOT: Final = Guard(
    "spot_client/enrol.py", "_take_root", ("    elif found is Descent.OTHER:\n", "    elif False:\n")
)
SAME_CHAIN: Final = Guard(
    "spot_client/enrol.py", "_take_root", ("    if found is not Descent.SAME and new_root:\n", "    if new_root:\n")
)
NOT_BEFORE: Final = Guard(
    "spot_client/enrol.py", "_take_root", ("    if found is Descent.OLDER and new_root:\n", "    if False:\n")
)

# Of SPOT, what was stopped
THIS_PRODUCT: Final = Guard(
    "spot_client/offers.py",
    "Offers._read_halts",
    ("            if found.product != product:\n", "            if False:\n"),
)
NOT_BACK_TO_STOPPED: Final = Guard(
    "spot_client/decide/back.py", "way_back", ("        if stop is None:\n", "        if True:\n")
)
TOMBSTONES_STAY: Final = Guard(
    "spot_client/offers.py",
    "_check_follows",
    ("        if (stone.version, stone.platform) not in stones:\n", "        if False:\n"),
)

# Of SPOT, mirrors
OTHER_MIRROR: Final = Guard(
    _FAILOVER, "Mirrors.ask", ("            others = self._others(through)\n", "            others = ()\n")
)
REFUSED_BY_ONE: Final = Guard(
    _FAILOVER,
    "Mirrors.ask",
    (
        "(through)\n        except (NotReachable, NotTrusted, Refused) as error:\n",
        "(through)\n        except (NotReachable, NotTrusted) as error:\n",
    ),
)
NEVER_TO_A_LIAR: Final = Guard(
    "spot_client/compose.py",
    "open_spot",
    ("ThinSnapshots(store, honest or transport, ", "ThinSnapshots(store, transport, "),
)
HANDED_OUT: Final = Guard(
    "spot_client/fetch/withheld.py",
    "handed_out",
    ("        if error.reason != Reason.NOT_FOUND.value:\n", "        if True:\n"),
)
PUT_BACK: Final = Guard(
    _FAILOVER, "AnyCatalogue._put_back", ("            elif raw != _read(path):\n", "            elif False:\n")
)
HELD_WITHIN_A_RUN: Final = Guard(
    _FAILOVER, "AnyCatalogue._through", ("            self._before = self._floors()\n", "            pass\n")
)
NEXT_MIRROR: Final = Guard(
    _TRANSPORT,
    "Transport._first",
    (
        "        for mirror in (*self._mirrors[answered:], *self._mirrors[:answered]):\n",
        "        for mirror in (self._mirrors[0],):\n",
    ),
)

# Of SPOT, its own certificate
HELD_TO_KEY: Final = Guard(_RENEW, "_checked", ("    if not ours:\n", "    if False:\n"))
HELD_TO_NAME: Final = Guard(_RENEW, "_checked", ("    if peer.identity.uri != waiting.identity:\n", "    if False:\n"))
SHOWN_FIRST: Final = Guard(_PROOF, "prove", ("    if taken and (nothing_to_lose or not refusals):\n", "    if True:\n"))
SHOWN_TO_ALL: Final = Guard(
    _PROOF, "prove", ("    if taken and (nothing_to_lose or not refusals):\n", "    if taken:\n")
)
