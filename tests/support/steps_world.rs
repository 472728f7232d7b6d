//! Steps that build the world a command meets: mirrors, tarballs, a registry and its moods, small and read-only disks.
//!
//! ```text
//! tarballs DIR all|NAME@VER …       the described packages as DIR/NAME-VER.tgz
//! mirror-of DIR all|NAME@VER …      a mirror that holds them, made by `pantry mirror init` and `add`
//! registry all|NAME@VER …           starts the loopback registry; $REGISTRY, $OTHER and npm_config_registry point there
//! serve DIR [ranges]                starts the same server for the files of a folder
//! secure KIND                       the same behind TLS; $SECURE and npm_config_registry point there, $AUTHORITY is the file of who
//!                                   signed: good · expired · early · elsewhere · stranger · self-signed · cut · plain · old · too-new · silent
//! publish NAME@VER|hostile:KIND …   more packages for it; a hostile one is evil@1.0.0
//! fault PATH WHAT [ARG] [times N]   status 500 · held · cut 100 · flip · redirect URL · html · endless · hang · bytes FILE · retry-after S
//! recover                           no more faults; what was held is answered
//! await PATH                        waits until it has been asked for such a path
//! authorization TEXT                who does not send that gets 401; tarballs-at URL, no-integrity, only-full: see registry.rs
//! requests PATH [at-most] N         it was asked N times for paths like that (a final * takes any ending); `forget` starts anew
//! sent PATH HEADER TEXT             some request for such a path had that in that header; with `!` none had
//! disk SIZE DIR                     a small disk of its own, mounted there (root; else skipped)
//! exfat SIZE DIR                    the same with exFAT on it (root, FUSE, exfat-fuse and exfatprogs; else skipped)
//! fill DIR LEAVE                    fills that disk but for LEAVE bytes
//! read-only DIR · read-write DIR
//! ```

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::case::{Case, LIMIT, Outcome, Stop};
use super::listing::matches;
use super::package::Package;
use super::process;
use super::registry::{Registry, Trouble};
use super::script::{Step, Wanted};
use super::steps_files::{number, set_mode};
use super::steps_run;
use super::tls::Identity;

pub fn step(case: &mut Case, step: &Step, words: &[String]) -> Result<bool, Stop> {
    let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    let done: Outcome = match (words[0].as_str(), args.as_slice()) {
        ("tarballs", [dir, specs @ ..]) => write_tarballs(case, dir, specs).map(drop),
        ("mirror-of", [dir, specs @ ..]) => mirror_of(case, step, dir, specs),
        ("registry", specs) => {
            let registry = Registry::start(chosen(case, specs)?)?;
            case.env.insert("npm_config_registry".into(), registry.url());
            case.env.insert("REGISTRY".into(), registry.url());
            case.env.insert("OTHER".into(), registry.other_url());
            case.registry = Some(registry);
            Ok(())
        }
        ("serve", [dir, ranges @ ..]) => {
            let server = Registry::start(Vec::new())?;
            server.serve_folder(case.path(dir), ranges == ["ranges"]);
            case.env.insert("REGISTRY".into(), server.url());
            case.env.insert("OTHER".into(), server.other_url());
            case.registry = Some(server);
            Ok(())
        }
        ("serve-also", [dir]) => {
            let folder = case.path(dir);
            registry(case).map(|r| r.serve_folder(folder, false))
        }
        ("secure", [kind]) => secure(case, kind),
        ("publish", specs) => {
            for package in chosen(case, specs)? {
                registry(case)?.publish(package);
            }
            Ok(())
        }
        ("fault", [path, what @ ..]) => fault(case, path, what),
        ("recover", []) => registry(case).map(Registry::recover),
        ("forget", []) => registry(case).map(Registry::forget_requests),
        ("tarballs-at", [base]) => registry(case).map(|r| r.tarballs_at(base)),
        ("authorization", [text]) => registry(case).map(|r| r.require(text)),
        ("no-integrity", []) => registry(case).map(Registry::without_integrity),
        ("only-full", []) => registry(case).map(Registry::only_full_packuments),
        ("requests", [path, count]) | ("requests", [path, "at-most", count]) => {
            let asked: Vec<_> =
                registry(case)?.requests().into_iter().filter(|r| matches(path, &r.path)).collect();
            let (found, wanted) = (asked.len() as u64, number(count)?);
            if found == wanted || (args.len() > 2 && found < wanted) {
                Ok(())
            } else {
                let list: String = asked.iter().map(|r| format!("\n{} {}", r.method, r.path)).collect();
                Err(format!("{} requests for `{path}`, wanted {count}:{list}", asked.len()).into())
            }
        }
        ("await", [path]) => {
            let until = Instant::now() + LIMIT;
            while !registry(case)?.requests().iter().any(|r| matches(path, &r.path)) {
                if Instant::now() > until {
                    return Err(format!("nobody asks for `{path}`").into());
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            Ok(())
        }
        ("sent", [path, header, text]) => {
            let requests = registry(case)?.requests();
            let hit = requests.iter().filter(|r| matches(path, &r.path) || matches(path, &r.host)).any(|r| {
                r.headers
                    .iter()
                    .any(|(name, value)| name.eq_ignore_ascii_case(header) && value.contains(text))
            });
            match (hit, step.wanted == Wanted::Failure) {
                (true, true) => Err(format!("`{header}: …{text}…` was sent").into()),
                (false, false) => Err(format!("`{header}: …{text}…` was never sent").into()),
                _ => Ok(()),
            }
        }
        ("disk", [size, dir]) => disk(case, size, dir),
        ("exfat", [size, dir]) => exfat(case, size, dir),
        ("fill", [dir, leave]) => fill(&case.path(dir), number(leave)?),
        ("read-only", [dir]) => read_only(case, dir),
        ("read-write", [dir]) => {
            let at = case.path(dir);
            if let Some(n) = case.read_only.iter().position(|p| *p == at) {
                case.read_only.remove(n);
                release(&at);
            }
            Ok(())
        }
        _ => return Ok(false),
    };
    done.map(|()| true)
}

fn registry(case: &Case) -> Result<&Registry, Stop> {
    case.registry.as_ref().ok_or_else(|| "no `registry` was started".into())
}

fn secure(case: &mut Case, kind: &str) -> Outcome {
    let (identity, authority) = Identity::new(kind)?;
    let url = registry(case)?.secure(identity)?;
    let file = case.root.join("home/authority.pem");
    fs::write(&file, authority)?;
    case.env.insert("AUTHORITY".into(), file.to_string_lossy().into_owned());
    case.env.insert("npm_config_registry".into(), url.clone());
    case.env.insert("SECURE".into(), url);
    Ok(())
}

fn chosen(case: &Case, specs: &[&str]) -> Result<Vec<Package>, Stop> {
    if specs == ["all"] {
        return Ok(case.packages.clone());
    }
    let find = |spec: &&str| {
        if let Some(kind) = spec.strip_prefix("hostile:") {
            return Package::hostile(kind).ok_or_else(|| format!("no hostile archive `{kind}`").into());
        }
        let found = case.packages.iter().find(|p| p.spec() == **spec);
        found.cloned().ok_or_else(|| format!("the archive describes no package `{spec}`").into())
    };
    specs.iter().map(find).collect()
}

fn write_tarballs(case: &Case, dir: &str, specs: &[&str]) -> Result<Vec<String>, Stop> {
    let dir = case.path(dir);
    fs::create_dir_all(&dir)?;
    let mut paths = Vec::new();
    for package in chosen(case, specs)? {
        let file = dir.join(format!(
            "{}-{}.tgz",
            package.name.trim_start_matches('@').replace('/', "-"),
            package.version
        ));
        fs::write(&file, package.tarball())?;
        paths.push(file.to_string_lossy().into_owned());
    }
    Ok(paths)
}

fn mirror_of(case: &mut Case, step: &Step, dir: &str, specs: &[&str]) -> Outcome {
    let source = case.root.join("of-the-harness-tarballs");
    let files = write_tarballs(case, &source.to_string_lossy(), specs)?;
    let dir = case.path(dir).to_string_lossy().into_owned();
    if !Path::new(&dir).exists() {
        let words = ["pantry", "mirror", "init", &dir].map(String::from);
        steps_run::step(case, step, &words)?;
    }
    let mut words = ["pantry", "mirror", "add", "--mirror", &dir].map(String::from).to_vec();
    words.extend(files);
    steps_run::step(case, step, &words)?;
    Ok(fs::remove_dir_all(source)?)
}

fn fault(case: &Case, path: &str, what: &[&str]) -> Outcome {
    let (what, times) = match what {
        [what @ .., "times", n] => (what, Some(n.parse().map_err(|_| "times N")?)),
        what => (what, None),
    };
    let trouble = match what {
        ["status", code] => Trouble::Status(code.parse().map_err(|_| "status N")?),
        ["held"] => Trouble::Held,
        ["cut", bytes] => Trouble::Cut(usize::try_from(number(bytes)?).unwrap_or(0)),
        ["flip"] => Trouble::Flip,
        ["redirect", url] => Trouble::Redirect((*url).into()),
        ["html"] => Trouble::Html,
        ["endless"] => Trouble::Endless,
        ["hang"] => Trouble::Hang,
        ["bytes", file] => Trouble::Bytes(fs::read(case.path(file))?),
        ["retry-after", seconds] => Trouble::RetryAfter(number(seconds)?),
        _ => return Err("fault PATH WHAT [ARG] [times N]".into()),
    };
    registry(case)?.trouble(path, trouble, times);
    Ok(())
}

fn mount(args: &[&str]) -> Outcome {
    let done = Command::new("mount").args(args).output()?;
    if done.status.success() {
        return Ok(());
    }
    Err(Stop::Skip(format!("mount: {}", String::from_utf8_lossy(&done.stderr).trim())))
}

fn disk(case: &mut Case, size: &str, dir: &str) -> Outcome {
    if process::can("mount") != Some(true) {
        return Err(Stop::Skip("no right to mount a small disk".into()));
    }
    let at = case.path(dir);
    fs::create_dir_all(&at)?;
    mount(&["-t", "tmpfs", "-o", &format!("size={}", number(size)?), "tmpfs", &at.to_string_lossy()])?;
    case.mounts.push(at);
    Ok(())
}

/// A stick as it is bought: no links of either kind, no case, no permissions.
fn exfat(case: &mut Case, size: &str, dir: &str) -> Outcome {
    if process::can("exfat") != Some(true) {
        return Err(Stop::Skip("no exFAT here (root, FUSE, exfat-fuse, exfatprogs)".into()));
    }
    let (at, image) = (case.path(dir), case.root.join(format!("{}.img", dir.replace('/', "-"))));
    fs::create_dir_all(&at)?;
    fs::File::create(&image)?.set_len(number(size)?)?;
    if !Command::new("mkfs.exfat").arg(&image).output()?.status.success() {
        return Err(Stop::Skip("mkfs.exfat fails".into()));
    }
    let mounted = mount(&["-t", "exfat-fuse", "-o", "loop", &image.to_string_lossy(), &at.to_string_lossy()]);
    // The loop device holds it as long as the disk is mounted.
    fs::remove_file(&image)?;
    mounted?;
    case.mounts.push(at);
    Ok(())
}

fn fill(dir: &Path, leave: u64) -> Outcome {
    let stat = rustix::fs::statvfs(dir).map_err(std::io::Error::from)?;
    let mut left = (stat.f_bavail * stat.f_frsize).saturating_sub(leave);
    let mut file = fs::File::create(dir.join("filling"))?;
    let chunk = [0_u8; 4096];
    while left > 0 {
        let n = left.min(4096);
        file.write_all(&chunk[..usize::try_from(n).unwrap_or(4096)])?;
        left -= n;
    }
    Ok(())
}

/// For root a read-only mount of the directory onto itself; for others the write permissions.
fn read_only(case: &mut Case, dir: &str) -> Outcome {
    let at = case.path(dir);
    let path = at.to_string_lossy().into_owned();
    if process::is_root() {
        if process::can("mount") != Some(true) {
            return Err(Stop::Skip("no right to mount read-only".into()));
        }
        mount(&["--bind", &path, &path])?;
        case.read_only.push(at);
        mount(&["-o", "remount,bind,ro", &path])
    } else {
        case.read_only.push(at.clone());
        let done = Command::new("chmod").args(["-R", "a-w"]).arg(at).status()?;
        if done.success() { Ok(()) } else { Err("chmod failed".into()) }
    }
}

fn release(at: &Path) {
    if process::is_root() {
        let _ = Command::new("umount").arg("-l").arg(at).status();
    } else {
        let _ = Command::new("chmod").args(["-R", "u+w"]).arg(at).status();
    }
}

pub fn unmount(case: &mut Case) {
    for at in case.read_only.drain(..).rev() {
        release(&at);
    }
    for at in case.mounts.drain(..).rev() {
        let _ = Command::new("umount").arg("-l").arg(at).status();
    }
    // What a case made unreadable must not outlive it.
    let _ = set_mode(&case.root, 0o755);
}
