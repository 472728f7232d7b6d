//! MinZ text: tokens, items, directives, build scripts, and a whole program made into one unit.

use super::Fresh;
use mirror::http::Url;
use mirror::name::MinzName;
use mzp::expand::{Definitions, Environment, Scope, expand, script};
use mzp::manifest::Manifest;
use mzp::origin::{Folder, Origin, Word};
use mzp::platform::Platform;
use mzp::program::Program;
use mzp::program::active::{Active, Selection};
use mzp::source::items::{ItemKind, Source};
use mzp::source::{Kind, tokens};
use std::path::Path;

/// `main.minz`; behind a line `-- lib --`, a module that it may import as `lib`.
pub fn minz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (main, lib) = text.split_once("\n-- lib --\n").unwrap_or((text, "pub fun helper() -> void {}\n"));
    for text in [main, lib] {
        lexed(text);
    }
    expanded(main, lib);
    bundled(main, lib);
}

fn lexed(text: &str) {
    let list = match tokens(Path::new("x.minz"), text) {
        Ok(list) => list,
        Err(e) => return super::says(&e),
    };
    let mut at = 0;
    for token in &list {
        assert!(token.start >= at && token.end > token.start, "{token:?}");
        let between = &text[at..token.start];
        let skipped = between.trim().is_empty() || between.contains("//") || between.contains("/*");
        assert!(skipped, "{between:?} is not passed over");
        assert!(token.kind != Kind::Directive || token.text(text).starts_with('@'));
        at = token.end;
    }
    let Ok(source) = Source::read(Path::new("x.minz"), text.into()) else { return };
    let mut at = 0;
    for item in &source.items {
        assert!(item.tokens.start >= at && item.tokens.end > item.tokens.start);
        assert!(
            source.tokens[at..item.tokens.start].iter().all(|t| t.is(text, ";")),
            "what is between items"
        );
        let span = source.span(item);
        assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end));
        assert!(item.visibility.is_empty() || item.public);
        if let ItemKind::Import(import) = &item.kind {
            assert!(!import.path.is_empty());
        }
        at = item.tokens.end;
    }
    assert!(source.tokens[at..].iter().all(|t| t.is(text, ";")));
}

fn environment() -> Environment {
    let mut definitions = Definitions::default();
    definitions.add("GIVEN=5").expect("a name");
    Environment { platform: Platform::usual(), debug: true, definitions }
}

/// Every byte has a place in one of the files; where nothing is put in, every line keeps its number and every byte its place.
fn expanded(main: &str, lib: &str) {
    let main = main.strip_prefix('\u{feff}').unwrap_or(main);
    let folder = Fresh::new("expand");
    for (name, text) in [("x.minz", main), ("lib.minz", lib), ("build.minz", main)] {
        mirror::file::write_scratch(&folder.0.join(name), text.as_bytes()).expect("a file");
    }
    let scope = Scope { package: &folder.0, project: &folder.0 };
    match expand(&folder.0.join("x.minz"), scope, &environment(), &[]) {
        Ok(out) => {
            assert_eq!(out.origin.lines(&out.text).len(), out.text.matches('\n').count() + 1);
            for (i, _) in out.text.char_indices().step_by(1 + out.text.len() / 50) {
                let place = out.origin.place(i);
                assert!(["x.minz", "lib.minz"].iter().any(|f| place.file.as_os_str() == *f), "{place}");
            }
            if !["@define", "@include", "GIVEN"].iter().any(|word| main.contains(word)) {
                assert_eq!(out.text.len(), main.len());
                let blank = |o, t| o == t || (o == b' ' && !matches!(t, b'\n' | b'\r'));
                assert!(out.text.bytes().zip(main.bytes()).all(|(o, t)| blank(o, t)));
            }
        }
        Err(e) => super::says(&e),
    }
    match script::run(Scope { package: &folder.0, project: &folder.0 }, &environment()) {
        Ok(script) => assert!(script.definitions.names().all(|n| n != "DEBUG" && !n.starts_with("TARGET_"))),
        Err(e) => super::says(&e),
    }
}

fn bundled(main: &str, lib: &str) {
    let folder = Fresh::new("minz");
    let write = |name: &str, text: &str| {
        mirror::file::write_scratch(&folder.0.join(name), text.as_bytes()).expect("a file");
    };
    std::fs::create_dir(folder.0.join("src")).expect("a folder");
    write("mzp.toml", "[package]\nname = \"game\"\nversion = \"1.0.0\"\n");
    write("src/main.minz", main);
    write("src/lib.minz", lib);
    let manifest = Manifest::load(&folder.0).expect("our own").expect("it is there");
    let active =
        Active::select(&manifest, Platform::usual(), &Selection::default(), None).expect("no packages");
    let program = match Program::load(&active, &folder.0.join("src/main.minz"), &environment(), &[], &[]) {
        Ok(program) => program,
        Err(e) => return super::says(&e),
    };
    match mzp::bundle::bundle(&program) {
        Ok(bundle) => {
            assert_eq!(bundle.map.len(), bundle.text.lines().count(), "a line of the map for each line");
            assert_eq!(bundle.sizes.len(), program.modules.len());
            for (module, line) in bundle.map.iter().flatten() {
                let lines = program.modules[*module].source.text.split('\n').count();
                assert!(*line >= 1 && *line as usize <= lines, "line {line} of {lines}");
            }
            let unit = Source::read(Path::new("unit.minz"), bundle.text.clone());
            let unit = unit.unwrap_or_else(|e| panic!("{e}\n{}", bundle.text));
            let own = |import: &mzp::source::items::Import| import.path[0] == "lib";
            let imports = unit.items.iter().filter_map(|i| match &i.kind {
                ItemKind::Import(import) => Some(import),
                _ => None,
            });
            assert!(!imports.into_iter().any(own), "no import of a module is left\n{}", bundle.text);
        }
        Err(e) => super::says(&e),
    }
}

/// A word of the command line, a folder and a source of the lock, a line each; behind them what a registry says.
pub fn source(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (word, rest) = super::line(text);
    let (folder, rest) = super::line(rest);
    let (source, document) = super::line(rest);
    match Word::parse(word) {
        Ok(Word::Origin(origin)) => written(&origin),
        Ok(Word::Name(name, _)) => assert_eq!(MinzName::parse(name.as_str()), Ok(name)),
        Ok(Word::Folder(path)) => assert!(!path.as_os_str().is_empty()),
        Err(e) => super::says(&e),
    }
    match Origin::parse(source) {
        Ok(origin) => written(&origin),
        Err(e) => super::says(&e),
    }
    if let Ok(folder) = Folder::parse(folder) {
        assert_eq!(Folder::parse(&folder.to_string()), Ok(folder.clone()));
        let shown = folder.to_string();
        let mut down = shown.split('/').skip_while(|part| *part == "..");
        assert!(down.all(|part| !matches!(part, "" | "." | "..")), "{shown}");
        if let Ok(joined) = folder.below(&Folder::parse("../x").expect("a folder")) {
            assert_eq!(Folder::parse(&joined.to_string()), Ok(joined));
        }
    }
    let url = Url::parse("https://example.com/packages/zx-core").expect("a URL");
    let name = MinzName::parse("zx-core").expect("a name");
    match mzp::upstream::offers(&url, &name, document.as_bytes()) {
        Ok(offers) => {
            assert!(offers.windows(2).all(|two| two[0].version <= two[1].version));
            assert!(offers.iter().all(|o| o.url.userinfo().is_none()));
        }
        Err(e) => super::says(&e),
    }
}

/// What a lock repeats is what was said, in one line of TOML.
fn written(origin: &Origin) {
    let text = origin.to_string();
    assert!(!text.contains(['"', '\\', '\n']) && !text.chars().any(char::is_control), "{text:?}");
    assert_eq!(Origin::parse(&text).as_ref(), Ok(origin), "{text}");
}
