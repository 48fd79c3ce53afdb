//! A configuration, kept whole.
//!
//! What it is: what the command line said and every file that was read, as one JSON document; its
//! name is made from exactly that. Shape: [`Kept`]. Certificates and keys are not in it: they are
//! read where they stand, so that no key lies in a second place. Units: wall milliseconds. Ranges:
//! files of text. Errors: why a document is none of ours, or not as it was written. Source: FIPS
//! 180-4 for the name.

use std::{collections::BTreeMap, os::unix::ffi::OsStrExt, path::PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use crate::{
    files::{Contents, Files},
    process::Sources,
};

/// A configuration with all its files.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::process) struct Kept {
    format: u32,
    name: String,
    kept_at_ms: u64,
    sources: Sources,
    files: BTreeMap<PathBuf, String>,
}

/// The one that is written.
const FORMAT: u32 = 1;
/// Digits of a name; enough to tell the few configurations of a host apart.
const NAME_DIGITS: usize = 16;

impl Kept {
    /// Keeps what `sources` named and was read as `contents`; `None` when a file or a path is no
    /// text.
    pub(in crate::process) fn new(
        sources: &Sources,
        contents: &Contents,
        now_ms: u64,
    ) -> Option<Kept> {
        let text = |(path, bytes): (&PathBuf, &Vec<u8>)| {
            path.to_str()?;
            let text = String::from_utf8(bytes.clone()).ok()?;
            Some((path.clone(), text))
        };
        serde_json::to_value(sources).ok()?;
        Some(Kept {
            format: FORMAT,
            name: name(sources, contents),
            kept_at_ms: now_ms,
            sources: sources.clone(),
            files: contents.iter().map(text).collect::<Option<_>>()?,
        })
    }

    /// What it is called; equal for equal configurations alone.
    pub(in crate::process) fn name(&self) -> &str {
        &self.name
    }

    /// What the command line said.
    pub(in crate::process) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Its files.
    pub(in crate::process) fn files(&self) -> Files {
        Files::kept(self.contents())
    }

    /// As a document.
    pub(super) fn print(&self) -> Vec<u8> {
        // Paths that are no text are all that JSON refuses, and there are none.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The other way.
    ///
    /// # Errors
    /// Why it cannot be taken for what was written.
    pub(super) fn parse(bytes: &[u8]) -> Result<Kept, String> {
        let kept: Kept = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if kept.format != FORMAT {
            return Err(format!("format {} is not known here", kept.format));
        }
        if kept.name != name(&kept.sources, &kept.contents()) {
            return Err("it is not what was written".to_owned());
        }
        Ok(kept)
    }

    fn contents(&self) -> Contents {
        let files = self.files.iter();
        files
            .map(|(path, text)| (path.clone(), text.clone().into_bytes()))
            .collect()
    }
}

/// The name of a configuration: a hash of all that it is compiled from.
pub(in crate::process) fn name(sources: &Sources, contents: &Contents) -> String {
    let mut hash = Context::new(&SHA256);
    let mut part = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_be_bytes()); // parts cannot run into each other
        hash.update(bytes);
    };
    part(&serde_json::to_vec(sources).unwrap_or_default());
    for (path, bytes) in contents {
        part(path.as_os_str().as_bytes());
        part(bytes);
    }
    let digest = hash.finish();
    let digits = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    digits.take(NAME_DIGITS / 2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(rows: &[(&str, &str)]) -> Contents {
        rows.iter()
            .map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn a_name_is_of_everything() {
        let of = |config: &str, rows: &[(&str, &str)]| {
            let sources = Sources {
                config: Some(config.into()),
                ..Sources::default()
            };
            name(&sources, &contents(rows))
        };
        let names = [
            of("c", &[]),
            of("d", &[]),
            of("c", &[("a", "")]),
            of("c", &[("a", "x")]),
            of("c", &[("ax", "")]),
            of("c", &[("a", "x"), ("b", "")]),
            of("c", &[("a", ""), ("b", "x")]),
        ];
        for (index, one) in names.iter().enumerate() {
            assert_eq!(one.len(), NAME_DIGITS);
            assert!(!names[..index].contains(one), "{index}: {one} twice");
        }
        assert_eq!(of("c", &[("a", "x")]), names[3], "and of nothing else");
    }

    #[test]
    fn it_reads_back_as_it_was_or_not_at_all() {
        let sources = Sources {
            config: Some("/etc/t.toml".into()),
            apis: vec!["a.yaml".into()],
            listen: Some(([127, 0, 0, 1], 80).into()),
            stage: Some("dev".to_owned()),
        };
        let files = contents(&[("/etc/t.toml", "[server]\n"), ("a.yaml", "é: \"\u{1}\"\n")]);
        let kept = Kept::new(&sources, &files, 5).expect("text");
        let printed = kept.print();
        let back = Kept::parse(&printed).expect("whole");
        assert_eq!(back, kept);
        assert_eq!(back.contents(), files);
        let text = String::from_utf8(printed.clone()).expect("JSON");
        for (from, to) in [
            ("[server]", "[serves]"),
            ("\"format\":1", "\"format\":2"),
            ("127.0.0.1:80", "127.0.0.1:81"),
        ] {
            assert!(text.contains(from), "{from}");
            let changed = text.replace(from, to);
            assert!(Kept::parse(changed.as_bytes()).is_err(), "{to}");
        }
        for cut in [0, 1, printed.len() / 2, printed.len() - 1] {
            assert!(Kept::parse(&printed[..cut]).is_err(), "cut at {cut}");
        }
        let binary = Contents::from([(PathBuf::from("a"), vec![0xff])]);
        assert_eq!(Kept::new(&sources, &binary, 5), None);
    }
}
