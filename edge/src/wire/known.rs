//! Field names that the gateway treats specially, found without comparing them all.
//!
//! Shape: an enum, a table of spellings and marks, and a hash table built by the compiler.
//! Units: none. Ranges: fewer than 128 names, so that a set of them is one `u128`.
//! Errors: none; a name not here is [`Known::Other`].
//! Source: RFC 9110 §7.6, §12; RFC 9112; RFC 7239; the AWS guide's list of special headers.

/// Marks of a name, as bits: meant for this connection only.
pub const HOP: u8 = 1;
/// Decides where a message ends or what a connection becomes.
pub const FRAMING: u8 = 2;
/// Decides who answers.
pub const ROUTING: u8 = 4;
/// Says who asks.
pub const IDENTITY: u8 = 8;
/// Says whence and how the request came.
pub const FORWARDING: u8 = 16;
/// Framing itself: never named in Connection.
pub const END_TO_END: u8 = 32;

macro_rules! known {
    ($($id:ident $name:literal $marks:expr;)*) => {
        /// A field name with a meaning to the gateway, or [`Known::Other`].
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
        #[repr(u8)]
        pub enum Known { $($id,)* #[default] Other }

        const ROWS: &[(Known, &str, u8)] = &[$((Known::$id, $name, $marks),)*];
    };
}

known! {
    Host "host" FRAMING | ROUTING;
    Connection "connection" HOP | FRAMING;
    ContentLength "content-length" FRAMING | END_TO_END;
    TransferEncoding "transfer-encoding" HOP | FRAMING | END_TO_END;
    Te "te" HOP | FRAMING;
    Trailer "trailer" HOP | FRAMING;
    Upgrade "upgrade" HOP | FRAMING;
    Expect "expect" FRAMING;
    KeepAlive "keep-alive" HOP | FRAMING;
    ProxyConnection "proxy-connection" HOP | FRAMING;
    ProxyAuthenticate "proxy-authenticate" HOP;
    ProxyAuthorization "proxy-authorization" HOP | IDENTITY;
    ProxyAuthenticationInfo "proxy-authentication-info" HOP;
    Http2Settings "http2-settings" HOP;
    MaxForwards "max-forwards" 0;
    Via "via" FORWARDING;
    Forwarded "forwarded" FORWARDING;
    XForwardedFor "x-forwarded-for" FORWARDING;
    XForwardedProto "x-forwarded-proto" FORWARDING;
    XForwardedHost "x-forwarded-host" FORWARDING | ROUTING;
    XForwardedPort "x-forwarded-port" FORWARDING;
    XForwardedPrefix "x-forwarded-prefix" FORWARDING | ROUTING;
    XForwardedServer "x-forwarded-server" FORWARDING;
    XRealIp "x-real-ip" FORWARDING;
    XRequestId "x-request-id" 0;
    XOriginalUrl "x-original-url" ROUTING;
    XRewriteUrl "x-rewrite-url" ROUTING;
    XHttpMethodOverride "x-http-method-override" ROUTING;
    Authorization "authorization" IDENTITY;
    Cookie "cookie" IDENTITY;
    SetCookie "set-cookie" IDENTITY;
    WwwAuthenticate "www-authenticate" IDENTITY;
    XApiKey "x-api-key" IDENTITY;
    XAmzDate "x-amz-date" IDENTITY;
    XAmzSecurityToken "x-amz-security-token" IDENTITY;
    XAmzContentSha256 "x-amz-content-sha256" IDENTITY;
    XAmzTarget "x-amz-target" ROUTING;
    XAmznRequestId "x-amzn-requestid" FORWARDING;
    XAmzApigwId "x-amz-apigw-id" 0;
    XAmznTraceId "x-amzn-trace-id" FORWARDING;
    XAmznApigatewayApiId "x-amzn-apigateway-api-id" FORWARDING;
    Traceparent "traceparent" 0;
    Tracestate "tracestate" 0;
    Origin "origin" 0;
    Referer "referer" 0;
    UserAgent "user-agent" 0;
    Accept "accept" 0;
    AcceptEncoding "accept-encoding" 0;
    AcceptLanguage "accept-language" 0;
    ContentType "content-type" 0;
    ContentEncoding "content-encoding" 0;
    ContentMd5 "content-md5" 0;
    ContentRange "content-range" 0;
    Range "range" 0;
    IfNoneMatch "if-none-match" 0;
    IfModifiedSince "if-modified-since" 0;
    IfRange "if-range" 0;
    Date "date" 0;
    Server "server" 0;
    Age "age" 0;
    CacheControl "cache-control" 0;
    Pragma "pragma" 0;
    Expires "expires" 0;
    Etag "etag" 0;
    LastModified "last-modified" 0;
    Vary "vary" 0;
    Location "location" 0;
    RetryAfter "retry-after" 0;
    SecWebSocketKey "sec-websocket-key" 0;
    SecWebSocketVersion "sec-websocket-version" 0;
    SecWebSocketProtocol "sec-websocket-protocol" 0;
    SecWebSocketExtensions "sec-websocket-extensions" 0;
    SecWebSocketAccept "sec-websocket-accept" 0;
}

impl Known {
    /// Number of known names.
    pub const COUNT: usize = ROWS.len();

    /// The name in `bytes`, in any case.
    #[must_use]
    #[inline]
    pub fn of(bytes: &[u8]) -> Known {
        Known::with_marks(bytes).0
    }

    /// The name in `bytes`, in any case, and its marks.
    #[must_use]
    #[inline]
    pub fn with_marks(bytes: &[u8]) -> (Known, u8) {
        let slot = slot_of(bytes);
        for probe in slot..=slot + PROBES_MAX {
            let Some((known, name, marks)) = ROWS.get(usize::from(SLOTS[probe % SLOTS_COUNT]))
            else {
                break;
            };
            if is_name(bytes, name.as_bytes()) {
                return (*known, *marks);
            }
        }
        (Known::Other, 0)
    }

    /// What a lenient reader would take `bytes` for: `_` read as `-`.
    #[must_use]
    pub fn of_disguised(bytes: &[u8]) -> Known {
        let mut name = [0u8; NAME_BYTES_MAX];
        let Some(name) = name.get_mut(..bytes.len()) else {
            return Known::Other;
        };
        for (to, &from) in name.iter_mut().zip(bytes) {
            *to = if from == b'_' { b'-' } else { from };
        }
        Known::of(name)
    }

    /// Its lower-case spelling; empty for [`Known::Other`].
    #[must_use]
    pub fn name(self) -> &'static str {
        ROWS.get(self.index()).map_or("", |row| row.1)
    }

    /// Its marks, as bits.
    #[must_use]
    #[inline]
    pub fn marks(self) -> u8 {
        ROWS.get(self.index()).map_or(0, |row| row.2)
    }

    /// Its bit in a set of names; 0 for [`Known::Other`], which no set holds.
    #[must_use]
    #[inline]
    pub fn bit(self) -> u128 {
        if self == Known::Other {
            0
        } else {
            1 << self.index()
        }
    }

    /// Its place among the known names.
    #[must_use]
    #[inline]
    pub fn index(self) -> usize {
        self as usize
    }

    /// Marks that no `_` spelling and no trailer may have.
    pub const GUARDED: u8 = FRAMING | ROUTING | IDENTITY | FORWARDING;
    /// Marks that Connection may not name.
    pub const NOT_PER_HOP: u8 = ROUTING | IDENTITY | FORWARDING | END_TO_END;
}

/// Bytes of the longest known name, rounded up.
pub const NAME_BYTES_MAX: usize = 32;
const SLOTS_COUNT: usize = 512;
const PROBES_MAX: usize = 2;
const EMPTY: u8 = u8::MAX;

/// Whether `bytes` spells `name` in any case, eight bytes at a time. Known names are lower-case
/// letters, digits and `-`; what else becomes one of those by the case bit is a control character,
/// which neither a token nor a field value holds.
#[inline]
fn is_name(bytes: &[u8], name: &[u8]) -> bool {
    if bytes.len() != name.len() {
        return false;
    }
    let ends8 = (bytes.last_chunk(), name.last_chunk());
    if let (Some(end), Some(name_end)) = ends8 {
        let (chunks, _) = bytes.as_chunks::<8>();
        let (name_chunks, _) = name.as_chunks::<8>();
        let pairs = chunks.iter().zip(name_chunks);
        let differs = pairs.fold(0, |seen, (a, b)| seen | difference8(a, b));
        return differs | difference8(end, name_end) == 0;
    }
    if let (Some(start), Some(name_start)) = (bytes.first_chunk(), name.first_chunk())
        && let (Some(end), Some(name_end)) = (bytes.last_chunk(), name.last_chunk())
    {
        return difference4(start, name_start) | difference4(end, name_end) == 0;
    }
    bytes.iter().zip(name).all(|(a, b)| a | 0x20 == *b)
}

#[inline]
fn difference8(bytes: &[u8; 8], name: &[u8; 8]) -> u64 {
    (u64::from_ne_bytes(*bytes) | 0x2020_2020_2020_2020) ^ u64::from_ne_bytes(*name)
}

#[inline]
fn difference4(bytes: &[u8; 4], name: &[u8; 4]) -> u32 {
    (u32::from_ne_bytes(*bytes) | 0x2020_2020) ^ u32::from_ne_bytes(*name)
}

/// Names differ in length, ends and middle; multiplying spreads those over the slots.
#[inline]
const fn slot_of(bytes: &[u8]) -> usize {
    let len = bytes.len();
    if len < 2 {
        return 0;
    }
    let first = (bytes[0] | 0x20) as usize;
    let last = (bytes[len - 1] | 0x20) as usize;
    let middle = (bytes[len / 2] | 0x20) as usize;
    let mixed = len * 37 + first * 7 + last * 131 + middle * 61;
    mixed % SLOTS_COUNT
}

static SLOTS: [u8; SLOTS_COUNT] = {
    assert!(ROWS.len() < 128);
    let mut slots = [EMPTY; SLOTS_COUNT];
    let mut row = 0;
    while row < ROWS.len() {
        assert!(ROWS[row].0 as usize == row);
        let name = ROWS[row].1.as_bytes();
        assert!(name.len() >= 2 && name.len() <= NAME_BYTES_MAX);
        let mut slot = slot_of(name);
        let mut probes = 0;
        while slots[slot % SLOTS_COUNT] != EMPTY {
            slot += 1;
            probes += 1;
            assert!(probes <= PROBES_MAX, "spread the hash better");
        }
        // Fewer than 128 rows, asserted above.
        #[allow(clippy::cast_possible_truncation)]
        let index = row as u8;
        slots[slot % SLOTS_COUNT] = index;
        row += 1;
    }
    slots
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case_and_nothing_near_it() {
        for (known, name, _) in ROWS {
            assert_eq!(Known::of(name.as_bytes()), *known);
            assert_eq!(Known::of(name.to_uppercase().as_bytes()), *known);
            assert_eq!(known.name(), *name);
            let longer = format!("{name}x");
            assert_eq!(Known::of(longer.as_bytes()), Known::Other);
            let disguised = name.replace('-', "_");
            assert_eq!(Known::of_disguised(disguised.as_bytes()), *known);
            if disguised != *name {
                assert_eq!(Known::of(disguised.as_bytes()), Known::Other);
            }
        }
        for other in ["", "x", "hos", "content-lengtH\u{7f}", "@ost"] {
            assert_eq!(Known::of(other.as_bytes()), Known::Other, "{other}");
        }
        assert_eq!(Known::Other.bit(), 0);
    }
}
