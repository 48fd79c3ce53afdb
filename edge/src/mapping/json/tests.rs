//! The reader beside serde_json.
//!
//! Shape: random choices make a document, whole or damaged; both read it, and what this one read is
//! compared value by value and printed and read again. Then rows where the two differ. Units:
//! bytes. Errors: a document that is read in two ways. Source: RFC 8259.

use super::{
    skim::{PARTS_MAX, SCANNED_MAX},
    *,
};
use crate::mapping::{OUTPUT_BYTES_MAX, print::Printer, value::Text};
use proptest::prelude::*;
use serde_json::Value as Other;

/// Decisions, one byte each; when they are used up, all are 0.
struct Choices<'c> {
    rest: &'c [u8],
}

impl Choices<'_> {
    fn next(&mut self) -> usize {
        let (first, rest) = self.rest.split_first().unwrap_or((&0, &[]));
        self.rest = rest;
        usize::from(*first)
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.next() % all.len()]
    }
}

const SPACES: &[&str] = &["", "", "", " ", "\n    ", "\t\r\n ", "               "];
const NAMES: &[&str] = &[
    "a",
    "b",
    "id",
    "é",
    "",
    "\\u0061",
    "name",
    "a name of more than eight bytes",
    "\\n",
    "emaN",
];
const PIECES: &[&str] = &[
    "a",
    "text",
    "é",
    "😀",
    "'",
    "/",
    "{",
    "]",
    ",",
    ":",
    "\u{7f}",
    "sixteen of them!",
    "a run of plain text that is longer than two words of eight bytes",
    "\\n",
    "\\\"",
    "\\\\",
    "\\/",
    "\\b\\f\\r\\t",
    "\\u0041",
    "\\u00e9",
    "\\uD83D\\uDE00",
    "\\u0000",
];
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "7",
    "42",
    "1000000",
    "9007199254740993",
    "-9223372036854775808",
    "9223372036854775807",
    "9223372036854775808",
    "123456789012345678901234567890",
    "1.5",
    "-0.25",
    "19.95",
    "0.1",
    "1e3",
    "2.5E-7",
    "1E+10",
    "123456789.123456789",
    "0.001",
    "0.12345678901234567890123",
];
const DAMAGE: &[char] = &[
    '"', '\\', '{', '}', '[', ']', ',', ':', '-', '.', 'e', '0', 't', 'u', ' ', '\n', '\u{1}', 'é',
];

fn write(out: &mut String, choices: &mut Choices<'_>, depth: usize) {
    let kinds = if depth < 6 { 9 } else { 5 };
    match choices.next() % kinds {
        0 => out.push_str(choices.of(&["null", "true", "false"])),
        1 | 2 => out.push_str(choices.of(NUMBERS)),
        3 | 4 => string(out, choices, PIECES),
        5 | 6 => write_each(out, choices, ['[', ']'], |out, choices, _| {
            write(out, choices, depth + 1);
        }),
        _ => write_each(out, choices, ['{', '}'], |out, choices, count| {
            if count > 10 {
                // Enough names that few repeat, in objects of more members than are scanned.
                out.push_str(&format!("\"key {}\"", choices.next()));
            } else {
                string(out, choices, NAMES);
            }
            out.push_str(choices.of(SPACES));
            out.push(':');
            out.push_str(choices.of(SPACES));
            write(out, choices, depth + 1);
        }),
    }
}

fn write_each(
    out: &mut String,
    choices: &mut Choices<'_>,
    marks: [char; 2],
    mut each: impl FnMut(&mut String, &mut Choices<'_>, usize),
) {
    let count = choices.of(&[0, 1, 2, 3, 4, 7, SCANNED_MAX, SCANNED_MAX + 16]);
    out.push(marks[0]);
    out.push_str(choices.of(SPACES));
    for at in 0..count {
        if at > 0 {
            out.push(',');
            out.push_str(choices.of(SPACES));
        }
        each(out, choices, count);
        out.push_str(choices.of(SPACES));
    }
    out.push(marks[1]);
}

fn string(out: &mut String, choices: &mut Choices<'_>, pieces: &[&str]) {
    out.push('"');
    for _ in 0..choices.of(&[1, 1, 1, 0, 2, 3]) {
        out.push_str(choices.of(pieces));
    }
    out.push('"');
}

/// Now and then cuts, removes, adds or replaces something.
fn damage(text: &str, choices: &mut Choices<'_>) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let place = choices.next() << 8 | choices.next();
    let at = place % characters.len();
    match choices.next() % 8 {
        0 => characters.truncate(at),
        1 => drop(characters.remove(at)),
        2 => characters.insert(at, choices.of(DAMAGE)),
        3 => characters[at] = choices.of(DAMAGE),
        _ => {}
    }
    characters.into_iter().collect()
}

/// What the reader makes of a text, printed as JSON.
fn read(heap: &mut Heap, text: &str) -> Option<(Value, String)> {
    let value = parse(heap, text, Pool::Plain, 0).expect("fits")?;
    let copied = print(heap, text, value);
    // Once something has changed, nothing is printed as it stands in its document.
    let other = parse(heap, "[1]", Pool::Program, 0).expect("fits");
    if let Some(Value::List(id)) = other {
        heap.push(id, Value::Null).expect("fits");
    }
    assert_eq!(heap.written(value), None);
    assert_eq!(copied, print(heap, text, value), "{text}");
    Some((value, copied))
}

fn print(heap: &Heap, text: &str, value: Value) -> String {
    let printer = Printer {
        program: "[1]",
        body: text,
        heap,
        bytes_max: OUTPUT_BYTES_MAX,
    };
    let mut printed = String::new();
    printer.json(&mut printed, value, 0).expect("fits");
    printed
}

fn is_same(heap: &Heap, text: &str, value: Value, other: &Other) -> bool {
    let said = |text_of: Text| match text_of.pool {
        Pool::Heap => text_of.of(&heap.text),
        _ => text_of.of(text),
    };
    // The other one is no more exact than this.
    let is_near = |a: f64, b: Option<f64>| b.is_some_and(|b| (a - b).abs() <= a.abs() * 1e-14);
    match (value, other) {
        (Value::Null, Other::Null) => true,
        (Value::Bool(value), Other::Bool(other)) => value == *other,
        (Value::Text(value), Other::String(other)) => said(value) == other,
        (Value::Int(value), Other::Number(other)) => {
            other.as_i64() == Some(value) || value == 0 && other.as_f64() == Some(-0.0)
        }
        (Value::Double(value), Other::Number(other)) => is_near(value, other.as_f64()),
        (Value::Number(value), Other::Number(other)) => {
            let value = said(value);
            value.len() > 18 && is_near(value.parse().expect("a number"), other.as_f64())
        }
        (Value::List(id), Other::Array(others)) => {
            let items = heap.items(id);
            items.len() == others.len()
                && (items.iter().zip(others)).all(|(item, other)| is_same(heap, text, *item, other))
        }
        (Value::Map(id), Other::Object(others)) => {
            let members = heap.members(id);
            members.len() == others.len()
                && (members.iter().zip(others)).all(|([key, value], (name, other))| {
                    matches!(key, Value::Text(key) if said(*key) == name)
                        && is_same(heap, text, *value, other)
                })
        }
        _ => false,
    }
}

/// What stands in parts against the values that were made of the same text in another heap.
fn are_alike(text: &str, (made, value): (&Heap, Value), (seen, at): (&mut Heap, u32)) {
    let source = Source::body(text);
    let found = super::value(seen, source, at).expect("fits");
    let printable = printable(seen, source, found).expect("fits");
    assert_eq!(
        print(made, text, value),
        print(seen, text, printable),
        "{text}"
    );
    match value {
        Value::List(id) => {
            let items = made.items(id).to_vec();
            if part_at(&seen.parts, at).kind == Kind::List {
                assert_eq!(count_of(&seen.parts, at, usize::MAX), items.len(), "{text}");
                let behind = i64::try_from(items.len()).expect("few");
                assert_eq!(item_at(&seen.parts, at, behind), None, "{text}");
            }
            for (position, item) in (0_i64..).zip(items) {
                if let Some(part) = item_at(&seen.parts, at, position) {
                    are_alike(text, (made, item), (seen, part));
                }
            }
        }
        Value::Map(id) if part_at(&seen.parts, at).is_plain_map() => {
            let members = made.members(id).to_vec();
            assert_eq!(
                count_of(&seen.parts, at, usize::MAX),
                members.len(),
                "{text}"
            );
            let bytes = text.as_bytes();
            assert_eq!(member_at(&seen.parts, at, bytes, b"no such name").0, None);
            for [name, value] in members {
                let Value::Text(name) = name else {
                    panic!("a name")
                };
                let (part, _) = member_at(&seen.parts, at, bytes, name.bytes_of(text));
                are_alike(text, (made, value), (seen, part.expect("a member")));
            }
        }
        _ => {}
    }
    // What has been made is what was seen, and stays so.
    let all = super::made(seen, source, found).expect("fits");
    assert_eq!(print(made, text, value), print(seen, text, all), "{text}");
    assert_eq!(super::made(seen, source, found), Ok(all));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn documents_are_read_as_another_reads_them(
        choices in prop::collection::vec(any::<u8>(), 1..400),
        before in "[\\[\\]{}\":,a1 ]{0,20}",
    ) {
        let mut choices = Choices { rest: &choices };
        let mut text = choices.of(SPACES).to_owned();
        write(&mut text, &mut choices, 0);
        text.push_str(choices.of(SPACES));
        let text = damage(&text, &mut choices);
        let mut heap = Heap::default();
        // What another text has left must not matter.
        let _ = parse(&mut heap, &before, Pool::Plain, 0);
        heap.reset();
        match (read(&mut heap, &text), serde_json::from_str::<Other>(&text)) {
            (Some((value, printed)), Ok(other)) => {
                prop_assert!(is_same(&heap, &text, value, &other), "{text}\n{printed}");
                let mut seen = Heap::default();
                let root = skim(&mut seen, &text).expect("fits").expect("JSON");
                are_alike(&text, (&heap, value), (&mut seen, root));
                heap.reset();
                let value = parse(&mut heap, &printed, Pool::Plain, 0).expect("fits");
                let value = value.expect("its own text is read again");
                prop_assert!(is_same(&heap, &printed, value, &other), "{text}\n{printed}");
            }
            (None, Err(_)) => {}
            // Halves of pairs and numbers past all doubles are read as Java reads them.
            (Some(_), Err(error)) => {
                let why = error.to_string();
                let is_known = ["surrogate", "hex escape", "out of range"];
                prop_assert!(is_known.iter().any(|known| why.contains(known)), "{text}\n{why}");
            }
            (None, Ok(_)) => prop_assert!(false, "not read: {text}"),
        }
    }
}

#[test]
fn where_others_differ_it_reads_as_java_does() {
    let nested = |depth: usize| Some(format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
    let rows: &[(&str, Option<&str>)] = &[
        (r#""\ud83d""#, Some(r#""?""#)),
        (r#""\ud83dx""#, Some(r#""?x""#)),
        (r#""\ud83d\n""#, Some(r#""?\n""#)),
        (r#""\ud83d\u0041""#, Some(r#""?A""#)),
        (r#""\ud83d\ud83d\ude00""#, Some("\"?😀\"")),
        (r#""\ude00""#, Some(r#""?""#)),
        (r#""\ud83d\u00g1""#, None),
        (r#""\u+041""#, None),
        (r#""\u004""#, None),
        ("-0", Some("0")),
        ("1e400", Some("Infinity")),
        ("100000000000000000000", Some("100000000000000000000")),
        ("1.00", Some("1.0")),
        ("1.000000000000000000", Some("1.000000000000000000")),
        (r#"{"a":1,"b":2,"a":3}"#, Some(r#"{"a":3,"b":2}"#)),
        (
            r#"{"a":1,"\u0061":[],"":0,"":""}"#,
            Some(r#"{"a":[],"":""}"#),
        ),
        ("", None),
        (" ", None),
        ("1 2", None),
        ("[1,]", None),
        ("{\"a\":1,}", None),
        ("\u{feff}1", None),
    ];
    let mut heap = Heap::default();
    for (text, expected) in rows {
        let printed = read(&mut heap, text).map(|(_, printed)| printed);
        assert_eq!(printed.as_deref(), *expected, "{text}");
    }
    assert_eq!(
        read(&mut heap, &nested(128).expect("text")).map(|(_, text)| text),
        nested(128)
    );
    assert!(read(&mut heap, &nested(129).expect("text")).is_none());
}

/// An object of so many members.
fn keys(count: usize) -> String {
    let members: Vec<String> = (0..count).map(|at| format!("\"key {at}\":{at}")).collect();
    format!("{{{}}}", members.join(","))
}

#[test]
fn what_is_written_as_it_prints_is_copied() {
    let rows = [
        (
            r#"{"a":[1,-2,"x",true,null,1.5,0.001,10.0],"b":{},"c":[]}"#,
            true,
        ),
        ("[9223372036854775808]", true),
        (r#"{"a": 1}"#, false),
        ("[1 ]", false),
        ("[-0]", false),
        ("[1.50]", false),
        ("[1e1]", false),
        ("[10000000.5]", false),
        (r#"["\u0041"]"#, false),
        (r#"{"a":1,"a":2}"#, false),
        (r#"{"":1,"":2}"#, false),
        (&keys(60), true),
        (&keys(61).replace("60", "7"), false),
    ];
    let mut heap = Heap::default();
    for (text, expected) in rows {
        heap.reset();
        let value = parse(&mut heap, text, Pool::Plain, 0)
            .expect("fits")
            .expect("JSON");
        let written = heap.written(value).map(|written| written.of(text));
        assert_eq!(written, expected.then_some(text), "{text}");
        // Around it are blanks, and it is as deep as may be.
        heap.reset();
        let around = format!(" [ {text} ]");
        let value = parse(&mut heap, &around, Pool::Plain, 0)
            .expect("fits")
            .expect("JSON");
        assert_eq!(heap.written(value), None, "{around}");
        let Value::List(id) = value else {
            panic!("a list")
        };
        let inner = heap.items(id).first().and_then(|item| heap.written(*item));
        assert_eq!(
            inner.map(|inner| inner.of(&around)),
            written.and(Some(text)),
            "{around}"
        );
    }
}

#[test]
fn many_repeated_names_keep_the_first_place_and_the_last_value() {
    let mut text = String::from("{");
    for (at, name) in (0..90).map(|at| (at, at * 7 % 30)) {
        let comma = if at > 0 { "," } else { "" };
        text.push_str(&format!("{comma}\"{name}\":{at}"));
    }
    text.push('}');
    let mut heap = Heap::default();
    let (_, printed) = read(&mut heap, &text).expect("JSON");
    let expected: Vec<String> = (0..30)
        .map(|at| format!("\"{}\":{}", at * 7 % 30, at + 60))
        .collect();
    assert_eq!(printed, format!("{{{}}}", expected.join(",")));
}

#[test]
fn more_values_than_fit_are_refused_before_they_are_kept() {
    let text = format!("[{}", "1,".repeat(PARTS_MAX + 1));
    let mut heap = Heap::default();
    assert_eq!(
        parse(&mut heap, &text, Pool::Plain, 0),
        Err(Fault::Memory.into())
    );
}
