//! A new binary in place of the running one, without a closed door between them.
//!
//! What it is: the old process starts the program that now stands where it was started from, with
//! copies of all its listening sockets; both accept until the new one is ready; then the old one drains.
//! Shape: [`upgrade`] is the old side, [`Handover`] the new one. Between them lies a socket pair:
//! ticket keys and drained origins one way (never in the environment), [`READY`] the other way. It
//! ends when the old process accepts no more; the new one then looks anew at the sockets, since a
//! wake-up that an accept got which was cancelled at that moment is lost.
//! Units: milliseconds, bytes. Errors: a text that says why; the new process is ended by its own
//! id and the old one goes on serving. Source: RELIABILITY section 9.

use std::{
    ffi::OsString,
    os::{
        fd::IntoRawFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    process::{Child, Command, ExitStatus},
    rc::Rc,
};

use sd_notify::NotifyState;
use tidegate_edge::{
    base::time::Mono,
    exec::{Core, Stream},
    ring::{
        Fd,
        inherit::{duplicate_for_child, keep_from_children},
    },
    server::Order,
};

use super::{
    control::{Control, Phase},
    ending, keeper,
    listeners::INHERITED,
    manager, upstreams,
};
use crate::cli::Exit;

/// The variable that names the new side's end of the pair.
const HANDOVER: &str = "TIDEGATE_HANDOVER";
/// What the new process says when its workers accept.
const READY: &[u8] = b"ready\n";
/// Longest wait for it.
const READY_MS: u64 = 30_000;
/// Longest wait for what the old process hands over.
const RECEIVE_MS: u64 = 5_000;
/// Longest wait for a killed process to be gone.
const GONE_MS: u64 = 2_000;
const LOOK_MS: u64 = 10;
/// Each part of the handover is shorter; a longer one is not ours.
const PART_BYTES_MAX: usize = 1 << 20;

/// Starts the new binary and ends this process once the new one serves; gives its id.
///
/// # Errors
/// Why this process goes on serving.
pub(super) async fn upgrade(control: &Rc<Control>) -> Result<u32, String> {
    if control.phase.get() != Phase::Serving || control.changing.replace(true) {
        return Err("another change is under way, or the gateway is draining".to_owned());
    }
    let outcome = start_successor(control).await;
    control.changing.set(false);
    match outcome {
        Ok((pid, successor)) => {
            eprintln!("tidegate: process {pid} serves; this one drains");
            manager::tell(&[NotifyState::MainPid(pid)]);
            ending::end_for_successor(control, successor);
            Ok(pid)
        }
        Err(reason) => {
            eprintln!("tidegate: no upgrade, this process goes on: {reason}");
            Err(reason)
        }
    }
}

/// This process was started by one that serves.
pub(super) fn is_successor() -> bool {
    std::env::var_os(HANDOVER).is_some()
}

/// Its id, and the line to it.
async fn start_successor(control: &Rc<Control>) -> Result<(u32, Stream), String> {
    let core = &control.core;
    let (ours, theirs) = UnixStream::pair().map_err(|error| error.to_string())?;
    let mut stream = Stream::new(core, Fd(ours.into_raw_fd()));
    let theirs = Fd(theirs.into_raw_fd());
    let child = spawn(control, theirs);
    core.close(theirs);
    let mut child = child?;
    let (keys, drained) = (
        control.keyring.tickets.export(),
        upstreams::drained_text(&control.blueprint.borrow()),
    );
    let sent = send_part(core, &mut stream, &keys)
        .and_then(|()| send_part(core, &mut stream, drained.as_bytes()));
    if let Err(reason) = sent {
        end_child(core, &mut child, false).await;
        return Err(reason);
    }
    let deadline = core.now().plus_ms(READY_MS);
    let mut said = Vec::new();
    while said.len() < READY.len() {
        match stream.recv(deadline).await {
            Ok(buf) => said.extend_from_slice(&buf),
            Err(_) => break,
        }
    }
    if said == READY {
        return Ok((child.id(), stream));
    }
    let in_time = core.now() < deadline;
    let ended = end_child(core, &mut child, in_time).await;
    Err(match ended {
        Some(status) if in_time => format!("the new process {}", describe(status)),
        _ => format!("the new process was not ready within {} s", READY_MS / 1000),
    })
}

/// Waits for a child that has given up by itself, and kills one that has not.
async fn end_child(core: &Rc<Core>, child: &mut Child, may_end: bool) -> Option<ExitStatus> {
    for kills in [!may_end, true] {
        if kills {
            // Only its own id is meant, and it is still ours: nobody has waited for it.
            let _ = child.kill();
        }
        let gone = core.now().plus_ms(GONE_MS);
        while core.now() < gone {
            if let Ok(Some(status)) = child.try_wait() {
                return Some(status);
            }
            core.sleep_until(core.now().plus_ms(LOOK_MS)).await;
        }
    }
    None
}

fn spawn(control: &Control, theirs: Fd) -> Result<Child, String> {
    let core = &control.core;
    let (text, mut copies) = match control.open.borrow().for_child(&control.admin.sockets()) {
        Ok(named) => named,
        Err((errno, copies)) => {
            copies.into_iter().for_each(|fd| core.close(fd));
            return Err(format!("sockets cannot be handed over: {errno}"));
        }
    };
    let result = duplicate_for_child(theirs)
        .map_err(|errno| format!("sockets cannot be handed over: {errno}"))
        .and_then(|theirs| {
            copies.push(theirs);
            let program = control.program.clone()?;
            let mut arguments = std::env::args_os();
            let name = arguments
                .next()
                .unwrap_or_else(|| OsString::from("tidegate"));
            Command::new(&program)
                .arg0(name)
                .args(arguments)
                .env(INHERITED, &text)
                .env(HANDOVER, theirs.0.to_string())
                .env_remove("LISTEN_FDS")
                .env_remove("LISTEN_PID")
                .env_remove("LISTEN_FDNAMES")
                .spawn()
                .map_err(|error| format!("{} cannot be started: {error}", program.display()))
        });
    copies.into_iter().for_each(|fd| core.close(fd));
    result
}

fn describe(status: ExitStatus) -> String {
    let meaning = match status.code() {
        Some(code) if code == i32::from(Exit::InvalidConfiguration.status()) => {
            ": the configuration is invalid; its messages are in the log"
        }
        Some(code) if code == i32::from(Exit::RingRefused.status()) => {
            ": the host refuses io_uring"
        }
        Some(_) => "; its messages are in the log",
        None => "",
    };
    format!("ended with {status}{meaning}")
}

fn send_part(core: &Core, stream: &mut Stream, part: &[u8]) -> Result<(), String> {
    let length = u32::try_from(part.len()).map_err(|_| "too much to hand over".to_owned())?;
    let head = length.to_be_bytes();
    for mut rest in [&head[..], part] {
        while !rest.is_empty() {
            let Some(mut buf) = core.pool().take() else {
                return Err("no buffer is free".to_owned());
            };
            let copied = buf.extend(rest);
            rest = rest.get(copied..).unwrap_or(&[]);
            stream.send(buf.freeze());
        }
    }
    Ok(())
}

/// What the process before hands over; empty where there was none.
#[derive(Default)]
pub(super) struct Handover {
    stream: Option<Stream>,
    /// As `TicketKeys::export` wrote them.
    pub(super) ticket_keys: Vec<u8>,
    /// As `upstreams::drained_text` wrote it.
    pub(super) drained: String,
}

impl Handover {
    /// Receives it. Runs the core until it is here.
    pub(super) fn of_environment(core: &Rc<Core>) -> Handover {
        let fd = std::env::var(HANDOVER).ok();
        let fd = fd.and_then(|text| text.parse().ok()).map(Fd);
        let Some(fd) = fd.filter(|fd| keep_from_children(*fd).is_ok()) else {
            return Handover::default();
        };
        let stream = Stream::new(core, fd);
        let slot = Rc::new(std::cell::RefCell::new(None));
        let (place, inside) = (Rc::clone(&slot), Rc::clone(core));
        let deadline = core.now().plus_ms(RECEIVE_MS);
        core.spawn(async move {
            *place.borrow_mut() = Some(receive(stream, deadline).await);
            inside.spawn(async {}); // something is ready, so the turn under way does not wait
        });
        loop {
            if let Some(handover) = slot.take() {
                return handover;
            }
            core.turn(true);
        }
    }

    /// Tells the process before that this one serves; `false` when there was none. When it accepts
    /// no more, which the end of the line says, its sockets are looked at anew.
    pub(super) fn ready(self, control: &Rc<Control>) -> bool {
        let core = &control.core;
        let Some(mut stream) = self.stream else {
            return false;
        };
        let Some(mut buf) = core.pool().take() else {
            return true; // it will notice that nothing came
        };
        buf.extend(READY);
        stream.send(buf.freeze());
        let deadline = core.now().plus_ms(RECEIVE_MS);
        let control = Rc::clone(control);
        core.spawn(async move {
            // A predecessor that is gone already needs no word.
            let _ = stream.sent(0, deadline).await;
            while stream.recv(Mono::FAR).await.is_ok() {}
            control.admin.accept_anew();
            control.core.spawn(keeper::take_over(Rc::clone(&control)));
            let workers = control.workers.borrow();
            for post in workers.iter().flat_map(|workers| workers.posts()) {
                if post.send(&control.core, Order::AcceptAnew).is_err() {
                    eprintln!("tidegate: a worker does not take orders");
                }
            }
        });
        true
    }
}

async fn receive(mut stream: Stream, deadline: Mono) -> Handover {
    let mut received = Vec::new();
    loop {
        if let Some((ticket_keys, drained)) = two_parts(&received) {
            return Handover {
                stream: Some(stream),
                ticket_keys,
                drained,
            };
        }
        match stream.recv(deadline).await {
            Ok(buf) if received.len() <= 2 * PART_BYTES_MAX => received.extend_from_slice(&buf),
            // Without keys clients make full handshakes; that is no reason not to serve.
            _ => {
                return Handover {
                    stream: Some(stream),
                    ..Handover::default()
                };
            }
        }
    }
}

/// Both parts, once they are whole.
fn two_parts(bytes: &[u8]) -> Option<(Vec<u8>, String)> {
    let (first, rest) = one_part(bytes)?;
    let (second, _) = one_part(rest)?;
    let second = String::from_utf8_lossy(second).into_owned();
    Some((first.to_vec(), second))
}

fn one_part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_taken_once_they_are_whole() {
        let whole = [&[0, 0, 0, 2][..], b"ab", &[0, 0, 0, 1], b"c"].concat();
        for cut in 0..whole.len() {
            assert_eq!(two_parts(&whole[..cut]), None, "{cut}");
        }
        assert_eq!(two_parts(&whole), Some((b"ab".to_vec(), "c".to_owned())));
        let empty = [0; 8];
        assert_eq!(two_parts(&empty), Some((Vec::new(), String::new())));
    }
}
