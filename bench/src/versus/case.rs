//! What: the table of what is compared: each case is one kind of traffic.
//! Shape: rows; a case says what it needs of a server, what it is measured against and how its
//!   traffic looks. Nothing else in `versus` knows a case by its name.
//! Units: bytes of the answer's body, number of different URLs.
//! Errors: none.
//! Source: docs/performance.md.

/// One kind of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Case {
    /// What `--case` takes.
    pub(crate) name: &'static str,
    /// What a table's row is called.
    pub(crate) title: &'static str,
    pub(crate) way: Way,
    pub(crate) body_bytes: usize,
    /// TLS 1.3 towards the client; origins are always plain.
    pub(crate) tls: bool,
    /// Every request on a connection of its own.
    pub(crate) is_new_connection: bool,
    /// Connections held open and silent, instead of a load.
    pub(crate) is_idle: bool,
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the server's own cache; the origin is not asked.
    Hit,
    /// From the origin, each time.
    Proxy,
    /// 429, because the client has had its share.
    Refused,
}

/// What some servers cannot do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Cache,
    Limit,
    Tls,
}

impl Case {
    /// What a server must be able to do for this case.
    pub(crate) fn needs(&self) -> impl Iterator<Item = Need> {
        let way = match self.way {
            Way::Hit => Some(Need::Cache),
            Way::Proxy => None,
            Way::Refused => Some(Need::Limit),
        };
        way.into_iter().chain(self.tls.then_some(Need::Tls))
    }

    /// Different URLs of its load: all of them fit into every cache.
    pub(crate) fn urls(&self) -> usize {
        (CACHED_BYTES / self.body_bytes).clamp(1, URLS_MAX)
    }

    /// Whether the bare relay is the floor, which has no answers of its own; else the responder.
    pub(crate) fn is_relayed(&self) -> bool {
        self.way == Way::Proxy
    }
}

/// All cases, in the order of a run and of the tables.
pub(crate) const CASES: [Case; 15] = [
    case("hit_128", "hit, 128 B", Way::Hit, 128),
    case("hit_16k", "hit, 16 KiB", Way::Hit, 16 << 10),
    case("hit_1m", "hit, 1 MiB", Way::Hit, 1 << 20),
    case("proxy_128", "proxy, 128 B", Way::Proxy, 128),
    case("proxy_64k", "proxy, 64 KiB", Way::Proxy, 64 << 10),
    tls(case("hit_128_tls", "hit, 128 B, TLS 1.3", Way::Hit, 128)),
    tls(case(
        "hit_16k_tls",
        "hit, 16 KiB, TLS 1.3",
        Way::Hit,
        16 << 10,
    )),
    tls(case("hit_1m_tls", "hit, 1 MiB, TLS 1.3", Way::Hit, 1 << 20)),
    tls(case(
        "proxy_128_tls",
        "proxy, 128 B, TLS 1.3",
        Way::Proxy,
        128,
    )),
    tls(case(
        "proxy_64k_tls",
        "proxy, 64 KiB, TLS 1.3",
        Way::Proxy,
        64 << 10,
    )),
    case("refused", "refused with 429", Way::Refused, 128),
    Case {
        is_new_connection: true,
        ..case("new", "new connection each, proxy, 128 B", Way::Proxy, 128)
    },
    Case {
        is_new_connection: true,
        ..tls(case(
            "new_tls",
            "new connection each, proxy, 128 B, TLS 1.3",
            Way::Proxy,
            128,
        ))
    },
    Case {
        is_idle: true,
        ..case("idle", "idle connection", Way::Proxy, 128)
    },
    Case {
        is_idle: true,
        ..tls(case(
            "idle_tls",
            "idle connection, TLS 1.3",
            Way::Proxy,
            128,
        ))
    },
];

const fn case(name: &'static str, title: &'static str, way: Way, body_bytes: usize) -> Case {
    Case {
        name,
        title,
        way,
        body_bytes,
        tls: false,
        is_new_connection: false,
        is_idle: false,
    }
}

const fn tls(case: Case) -> Case {
    Case { tls: true, ..case }
}

const URLS_MAX: usize = 1000;
const CACHED_BYTES: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use super::{CACHED_BYTES, CASES, Need, Way};

    #[test]
    fn names_and_titles_are_unique() {
        for (index, case) in CASES.iter().enumerate() {
            let others = &CASES[index + 1..];
            assert!(
                others.iter().all(|other| other.name != case.name),
                "{}",
                case.name
            );
            assert!(
                others.iter().all(|other| other.title != case.title),
                "{}",
                case.name
            );
        }
    }

    #[test]
    fn what_is_asked_for_fits_into_every_cache() {
        for case in CASES {
            assert!(case.urls() >= 1, "{}", case.name);
            assert!(
                case.urls() * case.body_bytes <= CACHED_BYTES,
                "{}",
                case.name
            );
        }
    }

    #[test]
    fn a_case_needs_what_its_way_needs() {
        for case in CASES {
            let needs: Vec<Need> = case.needs().collect();
            assert_eq!(needs.contains(&Need::Tls), case.tls, "{}", case.name);
            assert_eq!(
                needs.contains(&Need::Cache),
                case.way == Way::Hit,
                "{}",
                case.name
            );
            assert_eq!(
                needs.contains(&Need::Limit),
                case.way == Way::Refused,
                "{}",
                case.name
            );
        }
    }
}
