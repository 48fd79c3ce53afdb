//! Listening sockets: opened, inherited from the process before, or passed by systemd.
//!
//! What it is: every worker gets its own socket of each address (the kernel spreads connections),
//! and all of them are passed on at an upgrade: a socket that is closed with connections in its
//! queue loses them. Shape: [`Open`] names descriptors by address, and by their order where several
//! listeners leave the port of one address to the kernel. Errors: the address and why.
//! Source: socket(7) on `SO_REUSEPORT`; sd_listen_fds(3); RELIABILITY section 9.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use tidegate_edge::{
    exec::Core,
    plan::{ListenAddress as PlanAddress, ListenerPlan},
    ring::{
        Errno, Fd, ListenAddress,
        inherit::{duplicate_for_child, duplicate_for_self, is_listening, keep_from_children},
    },
};

use super::manager;

/// The variable that names inherited sockets: `address=fd,fd;address=fd`; in an address `%` and
/// `;` are escaped.
pub const INHERITED: &str = "TIDEGATE_LISTENERS";

/// Open sockets by the key of their listener.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Open {
    by_key: BTreeMap<String, Vec<Fd>>,
}

/// An address that cannot be listened on.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot listen on {address}: {errno}{hint}")]
pub struct ListenError {
    /// As the settings write it.
    pub address: String,
    /// Why.
    pub errno: Errno,
    /// What helps.
    pub hint: &'static str,
}

impl Open {
    /// What the process before, or systemd, handed over. To be called before this process opens
    /// anything: numbers that are not what they are said to be would mean descriptors of its own.
    #[must_use]
    pub fn inherited() -> Open {
        let text = std::env::var(INHERITED).unwrap_or_default();
        let mut open = Open::default();
        for (address, fd) in parse(&text) {
            // A number that is no such descriptor any more was not meant for this process.
            if is_listening(fd) && keep_from_children(fd).is_ok() {
                open.by_key.entry(address).or_default().push(fd);
            }
        }
        let passed = manager::passed().unwrap_or_else(|error| {
            eprintln!("tidegate: sockets that the service manager passes are unusable: {error}");
            Vec::new()
        });
        for (name, fd) in passed {
            let key = format!("fd:{name}");
            open.by_key.entry(key).or_default().push(fd);
        }
        open
    }

    /// Copies of every socket, these and the named `others`, that the next program started
    /// inherits, and the text for [`INHERITED`] that names them. The copies are to be closed once
    /// it has started.
    ///
    /// # Errors
    /// No descriptor was left; the copies made so far come with the error.
    pub fn for_child(
        &self,
        others: &[(String, Fd)],
    ) -> Result<(String, Vec<Fd>), (Errno, Vec<Fd>)> {
        let mut copies = Vec::new();
        let mut rows = Vec::new();
        let others = others
            .iter()
            .map(|(name, fd)| (name, std::slice::from_ref(fd)));
        let own = self.by_key.iter().map(|(name, fds)| (name, &fds[..]));
        for (address, fds) in own.chain(others) {
            let mut numbers = Vec::new();
            for fd in fds {
                match duplicate_for_child(*fd) {
                    Ok(copy) => {
                        copies.push(copy);
                        numbers.push(copy.0.to_string());
                    }
                    Err(errno) => return Err((errno, copies)),
                }
            }
            rows.push(format!("{}={}", escape(address), numbers.join(",")));
        }
        Ok((rows.join(";"), copies))
    }

    /// Something was handed over for this address.
    #[must_use]
    pub fn has(&self, address: &str) -> bool {
        self.by_key.contains_key(address)
    }

    /// Takes the first socket of an address out, whatever it is for.
    pub fn take(&mut self, address: &str) -> Option<Fd> {
        let mut fds = self.by_key.remove(address)?;
        let first = (!fds.is_empty()).then(|| fds.remove(0));
        if !fds.is_empty() {
            self.by_key.insert(address.to_owned(), fds);
        }
        first
    }

    /// Takes out the sockets of addresses that are not among `listeners`, with their keys.
    pub fn take_unlisted(&mut self, listeners: &[ListenerPlan]) -> Vec<(String, Fd)> {
        let listed: BTreeSet<String> = keys(listeners).collect();
        let gone = self.by_key.extract_if(.., |key, _| !listed.contains(key));
        let each = |(key, fds): (String, Vec<Fd>)| fds.into_iter().map(move |fd| (key.clone(), fd));
        gone.flat_map(each).collect()
    }

    /// The sockets that `before` does not have.
    #[must_use]
    pub fn added_since(&self, before: &Open) -> Vec<Fd> {
        let known: Vec<Fd> = before.by_key.values().flatten().copied().collect();
        let all = self.by_key.values().flatten().copied();
        all.filter(|fd| !known.contains(fd)).collect()
    }

    /// Opens what is missing of `listeners`, `workers` sockets each; where fewer were passed, the
    /// workers get copies, because each closes its own.
    ///
    /// # Errors
    /// The first address that cannot be had. What was opened before it stays here.
    pub fn open(
        &mut self,
        core: &Rc<Core>,
        listeners: &[ListenerPlan],
        workers: usize,
    ) -> Result<(), ListenError> {
        self.open_missing(core, listeners, workers)?;
        for (address, fds) in &mut self.by_key {
            while let Some(first) = fds.first().copied()
                && fds.len() < workers
            {
                let copy = duplicate_for_self(first).map_err(|errno| ListenError {
                    address: address.clone(),
                    errno,
                    hint: "",
                })?;
                fds.push(copy);
            }
        }
        Ok(())
    }

    fn open_missing(
        &mut self,
        core: &Rc<Core>,
        listeners: &[ListenerPlan],
        workers: usize,
    ) -> Result<(), ListenError> {
        for (listener, key) in listeners.iter().zip(keys(listeners)) {
            if let Some(fds) = self.by_key.get(&key) {
                let is_usable = |fd: &Fd| is_listening(*fd) && core.names(*fd).local.is_some();
                if !fds.iter().all(is_usable) {
                    return Err(ListenError {
                        address: address_text(&listener.address),
                        errno: NO_LISTENER,
                        hint: "\n  help: what was passed is no listening TCP socket; in the socket unit \
                               write `ListenStream=` with a port, and leave `Accept=` out",
                    });
                }
                continue;
            }
            let PlanAddress::Socket(tcp) = &listener.address else {
                let hint = "\n  help: no socket of that name was passed; see systemd.socket(5)";
                return Err(ListenError {
                    address: key,
                    errno: NO_SUCH_SOCKET,
                    hint,
                });
            };
            let mut tcp = *tcp;
            let fail = |errno| ListenError {
                address: address_text(&listener.address),
                errno,
                hint: hint_of(errno),
            };
            // Shared sockets would quietly join another process's: look first, alone.
            let alone = core.listen(&ListenAddress::Tcp(tcp), false).map_err(fail)?;
            core.close(alone);
            for _ in 0..workers.max(1) {
                let fd = core.listen(&ListenAddress::Tcp(tcp), true).map_err(fail)?;
                if let Some(local) = core.names(fd).local {
                    tcp = local; // port 0: the others share what the first one got
                }
                self.by_key.entry(key.clone()).or_default().push(fd);
            }
        }
        Ok(())
    }

    /// The sockets of worker `worker` of `workers`, with their position in `listeners`.
    #[must_use]
    pub fn of_worker(
        &self,
        listeners: &[ListenerPlan],
        worker: usize,
        workers: usize,
    ) -> Vec<(Fd, usize)> {
        let mut mine = Vec::new();
        for (index, key) in keys(listeners).enumerate() {
            let Some(fds) = self.by_key.get(&key) else {
                continue;
            };
            // More sockets than workers: none may be left without somebody who accepts.
            mine.extend(
                fds.iter()
                    .skip(worker)
                    .step_by(workers)
                    .map(|fd| (*fd, index)),
            );
        }
        mine
    }

    /// The first socket of each listener, to tell where it listens.
    pub fn first_of_each(&self, listeners: &[ListenerPlan]) -> impl Iterator<Item = Fd> {
        keys(listeners).filter_map(|key| self.by_key.get(&key)?.first().copied())
    }
}

/// What each listener's sockets are known by: its address; for the second and later listeners on
/// the same one, each of which the kernel gives a port of its own, their number as well.
fn keys(listeners: &[ListenerPlan]) -> impl Iterator<Item = String> {
    listeners.iter().enumerate().map(|(index, listener)| {
        let earlier = listeners.iter().take(index);
        let number = earlier
            .filter(|other| other.address == listener.address)
            .count()
            + 1;
        let text = address_text(&listener.address);
        if number == 1 {
            text
        } else {
            format!("{text}#{number}")
        }
    })
}

fn address_text(address: &PlanAddress) -> String {
    match address {
        PlanAddress::Socket(address) => address.to_string(),
        PlanAddress::Passed(name) => format!("fd:{name}"),
    }
}

fn parse(text: &str) -> Vec<(String, Fd)> {
    let rows = text.split(';').filter_map(|row| row.rsplit_once('='));
    rows.flat_map(|(address, list)| {
        let fds = list.split(',').filter_map(|fd| fd.parse().ok()).map(Fd);
        fds.map(|fd| (unescape(address), fd))
    })
    .collect()
}

fn escape(address: &str) -> String {
    address.replace('%', "%25").replace(';', "%3B")
}

fn unescape(text: &str) -> String {
    text.replace("%3B", ";").replace("%25", "%")
}

const NO_SUCH_SOCKET: Errno = Errno(2); // ENOENT
const NO_LISTENER: Errno = Errno(22); // EINVAL, as accept(2) would say

fn hint_of(errno: Errno) -> &'static str {
    match std::io::Error::from_raw_os_error(errno.0).kind() {
        std::io::ErrorKind::AddrInUse => {
            "\n  help: another process listens there; `ss -ltnp` names it"
        }
        std::io::ErrorKind::PermissionDenied => {
            "\n  help: ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE"
        }
        std::io::ErrorKind::AddrNotAvailable => "\n  help: no interface has this address",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_socket_has_a_worker_and_every_worker_a_socket() {
        let listener = ListenerPlan {
            address: PlanAddress::Socket(([127, 0, 0, 1], 80).into()),
            tls: false,
            proxy_protocol_from: Default::default(),
            endpoint: None,
            networks: Default::default(),
        };
        let listeners = [listener];
        for (sockets, workers) in [(1, 1), (4, 4), (4, 1), (5, 3)] {
            let mut open = Open::default();
            let fds: Vec<Fd> = (0..sockets).map(Fd).collect();
            open.by_key.insert("127.0.0.1:80".to_owned(), fds.clone());
            let mut served = Vec::new();
            for worker in 0..workers {
                let mine = open.of_worker(&listeners, worker, workers);
                assert!(
                    !mine.is_empty(),
                    "{sockets} sockets, worker {worker} of {workers}"
                );
                served.extend(mine.iter().map(|(fd, _)| fd.0));
            }
            served.sort_unstable();
            let all: Vec<i32> = fds.iter().map(|fd| fd.0).collect();
            assert_eq!(served, all, "{sockets} sockets, {workers} workers");
        }
    }

    #[test]
    fn listeners_that_share_an_address_have_keys_of_their_own() {
        let listener = |address: &str| ListenerPlan {
            address: match address.strip_prefix("fd:") {
                Some(name) => PlanAddress::Passed(name.into()),
                None => PlanAddress::Socket(address.parse().expect("an address")),
            },
            tls: false,
            proxy_protocol_from: Default::default(),
            endpoint: None,
            networks: Default::default(),
        };
        let given = [
            "127.0.0.1:0",
            "[::1]:0",
            "127.0.0.1:0",
            "fd:web",
            "127.0.0.1:0",
        ];
        let listeners: Vec<ListenerPlan> = given.iter().map(|text| listener(text)).collect();
        let found: Vec<String> = keys(&listeners).collect();
        let expected = [
            "127.0.0.1:0",
            "[::1]:0",
            "127.0.0.1:0#2",
            "fd:web",
            "127.0.0.1:0#3",
        ];
        assert_eq!(found, expected);
        let mut open = Open::default();
        for (key, fd) in found.iter().zip(0..) {
            open.by_key.insert(key.clone(), vec![Fd(fd)]);
        }
        let mine: Vec<(i32, usize)> = open
            .of_worker(&listeners, 0, 1)
            .iter()
            .map(|(fd, index)| (fd.0, *index))
            .collect();
        assert_eq!(mine, [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]);
        let firsts: Vec<i32> = open.first_of_each(&listeners).map(|fd| fd.0).collect();
        assert_eq!(firsts, [0, 1, 2, 3, 4]);
        let gone = open.take_unlisted(&listeners[..3]);
        let gone: Vec<(&str, i32)> = gone.iter().map(|(key, fd)| (&key[..], fd.0)).collect();
        assert_eq!(gone, [("127.0.0.1:0#3", 4), ("fd:web", 3)]);
    }

    #[test]
    fn the_text_of_inherited_sockets_reads_back() {
        let rows = [
            ("", vec![]),
            ("nonsense", vec![]),
            ("[::1]:80=3,4", vec![("[::1]:80", 3), ("[::1]:80", 4)]),
            ("a=5;b=x;c=6", vec![("a", 5), ("c", 6)]),
            ("admin:/a%3Bb%25=c=7", vec![("admin:/a;b%=c", 7)]),
        ];
        for (text, expected) in rows {
            let found = parse(text);
            let found: Vec<(&str, i32)> =
                found.iter().map(|(name, fd)| (&name[..], fd.0)).collect();
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(unescape(&escape("x;%3B%")), "x;%3B%");
    }
}
