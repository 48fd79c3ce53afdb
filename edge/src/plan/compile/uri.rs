//! Integration URIs, `match` patterns and endpoint URLs.
//!
//! Shape: [`Authority`] is scheme, host and port; the rest of a URI stays text with `{name}`.
//! Units: bytes. Ranges: ports 1 to 65,535. Errors: [`UriFault`], one sentence each.
//! Source: RFC 3986 section 3; Amazon API Gateway developer guide, "stage variables".

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use crate::origin::EndpointHost;

/// Scheme, host and port of a URI.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Authority {
    pub(super) tls: bool,
    /// Lower case; an IPv6 address in brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

/// What is wrong with a URI.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum UriFault {
    #[error("`{0}` starts with neither `https://` nor `http://`")]
    Scheme(String),
    #[error("the URI has a user name; credentials do not belong there")]
    UserInfo,
    #[error("`{0}` is no host name or address")]
    Host(String),
    #[error("`{0}` is no port")]
    Port(String),
    #[error("the URI has a fragment (`#`), which is never sent")]
    Fragment,
    #[error("`{0}` cannot stand in a URI; write it percent-encoded")]
    Character(char),
    #[error("the URI's path has a `.` or `..` segment")]
    DotSegment,
    #[error("`{0}` has a path or query; only scheme, host and port stand here")]
    NotBare(String),
    #[error("the braces in `{0}` do not pair up")]
    Braces(String),
}

/// A URI cut at its authority.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Uri<'t> {
    pub(super) authority: Authority,
    /// From the first `/`, or empty.
    pub(super) path: &'t str,
    pub(super) query: &'t str,
}

/// Cuts `text`; path and query may hold `{name}`.
pub(super) fn parse(text: &str) -> Result<Uri<'_>, UriFault> {
    let (tls, rest) = scheme(text)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    if rest.contains('#') {
        return Err(UriFault::Fragment);
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    for part in [path, query] {
        if let Some(bad) = part.chars().find(|c| !is_uri_char(*c)) {
            return Err(UriFault::Character(bad));
        }
    }
    if path
        .split('/')
        .any(|segment| segment == "." || segment == "..")
    {
        return Err(UriFault::DotSegment);
    }
    Ok(Uri {
        authority: self::authority(tls, authority)?,
        path,
        query,
    })
}

/// Reads `scheme://host[:port]`, one trailing slash allowed.
pub(super) fn parse_bare(text: &str) -> Result<Authority, UriFault> {
    let uri = parse(text)?;
    if !matches!(uri.path, "" | "/") || text.contains('?') {
        return Err(UriFault::NotBare(text.to_owned()));
    }
    Ok(uri.authority)
}

/// Names in `${stageVariables.NAME}` that are not defined; they render as empty.
pub(super) fn undefined<'t>(text: &'t str, variables: &BTreeMap<String, String>) -> Vec<&'t str> {
    let uses = text.split("${stageVariables.").skip(1);
    uses.filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name)
        .filter(|name| !variables.contains_key(*name))
        .collect()
}

/// A piece of a template.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Piece<'t> {
    Literal(&'t str),
    /// The name between braces, without a plus.
    Name {
        name: &'t str,
        written: &'t str,
    },
}

/// Cuts `text` at `{name}`.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, UriFault> {
    let braces = || UriFault::Braces(text.to_owned());
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (literal, tail) = rest.split_at(at);
        let inner = tail.strip_prefix('{').ok_or_else(braces)?;
        let end = inner.find(['{', '}']).ok_or_else(braces)?;
        if !inner[end..].starts_with('}') {
            return Err(braces());
        }
        if !literal.is_empty() {
            found.push(Piece::Literal(literal));
        }
        let name = &inner[..end];
        found.push(Piece::Name {
            name: name.strip_suffix('+').unwrap_or(name),
            written: &tail[..end + 2],
        });
        rest = &inner[end + 1..];
    }
    if !rest.is_empty() {
        found.push(Piece::Literal(rest));
    }
    Ok(found)
}

impl Authority {
    /// `host`, or `host:port` when the port is not the scheme's.
    pub(super) fn host_field(&self) -> String {
        if self.port == default_port(self.tls) {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    pub(super) fn endpoint_host(&self) -> EndpointHost {
        let bare = self.bare_host();
        match bare.parse::<IpAddr>() {
            Ok(address) => EndpointHost::Address(address),
            Err(_) => EndpointHost::Name(bare.into()),
        }
    }

    /// The host without brackets, as a TLS name.
    pub(super) fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(out, "{scheme}://{}", self.host_field())
    }
}

const fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

fn scheme(text: &str) -> Result<(bool, &str), UriFault> {
    let known = [("https://", true), ("http://", false)];
    for (prefix, tls) in known {
        if let Some(head) = text.get(..prefix.len())
            && head.eq_ignore_ascii_case(prefix)
        {
            return Ok((tls, &text[prefix.len()..]));
        }
    }
    Err(UriFault::Scheme(text.to_owned()))
}

fn authority(tls: bool, text: &str) -> Result<Authority, UriFault> {
    if text.contains('@') {
        return Err(UriFault::UserInfo);
    }
    let split_from = text.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match text[split_from..].find(':') {
        Some(at) => {
            let (host, port) = text.split_at(split_from + at);
            let port = &port[1..];
            let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            let number = port.parse::<u16>().ok().filter(|port| digits && *port > 0);
            (host, number.ok_or_else(|| UriFault::Port(port.to_owned()))?)
        }
        None => (text, default_port(tls)),
    };
    let host = host.to_ascii_lowercase();
    if !is_host(&host) {
        return Err(UriFault::Host(host));
    }
    Ok(Authority { tls, host, port })
}

fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[') {
        let address = inner.strip_suffix(']').map(str::parse::<Ipv6Addr>);
        return matches!(address, Some(Ok(_)));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    // A last label of digits only is an IPv4 address, or a typing error.
    let numeric = host
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    host.len() <= 253
        && host.strip_suffix('.').unwrap_or(host).split('.').all(label)
        && (!numeric || host.parse::<std::net::Ipv4Addr>().is_ok())
}

/// What may stand in a path or query, braces included.
fn is_uri_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~:/?@!$&'()*+,;=%{}[]".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_read_or_refuse() {
        let rows: &[(&str, &str)] = &[
            ("https://a.example", "https://a.example | | "),
            ("HTTPS://A.Example:443/x/{p}", "https://a.example |/x/{p}| "),
            ("http://a:8080?q=1", "http://a:8080 | |q=1"),
            ("http://[::1]:9000/", "http://[::1]:9000 |/| "),
            ("http://127.0.0.1/a?b={c}&d", "http://127.0.0.1 |/a|b={c}&d"),
            ("ftp://a", "starts with neither"),
            ("arn:aws:apigateway:x", "starts with neither"),
            ("https:/a", "starts with neither"),
            ("https://", "is no host name"),
            ("https://{host}/x", "is no host name"),
            ("https://a b/", "is no host name"),
            ("https://1.2.3.400/", "is no host name"),
            ("https://u:p@a/", "user name"),
            ("https://a:0/", "`0` is no port"),
            ("https://a:+80/", "`+80` is no port"),
            ("https://a:65536/", "`65536` is no port"),
            ("https://a:/", "`` is no port"),
            ("https://a/#x", "fragment"),
            ("https://a/b c", "` ` cannot stand"),
            ("https://a/ä", "`ä` cannot stand"),
            ("https://a/b/../c", "segment"),
            ("https://a/b\\c", "`\\` cannot stand"),
        ];
        let or_space = |text: &str| if text.is_empty() { " " } else { text }.to_owned();
        for (given, expected) in rows {
            let seen = match parse(given) {
                Ok(uri) => format!(
                    "{} |{}|{}",
                    uri.authority,
                    or_space(uri.path),
                    or_space(uri.query)
                ),
                Err(fault) => fault.to_string(),
            };
            assert!(seen.contains(expected), "{given}: {seen}");
        }
        assert!(parse_bare("https://a/").is_ok());
        assert!(parse_bare("https://a/x").is_err());
        assert!(parse_bare("https://a?").is_err());
    }

    #[test]
    fn templates_are_cut_at_names() {
        assert_eq!(
            pieces("/a/{b}{c+}.x"),
            Ok(vec![
                Piece::Literal("/a/"),
                Piece::Name {
                    name: "b",
                    written: "{b}"
                },
                Piece::Name {
                    name: "c",
                    written: "{c+}"
                },
                Piece::Literal(".x"),
            ])
        );
        for bad in ["{", "}", "{a{b}}", "a}b"] {
            assert!(pieces(bad).is_err(), "{bad}");
        }
        let variables = BTreeMap::from([("v".to_owned(), "1".to_owned())]);
        let text = "a${stageVariables.v}b${stageVariables.w}c${stageVariables.x";
        assert_eq!(undefined(text, &variables), ["w"]);
    }
}
