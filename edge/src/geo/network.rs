//! Who has which address, and what lies between two of them.
//!
//! What it is: the address plan of a simulated world, and its links. Shape: a client's address says
//! its city and its number, a site's its number, so that a link follows from the two addresses
//! alone, and a client's last mile is the same in every deployment. Units: nanoseconds, bytes a
//! second. Ranges: 1,024 cities of 262,144 clients each, after which numbers begin again. Errors:
//! none; other addresses have no link. Source: docs/simulator.md, "The network".

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    rc::Rc,
};

use super::{
    random::{bytes_per_s, hash, ns_of_ms, unit_of, whole},
    scenario::{Kind, Path},
    setup::Setup,
};
use crate::ring::sim::LinkProfile;

/// Who is at an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Host {
    Client { city: usize, number: u32 },
    Site(usize),
    Backends(usize),
}

/// The address of a client.
pub(super) fn client_address(city: usize, number: u32) -> IpAddr {
    let city = u32::try_from(city).unwrap_or(0);
    let bits = CLIENTS_AT | (city << CLIENT_BITS) | (number & CLIENT_MASK);
    IpAddr::V4(Ipv4Addr::from_bits(bits))
}

/// Where the gateway of a site listens.
pub(super) fn site_address(site: usize) -> SocketAddr {
    SocketAddr::new(numbered(SITES, site), SITE_PORT)
}

/// Where a backend at a site listens; their host is the site's neighbour.
pub(super) fn backend_address(site: usize, backend: usize) -> SocketAddr {
    let port = u16::try_from(backend)
        .unwrap_or(0)
        .saturating_add(BACKENDS_PORT);
    SocketAddr::new(backends_host(site), port)
}

/// The host of a site's backends.
pub(super) fn backends_host(site: usize) -> IpAddr {
    numbered(BACKENDS, site)
}

/// The networks of all sites, for gateways that trust each other.
pub(super) const SITES_NETWORK: &str = "11.1.0.0/16";

fn numbered(kind: u8, number: usize) -> IpAddr {
    let [high, low] = u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(11, kind, high, low))
}

fn host_of(ip: IpAddr) -> Option<Host> {
    let IpAddr::V4(ip) = ip else { return None };
    let bits = ip.to_bits();
    if bits & CLIENTS_NETWORK == CLIENTS_AT {
        let city = (bits & !CLIENTS_NETWORK) >> CLIENT_BITS;
        return Some(Host::Client {
            city: city as usize,
            number: bits & CLIENT_MASK,
        });
    }
    let [net, kind, high, low] = ip.octets();
    let number = usize::from(u16::from_be_bytes([high, low]));
    match (net, kind) {
        (11, SITES) => Some(Host::Site(number)),
        (11, BACKENDS) => Some(Host::Backends(number)),
        _ => None,
    }
}

/// What lies between hosts in one deployment.
pub(super) struct Network {
    setup: Rc<Setup>,
    kind: Kind,
}

impl Network {
    pub(super) fn new(setup: &Rc<Setup>, kind: Kind) -> Network {
        Network {
            setup: Rc::clone(setup),
            kind,
        }
    }

    /// The link from the host that connects to the one that accepts.
    pub(super) fn link(&self, from: IpAddr, to: IpAddr) -> Option<LinkProfile> {
        match (host_of(from)?, host_of(to)?) {
            (Host::Client { city, number }, Host::Site(site)) => {
                self.client_link(city, number, site)
            }
            (Host::Site(from), Host::Site(to)) => self.site_link(from, to),
            (Host::Site(_), Host::Backends(_)) => Some(LinkProfile {
                idle_restart: false,
                ..LinkProfile::line(INDOORS_NS, INDOORS_BYTES_PER_S)
            }),
            _ => None,
        }
    }

    fn client_link(&self, city: usize, number: u32, site: usize) -> Option<LinkProfile> {
        let setup = &self.setup;
        let network = &setup.scenario.network;
        let between = setup.rtt_ms(setup.cities.get(city)?.place, setup.sites.get(site)?.place);
        if self.kind == Kind::Private {
            let private = &network.private;
            let delay_ms = private.access_ms + between / 2.0 * private.line.delay_factor;
            return Some(self.along(&private.line, delay_ms));
        }
        let mile = &network.last_mile;
        let word = hash(&[setup.scenario.seed, 3, city as u64, number.into()]);
        let of_median = mile.spread.powf(2.0 * unit_of(word) - 1.0);
        let delay_ms = mile.delay_ms * of_median + between / 2.0 * network.transit.delay_factor;
        let transit = &network.transit;
        let path = Path {
            jitter_ms: mile.jitter_ms + transit.jitter_ms,
            loss: 1.0 - (1.0 - mile.loss) * (1.0 - transit.loss),
            mbit: transit.mbit,
            delay_factor: 1.0,
        };
        Some(LinkProfile {
            up_bytes_per_s: bytes_per_s(mile.up_mbit.min(transit.mbit)),
            down_bytes_per_s: bytes_per_s(mile.down_mbit.min(transit.mbit)),
            ..self.along(&path, delay_ms)
        })
    }

    fn site_link(&self, from: usize, to: usize) -> Option<LinkProfile> {
        let setup = &self.setup;
        let rtt_ms = setup.rtt_ms(setup.sites.get(from)?.place, setup.sites.get(to)?.place);
        let backbone = &setup.scenario.network.backbone;
        Some(self.along(backbone, rtt_ms / 2.0 * backbone.delay_factor))
    }

    fn along(&self, path: &Path, delay_ms: f64) -> LinkProfile {
        let network = &self.setup.scenario.network;
        let rate = bytes_per_s(path.mbit);
        LinkProfile {
            jitter_ns: ns_of_ms(path.jitter_ms),
            loss_ppm: u32::try_from(whole(path.loss * 1e6)).unwrap_or(0),
            initial_window_segments: u64::from(network.initial_window_segments.max(1)),
            idle_restart: network.idle_restart,
            ..LinkProfile::line(ns_of_ms(delay_ms), rate)
        }
    }
}

impl Setup {
    /// Round trip of the median client in `city` to `site`.
    pub(super) fn client_rtt_ms(&self, kind: Kind, city: usize, site: usize) -> f64 {
        let network = &self.scenario.network;
        let between = self.rtt_ms(self.cities[city].place, self.sites[site].place);
        if kind == Kind::Private {
            let private = &network.private;
            return 2.0 * private.access_ms + between * private.line.delay_factor;
        }
        2.0 * network.last_mile.delay_ms + between * network.transit.delay_factor
    }
}

/// 32.0.0.0/4 is the clients'.
const CLIENTS_AT: u32 = 0x2000_0000;
const CLIENTS_NETWORK: u32 = 0xf000_0000;
const CLIENT_BITS: u32 = 18;
/// Numbers of a city's clients.
pub(super) const CLIENT_MASK: u32 = (1 << CLIENT_BITS) - 1;
const SITES: u8 = 1;
const BACKENDS: u8 = 2;
const SITE_PORT: u16 = 443;
const BACKENDS_PORT: u16 = 8_000;
/// From a gateway to the backends of its region.
const INDOORS_NS: u64 = 150_000;
const INDOORS_BYTES_PER_S: u64 = 1_250_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_say_who_it_is() {
        let rows = [
            (client_address(0, 0), Host::Client { city: 0, number: 0 }),
            (
                client_address(1_023, CLIENT_MASK),
                Host::Client {
                    city: 1_023,
                    number: CLIENT_MASK,
                },
            ),
            (
                client_address(7, CLIENT_MASK + 3),
                Host::Client { city: 7, number: 2 },
            ),
            (site_address(300).ip(), Host::Site(300)),
            (backend_address(3, 9).ip(), Host::Backends(3)),
        ];
        for (address, host) in rows {
            assert_eq!(host_of(address), Some(host), "{address}");
        }
        for other in ["10.0.0.1", "11.9.0.1", "48.0.0.0", "::1"] {
            assert_eq!(host_of(other.parse().expect("an address")), None, "{other}");
        }
    }
}
