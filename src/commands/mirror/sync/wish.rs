//! What of a mirror is worth the space: `--for`, `--roots`, `--max`, `--split`.

use super::usage;
use crate::cli::Invocation;
use crate::commands::mirror::platforms;
use crate::error::{Error, Result};
use crate::install::fill::record_key;
use crate::install::platform::Platform;
use crate::install::run::read_lock;
use crate::lockfile::foreign::{self, Maker};
use crate::settings::size;
use mirror::digest::Hash;
use mirror::name::escape;
use mirror::sync::{Choice, Wanted};
use std::collections::HashSet;
use std::path::Path;

pub struct Wish {
    limit: Option<u64>,
    /// Bytes of each part.
    pub split: Option<u64>,
    wanted: Option<Box<Wanted<'static>>>,
    name: String,
}

impl Wish {
    pub fn read(invocation: &Invocation, here: &Path) -> Result<Self> {
        // `mirror export` has fewer of them.
        let has = |option| invocation.offers(option) && invocation.has(option);
        let platforms = if has("for") { platforms(invocation, "for")? } else { Vec::new() };
        let roots = match has("roots") {
            false => None,
            true => {
                let mut all = HashSet::new();
                for file in invocation.list("roots")? {
                    all.extend(locked(&here.join(file))?);
                }
                Some(all)
            }
        };
        let limit = if has("max") { bytes(invocation, "max")? } else { None };
        let split = bytes(invocation, "split")?;
        let mut name = String::new();
        if !platforms.is_empty() {
            platforms.iter().for_each(|p| name.push_str(&format!("{p} ")));
        }
        if let Some(roots) = &roots {
            let mut lines: Vec<_> = roots.iter().map(|(key, version)| format!("{key:?} {version}")).collect();
            mirror::order::sort(&mut lines);
            name.push_str(&Hash::of(lines.concat().as_bytes()).to_string());
        }
        if let Some(limit) = limit {
            name.push_str(&format!(" {limit}"));
        }
        let wanted: Option<Box<Wanted<'static>>> = match (platforms.is_empty(), roots) {
            (true, None) => None,
            (_, roots) => Some(Box::new(move |key, v| {
                let fits = |p: &Platform| p.accepts(&v.os, &v.cpu, &v.libc);
                (platforms.is_empty() || platforms.iter().any(fits))
                    && roots.as_ref().is_none_or(|r| r.contains(&(key.to_bytes(), v.version.to_string())))
            })),
        };
        Ok(Self { limit, split, wanted, name })
    }

    pub fn choice(&self) -> Choice<'_> {
        Choice {
            wanted: self.wanted.as_ref().map(|w| &**w as &Wanted<'_>),
            limit: self.limit,
            name: self.name.clone(),
        }
    }
}

/// `3.9G`, `700M`: a size of a medium.
pub fn bytes(invocation: &Invocation, option: &str) -> Result<Option<u64>> {
    let Some(text) = invocation.text(option)? else { return Ok(None) };
    match size(text) {
        Some(bytes) => Ok(Some(bytes)),
        None => Err(usage(
            format!("`{}` is not a size (--{option})", escape(text)),
            "sizes are written like 700M, 3.9G, 512MiB",
        )),
    }
}

/// The packages that a lockfile holds, by the bytes of their keys.
pub fn locked(path: &Path) -> Result<HashSet<(Vec<u8>, String)>> {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let graph = match (name.as_str(), Maker::of(&name)) {
        (_, Some(Maker::Npm)) => {
            let bytes = mirror::file::read(path, crate::lockfile::LIMIT as u64)?;
            foreign::read(Maker::Npm, &bytes, path, &[])?.into_graph()
        }
        (name, None) if name.ends_with(".lock") && name != "mzp.lock" => match read_lock(path)? {
            Some((graph, _)) => graph,
            None => return Err(Error::io("read", path)(std::io::ErrorKind::NotFound.into())),
        },
        _ => {
            return Err(usage(
                format!("{} is no lockfile that names packages with their sources", super::shown(path)),
                "pantry.lock or package-lock.json; `pantry import` makes a pantry.lock of others",
            ));
        }
    };
    let packages = graph.ids().map(|id| graph.package(id)).filter(|p| !p.is_linked());
    Ok(packages.map(|p| (record_key(p).to_bytes(), p.version.to_string())).collect())
}
