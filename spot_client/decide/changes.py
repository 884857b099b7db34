"""What changed between two versions, as the signed index tells it: the releases on the way, oldest first. Pure."""

from packaging.version import Version

from spot_client.wire.index import Index, Release


def changes(
    index: Index, *, channel: str, platform: str, after: Version | None = None, up_to: Version | None = None
) -> tuple[Release, ...]:
    """The releases offered in `channel` for `platform` that are newer than `after` and not newer than `up_to`.

    One a version: where a version is there for every platform and for this one, this one's. Withdrawn releases are not
    in an index. What a release requires of others is not looked at: its notes are worth reading before that is met.
    """
    found: dict[Version, Release] = {}
    for release in index.releases:
        version = Version(release.version)
        here = release.platform in {"any", platform} and channel in release.channels
        wanted = (after is None or version > after) and (up_to is None or version <= up_to)
        if here and wanted and (version not in found or release.platform != "any"):
            found[version] = release
    return tuple(found[version] for version in sorted(found))
