//! Listening sockets: opened, inherited from the process before, or passed by systemd.
//!
//! What it is: every worker gets its own socket of each address (the kernel spreads connections),
//! and all of them are passed on at an upgrade: a socket that is closed with connections in its
//! queue loses them. Shape: [`Open`] names descriptors by address. Errors: the address and why.
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
        inherit::{duplicate_for_child, duplicate_for_self, keep_from_children},
    },
};

/// The variable that names inherited sockets: `address=fd,fd;address=fd`; in an address `%` and
/// `;` are escaped.
pub const INHERITED: &str = "TIDEGATE_LISTENERS";

/// Open sockets by the text of their address.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Open {
    by_address: BTreeMap<String, Vec<Fd>>,
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
    /// What the process before, or systemd, handed over.
    #[must_use]
    pub fn inherited() -> Open {
        let text = std::env::var(INHERITED).unwrap_or_default();
        let mut open = Open::default();
        for (address, fd) in parse(&text) {
            // A number that is no descriptor any more was not meant for this process.
            if keep_from_children(fd).is_ok() {
                open.by_address.entry(address).or_default().push(fd);
            }
        }
        let names = sd_notify::listen_fds_with_names().into_iter().flatten();
        for (fd, name) in names {
            open.by_address
                .entry(format!("fd:{name}"))
                .or_default()
                .push(Fd(fd));
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
        let own = self.by_address.iter().map(|(name, fds)| (name, &fds[..]));
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
        self.by_address.contains_key(address)
    }

    /// Takes the first socket of an address out, whatever it is for.
    pub fn take(&mut self, address: &str) -> Option<Fd> {
        let mut fds = self.by_address.remove(address)?;
        let first = (!fds.is_empty()).then(|| fds.remove(0));
        if !fds.is_empty() {
            self.by_address.insert(address.to_owned(), fds);
        }
        first
    }

    /// Takes out the sockets of addresses that are not among `listeners`.
    pub fn take_unlisted(&mut self, listeners: &[ListenerPlan]) -> Vec<Fd> {
        let listed: BTreeSet<String> = listeners
            .iter()
            .map(|listener| address_text(&listener.address))
            .collect();
        let gone = self
            .by_address
            .extract_if(.., |address, _| !listed.contains(address));
        gone.flat_map(|(_, fds)| fds).collect()
    }

    /// The sockets that `before` does not have.
    #[must_use]
    pub fn added_since(&self, before: &Open) -> Vec<Fd> {
        let known: Vec<Fd> = before.by_address.values().flatten().copied().collect();
        let all = self.by_address.values().flatten().copied();
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
        for (address, fds) in &mut self.by_address {
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
        for listener in listeners {
            let text = address_text(&listener.address);
            if self.by_address.contains_key(&text) {
                continue;
            }
            let PlanAddress::Socket(tcp) = &listener.address else {
                let hint = "\n  help: no socket of that name was passed; see systemd.socket(5)";
                return Err(ListenError {
                    address: text,
                    errno: NO_SUCH_SOCKET,
                    hint,
                });
            };
            let mut tcp = *tcp;
            let fail = |errno| ListenError {
                address: text.clone(),
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
                self.by_address.entry(text.clone()).or_default().push(fd);
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
        for (index, listener) in listeners.iter().enumerate() {
            let Some(fds) = self.by_address.get(&address_text(&listener.address)) else {
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

    /// The first socket of each address, to tell where it listens.
    pub fn first_of_each(&self) -> impl Iterator<Item = Fd> + '_ {
        self.by_address
            .values()
            .filter_map(|fds| fds.first().copied())
    }
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
        };
        let listeners = [listener];
        for (sockets, workers) in [(1, 1), (4, 4), (4, 1), (5, 3)] {
            let mut open = Open::default();
            let fds: Vec<Fd> = (0..sockets).map(Fd).collect();
            open.by_address
                .insert("127.0.0.1:80".to_owned(), fds.clone());
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
