//! One TLS session without a socket: received bytes in, plain bytes out, and the reverse.
//!
//! Shape: [`TlsSession`] is either rustls (buffered API, shaped like its next major version: the
//! caller owns input and output) or the null cipher of simulated links. A server session begins
//! with rustls's acceptor, so that the name in the hello chooses the configuration.
//! Life: Hello (server only) -> Open -> Failed. The caller's loop: `feed` received bytes,
//! `take_output` after *every* feed (answers and alerts wait there, errors included), `read_plain`
//! until 0, feed again while input is left.
//! Units and ranges: bytes; a hello has at most [`HELLO_BYTES_MAX`]; at most about 32 KiB of plain
//! bytes and [`OUTPUT_BYTES_MAX`] of output wait inside.
//! Memory: 8.0 KB per idle session, see [`TlsSession::trim`].
//! Errors: [`TlsError`]; the alert for the peer still stands in the output.
//! Source: RFC 8446 sections 4 to 6, RFC 5246.

use super::{TlsError, TlsVersion, null::NullSession, server::ServerTls};
use rustls::{
    ClientConfig, ClientConnection, CommonState, ConnectionCommon, HandshakeKind, IoState,
    ProtocolVersion, ServerConnection, SideData,
    pki_types::ServerName,
    server::{AcceptedAlert, Acceptor},
};
use std::{
    cell::Cell,
    io::{self, Read, Write},
    net::IpAddr,
    sync::Arc,
};

/// A session of either kind.
#[derive(Debug)]
pub enum TlsSession {
    /// The real thing.
    Rustls(Box<RustlsSession>),
    /// True in sizes only; for simulated links.
    Null(Box<NullSession>),
}

/// Where a session stands after a feed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Progress {
    /// Plain bytes that [`TlsSession::read_plain`] would give now.
    pub plain_bytes: usize,
    /// Output waits: take and send it before anything else.
    pub wants_write: bool,
    /// The handshake is not over.
    pub handshaking: bool,
    /// The peer said goodbye properly; nothing will follow the plain bytes.
    pub peer_closed: bool,
}

/// Where output goes: a buffer of the caller.
pub trait TlsSink {
    /// Takes a prefix of `bytes` and says how long it was; 0 when full.
    fn append(&mut self, bytes: &[u8]) -> usize;
}

impl TlsSink for Vec<u8> {
    fn append(&mut self, bytes: &[u8]) -> usize {
        self.extend_from_slice(bytes);
        bytes.len()
    }
}

impl TlsSession {
    /// Waits for a client hello.
    #[must_use]
    pub fn server(tls: Arc<ServerTls>) -> TlsSession {
        TlsSession::Rustls(Box::new(RustlsSession {
            stage: Stage::Hello {
                acceptor: Acceptor::default(),
                received_bytes: 0,
            },
            tls: Some(tls),
            certificate: 0,
            covered: Cell::new(None),
            is_new: false,
        }))
    }

    /// Has a client hello for `name` in its output.
    ///
    /// # Errors
    /// No randomness.
    pub fn client(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<TlsSession, TlsError> {
        let mut connection = ClientConnection::new(config, name)?;
        connection.set_buffer_limit(Some(OUTPUT_BYTES_MAX));
        Ok(TlsSession::Rustls(Box::new(RustlsSession {
            stage: Stage::Client(connection),
            tls: None,
            certificate: 0,
            covered: Cell::new(None),
            is_new: false,
        })))
    }

    /// The server side of a simulated link.
    #[must_use]
    pub fn null_server() -> TlsSession {
        TlsSession::Null(Box::new(NullSession::server()))
    }

    /// The client side of a simulated link.
    #[must_use]
    pub fn null_client(server_name: &str) -> TlsSession {
        TlsSession::Null(Box::new(NullSession::client(server_name)))
    }

    /// Takes received bytes off the front of `input`.
    ///
    /// Stops early, with input left, when enough plain bytes wait to be read.
    ///
    /// # Errors
    /// The session is over; send what [`TlsSession::take_output`] gives, then close.
    pub fn feed(&mut self, input: &mut &[u8]) -> Result<Progress, TlsError> {
        match self {
            TlsSession::Rustls(session) => session.feed(input),
            TlsSession::Null(session) => session.feed(input),
        }
    }

    /// Moves decrypted bytes into `out`; 0 when none wait.
    pub fn read_plain(&mut self, out: &mut [u8]) -> usize {
        match self {
            TlsSession::Rustls(session) => match &mut session.stage {
                Stage::Server(connection) => read_plain(connection, out),
                Stage::Client(connection) => read_plain(connection, out),
                Stage::Hello { .. } | Stage::Failed { .. } => 0,
            },
            TlsSession::Null(session) => session.read_plain(out),
        }
    }

    /// Encrypts a prefix of `data` and says how long it was: 0 during the handshake, less than
    /// all when [`OUTPUT_BYTES_MAX`] wait to be taken.
    pub fn write_plain(&mut self, data: &[u8]) -> usize {
        match self {
            TlsSession::Rustls(session) => match &mut session.stage {
                Stage::Server(connection) => write_plain(connection, data),
                Stage::Client(connection) => write_plain(connection, data),
                Stage::Hello { .. } | Stage::Failed { .. } => 0,
            },
            TlsSession::Null(session) => session.write_plain(data),
        }
    }

    /// Appends waiting output to `sink` until one of them is empty or full; the bytes moved.
    pub fn take_output(&mut self, sink: &mut impl TlsSink) -> usize {
        let mut writer = SinkWriter(sink);
        match self {
            TlsSession::Rustls(session) => match &mut session.stage {
                Stage::Server(connection) => take_output(connection, &mut writer),
                Stage::Client(connection) => take_output(connection, &mut writer),
                Stage::Failed { output } => {
                    let taken = writer.0.append(output);
                    output.drain(..taken.min(output.len()));
                    taken
                }
                Stage::Hello { .. } => 0,
            },
            TlsSession::Null(session) => session.take_output(writer.0),
        }
    }

    /// Says goodbye; the alert waits in the output.
    pub fn close_notify(&mut self) {
        match self {
            TlsSession::Rustls(session) => {
                if let Some(common) = session.common_mut() {
                    common.send_close_notify();
                }
            }
            TlsSession::Null(session) => session.close_notify(),
        }
    }

    /// Gives back memory that a burst took. Call it when the connection goes idle.
    ///
    /// What an idle session keeps, measured by `tests/tls_memory.rs` over 480 server sessions
    /// (rustls 0.23.46, TLS 1.3, after an exchange of full records): 7,992 bytes. rustls's deframer holds 4,096
    /// of them once anything was received (it may have grown to 20 KiB and gives the rest up
    /// here); connection, traffic secrets and both cipher contexts are the remainder. Nothing
    /// else can be dropped from outside.
    pub fn trim(&mut self) {
        match self {
            TlsSession::Rustls(session) => match &mut session.stage {
                Stage::Server(connection) => trim(connection),
                Stage::Client(connection) => trim(connection),
                Stage::Failed { output } => output.shrink_to_fit(),
                Stage::Hello { .. } => {}
            },
            TlsSession::Null(session) => session.trim(),
        }
    }

    /// Output waits.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        match self {
            TlsSession::Rustls(session) => match &session.stage {
                Stage::Failed { output } => !output.is_empty(),
                _ => session.common().is_some_and(CommonState::wants_write),
            },
            TlsSession::Null(session) => session.wants_write(),
        }
    }

    /// The handshake is not over.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        match self {
            TlsSession::Rustls(session) => session.common().is_none_or(CommonState::is_handshaking),
            TlsSession::Null(session) => session.is_handshaking(),
        }
    }

    /// The name the client asked for, lower case. Servers only.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        match self {
            TlsSession::Rustls(session) => match &session.stage {
                Stage::Server(connection) => connection.server_name(),
                _ => None,
            },
            TlsSession::Null(session) => session.server_name(),
        }
    }

    /// Is `host` (lower case, no port) a name of the certificate shown on this connection? False
    /// means 421. The null cipher covers everything.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        match self {
            TlsSession::Rustls(session) => session
                .tls
                .as_ref()
                .is_none_or(|tls| tls.covers(session.certificate, host, &session.covered)),
            TlsSession::Null(_) => true,
        }
    }

    /// The application protocol agreed on.
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        match self {
            TlsSession::Rustls(session) => session.common()?.alpn_protocol(),
            TlsSession::Null(_) => None,
        }
    }

    /// The handshake continued an earlier session.
    #[must_use]
    pub fn resumed(&self) -> bool {
        match self {
            TlsSession::Rustls(session) => {
                session.common().and_then(|c| c.handshake_kind()) == Some(HandshakeKind::Resumed)
            }
            TlsSession::Null(session) => session.resumed(),
        }
    }

    /// The version agreed on.
    #[must_use]
    pub fn version(&self) -> Option<TlsVersion> {
        match self {
            TlsSession::Rustls(session) => match session.common()?.protocol_version()? {
                ProtocolVersion::TLSv1_2 => Some(TlsVersion::V12),
                ProtocolVersion::TLSv1_3 => Some(TlsVersion::V13),
                _ => None,
            },
            TlsSession::Null(_) => Some(TlsVersion::V13),
        }
    }

    /// The cipher suite agreed on, by its IANA name (rustls writes `TLS13_` before those of 1.3).
    #[must_use]
    pub fn cipher(&self) -> Option<&'static str> {
        match self {
            TlsSession::Rustls(session) => session
                .common()?
                .negotiated_cipher_suite()?
                .suite()
                .as_str(),
            TlsSession::Null(_) => Some("NULL"),
        }
    }

    /// The leaf certificate that the peer showed, verified, as DER.
    #[must_use]
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        match self {
            TlsSession::Rustls(session) => session
                .common()?
                .peer_certificates()?
                .first()
                .map(AsRef::as_ref),
            TlsSession::Null(_) => None,
        }
    }
}

/// rustls with what we must know around it.
#[derive(Debug)]
pub struct RustlsSession {
    stage: Stage,
    /// Servers only: chooses the configuration, and answers `covers` later.
    tls: Option<Arc<ServerTls>>,
    certificate: u16,
    /// An address that its certificate is known to hold.
    covered: Cell<Option<IpAddr>>,
    /// Nothing was fed to the connection yet but what its acceptor took.
    is_new: bool,
}

enum Stage {
    /// A server before the client's hello is complete.
    Hello {
        acceptor: Acceptor,
        received_bytes: usize,
    },
    Server(ServerConnection),
    Client(ClientConnection),
    /// The acceptor failed; its alert is all that is left.
    Failed {
        output: Vec<u8>,
    },
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Stage::Hello { .. } => "Hello",
            Stage::Server(_) => "Server",
            Stage::Client(_) => "Client",
            Stage::Failed { .. } => "Failed",
        })
    }
}

impl RustlsSession {
    fn feed(&mut self, input: &mut &[u8]) -> Result<Progress, TlsError> {
        if let Stage::Hello { .. } = &self.stage {
            self.feed_hello(input)?;
        }
        let is_new = std::mem::take(&mut self.is_new);
        match &mut self.stage {
            Stage::Hello { .. } => Ok(Progress {
                handshaking: true,
                ..Progress::default()
            }),
            Stage::Server(connection) => feed(connection, input, is_new),
            Stage::Client(connection) => feed(connection, input, is_new),
            Stage::Failed { .. } => Err(TlsError::Failed),
        }
    }

    /// Gives the acceptor bytes until the hello is whole, then opens the session its name chose.
    fn feed_hello(&mut self, input: &mut &[u8]) -> Result<(), TlsError> {
        let Stage::Hello {
            acceptor,
            received_bytes,
        } = &mut self.stage
        else {
            return Ok(());
        };
        let accepted = loop {
            if input.is_empty() {
                return Ok(());
            }
            let tls = self.tls.as_ref();
            let most = tls.map_or(HELLO_BYTES_MAX, |tls| tls.hello_bytes_max());
            let room = most.saturating_sub(*received_bytes);
            if room == 0 {
                return Err(self.fail(TlsError::HelloTooLarge, None));
            }
            let mut piece = input.get(..room).unwrap_or(input);
            // An empty reader would mean the end of the stream; `piece` never is.
            let Ok(taken) = acceptor.read_tls(&mut piece) else {
                return Err(self.fail(TlsError::HelloTooLarge, None));
            };
            *received_bytes = received_bytes.saturating_add(taken);
            *input = input.get(taken..).unwrap_or_default();
            match acceptor.accept() {
                Ok(Some(accepted)) => break accepted,
                Ok(None) => {}
                Err((error, alert)) => return Err(self.fail(error.into(), Some(alert))),
            }
        };
        let Some(tls) = &self.tls else {
            return Err(self.fail(TlsError::Failed, None));
        };
        self.certificate = tls.select(accepted.client_hello().server_name());
        let Some(config) = tls.config(self.certificate) else {
            return Err(self.fail(TlsError::Failed, None));
        };
        match accepted.into_connection(Arc::clone(config)) {
            Ok(mut connection) => {
                connection.set_buffer_limit(Some(OUTPUT_BYTES_MAX));
                self.stage = Stage::Server(connection);
                self.is_new = true;
                Ok(())
            }
            Err((error, alert)) => Err(self.fail(error.into(), Some(alert))),
        }
    }

    /// Ends a session that never opened, keeping the alert to send.
    fn fail(&mut self, error: TlsError, alert: Option<AcceptedAlert>) -> TlsError {
        let mut output = Vec::new();
        if let Some(mut alert) = alert {
            // Writing to a vector cannot fail.
            let _ = alert.write_all(&mut output);
        }
        self.stage = Stage::Failed { output };
        error
    }

    fn common(&self) -> Option<&CommonState> {
        match &self.stage {
            Stage::Server(connection) => Some(connection),
            Stage::Client(connection) => Some(connection),
            Stage::Hello { .. } | Stage::Failed { .. } => None,
        }
    }

    fn common_mut(&mut self) -> Option<&mut CommonState> {
        match &mut self.stage {
            Stage::Server(connection) => Some(connection),
            Stage::Client(connection) => Some(connection),
            Stage::Hello { .. } | Stage::Failed { .. } => None,
        }
    }
}

fn feed<D: SideData>(
    connection: &mut ConnectionCommon<D>,
    input: &mut &[u8],
    is_new: bool,
) -> Result<Progress, TlsError> {
    // Before any input when the acceptor may have taken more than the hello; else behind it.
    let mut known = if is_new {
        Some(connection.process_new_packets()?)
    } else {
        None
    };
    while !input.is_empty() {
        if known.as_ref().is_some_and(IoState::peer_has_closed) {
            // "Any data received after a closure alert has been received MUST be ignored."
            *input = &[];
            break;
        }
        let plain_bytes = known.as_ref().map_or(0, IoState::plaintext_bytes_to_read);
        if plain_bytes >= PLAIN_BYTES_ENOUGH {
            break;
        }
        match connection.read_tls(input) {
            Ok(_) => {}
            // A handshake message over rustls's 64 KiB.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let oversized = rustls::Error::PeerSentOversizedRecord;
                return Err(TlsError::Protocol(oversized));
            }
            Err(_) => break,
        }
        known = Some(connection.process_new_packets()?);
    }
    let state = match known {
        Some(state) => state,
        None => connection.process_new_packets()?,
    };
    Ok(Progress {
        plain_bytes: state.plaintext_bytes_to_read(),
        wants_write: connection.wants_write(),
        handshaking: connection.is_handshaking(),
        peer_closed: state.peer_has_closed(),
    })
}

fn read_plain<D: SideData>(connection: &mut ConnectionCommon<D>, out: &mut [u8]) -> usize {
    // "Would block" means nothing waits.
    connection.reader().read(out).unwrap_or(0)
}

fn write_plain<D: SideData>(connection: &mut ConnectionCommon<D>, data: &[u8]) -> usize {
    if connection.is_handshaking() {
        return 0;
    }
    connection.writer().write(data).unwrap_or(0)
}

fn take_output<D: SideData, S: TlsSink>(
    connection: &mut ConnectionCommon<D>,
    writer: &mut SinkWriter<'_, S>,
) -> usize {
    let mut taken = 0usize;
    while connection.wants_write() {
        match connection.write_tls(writer) {
            Ok(0) | Err(_) => break,
            Ok(count) => taken = taken.saturating_add(count),
        }
    }
    taken
}

fn trim<D: SideData>(connection: &mut ConnectionCommon<D>) {
    /// Never ready: rustls resizes its buffer before it reads, and only there.
    struct Nothing;
    impl Read for Nothing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }
    // An error is the expected answer; `Ok(0)` would be taken for the end of the stream.
    let _ = connection.read_tls(&mut Nothing);
}

/// A sink as rustls wants to see it.
struct SinkWriter<'a, S: TlsSink>(&'a mut S);

impl<S: TlsSink> Write for SinkWriter<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.0.append(bytes).min(bytes.len()))
    }

    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let mut total = 0usize;
        for piece in pieces {
            let taken = self.0.append(piece).min(piece.len());
            total = total.saturating_add(taken);
            if taken < piece.len() {
                break;
            }
        }
        Ok(total)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The largest client hello: with hybrid key shares they have about 2 KiB.
pub const HELLO_BYTES_MAX: usize = 16 * 1024;
/// Encrypted bytes that may wait to be taken before `write_plain` stops.
pub const OUTPUT_BYTES_MAX: usize = 64 * 1024;
/// Plain bytes after which `feed` leaves the rest of its input. rustls's own limit is 16 KiB, too:
/// below it, so that its refusal is never the answer.
const PLAIN_BYTES_ENOUGH: usize = 16 * 1024;
