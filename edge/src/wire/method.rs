//! Request methods.
//!
//! Shape: the registered verbs the gateway routes, and `Other` for every further token, whose
//! spelling stays in the head. Units: none. Ranges: methods are case-sensitive. Errors: none;
//! CONNECT and TRACE are named so that they can be refused. Source: RFC 9110 §9; RFC 5789.

/// A method; [`Method::Other`] is spelled in the head.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Method {
    #[default]
    Get,
    Head,
    Post,
    Put,
    Delete,
    Patch,
    Options,
    Connect,
    Trace,
    Other,
}

impl Method {
    /// The method spelled `token`.
    #[must_use]
    pub fn of(token: &[u8]) -> Method {
        match token {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"PUT" => Method::Put,
            b"DELETE" => Method::Delete,
            b"PATCH" => Method::Patch,
            b"OPTIONS" => Method::Options,
            b"CONNECT" => Method::Connect,
            b"TRACE" => Method::Trace,
            _ => Method::Other,
        }
    }

    /// Its spelling; empty for [`Method::Other`].
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Patch => "PATCH",
            Method::Options => "OPTIONS",
            Method::Connect => "CONNECT",
            Method::Trace => "TRACE",
            Method::Other => "",
        }
    }

    /// Whether doing it twice equals doing it once, so that it may be retried.
    #[must_use]
    pub fn is_idempotent(self) -> bool {
        self.is_safe() || matches!(self, Method::Put | Method::Delete)
    }

    /// Whether it only reads.
    #[must_use]
    pub fn is_safe(self) -> bool {
        matches!(
            self,
            Method::Get | Method::Head | Method::Options | Method::Trace
        )
    }

    /// Whether the gateway refuses it wherever it points: tunnels and echoes.
    #[must_use]
    pub fn is_refused(self) -> bool {
        matches!(self, Method::Connect | Method::Trace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_round_trips_and_case_matters() {
        for word in [
            "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE",
        ] {
            assert_eq!(Method::of(word.as_bytes()).as_str(), word);
            assert_eq!(Method::of(word.to_lowercase().as_bytes()), Method::Other);
        }
        assert!(Method::Delete.is_idempotent() && !Method::Post.is_idempotent());
        assert!(!Method::Patch.is_idempotent() && !Method::Other.is_idempotent());
    }
}
