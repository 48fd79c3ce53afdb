//! The core's end of a log: lines gather in a chunk, full chunks go to the writer thread.
//!
//! Shape: each core owns a [`LogSink`] with a fixed number of chunks; a chunk is idle at the core,
//! active, on its way in the one full queue, or on its way back in the core's own empty queue. All
//! memory is allocated at the start.
//! Units and ranges: [`CHUNK_BYTES`] a chunk; a line waits at most [`FLUSH_AFTER_MS`] in a chunk,
//! given that the loop asks [`LogSink::flush_due`].
//! Errors: a core never waits. With no chunk left a line is dropped and counted.
//! Source: RELIABILITY sections 2 and 7.8 (never block); nginx `access_log buffer= flush=`.

use super::{
    format::{FIELD_BYTES_MIN, LINE_BYTES_MIN, LogFormat},
    record::AccessRecord,
    stamp::Stamp,
    writer::Waker,
};
use crate::base::time::Mono;
use crossbeam::queue::ArrayQueue;
use std::sync::Arc;

/// Bytes of a chunk: what the writer thread gets and writes at once.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// How long a line may wait in a chunk that does not fill.
pub const FLUSH_AFTER_MS: u64 = 200;

/// One core's way into the log.
pub struct LogSink {
    lanes: Arc<Lanes>,
    lane: usize,
    waker: Waker,
    /// Chunks at hand; the last one used is taken first, while it is warm in the cache.
    idle: Vec<Chunk>,
    active: Option<Chunk>,
    /// When the first line of the active chunk came.
    first_line_at: Mono,
    stamp: Stamp,
    lines: u64,
    lines_dropped: u64,
}

impl LogSink {
    pub(super) fn new(lanes: &Arc<Lanes>, lane: usize, waker: Waker, chunks: usize) -> LogSink {
        LogSink {
            lanes: Arc::clone(lanes),
            lane,
            waker,
            idle: (0..chunks).map(|_| Chunk::new(lane)).collect(),
            active: None,
            first_line_at: Mono(0),
            stamp: Stamp::default(),
            lines: 0,
            lines_dropped: 0,
        }
    }

    /// Prints `record` into the active chunk; false when the line had to be dropped. Costs a wake
    /// of the writer only when a chunk is full.
    pub fn log(&mut self, format: &LogFormat, record: &AccessRecord<'_>, now: Mono) -> bool {
        let kept = self.log_kept(format, record, now);
        if kept {
            self.lines += 1;
        } else {
            self.lines_dropped += 1;
        }
        kept
    }

    fn log_kept(&mut self, format: &LogFormat, record: &AccessRecord<'_>, now: Mono) -> bool {
        let Some(mut chunk) = self.active.take().or_else(|| self.take_idle()) else {
            return false;
        };
        let mut print = |chunk: &mut Chunk, field_bytes_max| {
            let fits = chunk.print(format, record, &mut self.stamp, field_bytes_max);
            if fits && chunk.lines == 1 {
                self.first_line_at = now;
            }
            fits
        };
        if print(&mut chunk, format.field_bytes_max()) {
            self.active = Some(chunk);
            return true;
        }
        if chunk.used_bytes > 0 {
            self.hand_over(chunk);
            let Some(next) = self.take_idle() else {
                return false;
            };
            chunk = next;
        }
        let mut print =
            |field_bytes_max| chunk.print(format, record, &mut self.stamp, field_bytes_max);
        // A line too long for a whole chunk is printed with its fields cut short, not lost.
        let most = format.field_bytes_max();
        let fits = print(most) || print(most.min(FIELD_BYTES_MIN));
        debug_assert!(fits, "LINE_BYTES_MIN fits a chunk");
        self.first_line_at = now;
        self.active = Some(chunk);
        fits
    }

    /// Puts a line, without its end, into the active chunk; false when it had to be dropped.
    pub fn log_line(&mut self, line: &[u8], now: Mono) -> bool {
        let kept = self.line_kept(line, now);
        if kept {
            self.lines += 1;
        } else {
            self.lines_dropped += 1;
        }
        kept
    }

    fn line_kept(&mut self, line: &[u8], now: Mono) -> bool {
        let Some(mut chunk) = self.active.take().or_else(|| self.take_idle()) else {
            return false;
        };
        let mut fits = chunk.append(line);
        if !fits && chunk.used_bytes > 0 {
            self.hand_over(chunk);
            let Some(next) = self.take_idle() else {
                return false;
            };
            chunk = next;
            fits = chunk.append(line);
        }
        if fits && chunk.lines == 1 {
            self.first_line_at = now;
        }
        self.active = Some(chunk);
        fits
    }

    /// Hands the active chunk over when its first line has waited long enough.
    pub fn flush_due(&mut self, now: Mono) {
        if self.flush_at() <= now {
            self.flush();
        }
    }

    /// When [`LogSink::flush_due`] next has work; [`Mono::FAR`] while nothing waits.
    #[must_use]
    pub fn flush_at(&self) -> Mono {
        let waits = self.active.as_ref().is_some_and(|chunk| chunk.lines > 0);
        if waits {
            self.first_line_at.plus_ms(FLUSH_AFTER_MS)
        } else {
            Mono::FAR
        }
    }

    /// Hands the active chunk over now: at a drain, or before the core ends.
    pub fn flush(&mut self) {
        if let Some(chunk) = self.active.take() {
            if chunk.lines > 0 {
                self.hand_over(chunk);
            } else {
                self.idle.push(chunk);
            }
        }
    }

    /// Lines taken since the start.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Lines dropped since the start, because the writer did not keep up.
    #[must_use]
    pub fn lines_dropped(&self) -> u64 {
        self.lines_dropped
    }

    fn hand_over(&mut self, chunk: Chunk) {
        let pushed = self.lanes.full.push(chunk);
        debug_assert!(pushed.is_ok(), "the full queue holds every chunk there is");
        if let Err(mut chunk) = pushed {
            self.lines_dropped += u64::from(chunk.lines);
            self.lines = self.lines.saturating_sub(u64::from(chunk.lines));
            chunk.clear();
            self.idle.push(chunk);
        }
        self.waker.wake();
    }

    fn take_idle(&mut self) -> Option<Chunk> {
        let own = self.lanes.empty.get(self.lane)?;
        while let Some(chunk) = own.pop() {
            self.idle.push(chunk);
        }
        self.idle.pop()
    }
}

impl Drop for LogSink {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Bytes of whole lines.
pub(super) struct Chunk {
    bytes: Box<[u8]>,
    used_bytes: usize,
    lines: u32,
    lane: usize,
}

impl Chunk {
    fn new(lane: usize) -> Chunk {
        Chunk {
            bytes: vec![0; CHUNK_BYTES].into(),
            used_bytes: 0,
            lines: 0,
            lane,
        }
    }

    /// The lines.
    pub(super) fn text(&self) -> &[u8] {
        self.bytes.get(..self.used_bytes).unwrap_or_default()
    }

    fn clear(&mut self) {
        self.used_bytes = 0;
        self.lines = 0;
    }

    fn append(&mut self, line: &[u8]) -> bool {
        let free = self.bytes.get_mut(self.used_bytes..).unwrap_or_default();
        let Some((own, [end, ..])) = free.split_at_mut_checked(line.len()) else {
            return false;
        };
        own.copy_from_slice(line);
        *end = b'\n';
        self.used_bytes += line.len() + 1;
        self.lines += 1;
        true
    }

    fn print(
        &mut self,
        format: &LogFormat,
        record: &AccessRecord<'_>,
        stamp: &mut Stamp,
        field_bytes_max: usize,
    ) -> bool {
        let free = self.bytes.get_mut(self.used_bytes..).unwrap_or_default();
        let Some(bytes) = format.write(record, stamp, field_bytes_max, free) else {
            return false;
        };
        self.used_bytes += bytes;
        self.lines += 1;
        true
    }
}

/// The queues between the cores and the writer.
pub(super) struct Lanes {
    /// Chunks to write, of all cores.
    pub(super) full: ArrayQueue<Chunk>,
    /// Written chunks on their way home, one queue a core.
    empty: Box<[ArrayQueue<Chunk>]>,
}

impl Lanes {
    /// Queues that hold every chunk at once, so that no push can fail.
    pub(super) fn new(sinks: usize, chunks_per_sink: usize) -> Lanes {
        let capacity = sinks.saturating_mul(chunks_per_sink).max(1);
        Lanes {
            full: ArrayQueue::new(capacity),
            empty: (0..sinks)
                .map(|_| ArrayQueue::new(chunks_per_sink.max(1)))
                .collect(),
        }
    }

    /// Sends a written chunk back to its core.
    pub(super) fn give_back(&self, mut chunk: Chunk) {
        chunk.clear();
        if let Some(home) = self.empty.get(chunk.lane) {
            let pushed = home.push(chunk);
            debug_assert!(pushed.is_ok(), "a core's queue holds all of its chunks");
        }
    }
}

const _: () = assert!(LINE_BYTES_MIN <= CHUNK_BYTES);
