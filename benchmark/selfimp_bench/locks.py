"""Locks between processes on one home, on one machine or on several that share it.

On a local disk the kernel holds the lock (flock), and frees it when its process dies. On a network file system flock
may mean nothing to other machines (NFS mounted with nolock or local_lock, SMB, FUSE), or outlive a machine that died;
there it is a lease, a file that its holder touches: filelock's SoftFileLease. A holder of the same machine that died is
recognised at once; one of another machine, or one that cannot reach the file system, after ``LEASE`` seconds without a
touch, by the clock of whoever waits. A holder that was only held up that long may then do what another does again:
steps are written so that both come to the same. Wanted of the file system is that a file can be created exclusively,
as NFS can from version 3 on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, SoftFileLease

from selfimp_bench.mounts import MOUNTS, file_system

LEASE: Final = 120.0
"""Seconds; the holder touches its file three times in them."""

_NETWORK: Final = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2"}
    | {"orangefs", "pvfs2", "smb3", "smbfs", "virtiofs"}
)


@contextmanager
def held(path: Path, *, lease: float | None = None) -> Iterator[None]:
    """Hold the lock of this name, having waited for it. ``lease``: seconds of one; None: as the file system asks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if lease is None and on_network(path.parent):
        lease = LEASE
    if lease is None:
        with FileLock(path):
            yield
        return
    with SoftFileLease(f"{path}.lease", lease_duration=lease):
        list(path.parent.parent.iterdir())  # a client of NFS looks anew at a folder that it opens
        yield


def on_network(folder: Path, mounts: Path = MOUNTS) -> bool:
    """Whether a folder lies on a file system that several machines may share."""
    kind = file_system(folder, mounts)
    return kind in _NETWORK or kind.startswith("fuse")
