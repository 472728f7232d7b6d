//! Programs run by tests: exact environment, both streams, a time limit, no children left over.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

#[derive(Debug, Clone)]
pub struct Run {
    pub argv: Vec<OsString>,
    pub env: Vec<(String, String)>,
    pub cwd: PathBuf,
    pub stdin: Vec<u8>,
    pub limit: Duration,
}

#[derive(Debug, Clone, Default)]
pub struct Output {
    /// The exit status, or 128 + the signal that ended it.
    pub status: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub timed_out: bool,
    pub took: Duration,
}

pub struct Running {
    child: Child,
    out: JoinHandle<Vec<u8>>,
    err: JoinHandle<Vec<u8>>,
    done: Arc<AtomicBool>,
    timed_out: Arc<AtomicBool>,
    began: Instant,
}

/// Where an instrumented binary writes what it executed (`make coverage`); else it would write into the case's directory.
pub fn coverage() -> Option<(&'static str, std::ffi::OsString)> {
    std::env::var_os("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file))
}

/// What a command sees whose homes lie in `base`, as they do in a script test's directory.
pub fn homes(base: &Path) -> Vec<(String, String)> {
    let at = |name: &str| base.join(name).to_string_lossy().into_owned();
    [
        ("PATH", std::env::var("PATH").unwrap_or_default()),
        ("HOME", at("home")),
        ("PANTRY_HOME", at("pantry")),
        ("TMPDIR", at("tmp")),
        ("LANG", "C.UTF-8".into()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

impl Run {
    pub fn spawn(&self) -> io::Result<Running> {
        let mut command = Command::new(&self.argv[0]);
        command
            .args(&self.argv[1..])
            .env_clear()
            .envs(coverage())
            .envs(self.env.iter().map(|(k, v)| (k, v)))
            .current_dir(&self.cwd)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mut stdin = child.stdin.take().expect("piped");
        let input = self.stdin.clone();
        std::thread::spawn(move || stdin.write_all(&input));
        let out = drain(child.stdout.take().expect("piped"));
        let err = drain(child.stderr.take().expect("piped"));
        let (done, timed_out) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (group, limit) = (child.id(), self.limit);
        let flags = (done.clone(), timed_out.clone());
        std::thread::spawn(move || {
            let until = Instant::now() + limit;
            while Instant::now() < until {
                if flags.0.load(Ordering::Acquire) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(50).min(limit));
            }
            flags.1.store(true, Ordering::Release);
            kill_group(group);
        });
        Ok(Running { child, out, err, done, timed_out, began: Instant::now() })
    }

    pub fn run(&self) -> io::Result<Output> {
        self.spawn()?.wait()
    }
}

impl Running {
    pub fn wait(mut self) -> io::Result<Output> {
        let status = self.child.wait()?;
        let took = self.began.elapsed();
        // Whom it left behind may hold them open: the limit is for those too.
        let (stdout, stderr) = (self.out.join().unwrap_or_default(), self.err.join().unwrap_or_default());
        self.done.store(true, Ordering::Release);
        Ok(Output {
            status: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            stdout,
            stderr,
            timed_out: self.timed_out.load(Ordering::Acquire),
            took,
        })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn kill(&self) {
        kill_group(self.child.id());
    }
}

fn drain(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        bytes
    })
}

/// Every child leads a process group of its own, so this reaches it and what it started, and nobody else.
fn kill_group(leader: u32) {
    let Some(pid) = i32::try_from(leader).ok().and_then(rustix::process::Pid::from_raw) else { return };
    let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
}

/// The binary under test.
pub fn pantry() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_pantry"))
}

/// Where a program is on the PATH of whoever runs the tests.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub fn works(argv: &[&str]) -> bool {
    Command::new(argv[0])
        .args(&argv[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// Whether this machine can do what a test wants to lean on; asked once.
pub fn can(what: &str) -> Option<bool> {
    static UNSHARE: OnceLock<bool> = OnceLock::new();
    static MOUNT: OnceLock<bool> = OnceLock::new();
    static STRACE: OnceLock<bool> = OnceLock::new();
    static HARD_LINKS: OnceLock<bool> = OnceLock::new();
    Some(match what {
        "root" => is_root(),
        "skoolkit" => works(&["python3", "-c", "import skoolkit"]),
        "unshare" => *UNSHARE.get_or_init(|| works(&["unshare", "-rn", "true"])),
        // Only root's own namespace: the mounts are made and removed by the harness.
        "mount" => *MOUNT.get_or_init(|| {
            is_root() && works(&["unshare", "-m", "sh", "-c", "mount -t tmpfs -o size=64k tmpfs /mnt"])
        }),
        // Some kernels here bring exFAT's driver for FUSE only.
        "exfat" => {
            is_root()
                && Path::new("/dev/fuse").exists()
                && find("mkfs.exfat").is_some()
                && find("mount.exfat-fuse").is_some()
        }
        "strace" => *STRACE.get_or_init(|| works(&["strace", "-f", "-o", "/dev/null", "true"])),
        // Where files can share their blocks until one is written to, trees are made in that way.
        "hard-links" => *HARD_LINKS.get_or_init(|| {
            let clones =
                "d=$(mktemp -d) && echo x >$d/a && ! cp --reflink=always $d/a $d/b; s=$?; rm -r $d; exit $s";
            works(&["sh", "-c", clones])
        }),
        "ca65" | "curl" | "faketime" | "node" | "npm" | "openssl" | "pasmo" | "python3" | "git"
        | "prlimit" | "setpriv" | "bash" | "zsh" | "fish" | "script" => find(what).is_some(),
        _ => return None,
    })
}
