//! The hosts file: names that need no server.
//!
//! Shape: text in, a sorted map from name to addresses out. `localhost` and everything below it
//! are loopback whatever the file says.
//! Units and ranges: at most [`NAMES_MAX`] names, the rest is left out. Names are normal.
//! Errors: none; lines that cannot be read are skipped, as the C library does.
//! Source: hosts(5), RFC 6761 section 6.3 (localhost).

use super::{Family, normal};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// The names of a hosts file.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Hosts {
    /// By family: IPv4, then IPv6.
    names: [BTreeMap<String, Vec<IpAddr>>; 2],
}

impl Hosts {
    /// Reads the text of a hosts file; addresses keep their order.
    #[must_use]
    pub fn parse(text: &str) -> Hosts {
        let mut hosts = Hosts::default();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or("");
            let mut words = line.split_ascii_whitespace();
            let Some(Ok(ip)) = words.next().map(str::parse::<IpAddr>) else {
                continue;
            };
            let of_family = hosts.of_family(ip.is_ipv4());
            for name in words.filter_map(|word| normal(word).ok()) {
                if of_family.len() >= NAMES_MAX && !of_family.contains_key(&name) {
                    continue;
                }
                let ips = of_family.entry(name).or_default();
                if !ips.contains(&ip) {
                    ips.push(ip);
                }
            }
        }
        hosts
    }

    /// The addresses of `name`, which must be normal. `None` means: ask a server.
    ///
    /// A name that the file knows in the other family only gives an empty list: a server would
    /// say something about another host.
    #[must_use]
    pub fn lookup(&self, name: &str, family: Family) -> Option<&[IpAddr]> {
        let [four, six] = &self.names;
        if name == "localhost" || name.ends_with(".localhost") {
            return Some(match family {
                Family::V4 => &LOOPBACK_V4,
                Family::V6 => &LOOPBACK_V6,
            });
        }
        let (own, other) = match family {
            Family::V4 => (four, six),
            Family::V6 => (six, four),
        };
        match own.get(name) {
            Some(ips) => Some(ips),
            None if other.contains_key(name) => Some(&[]),
            None => None,
        }
    }

    fn of_family(&mut self, is_v4: bool) -> &mut BTreeMap<String, Vec<IpAddr>> {
        let [four, six] = &mut self.names;
        if is_v4 { four } else { six }
    }
}

/// Block lists are written as hosts files; this many we keep.
pub const NAMES_MAX: usize = 100_000;
static LOOPBACK_V4: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
static LOOPBACK_V6: [IpAddr; 1] = [IpAddr::V6(Ipv6Addr::LOCALHOST)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases_are_found_in_their_family() {
        let hosts = Hosts::parse(
            "127.0.0.1 localhost\n\
             10.0.0.1\tapi.test  API-alias # the first\n\
             10.0.0.2 api.test\n\
             10.0.0.1 api.test\n\
             2001:db8::1 six.test\n\
             # 10.0.0.9 off.test\n\
             not-an-address x.test\n\
             10.0.0.3 bad..name good.test\n\
             0.0.0.0 localhost\n",
        );
        let rows: &[(&str, Family, Option<&[&str]>)] = &[
            ("api.test", Family::V4, Some(&["10.0.0.1", "10.0.0.2"])),
            ("api-alias", Family::V4, Some(&["10.0.0.1"])),
            ("api.test", Family::V6, Some(&[])),
            ("six.test", Family::V6, Some(&["2001:db8::1"])),
            ("good.test", Family::V4, Some(&["10.0.0.3"])),
            ("off.test", Family::V4, None),
            ("x.test", Family::V4, None),
            ("localhost", Family::V4, Some(&["127.0.0.1"])),
            ("app.localhost", Family::V6, Some(&["::1"])),
        ];
        for (name, family, expected) in rows {
            let found = hosts.lookup(name, *family);
            let found: Option<Vec<String>> =
                found.map(|ips| ips.iter().map(ToString::to_string).collect());
            let expected: Option<Vec<String>> =
                expected.map(|ips| ips.iter().map(|ip| (*ip).to_owned()).collect());
            assert_eq!(found, expected, "{name} {family:?}");
        }
    }
}
