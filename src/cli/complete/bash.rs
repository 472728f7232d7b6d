//! Completion for bash 3.2 and later, without the bash-completion package.

use super::{IsBuilt, Kind, Node, is_file, nodes, quoted, spellings, values};
use crate::cli::command::Flag;
use crate::cli::invocation::Program;
use crate::cli::table;
use std::fmt::Write as _;

pub fn script(program: Program, is_built: IsBuilt) -> String {
    let name = program.name();
    let nodes = nodes(program, is_built);
    let values = values(&nodes);
    let all: Vec<_> = values.iter().map(|(spelling, _)| spelling.as_str()).collect();
    let commands: Vec<_> = nodes[0].members.iter().map(|row| row.name).collect();
    let mut out = format!("# bash completion for {name}, made by `{name} complete bash`\n");
    let _ = writeln!(out, "_{name}() {{");
    let _ = writeln!(out, "    local everywhere={}", quoted(&options(table::GLOBAL.iter())));
    // Words by blanks: COMP_WORDS would break `cache:stats` at its colon.
    out.push_str(
        "    local line=${COMP_LINE:0:COMP_POINT} at= skip= word cur prev key= next= options= kind= i\n    \
         local -a typed\n    \
         read -ra typed <<<\"$line\"\n    \
         [[ $line == *[[:space:]] ]] && typed+=('')\n    \
         cur=${typed[${#typed[@]}-1]}\n    \
         prev=${typed[${#typed[@]}-2]}\n    \
         for ((i = 1; i < ${#typed[@]} - 1; i++)); do\n        \
         word=${typed[i]}\n        \
         if [[ -n $skip ]]; then skip=; continue; fi\n        \
         case $word in\n        \
         --) return ;;\n        \
         --*=*) ;;\n",
    );
    let _ = writeln!(out, "        {}) skip=1 ;;", all.join("|"));
    out.push_str("        -*) ;;\n        *)\n            case \"$at $word\" in\n");
    for node in &nodes {
        for (word, child) in node.steps() {
            let _ = writeln!(
                out,
                "            {}) at={} ;;",
                quoted(&format!("{} {word}", node.typed)),
                quoted(&child)
            );
        }
    }
    out.push_str("            esac\n            ;;\n        esac\n    done\n");
    out.push_str("    if [[ $cur == --*=* ]]; then key=${cur%%=*}; cur=${cur#*=}; elif [[ -n $skip ]]; then key=$prev; fi\n");
    out.push_str("    case $key in\n    '') ;;\n");
    arm(&mut out, &spellings(&values, |kind| kind == Kind::Dir), "kind=dirs");
    arm(&mut out, &spellings(&values, is_file), "kind=files");
    for (spelling, kind) in values.iter().filter(|(_, kind)| !kind.words().is_empty()) {
        arm(&mut out, &[spelling], &format!("kind=words next={}", quoted(&kind.words().join(" "))));
    }
    out.push_str("    *) kind=none ;;\n    esac\n    if [[ -z $key ]]; then\n        case $at in\n");
    for node in &nodes {
        let _ = writeln!(
            out,
            "        {}) {} options={} ;;",
            quoted(&node.typed),
            assignments(node, &commands),
            quoted(&options(node.flags()))
        );
    }
    out.push_str(
        "        esac\n        \
         [[ $cur == -* ]] && kind=words next=\"$options $everywhere\"\n    \
         fi\n    \
         local IFS=$'\\n'\n    \
         case $kind in\n    \
         dirs) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- \"$cur\")) ;;\n    \
         files) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n    \
         words) IFS=$' \\n'; COMPREPLY=($(compgen -W \"$next\" -- \"$cur\")) ;;\n    \
         esac\n    \
         if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then\n        \
         word=${cur%\"${cur##*:}\"}\n        \
         for ((i = 0; i < ${#COMPREPLY[@]}; i++)); do COMPREPLY[i]=${COMPREPLY[i]#\"$word\"}; done\n    \
         fi\n}\n",
    );
    let _ = writeln!(out, "complete -F _{name} {name}");
    out
}

fn arm(out: &mut String, spellings: &[&str], action: &str) {
    if !spellings.is_empty() {
        let _ = writeln!(out, "    {}) {action} ;;", spellings.join("|"));
    }
}

/// What may come next at this node, if it is no option.
fn assignments(node: &Node, commands: &[&str]) -> String {
    let names = |names: &[&str]| format!("kind=words next={}", quoted(&names.join(" ")));
    if !node.members.is_empty() {
        return names(&node.members.iter().map(|row| row.name).collect::<Vec<_>>());
    }
    match node.kind() {
        Some(Kind::Dir) => "kind=dirs".to_string(),
        Some(kind) if is_file(kind) => "kind=files".to_string(),
        Some(Kind::Command) => names(commands),
        Some(kind) if !kind.words().is_empty() => names(kind.words()),
        _ => "kind=none".to_string(),
    }
}

/// Every spelling of these options.
fn options(flags: impl Iterator<Item = &'static Flag>) -> String {
    let mut spellings = Vec::new();
    for flag in flags {
        spellings.push(format!("--{}", flag.long));
        spellings.extend(flag.short.map(|short| format!("-{short}")));
    }
    spellings.join(" ")
}
