//! Where a command can be disturbed. strace counts each system call of each thread by itself, so a point is "the n-th
//! `rename` of a thread", whichever thread gets there first.

use std::collections::BTreeMap;
use std::fs;

use crate::world::World;

/// Everything that changes something on a disk.
pub const MUTATING: &str = "write,pwrite64,writev,rename,renameat,renameat2,mkdir,mkdirat,unlink,unlinkat,rmdir,link,linkat,\
symlink,symlinkat,ftruncate,fallocate,fsync,fdatasync,syncfs,sync_file_range,chmod,fchmod,fchmodat,copy_file_range,sendfile,utimensat";

/// And what opens, reads, lists and locks.
pub const ALL: &str = "write,pwrite64,writev,rename,renameat,renameat2,mkdir,mkdirat,unlink,unlinkat,rmdir,link,linkat,\
symlink,symlinkat,ftruncate,fallocate,fsync,fdatasync,syncfs,sync_file_range,chmod,fchmod,fchmodat,copy_file_range,sendfile,utimensat,\
open,openat,read,pread64,readv,getdents64,flock,statfs,fstatfs,readlink,readlinkat,faccessat,faccessat2,access,\
socket,connect,sendto,recvfrom,ioctl,eventfd2,pipe2,dup,fcntl";

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    pub call: String,
    pub n: usize,
    /// It speaks to the terminal (in some thread): a fault there says nothing about what lies on the disk.
    pub speaks: bool,
    /// It opens a folder (in some thread).
    pub folder: bool,
}

pub struct Points {
    pub list: Vec<Point>,
    /// Calls in all; more than points where several threads have an n-th call of the same kind.
    pub calls: usize,
    pub threads: usize,
}

pub fn strace(world: &World, set: &str, trace: &str, inject: Option<&str>) -> Vec<String> {
    let mut words: Vec<String> =
        ["strace", "-qq", "-y", "-o", trace, "-e", &format!("trace={set}")].map(String::from).to_vec();
    // Errors in another's program are that program's.
    if !world.runs_another() {
        words.push("-f".into());
    }
    words.extend(inject.into_iter().flat_map(|i| ["-e".to_owned(), format!("inject={i}")]));
    words
}

/// Runs the command once, undisturbed, under strace.
pub fn of(world: &World, set: &str) -> Points {
    // A copy has other inodes than what it is a copy of, and every disturbed run begins in one.
    world.restore();
    let file = world.base().join("trace").to_string_lossy().into_owned();
    let out = world.pantry(world.command(), &strace(world, set, &file, None));
    assert_eq!(out.status, 0, "{}: {}", world.name(), String::from_utf8_lossy(&out.stderr));
    let points = parse(&fs::read_to_string(&file).expect("a trace"));
    assert!(!points.list.is_empty(), "{}: no call at all", world.name());
    points
}

fn parse(trace: &str) -> Points {
    let mut counts = BTreeMap::<(&str, &str), usize>::new();
    let mut points = Points { list: Vec::new(), calls: 0, threads: 0 };
    let mut threads = std::collections::BTreeSet::new();
    // Until the program's own first call: the loader looks for libraries and reads their heads.
    let mut loading = true;
    for line in trace.lines() {
        // Without `-f` there is no thread at the line's beginning.
        let digits = line.bytes().take_while(u8::is_ascii_digit).count();
        let (thread, call) = line.split_at(digits);
        let call = call.trim_start();
        let Some((name, arguments)) = call.split_once('(') else { continue };
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            continue;
        }
        threads.insert(thread);
        let count = counts.entry((thread, name)).or_default();
        *count += 1;
        loading = loading
            && match name {
                "openat" | "open" => arguments.contains(".so"),
                name => ["read", "pread64", "access", "readlink"].contains(&name),
            };
        if loading {
            continue;
        }
        points.calls += 1;
        let folder = arguments.contains("O_DIRECTORY");
        let speaks = ["write(1,", "write(1<", "write(2,", "write(2<"].iter().any(|w| call.starts_with(w));
        match points.list.iter_mut().find(|p| p.call == name && p.n == *count) {
            Some(point) => {
                point.speaks |= speaks;
                point.folder |= folder;
            }
            None => points.list.push(Point { call: name.into(), n: *count, speaks, folder }),
        }
    }
    points.threads = threads.len();
    points
}

/// `most` of them, spread evenly, always with the first and the last.
pub fn spread<T: Clone>(all: &[T], most: usize) -> Vec<T> {
    if all.len() <= most {
        return all.to_vec();
    }
    (0..most).map(|n| all[n * (all.len() - 1) / (most - 1).max(1)].clone()).collect()
}

#[test]
fn a_point_is_the_nth_call_of_a_thread() {
    let trace = "1 openat(3, \"libc.so.6\") = 3\n1 read(3, \"\") = 1\n1 openat(3, \"a\") = 4\n1 read(4, \"\") = 1\n\
                 2 read(5, \"\") = 1\n2 read(5, \"\") = 1\n1 write(2</dev/null>, \"x\") = 1\n1 +++ exited with 0 +++\n";
    let points = parse(trace);
    let shown: Vec<_> = points.list.iter().map(|p| format!("{} {} {}", p.call, p.n, p.speaks)).collect();
    // The loader's `read` counts for strace: the program's first is the second.
    assert_eq!(shown, ["openat 2 false", "read 2 false", "read 1 false", "write 1 true"]);
    assert_eq!((points.calls, points.threads), (5, 2));
    assert_eq!(spread(&[1, 2, 3, 4, 5], 3), [1, 3, 5]);
    assert_eq!(spread(&[1, 2], 3), [1, 2]);
}
