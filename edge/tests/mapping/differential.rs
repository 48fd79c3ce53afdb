//! The template examples in a second implementation: Apache Velocity 1.7.
//!
//! Shape: `mapping/Oracle.java` is compiled and fed every example. It has no JSONPath beyond
//! members and positions, so `json_path.case` is left out. Where the gateway is recorded or
//! documented to differ, the example says so on its `~` line and must differ. Units: bytes. Errors:
//! all examples that differ. Without Java or Velocity (the packages `default-jdk-headless` and
//! `velocity`, or `VELOCITY_CLASSPATH`) the test says so and passes.

use crate::{
    oracle::Oracle,
    templates::{self, Example},
};

fn difference(oracle: &mut Oracle, example: &Example) -> Option<String> {
    let found = oracle.ask(&example.template, &example.body);
    let is_same = match (&found, &example.output) {
        (Ok(found), Some(expected)) => found == expected,
        (Err(_), None) => true,
        _ => false,
    };
    match (&example.differs, is_same) {
        (None, true) | (Some(_), false) => None,
        (Some(reason), true) => Some(format!("{}: does not differ: {reason}", example.name)),
        (None, false) => Some(format!(
            "{}\n  template {:?}\n  expected {:?}\n  Velocity {found:?}",
            example.name, example.template, example.output
        )),
    }
}

#[test]
fn velocity_says_the_same() {
    let mut oracle = match Oracle::start() {
        Ok(oracle) => oracle,
        Err(missing) => {
            println!("SKIPPED: {missing}");
            return;
        }
    };
    let examples = templates::load();
    let asked = examples
        .iter()
        .filter(|example| !example.name.starts_with("json_path:"));
    let mut count = 0;
    let mut faults = Vec::new();
    for example in asked {
        count += 1;
        faults.extend(difference(&mut oracle, example));
    }
    println!("{count} examples");
    assert!(count >= 300);
    assert!(
        faults.is_empty(),
        "{} differ:\n{}",
        faults.len(),
        faults.join("\n")
    );

    let wrong = Example {
        template: "#set($x=7/2)$x".to_owned(),
        output: Some("3.5".to_owned()),
        ..Example::default()
    };
    assert!(
        difference(&mut oracle, &wrong).is_some(),
        "a difference is seen"
    );
}
