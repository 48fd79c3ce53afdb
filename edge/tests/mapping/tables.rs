//! Every template example of `tests/mapping`.
//!
//! Shape: one table over all files. Units: bytes. Errors: all examples that differ are printed.
//! Source: the worked examples of the mapping template reference; where it is silent, Velocity
//! 1.7, see `mapping/differential.rs`.

use crate::templates::{self, Example};
use tidegate_edge::mapping::Output;

fn fault(example: &Example, output: &mut Output) -> Option<String> {
    let (found, overrides) = templates::run(&example.template, &example.body, output);
    let is_right = match (&found, &example.output, &example.error) {
        (Ok(found), Some(expected), None) => found == expected && overrides == example.overrides,
        (Err(found), None, Some(expected)) => {
            let (mark, rest) = found.split_once(' ').unwrap_or((found, ""));
            let (expected_mark, words) = expected.split_once(' ').unwrap_or((expected, ""));
            let (place, words) = match mark {
                "!!" => words.split_once(' ').unwrap_or((words, "")),
                _ => ("", words),
            };
            mark == expected_mark && rest.starts_with(place) && rest.contains(words)
        }
        _ => false,
    };
    let expected = example.output.as_ref().or(example.error.as_ref());
    (!is_right).then(|| {
        format!(
            "{}\n  template {:?}\n  expected {expected:?} {:?}\n  found    {found:?} {overrides:?}",
            example.name, example.template, example.overrides
        )
    })
}

#[test]
fn examples_render_as_written() {
    let examples = templates::load();
    let mut output = Output::new();
    let faults: Vec<String> = examples
        .iter()
        .filter_map(|example| fault(example, &mut output))
        .collect();
    assert!(
        faults.is_empty(),
        "{} of {} differ:\n{}",
        faults.len(),
        examples.len(),
        faults.join("\n")
    );
}

#[test]
fn there_are_enough_examples_and_their_names_differ() {
    let examples = templates::load();
    assert!(examples.len() >= 300, "{}", examples.len());
    let mut names: Vec<&str> = examples.iter().map(|example| &*example.name).collect();
    names.sort_unstable();
    let repeated = names.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(repeated, None);
    for example in &examples {
        let is_whole = example.output.is_some() != example.error.is_some();
        assert!(is_whole, "{}: an output or an error", example.name);
    }
}

#[test]
fn a_wrong_example_is_found() {
    let mut wrong = Example {
        template: "a$input.params('id')".to_owned(),
        output: Some("a43".to_owned()),
        ..Example::default()
    };
    assert!(fault(&wrong, &mut Output::new()).is_some());
    wrong.output = Some("a42".to_owned());
    assert_eq!(fault(&wrong, &mut Output::new()), None);
    wrong.overrides.push("response.status=400".to_owned());
    assert!(fault(&wrong, &mut Output::new()).is_some());
}
