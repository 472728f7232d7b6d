//! What a shell without quoting mistakes would show is tested with the shells
//! themselves (`tests/scripts/cli`); here is what can be known without them.

use super::*;

fn built(path: &str) -> bool {
    !path.starts_with("audit")
}

#[test]
fn every_node_is_reached_once() {
    for program in [Program::Pantry, Program::Mzp] {
        let nodes = nodes(program, built);
        assert!(nodes.iter().all(|node| node.typed != "audit"));
        for node in &nodes[1..] {
            let ways: Vec<_> =
                nodes.iter().flat_map(Node::steps).filter(|(_, child)| *child == node.typed).collect();
            assert_eq!(ways.len(), 1 + node.row.unwrap().aliases.len(), "{}", node.typed);
        }
    }
    assert!(nodes(Program::Pantry, built).iter().any(|node| node.typed == "mzp build"));
    assert!(nodes(Program::Mzp, built).iter().any(|node| node.typed == "build"));
}

#[test]
fn ambiguous_short_names_are_left_out() {
    let values = values(&nodes(Program::Pantry, built));
    let named: Vec<_> = values.iter().map(|(spelling, _)| spelling.as_str()).collect();
    assert!(named.contains(&"--linker") && named.contains(&"--package") && named.contains(&"-k"));
    assert!(!named.contains(&"-p") && !named.contains(&"--json"));
}

#[test]
fn scripts_name_their_program() {
    for (program, name) in [(Program::Pantry, "pantry"), (Program::Mzp, "mzp")] {
        assert!(bash(program, built).ends_with(&format!("complete -F _{name} {name}\n")));
        assert!(zsh(program, built).starts_with(&format!("#compdef {name}\n")));
        assert!(fish(program, built).contains(&format!("complete -c {name} -f\n")));
    }
}

/// Runs a shell on a script and gives its standard output; `None` where the
/// machine does not have that shell.
fn shell(name: &str, arguments: &[&str], script: &str) -> Option<String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, script.as_bytes()).unwrap();
    let output = match std::process::Command::new(name).args(arguments).arg(file.path()).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        output => output.unwrap(),
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{name}: {errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// What is typed, and what each shell offers, one line each.
const TYPED: &[(&str, &[&str])] = &[
    ("pantry mirror pu", &["pull"]),
    ("pantry mirror ", &["init", "status", "pull", "gc", "export"]),
    ("pantry --offline mirror --mirror x e", &["export"]),
    ("pantry i --frozen", &["--frozen-lockfile"]),
    ("pantry install --linker ", &["hoisted", "isolated", "store"]),
    ("pantry install --linker=st", &["store"]),
    ("pantry tree --depth 2 --no", &["--no-versions", "--no-dev"]),
    ("pantry mzp bui", &["build"]),
    ("pantry mzp build --emit b", &["bundle", "bin"]),
    ("pantry complete ", &["bash", "zsh", "fish"]),
    ("pantry cache:c", &["clear"]),
    ("pantry mirror export --as tgz", &["tgz-dir"]),
    ("pantry help mirr", &["mirror"]),
];

/// Offers that must not be there.
const NEVER: &[(&str, &str)] =
    &[("pantry install --linker ", "--json"), ("pantry mirror ", "install"), ("pantry add ", "pull")];

fn check(shell: &str, typed: &str, offered: &str) {
    let offers: Vec<_> = offered.split_whitespace().map(|word| word.rsplit(':').next().unwrap()).collect();
    for wanted in TYPED.iter().filter(|(line, _)| *line == typed).flat_map(|(_, wanted)| *wanted) {
        let wanted = if shell == "fish" { wanted.rsplit('=').next().unwrap() } else { wanted };
        assert!(
            offers.iter().any(|offer| offer.ends_with(wanted)),
            "{shell}: `{typed}` lacks {wanted}: {offered}"
        );
    }
    for (_, never) in NEVER.iter().filter(|(line, _)| *line == typed) {
        assert!(!offers.contains(never), "{shell}: `{typed}` offers {never}");
    }
}

fn lines() -> impl Iterator<Item = &'static str> {
    TYPED.iter().map(|(line, _)| *line).chain(NEVER.iter().map(|(line, _)| *line))
}

#[test]
fn bash_completes() {
    let script = bash(Program::Pantry, |_| true);
    for typed in lines() {
        let run = format!(
            "{script}\nCOMP_LINE='{typed}' COMP_POINT={} COMP_WORDBREAKS=$' \\n=:'\n_pantry\necho \"${{COMPREPLY[@]}}\"",
            typed.len()
        );
        let Some(offered) = shell("bash", &["--norc"], &run) else { return };
        check("bash", typed, &offered);
    }
    shell("bash", &["-n"], &bash(Program::Mzp, |_| true));
}

/// With zsh's own completion functions replaced by ones that print.
#[test]
fn zsh_completes() {
    let script = zsh(Program::Pantry, |_| true);
    let stand_ins = "compdef() { : }; _files() { : }; _message() { : }; compset() { : }\n\
                     compadd() { shift; print -l -- $@ }\n\
                     _describe() { local item; local list=$@[-1]; for item in ${(P)list}; do\n\
                     item=${item//\\\\:/;}; print -- ${item%%:*}; done }\n";
    for typed in lines() {
        let run = format!(
            "{stand_ins}{script}\ntyped='{typed}'\nwords=(${{(s: :)typed}}); [[ $typed == *' ' ]] && words+=('')\n\
             CURRENT=$#words\n_pantry; true"
        );
        let Some(offered) = shell("zsh", &["-f"], &run) else { return };
        check("zsh", typed, &offered.replace(';', ":"));
    }
    shell("zsh", &["-f", "-n"], &zsh(Program::Mzp, |_| true));
}

#[test]
fn fish_completes() {
    let script = fish(Program::Pantry, |_| true);
    for typed in lines() {
        let Some(offered) = shell("fish", &["-N"], &format!("{script}\ncomplete -C '{typed}'")) else {
            return;
        };
        let first_column: Vec<_> = offered.lines().filter_map(|line| line.split('\t').next()).collect();
        check("fish", typed, &first_column.join("\n"));
    }
}
