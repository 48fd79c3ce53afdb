//! Names to addresses without sockets: messages, the system's files, and a cache by TTL.
//!
//! Shape: [`message`] codes queries and answers; [`resolv`] reads resolv.conf and makes the list
//! of names to ask; [`hosts`] reads the hosts file; [`cache`] remembers. The origin level above
//! sends and receives.
//! Units and ranges: TTLs in seconds as on the wire; cache times are [`crate::base::time::Mono`].
//! Names are lower-case ASCII without the final dot, at most 253 bytes.
//! Errors: [`DnsFault`].
//! Source: RFC 1035, RFC 2308 (negative answers), RFC 6891 (EDNS), resolv.conf(5), hosts(5).

pub mod cache;
pub mod hosts;
pub mod message;
pub mod resolv;

/// Which kind of address is asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Family {
    /// A records.
    V4,
    /// AAAA records.
    V6,
}

/// Why a name could not be asked for, or an answer not be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DnsFault {
    /// Not a host name.
    #[error("{0:?} is not a host name")]
    BadName(String),
    /// Another id or another question, or no answer at all: somebody guesses, or a late
    /// datagram. Go on waiting.
    #[error("an answer to another question")]
    NotOurs,
    /// It cannot be decoded.
    #[error("malformed answer: {0}")]
    Malformed(String),
    /// The server will not or cannot answer: ask the next one.
    #[error("the name server answered {0}")]
    ServerRefused(String),
    /// An alias of an alias of an alias.
    #[error("more than 8 aliases in a row")]
    ChainTooLong,
}

/// The one spelling of `name` under which it is asked for and remembered.
///
/// # Errors
/// Empty, too long, or with bytes that no host name has.
pub fn normal(name: &str) -> Result<String, DnsFault> {
    let bare = name.strip_suffix('.').unwrap_or(name);
    let label_good = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if bare.len() > NAME_BYTES_MAX || !bare.split('.').all(label_good) {
        return Err(DnsFault::BadName(name.to_owned()));
    }
    Ok(bare.to_ascii_lowercase())
}

/// The longest name as text, without the final dot.
pub const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        let label = "a".repeat(63);
        let long = [label.as_str(); 4].join(".");
        let fits = long[..253].to_owned();
        for (given, expected) in [
            ("Example.TEST", Some("example.test")),
            ("example.test.", Some("example.test")),
            ("_srv.a-b.test", Some("_srv.a-b.test")),
            ("localhost", Some("localhost")),
            (fits.as_str(), Some(fits.as_str())),
            (long.as_str(), None),
            ("", None),
            (".", None),
            ("a..b", None),
            ("a.test..", None),
            (&format!("{label}a.test"), None),
            ("ä.test", None),
            ("a b.test", None),
            ("a\\.test", None),
        ] {
            assert_eq!(normal(given).ok().as_deref(), expected, "{given:?}");
        }
    }
}
