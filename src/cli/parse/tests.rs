use super::*;
use proptest::prelude::*;

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(Into::into).collect()
}

/// A line for people: path, options, arguments, what is passed on.
fn shape(program: Program, line: &str) -> String {
    match parse(program, words(line)) {
        Err(error) => {
            let hints = error.hints();
            assert!(hints.len() < 2 && error.status().code() == 2);
            format!("error: {error}{}", hints.first().map(|hint| format!(" | {hint}")).unwrap_or_default())
        }
        Ok(invocation) => {
            let mut parts = vec![invocation.path.clone()];
            for (flag, value) in &invocation.options {
                match flag.value {
                    Some(_) => parts.push(format!("--{}={}", flag.long, value.to_string_lossy())),
                    None => parts.push(format!("--{}", flag.long)),
                }
            }
            parts.extend(
                invocation.arguments.iter().map(|argument| format!("[{}]", argument.to_string_lossy())),
            );
            parts.extend(invocation.passed_on.iter().map(|word| format!("<{}>", word.to_string_lossy())));
            parts.join(" ")
        }
    }
}

#[test]
fn command_lines_of_pantry() {
    for (line, expected) in [
        ("", "help"),
        ("install", "install"),
        ("i react@18 vite", "install [react@18] [vite]"),
        ("install --offline --mirror m -v", "install --offline --mirror=m --verbose"),
        ("--offline --mirror=m install -v", "install --offline --mirror=m --verbose"),
        ("--frozen-lockfile --linker store install", "install --frozen-lockfile --linker=store"),
        ("--depth 2 tree", "tree --depth=2"),
        ("tree --depth=2 --no-dev", "tree --depth=2 --no-dev"),
        ("install --mirror a --mirror b", "install --mirror=a --mirror=b"),
        ("install -fp", "install --force --production"),
        (
            "mirror pull react --platform linux-x64,darwin-arm64",
            "mirror pull --platform=linux-x64,darwin-arm64 [react]",
        ),
        ("mirror --mirror m pull --from package.json", "mirror pull --mirror=m --from=package.json"),
        ("cache:clear --env-only", "cache:clear --env-only"),
        ("mzp build --emit bundle", "mzp build --emit=bundle"),
        ("mzp i zx-core", "mzp install [zx-core]"),
        ("logs postgres -f", "logs --follow [postgres]"),
        ("mirror status -", "mirror status [-]"),
        // What stands after `--` is never an option.
        ("install -- -rf --json", "install [-rf] [--json]"),
        ("--offline install -- --", "install --offline [--]"),
        // What belongs to a child.
        ("run build --watch -- x", "run [build] <--watch> <--> <x>"),
        ("run -w build --watch", "run --watch [build] <--watch>"),
        ("run build -- --watch", "run [build] <--watch>"),
        ("run build --help", "run [build] <--help>"),
        ("test -- --watch", "test <--watch>"),
        ("px -p typescript tsc --version", "px --package=typescript [tsc] <--version>"),
        ("exec", "exec"),
        ("exec node -e 1", "exec [node] <-e> <1>"),
        // Help and version, wherever they stand.
        ("--help", "help"),
        ("-h", "help"),
        ("install --help --nonsense", "help [install]"),
        ("--help mirror pull", "help [mirror] [pull]"),
        ("mirror -h", "help [mirror]"),
        ("mirror pull react -h", "help [mirror] [pull]"),
        ("--version", "version"),
        ("-V", "version"),
        ("mirror -V", "version"),
    ] {
        assert_eq!(shape(Program::Pantry, line), expected, "{line}");
    }
}

#[test]
fn command_lines_of_mzp() {
    for (line, expected) in [
        ("build --target spectrum", "mzp build --target=spectrum"),
        ("install zx-graphics ./local user/repo", "mzp install [zx-graphics] [./local] [user/repo]"),
        (
            "--registry=http://127.0.0.1:1 install internal-lib",
            "mzp install --registry=http://127.0.0.1:1 [internal-lib]",
        ),
        ("run -- a b", "mzp run <a> <b>"),
        ("help build", "help [build]"),
        ("build --help", "help [mzp] [build]"),
        ("version", "version"),
        ("mirror init", "error: there is no command `mirror` | `mzp help` lists the commands"),
        ("biuld", "error: there is no command `biuld` | did you mean `mzp build`?"),
        ("build --tarjet x", "error: `mzp build` has no option `--tarjet` | did you mean `--target`?"),
        ("build a b", "error: `mzp build` takes no argument `b` | `mzp help build` shows its arguments"),
    ] {
        assert_eq!(shape(Program::Mzp, line), expected, "{line}");
    }
}

#[test]
fn wrong_command_lines() {
    for (line, expected) in [
        ("isntall", "there is no command `isntall` | did you mean `pantry install`?"),
        ("teleport", "there is no command `teleport` | `pantry help` lists the commands"),
        ("pull", "there is no command `pull` | did you mean `pantry mirror pull`?"),
        (
            "cache stats",
            "there is no command `cache` | did you mean `cache:stats`, `cache:clear`, `cache:dump`?",
        ),
        ("env list", "`pantry env` is a"),
        ("mirror", "`pantry mirror` needs one of: init, status, list,"),
        ("mirror pul", "`pantry mirror` has no command `pul` | did you mean `pantry mirror pull`?"),
        (
            "mirror teleport",
            "`pantry mirror` has no command `teleport` | `pantry help mirror` lists its commands",
        ),
        ("tree --dpeth=2", "`pantry tree` has no option `--dpeth` | did you mean `--depth`?"),
        ("tree --depth", "`--depth` needs a value: N"),
        ("tree --depth --json", "`--depth` needs a value: N | write `--depth=--json` if that is the value"),
        ("tree --depth=", "`--depth` needs a value: N"),
        ("tree --depth=-1", "the value of `--depth` must be a whole number, not `-1`"),
        ("tree --depth -1", "the value of `--depth` must be a whole number, not `-1`"),
        ("tree --json=yes", "`--json` takes no value, but got `yes`"),
        (
            "install --linker hoistd",
            "the value of `--linker` must be one of hoisted, isolated, store, not `hoistd` | did you mean `hoisted`?",
        ),
        ("install -v -q", "`--verbose` and `--quiet` exclude each other"),
        ("cache:clear --env-only --package-only", "`--env-only` and `--package-only` exclude each other"),
        ("add", "`pantry add` needs a PACKAGE | `pantry help add` shows its arguments"),
        ("scripts x", "`pantry scripts` takes no argument `x` | `pantry help scripts` shows its arguments"),
        ("complete tcsh", "SHELL must be one of bash, zsh, fish, not `tcsh`"),
        ("--json", "no command was given | `pantry help` lists the commands"),
        ("-- install", "there is no command before `--`"),
        ("--offlin install", "there is no option `--offlin` | did you mean `--offline`?"),
        ("-z install", "there is no option `-z` | `pantry help` lists the options of every command"),
        ("-p px", "`-p` means different things to different commands | write it after the command"),
        (
            "--depth 2 install",
            "`pantry install` has no option `--depth` | `pantry install --help` lists its options",
        ),
        ("install -fz", "`pantry install` has no option `-z` | `pantry install --help` lists its options"),
        ("mirror pull --platform", "`--platform` needs a value: LIST"),
    ] {
        let found = shape(Program::Pantry, line);
        if line == "env list" {
            // `env` takes a folder, and `list` could be one.
            assert_eq!(found, "env [list]");
            continue;
        }
        assert!(found.starts_with(&format!("error: {expected}")), "{line}\n{found}");
    }
}

#[test]
fn words_that_are_not_utf8() {
    use std::os::unix::ffi::OsStringExt;
    let odd = || OsString::from_vec(b"st\xffick".to_vec());
    let path = parse(Program::Pantry, vec!["install".into(), "--mirror".into(), odd()]).unwrap();
    assert_eq!(path.path("mirror").unwrap().as_os_str(), odd());
    let attached = OsString::from_vec(b"--mirror=st\xffick".to_vec());
    let path = parse(Program::Pantry, vec![attached, "install".into()]).unwrap();
    assert_eq!(path.value("mirror").unwrap(), odd());
    let package = parse(Program::Pantry, vec!["install".into(), odd()]).unwrap();
    assert_eq!(
        package.argument(0).unwrap_err().to_string(),
        "an argument is not valid UTF-8: `st\u{fffd}ick`"
    );
    for bad in [vec![odd()], vec!["tree".into(), "--depth".into(), odd()], vec!["complete".into(), odd()]] {
        let error = parse(Program::Pantry, bad).unwrap_err();
        assert!(error.to_string().contains("not valid UTF-8"), "{error}");
    }
}

#[test]
fn hostile_words_do_not_reach_the_terminal() {
    for line in
        ["\u{1b}[31m", "--\u{1b}[31m", "install --linker=\u{1b}[31m", "mirror \u{202e}x", "install -\u{9b}"]
    {
        let found = shape(Program::Pantry, line);
        assert!(found.starts_with("error: ") && found.contains("\\u{"), "{found}");
        assert!(!found.chars().any(|c| c.is_control() || c == '\u{202e}'), "{found:?}");
    }
}

#[test]
fn reading_options() {
    let line = "mirror pull --platform a,b, --platform c --production --registry http://x";
    let invocation = parse(Program::Pantry, words(line)).unwrap();
    assert_eq!(invocation.list("platform").unwrap(), ["a", "b", "c"]);
    assert!(invocation.has("production") && !invocation.has("json"));
    assert!(invocation.offers("json") && !invocation.offers("linker"));
    assert_eq!(invocation.text("registry").unwrap(), Some("http://x"));
    let tree = parse(Program::Pantry, words("tree --depth 1 --depth 2")).unwrap();
    assert_eq!(tree.number("depth"), Some(2));
    let later = parse(Program::Pantry, words("install --allow-source-change")).unwrap();
    assert_eq!(later.later_options().map(|flag| flag.long).collect::<Vec<_>>(), ["allow-source-change"]);
}

#[test]
fn json_is_noticed_before_anything_parses() {
    assert!(wants_json(&words("tree --depht --json")));
    assert!(!wants_json(&words("run x -- --json")));
}

#[test]
fn names_of_the_binary() {
    for (name, program) in [
        ("pantry", Program::Pantry),
        ("mzp", Program::Mzp),
        ("/usr/bin/mzp", Program::Mzp),
        ("./mzp.exe", Program::Mzp),
        ("mzp-old", Program::Pantry),
        ("/opt/mzp/pantry", Program::Pantry),
        ("", Program::Pantry),
    ] {
        assert_eq!(Program::from_argv0(Some(OsStr::new(name))), program, "{name}");
    }
    assert_eq!(Program::from_argv0(None), Program::Pantry);
}

/// Words that the table knows, and words that it does not.
fn any_word() -> impl Strategy<Value = OsString> {
    use std::os::unix::ffi::OsStringExt;
    let known = prop::sample::select(vec![
        "install",
        "mirror",
        "pull",
        "run",
        "px",
        "mzp",
        "build",
        "tree",
        "--depth",
        "--depth=2",
        "-d3",
        "-",
        "--",
        "--help",
        "-h",
        "--json",
        "--json=1",
        "--mirror",
        "-vq",
        "-v",
        "--linker",
        "store",
        "--platform=a,b",
        "help",
        "complete",
        "-1",
        "-F",
        "--registry",
        "",
    ]);
    prop_oneof![
        4 => known.prop_map(OsString::from),
        1 => "-{0,2}[a-z=]{0,8}".prop_map(OsString::from),
        1 => prop::collection::vec(any::<u8>(), 0..12).prop_map(OsString::from_vec),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    /// No words make the parser panic, and what it says can be shown.
    #[test]
    fn any_words_are_parsed_or_refused(words in prop::collection::vec(any_word(), 0..8), mzp: bool) {
        let program = if mzp { Program::Mzp } else { Program::Pantry };
        match parse(program, words) {
            Ok(invocation) => {
                prop_assert!(table::find(&invocation.path).is_some(), "{}", invocation.path);
                let _ = invocation.shown();
                let _ = invocation.argument_texts();
            }
            Err(error) => {
                prop_assert_eq!(error.status().code(), 2);
                let text = format!("{error} {:?}", error.hints());
                prop_assert!(!text.chars().any(char::is_control), "{}", text);
            }
        }
    }
}
