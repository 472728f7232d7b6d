use super::*;
use proptest::prelude::*;

fn json(text: &str) -> String {
    let documents = documents(text).unwrap_or_else(|e| panic!("{text}\n{e:?}"));
    assert_eq!(documents.len(), 1, "{text}");
    documents[0].json.clone()
}

#[test]
fn what_lockfiles_and_workspaces_hold() {
    for (yaml, expected) in [
        ("", "null"),
        ("# nothing\n\n", "null"),
        ("---\n", "null"),
        ("a: b", r#"{"a":"b"}"#),
        ("\u{feff}a: b\r\nc:\r\n  d: e\r\n", r#"{"a":"b","c":{"d":"e"}}"#),
        ("a:\nb: ~\nc: null\nd: ''\n", r#"{"a":null,"b":null,"c":null,"d":""}"#),
        (
            "a: 1\nb: 1.10\nc: 1.2.3\nd: 0x1\ne: 01\nf: -3\ng: .5\nh: 1e3\n",
            r#"{"a":1,"b":1.10,"c":"1.2.3","d":"0x1","e":"01","f":-3,"g":".5","h":1e3}"#,
        ),
        ("a: true\nb: False\nc: yes\nd: 'true'\n", r#"{"a":true,"b":false,"c":"yes","d":"true"}"#),
        ("a: x # comment\nb: x#y\nc: 'x # y' # z\n", r#"{"a":"x","b":"x#y","c":"x # y"}"#),
        (
            "'@s/a@1.0.0':\n  resolution: {integrity: sha512-a+/b==, tarball: https://example.com/a.tgz}\n",
            r#"{"@s/a@1.0.0":{"resolution":{"integrity":"sha512-a+/b==","tarball":"https://example.com/a.tgz"}}}"#,
        ),
        (
            "a(b@1)(c@2): {}\nlink: link:../a\ns: workspace:^\nr: '>=1 <2 || ^3'\nq: ^1 || >=2\n",
            r#"{"a(b@1)(c@2)":{},"link":"link:../a","s":"workspace:^","r":">=1 <2 || ^3","q":"^1 || >=2"}"#,
        ),
        ("packages:\n  - 'a/*'\n  - \"!b\"\n  # c\n  - d\nx: 1\n", r#"{"packages":["a/*","!b","d"],"x":1}"#),
        ("packages:\n- a\n- b\nx: []\n", r#"{"packages":["a","b"],"x":[]}"#),
        ("- a: 1\n  b: 2\n-\n  c: 3\n- - x\n  - y\n-\n", r#"[{"a":1,"b":2},{"c":3},["x","y"],null]"#),
        (
            "os: [darwin, '!win32']\ncpu: [x64]\ne: {node: '>=10', npm: ^1}\nf: [a,\n  b, # c\n  {c: d,},\n]\n",
            r#"{"os":["darwin","!win32"],"cpu":["x64"],"e":{"node":">=10","npm":"^1"},"f":["a","b",{"c":"d"}]}"#,
        ),
        (
            "\"a b\": \"x\\ty\\u00e9\\U0001F600\\ud83d\\ude00\\x41\\\"\"\n'it''s': 'a''b'\n",
            r#"{"a b":"x\tyé😀😀A\"","it's":"a'b"}"#,
        ),
        ("? a\n: b\n? 'c'\n:\n  d: 1\n? \"e\"\n:\n- f\n", r#"{"a":"b","c":{"d":1},"e":["f"]}"#),
        ("a: |\n  x\n   y\n\n  z\n\nb: 1\n", r#"{"a":"x\n y\n\nz\n","b":1}"#),
        (
            "a: |-\n  x\n  # no comment\nb: >-\n  x\n  y\n\n  z\n   w\n  v\n",
            r##"{"a":"x\n# no comment","b":"x y\nz\n w\nv"}"##,
        ),
        ("a: |+\n  x\n\nb: >\n  x\n  y\n", r#"{"a":"x\n\n","b":"x y\n"}"#),
        ("a: |2\n    x\n  y\nb: |-\nc: 1\n", r#"{"a":"  x\ny\n","b":"","c":1}"#),
        ("a: >-\n  last", r#"{"a":"last"}"#),
        ("- |\n x\n- y\n", r#"["x\n","y"]"#),
        ("a:b: c\nd: e:f\nhttp://x: y\n", r#"{"a:b":"c","d":"e:f","http://x":"y"}"#),
        ("plain text\n", r#""plain text""#),
        ("{a: {b: c}, \"d\": e, f}\n", r#"{"a":{"b":"c"},"d":"e","f":null}"#),
        ("a: -1.5\nb: - 1x\n".split("b:").next().unwrap(), r#"{"a":-1.5}"#),
        ("a: --flag\nb: ?x\nc: -x\n", r#"{"a":"--flag","b":"?x","c":"-x"}"#),
        ("a: b\n...\n", r#"{"a":"b"}"#),
    ] {
        assert_eq!(json(yaml), expected, "{yaml}");
        let mut scanner = super::super::Scanner::new(expected, super::super::Syntax::Json);
        assert!(scanner.skip().is_ok() && scanner.end().is_ok(), "{expected}");
    }
}

#[test]
fn several_documents() {
    let all = documents("---\na: 1\n--- # two\nb:\n- 2\n---\nc: |\n  ---x\n---\n").unwrap();
    let all: Vec<_> = all.iter().map(|d| d.json.as_str()).collect();
    assert_eq!(all, [r#"{"a":1}"#, r#"{"b":[2]}"#, r#"{"c":"---x\n"}"#, "null"]);
}

#[test]
fn what_is_refused_and_where() {
    let deep = "[".repeat(70);
    let deep_block = (0..70).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>();
    for (yaml, offset, problem) in [
        ("a: &x 1\n", 3, "anchors and aliases are not read here"),
        ("a: *x\n", 3, "anchors and aliases are not read here"),
        ("<<: *x\n", 4, "anchors and aliases are not read here"),
        ("a: !!str 1\n", 3, "tags are not read here: quote a text that begins with `!`"),
        ("- !x\n", 2, "tags are not read here: quote a text that begins with `!`"),
        ("%YAML 1.2\n---\na: 1\n", 0, "text that begins like this has to be quoted"),
        ("a: @s/x\n", 3, "text that begins like this has to be quoted"),
        ("\ta: 1\n", 0, "tabs cannot indent"),
        ("a:\n\tb: 1\n", 3, "tabs cannot indent"),
        ("a: 'x\ny'\n", 3, "this text is not closed in its line"),
        ("a: \"x\n", 3, "this text is not closed in its line"),
        ("a: \"\\q\"\n", 5, "an unknown escape"),
        ("a: \"\\ud800\"\n", 10, "an unknown escape"),
        ("a: b: c\n", 3, "a collection cannot begin in the line of its key"),
        ("a: - b\n", 3, "a collection cannot begin in the line of its key"),
        ("a: b\n  c: d\n", 7, "this line is indented deeper than those it follows"),
        ("a: one\n  two\n", 9, "this line is indented deeper than those it follows"),
        ("  a: 1\n b: 2\n", 8, "this belongs to nothing above: look at the indentation"),
        ("a: 1\nb\n", 5, "expected a key and `:`"),
        ("- a\nb: 1\n", 4, "this belongs to nothing above: look at the indentation"),
        ("a: [1, 2\n", 9, "the text ends in the middle"),
        ("a: [1 2, {]\n", 10, "expected a key"),
        ("a: {b: 1} c\n", 10, "unexpected text after a value"),
        ("a: 'b' c\n", 7, "unexpected text after a value"),
        ("a: | x\nb", 5, "unexpected text after a value"),
        (&deep, 65, "nested too deep"),
        (&deep_block, 0, "nested too deep"),
    ] {
        let error = documents(yaml).map(|d| panic!("{yaml}: {d:?}")).unwrap_err();
        let offset = if yaml == deep_block { error.offset } else { offset };
        assert_eq!((error.offset, error.problem), (offset, problem), "{yaml}");
    }
}

#[test]
fn places_lead_back() {
    let text = "a: 1\nbé:\n  - {c: 'd'}\n  - e # f\ng: |\n  x\n";
    let document = &documents(text).unwrap()[0];
    for (token, origin) in
        [("\"a\"", "a: 1"), ("\"bé\"", "bé:"), ("\"d\"", "'d'"), ("\"e\"", "e #"), ("\"x\\n\"", "|")]
    {
        let at = document.json.find(token).unwrap();
        assert_eq!(document.origin(at), text.find(origin).unwrap(), "{token}");
    }
    assert_eq!(Document::default().origin(7), 0);
}

/// JSON of any shape, with texts that look like something else.
fn value() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        "[ -~]{0,12}",
        "\\PC{0,6}",
        Just("true".to_string()),
        Just("- a".to_string()),
        Just("a: b # c".to_string()),
    ];
    let quoted = text.prop_map(|t| {
        let mut out = String::new();
        push_string(&mut out, &t);
        out
    });
    let leaf = prop_oneof![quoted.clone(), Just("null".into()), Just("true".into()), "-?(0|[1-9][0-9]{0,4})"];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[{}]", v.join(","))),
            prop::collection::vec((quoted.clone(), inner), 0..4).prop_map(|v| {
                let members: Vec<_> = v.into_iter().map(|(k, v)| format!("{k}:{v}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

/// The same value in the block style, as other programs would write it.
fn block(out: &mut String, json: &mut super::super::Scanner<'_>, indent: usize) {
    use super::super::Kind;
    let pad = " ".repeat(indent);
    match json.peek().unwrap() {
        Kind::Object => {
            json.object().unwrap();
            let mut any = false;
            while let Some(key) = json.key().unwrap() {
                any = true;
                out.push('\n');
                out.push_str(&pad);
                push_string(out, &key.name);
                out.push_str(": ");
                block(out, json, indent + 2);
            }
            out.push_str(if any { "" } else { "{}" });
        }
        Kind::Array => {
            json.array().unwrap();
            let mut any = false;
            while json.element().unwrap() {
                any = true;
                out.push('\n');
                out.push_str(&pad);
                out.push_str("- ");
                block(out, json, indent + 2);
            }
            out.push_str(if any { "" } else { "[]" });
        }
        _ => out.push_str(json.skip().unwrap()),
    }
}

proptest! {
    #[test]
    fn never_panics(text in "[-a:?{}\\[\\],'\"|> #\n\t\\\\&*!0-9~]{0,60}") {
        if let Ok(all) = documents(&text) {
            for document in all {
                let mut json = super::super::Scanner::new(&document.json, super::super::Syntax::Json);
                prop_assert!(json.skip().is_ok() && json.end().is_ok(), "{}", document.json);
            }
        }
    }

    #[test]
    fn json_is_yaml_and_so_is_its_block_style(value in value()) {
        let read = documents(&value).unwrap();
        prop_assert_eq!(&read[0].json, &value);
        let mut yaml = String::new();
        block(&mut yaml, &mut super::super::Scanner::new(&value, super::super::Syntax::Json), 0);
        let read = documents(&yaml).unwrap_or_else(|e| panic!("{yaml}\n{e:?}"));
        prop_assert_eq!(&read[0].json, &value, "{}", yaml);
    }
}
