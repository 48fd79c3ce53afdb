//! A resource path as documents write it, cut into checked parts.
//!
//! Shape: `/pets/{id}/{rest+}` becomes [`Part::Static`], [`Part::Param`], [`Part::Greedy`]. Units:
//! path segments. Ranges: [`PARTS_MAX`] segments, [`PARAMS_MAX`] parameters. Errors:
//! [`PatternFault`], with the offending text. One trailing slash is ignored, as in matching.
//! Source: Amazon API Gateway developer guide, "path part": `[A-Za-z0-9._:-]+`, `{name}`,
//! `{name+}` at the end.

use super::params::PARAMS_MAX;

/// Most segments of a resource path; bounds the depth of a tree.
pub const PARTS_MAX: usize = 64;
/// Longest static segment or parameter name in bytes.
pub const PART_BYTES_MAX: usize = 256;

/// One segment of a resource path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part<'a> {
    /// These bytes, literally.
    Static(&'a str),
    /// `{name}`: one non-empty segment.
    Param(&'a str),
    /// `{name+}`: one or more segments to the end.
    Greedy(&'a str),
}

/// Why a resource path is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PatternFault {
    #[error("a resource path starts with `/`")]
    NoLeadingSlash,
    #[error("the path has an empty part (`//`)")]
    EmptyPart,
    #[error("`{part}` is no path part: only letters, digits and `.`, `_`, `:`, `-` stand there")]
    BadCharacter { part: String },
    #[error("`{part}` is removed from every request path, so this resource cannot be reached")]
    DotPart { part: String },
    #[error("`{part}` is no path variable: write `{{name}}` or `{{name+}}` as a whole part")]
    BadVariable { part: String },
    #[error("the greedy variable `{part}` must be the last part")]
    GreedyNotLast { part: String },
    #[error("the variable `{name}` stands twice in the path")]
    DuplicateName { name: String },
    #[error("the path has {count} parts; at most {PARTS_MAX} are allowed")]
    TooManyParts { count: usize },
    #[error("the path has {count} variables; at most {PARAMS_MAX} are allowed")]
    TooManyParams { count: usize },
    #[error("`{part}` is longer than {PART_BYTES_MAX} bytes")]
    PartTooLong { part: String },
}

/// Cuts `path` into parts; `/` has none.
pub fn parse(path: &str) -> Result<Vec<Part<'_>>, PatternFault> {
    let inner = path.strip_prefix('/').ok_or(PatternFault::NoLeadingSlash)?;
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    if inner.is_empty() {
        // Only `/` and `//` come here; the second is an empty part.
        return if path.len() <= 1 {
            Ok(Vec::new())
        } else {
            Err(PatternFault::EmptyPart)
        };
    }
    let texts: Vec<&str> = inner.split('/').collect();
    if texts.len() > PARTS_MAX {
        return Err(PatternFault::TooManyParts { count: texts.len() });
    }
    let mut parts: Vec<Part<'_>> = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let part = parse_part(text)?;
        if matches!(part, Part::Greedy(_)) && index + 1 != texts.len() {
            return Err(PatternFault::GreedyNotLast {
                part: (*text).to_owned(),
            });
        }
        if let Some(name) = part.name()
            && parts.iter().any(|earlier| earlier.name() == Some(name))
        {
            return Err(PatternFault::DuplicateName {
                name: name.to_owned(),
            });
        }
        parts.push(part);
    }
    let count = parts.iter().filter(|part| part.name().is_some()).count();
    if count > PARAMS_MAX {
        return Err(PatternFault::TooManyParams { count });
    }
    Ok(parts)
}

impl<'a> Part<'a> {
    /// The variable's name.
    #[must_use]
    pub fn name(self) -> Option<&'a str> {
        match self {
            Part::Static(_) => None,
            Part::Param(name) | Part::Greedy(name) => Some(name),
        }
    }
}

fn parse_part(text: &str) -> Result<Part<'_>, PatternFault> {
    let owned = || text.to_owned();
    if text.is_empty() {
        return Err(PatternFault::EmptyPart);
    }
    if text.len() > PART_BYTES_MAX {
        return Err(PatternFault::PartTooLong { part: owned() });
    }
    if text.contains(['{', '}']) {
        let name = text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
            .ok_or_else(|| PatternFault::BadVariable { part: owned() })?;
        let (name, greedy) = match name.strip_suffix('+') {
            Some(name) => (name, true),
            None => (name, false),
        };
        if name.is_empty() || !name.bytes().all(is_part_byte) {
            return Err(PatternFault::BadVariable { part: owned() });
        }
        return Ok(if greedy {
            Part::Greedy(name)
        } else {
            Part::Param(name)
        });
    }
    if !text.bytes().all(is_part_byte) {
        return Err(PatternFault::BadCharacter { part: owned() });
    }
    if text == "." || text == ".." {
        return Err(PatternFault::DotPart { part: owned() });
    }
    Ok(Part::Static(text))
}

fn is_part_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-')
}
