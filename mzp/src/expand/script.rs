//! `build.minz` beside the `mzp.toml` of a project, or of a package that its user trusts: blocks `@build { … }` of `@define`, `@include` and `@if`,
//! and nothing else. It is not a program: what it defines holds in all files beside it, and what it
//! includes stands at the head of the main file.

use super::{Definitions, Environment, Expander, Scope};
use crate::error::{Error, Result};
use crate::place::Place;
use crate::source::tokens;
use std::path::Path;

pub const FILE: &str = "build.minz";

#[derive(Debug, Default)]
pub struct Script {
    pub definitions: Definitions,
    pub includes: Vec<Include>,
}

/// A file, relative to the script's folder.
#[derive(Debug, Clone)]
pub struct Include {
    pub path: String,
    pub place: Place,
}

/// What the script in `scope`'s folder says; without one, nothing.
pub fn run(scope: Scope<'_>, environment: &Environment) -> Result<Script> {
    let path = scope.package.join(FILE);
    if std::fs::symlink_metadata(&path).is_err() {
        return Ok(Script::default());
    }
    let mut expander = Expander::new(scope, environment, true);
    expander.read(&path)?;
    let out = &expander.out;
    let left = tokens(Path::new(FILE), &out.text)?;
    if let Some(token) = left.iter().find(|t| !t.is(&out.text, ";")) {
        let what = "a build script has @define, @include and @if in a @build block, and nothing else";
        return Err(Error::Text { place: out.origin.place(token.start), what });
    }
    Ok(Script { definitions: expander.local, includes: expander.includes })
}
