use super::*;

fn put(dir: &Path, file: &str, text: &str) {
    let path = dir.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    mirror::file::replace_scratch(&path, text.as_bytes()).unwrap();
}

fn environment(target: &str, defined: &[&str]) -> Environment {
    let mut definitions = Definitions::default();
    defined.iter().for_each(|text| definitions.add(text).unwrap());
    Environment { platform: Platform::find(target).unwrap(), debug: true, definitions }
}

/// `m.minz` of a folder.
fn at(dir: &Path, target: &str, defined: &[&str]) -> Result<Expanded> {
    expand(&dir.join("m.minz"), Scope { package: dir, project: dir }, &environment(target, defined), &[])
}

fn run(text: &str, target: &str) -> std::result::Result<String, String> {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "m.minz", text);
    at(dir.path(), target, &[]).map(|e| e.text).map_err(|e| e.to_string())
}
/// Without the blanks.
fn left(text: &str, target: &str) -> String {
    run(text, target).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_designs_import() {
    let text = "import a;\n@if(TARGET_SPECTRUM) {\n    import zx_hardware;\n}\nfun main() -> void {}\n";
    let spectrum = run(text, "spectrum").unwrap();
    assert_eq!(spectrum.lines().nth(2), Some("    import zx_hardware;"));
    assert_eq!(spectrum.len(), text.len(), "columns and lines stay");
    assert_eq!(left(text, "cpm"), "import a; fun main() -> void {}");
}

#[test]
fn conditions() {
    for (condition, spectrum, c64) in [
        ("TARGET == \"spectrum\"", true, false),
        ("TARGET != \"spectrum\"", false, true),
        ("TARGET_Z80", true, false),
        ("!TARGET_6502 && DEBUG", true, false),
        ("TARGET_C64 || TARGET_CPM", false, true),
        ("(TARGET_C64 || TARGET_SPECTRUM) && !false", true, true),
    ] {
        let text = format!("@if({condition}) {{ yes }} else {{ no }}");
        let word = |b| if b { "yes" } else { "no" };
        assert_eq!(left(&text, "spectrum"), word(spectrum), "{condition}");
        assert_eq!(left(&text, "c64"), word(c64), "{condition}");
    }
    let chain = "@if(TARGET_CPM) { a @if(DEBUG) { b } } else @if(TARGET_MSX) { c } else { d } e";
    assert_eq!(left(chain, "cpm"), "a b e");
    assert_eq!(left(chain, "msx"), "c e");
    assert_eq!(left(chain, "gb"), "d e");
}

#[test]
fn the_expression_form_and_text_stay() {
    for text in ["let x: u8 = @if(1 == 1, 10, 20);", "// @if(NOPE) { }", "\"@if(X) { }\""] {
        assert_eq!(run(text, "cpm").unwrap(), text);
    }
}

#[test]
fn what_cannot_be_decided_is_an_error() {
    for (text, expected) in [
        ("@if(TARGET_SPECTRUN) { }", "m.minz:1:5: `TARGET_SPECTRUN` is nothing that @if can ask for"),
        ("\n @if(FOO) { }", "m.minz:2:6: `FOO` is nothing that @if can ask for"),
        ("@if(TARGET == \"vic20\") { }", "m.minz:1:15: `vic20` is nothing that @if can ask for"),
        ("@if(DEBUG DEBUG) { }", "m.minz:1:11: a condition that cannot be read here"),
        ("@if() { }", "m.minz:1:5: a condition is missing"),
        ("@if(DEBUG) { ", "m.minz:1:12: a bracket that is never closed"),
        ("@define(\"A\"}", "m.minz:1:12: a bracket that closes another kind"),
        ("@if(DEBUG) { } else x", "m.minz:1:21: an else without its block"),
    ] {
        assert_eq!(run(text, "spectrum").unwrap_err(), expected, "{text}");
    }
    let deep = format!("@if({}DEBUG) {{ }}", "!".repeat(100));
    assert!(run(&deep, "cpm").unwrap_err().contains("too many parentheses"));
    let deep = format!("{} {}", "@if(DEBUG) { ".repeat(100), "}".repeat(100));
    assert!(run(&deep, "cpm").unwrap_err().contains("too many @if"));
}

/// The text without its blanks, or the message.
fn with(files: &[(&str, &str)], defined: &[&str]) -> std::result::Result<String, String> {
    let dir = tempfile::tempdir().unwrap();
    files.iter().for_each(|(file, text)| put(dir.path(), file, text));
    let words = |e: Expanded| e.text.split_whitespace().collect::<Vec<_>>().join(" ");
    at(dir.path(), "spectrum", defined).map(words).map_err(|e| e.to_string())
}

#[test]
fn a_definition_is_a_word_for_another() {
    let text = "@define(\"LIVES\", \"3\");\nlet a: u8 = LIVES; // LIVES\n@print(\"LIVES\"); b.LIVES; xLIVES;";
    assert_eq!(
        with(&[("m.minz", text)], &[]).unwrap(),
        "let a: u8 = 3; // LIVES @print(\"LIVES\"); b.LIVES; xLIVES;"
    );
    // The command line goes before the text, and holds from its first line.
    assert_eq!(
        with(&[("m.minz", text)], &["LIVES=5"]).unwrap(),
        "let a: u8 = 5; // LIVES @print(\"LIVES\"); b.LIVES; xLIVES;"
    );
    for (text, defined, expected) in [
        ("@define(\"A\") @if(A) { yes } else { no }", &[][..], "yes"),
        ("@define(\"A\", 0) @if(A) { yes } else { no }", &[], "no"),
        ("@define(\"A\", 0) @if(A) { yes } else { no }", &["A"], "yes"),
        ("@define(\"A\", \"x\") @if(A == \"x\" && A != y) { yes } else { no }", &[], "yes"),
        ("@if(A == 7) { yes } else { no }", &["A=7"], "yes"),
        ("@if(false) { @define(\"A\") } @if(A) { yes } else { no }", &[], "no"),
        ("@if(A) { yes } else { no } @define(\"A\")", &[], "no"),
        ("@define(\"A\", \"1\") @define(\"A\", \"2\") A", &[], "2"),
        ("@define(\"B\", \"A\") @define(\"A\", \"B\") A B", &[], "B A"),
        ("@define(\"S\", \"\\\"Jo\\\"\") let s = S;", &[], "let s = \"Jo\";"),
        ("let x: u8 = @if(N == 1, 10, 20);", &["N=1"], "let x: u8 = @if(1 == 1, 10, 20);"),
        // The compiler's own templates.
        ("@define(a, b)[[[ a b ]]] A", &["A=1"], "@define(a, b)[[[ a b ]]] 1"),
    ] {
        assert_eq!(with(&[("m.minz", text)], defined).unwrap(), expected, "{text}");
    }
}

#[test]
fn an_included_file_stands_in_its_place() {
    let files = [
        ("m.minz", "one\n@include(\"src/a.minz\"); two\n@include(\"src/deep/c.minz\") X"),
        ("src/a.minz", "@if(TARGET_Z80) { a } else { b }\n@include(\"deep/b.minz\") // end"),
        ("src/deep/b.minz", "@include(\"../../d.minz\") b"),
        ("src/deep/c.minz", ""),
        ("d.minz", "@define(\"X\", \"9\")"),
    ];
    assert_eq!(with(&files, &[]).unwrap(), "one a b // end two 9");
}

#[test]
fn places_lead_back_through_everything() {
    let dir = tempfile::tempdir().unwrap();
    put(
        dir.path(),
        "m.minz",
        "@define(\"LONG\", \"a very long text\")\n@include(\"a.minz\") é LONG here\n  last",
    );
    put(dir.path(), "a.minz", "first\n  second");
    let expanded = at(dir.path(), "cpm", &[]).unwrap();
    let of = |word: &str| expanded.origin.place(expanded.text.find(word).unwrap()).to_string();
    assert_eq!(
        [of("first"), of("second"), of("very"), of("here"), of("last")],
        ["a.minz:1:1", "a.minz:2:3", "m.minz:2:22", "m.minz:2:27", "m.minz:3:3"]
    );
    // By line and column of the text, as the compiler tells them.
    let at = |line, column| expanded.origin.place_in(&expanded.text, line, column).to_string();
    assert_eq!(
        [at(3, 3), at(4, 0), at(5, 3), at(99, 1)],
        ["a.minz:2:3", "m.minz:2", "m.minz:3:3", "m.minz:3:7"]
    );
    let lines: Vec<_> =
        expanded.origin.lines(&expanded.text).iter().map(|(f, l)| format!("{}:{l}", f.display())).collect();
    assert_eq!(lines, ["m.minz:1", "a.minz:1", "a.minz:2", "m.minz:2", "m.minz:3"]);
}

#[test]
fn what_is_wrong_with_directives_has_its_place() {
    let own = "an include names a file of its own package, relative to the file it stands in";
    for (text, expected) in [
        ("\n @define(A, \"1\")", "m.minz:2:2: a definition is written `@define(\"NAME\", \"VALUE\")`"),
        ("@define(\"A\" \"1\")", "m.minz:1:1: a definition is written `@define(\"NAME\", \"VALUE\")`"),
        ("@define(\"TARGET_Z80\")", "m.minz:1:9: a name that has its meaning already"),
        ("@define(\"fun\")", "m.minz:1:9: a word of the language cannot be defined"),
        ("@define(\"DEBUG\")", "m.minz:1:9: DEBUG is set by --release or --define DEBUG=0 alone"),
        (
            "@define(\"a-b\")",
            "m.minz:1:9: a name that can be defined has letters, digits and `_`, and does not begin with a digit",
        ),
        ("@include(\"a\", \"b\")", "m.minz:1:1: an include is written `@include(\"file\")`"),
        (" @include(\"../x.minz\")", &format!("m.minz:1:11: {own}")),
        ("@include(\"a/../../x.minz\")", &format!("m.minz:1:10: {own}")),
        ("@include(\"/etc/passwd\")", &format!("m.minz:1:10: {own}")),
        ("@include(\"\")", &format!("m.minz:1:10: {own}")),
        (
            "@include(\"none.minz\")",
            "m.minz:1:10: cannot include none.minz: No such file or directory (os error 2)",
        ),
        ("@include(\"link.minz\")", "m.minz:1:10: an include that a link leads out of its package"),
        ("@include(\"m.minz\")", "m.minz:1:10: a file that includes itself"),
        ("@include(\"ring.minz\")", "ring.minz:2:10: a file that includes itself"),
        ("@include(\"bad.minz\")", "bad.minz:1:5: a string that does not end on its line"),
        ("@build { }", "m.minz:1:1: @build is for the build.minz of a project"),
        ("@define(\"LIVES\") @if(LIVE) { }", "m.minz:1:22: `LIVE` is nothing that @if can ask for"),
        ("@define(\"A\") @if(A == ) { }", "m.minz:1:23: a definition is compared with a value"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "p/m.minz", text);
        put(dir.path(), "p/ring.minz", "\n@include(\"ring.minz\")");
        put(dir.path(), "p/bad.minz", "@if(\"b");
        put(dir.path(), "x.minz", "secret");
        std::os::unix::fs::symlink("../x.minz", dir.path().join("p/link.minz")).unwrap();
        let e = at(&dir.path().join("p"), "spectrum", &[]).map(|e| e.text).unwrap_err();
        assert_eq!(e.to_string(), expected, "{text}");
    }
}

/// Files that include one another again and again, and values that grow, end soon.
#[test]
fn nothing_grows_without_end() {
    let ten = |file: &str| format!("@include(\"{file}\")\n").repeat(10);
    let mut files: Vec<(String, String)> = Vec::new();
    for i in 0..40 {
        files.push((format!("f{i}.minz"), ten(&format!("f{}.minz", i + 1))));
    }
    files.push(("f40.minz".into(), String::new()));
    files.push(("m.minz".into(), ten("f0.minz")));
    let files: Vec<_> = files.iter().map(|(f, t)| (f.as_str(), t.as_str())).collect();
    assert!(with(&files, &[]).unwrap_err().ends_with(": too many includes"));
    let big = format!("@define(\"A\", \"{}\")\n{}", "x".repeat(100_000), "A ".repeat(100_000));
    assert!(with(&[("m.minz", &big)], &[]).unwrap_err().starts_with("m.minz: longer than "));
}

mod build_scripts {
    use super::*;

    fn run(text: &str, target: &str, debug: bool) -> std::result::Result<String, String> {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "build.minz", text);
        let environment = Environment { debug, ..environment(target, &["LIVES=5"]) };
        let script = script::run(Scope { package: dir.path(), project: dir.path() }, &environment)
            .map_err(|e| e.to_string())?;
        let defined =
            script.definitions.names().map(|n| format!("{n}={}", script.definitions.get(n).unwrap()));
        let included = script.includes.iter().map(|i| format!("{} ({})", i.path, i.place));
        Ok(defined.chain(included).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn the_designs_script() {
        let text = "// What a build of this game wants.\n@build {\n    // Custom build logic\n    @if(DEBUG) {\n        @define(\"DEBUG_MODE\", \"1\")\n    }\n    \n    // Platform-specific builds\n    @if(TARGET == \"spectrum\") {\n        @include(\"packages/zx-graphics/spectrum.minz\")\n    }\n}\n";
        let include = "packages/zx-graphics/spectrum.minz (build.minz:10:18)";
        assert_eq!(run(text, "spectrum", true).unwrap(), format!("DEBUG_MODE=1 {include}"));
        assert_eq!(run(text, "spectrum", false).unwrap(), include);
        assert_eq!(run(text, "cpm", true).unwrap(), "DEBUG_MODE=1");
        assert_eq!(
            run(
                "@build { @if(LIVES == 5) { @define(\"A\"); } } @build { @if(A) { @define(\"B\", 2) } }",
                "cpm",
                true
            )
            .unwrap(),
            "A=1 B=2"
        );
        assert_eq!(run("", "cpm", true).unwrap(), "");
    }

    #[test]
    fn it_is_no_program() {
        let what = "a build script has @define, @include and @if in a @build block, and nothing else";
        for (text, place) in [
            ("@build {\n  exec(\"rm\") }", "2:3"),
            ("fun main() -> void { }", "1:1"),
            ("@build { @if(DEBUG) { x } }", "1:23"),
        ] {
            assert_eq!(run(text, "cpm", true).unwrap_err(), format!("build.minz:{place}: {what}"));
        }
        assert!(run("@build {", "cpm", true).unwrap_err().starts_with("build.minz:1:8: "));
    }
}

proptest::proptest! {
    /// Every byte that was not made comes from where its place says.
    #[test]
    fn any_text_expands_to_what_it_says(
        words in proptest::collection::vec("@if\\(|@define\\(|@include\\(|\"A\"|\"b.minz\"|,|\\)|\\{|\\}|else|A|DEBUG|TARGET|==|\n| |x|//|\"|@build|\\[\\[\\[|\\]\\]\\]|;|é", 0..20),
        defined in proptest::bool::ANY,
    ) {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "m.minz", &words.concat());
        put(dir.path(), "b.minz", "in b A\n@define(\"A\", \"long value\")");
        if let Ok(e) = at(dir.path(), "spectrum", if defined { &["A=value"] } else { &[] }) {
            let lines = e.origin.lines(&e.text);
            proptest::prop_assert_eq!(lines.len(), e.text.matches('\n').count() + 1);
            for (i, c) in e.text.char_indices() {
                let place = e.origin.place(i);
                let text = std::fs::read_to_string(dir.path().join(&place.file)).unwrap();
                let there = text.lines().nth(place.line as usize - 1).and_then(|l| l.chars().nth(place.column as usize - 1));
                let made = ['1', 'v', 'a', 'l', 'u', 'e', 'o', 'n', 'g', ' ', '\n'].contains(&c);
                proptest::prop_assert!(made || there == Some(c), "{:?} at {} of {:?}", c, place, e.text);
            }
        }
    }
}
