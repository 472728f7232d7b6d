"""All that a mirror says, but for where its archives lie and who signed it: read by the reader that was written from
mirror/README.md alone, every byte of every file looked at. Used on the host and in the emulated machine."""

import hashlib
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "mirror-reader"))
import mirror_reader  # noqa: E402


def of(directory):
    """Name@version of what is here and whole, the hash of all facts, whether it is signed, whether all of it is whole."""
    mirror = mirror_reader.Mirror(str(directory))
    wrong = mirror.check()
    blobs = mirror.blobs()
    present, facts = [], hashlib.sha256()
    for record in mirror.records().values():
        for version in record["versions"]:
            version["here"] = version["location"] != "absent" and (not wrong or is_whole(mirror, version, blobs))
            del version["location"]
            version.pop("pack", None), version.pop("offset", None)
            if version["here"]:
                present.append(f"{record['name']}@{version['version']}")
        facts.update(repr(sorted(record.items())).encode())
    facts.update(repr(sorted(mirror.exclusions)).encode())
    return {"present": sorted(present), "facts": facts.hexdigest()[:24], "signed": bool(mirror.signers), "whole": not wrong}


def is_whole(mirror, version, blobs):
    try:
        mirror.archive(version, blobs)
        return True
    except (mirror_reader.Damaged, OSError, KeyError):
        return False


def files(directory):
    """How many files of each kind there are."""
    kinds = {}
    for path in pathlib.Path(directory).rglob("*"):
        if path.is_file():
            kind = path.relative_to(directory).parts[0]
            kinds[kind] = kinds.get(kind, 0) + 1
    return kinds
