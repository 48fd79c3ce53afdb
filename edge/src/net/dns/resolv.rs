//! resolv.conf: which servers to ask, how patiently, and which names to try.
//!
//! Shape: text in, [`ResolvConf`] out; [`ResolvConf::candidates`] lists the names for one that was
//! written short. Unknown lines are kept aside, not refused: the C library ignores them, too.
//! Units and ranges: timeouts in milliseconds; at most 3 servers, 6 search domains, ndots 15,
//! timeout 30 s, 5 attempts, as in glibc.
//! Errors: none; [`ResolvConf::ignored`] names the lines without effect, for `doctor`.
//! Source: resolv.conf(5), glibc 2.39.

use super::normal;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// How names are resolved on this host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResolvConf {
    /// In the order to ask; never empty.
    pub servers: Vec<SocketAddr>,
    /// Domains to append to short names, in order.
    pub search: Vec<String>,
    /// A name with at least so many dots is tried as it stands first.
    pub ndots: usize,
    /// How long one server may take.
    pub timeout_ms: u64,
    /// How often the list of servers is gone through.
    pub attempts: u32,
    /// Begin with another server each time.
    pub rotate: bool,
    /// Ask over TCP at once.
    pub use_tcp: bool,
    /// Line numbers (from 1) and lines that had no effect.
    pub ignored: Vec<(usize, String)>,
}

impl Default for ResolvConf {
    /// What a host without the file does: ask itself.
    fn default() -> ResolvConf {
        ResolvConf {
            servers: vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT)],
            search: Vec::new(),
            ndots: 1,
            timeout_ms: 5_000,
            attempts: 2,
            rotate: false,
            use_tcp: false,
            ignored: Vec::new(),
        }
    }
}

impl ResolvConf {
    /// Reads the text of a resolv.conf.
    #[must_use]
    pub fn parse(text: &str) -> ResolvConf {
        let mut conf = ResolvConf::default();
        let mut servers = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.split(['#', ';']).next().unwrap_or("").trim();
            let mut words = line.split_ascii_whitespace();
            let understood = match words.next() {
                None => true,
                Some("nameserver") => match words.next().map(str::parse::<IpAddr>) {
                    Some(Ok(ip)) if servers.len() < SERVERS_MAX => {
                        servers.push(SocketAddr::new(ip, PORT));
                        true
                    }
                    // A scoped address (fe80::1%eth0) ends here as well.
                    _ => false,
                },
                // The last of the two wins.
                Some("domain") => conf.set_search(words.take(1)),
                Some("search") => conf.set_search(words),
                // Every option is looked at, an unknown one does not hide the next.
                Some("options") => words.filter(|word| !conf.set_option(word)).count() == 0,
                Some(_) => false,
            };
            if !understood {
                conf.ignored
                    .push((index.saturating_add(1), line.to_owned()));
            }
        }
        if !servers.is_empty() {
            conf.servers = servers;
        }
        conf
    }

    /// The names to ask for `name`, in order; the first that exists is the answer.
    ///
    /// A final dot says that the name is whole. Empty when `name` is no host name.
    #[must_use]
    pub fn candidates(&self, name: &str) -> Vec<String> {
        let Ok(plain) = normal(name) else {
            return Vec::new();
        };
        if name.ends_with('.') {
            return vec![plain];
        }
        let dots = plain.bytes().filter(|b| *b == b'.').count();
        let joined = |domain: &String| normal(&format!("{plain}.{domain}")).ok();
        let mut names: Vec<String> = self.search.iter().filter_map(joined).collect();
        let at = if dots >= self.ndots { 0 } else { names.len() };
        names.insert(at, plain);
        names
    }

    fn set_search<'a>(&mut self, domains: impl Iterator<Item = &'a str>) -> bool {
        // "search ." is how containers write: nothing to append.
        let domains: Vec<&str> = domains.filter(|domain| *domain != ".").collect();
        self.search = domains
            .iter()
            .filter_map(|domain| normal(domain).ok())
            .collect();
        let all = self.search.len() == domains.len() && domains.len() <= SEARCH_MAX;
        self.search.truncate(SEARCH_MAX);
        all
    }

    fn set_option(&mut self, word: &str) -> bool {
        let (option, value) = word.split_once(':').unwrap_or((word, ""));
        match (option, value.parse::<u32>()) {
            ("ndots", Ok(count)) => self.ndots = count.min(NDOTS_MAX) as usize,
            ("timeout", Ok(seconds)) => {
                self.timeout_ms = u64::from(seconds.clamp(1, TIMEOUT_S_MAX)) * 1000;
            }
            ("attempts", Ok(count)) => self.attempts = count.clamp(1, ATTEMPTS_MAX),
            ("rotate", _) => self.rotate = true,
            ("use-vc", _) => self.use_tcp = true,
            // What we do anyway, or what concerns only the C library.
            ("edns0" | "trust-ad" | "single-request" | "single-request-reopen", _) => {}
            _ => return false,
        }
        true
    }
}

const PORT: u16 = 53;
const SERVERS_MAX: usize = 3;
const SEARCH_MAX: usize = 6;
const NDOTS_MAX: u32 = 15;
const TIMEOUT_S_MAX: u32 = 30;
const ATTEMPTS_MAX: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_the_c_library_reads_them() {
        let conf = ResolvConf::parse(
            "# made by hand\n\
             nameserver 192.0.2.1 ; the first\n\
             \tnameserver\t2001:db8::1\n\
             nameserver fe80::1%eth0\n\
             nameserver 192.0.2.3\n\
             nameserver 192.0.2.4\n\
             domain old.test\n\
             search Svc.Cluster.local cluster.local.\n\
             options ndots:5 timeout:2 attempts:9 rotate edns0 no-such:1\n\
             sortlist 130.155.160.0\n",
        );
        let servers: Vec<String> = conf.servers.iter().map(ToString::to_string).collect();
        assert_eq!(
            servers,
            ["192.0.2.1:53", "[2001:db8::1]:53", "192.0.2.3:53"]
        );
        assert_eq!(conf.search, ["svc.cluster.local", "cluster.local"]);
        assert_eq!((conf.ndots, conf.timeout_ms, conf.attempts), (5, 2000, 5));
        assert!(conf.rotate && !conf.use_tcp);
        let ignored: Vec<usize> = conf.ignored.iter().map(|(line, _)| *line).collect();
        assert_eq!(ignored, [4, 6, 9, 10]);
    }

    #[test]
    fn an_empty_file_asks_this_host() {
        for text in ["", "\n\n# nothing\n", "search .\n"] {
            assert_eq!(ResolvConf::parse(text), ResolvConf::default(), "{text:?}");
        }
    }

    #[test]
    fn short_names_are_tried_with_the_search_domains() {
        let rows: &[(&str, &str, &[&str])] = &[
            (
                "options ndots:2\nsearch a.test b.test",
                "db",
                &["db.a.test", "db.b.test", "db"],
            ),
            (
                "options ndots:2\nsearch a.test",
                "db.x",
                &["db.x.a.test", "db.x"],
            ),
            (
                "options ndots:2\nsearch a.test",
                "db.x.y",
                &["db.x.y", "db.x.y.a.test"],
            ),
            ("options ndots:2\nsearch a.test", "DB.", &["db"]),
            ("options ndots:0\nsearch a.test", "db", &["db", "db.a.test"]),
            ("", "api.test", &["api.test"]),
            ("search a.test", "not a name", &[]),
        ];
        for (conf, name, expected) in rows {
            assert_eq!(
                ResolvConf::parse(conf).candidates(name),
                *expected,
                "{name} by {conf:?}"
            );
        }
    }
}
