//! A body on its way from one connection to another.
//!
//! What it is: reads a body as its framing says, hands its bytes on without copying them, and
//! frames them anew; only our code writes framing. Shape: a state machine polled by the task that
//! owns both connections; `pace` says when either is too slow, and how much may lie in between.
//! Units: bytes. Ranges: the sink holds at most [`SINK_HIGH_BYTES`] unsent before the source is
//! left alone, so a body of any size takes constant memory. Errors: [`PumpEnd`]. Source: RFC 9112
//! sections 6 and 7.

mod pace;

pub use pace::{Pace, Room, SINK_HIGH_BYTES};

use std::task::Poll;

use self::pace::Waiting;
use super::conn::Conn;
use crate::{
    base::time::Mono,
    exec::RecvEnd,
    ring::{Buf, BufMut},
    wire::{
        body::BodyReader,
        chunked::Step,
        event_frame::EventFault,
        events::{EventDecoder, Failure},
        fault::BodyFault,
        write::{CHUNK_LINE_BYTES_MAX, LAST_CHUNK, chunk_size_line},
    },
};

/// Pieces up to this size are copied beside their chunk line.
const COPY_BYTES_MAX: usize = 4 * 1024;

/// How the body is framed towards the sink.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutFraming {
    /// As it is: a declared length, or until the connection ends.
    Raw,
    /// In chunks.
    Chunked,
    /// Nowhere: read and thrown away.
    Nowhere,
}

/// Why a body did not arrive whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PumpEnd {
    /// The source ended or failed.
    Source(RecvEnd),
    /// The source sent something that is no body.
    Fault(BodyFault),
    /// The sink failed.
    Sink,
    /// The source was slower than it may be.
    SourceSlow,
    /// The sink took bytes more slowly than it may.
    SinkSlow,
    /// No buffer is free.
    Buffers,
    /// The events in the body are none.
    Events(EventFault),
    /// The function whose events these are has failed.
    Failed,
}

/// What has left of a body, framing included, kept so that it can be sent once more.
struct Held {
    bufs: Vec<Buf>,
    bytes_left: usize,
}

/// One body.
pub struct Pump {
    reader: BodyReader,
    out: OutFraming,
    /// Received behind the head or behind the last piece.
    carry: Option<Buf>,
    line_end_due: bool,
    done: bool,
    moved_bytes: u64,
    source_pace: Option<Pace>,
    source_wait: Waiting,
    room: Room,
    /// Something has left, be it framing alone.
    begun: bool,
    held: Option<Held>,
    /// The body's bytes once more, for whoever keeps them.
    copy: Option<Vec<u8>>,
    /// The last look was for bytes of the source, and there were none.
    starved: bool,
    /// The body is a stream of events, and what is handed on is in them.
    events: Option<Box<EventDecoder>>,
}

impl Pump {
    /// A body read by `reader`, whose first bytes may be in `carry`.
    #[must_use]
    pub fn new(reader: BodyReader, out: OutFraming, carry: Option<Buf>) -> Pump {
        let done = reader.is_done() && out != OutFraming::Chunked;
        Pump {
            reader,
            out,
            carry,
            line_end_due: false,
            done,
            moved_bytes: 0,
            source_pace: None,
            source_wait: Waiting::default(),
            room: Room::default(),
            begun: false,
            held: None,
            copy: None,
            starved: false,
            events: None,
        }
    }

    /// Hands on the payload of the events that the body consists of.
    #[must_use]
    pub fn with_events(mut self) -> Pump {
        self.events = Some(Box::default());
        self
    }

    /// Frames what is handed on from now on.
    pub fn frame_as(&mut self, out: OutFraming) {
        self.out = out;
    }

    /// How the function failed whose events these are, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.events.as_ref()?.failure()
    }

    /// The next byte, for whoever wants to see how a body begins; `None` at its end. What follows
    /// is handed on as ever: nothing behind the byte has been looked at.
    pub fn poll_byte(
        &mut self,
        source: &mut Conn,
        deadline: Mono,
    ) -> Poll<Result<Option<u8>, PumpEnd>> {
        loop {
            if self.reader.is_done() {
                return Poll::Ready(self.whole().map(|()| None));
            }
            let mut buf = match self.carry.take() {
                Some(buf) => buf,
                None => match self.poll_source(source, deadline) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(buf)) => buf,
                    Poll::Ready(Err(PumpEnd::Source(RecvEnd::Closed))) => {
                        let whole = self.reader.close().map_err(PumpEnd::Fault);
                        return Poll::Ready(whole.and_then(|()| self.whole()).map(|()| None));
                    }
                    Poll::Ready(Err(end)) => return Poll::Ready(Err(end)),
                },
            };
            let read = self.read_byte(&mut buf);
            if !buf.is_empty() {
                self.carry = Some(buf);
            }
            match read {
                Ok(None) => {}
                read => return Poll::Ready(read),
            }
        }
    }

    /// Reads on in `buf` to the next byte that would be handed on.
    fn read_byte(&mut self, buf: &mut Buf) -> Result<Option<u8>, PumpEnd> {
        while let Some(first) = buf.first().copied() {
            let step = self.reader.read(&[first]).map_err(PumpEnd::Fault)?;
            let is_end = matches!(step, Step::End { consumed: 0 });
            if is_end {
                return Ok(None);
            }
            buf.advance(1);
            let Step::Data { .. } = step else { continue };
            let is_payload = match &mut self.events {
                None => true,
                Some(events) => {
                    let step = events.decode(&[first]).map_err(PumpEnd::Events)?;
                    if events.failure().is_some() {
                        return Err(PumpEnd::Failed);
                    }
                    matches!(step, Step::Data { .. })
                }
            };
            if is_payload {
                return Ok(Some(first));
            }
        }
        Ok(None)
    }

    /// The body is over: are the events in it?
    fn whole(&self) -> Result<(), PumpEnd> {
        match &self.events {
            Some(events) if !events.is_complete() => Err(PumpEnd::Fault(BodyFault::Short)),
            _ => Ok(()),
        }
    }

    /// Keeps what leaves, up to `bytes_max`, so that [`Pump::replay`] can send it once more;
    /// `bufs` is room for it.
    #[must_use]
    pub fn with_hold(mut self, bufs: Vec<Buf>, bytes_max: usize) -> Pump {
        self.held = Some(Held {
            bufs,
            bytes_left: bytes_max,
        });
        self
    }

    /// Everything that has left is still held.
    #[must_use]
    pub fn can_replay(&self) -> bool {
        !self.begun || self.held.is_some()
    }

    /// Sends to another sink what the one before got.
    pub fn replay(&mut self, sink: &mut Conn) {
        for buf in self.held.iter().flat_map(|held| &held.bufs) {
            sink.send(buf.clone());
        }
        self.room.note(sink);
    }

    /// Holds nothing from now on; gives the room back to where it came from.
    pub fn let_go(&mut self, room: &mut Vec<Buf>) {
        if let Some(held) = self.held.take() {
            *room = held.bufs;
            room.clear();
        }
    }

    /// Bounds how slowly the source may send.
    #[must_use]
    pub fn with_source_pace(mut self, pace: Pace) -> Pump {
        self.source_pace = Some(pace);
        self
    }

    /// Bounds how slowly the sink may take.
    #[must_use]
    pub fn with_sink_pace(mut self, pace: Pace) -> Pump {
        self.room = Room::with_pace(pace);
        self
    }

    /// Copies the body's bytes as they pass to `room`; see [`Pump::copied`].
    pub fn begin_copy(&mut self, room: Vec<u8>) {
        self.copy = Some(room);
    }

    /// What has been copied and not been taken yet; `None` when nothing is copied.
    pub fn copied(&mut self) -> &mut Option<Vec<u8>> {
        &mut self.copy
    }

    /// It waits for its source, not for its sink.
    #[must_use]
    pub fn is_starved(&self) -> bool {
        self.starved
    }

    /// Everything was read and handed on.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Body bytes handed on so far.
    #[must_use]
    pub fn moved_bytes(&self) -> u64 {
        self.moved_bytes
    }

    /// Of these, those that have a sink.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        match self.out {
            OutFraming::Nowhere => 0,
            OutFraming::Raw | OutFraming::Chunked => self.moved_bytes,
        }
    }

    /// What was received behind the body's end.
    pub fn take_carry(&mut self) -> Option<Buf> {
        self.carry.take()
    }

    /// What is left of it: to be read by somebody else.
    #[must_use]
    pub fn into_rest(self) -> (BodyReader, Option<Buf>) {
        (self.reader, self.carry)
    }

    /// Reads and throws away, at most `bytes_max`; for bodies that nobody needs.
    pub fn poll_away(
        &mut self,
        source: &mut Conn,
        deadline: Mono,
        bytes_max: u64,
    ) -> Poll<Result<(), PumpEnd>> {
        loop {
            if self.done {
                return Poll::Ready(Ok(()));
            }
            if self.moved_bytes > bytes_max {
                return Poll::Ready(Err(PumpEnd::Fault(BodyFault::TooLarge)));
            }
            let mut buf = match self.carry.take() {
                Some(buf) => buf,
                None => match self.poll_source(source, deadline) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(buf)) => buf,
                    Poll::Ready(Err(end)) => return Poll::Ready(Err(end)),
                },
            };
            while !buf.is_empty() && !self.done {
                match self.reader.read(&buf) {
                    Ok(Step::Need) => break,
                    Ok(Step::Data { skip, len }) => {
                        self.moved_bytes += len as u64;
                        if let Some(copy) = &mut self.copy {
                            copy.extend_from_slice(buf.get(skip..skip + len).unwrap_or(&[]));
                        }
                        buf.advance(skip + len);
                        self.done = self.reader.is_done();
                    }
                    Ok(Step::End { consumed }) => {
                        buf.advance(consumed);
                        self.done = true;
                    }
                    Err(fault) => return Poll::Ready(Err(PumpEnd::Fault(fault))),
                }
            }
            if self.done && !buf.is_empty() {
                self.carry = Some(buf);
            }
        }
    }

    /// Copies the first body bytes at hand beside a head that is still being written, as far as
    /// they fit; a small answer then leaves in one piece. Declared lengths only.
    pub fn prefill(&mut self, head: &mut BufMut) {
        let is_bare = self.events.is_none() && matches!(self.reader, BodyReader::Length(_));
        if self.out != OutFraming::Raw || !is_bare {
            return;
        }
        let Some(carry) = &mut self.carry else { return };
        if carry.len().min(COPY_BYTES_MAX) < carry.len() || head.spare().len() < carry.len() {
            return;
        }
        if let Ok(Step::Data { len, .. }) = self.reader.read(carry) {
            let bytes = carry.get(..len).unwrap_or(&[]);
            head.extend(bytes);
            if let Some(copy) = &mut self.copy {
                copy.extend_from_slice(bytes);
            }
            self.moved_bytes += len as u64;
            carry.advance(len);
            if carry.is_empty() {
                self.carry = None;
            }
        }
        self.done = self.reader.is_done();
    }

    /// Moves what can be moved now. Ready when the body is over or cannot go on. `deadline` bounds
    /// the wait for a source that has no pace.
    pub fn poll(
        &mut self,
        source: &mut Conn,
        sink: &mut Conn,
        deadline: Mono,
    ) -> Poll<Result<(), PumpEnd>> {
        self.starved = false;
        loop {
            if self.done {
                return Poll::Ready(Ok(()));
            }
            if self.out != OutFraming::Nowhere {
                match self.room.poll(sink) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(end)) => return Poll::Ready(Err(end)),
                    Poll::Ready(Ok(())) => {}
                }
            }
            if self.reader.is_done() {
                return Poll::Ready(self.finish(sink)); // its bytes were read one by one
            }
            let buf = match self.carry.take() {
                Some(buf) => buf,
                None => match self.poll_source(source, deadline) {
                    Poll::Pending => {
                        self.starved = true;
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(buf)) => buf,
                    Poll::Ready(Err(PumpEnd::Source(RecvEnd::Closed))) => {
                        return Poll::Ready(self.close(sink));
                    }
                    Poll::Ready(Err(end)) => return Poll::Ready(Err(end)),
                },
            };
            if let Err(end) = self.hand_on(buf, sink) {
                return Poll::Ready(Err(end));
            }
            self.room.note(sink);
        }
    }

    fn poll_source(&mut self, source: &mut Conn, deadline: Mono) -> Poll<Result<Buf, PumpEnd>> {
        let now = source.stream().core().now();
        let until = match self.source_pace {
            Some(_) => Mono::FAR,
            None => deadline,
        };
        match source.poll_recv_until(until) {
            Poll::Ready(Ok(buf)) => {
                self.source_wait.moved(buf.len() as u64, now);
                Poll::Ready(Ok(buf))
            }
            Poll::Ready(Err(end)) => Poll::Ready(Err(PumpEnd::Source(end))),
            Poll::Pending => {
                let Some(pace) = self.source_pace else {
                    return Poll::Pending;
                };
                match self.source_wait.wait(pace, now) {
                    Some(look) => {
                        source.stream().core().wake_at(look);
                        Poll::Pending
                    }
                    None => Poll::Ready(Err(PumpEnd::SourceSlow)),
                }
            }
        }
    }

    fn close(&mut self, sink: &mut Conn) -> Result<(), PumpEnd> {
        self.reader.close().map_err(PumpEnd::Fault)?;
        self.finish(sink)
    }

    fn hand_on(&mut self, mut buf: Buf, sink: &mut Conn) -> Result<(), PumpEnd> {
        // However short the chunks, their lines share buffers: a received buffer becomes about
        // one buffer on its way out.
        let mut line = None;
        loop {
            match self.reader.read(&buf).map_err(PumpEnd::Fault)? {
                Step::Need => {
                    self.flush(line, sink);
                    return Ok(());
                }
                Step::Data { skip, len } => {
                    buf.advance(skip);
                    let piece = buf.split_to(len);
                    self.unwrap(piece, &mut line, sink)?;
                    if self.reader.is_done() {
                        break;
                    }
                }
                Step::End { consumed } => {
                    buf.advance(consumed);
                    break;
                }
            }
            if buf.is_empty() {
                self.flush(line, sink);
                return Ok(());
            }
        }
        self.flush(line, sink);
        if !buf.is_empty() {
            self.carry = Some(buf);
        }
        self.finish(sink)
    }

    /// Sends what is payload of a piece of the body.
    fn unwrap(
        &mut self,
        mut piece: Buf,
        line: &mut Option<BufMut>,
        sink: &mut Conn,
    ) -> Result<(), PumpEnd> {
        let Some(mut events) = self.events.take() else {
            self.moved_bytes += piece.len() as u64;
            return self.send(piece, line, sink);
        };
        let unwrapped = loop {
            match events.decode(&piece) {
                Ok(Step::Need | Step::End { .. }) => break Ok(()),
                Ok(Step::Data { skip, len }) => {
                    piece.advance(skip);
                    let payload = piece.split_to(len);
                    self.moved_bytes += len as u64;
                    if let Err(end) = self.send(payload, line, sink) {
                        break Err(end);
                    }
                }
                Err(fault) => break Err(PumpEnd::Events(fault)),
            }
        };
        let has_failed = events.failure().is_some();
        self.events = Some(events);
        if has_failed {
            return Err(PumpEnd::Failed);
        }
        unwrapped
    }

    fn send(
        &mut self,
        piece: Buf,
        line: &mut Option<BufMut>,
        sink: &mut Conn,
    ) -> Result<(), PumpEnd> {
        if let Some(copy) = &mut self.copy {
            copy.extend_from_slice(&piece);
        }
        match self.out {
            OutFraming::Nowhere => {}
            OutFraming::Raw => self.put(piece, sink),
            OutFraming::Chunked => {
                let copied = piece.len() <= COPY_BYTES_MAX;
                let needed = CHUNK_LINE_BYTES_MAX + 2 + if copied { piece.len() } else { 0 };
                if line
                    .as_mut()
                    .is_some_and(|open| open.spare().len() < needed)
                {
                    self.flush(line.take(), sink);
                }
                let fresh = || sink.stream().core().pool().take();
                let mut out = line.take().or_else(fresh).ok_or(PumpEnd::Buffers)?;
                if std::mem::replace(&mut self.line_end_due, true) {
                    out.extend(b"\r\n");
                }
                let mut digits = [0; CHUNK_LINE_BYTES_MAX];
                out.extend(chunk_size_line(piece.len() as u64, &mut digits));
                if copied {
                    out.extend(&piece);
                    *line = Some(out);
                } else {
                    self.put(out.freeze(), sink);
                    self.put(piece, sink);
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, sink: &mut Conn) -> Result<(), PumpEnd> {
        self.whole()?;
        self.done = true;
        if self.out == OutFraming::Chunked {
            let mut end = sink.stream().core().pool().take().ok_or(PumpEnd::Buffers)?;
            if std::mem::take(&mut self.line_end_due) {
                end.extend(b"\r\n");
            }
            end.extend(LAST_CHUNK);
            self.put(end.freeze(), sink);
        }
        Ok(())
    }

    fn flush(&mut self, line: Option<BufMut>, sink: &mut Conn) {
        if let Some(line) = line {
            self.put(line.freeze(), sink);
        }
    }

    /// Hands `buf` on, and keeps it if a second try may need it and buffers are plenty.
    fn put(&mut self, buf: Buf, sink: &mut Conn) {
        self.begun = true;
        if let Some(held) = &mut self.held {
            match held.bytes_left.checked_sub(buf.len()) {
                Some(left) if !buf.pool().is_scarce() => {
                    held.bytes_left = left;
                    held.bufs.push(buf.clone());
                }
                _ => self.held = None,
            }
        }
        sink.send(buf);
    }
}
