//! What operators do with the response cache: look at it, flush, purge, prove it.
//!
//! What it is: [`Order`] is one thing to do, with its form as a request to a running gateway;
//! [`work`] does it on all open [`Region`]s, in the gateway or beside it; [`entry`] finds what is stored
//! for one request and [`key`] says under which key, for `explain` as well. Shape: orders in, JSON
//! out. Units: bytes, seconds, as the names say. Errors: [`Refused`], with a status. Source: the API
//! Gateway developer guide, "flush the stage cache".

pub mod entry;
pub mod key;
pub mod work;

use std::sync::Arc;

use tidegate_edge::{cache::Store, server::Blueprint};

use crate::query::{encode, pairs};

/// One region, open.
#[derive(Clone, Debug)]
pub struct Region {
    /// `common`, or API and stage.
    pub name: String,
    /// What is kept in it.
    pub store: Arc<Store>,
}

impl Region {
    /// Those of `blueprint`, in the order of its plan.
    #[must_use]
    pub fn of(blueprint: &Blueprint) -> Vec<Region> {
        let plans = blueprint.plan.cache.iter().flat_map(|cache| &cache.regions);
        plans
            .zip(&blueprint.caches)
            .map(|(plan, cache)| Region {
                name: plan.of.to_string(),
                store: Arc::clone(&cache.store),
            })
            .collect()
    }
}

/// In the largest unit that keeps two digits.
#[must_use]
pub fn sized(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    match bytes {
        _ if bytes >= 10 * GIB && bytes.is_multiple_of(GIB) => format!("{} GiB", bytes / GIB),
        _ if bytes >= 10 * GIB => {
            let tenths = bytes / (GIB / 10);
            format!("{}.{} GiB", tenths / 10, tenths % 10)
        }
        _ => format!("{} MiB", bytes / MIB),
    }
}

/// One thing to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Order {
    /// Figures.
    Stat,
    /// Make everything of a stage, or everything, a miss at once.
    Flush(Flush),
    /// Take away single answers.
    Purge(Purge),
    /// Show what is stored for a request.
    Get(Wanted),
    /// Read everything and compare it with its checks.
    Verify,
}

/// What is flushed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Flush {
    /// One stage of one API.
    Stage {
        /// The API's id.
        api: String,
        /// The stage's name.
        stage: String,
    },
    /// Everything.
    All,
}

/// What is purged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Purge {
    /// Every URL that begins so.
    Prefix(String),
    /// One URL with all its variants.
    Url(String),
    /// Answers whose `Cache-Tag` or `Surrogate-Key` names this.
    Tag(String),
}

/// The request whose answer is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Absolute, or a path at the first listener.
    pub url: String,
    /// Lines `Name: value`.
    pub headers: Vec<String>,
}

/// Why an order was not done.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    /// Of the answer of a running gateway.
    pub status: u16,
    /// For people.
    pub reason: String,
}

impl Refused {
    /// With a status and a reason.
    #[must_use]
    pub fn new(status: u16, reason: impl Into<String>) -> Refused {
        let reason = reason.into();
        Refused { status, reason }
    }
}

impl Order {
    /// Method, path and query of the request that asks a running gateway for it.
    #[must_use]
    pub fn request(&self) -> (&'static str, String) {
        let of = |path: &str, pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().enumerate().map(|(nth, (name, value))| {
                let mark = if nth == 0 { '?' } else { '&' };
                format!("{mark}{name}={}", encode(value))
            });
            format!("{path}{}", pairs.collect::<String>())
        };
        match self {
            Order::Stat => ("GET", of("/cache", &[])),
            Order::Verify => ("POST", of("/cache/verify", &[])),
            Order::Flush(Flush::All) => ("POST", of("/cache/flush", &[("all", "1")])),
            Order::Flush(Flush::Stage { api, stage }) => (
                "POST",
                of("/cache/flush", &[("api", api), ("stage", stage)]),
            ),
            Order::Purge(Purge::Prefix(url)) => ("POST", of("/cache/purge", &[("prefix", url)])),
            Order::Purge(Purge::Url(url)) => ("POST", of("/cache/purge", &[("url", url)])),
            Order::Purge(Purge::Tag(tag)) => ("POST", of("/cache/purge", &[("tag", tag)])),
            Order::Get(wanted) => {
                let mut pairs = vec![("url", wanted.url.as_str())];
                pairs.extend(wanted.headers.iter().map(|line| ("header", line.as_str())));
                ("GET", of("/cache/entry", &pairs))
            }
        }
    }

    /// The order that a request's path, below `/cache`, and query ask for.
    ///
    /// # Errors
    /// What is missing or not understood, as 400.
    pub fn of_request(word: &str, query: &[u8]) -> Result<Order, Refused> {
        let pairs = pairs(query).ok_or_else(|| Refused::new(400, "the query is malformed"))?;
        let all = |name: &str| {
            let named = pairs.iter().filter(|(key, _)| key == name);
            named.map(|(_, value)| value.clone()).collect::<Vec<_>>()
        };
        let one = |name: &str| all(name).pop();
        match word {
            "" => Ok(Order::Stat),
            "verify" => Ok(Order::Verify),
            "flush" => match (one("api"), one("stage"), one("all")) {
                (Some(api), Some(stage), None) => Ok(Order::Flush(Flush::Stage { api, stage })),
                (None, None, Some(_)) => Ok(Order::Flush(Flush::All)),
                _ => Err(Refused::new(400, "`api` and `stage` are needed, or `all`")),
            },
            "purge" => match (one("prefix"), one("url"), one("tag")) {
                (Some(url), None, None) => Ok(Order::Purge(Purge::Prefix(url))),
                (None, Some(url), None) => Ok(Order::Purge(Purge::Url(url))),
                (None, None, Some(tag)) => Ok(Order::Purge(Purge::Tag(tag))),
                _ => Err(Refused::new(400, "one of `prefix`, `url`, `tag` is needed")),
            },
            "entry" => match one("url") {
                Some(url) => Ok(Order::Get(Wanted {
                    url,
                    headers: all("header"),
                })),
                None => Err(Refused::new(400, "`url` is needed")),
            },
            _ => Err(Refused::new(404, "there is no such path")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_at_a_glance() {
        let rows = [
            (64 << 20, "64 MiB"),
            ((1 << 30) + (1 << 29), "1536 MiB"),
            (13 << 30, "13 GiB"),
            ((1 << 30) * 135 / 10, "13.5 GiB"),
            (237 << 30, "237 GiB"),
            (1000, "0 MiB"),
        ];
        for (bytes, expected) in rows {
            assert_eq!(sized(bytes), expected);
        }
    }

    #[test]
    fn orders_survive_their_way_to_the_gateway() {
        let text = |text: &str| text.to_owned();
        let rows = [
            Order::Stat,
            Order::Verify,
            Order::Flush(Flush::All),
            Order::Flush(Flush::Stage {
                api: text("a & b"),
                stage: text("dev"),
            }),
            Order::Purge(Purge::Prefix(text("https://h:8443/ä?%41"))),
            Order::Purge(Purge::Url(text("http://h/a?b=c&d=%20"))),
            Order::Purge(Purge::Tag(text("+=%"))),
            Order::Get(Wanted {
                url: text("/dev/a"),
                headers: vec![text("Accept: */*"), text("X: a=b&c")],
            }),
        ];
        for order in rows {
            let (_, target) = order.request();
            let (path, query) = target.split_once('?').unwrap_or((&target, ""));
            let word = path.trim_start_matches("/cache").trim_start_matches('/');
            assert_eq!(Order::of_request(word, query.as_bytes()), Ok(order));
        }
        let refused = [
            ("flush", "", 400),
            ("flush", "api=a", 400),
            ("flush", "api=a&stage=b&all=1", 400),
            ("purge", "", 400),
            ("purge", "tag=a&url=b", 400),
            ("purge", "tag=%zz", 400),
            ("entry", "", 400),
            ("other", "", 404),
        ];
        for (word, query, status) in refused {
            let order = Order::of_request(word, query.as_bytes());
            assert_eq!(
                order.map_err(|refused| refused.status),
                Err(status),
                "{word}?{query}"
            );
        }
    }
}
