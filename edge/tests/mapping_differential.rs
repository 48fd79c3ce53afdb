//! The template examples in a second implementation: Apache Velocity 1.7.
//!
//! Shape: `mapping/Oracle.java` is compiled and fed every example. It has no JSONPath beyond
//! members and positions, so `json_path.case` is left out. Where the gateway is recorded or
//! documented to differ, the example says so on its `~` line and must differ. Units: bytes. Errors:
//! all examples that differ. Without Java or Velocity (the packages `default-jdk-headless` and
//! `velocity`, or `VELOCITY_CLASSPATH`) the test says so and passes.

#[path = "common/templates.rs"]
mod templates;

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};
use templates::Example;

/// Where Debian puts Velocity and what it needs.
const JARS: &[&str] = &[
    "/usr/share/java/velocity.jar",
    "/usr/share/java/commons-collections3.jar",
    "/usr/share/java/commons-lang.jar",
];

struct Oracle {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    _classes: tempfile::TempDir,
}

impl Oracle {
    /// Starts it, or says what is missing.
    fn start() -> Result<Oracle, String> {
        let jars = match std::env::var("VELOCITY_CLASSPATH") {
            Ok(given) => given,
            Err(_) => {
                let missing = JARS.iter().find(|jar| !Path::new(jar).exists());
                if let Some(missing) = missing {
                    return Err(format!(
                        "{missing} is not there: install the package velocity"
                    ));
                }
                JARS.join(":")
            }
        };
        let classes = tempfile::tempdir().map_err(|error| error.to_string())?;
        let source: PathBuf =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mapping/Oracle.java");
        let compiled = Command::new("javac")
            .args(["-nowarn", "-cp", &jars, "-d"])
            .arg(classes.path())
            .arg(source)
            .stderr(Stdio::piped())
            .output()
            .map_err(|error| format!("javac does not run: {error}"))?;
        assert!(
            compiled.status.success(),
            "Oracle.java: {}",
            String::from_utf8_lossy(&compiled.stderr)
        );
        let mut process = Command::new("java")
            .arg("-cp")
            .arg(format!("{jars}:{}", classes.path().display()))
            .arg("Oracle")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("java does not run: {error}"))?;
        let questions = process.stdin.take().expect("piped");
        let answers = BufReader::new(process.stdout.take().expect("piped"));
        Ok(Oracle {
            process,
            questions,
            answers,
            _classes: classes,
        })
    }

    /// What Velocity prints, or its error.
    fn ask(&mut self, template: &str, body: &str) -> Result<String, String> {
        let sizes = format!("{} {}\n", template.len(), body.len());
        for part in [&sizes, template, body] {
            self.questions.write_all(part.as_bytes()).expect("it reads");
        }
        self.questions.flush().expect("it reads");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it answers");
        let (word, bytes) = line.trim().split_once(' ').expect("a word and a size");
        let mut text = vec![0; bytes.parse().expect("a size")];
        self.answers.read_exact(&mut text).expect("it answers");
        let text = String::from_utf8(text).expect("text");
        if word == "ok" { Ok(text) } else { Err(text) }
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

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
