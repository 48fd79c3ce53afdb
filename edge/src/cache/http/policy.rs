//! Key policies: what of a request tells its stored answer from others.
//!
//! Shape: built once with a plan, immutable then. A policy's own text is part of every key made
//! under it, so that answers stored under one policy are never found under another. Units: bytes.
//! Ranges: 64 names of up to 255 bytes. Errors: [`PolicyFault`], for the plan's compiler.
//! Source: the cache key section of CDN cache policies; RFC 9111 section 2.

use super::select::{Normalise, Out, Sink};
use crate::wire::token;

/// What of a request is in its key, beside scheme, host, port and path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyPolicy {
    query: Names,
    headers: Vec<Vec<u8>>,
    cookies: Names,
    partition: bool,
    normalise: Normalise,
    /// All of the above, written unambiguously.
    text: Vec<u8>,
}

/// Which of some named things count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Names {
    /// None.
    None,
    /// These.
    Listed(Vec<Vec<u8>>),
    /// All.
    All,
    /// All but these.
    AllExcept(Vec<Vec<u8>>),
}

/// What an operator writes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyChoice {
    /// Query parameters by their decoded names. Those that do not count should not reach the
    /// origin: what it answers to them would be given to everybody.
    pub query: Names,
    /// Request fields, in any case.
    pub headers: Vec<Vec<u8>>,
    /// Cookies by name.
    pub cookies: Names,
    /// Who asks: callers never share answers.
    pub partition: bool,
    /// How fields are compared, here and for Vary.
    pub normalise: Normalise,
}

/// Why a choice is no policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PolicyFault {
    /// More than [`NAMES_MAX`] of one kind.
    #[error("more than {NAMES_MAX} names")]
    TooMany,
    /// Empty, longer than 255 bytes, or no token where one is needed.
    #[error("a name that is empty, longer than 255 bytes, or not one")]
    Name,
}

/// Most names of one kind.
pub const NAMES_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 255;

impl Default for KeyChoice {
    /// The whole URI and nothing else, as RFC 9111 has it.
    fn default() -> KeyChoice {
        KeyChoice {
            query: Names::All,
            headers: Vec::new(),
            cookies: Names::None,
            partition: false,
            normalise: Normalise::default(),
        }
    }
}

impl Default for KeyPolicy {
    fn default() -> KeyPolicy {
        KeyPolicy::plain(KeyChoice::default())
    }
}

impl KeyPolicy {
    /// The policy of `choice`: names sorted, each once, fields in lower case.
    pub fn new(mut choice: KeyChoice) -> Result<KeyPolicy, PolicyFault> {
        for header in &mut choice.headers {
            header.make_ascii_lowercase();
            if !token::is_token(header) {
                return Err(PolicyFault::Name);
            }
        }
        check(&mut choice.headers)?;
        for names in [&mut choice.query, &mut choice.cookies] {
            match names {
                Names::None | Names::All => {}
                Names::Listed(list) | Names::AllExcept(list) => check(list)?,
            }
        }
        Ok(KeyPolicy::plain(choice))
    }

    fn plain(choice: KeyChoice) -> KeyPolicy {
        let mut policy = KeyPolicy {
            query: choice.query,
            headers: choice.headers,
            cookies: choice.cookies,
            partition: choice.partition,
            normalise: choice.normalise,
            text: vec![0; TEXT_BYTES_MAX],
        };
        let mut text = std::mem::take(&mut policy.text);
        let mut out = Out::new(&mut text);
        policy.write_text(&mut out);
        let len = out.end().unwrap_or(0);
        debug_assert!(len > 0, "the names were counted and measured");
        text.truncate(len);
        text.shrink_to_fit();
        policy.text = text;
        policy
    }

    fn write_text(&self, out: &mut Out<'_>) {
        write_names(&self.query, out);
        write_list(&self.headers, out);
        write_names(&self.cookies, out);
        out.put(&[
            u8::from(self.partition),
            u8::from(self.normalise.encodings),
            u8::from(self.normalise.languages_unordered),
        ]);
    }

    /// Whether one URI has one key. Otherwise its keys end with the nonce of its mark, so that
    /// invalidating it takes one step too.
    #[must_use]
    pub fn is_of_uri(&self) -> bool {
        self.headers.is_empty() && self.cookies == Names::None && !self.partition
    }

    /// Whether the key holds who asks.
    #[must_use]
    pub fn partitions(&self) -> bool {
        self.partition
    }

    /// How request fields are compared.
    #[must_use]
    pub fn normalise(&self) -> Normalise {
        self.normalise
    }

    /// Which query parameters count.
    #[must_use]
    pub fn query(&self) -> &Names {
        &self.query
    }

    /// Which request fields count, in lower case.
    #[must_use]
    pub fn headers(&self) -> &[Vec<u8>] {
        &self.headers
    }

    /// Which cookies count.
    #[must_use]
    pub fn cookies(&self) -> &Names {
        &self.cookies
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }
}

fn check(names: &mut Vec<Vec<u8>>) -> Result<(), PolicyFault> {
    names.sort();
    names.dedup();
    if names.len() > NAMES_MAX {
        return Err(PolicyFault::TooMany);
    }
    let fits = |name: &Vec<u8>| (1..=NAME_BYTES_MAX).contains(&name.len());
    if names.iter().all(fits) {
        Ok(())
    } else {
        Err(PolicyFault::Name)
    }
}

fn write_names(names: &Names, out: &mut Out<'_>) {
    match names {
        Names::None => out.put(b"n"),
        Names::All => out.put(b"a"),
        Names::Listed(list) => {
            out.put(b"l");
            write_list(list, out);
        }
        Names::AllExcept(list) => {
            out.put(b"x");
            write_list(list, out);
        }
    }
}

fn write_list(list: &[Vec<u8>], out: &mut Out<'_>) {
    out.put(&[u8::try_from(list.len()).unwrap_or(u8::MAX)]);
    for name in list {
        out.put(&[u8::try_from(name.len()).unwrap_or(u8::MAX)]);
        out.put(name);
    }
}

const TEXT_BYTES_MAX: usize = 3 * (2 + NAMES_MAX * (1 + NAME_BYTES_MAX)) + 3;
const _: () = assert!(TEXT_BYTES_MAX < u16::MAX as usize);
const _: () = assert!(NAMES_MAX < u8::MAX as usize);
