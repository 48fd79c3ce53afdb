//! One question, asked of name servers until one answers.
//!
//! What it is: the list of servers and the exchange with each of them over the core's ring. Shape:
//! every attempt has a socket of its own (so the kernel picks a fresh port) and an id from the
//! ring's randomness. Units: milliseconds. Ranges: `attempts` rounds over all servers.
//! Errors: [`AskFault`], that of the last server asked.
//! Source: RFC 1035 section 4.2, RFC 5452 section 9 (ports and ids), RFC 6891 section 7.

use std::{cell::Cell, net::SocketAddr, rc::Rc};

use hickory_proto::op::ResponseCode;

use crate::{
    base::time::Mono,
    exec::{Core, RecvEnd, Stream, connect},
    net::dns::{
        DnsFault, Family,
        message::{self, Answer, Question},
    },
    ring::{Errno, Transport},
};

/// Why a server was of no use.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum AskFault {
    /// It did not answer in time.
    #[error("no answer in time")]
    Silent,
    /// It could not be reached.
    #[error("{0}")]
    Unreachable(Errno),
    /// It answered, and that was of no use.
    #[error(transparent)]
    Answer(#[from] DnsFault),
}

/// Whom to ask, and how patiently.
pub(super) struct Servers {
    pub(super) list: Vec<SocketAddr>,
    pub(super) timeout_ms: u64,
    pub(super) attempts: u32,
    /// Begin with another server each time.
    pub(super) rotate: bool,
    pub(super) use_tcp: bool,
    pub(super) turn: Cell<usize>,
}

impl Servers {
    /// What the first server that is of any use says about `name` (normal).
    pub(super) async fn ask(
        &self,
        core: &Rc<Core>,
        name: &str,
        family: Family,
    ) -> Result<Answer, AskFault> {
        let first = self.turn.get();
        if self.rotate {
            self.turn.set(first.wrapping_add(1));
        }
        let mut fault = AskFault::Silent;
        for _ in 0..self.attempts {
            for offset in 0..self.list.len() {
                let at = first.wrapping_add(offset) % self.list.len();
                let Some(server) = self.list.get(at) else {
                    continue;
                };
                match self.exchange(core, *server, name, family).await {
                    Ok(answer) => return Ok(answer),
                    Err(found) => fault = found,
                }
            }
        }
        Err(fault)
    }

    async fn exchange(
        &self,
        core: &Rc<Core>,
        server: SocketAddr,
        name: &str,
        family: Family,
    ) -> Result<Answer, AskFault> {
        let question = || Question {
            id: random_id(core),
            name: name.to_owned(),
            family,
        };
        if !self.use_tcp {
            let answer = match self.over_udp(core, server, &question(), true).await {
                // A server from before EDNS; without it answers are at most 512 bytes.
                Err(fault) if is_format_error(&fault) => {
                    self.over_udp(core, server, &question(), false).await?
                }
                other => other?,
            };
            if answer != Answer::Truncated {
                return Ok(answer);
            }
        }
        self.over_tcp(core, server, &question()).await
    }

    async fn over_udp(
        &self,
        core: &Rc<Core>,
        server: SocketAddr,
        question: &Question,
        edns: bool,
    ) -> Result<Answer, AskFault> {
        let deadline = core.now().plus_ms(self.timeout_ms);
        let mut socket = open(core, server, Transport::Datagram, deadline).await?;
        send(core, &mut socket, &message::encode(question, edns)?)?;
        loop {
            let datagram = recv(&mut socket, deadline).await?;
            match message::decode(question, &datagram, message::Transport::Udp) {
                Err(DnsFault::NotOurs) => {} // somebody guesses, or a late one
                answer => return Ok(answer?),
            }
        }
    }

    async fn over_tcp(
        &self,
        core: &Rc<Core>,
        server: SocketAddr,
        question: &Question,
    ) -> Result<Answer, AskFault> {
        let deadline = core.now().plus_ms(self.timeout_ms);
        let mut stream = open(core, server, Transport::Stream, deadline).await?;
        send(core, &mut stream, &message::encode_tcp(question)?)?;
        let mut received = Vec::new();
        loop {
            // Two bytes say how long the message is, so this ends below 64 KiB and a buffer.
            received.extend_from_slice(&recv(&mut stream, deadline).await?);
            if let Some(whole) = message::unframe_tcp(&received) {
                return Ok(message::decode(question, whole, message::Transport::Tcp)?);
            }
        }
    }
}

async fn open(
    core: &Rc<Core>,
    server: SocketAddr,
    transport: Transport,
    deadline: Mono,
) -> Result<Stream, AskFault> {
    connect(core, server, transport, deadline)
        .await
        .map_err(|errno| match errno {
            Errno::TIMED_OUT => AskFault::Silent,
            errno => AskFault::Unreachable(errno),
        })
}

fn send(core: &Core, stream: &mut Stream, bytes: &[u8]) -> Result<(), AskFault> {
    let no_room = AskFault::Unreachable(Errno::NO_BUFFERS);
    let Some(mut fresh) = core.pool().take() else {
        return Err(no_room);
    };
    if fresh.extend(bytes) < bytes.len() {
        return Err(no_room);
    }
    stream.send(fresh.freeze());
    Ok(())
}

async fn recv(stream: &mut Stream, deadline: Mono) -> Result<crate::ring::Buf, AskFault> {
    stream.recv(deadline).await.map_err(|end| match end {
        RecvEnd::Timeout => AskFault::Silent,
        RecvEnd::Closed => AskFault::Unreachable(Errno::RESET),
        RecvEnd::Failed(errno) => AskFault::Unreachable(errno),
    })
}

fn is_format_error(fault: &AskFault) -> bool {
    matches!(fault, AskFault::Answer(DnsFault::ServerRefused(code))
        if *code == ResponseCode::FormErr.to_string())
}

/// Sixteen unpredictable bits.
fn random_id(core: &Core) -> u16 {
    let [low, high, ..] = core.random().to_le_bytes();
    u16::from_le_bytes([low, high])
}
