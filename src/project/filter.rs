//! `--filter`: which members of a workspace a command is for.
//!
//! | selector | selects |
//! |---|---|
//! | `@app/*`, `web`, `*` | members by name, of which `*` stands for any part |
//! | `packages/*`, `./packages/web` | members by folder |
//! | `web...` | and the members that it needs, however far |
//! | `...web` | and the members that need it |
//! | `web^...`, `...^web` | those alone |
//! | `!web` | takes out what those before it have selected (of all members, if it is the first) |
//!
//! pnpm's grammar, as far as it needs no git.

use crate::error::{Error, Status};
use crate::manifest::Manifest;
use crate::manifest::workspace::{Workspace, matches};
use mirror::name::escape;
use std::path::Path;

/// A member as a selector sees it.
pub struct Folder {
    /// From the root, with `/`.
    pub path: String,
    pub name: String,
    /// Names of everything that it depends on.
    pub needs: Vec<String>,
}

/// The members of a workspace in their order, and behind them the workspace's own folder, which is called `.`.
///
/// # Errors
/// There are no members.
pub fn folders(
    root: &Path,
    manifests: &[Manifest],
    workspace: &Workspace,
) -> Result<Vec<Folder>, Box<Error>> {
    if workspace.members.is_empty() {
        return Err(Error::Other {
            status: Status::Failed,
            message: format!("{} is no workspace: it names no members", escape(&root.to_string_lossy())),
            hints: vec!["`workspaces` in the manifest names their folders, such as `packages/*`".into()],
        }
        .into());
    }
    let folder = |path: &str, manifests: &[Manifest], name: Option<String>| Folder {
        path: path.to_string(),
        name: name.unwrap_or_default(),
        needs: manifests.iter().flat_map(|m| &m.dependencies).map(|d| d.key.clone()).collect(),
    };
    let members = workspace.members.iter();
    let mut all: Vec<Folder> =
        members.map(|m| folder(&m.path, &m.manifests, m.name.as_ref().map(ToString::to_string))).collect();
    let name = manifests.iter().find_map(|m| m.name.as_ref()).map(ToString::to_string);
    all.push(folder(".", manifests, name));
    Ok(all)
}

/// The paths of the selected, the workspace's own being empty, those that others need first.
///
/// # Errors
/// No workspace, or a selector that names nobody.
pub fn paths(
    selectors: &[&str],
    root: &Path,
    manifests: &[Manifest],
    workspace: &Workspace,
) -> Result<Vec<String>, Box<Error>> {
    let folders = folders(root, manifests, workspace)?;
    let chosen = select(selectors, &folders, &matches)?;
    Ok(chosen
        .iter()
        .map(|i| if folders[*i].path == "." { "" } else { &folders[*i].path }.to_string())
        .collect())
}

/// Indices of the selected, those that others need first.
///
/// # Errors
/// A selector that names nobody.
pub fn select(
    selectors: &[&str],
    folders: &[Folder],
    matches: &dyn Fn(&str, &str) -> bool,
) -> Result<Vec<usize>, Box<Error>> {
    let mut chosen = vec![selectors.is_empty() || selectors[0].starts_with('!'); folders.len()];
    for selector in selectors {
        let (out, rest) = selector.strip_prefix('!').map_or((false, *selector), |rest| (true, rest));
        let (up, rest) = rest.strip_prefix("...").map_or((false, rest), |rest| (true, rest));
        let (down, rest) = rest.strip_suffix("...").map_or((false, rest), |rest| (true, rest));
        let alone = rest.starts_with('^') || rest.ends_with('^');
        let pattern = rest.trim_start_matches('^').trim_end_matches('^').trim_end_matches('/');
        let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
        let named: Vec<usize> = (0..folders.len())
            .filter(|i| is_called(pattern, &folders[*i].name) || matches(pattern, &folders[*i].path))
            .collect();
        if named.is_empty() {
            let hint = match pattern.contains('_') {
                true => format!("`*` stands for any name: `{}`", escape(&pattern.replace('_', "*"))),
                false => {
                    "`pantry list` in a member, or the names in their manifests, say what there is".into()
                }
            };
            let message = format!("no member of the workspace is called `{}`", escape(pattern));
            return Err(Box::new(Error::Other { status: Status::Failed, message, hints: vec![hint] }));
        }
        let mut hit = vec![false; folders.len()];
        for reach in [down.then_some(true), up.then_some(false)].into_iter().flatten() {
            let mut open = named.clone();
            let mut seen = vec![false; folders.len()];
            while let Some(at) = open.pop() {
                for (next, seen) in seen.iter_mut().enumerate() {
                    let (from, to) = if reach { (at, next) } else { (next, at) };
                    if !*seen && folders[from].needs.contains(&folders[to].name) {
                        *seen = true;
                        open.push(next);
                    }
                }
            }
            seen.iter().enumerate().filter(|(_, seen)| **seen).for_each(|(i, _)| hit[i] = true);
        }
        named.iter().for_each(|i| hit[*i] = !alone);
        hit.iter().enumerate().filter(|(_, hit)| **hit).for_each(|(i, _)| chosen[i] = !out);
    }
    Ok(ordered(folders).into_iter().filter(|i| chosen[*i]).collect())
}

/// As in pnpm: `*` of a name stands for a scope, too.
fn is_called(pattern: &str, name: &str) -> bool {
    !name.is_empty() && fits(pattern, name)
}

/// `*` stands for anything.
pub fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Members that others need come first; in a circle, and else, in the order of their folders.
fn ordered(folders: &[Folder]) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::new();
    let mut placed = vec![false; folders.len()];
    while order.len() < folders.len() {
        let is_free = |i: &usize| {
            let waits = |other: usize| {
                !placed[other] && other != *i && folders[*i].needs.contains(&folders[other].name)
            };
            !placed[*i] && !(0..folders.len()).any(waits)
        };
        let next = (0..folders.len()).find(is_free).or_else(|| placed.iter().position(|p| !p));
        let Some(next) = next else { break };
        placed[next] = true;
        order.push(next);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("left", "left", true),
            ("left", "left-pad", false),
            ("left*", "left-pad", true),
            ("*pad", "left-pad", true),
            ("@types/*", "@types/node", true),
            ("*", "a", true),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn selectors() {
        let folder = |path: &str, name: &str, needs: &[&str]| Folder {
            path: path.into(),
            name: name.into(),
            needs: needs.iter().map(ToString::to_string).collect(),
        };
        let folders = [
            folder("apps/web", "web", &["ui", "react"]),
            folder("packages/base", "@s/base", &[]),
            folder("packages/ring-a", "ring-a", &["ring-b"]),
            folder("packages/ring-b", "ring-b", &["ring-a"]),
            folder("packages/ui", "ui", &["@s/base"]),
        ];
        let glob = |pattern: &str, text: &str| match pattern.split_once('*') {
            Some((a, b)) => text.starts_with(a) && text.ends_with(b) && text.len() >= a.len() + b.len(),
            None => pattern == text,
        };
        let names = |selectors: &[&str]| -> String {
            match select(selectors, &folders, &glob) {
                Ok(found) => found.iter().map(|i| folders[*i].name.as_str()).collect::<Vec<_>>().join(" "),
                Err(e) => format!("{e}; {}", e.hints().join("; ")),
            }
        };
        for (selectors, expected) in [
            (&[][..], "@s/base ui web ring-a ring-b"),
            (&["web"], "web"),
            (&["./apps/web/"], "web"),
            (&["packages/*"], "@s/base ui ring-a ring-b"),
            (&["@s/*", "web"], "@s/base web"),
            (&["*"], "@s/base ui web ring-a ring-b"),
            (&["*base"], "@s/base"),
            (&["!*b*"], "ui ring-a"),
            (&["web..."], "@s/base ui web"),
            (&["web^..."], "@s/base ui"),
            (&["...ui"], "ui web"),
            (&["...^@s/base"], "ui web"),
            (&["ring-a..."], "ring-a ring-b"),
            (&["!ring-*"], "@s/base ui web"),
            (&["packages/*", "!ui"], "@s/base ring-a ring-b"),
        ] {
            assert_eq!(names(selectors), expected, "{selectors:?}");
        }
        let nobody = names(&["packages/_"]);
        assert!(nobody.contains("`packages/_`") && nobody.contains("`packages/*`"), "{nobody}");
    }
}
