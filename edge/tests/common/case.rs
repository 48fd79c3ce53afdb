//! Wire examples as files: bytes in, and what must come of them.
//!
//! Shape: `# comment` lines, then sections that start with `== NAME arguments`. A section's text
//! holds bytes: line ends of the file do not count, `\r \n \t \\ \xNN` do, and `\*300{text}` is
//! `text` 300 times. Units: bytes. Ranges: printable ASCII between escapes. Errors: a malformed
//! file panics with its name. Source: own.
//!
//! Sections known so far:
//!   `in`                  what the peer sends
//!   `to head upgrade`     (responses) what had been asked: HEAD, an upgrade
//!   `limits NAME=NUMBER`  limits that differ from their defaults
//!   `status 400 close`    the answer's status, and that the connection closes after it
//!   `wait`                nothing is answered yet
//!   `head`                facts of an accepted head, one `key value` a line; others are free
//!   `body`                the decoded body of an accepted message
//!   `rest`                what follows it on the connection
//!   `origin`, `out`       bytes at the origin and back at the client, for a whole gateway

#![allow(dead_code, unreachable_pub)]

use std::{fs, path::Path};

/// One example.
#[derive(Debug)]
pub struct Case {
    pub name: String,
    sections: Vec<Section>,
}

#[derive(Debug)]
struct Section {
    name: String,
    arguments: Vec<String>,
    text: String,
}

/// All `*.case` files below `folder`, a path in `edge/tests`, by name.
pub fn load(folder: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let mut cases: Vec<Case> = fs::read_dir(&folder)
        .expect("a folder of cases")
        .map(|entry| entry.expect("directory entry").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "case"))
        .map(|path| {
            let name = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            parse(name, &fs::read_to_string(&path).expect("a text file"))
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

/// Reads the text of one case file.
pub fn parse(name: String, text: &str) -> Case {
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("== ") {
            let mut words = title.split_whitespace().map(str::to_owned);
            let title = words
                .next()
                .unwrap_or_else(|| panic!("{name}: a section without name"));
            sections.push(Section {
                name: title,
                arguments: words.collect(),
                text: String::new(),
            });
        } else if let Some(section) = sections.last_mut() {
            section.text.push_str(line);
            section.text.push('\n');
        } else {
            assert!(
                line.is_empty() || line.starts_with('#'),
                "{name}: text before a section"
            );
        }
    }
    Case { name, sections }
}

impl Case {
    fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// Whether the case has a section called `name`.
    pub fn has(&self, name: &str) -> bool {
        self.section(name).is_some()
    }

    /// What its sections are called.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().map(|section| &*section.name)
    }

    /// The words behind the title of section `name`.
    pub fn arguments(&self, name: &str) -> Vec<&str> {
        self.section(name)
            .map(|section| section.arguments.iter().map(String::as_str).collect())
            .unwrap_or_default()
    }

    /// The bytes of section `name`.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.section(name)
            .map(|section| self.unescape(&section.text))
    }

    /// The bytes that the peer sends.
    pub fn input(&self) -> Vec<u8> {
        self.bytes("in")
            .unwrap_or_else(|| panic!("{}: no `== in`", self.name))
    }

    /// The `key value` lines of section `name`.
    pub fn facts(&self, name: &str) -> Vec<(&str, &str)> {
        let text = self
            .section(name)
            .map_or("", |section| section.text.as_str());
        text.lines()
            .filter(|line| !line.is_empty())
            .map(|line| line.split_once(' ').unwrap_or((line, "")))
            .collect()
    }

    /// The status that must be answered before the connection closes.
    pub fn status(&self) -> Option<u16> {
        let arguments = self.arguments("status");
        let (status, rest) = arguments.split_first()?;
        assert_eq!(rest, ["close"], "{}: a refusal closes", self.name);
        Some(
            status
                .parse()
                .unwrap_or_else(|_| panic!("{}: status {status}", self.name)),
        )
    }

    /// The limit `name`, when the case sets it.
    pub fn limit(&self, name: &str) -> Option<u64> {
        let words = self.arguments("limits");
        let (_, number) = words
            .iter()
            .filter_map(|w| w.split_once('='))
            .find(|w| w.0 == name)?;
        Some(
            number
                .parse()
                .unwrap_or_else(|_| panic!("{}: {name}={number}", self.name)),
        )
    }

    /// The bytes that `text` stands for.
    pub fn unescape(&self, text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            rest = &rest[first.len_utf8()..];
            if first == '\n' {
                continue;
            }
            if first != '\\' {
                let mut encoded = [0; 4];
                bytes.extend_from_slice(first.encode_utf8(&mut encoded).as_bytes());
                continue;
            }
            rest = self.escape(rest, &mut bytes);
        }
        bytes
    }

    fn escape<'a>(&self, rest: &'a str, bytes: &mut Vec<u8>) -> &'a str {
        let bad = || -> ! { panic!("{}: escape \\{}", self.name, rest) };
        let (kind, rest_of_it) = rest.split_at_checked(1).unwrap_or_else(|| bad());
        match kind {
            "r" => bytes.push(b'\r'),
            "n" => bytes.push(b'\n'),
            "t" => bytes.push(b'\t'),
            "\\" => bytes.push(b'\\'),
            "x" => {
                let (digits, rest) = rest_of_it.split_at_checked(2).unwrap_or_else(|| bad());
                bytes.push(u8::from_str_radix(digits, 16).unwrap_or_else(|_| bad()));
                return rest;
            }
            "*" => {
                let (count, rest) = rest_of_it.split_once('{').unwrap_or_else(|| bad());
                let (repeated, rest) = rest.split_once('}').unwrap_or_else(|| bad());
                let count: usize = count.parse().unwrap_or_else(|_| bad());
                bytes.extend_from_slice(&self.unescape(repeated).repeat(count));
                return rest;
            }
            _ => bad(),
        }
        rest_of_it
    }
}
