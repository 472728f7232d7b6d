//! Read as the crate `toml` reads it: texts by hand, and made at random.

use super::{Data, How, Table, Value, parse};
use ::toml::de::{DeTable, DeValue};
use proptest::prelude::*;

/// Both trees say the same, and where.
fn same_table(ours: &Table<'_>, theirs: &DeTable<'_>) {
    assert_eq!(ours.entries.len(), theirs.len(), "{ours:?}");
    for entry in &ours.entries {
        let (key, value) = theirs.get_key_value(&*entry.key).expect("the key");
        if ours.how == How::Inline || !matches!(value.get_ref(), DeValue::Table(_)) {
            assert_eq!(entry.key_span, key.span(), "{}", entry.key);
        }
        same(&entry.value, value.get_ref(), value.span());
    }
}

fn same(ours: &Value<'_>, theirs: &DeValue<'_>, span: std::ops::Range<usize>) {
    match (&ours.data, theirs) {
        (Data::Table(a), DeValue::Table(b)) => {
            if matches!(a.how, How::Header | How::Inline) {
                assert_eq!(ours.span.start, span.start);
            }
            return same_table(a, b);
        }
        (Data::List(a) | Data::Tables(a), DeValue::Array(b)) => {
            assert_eq!(a.len(), b.len());
            return a.iter().zip(b.iter()).for_each(|(a, b)| same(a, b.get_ref(), b.span()));
        }
        (Data::Text(a), DeValue::String(b)) => assert_eq!(a, b),
        (Data::Truth(a), DeValue::Boolean(b)) => assert_eq!(a, b),
        (Data::Integer(_), DeValue::Integer(b)) => {
            assert_eq!(ours.number(), u64::from_str_radix(b.as_str(), b.radix()).ok());
        }
        (Data::Other, DeValue::Float(_) | DeValue::Datetime(_)) => {}
        (a, b) => panic!("{a:?} and {b:?}"),
    }
    assert_eq!(ours.span, span);
}

fn others(value: &Value<'_>) -> bool {
    match &value.data {
        Data::Other => true,
        Data::List(list) | Data::Tables(list) => list.iter().any(others),
        Data::Table(table) => table.entries.iter().any(|entry| others(&entry.value)),
        _ => false,
    }
}

/// Whether both read it; panics where they differ.
fn agree(text: &str) -> bool {
    match (parse(text), DeTable::parse(text)) {
        (Ok(ours), Ok(theirs)) => {
            same_table(&ours, theirs.get_ref());
            true
        }
        (Err(wrong), Err(_)) => {
            assert!(wrong.offset <= text.len());
            false
        }
        // A float or a date that is none.
        (Ok(ours), Err(_)) if ours.entries.iter().any(|entry| others(&entry.value)) => false,
        (Ok(ours), Err(e)) => panic!("{text:?}: {e}\n{ours:?}"),
        // The crate lets lines end around the `=` of an inline table, which TOML does not.
        (Err(wrong), Ok(_)) if text[wrong.offset..].starts_with(['\n', '\r', '#']) && text.contains('{') => {
            false
        }
        // It looks at the digits of a number when that is used.
        (Err(wrong), Ok(_)) if wrong.message.starts_with("not a value") => false,
        // And lets a dotted key lead into the last table of a list of tables.
        (Err(wrong), Ok(_)) if wrong.message == "duplicate key" && text.contains("[[") => false,
        (Err(wrong), Ok(_)) => panic!("{text:?}: {wrong:?}"),
    }
}

#[test]
fn what_is_toml_is_read() {
    for text in [
        "",
        "\u{feff}a = 1",
        "# only\r\n\r\n a = 1 # x\r\n",
        "a.b.c = 1\na.b.d = 2\n[a.e]\n",
        "'' = 1\n\"\" . b = 2".trim_end_matches("\n\"\" . b = 2"),
        "\"a b\".'c' = \"\\u00e9\\U0001F600\\x41\\e\\t\\\"\\\\\"",
        "a = \"\"\"\n one\\\n   two \"\" three\"\"\"\"\"\nb = '''\r\nx''y'''''\nc = \"\"\nd = ''",
        "a = [ # x\n 1, [2, 'x'], {b = 1, c.d = [],\n e = 2,}, ]",
        "a = 0\nb = -0\nc = +12_000\nd = 0xdead_BEEF\ne = 0o17\nf = 0b1_0",
        "a = 1.5\nb = -1e3\nc = 6.26e-34\nd = inf\ne = -nan\nf = 1979-05-27\ng = 1979-05-27 07:32:00Z\nh = 07:32:00.5",
        "[a]\n[a.b]\n[c.d]\n[c]\n[[e]]\n[[e]]\nx = 1\n[e.f]\n[[e.g]]\n[ h . 'i' ]",
        "true = true\n1 = false\n-_ = 1",
    ] {
        assert!(agree(text), "{text}");
    }
}

#[test]
fn what_is_no_toml_is_refused_where_it_is_wrong() {
    for (text, offset, message) in [
        ("a = 1\na = 2", 6, "duplicate key"),
        ("[a]\n[a]", 5, "duplicate key"),
        ("a.b = 1\n[a]", 9, "duplicate key"),
        ("a = {b = 1}\na.c = 2", 12, "duplicate key"),
        ("a = []\n[[a]]", 9, "duplicate key"),
        ("[a.b.c]\n[a]\nb.c.d = 1", 14, "duplicate key"),
        ("a", 1, "`=` was expected"),
        ("a =", 3, "a value was expected"),
        ("a = b", 4, "not a value: a text stands in quotes"),
        ("a = 007", 4, "not a value: a text stands in quotes"),
        ("a = 1_", 4, "not a value: a text stands in quotes"),
        ("a = +0x1", 4, "not a value: a text stands in quotes"),
        ("a = 1 b = 2", 6, "the end of the line was expected"),
        ("a = \"x", 6, "a text without its last quote"),
        ("a = 'x\n'", 6, "a text without its last quote"),
        ("a = \"\\q\"", 5, "an escape that TOML does not know"),
        ("a = \"\\ud800\"", 5, "an escape that TOML does not know"),
        ("a = \"\\u00\"", 5, "an escape that TOML does not know"),
        ("a = \"\u{1}\"", 5, "a control character"),
        ("# \u{7f}", 2, "a control character"),
        ("a = [1 2]", 7, "`,` or `]` was expected"),
        ("a = [,]", 5, "a value was expected"),
        ("a = {b = 1", 10, "`,` or `}` was expected"),
        ("[a", 2, "`]` was expected"),
        ("[[a]", 4, "`]` was expected"),
        ("[]", 1, "a key was expected"),
        ("= 1", 0, "a key was expected"),
        ("a. = 1", 3, "a key was expected"),
        ("\"\"\"a\"\"\" = 1", 0, "a key has one line"),
        ("a = 1\rb = 2", 6, "a carriage return without a line feed"),
    ] {
        assert!(!agree(text));
        let wrong = parse(text).unwrap_err();
        assert_eq!((wrong.offset, wrong.message), (offset, message), "{text:?}");
    }
}

/// What nobody means well ends soon, and takes no more of the stack than there is.
#[test]
fn depth_and_numbers_have_limits() {
    for text in [
        "[".repeat(100_000),
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}", "{a=".repeat(100_000)),
        format!("{}a = 1", "a.".repeat(100_000)),
        format!("[{}a]", "a.".repeat(100_000)),
        (0..10_000).map(|i| format!("k{i} = 1\n")).collect(),
        (0..10_000).map(|i| format!("[k{i}]\n")).collect(),
    ] {
        assert!(parse(&text).is_err());
    }
    let many: String = (0..100_000).map(|i| format!("[[package]]\nname = \"p{i}\"\n")).collect();
    assert_eq!(parse(&many).unwrap().get("package").unwrap().list().unwrap().len(), 100_000);
}

/// A document that is nearly right.
fn documents() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["a", "b", "c", "\"a\"", "'b'", "1", "\"\\u0061\""]);
    let key = prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("."));
    let scalar = prop::sample::select(vec![
        "1",
        "0",
        "-3",
        "0x1F",
        "1_0",
        "1__0",
        "01",
        "1.5",
        "1e5",
        "1.e5",
        ".5",
        "1.",
        "true",
        "truth",
        "inf",
        "1979-05-27",
        "1979-05-27 07:32:00",
        "07:32:00",
        "\"x\"",
        "\"\\n\\e\\x41\"",
        "\"\\z\"",
        "'x\\'",
        "\"\"\"a\n\"b\"\"\"",
        "'''\nc''d'''",
        "\"\"\"\\  \n  e\"\"\"",
        "\"é\"",
        "\"",
        "x",
        "",
    ]);
    let key2 = key.clone();
    let value = scalar.prop_map(String::from).prop_recursive(3, 12, 3, move |inner| {
        let pair = (key2.clone(), inner.clone()).prop_map(|(key, value)| format!("{key} = {value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..3).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec(pair, 0..3).prop_map(|items| format!("{{{}}}", items.join(",\n"))),
        ]
    });
    let line = prop_oneof![
        5 => (key.clone(), value).prop_map(|(key, value)| format!("{key} = {value}")),
        2 => key.clone().prop_map(|key| format!("[{key}]")),
        1 => key.prop_map(|key| format!("[[{key}]]")),
        1 => Just(" # comment\t\r".to_string()),
    ];
    let lines = prop::collection::vec(line, 0..6).prop_map(|lines| lines.join("\n"));
    // One character is another, at times.
    let slip =
        prop::option::weighted(0.3, (any::<prop::sample::Index>(), "[ \\[\\]{}=.,\"'\\\\\n\r#a1_\u{1}]"));
    (lines, slip).prop_map(|(text, slip)| {
        let mut chars: Vec<char> = text.chars().collect();
        if let Some((at, with)) = slip.filter(|_| !chars.is_empty()) {
            let at = at.index(chars.len());
            chars.splice(at..=at, with.chars());
        }
        chars.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8 * ProptestConfig::default().cases, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn texts_at_random_are_read_as_by_the_crate_toml(text in documents()) {
        agree(&text);
    }
}
