//! The limit of each client address: which bucket a network has.
//!
//! What: [`CLIENT_BUCKETS`] buckets of the shared table, all of them taken when a plan with such a
//! limit comes. A network, which is an address cut to a prefix, has the bucket that a keyed hash
//! of it names, for ever. So a flood of addresses neither needs memory nor pushes anybody's bucket
//! out to get a fresh one: there is no eviction that could give tokens. The price: two networks
//! may have one bucket, and with it one limit together; of those who do not misbehave, each shares
//! with one of n that do with a probability of n in [`CLIENT_BUCKETS`]. Who shares with whom
//! cannot be found out beforehand, for the hash goes by the table's secret seeds.
//! Shape: places by number. Units: bits of prefixes. Ranges: 1 to 32, and 1 to 128.
//! Errors: those of the table when a plan comes. Source: RELIABILITY section 6.

use std::net::IpAddr;

use super::{
    level::{Identity, Level},
    rate::Limit,
    table::{Ask, Place, Table, TableFault},
};

/// What each client address may do, as the plan has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientLimit {
    /// For each network.
    pub limit: Limit,
    /// Bits of an IPv4 address that make its network.
    pub ipv4_prefix: u8,
    /// Bits of an IPv6 address that do.
    pub ipv6_prefix: u8,
}

/// Buckets that all client addresses have together.
pub const CLIENT_BUCKETS: usize = 1 << 16;

/// The buckets of one plan.
#[derive(Debug)]
pub(super) struct Clients {
    limit: Limit,
    ipv4_mask: u32,
    ipv6_mask: u128,
    places: Box<[Place]>,
}

impl Clients {
    /// Takes the buckets, or finds them taken; for the control thread.
    pub(super) fn new(table: &Table, limit: &ClientLimit) -> Result<Clients, TableFault> {
        let scope = Level::Client.scope(&[]);
        let place = |number: usize| table.place_or_grow(Identity::of(scope, number as u64));
        let places: Result<_, _> = (0..CLIENT_BUCKETS).map(place).collect();
        Ok(Clients {
            limit: limit.limit,
            ipv4_mask: ipv4_mask(limit.ipv4_prefix),
            ipv6_mask: ipv6_mask(limit.ipv6_prefix),
            places: places?,
        })
    }

    /// What a client at `ip` has to pass.
    #[inline]
    pub(super) fn ask(&self, table: &Table, ip: IpAddr) -> Option<Ask<'_>> {
        // IPv4 mapped into IPv6 is IPv4, as a dual-stack socket reports it.
        let network = match ip.to_canonical() {
            IpAddr::V4(ip) => Identity::of(IPV4, u64::from(ip.to_bits() & self.ipv4_mask)),
            IpAddr::V6(ip) => {
                let bits = ip.to_bits() & self.ipv6_mask;
                #[allow(clippy::cast_possible_truncation)] // the halves are meant
                let (high, low) = ((bits >> 64) as u64, bits as u64);
                Identity::of(high, low)
            }
        };
        #[allow(clippy::cast_possible_truncation)] // any bits of it will do
        let number = table.hash(network) as usize & (CLIENT_BUCKETS - 1);
        Some(Ask {
            place: *self.places.get(number)?,
            limit: &self.limit,
        })
    }
}

const fn ipv4_mask(prefix: u8) -> u32 {
    match 32_u32.checked_sub(prefix as u32) {
        Some(rest) if rest < 32 => u32::MAX << rest,
        Some(_) => 0,
        None => u32::MAX,
    }
}

const fn ipv6_mask(prefix: u8) -> u128 {
    match 128_u32.checked_sub(prefix as u32) {
        Some(rest) if rest < 128 => u128::MAX << rest,
        Some(_) => 0,
        None => u128::MAX,
    }
}

/// Stands where an IPv6 network has its upper half; no address there is anybody's.
const IPV4: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{base::time::Mono, limits::rate::Rate};

    const SEEDS: [u64; 2] = [0x8f14_e45f_ceea_167a, 0x1b2d_6c0f_93a8_47e5];

    fn clients(table: &Table) -> Clients {
        let rate = Rate::new(1.0, 2).expect("a rate");
        let limit = ClientLimit {
            limit: Limit::new(rate).expect("a limit"),
            ipv4_prefix: 24,
            ipv6_prefix: 64,
        };
        Clients::new(table, &limit).expect("clients")
    }

    fn place(table: &Table, clients: &Clients, ip: &str) -> Place {
        let ip = ip.parse().expect("an address");
        clients.ask(table, ip).expect("a bucket").place
    }

    #[test]
    fn a_network_has_one_bucket() {
        let table = Table::private(1024, SEEDS).expect("a table");
        let clients = clients(&table);
        let rows = [
            ("192.0.2.1", "192.0.2.254", true),
            ("192.0.2.1", "::ffff:192.0.2.9", true),
            ("192.0.2.1", "192.0.3.1", false),
            ("2001:db8::1", "2001:db8::ffff:0:0:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("2001:db8::1", "192.0.2.1", false),
        ];
        for (one, other, is_same) in rows {
            let same = place(&table, &clients, one) == place(&table, &clients, other);
            assert_eq!(same, is_same, "{one} {other}");
        }
        let again = super::tests::clients(&table);
        assert_eq!(again.places, clients.places, "a reload keeps them");
        assert_eq!(table.slots_used(), CLIENT_BUCKETS);
    }

    /// Whoever comes with a million addresses takes no memory and gets no bucket anew.
    #[test]
    fn a_flood_of_addresses_gives_nobody_fresh_tokens() {
        let table = Table::private(1024, SEEDS).expect("a table");
        let clients = clients(&table);
        let now = Mono(1_000_000_000);
        let takes = |ip: IpAddr| {
            let ask = clients.ask(&table, ip).expect("a bucket");
            table.take(now, &[ask]).is_ok()
        };
        let victim: IpAddr = "198.51.100.7".parse().expect("an address");
        assert!(takes(victim) && takes(victim) && !takes(victim));
        let mut granted = 0;
        let mut places = HashSet::new();
        for number in 0..1_000_000_u32 {
            let ip = IpAddr::from((number << 8).to_be_bytes());
            places.insert(clients.ask(&table, ip).expect("a bucket").place);
            granted += usize::from(takes(ip));
        }
        assert!(granted <= 2 * CLIENT_BUCKETS, "{granted}");
        assert!(
            places.len() > CLIENT_BUCKETS * 9 / 10,
            "spread over {}",
            places.len()
        );
        assert!(!takes(victim), "its bucket is as empty as before");
        assert_eq!(table.slots_used(), CLIENT_BUCKETS);
    }

    #[test]
    fn prefixes_cut() {
        for (prefix, mask) in [
            (0, 0),
            (1, 1 << 31),
            (24, !0xff),
            (32, u32::MAX),
            (40, u32::MAX),
        ] {
            assert_eq!(ipv4_mask(prefix), mask, "{prefix}");
        }
        for (prefix, mask) in [
            (0, 0),
            (64, u128::MAX << 64),
            (128, u128::MAX),
            (200, u128::MAX),
        ] {
            assert_eq!(ipv6_mask(prefix), mask, "{prefix}");
        }
    }
}
