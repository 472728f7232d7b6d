//! Completion for fish, with explanations.

use super::{IsBuilt, Kind, Node, is_file, nodes, values};
use crate::cli::command::Flag;
use crate::cli::help::flag_help;
use crate::cli::invocation::Program;
use crate::cli::table;
use std::fmt::Write as _;

pub fn script(program: Program, is_built: IsBuilt) -> String {
    let name = program.name();
    let nodes = nodes(program, is_built);
    let values = values(&nodes);
    let all: Vec<_> = values.iter().map(|(spelling, _)| spelling.as_str()).collect();
    let commands: Vec<_> = nodes[0].members.iter().map(|row| row.name).collect();
    let mut out = format!("# fish completion for {name}, made by `{name} complete fish`\n");
    let _ = writeln!(out, "function __{name}_at --description 'Whether the cursor stands at this command'");
    out.push_str(
        "    set -l words (commandline -opc)\n    \
         set -l at ''\n    \
         set -l skip 0\n    \
         for word in $words[2..-1]\n        \
         if test $skip = 1\n            \
         set skip 0\n            \
         continue\n        \
         end\n        \
         switch $word\n            \
         case --\n                \
         return 1\n            \
         case '--*=*'\n",
    );
    let _ = writeln!(out, "            case {}\n                set skip 1", all.join(" "));
    out.push_str("            case '-*'\n            case '*'\n                switch \"$at $word\"\n");
    for node in &nodes {
        for (word, child) in node.steps() {
            let _ = writeln!(
                out,
                "                    case {}\n                        set at {}",
                quoted(&format!("{} {word}", node.typed)),
                quoted(&child)
            );
        }
    }
    out.push_str("                end\n        end\n    end\n    test \"$at\" = \"$argv\"\nend\n");
    let _ = writeln!(out, "complete -c {name} -f");
    for flag in table::GLOBAL {
        let _ = writeln!(out, "complete -c {name} {}", option(flag));
    }
    for node in &nodes {
        let at = quoted(&format!("__{name}_at {}", node.typed));
        for row in &node.members {
            let _ = writeln!(
                out,
                "complete -c {name} -n {at} -a {} -d {}",
                quoted(row.name),
                quoted(row.summary.get())
            );
        }
        for flag in node.flags() {
            let _ = writeln!(out, "complete -c {name} -n {at} {}", option(flag));
        }
        if let Some(argument) = argument(node, &commands) {
            let _ = writeln!(out, "complete -c {name} -n {at} {argument}");
        }
    }
    out
}

fn option(flag: &Flag) -> String {
    let mut line = format!("-l {}", flag.long);
    if let Some(short) = flag.short {
        let _ = write!(line, " -s {short}");
    }
    match flag.value.map(|(_, kind)| kind) {
        None => {}
        Some(Kind::Dir) => line.push_str(" -x -a '(__fish_complete_directories)'"),
        Some(kind) if is_file(kind) => line.push_str(" -r -F"),
        Some(kind) => {
            let _ = write!(line, " -x -a {}", quoted(&kind.words().join(" ")));
        }
    }
    let _ = write!(line, " -d {}", quoted(&flag_help(flag)));
    line
}

fn argument(node: &Node, commands: &[&str]) -> Option<String> {
    if !node.members.is_empty() {
        return None;
    }
    match node.kind()? {
        Kind::Dir => Some("-a '(__fish_complete_directories)'".to_string()),
        kind if is_file(kind) => Some("-F".to_string()),
        Kind::Command => Some(format!("-a {}", quoted(&commands.join(" ")))),
        kind if !kind.words().is_empty() => Some(format!("-a {}", quoted(&kind.words().join(" ")))),
        _ => None,
    }
}

/// A text between single quotes, as fish has them.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
