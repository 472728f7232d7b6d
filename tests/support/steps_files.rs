//! Steps that change files and the script's own state: `cd`, `env`, `stdin`, `mkdir`, `rm`, `cp`, `mv`, `write`, `append`,
//! `replace`, `truncate`, `flip`, `noise`, `chmod`, `symlink`, `mkfifo`.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::case::{Case, Outcome, Stop};
use super::hostile;
use super::script::Step;

pub fn step(case: &mut Case, _: &Step, words: &[String]) -> Result<bool, Stop> {
    let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    let done: Outcome = match (words[0].as_str(), args.as_slice()) {
        ("cd", [dir]) => {
            let to = case.path(dir);
            if !to.is_dir() {
                return Err(format!("`{dir}` is not a directory").into());
            }
            case.cwd = to;
            Ok(())
        }
        ("env", settings) if !settings.is_empty() => settings.iter().try_for_each(|setting| {
            match setting.split_once('=') {
                Some((name, value)) => drop(case.env.insert(name.into(), value.into())),
                // Without a value: not set at all.
                None => drop(case.env.remove(*setting)),
            }
            Ok(())
        }),
        ("stdin", [file]) => {
            case.stdin = fs::read(case.path(file))?;
            Ok(())
        }
        ("stdin-text", [text]) => {
            case.stdin = unescape(text)?;
            Ok(())
        }
        ("mkdir", dirs) => dirs.iter().try_for_each(|dir| Ok(fs::create_dir_all(case.path(dir))?)),
        ("rm", paths) => paths.iter().try_for_each(|path| {
            let at = case.path(path);
            Ok(if fs::symlink_metadata(&at)?.is_dir() {
                fs::remove_dir_all(at)
            } else {
                fs::remove_file(at)
            }?)
        }),
        ("cp", [from, to]) => copy(&case.path(from), &case.path(to)),
        ("mv", [from, to]) => Ok(fs::rename(case.path(from), case.path(to))?),
        ("write", [file, text]) => Ok(fs::write(case.path(file), unescape(text)?)?),
        ("append", [file, text]) => {
            let mut to = fs::OpenOptions::new().append(true).create(true).open(case.path(file))?;
            Ok(to.write_all(&unescape(text)?)?)
        }
        ("replace", [file, old, new]) => {
            let text = fs::read_to_string(case.path(file))?;
            if !text.contains(old) {
                return Err(format!("`{file}` does not hold `{old}`").into());
            }
            Ok(fs::write(case.path(file), text.replace(old, new))?)
        }
        ("truncate", [file, size]) => {
            let to = fs::OpenOptions::new().write(true).open(case.path(file))?;
            Ok(to.set_len(number(size)?)?)
        }
        ("flip", [file]) => flip(&case.path(file), None),
        ("flip", [file, at]) => flip(&case.path(file), Some(number(at)?)),
        ("noise", [file, size]) => {
            Ok(fs::write(case.path(file), hostile::noise(usize::try_from(number(size)?).unwrap_or(0)))?)
        }
        ("chmod", [mode, path]) => {
            let mode = u32::from_str_radix(mode, 8).map_err(|e| e.to_string())?;
            Ok(set_mode(&case.path(path), mode)?)
        }
        ("symlink", [at, "->", target]) => Ok(symlink(target, case.path(at))?),
        ("mkfifo", [path]) => {
            let made = std::process::Command::new("mkfifo").arg(case.path(path)).status()?;
            if made.success() { Ok(()) } else { Err(Stop::Skip("no mkfifo here".into())) }
        }
        ("hostile", [kind, file]) => {
            let bytes = hostile::archive(kind).ok_or_else(|| format!("no hostile archive `{kind}`"))?;
            let to = case.path(file);
            if let Some(dir) = to.parent() {
                fs::create_dir_all(dir)?;
            }
            Ok(fs::write(to, bytes)?)
        }
        _ => return Ok(false),
    };
    done.map(|()| true)
}

/// A copy that can be executed, made by another process: a child that another thread starts while a file is written
/// has it open for a moment too, and what anybody has open for writing cannot be executed.
pub fn install(from: &Path, to: &Path) -> io::Result<()> {
    let done = std::process::Command::new("install").args(["-m", "755"]).args([from, to]).status()?;
    if done.success() { Ok(()) } else { Err(io::Error::other("install failed")) }
}

pub fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// `4096`, `64k`, `2M`.
pub fn number(text: &str) -> Result<u64, Stop> {
    let (digits, shift) = match text.strip_suffix(['k', 'M']) {
        Some(digits) => (digits, if text.ends_with('k') { 10 } else { 20 }),
        None => (text, 0),
    };
    digits.parse::<u64>().map(|n| n << shift).map_err(|_| format!("`{text}` is no number").into())
}

fn copy(from: &Path, to: &Path) -> Outcome {
    let meta = fs::symlink_metadata(from)?;
    if meta.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
    } else if meta.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else {
        let to = if to.is_dir() { to.join(from.file_name().unwrap_or_default()) } else { to.to_owned() };
        fs::copy(from, to)?;
    }
    Ok(())
}

/// One bit of the byte at `at` (default: the middle) is turned over.
fn flip(path: &Path, at: Option<u64>) -> Outcome {
    let mut bytes = fs::read(path)?;
    let at = at.map_or(bytes.len() / 2, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let byte = bytes.get_mut(at).ok_or("no such byte")?;
    *byte ^= 0x10;
    Ok(fs::write(path, bytes)?)
}

/// `\n`, `\r`, `\t`, `\\` and `\xNN`.
fn unescape(text: &str) -> Result<Vec<u8>, Stop> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match bytes.next() {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'\\') => b'\\',
            Some(b'x') => {
                let pair = [bytes.next().unwrap_or(b'?'), bytes.next().unwrap_or(b'?')];
                let pair = String::from_utf8_lossy(&pair).into_owned();
                u8::from_str_radix(&pair, 16).map_err(|e| e.to_string())?
            }
            _ => return Err(format!("`{text}`: an escape that means nothing").into()),
        });
    }
    Ok(out)
}
