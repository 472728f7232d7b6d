//! Completion scripts for bash, zsh and fish: text made from the table, which
//! the user's shell keeps. Nothing of pantry runs while a key is pressed.
//!
//! All three do the same: walk the words before the cursor to find out at which
//! command it stands (options are stepped over, with their values), then offer
//! that command's members, options, or the kind of thing its argument is. What
//! completes an option's value depends on the option's name alone; a test of
//! the table keeps that possible.

mod bash;
mod fish;
mod zsh;

pub use bash::script as bash;
pub use fish::script as fish;
pub use zsh::script as zsh;

use super::command::{Command, Flag, Kind, PassOn};
use super::invocation::Program;
use super::{IsBuilt, table};

/// A place where the cursor can stand: after the words of `typed`.
struct Node {
    /// As the user types it, without the program: ``, `mirror`, `mirror pull`.
    typed: String,
    /// What may come next here.
    members: Vec<&'static Command>,
    /// The row, except at the root.
    row: Option<&'static Command>,
}

impl Node {
    /// The options of this command alone; those of every command stand apart.
    fn flags(&self) -> impl Iterator<Item = &'static Flag> {
        self.row.into_iter().flat_map(Command::own_flags).filter(|flag| !flag.later)
    }

    /// What the arguments are; the first one speaks for all.
    fn kind(&self) -> Option<Kind> {
        let row = self.row?;
        row.arguments
            .first()
            .map(|argument| argument.kind)
            .or((row.pass_on != PassOn::No).then_some(Kind::File))
    }

    /// The node below, for each word that leads there.
    fn steps(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.members.iter().flat_map(|row| {
            let child = join(&self.typed, row.name);
            [row.name].into_iter().chain(row.aliases.iter().copied()).map(move |word| (word, child.clone()))
        })
    }
}

/// Every node, the root first. Commands that this version does not have are left out.
fn nodes(program: Program, is_built: IsBuilt) -> Vec<Node> {
    let mut nodes = Vec::new();
    let members: Vec<_> =
        table::roots(program).filter(|row| is_built(&table::root_path(program, row))).collect();
    let mut open: Vec<(String, String, &'static Command)> = members
        .iter()
        .rev()
        .map(|row| (row.name.to_string(), table::root_path(program, row), *row))
        .collect();
    nodes.push(Node { typed: String::new(), members, row: None });
    while let Some((typed, path, row)) = open.pop() {
        let members: Vec<_> =
            row.members.iter().filter(|member| is_built(&format!("{path} {}", member.name))).collect();
        open.extend(
            members
                .iter()
                .rev()
                .map(|member| (join(&typed, member.name), format!("{path} {}", member.name), *member)),
        );
        nodes.push(Node { typed, members, row: Some(row) });
    }
    nodes
}

/// The spellings of every option that takes a value, with the value's kind.
/// A short name that means different things to different commands is left out.
fn values(nodes: &[Node]) -> Vec<(String, Kind)> {
    let mut found: Vec<(String, Kind)> = Vec::new();
    let mut switches = Vec::new();
    for flag in nodes.iter().flat_map(Node::flags).chain(table::GLOBAL) {
        let short = flag.short.map(|short| format!("-{short}"));
        match flag.value {
            None => switches.extend(short),
            Some((_, kind)) => {
                for spelling in [Some(format!("--{}", flag.long)), short].into_iter().flatten() {
                    if !found.iter().any(|(known, _)| *known == spelling) {
                        found.push((spelling, kind));
                    }
                }
            }
        }
    }
    found.retain(|(spelling, _)| !switches.contains(spelling));
    found
}

/// The spellings of options whose values are files, or folders.
fn spellings(values: &[(String, Kind)], wanted: impl Fn(Kind) -> bool) -> Vec<&str> {
    values.iter().filter(|(_, kind)| wanted(*kind)).map(|(spelling, _)| spelling.as_str()).collect()
}

fn is_file(kind: Kind) -> bool {
    matches!(kind, Kind::File | Kind::Package)
}

fn join(typed: &str, word: &str) -> String {
    if typed.is_empty() { word.to_string() } else { format!("{typed} {word}") }
}

/// A text between single quotes, for bash and zsh.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests;
