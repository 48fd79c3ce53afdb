//! The verbs that a resource can tell apart.
//!
//! Shape: one dense small integer, so that a tree node keeps a flat table of routes. Units: none.
//! Ranges: the seven verbs of the service, and one place for every other token. Errors: none, an
//! unknown token is [`Verb::Other`], which only `ANY` serves.
//! Source: Amazon API Gateway developer guide, "methods of REST APIs".

/// A request's verb, as far as routing looks at it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Verb {
    Get,
    Put,
    Post,
    Delete,
    Patch,
    Options,
    Head,
    /// Any other token; `ANY` catches it.
    Other,
}

/// What a method of a resource is declared for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum VerbKey {
    /// Exactly this verb.
    One(Verb),
    /// Every verb that its resource does not name.
    Any,
}

/// Number of verbs, the width of a node's route table.
pub const VERBS: usize = 8;

impl Verb {
    /// All verbs in table order.
    pub const ALL: [Verb; VERBS] = [
        Verb::Get,
        Verb::Put,
        Verb::Post,
        Verb::Delete,
        Verb::Patch,
        Verb::Options,
        Verb::Head,
        Verb::Other,
    ];

    /// The token of a request line; [`Verb::Other`] stands for no one token.
    #[must_use]
    pub fn as_str(self) -> Option<&'static str> {
        Some(match self {
            Verb::Get => "GET",
            Verb::Put => "PUT",
            Verb::Post => "POST",
            Verb::Delete => "DELETE",
            Verb::Patch => "PATCH",
            Verb::Options => "OPTIONS",
            Verb::Head => "HEAD",
            Verb::Other => return None,
        })
    }

    /// The verb of a request line's token; tokens are case-sensitive (RFC 9110 section 9.1).
    #[must_use]
    pub fn from_token(token: &[u8]) -> Verb {
        match token {
            b"GET" => Verb::Get,
            b"PUT" => Verb::Put,
            b"POST" => Verb::Post,
            b"DELETE" => Verb::Delete,
            b"PATCH" => Verb::Patch,
            b"OPTIONS" => Verb::Options,
            b"HEAD" => Verb::Head,
            _ => Verb::Other,
        }
    }

    /// The token, or `*` for [`Verb::Other`].
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Put => "PUT",
            Verb::Post => "POST",
            Verb::Delete => "DELETE",
            Verb::Patch => "PATCH",
            Verb::Options => "OPTIONS",
            Verb::Head => "HEAD",
            Verb::Other => "*",
        }
    }

    /// Place in a node's route table, below [`VERBS`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl VerbKey {
    /// The verb's token, or `ANY`.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            VerbKey::One(verb) => verb.token(),
            VerbKey::Any => "ANY",
        }
    }
}

const _: () = assert!(Verb::Other.index() + 1 == VERBS);
