//! The log writer: one thread that carries chunks of lines from all cores into one file.
//!
//! Shape: a loop over the full queue; it parks when the queue is empty and is woken by a hand-over.
//! Start it from a thread that is not pinned to a core: a new thread inherits the CPU mask.
//! Units and ranges: one `write` a chunk; after an error a retry follows in 10 ms to 1 s.
//! Errors: all are counted and kept as text in [`WriterTotals`], none ends the thread. A chunk is
//! retried where it stopped until it is written; only at shutdown is it given up, and counted.
//! Source: `SIGUSR1` as nginx has it: reopen by name after a rename, nothing lost, no line cut.

use super::access_log::{Chunk, Lanes, LogSink};
use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread::{self, Thread},
    time::Duration,
};

/// Where lines go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogTarget {
    /// A file, opened for appending and made with mode 0640.
    File(PathBuf),
    /// Standard output.
    Stdout,
}

/// What the writer has done since its start; read by the metrics.
#[derive(Debug, Default)]
pub struct WriterTotals {
    /// Lines written whole.
    pub lines: AtomicU64,
    /// Lines given up at shutdown.
    pub lines_lost: AtomicU64,
    /// Bytes written.
    pub bytes: AtomicU64,
    /// Failed writes and opens.
    pub errors: AtomicU64,
    /// Successful reopens.
    pub reopens: AtomicU64,
    last_error: Mutex<Option<String>>,
}

/// The handle of the writer thread, kept by the control thread.
pub struct LogWriter {
    shared: Arc<Shared>,
    thread: Thread,
    finished: mpsc::Receiver<()>,
}

impl LogWriter {
    /// Opens `target` and starts the thread; one [`LogSink`] for each of `sinks` cores, each with
    /// `chunks_per_sink` chunks of 64 KiB to bridge a slow disk.
    pub fn start(
        target: LogTarget,
        sinks: usize,
        chunks_per_sink: usize,
    ) -> io::Result<(LogWriter, Vec<LogSink>)> {
        LogWriter::start_with(move || open(&target), sinks, chunks_per_sink)
    }

    /// As [`LogWriter::start`], with an opener in place of a name; called again at each reopen.
    pub fn start_with<W: Write + Send + 'static>(
        mut opener: impl FnMut() -> io::Result<W> + Send + 'static,
        sinks: usize,
        chunks_per_sink: usize,
    ) -> io::Result<(LogWriter, Vec<LogSink>)> {
        let out = opener()?;
        let chunks_per_sink = chunks_per_sink.max(CHUNKS_PER_SINK_MIN);
        let shared = Arc::new(Shared {
            lanes: Arc::new(Lanes::new(sinks, chunks_per_sink)),
            stop: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            totals: Arc::default(),
        });
        let (done, finished) = mpsc::channel();
        let mut courier = Courier {
            shared: Arc::clone(&shared),
            out,
            opener,
            tries_left: SHUTDOWN_TRIES,
        };
        let thread = thread::Builder::new()
            .name("tidegate-log".to_owned())
            .spawn(move || {
                courier.run();
                drop(courier); // The file is closed before anybody is told.
                let _ = done.send(()); // Nobody listens when the handle was dropped.
            })?
            .thread()
            .clone();
        let sinks = (0..sinks)
            .map(|lane| {
                let waker = Waker(thread.clone());
                LogSink::new(&shared.lanes, lane, waker, chunks_per_sink)
            })
            .collect();
        let writer = LogWriter {
            shared,
            thread,
            finished,
        };
        Ok((writer, sinks))
    }

    /// Opens the target anew before the next write: call it after the file was renamed.
    pub fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Release);
        self.thread.unpark();
    }

    /// Figures for the metrics.
    #[must_use]
    pub fn totals(&self) -> Arc<WriterTotals> {
        Arc::clone(&self.shared.totals)
    }

    /// Writes whatever was handed over and ends the thread; false when that took longer than
    /// `timeout_ms`. Flush or drop the sinks first.
    pub fn finish(self, timeout_ms: u64) -> bool {
        self.shared.stop.store(true, Ordering::Release);
        self.thread.unpark();
        self.finished
            .recv_timeout(Duration::from_millis(timeout_ms))
            .is_ok()
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl WriterTotals {
    /// The text of the last error, for people.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        let text = self.last_error.lock();
        text.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count_error(&self, what: &str, error: &io::Error) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        let text = self.last_error.lock();
        *text.unwrap_or_else(PoisonError::into_inner) = Some(format!("{what}: {error}"));
    }
}

/// Wakes the writer thread; one atomic swap while it is awake, one system call when it sleeps.
#[derive(Clone)]
pub(super) struct Waker(Thread);

impl Waker {
    pub(super) fn wake(&self) {
        self.0.unpark();
    }
}

struct Shared {
    lanes: Arc<Lanes>,
    stop: AtomicBool,
    reopen: AtomicBool,
    totals: Arc<WriterTotals>,
}

/// What runs on the thread.
struct Courier<W, O> {
    shared: Arc<Shared>,
    out: W,
    opener: O,
    /// Errors still borne once the end was asked for.
    tries_left: u32,
}

impl<W: Write, O: FnMut() -> io::Result<W>> Courier<W, O> {
    fn run(&mut self) {
        loop {
            // Read before the queue: what was handed over before the stop is then seen.
            let stop = self.stopping();
            while let Some(chunk) = self.shared.lanes.full.pop() {
                self.carry(&chunk);
                self.shared.lanes.give_back(chunk);
            }
            let mut at = 0;
            let opened = self.reopen_asked(&[], &mut at);
            if stop {
                return;
            }
            // A pause after an error may have used up the wake of a hand-over or of the stop: look
            // once more. From here on a wake is kept until the park.
            if self.stopping() || !self.shared.lanes.full.is_empty() {
                continue;
            }
            if opened {
                thread::park();
            } else {
                thread::park_timeout(RETRY_MAX);
            }
        }
    }

    /// Writes one chunk whole, however often that takes.
    fn carry(&mut self, chunk: &Chunk) {
        let text = chunk.text();
        let mut at = 0;
        let mut pause = RETRY_MIN;
        while at < text.len() {
            self.reopen_asked(text, &mut at);
            let error = match self.out.write(text.get(at..).unwrap_or_default()) {
                Ok(0) => io::Error::from(ErrorKind::WriteZero),
                Ok(bytes) => {
                    at += bytes;
                    self.totals()
                        .bytes
                        .fetch_add(wide(bytes), Ordering::Relaxed);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            self.totals().count_error("write log", &error);
            if self.stopping() {
                if self.tries_left == 0 {
                    break;
                }
                self.tries_left -= 1;
            }
            thread::park_timeout(pause);
            pause = (pause * 2).min(RETRY_MAX);
        }
        let (written, lost) = text.split_at_checked(at).unwrap_or((text, &[]));
        let totals = self.totals();
        totals
            .lines
            .fetch_add(count_lines(written), Ordering::Relaxed);
        totals
            .lines_lost
            .fetch_add(count_lines(lost), Ordering::Relaxed);
    }

    /// Opens anew when asked, and lets a chunk cut by an error start again at the cut line. False
    /// when the target cannot be opened: the old file stays in use and the wish stays open.
    fn reopen_asked(&mut self, text: &[u8], at: &mut usize) -> bool {
        if !self.shared.reopen.swap(false, Ordering::AcqRel) {
            return true;
        }
        match (self.opener)() {
            Ok(out) => {
                self.out = out;
                let written = text.get(..*at).unwrap_or_default();
                *at = memchr::memrchr(b'\n', written).map_or(0, |newline| newline + 1);
                self.totals().reopens.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(error) => {
                self.totals().count_error("reopen log", &error);
                self.shared.reopen.store(true, Ordering::Release);
                false
            }
        }
    }

    fn stopping(&self) -> bool {
        self.shared.stop.load(Ordering::Acquire)
    }

    fn totals(&self) -> &WriterTotals {
        &self.shared.totals
    }
}

fn open(target: &LogTarget) -> io::Result<File> {
    match target {
        LogTarget::File(path) => OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .open(path),
        // A descriptor of our own: no lock and no line buffer between us and the kernel.
        LogTarget::Stdout => Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?)),
    }
}

fn count_lines(text: &[u8]) -> u64 {
    wide(memchr::memchr_iter(b'\n', text).count())
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// One to fill while one is written.
const CHUNKS_PER_SINK_MIN: usize = 2;
const RETRY_MIN: Duration = Duration::from_millis(10);
const RETRY_MAX: Duration = Duration::from_secs(1);
const SHUTDOWN_TRIES: u32 = 3;

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
