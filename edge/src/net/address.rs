//! Which addresses an outgoing connection may reach: the guard against names that point inside.
//!
//! Shape: [`class_of`] sorts an address into an [`AddressClass`]; an [`AllowList`] holds classes
//! and networks that the operator opened; [`allowed`] is the decision, taken at connect, after DNS.
//! Units and ranges: prefixes in bits, 0–32 and 0–128. IPv4 inside IPv6 (mapped, NAT64, 6to4) is
//! judged as the IPv4 address it reaches.
//! Errors: [`AllowFault`] for a row that is neither a word, an address nor a network.
//! Source: IANA special-purpose address registries (RFC 6890), the metadata addresses of the clouds.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of place an address is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddressClass {
    /// Reachable for everyone; the only class that needs no row.
    Global,
    /// 127.0.0.0/8 and ::1.
    Loopback,
    /// RFC 1918, shared address space, benchmarking, unique local.
    Private,
    /// 169.254.0.0/16 and fe80::/10.
    LinkLocal,
    /// A cloud's metadata service: it hands out credentials.
    Metadata,
    /// Group addresses and the limited broadcast: never a peer of a TCP connection.
    Multicast,
    /// 0.0.0.0 and ::, which Linux connects to itself.
    Unspecified,
    /// Documentation, future use, deprecated: nobody lives there.
    Reserved,
}

/// What the operator opened beyond global addresses.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct AllowList {
    classes: Vec<AddressClass>,
    networks: Vec<Network>,
}

/// A range of addresses that share their first bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    base: IpAddr,
    prefix_bits: u8,
}

/// Why a row of an allow-list was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AllowFault {
    /// Neither a word nor an address nor a network.
    #[error("{0:?} is not \"loopback\", \"private\", \"link-local\", an address or a network")]
    Unreadable(String),
    /// More prefix bits than the address has.
    #[error("{0:?} has a prefix longer than its address")]
    PrefixTooLong(String),
    /// Bits set behind the prefix: one of the two is a typing error.
    #[error("{0:?} has bits set behind its prefix")]
    HostBits(String),
}

/// May a connection to `ip` be opened?
///
/// Global addresses always; loopback, private and link-local by class word or network; a metadata
/// address only by a row that names that one address, so that opening `169.254.0.0/16` or
/// `fd00::/8` does not open credentials; all others never.
#[must_use]
pub fn allowed(ip: IpAddr, list: &AllowList) -> bool {
    let ip = reached(ip);
    let class = class_of(ip);
    match class {
        AddressClass::Global => true,
        AddressClass::Loopback | AddressClass::Private | AddressClass::LinkLocal => {
            list.classes.contains(&class) || list.networks.iter().any(|net| net.contains(ip))
        }
        AddressClass::Metadata => {
            let only = |net: &Network| net.is_single() && net.contains(ip);
            list.networks.iter().any(only)
        }
        AddressClass::Multicast | AddressClass::Unspecified | AddressClass::Reserved => false,
    }
}

/// The class of `ip`, IPv4 inside IPv6 unwrapped.
#[must_use]
pub fn class_of(ip: IpAddr) -> AddressClass {
    if METADATA.contains(&reached(ip)) {
        return AddressClass::Metadata;
    }
    match reached(ip) {
        IpAddr::V4(ip) => class_of_v4(ip),
        IpAddr::V6(ip) => class_of_v6(ip),
    }
}

/// The address that a packet for `ip` ends at: IPv4 embedded in IPv6 taken out.
#[must_use]
pub fn reached(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else {
        return ip;
    };
    let s = v6.segments();
    let quad = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        // ::ffff:a.b.c.d (mapped), ::ffff:0:a.b.c.d (translated, RFC 2765)
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => quad(high, low),
        // 64:ff9b::/96 (NAT64, RFC 6052)
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => quad(high, low),
        // 2002::/16 (6to4, RFC 3056)
        [0x2002, high, low, ..] => quad(high, low),
        _ => ip,
    }
}

impl AllowList {
    /// Nothing beyond global addresses.
    #[must_use]
    pub const fn none() -> AllowList {
        AllowList {
            classes: Vec::new(),
            networks: Vec::new(),
        }
    }

    /// Reads rows: the words `loopback`, `private`, `link-local`, an address, or `address/bits`.
    ///
    /// # Errors
    /// The first row that cannot be read.
    pub fn parse<S: AsRef<str>>(rows: &[S]) -> Result<AllowList, AllowFault> {
        let mut list = AllowList::none();
        for row in rows {
            match row.as_ref() {
                "loopback" => list.classes.push(AddressClass::Loopback),
                "private" => list.classes.push(AddressClass::Private),
                "link-local" => list.classes.push(AddressClass::LinkLocal),
                text => list.networks.push(Network::parse(text)?),
            }
        }
        Ok(list)
    }

    /// Opens one address, as an endpoint written as an address literal does for itself.
    pub fn push_address(&mut self, ip: IpAddr) {
        self.networks.push(Network::single(reached(ip)));
    }
}

impl Network {
    /// Reads `address` or `address/bits`.
    ///
    /// # Errors
    /// No address, too many bits, or bits set behind the prefix.
    pub fn parse(text: &str) -> Result<Network, AllowFault> {
        let unreadable = || AllowFault::Unreadable(text.to_owned());
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base, Some(bits)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| unreadable())?;
        let Some(bits) = bits else {
            return Ok(Network::single(base));
        };
        let digits =
            !bits.is_empty() && bits.len() <= 3 && bits.bytes().all(|b| b.is_ascii_digit());
        let prefix_bits: u16 =
            if digits { bits.parse().ok() } else { None }.ok_or_else(unreadable)?;
        let network = match u8::try_from(prefix_bits) {
            Ok(prefix_bits) if prefix_bits <= bits_of(base) => Network { base, prefix_bits },
            _ => return Err(AllowFault::PrefixTooLong(text.to_owned())),
        };
        if network.masked(base) != base {
            return Err(AllowFault::HostBits(text.to_owned()));
        }
        Ok(network)
    }

    /// The network of one address.
    #[must_use]
    pub const fn single(ip: IpAddr) -> Network {
        Network {
            base: ip,
            prefix_bits: bits_of(ip),
        }
    }

    /// Does `ip` lie inside?
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.base.is_ipv4() && self.masked(ip) == self.base
    }

    fn is_single(&self) -> bool {
        self.prefix_bits == bits_of(self.base)
    }

    fn masked(&self, ip: IpAddr) -> IpAddr {
        let bits = u32::from(self.prefix_bits);
        match ip {
            IpAddr::V4(ip) => {
                let mask = u32::MAX
                    .checked_shl(32u32.saturating_sub(bits))
                    .unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & mask))
            }
            IpAddr::V6(ip) => {
                let mask = u128::MAX
                    .checked_shl(128u32.saturating_sub(bits))
                    .unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & mask))
            }
        }
    }
}

const fn bits_of(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn class_of_v4(ip: Ipv4Addr) -> AddressClass {
    use AddressClass as C;
    match ip.octets() {
        [0, 0, 0, 0] => C::Unspecified,
        [0, ..] => C::Reserved,
        [127, ..] => C::Loopback,
        [10, ..] | [192, 168, ..] => C::Private,
        [172, b, ..] if b & 0xf0 == 16 => C::Private,
        [100, b, ..] if b & 0xc0 == 64 => C::Private,
        [198, 18 | 19, ..] => C::Private,
        [169, 254, ..] => C::LinkLocal,
        [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => C::Reserved,
        [255, 255, 255, 255] => C::Multicast,
        [a, ..] if a & 0xf0 == 224 => C::Multicast,
        [a, ..] if a & 0xf0 == 240 => C::Reserved,
        _ => C::Global,
    }
}

fn class_of_v6(ip: Ipv6Addr) -> AddressClass {
    use AddressClass as C;
    let s = ip.segments();
    match s {
        [0, 0, 0, 0, 0, 0, 0, 0] => C::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => C::Loopback,
        // fec0::/10 was site-local; treat a leftover as private.
        [a, ..] if a & 0xfe00 == 0xfc00 || a & 0xffc0 == 0xfec0 => C::Private,
        // 64:ff9b:1::/48, translation prefix of one's own network
        [0x64, 0xff9b, 1, ..] => C::Private,
        [a, ..] if a & 0xffc0 == 0xfe80 => C::LinkLocal,
        [a, ..] if a & 0xff00 == 0xff00 => C::Multicast,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => C::Reserved,
        // 2001::/23 is protocol assignments (Teredo, ORCHID) but for a few anycast services
        [0x2001, b, ..] if b < 0x200 => C::Reserved,
        // Global unicast is 2000::/3; everything else is not assigned.
        [a, ..] if a & 0xe000 == 0x2000 => C::Global,
        _ => C::Reserved,
    }
}

/// Metadata services: AWS, Azure, Google, DigitalOcean and OpenStack (169.254.169.254), container
/// credentials (169.254.170.2, .23), AWS DNS and time (.253, .123), Alibaba, Oracle; IPv6 of AWS.
const METADATA: &[IpAddr] = &[
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 253)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 123)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x253)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSES: &[(&str, AddressClass)] = &[
        ("93.184.216.34", AddressClass::Global),
        ("2606:4700::1111", AddressClass::Global),
        ("127.0.0.1", AddressClass::Loopback),
        ("127.255.255.254", AddressClass::Loopback),
        ("::1", AddressClass::Loopback),
        ("::ffff:127.0.0.1", AddressClass::Loopback),
        ("::ffff:0:127.0.0.1", AddressClass::Loopback),
        ("64:ff9b::7f00:1", AddressClass::Loopback),
        ("2002:7f00:1::", AddressClass::Loopback),
        ("10.0.0.1", AddressClass::Private),
        ("172.16.0.1", AddressClass::Private),
        ("172.31.255.255", AddressClass::Private),
        ("172.32.0.0", AddressClass::Global),
        ("192.168.1.1", AddressClass::Private),
        ("100.64.0.1", AddressClass::Private),
        ("100.128.0.1", AddressClass::Global),
        ("fd12::1", AddressClass::Private),
        ("64:ff9b:1::1", AddressClass::Private),
        ("169.254.1.1", AddressClass::LinkLocal),
        ("fe80::1", AddressClass::LinkLocal),
        ("169.254.169.254", AddressClass::Metadata),
        ("::ffff:169.254.169.254", AddressClass::Metadata),
        ("64:ff9b::a9fe:a9fe", AddressClass::Metadata),
        ("fd00:ec2::254", AddressClass::Metadata),
        ("100.100.100.200", AddressClass::Metadata),
        ("224.0.0.1", AddressClass::Multicast),
        ("255.255.255.255", AddressClass::Multicast),
        ("ff02::1", AddressClass::Multicast),
        ("0.0.0.0", AddressClass::Unspecified),
        ("::", AddressClass::Unspecified),
        ("::ffff:0.0.0.0", AddressClass::Unspecified),
        ("0.1.2.3", AddressClass::Reserved),
        ("240.0.0.1", AddressClass::Reserved),
        ("203.0.113.9", AddressClass::Reserved),
        ("2001:db8::1", AddressClass::Reserved),
        ("2001::1", AddressClass::Reserved),
        ("::127.0.0.1", AddressClass::Reserved),
        ("4000::1", AddressClass::Reserved),
    ];

    #[test]
    fn addresses_have_the_class_of_the_registry() {
        for (given, expected) in CLASSES {
            let ip: IpAddr = given.parse().expect("an address");
            assert_eq!(class_of(ip), *expected, "{given}");
        }
    }

    #[test]
    fn rows_open_what_they_name() {
        let rows: &[(&str, &[&str], &str, bool)] = &[
            ("global needs no row", &[], "93.184.216.34", true),
            ("loopback is closed", &[], "127.0.0.1", false),
            ("class word", &["loopback"], "127.0.0.1", true),
            (
                "mapped by class word",
                &["loopback"],
                "::ffff:127.0.0.1",
                true,
            ),
            ("another class", &["private"], "127.0.0.1", false),
            ("network", &["10.1.0.0/16"], "10.1.255.1", true),
            (
                "mapped by network",
                &["10.1.0.0/16"],
                "::ffff:10.1.2.3",
                true,
            ),
            ("outside the network", &["10.1.0.0/16"], "10.2.0.0", false),
            ("v6 network", &["fd12::/16"], "fd12:3::4", true),
            (
                "everything is not metadata",
                &["0.0.0.0/0"],
                "169.254.169.254",
                false,
            ),
            (
                "link-local is not metadata",
                &["link-local"],
                "169.254.169.254",
                false,
            ),
            (
                "metadata by name",
                &["169.254.169.254"],
                "169.254.169.254",
                true,
            ),
            (
                "metadata by /32",
                &["169.254.169.254/32"],
                "169.254.169.254",
                true,
            ),
            (
                "unspecified never",
                &["0.0.0.0/0", "loopback"],
                "0.0.0.0",
                false,
            ),
            ("multicast never", &["224.0.0.0/4"], "224.0.0.1", false),
            ("families differ", &["::/0"], "10.0.0.1", false),
        ];
        for (name, list, ip, expected) in rows {
            let list = AllowList::parse(list).expect("a list");
            let ip = ip.parse().expect("an address");
            assert_eq!(allowed(ip, &list), *expected, "{name}");
        }
    }

    #[test]
    fn unreadable_rows_are_refused() {
        for (row, expected) in [
            ("", AllowFault::Unreadable(String::new())),
            ("lo", AllowFault::Unreadable("lo".into())),
            ("10.0.0.0/", AllowFault::Unreadable("10.0.0.0/".into())),
            ("10.0.0.0/+8", AllowFault::Unreadable("10.0.0.0/+8".into())),
            (
                "10.0.0.0/33",
                AllowFault::PrefixTooLong("10.0.0.0/33".into()),
            ),
            ("::/300", AllowFault::PrefixTooLong("::/300".into())),
            ("10.0.0.1/8", AllowFault::HostBits("10.0.0.1/8".into())),
        ] {
            assert_eq!(AllowList::parse(&[row]), Err(expected));
        }
    }
}
