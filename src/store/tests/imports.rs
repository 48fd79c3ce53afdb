//! Files of keys: all of one or nothing.

use super::*;
use crate::store::import::ImportOptions;

const HEADER: &str = "Name,key,description,Enabled,usageplanIds\n";

fn value_of(number: usize) -> String {
    format!("value-number-{number:020}")
}

#[test]
fn files_are_imported_whole_or_not_at_all() {
    let (_folder, mut store) = fresh();
    let plan = plan(&mut store, &["a:dev"], None);
    let v = value_of;
    let bom = "\u{feff}";
    // File, ids, warnings; or the lines of the refusal.
    let rows: Vec<(String, Result<(usize, usize), Vec<&str>>)> = vec![
        (
            format!("{HEADER}Client A,{},first,TRUE,{plan}\n", v(1)),
            Ok((1, 0)),
        ),
        (
            format!("{bom}KEY,nAmE\r\n{},\"B, \"\"b\"\"\"\r\n", v(2)),
            Ok((1, 0)),
        ),
        (
            format!(
                "usagePlanIDs,extra,Key,Name\n\"{plan}, other\",x,{},C",
                v(3)
            ),
            Ok((1, 1)),
        ),
        (format!("{HEADER}again,{},,FALSE,\n", v(1)), Ok((1, 0))),
        (format!("\n\n{HEADER}\n\nlate,{},,,\n", v(4)), Ok((1, 0))),
        (
            format!(
                "{HEADER}D,{},,maybe,\nE,short,,,\n,{},,,\nF,{}\nG,{},,,\nH,{},,,\n",
                v(5),
                v(6),
                v(7),
                v(8),
                v(8)
            ),
            Err(vec![
                "5 faults",
                "line 2: Enabled is \"maybe\"",
                "line 3: API Key value should be at least 30",
                "line 4: the name is empty",
                "line 5: it has 2 fields, and the header 5",
                "line 7: the same key as on line 6",
            ]),
        ),
        (
            format!("{HEADER}A,\"{},x\nB,{},,,\n", v(9), v(10)),
            Err(vec!["line 2: a quote is not closed"]),
        ),
        (String::new(), Err(vec!["line 1: the file is empty"])),
        (
            "Name,Description\n".to_owned(),
            Err(vec!["line 1: the header has no column Key"]),
        ),
        (
            "Name,Key,name\n".to_owned(),
            Err(vec!["line 1: the column Name stands there twice"]),
        ),
        (
            format!("{HEADER}\"a\nb\",{},,,\nshort,x,,,\n", v(11)),
            Err(vec!["line 4: API Key value should"]),
        ),
        (
            format!("{HEADER}{},{},,,\n", "n".repeat(1025), v(12)),
            Err(vec!["line 2: Invalid API Key name"]),
        ),
        (
            format!("{HEADER}A,{} {},,,\n", v(13), v(14)),
            Err(vec!["line 2: API Key value has characters"]),
        ),
    ];
    for (file, expected) in rows {
        let before = store.keys(&KeyFilter::default(), true).expect("a list");
        let got = store.import(file.as_bytes(), ImportOptions::default(), NOON);
        match (got, expected) {
            (Ok(got), Ok((ids, warnings))) => {
                assert_eq!(
                    (got.ids.len(), got.warnings.len()),
                    (ids, warnings),
                    "{file}: {got:?}"
                );
            }
            (Err(StoreError::Invalid(text)), Err(lines)) => {
                for line in lines {
                    assert!(text.contains(line), "{file}\n{line}\n{text}");
                }
                assert_eq!(
                    store.keys(&KeyFilter::default(), true).expect("a list"),
                    before,
                    "{file}"
                );
            }
            (got, expected) => panic!("{file}: {got:?}, not {expected:?}"),
        }
    }
    let keys = store.keys(&KeyFilter::default(), true).expect("a list");
    let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(
        names,
        ["late", "C", "B, \"b\"", "again"],
        "a value that was there has one key"
    );
    assert_eq!(
        keys[3].description.as_deref(),
        Some("first"),
        "an empty field leaves it"
    );
    assert!(!keys[3].enabled && keys[2].enabled);
    let in_plan = KeyFilter {
        plan: Some(plan.clone()),
        ..KeyFilter::default()
    };
    assert_eq!(store.keys(&in_plan, false).expect("a list").len(), 2);
    let strict = ImportOptions {
        fail_on_warnings: true,
    };
    let file = format!("{HEADER}W,{},,,nowhere\n", v(20));
    let (status, text) = said(store.import(file.as_bytes(), strict, NOON));
    assert_eq!(status, 400);
    assert!(
        text.contains("line 2: there is no usage plan nowhere"),
        "{text}"
    );
    assert_eq!(
        store
            .keys(&KeyFilter::default(), false)
            .expect("a list")
            .len(),
        4
    );
}

#[test]
fn a_hundred_thousand_keys_are_imported_and_every_bad_line_is_named() {
    use std::fmt::Write;
    const COUNT: usize = 100_000;
    let (_folder, mut store) = fresh();
    let plan = plan(&mut store, &["a:dev"], None);
    let mut file = HEADER.to_owned();
    for number in 0..COUNT {
        writeln!(
            file,
            "client {number},{},,TRUE,\"{plan}\"",
            value_of(number)
        )
        .expect("text");
    }
    let mut bad = file.clone();
    for number in (0..COUNT).step_by(100) {
        writeln!(bad, "twice,{},,,", value_of(number)).expect("text");
        writeln!(bad, "short,x,,,").expect("text");
    }
    let (_, text) = said(store.import(bad.as_bytes(), ImportOptions::default(), NOON));
    assert!(
        text.starts_with("nothing was imported, 2000 faults:"),
        "{}",
        &text[..80]
    );
    for number in (0..COUNT).step_by(100) {
        let line = COUNT + 2 + number / 50;
        let expected = format!("\n  line {line}: the same key as on line {}\n", number + 2);
        assert!(text.contains(&expected), "{expected}");
        assert!(text.contains(&format!("\n  line {}: API Key value should", line + 1)));
    }
    assert_eq!(store.directory().expect("a directory").keys_count(), 0);
    let done = store
        .import(file.as_bytes(), ImportOptions::default(), NOON)
        .expect("imported");
    assert_eq!(
        (done.ids.len(), done.updated, done.warnings.len()),
        (COUNT, 0, 0)
    );
    let directory = store.directory().expect("a directory");
    assert_eq!(directory.keys_count(), COUNT);
    let found = directory.find(value_of(77).as_bytes()).expect("found");
    assert_eq!(found.id.to_string(), done.ids[77]);
}
