use super::*;
use crate::feature::Part;

fn parse(text: &str) -> Result<Manifest> {
    Manifest::parse(Path::new("mzp.toml"), text)
}
fn refusal(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

const DESIGN: &str = r#"[package]
name = "zx-graphics"
version = "1.0.0"
authors = ["Dev Name <email>"]
description = "Graphics library for ZX Spectrum"
license = "MIT"
repository = "https://example.com/user/zx-graphics"

[dependencies]
# Version specifications
zx-core = "^1.0.0"
math-fixed = "=0.5.0"
utils = { version = ">=0.3.0", features = ["x"], default-features = false, optional = true }

[dev-dependencies]
text-console = "1"

[platform-dependencies.spectrum]
zx-hardware = "^2.0.0"

[platform-dependencies.cpm]
cpm-io = "^1.0.0"

[targets]
default = "z80"
supported = ["z80", "6502"]

[features]
sprites = ["src/sprites.minz"]
tiles = ["src/tiles.minz", "utils"]
default = ["sprites"]

[exports]
main = "src/lib.minz"

[metadata]
keywords = ["graphics", "spectrum", "sprites"]
categories = ["graphics", "game-dev"]
"#;

#[test]
fn the_designs_manifest() {
    let m = parse(DESIGN).unwrap();
    assert_eq!((m.name.as_str(), m.version.to_string().as_str()), ("zx-graphics", "1.0.0"));
    let names: Vec<_> = m.dependencies.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(names, ["zx-core", "math-fixed", "utils"], "the file's order");
    let utils = &m.dependencies[2];
    assert!(utils.optional && !utils.default_features && utils.features == ["x"]);
    assert_eq!((utils.place.line, utils.place.column), (13, 1));
    assert_eq!(m.dev_dependencies[0].requirement.as_str(), "1");
    assert_eq!(m.platform_dependencies[0].0.name, "spectrum");
    assert_eq!(m.default_platform().name, "z80");
    assert_eq!(m.platforms().len(), 7, "all but the Game Boy");
    assert_eq!(m.features[0].parts, [Part::File(RelPath::parse("src/sprites.minz").unwrap())]);
    assert_eq!(m.exports[0].0, "main");
    assert_eq!(m.categories, ["graphics", "game-dev"]);
    assert_eq!(m.all_dependencies().count(), 5);
}

#[test]
fn errors_name_line_and_column() {
    let head = "[package]\nname = \"a\"\nversion = \"1.0.0\"\n";
    for (text, expected) in [
        ("", "mzp.toml:1:1: mzp.toml has no `package`"),
        ("[package]\nname = \"a\"\n", "mzp.toml:1:1: [package] has no `version`"),
        (
            "[package]\nname = \"A\"\nversion = \"1.0.0\"",
            "mzp.toml:2:8: `A` is not a valid MinZ package name: it contains something other than a-z, 0-9 and `-`",
        ),
        (
            "[package]\nname = \"a\"\nversion = \"1.0\"",
            "mzp.toml:3:11: `1.0` is not a valid version: it needs three numbers",
        ),
        ("[package]\nname = 7\nversion = \"1.0.0\"", "mzp.toml:2:8: `name` must be a string"),
        (&format!("{head}[dependancies]\n"), "mzp.toml:4:2: unknown key `dependancies` in mzp.toml"),
        (
            &format!("{head}[dependencies]\nb = \"1 || 2\"\n"),
            "mzp.toml:5:5: `1 || 2` is not a valid version requirement: it has `||`, which MinZ packages do not know",
        ),
        (&format!("{head}[dependencies]\nb = 3\n"), "mzp.toml:5:5: `b` must be a version or a table"),
        (
            &format!("{head}[dependencies]\nb = {{ verison = \"1\" }}\n"),
            "mzp.toml:5:7: unknown key `verison` in dependency b",
        ),
        (
            &format!("{head}[dependencies]\nb = {{ optional = true }}\n"),
            "mzp.toml:5:1: dependency b has no `version`",
        ),
        (
            &format!("{head}[dependencies]\nb = {{ path = \"x\", url = \"http://y\" }}\n"),
            "mzp.toml:5:1: `b` must be given one source only (path, github, url or registry)",
        ),
        (
            &format!("{head}[dependencies]\nb = {{ path = \"/x\" }}\n"),
            "mzp.toml:5:14: `/x` is not a valid folder: it is absolute (write it relative to this file's folder)",
        ),
        (
            &format!("{head}[dependencies]\nb = {{ github = \"x\" }}\n"),
            "mzp.toml:5:16: `x` is not a valid repository: it is not user/repo or user/repo@TAG",
        ),
        (
            &format!("{head}[dependencies]\nb = {{ url = \"https://u:p@example.com/\" }}\n"),
            "mzp.toml:5:13: `https://example.com/` is not a valid URL: it has a user name or password, which do not belong in a project",
        ),
        (
            &format!(
                "{head}[registries]\nwork = \"https://example.com\"\n[dependencies]\nb = {{ registry = \"worc\" }}\n"
            ),
            "mzp.toml:7:18: unknown key `worc` in [registries]",
        ),
        (
            &format!("{head}[dependencies]\n\"../b\" = \"1\"\n"),
            "mzp.toml:5:1: `../b` is not a valid MinZ package name: it contains something other than a-z, 0-9 and `-`",
        ),
        (&format!("{head}[platform-dependencies.spectrun]\n"), "mzp.toml:4:24: unknown target `spectrun`"),
        (&format!("{head}[targets]\ndefault = \"vic20\"\n"), "mzp.toml:5:11: unknown target `vic20`"),
        (
            &format!("{head}[targets]\ndefault = \"c64\"\nsupported = [\"z80\"]\n"),
            "mzp.toml:5:1: `targets.default` must be one of the supported targets",
        ),
        (
            &format!("{head}[features]\nx = [\"../y.minz\"]\n"),
            "mzp.toml:5:1: `../y.minz` is not a valid relative path: it leaves its folder (`.` or `..`)",
        ),
        (
            &format!("{head}[exports]\nmain = \"/etc/passwd\"\n"),
            "mzp.toml:5:8: `/etc/passwd` is not a valid relative path: it is absolute",
        ),
    ] {
        assert_eq!(refusal(text), expected, "{text}");
    }
    // Not TOML; a key twice.
    assert!(refusal("[package\n").starts_with("mzp.toml:1:9: "), "{}", refusal("[package\n"));
    assert!(refusal(&format!("{head}name = \"b\"\n")).starts_with("mzp.toml:4:1: "));
    let Err(Error::UnknownKey { suggestion, .. }) = parse(&format!("{head}[dependancies]\n")) else {
        panic!("accepted")
    };
    assert_eq!(suggestion.as_deref(), Some("dependencies"));
}

#[test]
fn edits_keep_comments() {
    let path = Path::new("mzp.toml");
    let name = MinzName::parse("utils").unwrap();
    let text = edit::set_dependency(path, DESIGN, edit::Table::Dependencies, &name, "^2.0.0").unwrap();
    assert!(text.contains("# Version specifications") && text.contains("optional = true"));
    assert_eq!(parse(&text).unwrap().dependencies[2].requirement.as_str(), "^2.0.0");
    let new = MinzName::parse("zx-sound").unwrap();
    let text = edit::set_dependency(
        path,
        "# c\n[package]\nname = \"a\"\nversion = \"1.0.0\"\n",
        edit::Table::Dependencies,
        &new,
        "^1.0.0",
    )
    .unwrap();
    assert_eq!(
        text,
        "# c\n[package]\nname = \"a\"\nversion = \"1.0.0\"\n\n[dependencies]\nzx-sound = \"^1.0.0\"\n"
    );
    let text = edit::remove_dependency(path, &text, &new).unwrap().unwrap();
    assert_eq!(parse(&text).unwrap().dependencies.len(), 0);
    assert!(edit::remove_dependency(path, &text, &new).unwrap().is_none());
}

#[test]
fn an_added_dependency_goes_where_it_belongs_and_keeps_what_stands_beside_it() {
    use edit::{Table, set_dependency};
    let path = Path::new("mzp.toml");
    let core = MinzName::parse("core").unwrap();
    let set = |text: &str, table| set_dependency(path, text, table, &core, "^2.0.0").unwrap();
    // The comment behind the old version stays, in an inline table too.
    assert_eq!(
        set("[dependencies]\na = \"1\"\ncore = '1'  # why\n", Table::Dependencies),
        "[dependencies]\na = \"1\"\ncore = \"^2.0.0\"  # why\n"
    );
    assert_eq!(
        set("[dependencies]\ncore = { version = '1', optional = true }  # why\n", Table::Dependencies),
        "[dependencies]\ncore = { version = \"^2.0.0\", optional = true }  # why\n"
    );
    assert_eq!(set("", Table::Dev), "[dev-dependencies]\ncore = \"^2.0.0\"\n");
    let cpm = Table::Platform(Platform::find("cpm").unwrap());
    assert_eq!(set("x = 1\n", cpm), "x = 1\n\n[platform-dependencies.cpm]\ncore = \"^2.0.0\"\n");
    // A table under another name of the same machine is that table.
    assert_eq!(
        set("[platform-dependencies.\"cp/m\"]\na = \"1\"\n", cpm),
        "[platform-dependencies.\"cp/m\"]\na = \"1\"\ncore = \"^2.0.0\"\n"
    );
    // A table whose entries are tables of their own gets its header above the first; one that has keys of several parts gets one more.
    assert_eq!(
        set("x = 1\n\n# Draws.\n[dependencies.a]\nversion = \"1\"\n", Table::Dependencies),
        "x = 1\n\n[dependencies]\ncore = \"^2.0.0\"\n\n# Draws.\n[dependencies.a]\nversion = \"1\"\n"
    );
    assert_eq!(
        set("dependencies.a = \"1\" # one\n[targets]\n", Table::Dependencies),
        "dependencies.a = \"1\" # one\ndependencies.core = \"^2.0.0\"\n[targets]\n"
    );
    assert_eq!(
        set("[dependencies]\r\ncore.optional = true", Table::Dependencies),
        "[dependencies]\r\ncore.optional = true\r\ncore.version = \"^2.0.0\"\r\n"
    );
    assert_eq!(
        set("dependencies = { core.path = \"x\", a = \"1\" }\n", Table::Dependencies),
        "dependencies = { core.path = \"x\", core.version = \"^2.0.0\", a = \"1\" }\n"
    );
    assert_eq!(
        set("[dependencies]\n[dependencies.core]\npath = \"x\" # here\n\n[targets]\n", Table::Dependencies),
        "[dependencies]\n[dependencies.core]\npath = \"x\" # here\nversion = \"^2.0.0\"\n\n[targets]\n"
    );
    for odd in
        ["platform-dependencies = {}\n", "platform-dependencies.cpm = {}\n", "[platform-dependencies]\n"]
    {
        let text = set(odd, cpm);
        let head = "[package]\nname = \"a\"\nversion = \"1.0.0\"\n";
        // What is at the top must stay above the tables.
        let whole = if odd.starts_with('[') { format!("{head}{text}") } else { format!("{text}{head}") };
        let manifest = parse(&whole).unwrap_or_else(|e| panic!("{whole}: {e}"));
        assert_eq!(manifest.platform_dependencies[0].1[0].requirement.as_str(), "^2.0.0", "{whole}");
    }
    assert!(set_dependency(path, "dependencies = 1\n", Table::Dependencies, &core, "1").is_err());
}

#[test]
fn too_many_entries_are_refused_not_left_out() {
    let entries = |n: usize| (0..n).map(|i| format!("p{i} = \"1\"\n")).collect::<String>();
    let head = "[package]\nname = \"a\"\nversion = \"1.0.0\"\n[dependencies]\n";
    assert_eq!(parse(&format!("{head}{}", entries(1000))).unwrap().dependencies.len(), 1000);
    let refused = refusal(&format!("{head}{}", entries(1001)));
    assert!(refused.contains("mzp.toml:4:1: `dependencies` has more than 1000 entries"), "{refused}");
}

#[test]
fn what_is_removed_leaves_the_comments_and_takes_an_empty_table_along() {
    let path = Path::new("mzp.toml");
    let core = MinzName::parse("core").unwrap();
    for (text, expected) in [
        // A comment above it stays; one behind it goes.
        (
            "[dependencies]\n# All of these.\ncore = \"1\" # why\na = \"1\"\n",
            "[dependencies]\n# All of these.\na = \"1\"\n",
        ),
        ("[dependencies]\na = \"1\"\n# Late.\n  core = \"1\"", "[dependencies]\na = \"1\"\n# Late.\n"),
        (
            "[dependencies]\ncore = { version = \"1\", features = [\n  \"x\",\n] }\nb = \"1\"\n",
            "[dependencies]\nb = \"1\"\n",
        ),
        // The last one takes its table along, unless somebody has written something there.
        (
            "[package]\nx = 1\n\n[dependencies]\ncore = \"1\"\n\n# Machines.\n[targets]\n",
            "[package]\nx = 1\n\n# Machines.\n[targets]\n",
        ),
        ("[package]\nx = 1\n\n[dependencies]\ncore = \"1\"\n", "[package]\nx = 1\n"),
        (
            "[dependencies]\n# None yet.\ncore = \"1\"\n\n[targets]\n",
            "[dependencies]\n# None yet.\n\n[targets]\n",
        ),
        (
            "[dev-dependencies]\ncore = \"1\"\n[dependencies]\ncore = \"1\"\n[platform-dependencies.cpm]\ncore = \"1\"\n[targets]\n",
            "[targets]\n",
        ),
        // The other ways to write it.
        (
            "[dependencies]\na = \"1\"\n\n# Draws.\n[dependencies.core]\nversion = \"1\"\noptional = true\n\n[targets]\n",
            "[dependencies]\na = \"1\"\n\n# Draws.\n\n[targets]\n",
        ),
        ("dependencies = { core = \"1\", a = \"1\" }\n", "dependencies = { a = \"1\" }\n"),
        (
            "[dependencies]\ncore.version = \"1\"\ncore.optional = true\na = \"1\"\n",
            "[dependencies]\na = \"1\"\n",
        ),
        ("dependencies.core = \"1\"\ndependencies.a = \"1\"\n", "dependencies.a = \"1\"\n"),
        ("[dependencies]\r\ncore = \"1\"\r\na = \"1\"\r\n", "[dependencies]\r\na = \"1\"\r\n"),
    ] {
        assert_eq!(edit::remove_dependency(path, text, &core).unwrap().as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn an_added_dependency_is_in_one_table_alone() {
    use edit::Table;
    let path = Path::new("mzp.toml");
    let core = MinzName::parse("core").unwrap();
    let set = |text: &str, table| edit::set_dependency(path, text, table, &core, "^2").unwrap();
    let cpm = Table::Platform(Platform::find("cpm").unwrap());
    for (text, table, expected) in [
        (
            "[dependencies]\ncore = \"1\"\na = \"1\"\n",
            Table::Dev,
            "[dependencies]\na = \"1\"\n\n[dev-dependencies]\ncore = \"^2\"\n",
        ),
        // What else it says of it comes along.
        (
            "[dev-dependencies]\ncore = { version = \"1\", features = [\"x\"] }\n",
            Table::Dependencies,
            "[dependencies]\ncore = { version = \"^2\", features = [\"x\"] }\n",
        ),
        (
            "[dependencies]\nb = \"1\"\n[dependencies.core]\npath = \"../core\"\n",
            cpm,
            "[dependencies]\nb = \"1\"\n\n[platform-dependencies.cpm]\ncore = { path = \"../core\", version = \"^2\" }\n",
        ),
        // For one machine it may be wanted beside another's.
        (
            "[platform-dependencies.msx]\ncore = \"1\"\n",
            cpm,
            "[platform-dependencies.msx]\ncore = \"1\"\n\n[platform-dependencies.cpm]\ncore = \"^2\"\n",
        ),
        (
            "[platform-dependencies.msx]\ncore = \"1\"\n",
            Table::Dependencies,
            "[dependencies]\ncore = \"^2\"\n",
        ),
    ] {
        let changed = set(text, table);
        assert_eq!(changed, expected, "{text}");
        assert_eq!(set(&changed, table), expected, "a second time");
    }
}

#[test]
fn where_a_package_comes_from_is_said_once() {
    let path = Path::new("mzp.toml");
    let core = MinzName::parse("core").unwrap();
    let origin = Origin::Folder(Folder::parse("../core").unwrap());
    let set = |text: &str| edit::set_origin(path, text, edit::Table::Dependencies, &core, &origin).unwrap();
    for (text, expected) in [
        ("", "[dependencies]\ncore = { path = \"../core\" }\n"),
        ("[dependencies]\ncore = '1' # why\n", "[dependencies]\ncore = { path = \"../core\" } # why\n"),
        (
            "[dependencies]\ncore = { version = '1', features = [\"a\"], registry = \"work\" }\n",
            "[dependencies]\ncore = { features = [\"a\"], path = \"../core\" }\n",
        ),
        ("[dependencies]\ncore = { version = '1' }\n", "[dependencies]\ncore = { path = \"../core\" }\n"),
        (
            "[dependencies.core]\n# The newest.\nversion = '1'\noptional = true\n",
            "[dependencies.core]\n# The newest.\noptional = true\npath = \"../core\"\n",
        ),
        (
            "[dependencies]\ncore.version = '1'\ncore.optional = true\n",
            "[dependencies]\ncore.optional = true\ncore.path = \"../core\"\n",
        ),
        (
            "[dev-dependencies]\ncore = { version = '1', features = [\"a\"] }\n",
            "[dependencies]\ncore = { features = [\"a\"], path = \"../core\" }\n",
        ),
    ] {
        assert_eq!(set(text), expected, "{text}");
        assert_eq!(set(expected), expected, "a second time");
    }
}

proptest::proptest! {
    /// However the tables are written: what is added is there, once, what is removed is not, and the rest is as it was.
    #[test]
    fn changes_touch_nothing_else(
        shapes in proptest::collection::vec(0..7usize, 3),
        order in proptest::collection::vec(proptest::sample::select(vec!["a", "core", "b"]), 0..4),
        table in 0..3usize,
    ) {
        let mut top = String::new();
        let mut below = String::from("\n[package]\nname = \"p\"\nversion = \"1.0.0\"\n");
        let mut names: Vec<&str> = Vec::new();
        for name in order {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        for (table, shape) in ["dependencies", "dev-dependencies", "platform-dependencies.cpm"].iter().zip(&shapes) {
            let each = |line: &dyn Fn(&str) -> String| names.iter().map(|name| line(name)).collect::<Vec<_>>();
            match shape {
                0 => {}
                1 => top += &format!("{table} = {{ {} }}\n", each(&|name| format!("{name} = \"1\"")).join(", ")),
                2 => top += &each(&|name| format!("{table}.{name} = \"1\" # {name}\n")).concat(),
                3 => below += &format!("\n[{table}] # all\n{}", each(&|name| format!("# {name}\n{name} = \"1\"\n")).concat()),
                4 => below += &each(&|name| format!("\n[{table}.{name}]\nversion = \"1\"\n")).concat(),
                5 => below += &format!("\n[{table}]\n{}", each(&|name| format!("{name}.version = \"1\"\n{name}.optional = false\n")).concat()),
                _ => below += &format!("\n[{table}]\n{}", each(&|name| format!("{name} = {{ version = \"1\", features = [\n  \"x\",\n] }}\n")).concat()),
            }
        }
        let text = top + &below;
        let path = Path::new("mzp.toml");
        let before = parse(&text).unwrap();
        let core = MinzName::parse("core").unwrap();
        let cpm = Platform::find("cpm").unwrap();
        let chosen = [edit::Table::Dependencies, edit::Table::Dev, edit::Table::Platform(cpm)][table];
        let rest = |m: &Manifest| {
            let own = |list: &[Dependency]| -> Vec<_> {
                list.iter().filter(|d| d.name != core).map(|d| (d.name.clone(), d.requirement.clone(), d.features.clone())).collect()
            };
            let machine = m.platform_dependencies.iter().flat_map(|(_, list)| own(list)).collect::<Vec<_>>();
            [own(&m.dependencies), own(&m.dev_dependencies), machine]
        };
        let asked = |m: &Manifest| -> Vec<_> {
            let machine = m.platform_dependencies.iter().flat_map(|(_, list)| list);
            let all = m.dependencies.iter().chain(&m.dev_dependencies).chain(machine);
            all.filter(|d| d.name == core).map(|d| d.requirement.as_str().to_string()).collect()
        };
        let added = edit::set_dependency(path, &text, chosen, &core, "^2").unwrap();
        let after = parse(&added).unwrap_or_else(|e| panic!("{text}\n->\n{added}\n{e}"));
        proptest::prop_assert_eq!(rest(&after), rest(&before), "{}\n->\n{}", text, added);
        proptest::prop_assert_eq!(asked(&after), ["^2"], "{}\n->\n{}", text, added);
        let removed = edit::remove_dependency(path, &added, &core).unwrap().unwrap();
        let after = parse(&removed).unwrap_or_else(|e| panic!("{added}\n->\n{removed}\n{e}"));
        proptest::prop_assert_eq!(rest(&after), rest(&before), "{}\n->\n{}", added, removed);
        proptest::prop_assert!(asked(&after).is_empty());
        // Comments of others are still there.
        for name in ["# a\n", "# b\n"] {
            proptest::prop_assert_eq!(removed.matches(name).count(), text.matches(name).count(), "{}", removed);
        }
    }
}
