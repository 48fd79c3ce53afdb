//! A second implementation of templates, to be asked: Apache Velocity 1.7.
//!
//! Shape: [`Oracle`] is a Java process that is given templates and payloads. Units: bytes. Errors:
//! without Java or Velocity there is none, and it says what is missing. Source: own.

#![allow(unreachable_pub)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// Where Debian puts Velocity and what it needs.
const JARS: &[&str] = &[
    "/usr/share/java/velocity.jar",
    "/usr/share/java/commons-collections3.jar",
    "/usr/share/java/commons-lang.jar",
];

/// The process.
pub struct Oracle {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    _classes: tempfile::TempDir,
}

impl Oracle {
    /// Starts it, or says what is missing.
    pub fn start() -> Result<Oracle, String> {
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
    pub fn ask(&mut self, template: &str, body: &str) -> Result<String, String> {
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
