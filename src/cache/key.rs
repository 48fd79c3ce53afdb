//! Under which key a request's answer is kept, outside of a connection.
//!
//! Shape: [`Asked`] is a request parsed like any other; `write` gives its key, [`parts`] says the
//! key in words. Units: bytes. Errors: text, for a URL or header that the gateway would refuse.
//! Source: `pipeline/cache/key.rs`, which does the same for requests that came over a connection.

use tidegate_edge::{
    cache::http::{KeySource, Names, hash::Uri},
    integrate::{RequestParts, Source},
    plan::{ListenAddress, Plan, RouteCache, RoutePlan, StagePlan},
    route::Params,
    wire::{
        Method,
        head::{RequestHead, parse_request},
        limits::HeadLimits,
    },
};

/// A request as the parser took it.
pub struct Asked {
    bytes: Vec<u8>,
    head: RequestHead,
    is_https: bool,
}

impl Asked {
    /// The request `method` for `url`, absolute or a path at the first listener, with `headers`.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(
        plan: Option<&Plan>,
        method: &str,
        url: &str,
        headers: &[String],
    ) -> Result<Asked, String> {
        let (is_https, host, target) = split(url, plan)?;
        let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
        for line in headers {
            text.push_str(line.trim());
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        let mut head = RequestHead::new();
        parse_request(text.as_bytes(), &HeadLimits::default(), &mut head)
            .map_err(|fault| format!("`{url}`: {fault}"))?;
        Ok(Asked {
            bytes: text.into_bytes(),
            head,
            is_https,
        })
    }

    /// What it is for.
    #[must_use]
    pub fn uri(&self) -> Uri<'_> {
        let query = self.head.query(&self.bytes);
        Uri {
            is_https: self.is_https,
            host: self.head.host.name.of(&self.bytes),
            port: self.head.host.port,
            path: self.head.path(&self.bytes),
            query: (!query.is_empty()).then_some(query),
        }
    }

    /// Its parsed head.
    #[must_use]
    pub fn head(&self) -> &RequestHead {
        &self.head
    }

    /// The bytes that the head points into.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key's parts that come from the request, under the scope of `stage`.
    #[must_use]
    pub fn source<'a>(&'a self, stage: &'a StagePlan) -> KeySource<'a> {
        KeySource {
            scope: &stage.cache_scope,
            uri: self.uri(),
            fields: &self.head.fields,
            bytes: &self.bytes,
            principal: None,
        }
    }

    /// Gives `take` the request as templates see it.
    fn with_parts<T>(&self, params: &Params, take: impl FnOnce(&RequestParts<'_>) -> T) -> T {
        let header = |name: &str| {
            let named = self.head.fields.named(&self.bytes, name.as_bytes());
            named.last().map(|field| field.value.of(&self.bytes))
        };
        take(&RequestParts {
            path: self.head.path(&self.bytes),
            query: self.head.query(&self.bytes),
            params,
            header: &header,
        })
    }
}

/// Scheme, host and target.
fn split(url: &str, plan: Option<&Plan>) -> Result<(bool, String, String), String> {
    let bare = url.split('#').next().unwrap_or(url);
    if let Some((scheme, rest)) = bare.split_once("://") {
        let is_https = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(format!("`{url}` begins with neither http:// nor https://")),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, target) = rest.split_at(end);
        let slash = if target.starts_with('/') { "" } else { "/" };
        return Ok((is_https, host.to_owned(), format!("{slash}{target}")));
    }
    let listener = plan.and_then(|plan| plan.listeners.first());
    match listener {
        Some(listener) if bare.starts_with('/') => {
            let host = match &listener.address {
                ListenAddress::Socket(address) => address.to_string(),
                ListenAddress::Passed(_) => "localhost".to_owned(),
            };
            Ok((listener.tls, host, bare.to_owned()))
        }
        _ => Err(format!("`{url}` is no absolute URL")),
    }
}

/// The primary key of `asked` as `cache` makes it; `None` when it would be too long.
#[must_use]
pub fn write(
    cache: &RouteCache,
    stage: &StagePlan,
    params: &Params,
    asked: &Asked,
) -> Option<Vec<u8>> {
    let mut key = vec![0; KEY_BYTES_MAX];
    match cache {
        RouteCache::Edge(plan) => {
            let len = plan.key.write(&asked.source(stage), &mut key).ok()?;
            key.truncate(len);
        }
        RouteCache::Stage(plan) => {
            let method = asked.head.method_name.of(&asked.bytes);
            asked.with_parts(params, |parts| {
                plan.write_key(&stage.cache_scope, method, parts, &mut key);
            });
        }
    }
    (key.len() <= KEY_BYTES_MAX).then_some(key)
}

/// The query that the origin sees; `None`: all of it.
#[must_use]
pub fn counted_query(cache: &RouteCache, asked: &Asked) -> Option<Vec<u8>> {
    let RouteCache::Edge(plan) = cache else {
        return None;
    };
    let is_kept = matches!(asked.head.method, Method::Get | Method::Head);
    if plan.forward_other_query || !is_kept {
        return None;
    }
    let query = asked.uri().query.unwrap_or(b"");
    let mut room = vec![0; query.len()];
    let len = plan.key.write_counted(query, &mut room)?;
    room.truncate(len);
    Some(room)
}

/// The same in words; `None` where the policy counts all of it.
#[must_use]
pub fn forwarded(cache: &RouteCache, asked: &Asked) -> Option<String> {
    let RouteCache::Edge(plan) = cache else {
        return None;
    };
    if *plan.key.query() == Names::All {
        return None;
    }
    if plan.forward_other_query {
        let text = "all of the query, by forward_other_query; what the origin answers to \
                    parameters that do not count, everybody gets";
        return Some(text.to_owned());
    }
    Some(match counted_query(cache, asked).as_deref() {
        None => "all of the query, which is not kept or may be read in several ways".to_owned(),
        Some([]) => "no query".to_owned(),
        Some(query) => format!("query {}", text(query)),
    })
}

/// The key in words: each part with its value. Values that may be secret are not shown.
#[must_use]
pub fn parts(
    cache: &RouteCache,
    route: &RoutePlan,
    stage: &StagePlan,
    params: &Params,
    asked: &Asked,
) -> Vec<(String, String)> {
    let mut rows = vec![(
        "stage".to_owned(),
        format!("{} of {}", stage.name, stage.api_id),
    )];
    let mut row = |name: String, value: String| rows.push((name, value));
    match cache {
        RouteCache::Edge(plan) => {
            let uri = asked.uri();
            let scheme = if uri.is_https { "https" } else { "http" };
            let (host, path) = (text(uri.host), text(uri.path));
            let port = uri.port_number();
            row(
                "URL".to_owned(),
                format!("{scheme}://{}:{port}{path}", host.to_lowercase()),
            );
            let query = uri.query.map_or("none".to_owned(), text);
            row("query".to_owned(), chosen(plan.key.query(), &query));
            for header in plan.key.headers() {
                row(format!("header {}", text(header)), asked.value(header));
            }
            if *plan.key.cookies() != Names::None {
                row(
                    "cookies".to_owned(),
                    chosen(plan.key.cookies(), "as SHA-256"),
                );
            }
            if plan.key.partitions() {
                row(
                    "caller".to_owned(),
                    "its credentials, as SHA-256".to_owned(),
                );
            }
        }
        RouteCache::Stage(plan) => {
            row("namespace".to_owned(), plan.namespace.to_string());
            let method = text(asked.head.method_name.of(&asked.bytes));
            row("method".to_owned(), method);
            for source in &plan.key {
                let value = asked.with_parts(params, |parts| {
                    parts.value(source).map_or("empty".to_owned(), text)
                });
                row(named(source, route), value);
            }
        }
    }
    rows
}

impl Asked {
    fn value(&self, name: &[u8]) -> String {
        let named = self.head.fields.named(&self.bytes, name);
        let values: Vec<String> = named
            .map(|field| text(field.value.of(&self.bytes)))
            .collect();
        if values.is_empty() {
            return "absent".to_owned();
        }
        values.join(", ")
    }
}

fn named(source: &Source, route: &RoutePlan) -> String {
    match source {
        Source::Param(ordinal) => {
            let name = route.variables.get(usize::from(*ordinal));
            format!("path {}", name.map_or("?", |name| name))
        }
        Source::Header(name) => format!("header {name}"),
        Source::Query(name) => format!("query {}", text(name)),
        Source::Static(_) => "constant".to_owned(),
    }
}

fn chosen(names: &Names, value: &str) -> String {
    let list = |list: &[Vec<u8>]| {
        let names = list.iter().map(|name| text(name));
        names.collect::<Vec<_>>().join(", ")
    };
    match names {
        Names::None => "does not count".to_owned(),
        Names::All => format!("all: {value}"),
        Names::Listed(names) => format!("only {}: of {value}", list(names)),
        Names::AllExcept(names) => format!("all but {}: of {value}", list(names)),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// As on the way of a request; a longer key is not used.
pub(super) const KEY_BYTES_MAX: usize = 12 * 1024;
