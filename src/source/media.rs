//! Mirrors on media that are mounted, found by their well-known folder.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Kinds of file systems that sticks, cards and discs have. Not those of networks: a look at one that
/// is gone may take minutes.
const KINDS: [&str; 17] = [
    "vfat",
    "msdos",
    "exfat",
    "fuseblk",
    "ntfs",
    "ntfs3",
    "iso9660",
    "udf",
    "ext2",
    "ext3",
    "ext4",
    "btrfs",
    "xfs",
    "f2fs",
    "hfsplus",
    "fuse.exfat-fuse",
    "tmpfs",
];

/// The mirrors in `PANTRY/` at the root of a mounted volume, sorted.
pub fn mirrors() -> Vec<PathBuf> {
    // The kernel's own list; where there is none, nothing is found.
    let mounts = std::fs::read("/proc/self/mounts").unwrap_or_default();
    let mut found: Vec<PathBuf> = points(&mounts).into_iter().filter_map(|point| mirror_at(&point)).collect();
    mirror::order::sort(&mut found);
    found.dedup();
    found
}

fn mirror_at(point: &Path) -> Option<PathBuf> {
    let folders = ["PANTRY", "pantry"].into_iter().map(|name| point.join(name));
    folders.into_iter().find(|dir| ["ROOT.A", "root.a"].iter().any(|slot| dir.join(slot).is_file()))
}

/// Where volumes of these kinds are mounted: the second field of each line, with `\040` and the like for
/// what would end it.
fn points(mounts: &[u8]) -> Vec<PathBuf> {
    let mut points = Vec::new();
    for line in mounts.split(|b| *b == b'\n') {
        let mut fields = line.split(|b| *b == b' ').skip(1);
        let (Some(point), Some(kind)) = (fields.next(), fields.next()) else { continue };
        if !KINDS.iter().any(|k| k.as_bytes() == kind) {
            continue;
        }
        let mut path = Vec::with_capacity(point.len());
        let mut rest = point;
        while let Some((&b, after)) = rest.split_first() {
            let digit = |i: usize| after.get(i).map(|d| d.wrapping_sub(b'0')).filter(|d| *d < 8);
            match (b, digit(0), digit(1), digit(2)) {
                (b'\\', Some(a), Some(b), Some(c)) => {
                    path.push(a << 6 | b << 3 | c);
                    rest = &after[3..];
                }
                _ => {
                    path.push(b);
                    rest = after;
                }
            }
        }
        points.push(PathBuf::from(OsString::from_vec(path)));
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_of_media() {
        let mounts =
            b"proc /proc proc rw 0 0\n/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /media/a\\040b\\134 vfat rw 0 0\n\
            server:/x /net nfs4 rw 0 0\nbroken\n";
        assert_eq!(points(mounts), [PathBuf::from("/"), PathBuf::from("/media/a b\\")]);
    }

    #[test]
    fn a_mirror_in_either_case() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(mirror_at(dir.path()), None);
        std::fs::create_dir(dir.path().join("pantry")).unwrap();
        mirror::file::replace_scratch(&dir.path().join("pantry/root.a"), b"").unwrap();
        assert_eq!(mirror_at(dir.path()), Some(dir.path().join("pantry")));
    }
}
