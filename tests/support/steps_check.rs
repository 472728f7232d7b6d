//! Steps that look: at the last command's status and streams, at files, at trees. See `tests/README.md`.

use std::fs;

use miniserde::json::{self, Value};

use super::case::{Case, Outcome, Stop};
use super::script::{Step, Wanted};
use super::{diff, listing, process};

pub fn step(case: &mut Case, step: &Step, words: &[String]) -> Result<bool, Stop> {
    let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    let wanted = step.wanted != Wanted::Failure;
    let stream = |name: &str| {
        let bytes = if name.starts_with("stdout") { &case.last.stdout } else { &case.last.stderr };
        case.normalise(&String::from_utf8_lossy(bytes))
    };
    let done: Outcome = match (words[0].as_str(), args.as_slice()) {
        ("status", [number]) => {
            if case.last.status.to_string() == *number {
                Ok(())
            } else {
                Err(format!("status {}, wanted {number}", case.last.status).into())
            }
        }
        (name @ ("stdout" | "stderr"), literals) if !literals.is_empty() => {
            let text = stream(name);
            literals.iter().try_for_each(|literal| contains(name, &text, literal, wanted))
        }
        (name @ ("stdout-is" | "stderr-is"), ["nothing"]) => same(name, "", &stream(name)),
        (name @ ("stdout-is" | "stderr-is"), [file]) => expect(case, name, file, &stream(name)),
        ("contains", [file, literals @ ..]) if !literals.is_empty() => {
            let text = String::from_utf8_lossy(&fs::read(case.path(file))?).into_owned();
            literals.iter().try_for_each(|literal| contains(file, &text, literal, wanted))
        }
        ("tree", [dir, file, skip @ ..]) => {
            let skip: Vec<String> = skip.iter().map(|s| (*s).to_owned()).collect();
            let found = listing::list(&case.path(dir), &skip, false)?;
            expect(case, dir, file, &case.normalise(&found))
        }
        ("exists", files) if !files.is_empty() => {
            files.iter().try_for_each(|file| match (fs::symlink_metadata(case.path(file)).is_ok(), wanted) {
                (true, false) => Err(format!("`{file}` exists").into()),
                (false, true) => Err(format!("`{file}` does not exist").into()),
                _ => Ok(()),
            })
        }
        ("cmp", [a, b]) => {
            let (left, right) = (fs::read(case.path(a))?, fs::read(case.path(b))?);
            match (left == right, wanted) {
                (true, false) => Err(format!("`{a}` and `{b}` are the same").into()),
                (false, true) => {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    Err(format!("`{a}` and `{b}` differ:\n{}", diff::lines(&text(&left), &text(&right)))
                        .into())
                }
                _ => Ok(()),
            }
        }
        ("same-tree", [a, b, skip @ ..]) => {
            let skip: Vec<String> = skip.iter().map(|s| (*s).to_owned()).collect();
            let list = |dir: &str| listing::list(&case.path(dir), &skip, true);
            same(&format!("{b} compared with {a}"), &list(a)?, &list(b)?)
        }
        ("empty", [dir]) => same(dir, "", &listing::list(&case.path(dir), &[], false)?),
        ("remember", [name, paths @ ..]) => {
            let state = state(case, paths)?;
            case.remembered.insert((*name).into(), state);
            let list = paths.join("\n");
            case.remembered.insert(format!("{name} paths"), list);
            Ok(())
        }
        ("unchanged", [name]) => {
            let paths =
                case.remembered.get(&format!("{name} paths")).ok_or("nothing was remembered by that name")?;
            let paths: Vec<&str> = paths.lines().collect();
            let now = state(case, &paths)?;
            let then = &case.remembered[*name];
            match (*then == now, wanted) {
                (false, true) => Err(format!("changed:\n{}", diff::lines(then, &now)).into()),
                (true, false) => Err("nothing changed".into()),
                _ => Ok(()),
            }
        }
        ("json", path) => json_step(case, path),
        ("skip-unless", [what]) => match process::can(what) {
            Some(true) => Ok(()),
            Some(false) => Err(Stop::Skip(format!("no {what} here"))),
            None => Err(format!("nothing is known about `{what}`").into()),
        },
        ("known-bug", [text]) => {
            case.known_bug = Some((*text).into());
            Ok(())
        }
        ("allow", [what @ ("escapes" | "leftovers")]) => {
            case.allowed.push((*what).into());
            Ok(())
        }
        _ => return Ok(false),
    };
    done.map(|()| true)
}

fn contains(name: &str, text: &str, literal: &str, wanted: bool) -> Outcome {
    match (text.contains(literal), wanted) {
        (true, false) => Err(format!("{name} holds `{literal}`").into()),
        (false, true) => Err(format!("{name} does not hold `{literal}`").into()),
        _ => Ok(()),
    }
}

fn same(name: &str, expected: &str, found: &str) -> Outcome {
    if expected == found {
        return Ok(());
    }
    Err(format!("{name} is not as expected (- expected, + found):\n{}", diff::lines(expected, found)).into())
}

/// Compares with a file of the archive, or accepts what was found when `PANTRY_TEST_UPDATE` is set.
fn expect(case: &Case, name: &str, file: &str, found: &str) -> Outcome {
    let expected = case.archive.file(file);
    // The last section of an archive may be followed by blank lines that nobody means.
    if let Some(expected) = expected
        && (expected == found || expected.trim_end_matches('\n') == found.trim_end_matches('\n'))
    {
        return Ok(());
    }
    if std::env::var_os("PANTRY_TEST_UPDATE").is_some() {
        case.archive.replace_on_disk(file, found)?;
        return Ok(());
    }
    let expected = expected.ok_or_else(|| format!("the archive has no `{file}`; found:\n{found}"))?;
    same(name, expected, found)
}

fn state(case: &Case, paths: &[&str]) -> Result<String, Stop> {
    let mut text = String::new();
    for path in paths {
        let at = case.path(path);
        match fs::symlink_metadata(&at) {
            // Who held a mirror's lock last is no part of its state.
            Ok(_) => text.push_str(&format!("{path}:\n{}", listing::list(&at, &["LOCK".into()], true)?)),
            Err(_) => text.push_str(&format!("{path}: absent\n")),
        }
    }
    Ok(text)
}

/// `json`: stdout is one valid document. `json a.b.0 VALUE`: and has that value there (strings bare, the rest as JSON).
fn json_step(case: &Case, args: &[&str]) -> Outcome {
    let text = String::from_utf8_lossy(&case.last.stdout);
    let document: Value = json::from_str(&text).map_err(|_| "stdout is not one JSON document")?;
    let [path, rest @ ..] = args else { return Ok(()) };
    let mut at = &document;
    for key in path.split('.').filter(|k| !k.is_empty()) {
        at = match at {
            Value::Object(object) => object.get(key),
            Value::Array(array) => key.parse().ok().and_then(|n: usize| array.get(n)),
            _ => None,
        }
        .ok_or_else(|| format!("no `{key}` of `{path}` in {text}"))?;
    }
    let found = match at {
        Value::String(s) => s.clone(),
        other => json::to_string(other),
    };
    match rest {
        [] => Ok(()),
        [wanted] if *wanted == found => Ok(()),
        [wanted] => Err(format!("`{path}` is `{found}`, wanted `{wanted}`").into()),
        _ => Err("json [PATH [VALUE]]".into()),
    }
}

/// `12 ms`, `1.5s` become `[TIME]`; `2026-11-21`, with a time of day or without, `[DATE]`; 16 hex digits, 32 and more `[HEX]`.
pub fn placeholders(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let fresh = at == 0 || !(bytes[at - 1].is_ascii_alphanumeric() || b".-_@".contains(&bytes[at - 1]));
        if fresh && bytes[at].is_ascii_digit() {
            let rest = &text[at..];
            let (taken, placeholder) = match (date(rest), time(rest)) {
                (Some(n), _) => (n, "[DATE]"),
                (_, Some(n)) => (n, "[TIME]"),
                _ => (0, ""),
            };
            if taken > 0 {
                out.push_str(placeholder);
                at += taken;
                continue;
            }
        }
        if fresh {
            let taken = bytes[at..].iter().take_while(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')).count();
            if taken == 16 || taken >= 32 {
                out.push_str("[HEX]");
                at += taken;
                continue;
            }
        }
        let width = text[at..].chars().next().map_or(1, char::len_utf8);
        out.push_str(&text[at..at + width]);
        at += width;
    }
    out
}

fn date(text: &str) -> Option<usize> {
    let shape = text.get(..10)?;
    let fits =
        shape.bytes().enumerate().all(|(n, b)| if n == 4 || n == 7 { b == b'-' } else { b.is_ascii_digit() });
    let clock = text.get(10..20).is_some_and(|t| t.starts_with('T') && t.ends_with('Z'));
    fits.then_some(if clock { 20 } else { 10 })
}

fn time(text: &str) -> Option<usize> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let space = usize::from(text[digits..].starts_with(' '));
    let unit = ["ms", "µs", "s"].into_iter().find(|u| text[digits + space..].starts_with(u))?;
    let end = digits + space + unit.len();
    let closed = text[end..].chars().next().is_none_or(|c| !c.is_alphanumeric());
    closed.then_some(end)
}

#[test]
fn times_and_dates_become_placeholders() {
    assert_eq!(placeholders("in 12 ms, 1.5s; on 2026-11-21."), "in [TIME], [TIME]; on [DATE].");
    assert_eq!(placeholders("at 2026-11-21T07:31:45Z"), "at [DATE]");
    assert_eq!(placeholders("id 5a79f889494b87b8279dcd0fd14ad270."), "id [HEX].");
    assert_eq!(placeholders("a@1.0.0 3 seconds 5 sx v2s"), "a@1.0.0 3 seconds 5 sx v2s");
}
