//! CORS of HTTP APIs: what the gateway says for the browser, in the place of the integration.
//!
//! Shape: [`Cors::compile`] prepares every field; a request gets either the answer to its
//! preflight or the fields of its answer, and [`is_cors_field`] names those that an integration
//! cannot set. Units: seconds. Ranges: a preflight is kept -1 to 86,400 seconds. Errors:
//! [`CorsFault`], with a pointer below `corsConfiguration`; requests have none. Source: Amazon API
//! Gateway developer guide, "configure CORS for HTTP APIs"; Fetch standard, "CORS protocol".

use crate::wire::token;

/// `corsConfiguration` as it is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct CorsSettings<'s> {
    /// `*`, `http://*`, `https://*`, or origins.
    pub allow_origins: &'s [&'s str],
    /// Methods, or `*`.
    pub allow_methods: &'s [&'s str],
    /// Header names, or `*`.
    pub allow_headers: &'s [&'s str],
    /// Header names, or `*`.
    pub expose_headers: &'s [&'s str],
    /// Whether a browser may send cookies and credentials.
    pub allow_credentials: bool,
    /// How long a browser keeps the answer to a preflight; -1: not at all.
    pub max_age_s: Option<i64>,
}

/// What is wrong with a `corsConfiguration`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{pointer}: {reason}")]
pub struct CorsFault {
    /// Place below `corsConfiguration`, as `/allowOrigins/0`.
    pub pointer: String,
    /// What is wrong there.
    pub reason: String,
}

/// Longest time that a browser may keep the answer to a preflight.
pub const MAX_AGE_S_MAX: i64 = 86_400;

/// A compiled `corsConfiguration`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cors {
    origins: Origins,
    allows_credentials: bool,
    /// Lists as they are sent; empty: not sent.
    methods: Box<[u8]>,
    headers: Box<[u8]>,
    exposed: Box<[u8]>,
    max_age: Box<[u8]>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Origins {
    Any,
    Some {
        any_http: bool,
        any_https: bool,
        /// In lower case, sorted.
        exact: Box<[Box<str>]>,
    },
}

/// Whether this is a preflight, which the gateway answers with 204 on every path of the API.
#[must_use]
pub fn is_preflight(
    is_options: bool,
    origin: Option<&[u8]>,
    request_method: Option<&[u8]>,
) -> bool {
    is_options && origin.is_some() && request_method.is_some()
}

/// Whether an integration's field has to give way. It does so in every answer of an API with a
/// `corsConfiguration`, whether the request has an `Origin` or not.
#[must_use]
pub fn is_cors_field(name: &[u8]) -> bool {
    const PREFIX: &[u8] = b"access-control-";
    name.get(..PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

impl Cors {
    /// Compiles a `corsConfiguration`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn compile(settings: &CorsSettings<'_>) -> Result<Cors, Vec<CorsFault>> {
        let mut faults = Vec::new();
        let origins = origins(settings, &mut faults);
        let methods = list("allowMethods", settings.allow_methods, &mut faults);
        let headers = list("allowHeaders", settings.allow_headers, &mut faults);
        let exposed = list("exposeHeaders", settings.expose_headers, &mut faults);
        let max_age = match settings.max_age_s {
            Some(age @ -1..=MAX_AGE_S_MAX) => age.to_string().into_bytes(),
            Some(_) => {
                let reason = format!("a number of seconds, -1 to {MAX_AGE_S_MAX}");
                faults.push(fault("/maxAge".to_owned(), &reason));
                Vec::new()
            }
            None => Vec::new(),
        };
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Cors {
            origins,
            allows_credentials: settings.allow_credentials,
            methods,
            headers,
            exposed,
            max_age: max_age.into(),
        })
    }

    /// Hands out the fields of the answer to a preflight, which is a 204 without a body. There are
    /// none for an origin that is not allowed.
    pub fn preflight<'f>(
        &'f self,
        origin: &'f [u8],
        mut field: impl FnMut(&'static str, &'f [u8]),
    ) {
        self.vary(&mut field);
        if !self.allow(origin, &mut field) {
            return;
        }
        for (name, value) in [
            ("access-control-allow-methods", &self.methods),
            ("access-control-allow-headers", &self.headers),
            ("access-control-max-age", &self.max_age),
        ] {
            if !value.is_empty() {
                field(name, value);
            }
        }
    }

    /// Hands out the fields that an answer gets; the integration's own [CORS
    /// fields](is_cors_field) are gone, and its `Vary` stays.
    pub fn answer<'f>(
        &'f self,
        origin: Option<&'f [u8]>,
        mut field: impl FnMut(&'static str, &'f [u8]),
    ) {
        self.vary(&mut field);
        let Some(origin) = origin else { return };
        if self.allow(origin, &mut field) && !self.exposed.is_empty() {
            field("access-control-expose-headers", &self.exposed);
        }
    }

    /// What a cache has to know of an answer that depends on the origin.
    fn vary<'f>(&self, field: &mut impl FnMut(&'static str, &'f [u8])) {
        if self.origins != Origins::Any {
            field("vary", b"origin");
        }
    }

    /// The fields that name the origin, if it is allowed.
    fn allow<'f>(&self, origin: &'f [u8], field: &mut impl FnMut(&'static str, &'f [u8])) -> bool {
        let echoed: &'f [u8] = match &self.origins {
            Origins::Any => b"*",
            Origins::Some { .. } if self.allows(origin) => origin,
            Origins::Some { .. } => return false,
        };
        field("access-control-allow-origin", echoed);
        if self.allows_credentials {
            field("access-control-allow-credentials", b"true");
        }
        true
    }

    /// Whether this value of `Origin` is allowed.
    #[must_use]
    pub fn allows(&self, origin: &[u8]) -> bool {
        let Origins::Some {
            any_http,
            any_https,
            exact,
        } = &self.origins
        else {
            return true;
        };
        if origin.len() > ORIGIN_BYTES_MAX || !token::all(origin, token::VALUE) {
            return false;
        }
        let has_scheme = |scheme: &[u8]| {
            let start = origin.get(..scheme.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
                && is_authority(origin.get(scheme.len()..).unwrap_or(&[]))
        };
        if *any_https && has_scheme(b"https://") || *any_http && has_scheme(b"http://") {
            return true;
        }
        let folded = |byte: &u8| byte.to_ascii_lowercase();
        exact
            .binary_search_by(|known| known.bytes().cmp(origin.iter().map(folded)))
            .is_ok()
    }
}

fn origins(settings: &CorsSettings<'_>, faults: &mut Vec<CorsFault>) -> Origins {
    let (mut any, mut any_http, mut any_https) = (false, false, false);
    let mut exact = Vec::new();
    for (at, origin) in settings.allow_origins.iter().enumerate() {
        let folded = origin.to_ascii_lowercase();
        match folded.as_str() {
            "*" if settings.allow_credentials => faults.push(fault(
                format!("/allowOrigins/{at}"),
                "`*` cannot be allowed together with allowCredentials",
            )),
            "*" => any = true,
            "http://*" => any_http = true,
            "https://*" => any_https = true,
            "null" => exact.push(folded.into()),
            other if is_origin(other) => exact.push(other.into()),
            _ => faults.push(fault(
                format!("/allowOrigins/{at}"),
                "neither `scheme://host[:port]` without a path, nor `http://*`, `https://*`, `*`",
            )),
        }
    }
    exact.sort_unstable();
    exact.dedup();
    match any {
        true => Origins::Any,
        false => Origins::Some {
            any_http,
            any_https,
            exact: exact.into(),
        },
    }
}

/// `scheme://host[:port]`.
fn is_origin(text: &str) -> bool {
    text.len() <= ORIGIN_BYTES_MAX
        && text.split_once("://").is_some_and(|(scheme, authority)| {
            let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
            scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                && scheme.bytes().all(is_scheme)
                && is_authority(authority.as_bytes())
        })
}

/// A host with or without a port, and nothing else.
fn is_authority(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && (bytes.iter()).all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(byte))
}

/// Names joined by commas.
fn list(member: &str, names: &[&str], faults: &mut Vec<CorsFault>) -> Box<[u8]> {
    for (at, name) in names.iter().enumerate() {
        if !token::is_token(name.as_bytes()) {
            faults.push(fault(format!("/{member}/{at}"), "not a name, and not `*`"));
        }
    }
    names.join(",").into_bytes().into()
}

fn fault(pointer: String, reason: &str) -> CorsFault {
    CorsFault {
        pointer,
        reason: reason.to_owned(),
    }
}

/// Longest origin: a scheme, a name of 253 bytes and a port.
const ORIGIN_BYTES_MAX: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    /// Two origins and everything else that can be set.
    const FULL: CorsSettings<'static> = CorsSettings {
        allow_origins: &["https://a.example", "http://localhost:3000"],
        allow_methods: &["GET", "POST"],
        allow_headers: &["content-type", "x-key"],
        expose_headers: &["x-total"],
        allow_credentials: true,
        max_age_s: Some(600),
    };

    fn lines(hand_out: impl FnOnce(&mut dyn FnMut(&'static str, &[u8]))) -> String {
        let mut lines = Vec::new();
        hand_out(&mut |name, value| {
            lines.push(format!("{name}: {}", String::from_utf8_lossy(value)));
        });
        lines.join("\n")
    }

    fn preflight(settings: &CorsSettings<'_>, origin: &str) -> String {
        let cors = Cors::compile(settings).expect("compiles");
        lines(|field| cors.preflight(origin.as_bytes(), field))
    }

    fn answer(settings: &CorsSettings<'_>, origin: Option<&str>) -> String {
        let cors = Cors::compile(settings).expect("compiles");
        let origin = origin.map(str::as_bytes);
        lines(|field| cors.answer(origin, field))
    }

    #[test]
    fn preflights_are_answered() {
        assert_eq!(
            preflight(&FULL, "https://a.example"),
            "vary: origin\naccess-control-allow-origin: https://a.example\n\
             access-control-allow-credentials: true\naccess-control-allow-methods: GET,POST\n\
             access-control-allow-headers: content-type,x-key\naccess-control-max-age: 600"
        );
        assert_eq!(preflight(&FULL, "https://b.example"), "vary: origin");
        let any = CorsSettings {
            allow_origins: &["*"],
            max_age_s: Some(-1),
            ..CorsSettings::default()
        };
        assert_eq!(
            preflight(&any, "https://b.example"),
            "access-control-allow-origin: *\naccess-control-max-age: -1"
        );
        assert_eq!(
            preflight(&CorsSettings::default(), "https://b.example"),
            "vary: origin"
        );
    }

    #[test]
    fn answers_get_fields() {
        assert_eq!(
            answer(&FULL, Some("http://localhost:3000")),
            "vary: origin\naccess-control-allow-origin: http://localhost:3000\n\
             access-control-allow-credentials: true\naccess-control-expose-headers: x-total"
        );
        assert_eq!(answer(&FULL, Some("http://localhost:3001")), "vary: origin");
        assert_eq!(answer(&FULL, None), "vary: origin");
        let any = CorsSettings {
            allow_origins: &["*", "https://a.example"],
            expose_headers: &["*"],
            ..CorsSettings::default()
        };
        assert_eq!(
            answer(&any, Some("null")),
            "access-control-allow-origin: *\naccess-control-expose-headers: *"
        );
        assert_eq!(answer(&any, None), "");
    }

    #[test]
    fn origins_are_compared_whole() {
        let rows: &[(&[&str], &str, bool)] = &[
            (&["https://a.example"], "https://a.example", true),
            (&["https://A.example"], "HTTPS://a.EXAMPLE", true),
            (&["https://a.example"], "http://a.example", false),
            (&["https://a.example"], "https://a.example:8443", false),
            (
                &["https://a.example"],
                "https://a.example.evil.example",
                false,
            ),
            (
                &["https://a.example"],
                "https://evil.example/https://a.example",
                false,
            ),
            (&["https://*"], "https://b.example:8443", true),
            (&["https://*"], "https://[::1]:8443", true),
            (&["https://*"], "http://b.example", false),
            (&["https://*"], "https://", false),
            (&["https://*"], "https://a b", false),
            (&["https://*"], "https://a\r\nx: y", false),
            (&["http://*"], "http://b.example", true),
            (&["http://*"], "https://b.example", false),
            (&["http://*", "https://*"], "https://b.example", true),
            (&["null"], "null", true),
            (&["https://*"], "null", false),
            (&["capacitor://localhost"], "capacitor://localhost", true),
            (&[], "https://b.example", false),
            (&["https://a.example"], "", false),
        ];
        for (allowed, origin, expected) in rows {
            let cors = Cors::compile(&CorsSettings {
                allow_origins: allowed,
                ..CorsSettings::default()
            });
            let cors = cors.expect("compiles");
            assert_eq!(
                cors.allows(origin.as_bytes()),
                *expected,
                "{allowed:?} {origin}"
            );
        }
    }

    #[test]
    fn what_makes_a_preflight() {
        let (origin, method) = (Some(&b"https://a.example"[..]), Some(&b"PUT"[..]));
        assert!(is_preflight(true, origin, method));
        assert!(!is_preflight(false, origin, method));
        assert!(!is_preflight(true, None, method));
        assert!(!is_preflight(true, origin, None));
        assert!(is_cors_field(b"Access-Control-Allow-Origin"));
        assert!(is_cors_field(b"access-control-max-age"));
        assert!(!is_cors_field(b"access-control"));
        assert!(!is_cors_field(b"x-access-control-allow-origin"));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let rows: &[(&str, CorsSettings<'_>)] = &[
            (
                "/allowOrigins/0",
                CorsSettings {
                    allow_origins: &["*"],
                    ..FULL
                },
            ),
            (
                "/allowOrigins/1",
                CorsSettings {
                    allow_origins: &["https://a.example", "https://a.example/"],
                    ..FULL
                },
            ),
            (
                "/allowOrigins/0",
                CorsSettings {
                    allow_origins: &["a.example"],
                    ..FULL
                },
            ),
            (
                "/allowOrigins/0",
                CorsSettings {
                    allow_origins: &["https://*.a.example"],
                    ..FULL
                },
            ),
            (
                "/allowMethods/1",
                CorsSettings {
                    allow_methods: &["GET", "PU T"],
                    ..FULL
                },
            ),
            (
                "/allowHeaders/0",
                CorsSettings {
                    allow_headers: &["x-a\r\n"],
                    ..FULL
                },
            ),
            (
                "/exposeHeaders/0",
                CorsSettings {
                    expose_headers: &[""],
                    ..FULL
                },
            ),
            (
                "/maxAge",
                CorsSettings {
                    max_age_s: Some(86_401),
                    ..FULL
                },
            ),
            (
                "/maxAge",
                CorsSettings {
                    max_age_s: Some(-2),
                    ..FULL
                },
            ),
        ];
        for (pointer, settings) in rows {
            let faults = Cors::compile(settings).expect_err(pointer);
            let places: Vec<&str> = faults.iter().map(|fault| &*fault.pointer).collect();
            assert_eq!(places, [*pointer]);
        }
        for age in [-1, 0, MAX_AGE_S_MAX] {
            let settings = CorsSettings {
                max_age_s: Some(age),
                ..FULL
            };
            assert!(Cors::compile(&settings).is_ok(), "{age}");
        }
    }
}
