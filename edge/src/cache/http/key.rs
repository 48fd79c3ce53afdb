//! Keys: the bytes under which an answer is stored, whole and compared whole.
//!
//! What it is: every part has its length in front, parts stand in one order, and the policy's text
//! is one of them; so two requests have one key exactly when all parts are equal. Who asks, and
//! every field or cookie that says it, is there as SHA-256. Shape: written into a caller's buffer;
//! a variant's key is the primary key, the nonce of the list of variants, and the values selected.
//!
//! ```text
//! version kind method | scope | policy | scheme | host | port | path | query | headers | cookies
//! | caller ... | nonce of the URI's mark | nonce of the list of variants | names and values
//! ```
//!
//! Units: bytes. Ranges: parts of up to 65,535 bytes. Errors: [`KeyFault`]; the request is then
//! not answered from the store. Where a query's reading is in doubt (a malformed escape, `;`, `[`,
//! a listed name in other letters), all of it counts.
//! Source: RFC 9111 sections 2 and 4.1; the key rules of the reliability table.

use super::{
    facts::{CREDENTIALS, Caller},
    hash::Uri,
    policy::{KeyPolicy, Names},
    record::Variants,
    select::{self, Out, Sink},
    vary::read_sized,
};
use crate::wire::{Fields, Known, query::decode_query, token};

/// What a key is made of.
#[derive(Clone, Copy, Debug)]
pub struct KeySource<'a> {
    /// Deployment, API and stage, as the plan writes them.
    pub scope: &'a [u8],
    /// What the request is for.
    pub uri: Uri<'a>,
    /// Its fields.
    pub fields: &'a Fields,
    /// The bytes of its head.
    pub bytes: &'a [u8],
    /// Whom the gateway knows to ask; without one the credentials of the request stand in.
    pub principal: Option<&'a [u8]>,
}

/// Why there is no key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyFault {
    /// It does not fit its buffer, or a part its length.
    #[error("the key is too long")]
    TooLong,
}

impl KeyPolicy {
    /// Who asks, for [`super::Request::new`]: `is_authorized` when the gateway let the request in
    /// by what it is allowed. A caller who is known by neither name nor credential is in no key.
    #[must_use]
    pub fn caller(&self, source: &KeySource<'_>, is_authorized: bool) -> Caller {
        let has = |known: &Known| source.fields.has(*known);
        let is_told = source.principal.is_some() || CREDENTIALS.iter().any(has);
        match (self.partitions(), is_authorized) {
            (true, _) if is_told => Caller::InKey,
            (_, true) => Caller::Authorized,
            _ => Caller::Unknown,
        }
    }

    /// Writes the primary key of `source` to `out` and gives its length.
    pub fn write(&self, source: &KeySource<'_>, out: &mut [u8]) -> Result<usize, KeyFault> {
        let mut out = Out::new(out);
        self.write_front(PRIMARY, source, &mut out);
        for header in self.headers() {
            let normalise = self.normalise();
            out.sized(|out| select::value(source.fields, source.bytes, header, normalise, out));
        }
        write_cookies(self.cookies(), source, &mut out);
        if self.partitions() {
            write_caller(source, &mut out);
        }
        out.end().ok_or(KeyFault::TooLong)
    }

    /// Writes the key of the mark of a URI, and gives its length. Where one URI has many keys, by
    /// what [`KeyPolicy::is_of_uri`] says, each of them ends with the nonce of that mark: without
    /// the mark, none of them is found again.
    pub fn write_uri(&self, source: &KeySource<'_>, out: &mut [u8]) -> Result<usize, KeyFault> {
        let mut out = Out::new(out);
        self.write_front(MARK, source, &mut out);
        out.end().ok_or(KeyFault::TooLong)
    }

    /// What a key of any kind begins with: all that tells URIs apart.
    #[inline] // else how the crate is split into units decides, and a key takes a tenth more
    fn write_front(&self, kind: u8, source: &KeySource<'_>, out: &mut Out<'_>) {
        let uri = &source.uri;
        out.put(&[VERSION, kind, RETRIEVAL]);
        out.sized(|out| out.put(source.scope));
        out.sized(|out| out.put(self.text()));
        out.put(&[u8::from(uri.is_https)]);
        out.sized(|out| out.put_lower(uri.host));
        out.put(&uri.port_number().to_le_bytes());
        out.sized(|out| out.put(if uri.path.is_empty() { b"/" } else { uri.path }));
        out.sized(|out| write_query(self.query(), uri.query, out));
    }

    /// Writes the parameters of `query` that count to `out`, in the key's own order, so that
    /// requests of one key have one query, and gives their length; `None` when all of it counts or
    /// may count. `out` has room for `query`.
    #[must_use]
    pub fn write_counted(&self, query: &[u8], out: &mut [u8]) -> Option<usize> {
        let mut out = Out::new(out);
        let put = |out: &mut Out<'_>, pair: &[u8]| {
            out.put(if out.len() > 0 { b"&" } else { b"" });
            out.put(pair);
        };
        match self.query() {
            Names::All => return None,
            Names::None => {}
            Names::Listed(list) | Names::AllExcept(list) if is_doubtful(list, query) => {
                return None;
            }
            Names::Listed(list) => {
                for name in list {
                    for pair in pairs(query).filter(|pair| is_named(pair, name)) {
                        put(&mut out, pair);
                    }
                }
            }
            Names::AllExcept(list) => {
                let counts = |pair: &&[u8]| !list.iter().any(|name| is_named(pair, name));
                for pair in pairs(query).filter(counts) {
                    put(&mut out, pair);
                }
            }
        }
        out.end()
    }

    /// Turns the primary key in the first `primary_bytes` of `out` into that of the variant that
    /// `source` selects, and gives its length.
    pub fn write_variant(
        &self,
        source: &KeySource<'_>,
        variants: &Variants<'_>,
        primary_bytes: usize,
        out: &mut [u8],
    ) -> Result<usize, KeyFault> {
        let mut out = Out::behind(out, primary_bytes);
        out.patch(1, &[VARIANT]);
        out.put(&variants.nonce.to_le_bytes());
        let normalise = self.normalise();
        let names = &variants.names;
        names.write_values(source.fields, source.bytes, normalise, &mut out);
        out.end().ok_or(KeyFault::TooLong)
    }
}

/// Turns a variant's key back into the primary key that it was made of.
pub fn turn_primary(key: &mut Vec<u8>, primary_bytes: usize) {
    key.truncate(primary_bytes);
    if let Some(kind) = key.get_mut(1) {
        *kind = PRIMARY;
    }
}

/// What a key says of its URI, for explanations and for purges by prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyView<'a> {
    /// Deployment, API and stage.
    pub scope: &'a [u8],
    /// `https` or `http`.
    pub is_https: bool,
    /// Host in lower case.
    pub host: &'a [u8],
    /// Port.
    pub port: u16,
    /// Path, raw.
    pub path: &'a [u8],
    /// What of the query is in the key.
    pub query: KeyQuery<'a>,
    /// Whether it is a variant's.
    pub is_variant: bool,
}

/// What of a query is in a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyQuery<'a> {
    /// There was none.
    Absent,
    /// All of it, raw.
    Whole(&'a [u8]),
    /// Nothing, or some of its parameters.
    Chosen,
}

impl<'a> KeyView<'a> {
    /// Reads `key`; `None` when it is none.
    #[must_use]
    pub fn decode(key: &'a [u8]) -> Option<KeyView<'a>> {
        let &[VERSION, kind, RETRIEVAL, ref rest @ ..] = key else {
            return None;
        };
        let mut rest = rest;
        let scope = read_sized(&mut rest)?;
        let _policy = read_sized(&mut rest)?;
        let (&scheme, mut rest) = rest.split_first()?;
        let host = read_sized(&mut rest)?;
        let (port, mut rest) = rest.split_first_chunk::<2>()?;
        let path = read_sized(&mut rest)?;
        let query = match *read_sized(&mut rest)? {
            [QUERY_ABSENT] => KeyQuery::Absent,
            [QUERY_WHOLE, ref query @ ..] => KeyQuery::Whole(query),
            [] | [QUERY_CHOSEN, ..] => KeyQuery::Chosen,
            _ => return None,
        };
        (kind <= VARIANT && scheme <= 1).then_some(KeyView {
            scope,
            is_https: scheme == 1,
            host,
            port: u16::from_le_bytes(*port),
            path,
            query,
            is_variant: kind == VARIANT,
        })
    }

    /// Whether answers to `uri` may lie under this key.
    #[must_use]
    pub fn may_be_of(&self, uri: &Uri<'_>) -> bool {
        let same_query = match self.query {
            KeyQuery::Absent => uri.query.is_none(),
            KeyQuery::Whole(query) => uri.query == Some(query),
            KeyQuery::Chosen => true,
        };
        self.is_of_site(uri) && self.path == uri.path && same_query
    }

    /// Whether `uri` has the same scheme, host and port.
    #[must_use]
    pub fn is_of_site(&self, uri: &Uri<'_>) -> bool {
        self.is_https == uri.is_https
            && self.port == uri.port_number()
            && self.host.eq_ignore_ascii_case(uri.host)
    }
}

fn write_query(names: &Names, query: Option<&[u8]>, out: &mut Out<'_>) {
    let list = match names {
        Names::None => return,
        Names::All => &[][..],
        Names::Listed(list) | Names::AllExcept(list) => list,
    };
    let Some(query) = query else {
        // Where not all of it counts, no query is as good as one of which nothing counts.
        let kind = if *names == Names::All {
            QUERY_ABSENT
        } else {
            QUERY_CHOSEN
        };
        return out.put(&[kind]);
    };
    if *names == Names::All || is_doubtful(list, query) {
        out.put(&[QUERY_WHOLE]);
        return out.put(query);
    }
    out.put(&[QUERY_CHOSEN]);
    match names {
        Names::AllExcept(_) => {
            let counts = |pair: &&[u8]| !list.iter().any(|name| is_named(pair, name));
            for (nth, pair) in pairs(query).filter(counts).enumerate() {
                out.put(if nth > 0 { b"&" } else { b"" });
                out.put(pair);
            }
        }
        _ => {
            for name in list {
                for pair in pairs(query).filter(|pair| is_named(pair, name)) {
                    out.sized(|out| out.put(pair));
                }
            }
        }
    }
}

fn pairs(query: &[u8]) -> impl Iterator<Item = &[u8]> {
    query
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
}

fn raw_name(pair: &[u8]) -> &[u8] {
    pair.split(|byte| *byte == b'=').next().unwrap_or(&[])
}

fn is_named(pair: &[u8], name: &[u8]) -> bool {
    let raw = raw_name(pair);
    raw == name || decode_query(raw, &mut [0; DECODED_BYTES]).is_some_and(|decoded| decoded == name)
}

/// Whether an origin may read the query otherwise than we do.
fn is_doubtful(list: &[Vec<u8>], query: &[u8]) -> bool {
    if memchr::memchr(b';', query).is_some() {
        return true;
    }
    pairs(query).map(raw_name).any(|raw| {
        let mut decoded = [0; DECODED_BYTES];
        let name = decode_query(raw, &mut decoded).unwrap_or(raw);
        // `%zz` stays as it is, `a[]` is `a` to some, `A` is `a` to others, NUL ends a name.
        let is_odd = |byte: &u8| matches!(byte, b'%' | b'[' | b']' | 0);
        name.iter().any(is_odd)
            || list
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name) && known != name)
    })
}

fn write_cookies(names: &Names, source: &KeySource<'_>, out: &mut Out<'_>) {
    let lines = || {
        let fields = source.fields.all(Known::Cookie);
        fields.map(|field| field.value.of(source.bytes))
    };
    let cookies = || {
        lines()
            .flat_map(|line| line.split(|byte| *byte == b';'))
            .map(token::trim)
            .filter(|cookie| !cookie.is_empty())
    };
    let named = |cookie: &[u8], name: &[u8]| token::trim(raw_name(cookie)) == name;
    match names {
        Names::None => {}
        Names::All => out.put(&select::secret(lines())),
        Names::AllExcept(list) => {
            let counts = |cookie: &&[u8]| !list.iter().any(|name| named(cookie, name));
            out.put(&select::secret(cookies().filter(counts)));
        }
        Names::Listed(list) => {
            for name in list {
                let own = cookies().filter(|cookie| named(cookie, name));
                out.put(&select::secret(own));
            }
        }
    }
}

fn write_caller(source: &KeySource<'_>, out: &mut Out<'_>) {
    match source.principal {
        Some(principal) => {
            out.put(&[CALLER_PRINCIPAL]);
            out.put(&select::secret(std::iter::once(principal)));
        }
        None => {
            out.put(&[CALLER_CREDENTIALS]);
            for known in CREDENTIALS {
                let fields = source.fields.all(known);
                out.put(&select::secret(
                    fields.map(|field| field.value.of(source.bytes)),
                ));
            }
        }
    }
}

const VERSION: u8 = 1;
const PRIMARY: u8 = 0;
const VARIANT: u8 = 1;
const MARK: u8 = 2;
/// GET, and HEAD from it: no other method's answer is stored.
const RETRIEVAL: u8 = b'G';
const QUERY_ABSENT: u8 = 0;
const QUERY_WHOLE: u8 = 1;
const QUERY_CHOSEN: u8 = 2;
const CALLER_CREDENTIALS: u8 = 0;
const CALLER_PRINCIPAL: u8 = 1;
/// Names in a policy are shorter; a longer decoded name is none of them.
const DECODED_BYTES: usize = 256;
