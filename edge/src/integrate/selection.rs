//! Which integration response answers: by `selectionPattern`, or the default one.
//!
//! Shape: patterns compiled in document order; a status or an error message in, a position out.
//! Units: positions in the list of responses; characters from 1 in faults. Errors:
//! [`SelectionFault`] for a pattern that is none or not served, and for two defaults; `None` when
//! nothing answers, which the gateway answers with 500. Source: Amazon API Gateway developer
//! guide, `selectionPattern`: a Java expression over the whole text; a match beats the default.

use crate::mapping::{Fault, WholePattern};

/// The responses of one integration, by their patterns.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    patterns: Box<[(usize, WholePattern)]>,
    default: Option<usize>,
}

/// Why responses cannot be told apart.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SelectionFault {
    /// A pattern that is none, or that is not served; the reason names the character.
    #[error("`{pattern}` is no selection pattern: {reason}")]
    Pattern {
        /// Position of the response.
        response: usize,
        /// As written, cut short.
        pattern: String,
        /// What is wrong, and where.
        reason: String,
    },
    /// A second response without a pattern.
    #[error("two responses are the default one")]
    TwoDefaults {
        /// Position of the second.
        response: usize,
    },
}

impl Selection {
    /// Compiles the patterns of the responses in their order; none and an empty one make the
    /// default response.
    ///
    /// # Errors
    /// The first response that cannot be served.
    pub fn compile<'p>(
        patterns: impl IntoIterator<Item = Option<&'p str>>,
    ) -> Result<Selection, SelectionFault> {
        let mut compiled = Vec::new();
        let mut default = None;
        for (response, pattern) in patterns.into_iter().enumerate() {
            let Some(source) = pattern.filter(|source| !source.is_empty()) else {
                if default.replace(response).is_some() {
                    return Err(SelectionFault::TwoDefaults { response });
                }
                continue;
            };
            let pattern = WholePattern::compile(source).map_err(|fault| match fault {
                Fault::Pattern { pattern, reason } => SelectionFault::Pattern {
                    response,
                    pattern,
                    reason,
                },
                other => SelectionFault::Pattern {
                    response,
                    pattern: source.to_owned(),
                    reason: other.to_string(),
                },
            })?;
            compiled.push((response, pattern));
        }
        Ok(Selection {
            patterns: compiled.into(),
            default,
        })
    }

    /// The position of the response for `text`: the first that matches, else the default.
    #[must_use]
    pub fn choose(&self, text: &str) -> Option<usize> {
        let matched = self
            .patterns
            .iter()
            .find(|(_, pattern)| pattern.is_match(text));
        matched.map(|(response, _)| *response).or(self.default)
    }

    /// The position of the response for a status.
    #[must_use]
    pub fn choose_status(&self, status: u16) -> Option<usize> {
        let mut digits = [0; 5];
        let mut rest = status;
        let mut start = digits.len();
        for place in digits.iter_mut().rev() {
            *place = b'0'.saturating_add(u8::try_from(rest % 10).unwrap_or(0));
            start = start.saturating_sub(1);
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        let text = digits.get(start..).unwrap_or(&[]);
        self.choose(std::str::from_utf8(text).unwrap_or(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_text_decides() {
        let rows: &[(&str, &[&str], &[&str])] = &[
            (r"5\d{2}", &["500", "599"], &["50", "5000", " 500", "200"]),
            (
                ".*four hundred.*",
                &["four hundred", "a four hundred b"],
                &["four\nhundred", "x\nfour hundred", "fourhundred", ""],
            ),
            (r"(\n|.)+", &["a", "a\nb\n", "\n"], &["", "\r"]),
            ("(?s).*x.*", &["\r\nx\n", "x"], &[""]),
            ("404", &["404"], &["4040", "1404"]),
            ("4..|5..", &["404", "500"], &["40", "4045", "14045"]),
            ("a|b", &["a", "b"], &["ab", "ba", ""]),
            ("^2..$", &["200"], &["2000"]),
            (
                "(?i)not found",
                &["Not Found", "NOT FOUND"],
                &["not  found"],
            ),
            ("[^2].*", &["404", "x"], &["200", ""]),
            (r"\QNot\E", &[], &[]),
            (r"\p{Alpha}+\.\w", &["abc.d"], &["abcxd", "\u{e9}.d"]),
            ("[]a]+", &["]a"], &["b"]),
            ("[a[b-d]]+", &["abcd"], &["e"]),
            ("[a-z&&[^b]]+", &["acz"], &["b"]),
            (r"a\<b\>", &["a<b>"], &["ab"]),
            ("a{2,3}", &["aa", "aaa"], &["a", "aaaa"]),
            ("a+?", &["a", "aaa"], &["b"]),
            (r"(?<code>\d+)", &["12"], &["x"]),
            (r"\.\*", &[".*"], &["aa"]),
        ];
        for (pattern, matching, others) in rows {
            let Ok(selection) = Selection::compile([Some(*pattern)]) else {
                assert!(matching.is_empty() && others.is_empty(), "{pattern}");
                continue;
            };
            for text in *matching {
                assert_eq!(selection.choose(text), Some(0), "{pattern} on {text:?}");
            }
            for text in *others {
                assert_eq!(selection.choose(text), None, "{pattern} on {text:?}");
            }
        }
    }

    #[test]
    fn a_match_beats_the_default_and_the_first_match_wins() {
        let patterns = [None, Some("4.."), Some("404"), Some("")];
        let selection = Selection::compile(patterns.into_iter().take(3)).expect("patterns");
        let rows = [(200, Some(0)), (404, Some(1)), (400, Some(1)), (7, Some(0))];
        for (status, expected) in rows {
            assert_eq!(selection.choose_status(status), expected, "{status}");
        }
        assert_eq!(selection.choose(""), Some(0), "success of a function");
        let second = Selection::compile(patterns).expect_err("two defaults");
        assert_eq!(second, SelectionFault::TwoDefaults { response: 3 });
        let none = Selection::compile([Some("2..")]).expect("a pattern");
        assert_eq!(
            (none.choose_status(200), none.choose_status(201)),
            (Some(0), Some(0))
        );
        assert_eq!(
            (none.choose_status(2000), none.choose_status(404)),
            (None, None)
        );
        assert_eq!(Selection::default().choose("200"), None);
    }

    #[test]
    fn what_is_not_served_is_refused_with_its_place() {
        let rows = [
            ("a(?=b)", "look-around", 2),
            ("(?<!a)b", "look-around", 1),
            (r"(a)\1", "back references", 4),
            ("a++", "possessive", 3),
            ("a{2}+", "possessive", 5),
            ("(?>a)", "atomic", 1),
            ("a(?i)b", "beginning", 2),
            ("(?x)a b", "beginning", 1),
            ("a(b", "unclosed group", 2),
            ("ab)", "unopened group", 3),
            ("[a", "unclosed character class", 1),
            ("\u{e9}\u{e9}*(", "unclosed group", 4),
            ("*", "repetition", 1),
            (r"\d\p{L}", "POSIX", 3),
            (r"x\Qa\E", "this escape", 2),
            ("a{1000}{1000}", "too large", 0),
            ("a\\", "backslash", 2),
        ];
        for (pattern, words, position) in rows {
            let fault = Selection::compile([None, Some(pattern)]).expect_err(pattern);
            let SelectionFault::Pattern {
                response, reason, ..
            } = fault
            else {
                panic!("{pattern}: {fault}");
            };
            assert_eq!(response, 1);
            assert!(reason.contains(words), "{pattern}: {reason}");
            if position > 0 {
                let place = format!("(character {position})");
                assert!(reason.ends_with(&place), "{pattern}: {reason}");
            }
        }
    }
}
