//! Completion for zsh, with explanations.

use super::{IsBuilt, Kind, Node, is_file, nodes, quoted, spellings, values};
use crate::cli::command::{Command, Flag};
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
    let mut out = format!("#compdef {name}\n# zsh completion for {name}, made by `{name} complete zsh`\n");
    let _ = writeln!(out, "_{name}() {{\n    local -a everywhere");
    list(&mut out, "everywhere", table::GLOBAL.iter().map(option));
    // `path` is zsh's own; `words` and `CURRENT` are what it hands over.
    out.push_str(
        "    local at= skip= word key= i cur=$words[CURRENT]\n    \
         local -a members options\n    \
         for ((i = 2; i < CURRENT; i++)); do\n        \
         word=$words[i]\n        \
         if [[ -n $skip ]]; then skip=; continue; fi\n        \
         case $word in\n        \
         (--) _files; return ;;\n        \
         (--*=*) ;;\n",
    );
    let _ = writeln!(out, "        ({}) skip=1 ;;", all.join("|"));
    out.push_str("        (-*) ;;\n        (*)\n            case \"$at $word\" in\n");
    for node in &nodes {
        for (word, child) in node.steps() {
            let _ = writeln!(
                out,
                "            ({}) at={} ;;",
                quoted(&format!("{} {word}", node.typed)),
                quoted(&child)
            );
        }
    }
    out.push_str(
        "            esac\n            ;;\n        esac\n    done\n    \
         if [[ $cur == --*=* ]]; then key=${cur%%=*}; compset -P '*='; \
         elif [[ -n $skip ]]; then key=$words[CURRENT-1]; fi\n    \
         case $key in\n    ('') ;;\n",
    );
    arm(&mut out, &spellings(&values, |kind| kind == Kind::Dir), "_files -/");
    arm(&mut out, &spellings(&values, is_file), "_files");
    for (spelling, kind) in values.iter().filter(|(_, kind)| !kind.words().is_empty()) {
        arm(&mut out, &[spelling], &format!("compadd -- {}", kind.words().join(" ")));
    }
    out.push_str("    (*) _message value; return ;;\n    esac\n    case $at in\n");
    for node in &nodes {
        let _ = writeln!(out, "    ({})", quoted(&node.typed));
        list(&mut out, "members", node.members.iter().map(|row| described(row)));
        list(&mut out, "options", node.flags().map(option));
        let _ = writeln!(out, "        [[ $cur == -* ]] || {{ {} }} ;;", argument(node, &commands));
    }
    out.push_str(
        "    esac\n    \
         (( $#members )) && _describe -t commands command members\n    \
         [[ $cur == -* ]] && { _describe -o -t options option options; _describe -o -t options option everywhere }\n}\n",
    );
    let _ = writeln!(
        out,
        "if [[ $funcstack[1] == _{name} ]]; then _{name} \"$@\"; else compdef _{name} {name}; fi"
    );
    out
}

fn arm(out: &mut String, spellings: &[&str], action: &str) {
    if !spellings.is_empty() {
        let _ = writeln!(out, "    ({}) {action}; return ;;", spellings.join("|"));
    }
}

fn list(out: &mut String, name: &str, items: impl Iterator<Item = String>) {
    let items: Vec<_> = items.collect();
    let _ = writeln!(out, "        {name}=({})", items.join(" "));
}

fn option(flag: &Flag) -> String {
    describe(&format!("--{}", flag.long), &flag_help(flag))
}

fn described(row: &Command) -> String {
    describe(row.name, row.summary.get())
}

/// `name:explanation`, a colon in the name escaped.
fn describe(name: &str, help: &str) -> String {
    quoted(&format!("{}:{help}", name.replace(':', "\\:")))
}

fn argument(node: &Node, commands: &[&str]) -> String {
    match node.kind() {
        _ if !node.members.is_empty() => ":;".to_string(),
        Some(Kind::Dir) => "_files -/;".to_string(),
        Some(kind) if is_file(kind) => "_files;".to_string(),
        Some(Kind::Command) => format!("compadd -- {};", commands.join(" ")),
        Some(kind) if !kind.words().is_empty() => format!("compadd -- {};", kind.words().join(" ")),
        _ => ":;".to_string(),
    }
}
