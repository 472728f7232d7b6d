use super::items::{Import, ItemKind, Source};
use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Result<Source> {
    Source::read(Path::new("m.minz"), text.to_string())
}
fn words(text: &str) -> Vec<&str> {
    let t = tokens(Path::new("m.minz"), text).unwrap();
    t.into_iter().filter(|t| matches!(t.kind, Kind::Word | Kind::Directive)).map(|t| t.text(text)).collect()
}
fn kinds(text: &str) -> Vec<(String, bool)> {
    let s = read(text).unwrap();
    s.items.iter().map(|i| (format!("{:?} {}", i.kind, s.name(i).unwrap_or("-")), i.public)).collect()
}

#[test]
fn words_are_found_only_where_they_are_words() {
    assert_eq!(words("a // b\n/* c */ d \"e \\\" f\" 'g' h 0x1F"), ["a", "d", "h"]);
    assert_eq!(words("@asm { ld a, b ; } in a comment\n } x"), ["@asm", "x"]);
    assert_eq!(words("asm { ex af, af' ; it's\n } y"), ["asm", "y"]);
    assert_eq!(words("asm fun f() -> void { call g } h"), ["asm", "fun", "f", "void", "h"]);
    assert_eq!(words("@define(a, b)[[[ z ]]] w"), ["@define", "a", "b", "w"]);
    assert_eq!(words("@asm { ret ;} \nx"), ["@asm", "x"]);
    assert_eq!(words("asm fun f(a: [u8; 4]) { call g } h"), ["asm", "fun", "f", "a", "u8", "h"]);
    assert_eq!(words("asm fun f(); struct P { x }"), ["asm", "fun", "f", "struct", "P", "x"]);
    assert_eq!(words("(asm fun f) { x } asm y { z }"), ["asm", "fun", "f", "x", "asm", "y", "z"]);
}

#[test]
fn items() {
    let text = "import a.b as c;\npub fun f(x: u8) -> void { if x { g(); } }\nconst N: P = P { x: 1 };\npub struct P { x: u8 }\n#[smc]\nfun g() -> void {}\n@define(a)[[[ b ]]]\nglobal n: u8 = 3;\nenum E { A, B }\n";
    let import = Import { path: vec!["a".into(), "b".into()], alias: Some("c".into()), star: false };
    let expected = [
        (format!("{:?} -", ItemKind::Import(import)), false),
        ("Function f".into(), true),
        ("Value N".into(), false),
        ("Type P".into(), true),
        ("Function g".into(), false),
        ("Other -".into(), false),
        ("Value n".into(), false),
        ("Type E".into(), false),
    ];
    assert_eq!(kinds(text), expected);
    let s = read(text).unwrap();
    assert_eq!(&text[s.span(&s.items[1])], "pub fun f(x: u8) -> void { if x { g(); } }");
    assert_eq!(&text[s.items[1].visibility.clone()], "pub ");
    assert!(read("").unwrap().items.is_empty());
}

#[test]
fn what_the_compiler_would_drop_or_hang_on_is_an_error() {
    for (text, expected) in [
        ("fun main( -> void { let x = = 5; }", "m.minz:1:9: a bracket that is never closed"),
        ("fun main() -> void { ", "m.minz:1:20: a bracket that is never closed"),
        ("import zx-graphics;", "m.minz:1:10: an import has no `-`: write `_` for it"),
        (
            "import \"zx_graphics\";",
            "m.minz:1:8: the compiler ignores an import in quotes: write `import name;`",
        ),
        ("import ../../x;", "m.minz:1:8: an import needs a module's name"),
        ("import a", "m.minz:1:8: an import ends with `;`"),
        ("import a as 7;", "m.minz:1:13: an alias must be a name"),
        ("\n  \"abc", "m.minz:2:3: a string that does not end on its line"),
        ("/* x", "m.minz:1:1: a comment that does not end"),
        ("const X: u8 = 4", "m.minz:1:1: a declaration that does not end"),
        ("}", "m.minz:1:1: a closing bracket without its opening one"),
        ("fun f() { g(1]; }", "m.minz:1:14: a closing bracket of another kind than its opening one"),
        ("@asm { nop", "m.minz:1:6: assembly without its `}`"),
        ("[[[ x", "m.minz:1:1: a `[[[` without its `]]]`"),
        ("fun\npub fun f() {}", "m.minz:2:1: a name that is a word of the language"),
        ("const fun: u8 = 1;", "m.minz:1:7: a name that is a word of the language"),
    ] {
        assert_eq!(read(text).unwrap_err().to_string(), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_ends(text in "[a-z@{}()\\[\\];\"'/*.é\n ]{0,80}") {
        if let Ok(s) = read(&text) {
            // Tokens lie in order and on character boundaries.
            let mut last = 0;
            for t in &s.tokens {
                prop_assert!(t.start >= last && t.end > t.start);
                last = t.end;
                let _ = t.text(&text);
            }
        }
    }

    /// A bundle takes items out of their text: there they must be what they were.
    #[test]
    fn an_item_alone_is_what_it_is_among_others(
        words in proptest::collection::vec(
            "asm |fun |pub |f|struct |const |@asm|\\{|\\}|\\(|\\)|\\[|\\]|;|'|\"|\\[\\[\\[|\\]\\]\\]| |\n|=|//|/|\\{\\}|\\{x\\}|\\(y\\)|f;",
            0..14,
        )
    ) {
        let text = words.concat();
        if let Ok(source) = read(&text) {
            for item in &source.items {
                let alone = format!("{}\n", &text[source.span(item)]);
                let read = read(&alone).unwrap_or_else(|e| panic!("{e}: {alone:?} of {text:?}"));
                prop_assert_eq!(read.items.len(), 1, "{:?} of {:?}", alone, text);
                let shapes = |s: &Source, i: usize| -> Vec<_> {
                    s.tokens[s.items[i].tokens.clone()].iter().map(|t| (t.kind, t.end - t.start)).collect()
                };
                let i = source.items.iter().position(|other| other == item).unwrap();
                prop_assert_eq!(shapes(&read, 0), shapes(&source, i), "{:?} of {:?}", alone, text);
            }
        }
    }
}
