//! Why something is not stored, or not answered from the store.
//!
//! Shape: two enums with a word each, for `explain`, logs and Cache-Status. Units, ranges: none.
//! Errors: a number that is no reason gives `None`. Source: RFC 9111 sections 3 and 4; the
//! never-store rules; RFC 9211 section 2.2 for the words of [`MissReason::fwd`].

macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$row_doc:meta])* $id:ident = $number:literal $word:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum $name { $($(#[$row_doc])* $id = $number,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[$name] = &[$($name::$id,)*];

            /// Its word: a token.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $($name::$id => $word,)* }
            }

            /// The reason with this number, which stays with it for ever.
            #[must_use]
            pub fn of_number(number: u8) -> Option<$name> {
                match number { $($number => Some($name::$id),)* _ => None }
            }
        }
    };
}

reasons! {
    /// Why a response is not stored.
    PassReason {
        /// Not the answer to GET.
        Method = 1 "method",
        /// The request had a body.
        RequestBody = 2 "request-body",
        /// The request had If-Match or If-Unmodified-Since.
        Precondition = 3 "precondition",
        /// The request said `no-store`.
        RequestNoStore = 4 "request-no-store",
        /// The request was authorized, the key does not hold by whom, and nothing allows sharing.
        Authorized = 5 "authorized",
        /// Not a final answer.
        Interim = 6 "interim",
        /// An answer to a condition: it updates, but is not stored.
        NotModified = 7 "not-modified",
        /// A part of the answer, or that there is none.
        Partial = 8 "partial",
        /// The body ends with the connection, so that nobody knows whether it is whole.
        CloseDelimited = 9 "close-delimited",
        /// The body is larger than the rules allow.
        TooLarge = 10 "too-large",
        /// Cache-Control has a quoted string without an end.
        Malformed = 11 "malformed",
        /// `no-store`
        NoStore = 12 "no-store",
        /// `private`
        Private = 13 "private",
        /// `must-understand` with a status that is not known here.
        MustUnderstand = 14 "must-understand",
        /// Set-Cookie
        SetCookie = 15 "set-cookie",
        /// `Vary: *`, a name in Vary that is none, or too many of them.
        Vary = 16 "vary",
        /// Nothing says how long it lives, and its status allows no guess.
        NoLifetime = 17 "no-lifetime",
        /// Stale already, and nothing to ask the origin with.
        Useless = 18 "stale-without-validator",
        /// More surrogate tags than are kept: it could not be purged by all of them.
        TooManyTags = 19 "too-many-tags",
        /// Its record would be too large.
        RecordTooLarge = 20 "record-too-large",
    }
}

impl PassReason {
    /// Whether the next answer for the same key will likely be the same: worth remembering.
    #[must_use]
    pub fn is_of_response(self) -> bool {
        !matches!(
            self,
            PassReason::Method
                | PassReason::RequestBody
                | PassReason::Precondition
                | PassReason::RequestNoStore
                | PassReason::Authorized
                | PassReason::Interim
                | PassReason::NotModified
                | PassReason::Partial
        )
    }
}

reasons! {
    /// Why a request is not answered from the store.
    MissReason {
        /// No rules for this route.
        Off = 1 "off",
        /// Neither GET nor HEAD.
        Method = 2 "method",
        /// The request has a body.
        RequestBody = 3 "request-body",
        /// The request has If-Match or If-Unmodified-Since, which only an origin may judge.
        Precondition = 4 "precondition",
        /// Nothing is stored for the key.
        Absent = 5 "absent",
        /// What is stored was for other values of the fields that Vary names.
        Vary = 6 "vary",
        /// The key is known for answers that cannot be stored.
        HitForMiss = 7 "hit-for-miss",
        /// The key could not be built: the request is larger than a key may be.
        Key = 8 "key-too-long",
        /// The record was damaged.
        Damaged = 9 "damaged",
    }
}

impl MissReason {
    /// The word of Cache-Status for it.
    #[must_use]
    pub fn fwd(self) -> &'static str {
        match self {
            MissReason::Method => "method",
            MissReason::Absent => "uri-miss",
            MissReason::Vary => "vary-miss",
            MissReason::RequestBody | MissReason::Precondition => "request",
            MissReason::Off | MissReason::HitForMiss | MissReason::Key => "bypass",
            MissReason::Damaged => "miss",
        }
    }
}

/// Why a stored response needs its origin's word first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RevalidateReason {
    /// It is stale.
    Stale,
    /// The origin said `no-cache`.
    NoCache,
    /// The client wants it fresher, or asked for the origin.
    Request,
}

impl RevalidateReason {
    /// Its word: a token.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RevalidateReason::Stale => "stale",
            RevalidateReason::NoCache => "no-cache",
            RevalidateReason::Request => "request",
        }
    }

    /// The word of Cache-Status for it.
    #[must_use]
    pub fn fwd(self) -> &'static str {
        match self {
            RevalidateReason::Stale | RevalidateReason::NoCache => "stale",
            RevalidateReason::Request => "request",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::token;

    #[test]
    fn words_are_tokens_and_numbers_return() {
        for reason in PassReason::ALL {
            assert!(token::is_token(reason.as_str().as_bytes()));
            assert_eq!(PassReason::of_number(*reason as u8), Some(*reason));
        }
        for reason in MissReason::ALL {
            assert!(token::is_token(reason.as_str().as_bytes()));
            assert_eq!(MissReason::of_number(*reason as u8), Some(*reason));
        }
        assert_eq!(PassReason::of_number(0), None);
        assert_eq!(PassReason::of_number(255), None);
    }
}
