//! What: budgets by example, the file of budgets beside the nouns, and each noun once.
//! Shape: rows of a budget, a count and the verdict.
//! Units: instructions, percent.
//! Errors: none.
//! Source: docs/performance.md, "Nouns".

#[path = "../benches/instructions/budget.rs"]
mod budget;
#[path = "../benches/nouns/mod.rs"]
mod nouns;

use std::collections::BTreeMap;

use budget::{Judgement, judge, parse, write};

const FILE: &str = include_str!("../budgets.toml");

fn counts(rows: &[(&str, u64)]) -> BTreeMap<String, u64> {
    let row = |(noun, count): &(&str, u64)| ((*noun).to_owned(), *count);
    rows.iter().map(row).collect()
}

#[test]
fn counts_are_judged_by_their_tolerance() {
    // budget, percent, count, judgement
    let rows = [
        (100, 5, 100, Judgement::Within),
        (100, 5, 105, Judgement::Within),
        (100, 5, 106, Judgement::Above),
        (100, 5, 95, Judgement::Within),
        (100, 5, 94, Judgement::Below),
        (100, 0, 101, Judgement::Above),
        (33, 3, 33, Judgement::Within),
        (33, 3, 34, Judgement::Above), // 3 % of 33 is less than one
    ];
    for (instructions, percent, count, expected) in rows {
        let text = format!("[a]\ninstructions = {instructions}\ntolerance_percent = {percent}\n");
        let verdicts = judge(&parse(&text).expect("budgets"), &counts(&[("a", count)]));
        let judged: Vec<Judgement> = verdicts.iter().map(|verdict| verdict.judgement).collect();
        assert_eq!(
            judged,
            [expected],
            "{count} of {instructions} + {percent} %"
        );
    }
}

#[test]
fn a_noun_without_its_other_half_fails() {
    let budgets = parse("[gone]\ninstructions = 1\ntolerance_percent = 1\n").expect("budgets");
    let verdicts = judge(&budgets, &counts(&[("new", 7)]));
    let judged: Vec<(&str, Judgement)> = verdicts
        .iter()
        .map(|verdict| (verdict.noun.as_str(), verdict.judgement))
        .collect();
    let expected = [
        ("gone", Judgement::NotCounted),
        ("new", Judgement::NoBudget),
    ];
    assert_eq!(judged, expected);
    assert!(verdicts.iter().all(|verdict| !verdict.passes()));
}

#[test]
fn a_violation_names_noun_was_and_is() {
    let budgets = parse("[slow]\ninstructions = 200\ntolerance_percent = 5\n").expect("budgets");
    let verdicts = judge(&budgets, &counts(&[("slow", 250)]));
    let said = verdicts.iter().map(ToString::to_string).collect::<String>();
    for word in ["FAILED", "slow", "was    200", "is    250", "+25.0 %"] {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
}

#[test]
fn what_is_no_budget_is_refused() {
    for text in [
        "[a]\ninstructions = 1\n",
        "[a]\ninstructions = -1\ntolerance_percent = 1\n",
        "[a]\ninstructions = 1\ntolerance_percent = 1\nnanoseconds = 1\n",
        "a = 1\n",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[test]
fn the_file_is_what_would_be_written() {
    let budgets = parse(FILE).expect("budgets");
    let counts = budgets.iter();
    let counts = counts.map(|(noun, budget)| (noun.clone(), budget.instructions));
    assert_eq!(write(&budgets, &counts.collect()), FILE);
}

#[test]
fn every_noun_has_a_budget_and_works() {
    let budgets = parse(FILE).expect("budgets");
    let mut named: Vec<&str> = nouns::NOUNS.iter().map(|noun| noun.name).collect();
    named.sort_unstable();
    assert_eq!(budgets.keys().collect::<Vec<_>>(), named);
    for noun in nouns::NOUNS {
        let mut operation = (noun.make)();
        (0..100).for_each(|_| operation());
    }
}

#[test]
fn every_whole_request_works_and_has_no_budget() {
    let budgets = parse(FILE).expect("budgets");
    for request in nouns::REQUESTS {
        assert!(!budgets.contains_key(request.name), "{}", request.name);
        let mut operation = (request.make)(); // an answer that is not 200 panics
        (0..100).for_each(|_| operation());
    }
}
