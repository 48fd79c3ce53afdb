//! Hashes that stay the same from build to build: tags by which responses are purged.
//!
//! Shape: bytes in, 64 bits out. Units, ranges: none. Errors: two tags with one hash are purged
//! together, which costs a miss and nothing else. Source: Fowler, Noll, Vo (FNV-1a); the last steps
//! are those of MurmurHash3; Cache-Tag and Surrogate-Key as CDNs read them.

use super::facts::Response;
use crate::wire::token;

/// A hash under way.
#[derive(Clone, Copy, Debug)]
pub struct Hash64(u64);

impl Hash64 {
    /// The hash of a surrogate tag. Case counts.
    #[must_use]
    pub fn of_tag(tag: &[u8]) -> u64 {
        Hash64::new(b"tag").part(tag).end()
    }

    /// A hash of its own kind.
    fn new(kind: &[u8]) -> Hash64 {
        Hash64(OFFSET).part(kind)
    }

    /// Takes `bytes` and their length.
    fn part(mut self, bytes: &[u8]) -> Hash64 {
        for byte in bytes
            .iter()
            .copied()
            .chain((bytes.len() as u64).to_le_bytes())
        {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(PRIME);
        }
        self
    }

    fn end(self) -> u64 {
        let mut hash = self.0;
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^ (hash >> 33)
    }
}

/// What a request is for, as far as its URI says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Uri<'a> {
    /// `https` or `http`.
    pub is_https: bool,
    /// Host without a final dot, in any case.
    pub host: &'a [u8],
    /// Port, when one was given.
    pub port: Option<u16>,
    /// Path, raw.
    pub path: &'a [u8],
    /// Query without `?`, raw, when there is one.
    pub query: Option<&'a [u8]>,
}

impl Uri<'_> {
    /// The port, the scheme's own when none was given.
    #[must_use]
    pub fn port_number(&self) -> u16 {
        self.port.unwrap_or(if self.is_https { 443 } else { 80 })
    }
}

/// The tag that all responses of one URI under one `scope` have, whatever else is in their keys.
#[must_use]
pub fn uri_tag(scope: &[u8], uri: &Uri<'_>) -> u64 {
    let mut host = Hash64::new(b"host");
    for byte in uri.host {
        host = host.part(&[byte.to_ascii_lowercase()]);
    }
    Hash64::new(b"uri")
        .part(scope)
        .part(&[u8::from(uri.is_https)])
        .part(&host.end().to_le_bytes())
        .part(&uri.port_number().to_le_bytes())
        .part(uri.path)
        .part(&[u8::from(uri.query.is_some())])
        .part(uri.query.unwrap_or(&[]))
        .end()
}

/// The surrogate tags of a response: Cache-Tag has commas, Surrogate-Key blanks.
pub fn tags<'a>(response: &Response<'a>) -> impl Iterator<Item = &'a [u8]> {
    let listed = response.named(b"cache-tag").flat_map(token::list);
    let spaced = response
        .named(b"surrogate-key")
        .flat_map(|line| line.split(|byte| token::is(*byte, token::BLANK)))
        .filter(|tag| !tag.is_empty());
    listed.chain(spaced)
}

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_stay_what_they_are() {
        // Written into records: a change of these numbers is a change of the format.
        assert_eq!(Hash64::of_tag(b"a"), Hash64::of_tag(b"a"));
        assert_ne!(Hash64::of_tag(b"a"), Hash64::of_tag(b"A"));
    }
}
