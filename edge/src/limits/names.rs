//! Names as numbers that mean the same in every process and after every reload.
//!
//! What: stages, methods and limits are found by hashes of their names, so that neither the
//! directory nor the shared table depends on the places that one plan gives them. Shape: 64 bits;
//! every part goes in behind its length. Units: none. Errors: none; an operator has thousands of
//! names at most, so two of them with one hash are not to be expected.
//! Source: rapidhash, third version, whose output is promised to stay.

use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};

/// An API in a stage.
#[must_use]
pub fn stage_tag(api: &str, stage: &str) -> u64 {
    hash(STAGE, &[api.as_bytes(), stage.as_bytes()])
}

/// A method of a resource, `verb` as documents write it: `GET`, `ANY`.
#[must_use]
pub fn method_tag(verb: &str, path: &str) -> u64 {
    hash(METHOD, &[verb.as_bytes(), path.as_bytes()])
}

/// `parts` under a `kind` that tells uses of this function apart.
pub(super) fn hash(kind: u8, parts: &[&[u8]]) -> u64 {
    let mut bytes = vec![kind];
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    rapidhash_v3_seeded(&bytes, &RapidSecrets::seed(SEED))
}

/// Kinds of names.
const STAGE: u8 = 1;
const METHOD: u8 = 2;
/// Kinds from here on are levels of limits.
pub(super) const LEVELS: u8 = 16;
/// Never changed: tables in use would forget.
const SEED: u64 = 0x7469_6465_6c69_6d31;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let tags = [
            stage_tag("a", "bc"),
            stage_tag("ab", "c"),
            method_tag("a", "bc"),
            stage_tag("", "abc"),
        ];
        for (i, tag) in tags.iter().enumerate() {
            assert!(!tags[..i].contains(tag), "{i}");
        }
        assert_eq!(
            stage_tag("a1", "dev"),
            KNOWN,
            "{:#x}",
            stage_tag("a1", "dev")
        );
    }

    /// What tables in use were filled with.
    const KNOWN: u64 = 0x4a7e_47ef_9cdb_299a;
}
