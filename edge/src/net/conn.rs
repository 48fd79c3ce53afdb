//! A connection as the layers above see it: plain bytes in and out, TLS or not.
//!
//! What it is: a [`Stream`] with an optional TLS session between it and its user. Shape: received
//! plain bytes come as pool buffers; sent ones are queued at once and leave with the turn.
//! Units: bytes; deadlines as [`Mono`]. Errors: those of the stream; a TLS fault reads as
//! `EPROTO`. Output of the session is sent after every feed, so that alerts and key updates never
//! wait. Source: RFC 8446 section 6.

use std::{sync::Arc, task::Poll};

use super::tls::{
    server::ServerTls,
    session::{TlsSession, TlsSink},
};
use crate::{
    base::time::Mono,
    exec::{RecvEnd, SendEnd, Stream, TaskId},
    ring::{Buf, BufMut, Errno, Piece},
};

/// A connection, plain or encrypted.
pub struct Conn {
    stream: Stream,
    tls: Option<Box<Tls>>,
}

struct Tls {
    session: TlsSession,
    /// Received, not yet fed.
    cipher: Option<Buf>,
    /// Decrypted, not yet read.
    plain_bytes: usize,
    ended: Option<RecvEnd>,
}

/// What a record is longer than its content: head, number, kind and tag, TLS 1.2 and 1.3.
const RECORD_ADDED_BYTES: usize = 32;

impl TlsSink for BufMut {
    fn append(&mut self, bytes: &[u8]) -> usize {
        self.extend(bytes)
    }
}

impl Conn {
    /// A connection without TLS.
    #[must_use]
    pub fn plain(stream: Stream) -> Conn {
        Conn { stream, tls: None }
    }

    /// The server's side of a TLS connection; [`Conn::handshake`] comes first.
    #[must_use]
    pub fn tls_server(stream: Stream, tls: &Arc<ServerTls>) -> Conn {
        Conn::over(stream, tls.session())
    }

    /// A connection over any session.
    #[must_use]
    pub fn over(stream: Stream, session: TlsSession) -> Conn {
        let tls = Tls {
            session,
            cipher: None,
            plain_bytes: 0,
            ended: None,
        };
        Conn {
            stream,
            tls: Some(Box::new(tls)),
        }
    }

    /// Gives received bytes of the wire to the TLS session before any other.
    pub fn unread(&mut self, cipher: Buf) {
        if let Some(tls) = &mut self.tls {
            tls.cipher = Some(cipher);
        }
    }

    /// The socket below.
    #[must_use]
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The TLS session, if there is one.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsSession> {
        self.tls.as_deref().map(|tls| &tls.session)
    }

    /// Agrees on keys; plain connections are ready at once.
    ///
    /// # Errors
    /// The peer's fault, its end, or `deadline`.
    pub async fn handshake(&mut self, deadline: Mono) -> Result<(), RecvEnd> {
        self.flush_tls();
        std::future::poll_fn(|_| {
            loop {
                let Some(tls) = &mut self.tls else {
                    return Poll::Ready(Ok(()));
                };
                if let Some(end) = tls.ended {
                    return Poll::Ready(Err(end));
                }
                if !tls.session.is_handshaking() {
                    return Poll::Ready(Ok(()));
                }
                if tls.cipher.is_none() {
                    match self.stream.poll_recv_until(deadline) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Err(end)) => return Poll::Ready(Err(end)),
                        Poll::Ready(Ok(buf)) => tls.cipher = Some(buf),
                    }
                }
                self.feed_tls();
            }
        })
        .await
    }

    /// The next plain bytes.
    ///
    /// # Errors
    /// The end of the stream, a failure, or `deadline`.
    pub async fn recv(&mut self, deadline: Mono) -> Result<Buf, RecvEnd> {
        std::future::poll_fn(|_| self.poll_recv_until(deadline)).await
    }

    /// As [`Conn::recv`], for a task that waits for several things at once.
    pub fn poll_recv_until(&mut self, deadline: Mono) -> Poll<Result<Buf, RecvEnd>> {
        if self.tls.is_none() {
            return self.stream.poll_recv_until(deadline);
        }
        loop {
            let Some(tls) = &mut self.tls else {
                return Poll::Pending;
            };
            if tls.plain_bytes > 0 {
                return Poll::Ready(self.read_plain());
            }
            if let Some(end) = tls.ended {
                return Poll::Ready(Err(end));
            }
            if tls.cipher.is_none() {
                match self.stream.poll_recv_until(deadline) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(end)) => return Poll::Ready(Err(end)),
                    Poll::Ready(Ok(buf)) => tls.cipher = Some(buf),
                }
            }
            self.feed_tls();
        }
    }

    fn read_plain(&mut self) -> Result<Buf, RecvEnd> {
        let Some(tls) = &mut self.tls else {
            return Err(RecvEnd::Closed);
        };
        let Some(mut fresh) = self.stream.core().pool().take() else {
            return Err(RecvEnd::Failed(Errno::NO_BUFFERS));
        };
        let count = tls.session.read_plain(fresh.spare());
        fresh.commit(count);
        tls.plain_bytes = if count == 0 {
            0
        } else {
            tls.plain_bytes.saturating_sub(count)
        };
        Ok(fresh.freeze())
    }

    fn feed_tls(&mut self) {
        let Some(tls) = &mut self.tls else { return };
        let Some(mut cipher) = tls.cipher.take() else {
            return;
        };
        let mut input = &cipher[..];
        let fed = tls.session.feed(&mut input);
        let used = cipher.len() - input.len();
        cipher.advance(used);
        match fed {
            Ok(progress) => {
                tls.plain_bytes = progress.plain_bytes;
                if progress.peer_closed {
                    tls.ended = Some(RecvEnd::Closed);
                } else if !cipher.is_empty() {
                    tls.cipher = Some(cipher);
                }
            }
            Err(_) => tls.ended = Some(RecvEnd::Failed(Errno::PROTOCOL)),
        }
        self.flush_tls();
    }

    fn flush_tls(&mut self) {
        let Some(tls) = &mut self.tls else { return };
        while tls.session.wants_write() {
            let Some(mut fresh) = self.stream.core().pool().take() else {
                tls.ended = Some(RecvEnd::Failed(Errno::NO_BUFFERS));
                return;
            };
            if tls.session.take_output(&mut fresh) == 0 {
                return;
            }
            self.stream.send(fresh.freeze());
        }
    }

    /// Queues plain bytes.
    pub fn send(&mut self, buf: Buf) {
        let Some(tls) = &mut self.tls else {
            self.stream.send(buf);
            return;
        };
        let mut rest = &buf[..];
        while !rest.is_empty() && tls.ended != Some(RecvEnd::Failed(Errno::NO_BUFFERS)) {
            let taken = tls.session.write_plain(rest);
            rest = &rest[taken..];
            while tls.session.wants_write() {
                let Some(mut fresh) = self.stream.core().pool().take() else {
                    // A gap in the records would be worse than an end.
                    tls.ended = Some(RecvEnd::Failed(Errno::NO_BUFFERS));
                    self.stream.fail_sending(Errno::NO_BUFFERS);
                    return;
                };
                tls.session.take_output(&mut fresh);
                self.stream.send(fresh.freeze());
            }
            if taken == 0 {
                tls.ended = Some(RecvEnd::Failed(Errno::PROTOCOL));
                self.stream.fail_sending(Errno::PROTOCOL);
                return;
            }
        }
    }

    /// Queues bytes that are sent from where they lie. `false`, with nothing queued, when the
    /// connection encrypts: all it sends is a copy.
    pub fn send_lent(&mut self, piece: Piece) -> bool {
        if self.tls.is_none() {
            self.stream.send(piece);
        }
        self.tls.is_none()
    }

    /// Bytes of a buffer to be given to [`Conn::send`] that are best left free, so that what is
    /// made of it fits one buffer again.
    #[must_use]
    pub fn added_bytes(&self) -> usize {
        if self.tls.is_some() {
            RECORD_ADDED_BYTES
        } else {
            0
        }
    }

    /// Ready when at most `bytes_left` bytes are unsent.
    pub fn poll_sent(&mut self, bytes_left: usize) -> Poll<Result<(), SendEnd>> {
        self.stream.poll_sent(bytes_left)
    }

    /// Waits until at most `bytes_left` bytes are unsent.
    ///
    /// # Errors
    /// A failed connection, or `deadline`.
    pub async fn sent(&mut self, bytes_left: usize, deadline: Mono) -> Result<(), SendEnd> {
        self.stream.sent(bytes_left, deadline).await
    }

    /// Bytes queued or in flight.
    #[must_use]
    pub fn unsent_bytes(&self) -> usize {
        self.stream.unsent_bytes()
    }

    /// Open in both directions, with nothing received that nobody read: fit to be used again.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let tls_quiet = self
            .tls
            .as_ref()
            .is_none_or(|tls| tls.cipher.is_none() && tls.plain_bytes == 0 && tls.ended.is_none());
        tls_quiet && self.stream.is_quiet()
    }

    /// How the peer's side ended, be everything before it read or not.
    pub fn poll_end(&mut self) -> Poll<RecvEnd> {
        self.stream.poll_end()
    }

    /// Names the task to wake when something arrives.
    pub fn watch(&mut self, task: TaskId) {
        self.stream.watch(task);
    }

    /// Gives back memory that an idle connection does not need.
    pub fn trim(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.session.trim();
        }
    }

    /// Says that nothing more will be sent: the TLS goodbye, then a FIN.
    pub fn shutdown_send(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.session.close_notify();
            self.flush_tls();
        }
        self.stream.shutdown_when_sent();
    }

    /// Begins an answer that ends with its connection: until [`Conn::shutdown_send`] has said
    /// everything, a drop closes with a reset, so that a cut answer is seen as cut.
    pub fn begin_saying(&mut self) {
        self.stream.begin_saying();
    }

    /// Closes with a reset, so that a cut answer is seen as cut.
    pub fn reset(self) {
        self.stream.reset();
    }
}
