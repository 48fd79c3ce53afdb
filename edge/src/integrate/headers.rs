//! What becomes of a header field on each of its ways through an integration.
//!
//! Shape: a [`Way`], a [`Kind`] of integration and a name in, a [`Fate`] out. Units: none. Ranges:
//! names in any case. Errors: none; [`Fate::Refuse`] is answered with 500. Source: Amazon API
//! Gateway developer guide, "known issues" and "header mapping"; recorded lists. Ours: hop-by-hop
//! fields never pass, so that no mapping reframes a message; an endpoint's `x-amz-apigw-id`, of which
//! nothing is recorded, makes room for the gateway's as `x-amzn-requestid` does.

use crate::wire::{
    fields::{Field, Onward},
    known::{HOP, Known},
};

pub use crate::wire::fields::REMAPPED_PREFIX;

/// The kinds of integrations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The gateway answers itself.
    Mock,
    /// An HTTP endpoint behind mappings.
    Http,
    /// An HTTP endpoint that sees the client's request.
    HttpProxy,
    /// A service or function behind mappings.
    Aws,
    /// A function that gets the request as an event.
    AwsProxy,
}

/// Whence a field comes and where it goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// The client's own field, to the integration.
    ClientToBackend,
    /// Set by a mapping or a template, to the integration.
    MappingToBackend,
    /// The backend's or function's own field, to the client.
    BackendToClient,
    /// Set by a mapping or a template, to the client.
    MappingToClient,
}

/// What happens to a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Goes on as it is.
    Pass,
    /// Silently left out.
    Drop,
    /// Goes on behind [`REMAPPED_PREFIX`].
    Rename,
    /// The whole request is answered with 500.
    Refuse,
}

/// Whether a field of the client is ever seen: by mappings, templates and events.
#[must_use]
pub fn is_visible(name: &[u8]) -> bool {
    is_visible_known(Known::of(name))
}

fn is_visible_known(known: Known) -> bool {
    !matches!(
        known,
        Known::Connection
            | Known::ContentLength
            | Known::ContentMd5
            | Known::Expect
            | Known::MaxForwards
            | Known::ProxyAuthenticate
            | Known::Server
            | Known::Te
            | Known::TransferEncoding
            | Known::Trailer
            | Known::Upgrade
            | Known::WwwAuthenticate
    )
}

/// What becomes of the field `name`.
#[must_use]
pub fn fate(way: Way, kind: Kind, name: &[u8]) -> Fate {
    match way {
        Way::ClientToBackend => client_to_backend(kind, name),
        Way::MappingToBackend => mapping_to_backend(kind, name),
        Way::BackendToClient => backend_to_client(kind, name),
        Way::MappingToClient => mapping_to_client(name),
    }
}

/// The same in an HTTP API, which keeps no second name for what is its own.
#[must_use]
pub fn fate_in_http_apis(way: Way, kind: Kind, name: &[u8]) -> Fate {
    match fate(way, kind, name) {
        Fate::Rename if Known::of(name) == Known::WwwAuthenticate => Fate::Pass,
        Fate::Rename => Fate::Drop,
        other => other,
    }
}

fn client_to_backend(kind: Kind, name: &[u8]) -> Fate {
    if !is_visible(name) {
        return Fate::Drop;
    }
    let (known, marks) = Known::with_marks(name);
    let passes = match kind {
        Kind::Mock => false,
        // What these send is mapped; the payload keeps its type.
        Kind::Http | Kind::Aws => known == Known::ContentType,
        Kind::HttpProxy => proxied_to_backend(known, marks & HOP != 0),
        Kind::AwsProxy => true,
    };
    if passes { Fate::Pass } else { Fate::Drop }
}

/// Whether a client's field of this name passes through an `HTTP_PROXY`.
fn proxied_to_backend(known: Known, is_hop: bool) -> bool {
    let is_ours = matches!(known, Known::Host | Known::ContentEncoding | Known::Via);
    is_visible_known(known) && !is_ours && !is_hop
}

/// Whether a client's field passes through an `HTTP_PROXY` whose payloads pass as they are coded.
#[must_use]
#[inline]
pub fn streams_to_backend(field: &Field) -> bool {
    let is_coding = field.known == Known::ContentEncoding && !field.hop_by_hop;
    is_coding || proxied_to_backend(field.known, field.hop_by_hop)
}

/// What becomes of a backend's field in an `HTTP_PROXY` whose payloads pass as they are coded.
#[must_use]
#[inline]
pub fn streams_to_client(field: &Field) -> Onward {
    if field.hop_by_hop && field.known != Known::Connection {
        return Onward::Ends;
    }
    match proxied_to_client(field.known, field.hop_by_hop) {
        _ if field.known == Known::ContentEncoding => Onward::Same,
        Fate::Rename => Onward::Remapped,
        Fate::Pass => Onward::Same,
        Fate::Drop | Fate::Refuse => Onward::Ends,
    }
}

fn mapping_to_backend(kind: Kind, name: &[u8]) -> Fate {
    // A server that turns `_` into `-` must not see what is refused.
    let known = Known::of_disguised(name);
    let is_service = matches!(kind, Kind::Aws | Kind::AwsProxy);
    match known {
        Known::ContentLength
        | Known::TransferEncoding
        | Known::XAmznTraceId
        | Known::XAmznApigatewayApiId => Fate::Refuse,
        Known::Authorization
        | Known::Connection
        | Known::Expect
        | Known::ProxyAuthenticate
        | Known::Te
            if is_service =>
        {
            Fate::Refuse
        }
        // Their mappings are checked, but nothing is sent.
        _ if matches!(kind, Kind::AwsProxy | Kind::Mock) => Fate::Drop,
        _ if is_of_connection(known) => Fate::Drop,
        Known::Referer if is_service => Fate::Drop,
        _ => Fate::Pass,
    }
}

/// What speaks of one connection. Recorded for the first five; the others are ours, so that nobody
/// reframes a message.
fn is_of_connection(known: Known) -> bool {
    matches!(
        known,
        Known::Connection
            | Known::Expect
            | Known::ProxyAuthenticate
            | Known::Te
            | Known::Via
            | Known::Trailer
            | Known::Upgrade
            | Known::KeepAlive
            | Known::ProxyConnection
            | Known::Http2Settings
    )
}

/// Whether a field of this name frames messages or speaks of one connection, so that no setting
/// may claim it.
#[must_use]
pub fn is_reserved(name: &[u8]) -> bool {
    let known = Known::of_disguised(name);
    is_of_connection(known) || matches!(known, Known::ContentLength | Known::TransferEncoding)
}

fn backend_to_client(kind: Kind, name: &[u8]) -> Fate {
    let (known, marks) = Known::with_marks(name);
    match kind {
        // What their clients get is mapped.
        Kind::Mock | Kind::Http | Kind::Aws => Fate::Drop,
        Kind::HttpProxy => proxied_to_client(known, marks & HOP != 0),
        Kind::AwsProxy => match known {
            Known::Connection
            | Known::ContentLength
            | Known::Date
            | Known::Server
            | Known::WwwAuthenticate => Fate::Rename,
            _ if marks & HOP != 0 => Fate::Drop,
            _ => Fate::Pass,
        },
    }
}

fn proxied_to_client(known: Known, is_hop: bool) -> Fate {
    match known {
        Known::Connection
        | Known::ContentLength
        | Known::Date
        | Known::Server
        | Known::XAmznRequestId
        | Known::XAmzApigwId => Fate::Rename,
        Known::ContentEncoding | Known::Via => Fate::Drop,
        _ if is_hop => Fate::Drop,
        _ => Fate::Pass,
    }
}

fn mapping_to_client(name: &[u8]) -> Fate {
    let (known, marks) = Known::with_marks(name);
    match known {
        Known::Authorization
        | Known::Connection
        | Known::ContentLength
        | Known::ContentMd5
        | Known::Date
        | Known::Expect
        | Known::Host
        | Known::MaxForwards
        | Known::ProxyAuthenticate
        | Known::Server
        | Known::Trailer
        | Known::Upgrade
        | Known::UserAgent
        | Known::WwwAuthenticate => Fate::Rename,
        _ if marks & HOP != 0 => Fate::Drop,
        _ => Fate::Pass,
    }
}

/// Whether an HTTP API's mapping may not name this field.
#[must_use]
pub fn is_reserved_in_http_apis(name: &[u8]) -> bool {
    const PREFIXES: &[&[u8]] = &[
        b"access-control-",
        b"apigw-",
        b"proxy-",
        b"x-amz-",
        b"x-amzn-",
    ];
    const NAMES: &[&[u8]] = &[
        b"authorization",
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-location",
        b"forwarded",
        b"keep-alive",
        b"origin",
        b"te",
        b"trailer",
        b"trailers",
        b"transfer-encoding",
        b"upgrade",
        b"via",
        b"x-apigateway-api-id",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
    ];
    let starts = |prefix: &&[u8]| {
        (name.get(..prefix.len())).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    PREFIXES.iter().any(starts) || NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `kind name …` rows of one way; `+` pass, `-` drop, `r` rename, `!` refuse.
    const ROWS: &[(Way, Kind, char, &str)] = &[
        (Way::ClientToBackend, Kind::AwsProxy, '-', ENTRY),
        (Way::ClientToBackend, Kind::HttpProxy, '-', ENTRY),
        (Way::ClientToBackend, Kind::Http, '-', ENTRY),
        (
            Way::ClientToBackend,
            Kind::HttpProxy,
            '-',
            "Host Content-Encoding Via Keep-Alive",
        ),
        (
            Way::ClientToBackend,
            Kind::HttpProxy,
            '+',
            "Accept Cookie Content-Type X-A Authorization",
        ),
        (
            Way::ClientToBackend,
            Kind::AwsProxy,
            '+',
            "Host Content-Encoding Via Authorization X-A",
        ),
        (Way::ClientToBackend, Kind::Http, '+', "content-type"),
        (
            Way::ClientToBackend,
            Kind::Http,
            '-',
            "Accept User-Agent X-A Host",
        ),
        (Way::ClientToBackend, Kind::Mock, '-', "Content-Type X-A"),
        (Way::MappingToBackend, Kind::Http, '!', REFUSED),
        (Way::MappingToBackend, Kind::HttpProxy, '!', REFUSED),
        (Way::MappingToBackend, Kind::Aws, '!', REFUSED),
        (Way::MappingToBackend, Kind::AwsProxy, '!', REFUSED),
        (Way::MappingToBackend, Kind::Aws, '!', REFUSED_BY_SERVICES),
        (
            Way::MappingToBackend,
            Kind::AwsProxy,
            '!',
            REFUSED_BY_SERVICES,
        ),
        (
            Way::MappingToBackend,
            Kind::Http,
            '!',
            "content_length X_Amzn_Trace_Id",
        ),
        (
            Way::MappingToBackend,
            Kind::Http,
            '-',
            "Connection Expect Proxy-Authenticate TE Via",
        ),
        (
            Way::MappingToBackend,
            Kind::HttpProxy,
            '-',
            "Connection Expect Proxy-Authenticate TE Via",
        ),
        (Way::MappingToBackend, Kind::Aws, '-', "Via Referer"),
        (
            Way::MappingToBackend,
            Kind::AwsProxy,
            '-',
            "X-A Referer Accept",
        ),
        (Way::MappingToBackend, Kind::Http, '+', PASSED),
        (Way::MappingToBackend, Kind::HttpProxy, '+', PASSED),
        (
            Way::MappingToBackend,
            Kind::Aws,
            '+',
            "Content-Type X-Amz-Target X-Amz-Invocation-Type",
        ),
        // Recorded as passed; dropped here, as they speak of the connection.
        (
            Way::MappingToBackend,
            Kind::Http,
            '-',
            "Trailer Upgrade Keep-Alive",
        ),
        (
            Way::BackendToClient,
            Kind::HttpProxy,
            'r',
            "Connection Content-Length Date Server",
        ),
        (
            Way::BackendToClient,
            Kind::HttpProxy,
            'r',
            "x-amzn-requestid X-Amzn-RequestId x-amz-apigw-id",
        ),
        (
            Way::BackendToClient,
            Kind::HttpProxy,
            '-',
            "Content-Encoding Via Transfer-Encoding",
        ),
        (
            Way::BackendToClient,
            Kind::HttpProxy,
            '+',
            "Content-Type Set-Cookie WWW-Authenticate X-A",
        ),
        (
            Way::BackendToClient,
            Kind::AwsProxy,
            'r',
            "Connection Content-Length Date Server",
        ),
        (
            Way::BackendToClient,
            Kind::AwsProxy,
            '-',
            "Transfer-Encoding Keep-Alive",
        ),
        (
            Way::BackendToClient,
            Kind::AwsProxy,
            '+',
            "Content-Type Set-Cookie Content-Encoding Via",
        ),
        (
            Way::BackendToClient,
            Kind::Http,
            '-',
            "Content-Type X-A Date",
        ),
        (Way::MappingToClient, Kind::Http, 'r', RENAMED),
        (Way::MappingToClient, Kind::Aws, 'r', RENAMED),
        (Way::MappingToClient, Kind::Mock, 'r', RENAMED),
        (
            Way::MappingToClient,
            Kind::Http,
            '-',
            "Transfer-Encoding transfer-encoding",
        ),
        (
            Way::MappingToClient,
            Kind::Http,
            '+',
            "Content-Type Access-Control-Allow-Origin Via Age",
        ),
    ];

    const ENTRY: &str = "Connection Content-Length Content-MD5 Expect Max-Forwards \
        Proxy-Authenticate Server TE Transfer-Encoding Trailer Upgrade WWW-Authenticate \
        connection TRAILER te";
    const REFUSED: &str = "Content-Length Transfer-Encoding x-amzn-trace-id \
        X-Amzn-Apigateway-Api-Id content-length";
    const REFUSED_BY_SERVICES: &str = "Authorization Connection Expect Proxy-Authenticate TE";
    const PASSED: &str = "Accept Accept-Encoding Accept-Language Age Authorization \
        Content-Encoding Content-MD5 Content-Type Date Host Max-Forwards Pragma Range Referer \
        Server User-Agent Warn WWW-Authenticate X-Own";
    const RENAMED: &str = "Authorization Connection Content-Length Content-MD5 Date Expect Host \
        Max-Forwards Proxy-Authenticate Server Trailer Upgrade User-Agent WWW-Authenticate date";

    #[test]
    fn fates_are_the_recorded_ones() {
        for (way, kind, mark, names) in ROWS {
            let expected = match mark {
                '+' => Fate::Pass,
                '-' => Fate::Drop,
                'r' => Fate::Rename,
                _ => Fate::Refuse,
            };
            for name in names.split_whitespace() {
                let found = fate(*way, *kind, name.as_bytes());
                assert_eq!(found, expected, "{way:?} {kind:?} {name}");
            }
        }
        for name in ENTRY.split_whitespace() {
            assert!(!is_visible(name.as_bytes()), "{name}");
        }
        for name in "Te content_length Transfer-Encoding VIA Http2-Settings".split_whitespace() {
            assert!(is_reserved(name.as_bytes()), "{name}");
        }
        for name in ["X-Request-Id", "X-Amzn-Trace-Id", "Host", ""] {
            assert!(!is_reserved(name.as_bytes()), "{name}");
        }
        for name in ["Host", "Via", "Content-Encoding", "X-A", ""] {
            assert!(is_visible(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn http_apis_keep_no_second_names() {
        let rows = [
            (
                Kind::HttpProxy,
                Fate::Drop,
                "Connection Content-Length Date Server x-amzn-requestid",
            ),
            (
                Kind::HttpProxy,
                Fate::Drop,
                "Via Content-Encoding Transfer-Encoding",
            ),
            (
                Kind::AwsProxy,
                Fate::Drop,
                "Connection Content-Length Date Server Keep-Alive",
            ),
            (
                Kind::HttpProxy,
                Fate::Pass,
                "WWW-Authenticate X-A Set-Cookie",
            ),
            (
                Kind::AwsProxy,
                Fate::Pass,
                "WWW-Authenticate X-A Content-Encoding",
            ),
        ];
        for (kind, expected, names) in rows {
            for name in names.split_whitespace() {
                let found = fate_in_http_apis(Way::BackendToClient, kind, name.as_bytes());
                assert_eq!(found, expected, "{kind:?} {name}");
            }
        }
    }

    #[test]
    fn names_reserved_in_http_apis() {
        let reserved = "access-control-allow-origin apigw-requestid Authorization connection \
            content-encoding content-length content-location forwarded keep-alive origin \
            proxy-authenticate te trailer trailers transfer-encoding upgrade x-amz-date \
            x-amzn-trace-id x-apigateway-api-id x-forwarded-for x-forwarded-host \
            X-Forwarded-Proto via";
        for name in reserved.split_whitespace() {
            assert!(is_reserved_in_http_apis(name.as_bytes()), "{name}");
        }
        for name in [
            "x-am",
            "x-forwarded-port",
            "viaduct",
            "x-a",
            "content-type",
            "tea",
            "",
        ] {
            assert!(!is_reserved_in_http_apis(name.as_bytes()), "{name}");
        }
    }
}
