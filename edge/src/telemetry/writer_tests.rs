//! The way of a line from a core to the file: rotation, a slow or failing disk, nothing torn.

use super::*;
use crate::{
    base::time::Mono,
    telemetry::{format::LogFormat, record::AccessRecord},
};
use std::{collections::VecDeque, fs, os::unix::fs::PermissionsExt};

const FORMAT: &str = "$context.requestId $context.stage";
const NOW: Mono = Mono(1_000);

fn log(sink: &mut LogSink, format: &LogFormat, number: u64) -> bool {
    let id = number.to_string();
    let record = AccessRecord {
        request_id: id.as_bytes(),
        stage: b"dev",
        ..AccessRecord::default()
    };
    sink.log(format, &record, NOW)
}

fn format() -> LogFormat {
    LogFormat::compile(FORMAT).expect("compiles")
}

/// The numbers of a log's lines; a torn or foreign line fails.
fn numbers(text: &[u8]) -> Vec<u64> {
    assert!(
        text.is_empty() || text.ends_with(b"\n"),
        "the last line is whole"
    );
    std::str::from_utf8(text)
        .expect("UTF-8")
        .lines()
        .map(|line| {
            let number = line.strip_suffix(" dev").expect("whole line");
            number.parse().expect("a number")
        })
        .collect()
}

fn wait_until(mut done: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if done() {
            return;
        }
        thread::park_timeout(Duration::from_millis(1));
    }
    panic!("waited for 2 s");
}

/// A disk that plays back answers, then takes everything.
#[derive(Clone, Default)]
struct Disk {
    written: Arc<Mutex<Vec<u8>>>,
    script: Arc<Mutex<VecDeque<Answer>>>,
    /// While true, a write waits.
    stalled: Arc<AtomicBool>,
    broken: Arc<AtomicBool>,
}

#[derive(Clone, Copy)]
enum Answer {
    Part(usize),
    Fail(ErrorKind),
    /// Nothing works from here on.
    Break,
}

impl Disk {
    fn text(&self) -> Vec<u8> {
        self.written.lock().expect("lock").clone()
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        while self.stalled.load(Ordering::Relaxed) {
            thread::park_timeout(Duration::from_millis(1));
        }
        if self.broken.load(Ordering::Relaxed) {
            return Err(ErrorKind::StorageFull.into());
        }
        let taken = match self.script.lock().expect("lock").pop_front() {
            Some(Answer::Fail(kind)) => return Err(kind.into()),
            Some(Answer::Part(count)) => count.min(bytes.len()),
            Some(Answer::Break) => {
                self.broken.store(true, Ordering::Relaxed);
                return Err(ErrorKind::StorageFull.into());
            }
            None => bytes.len(),
        };
        self.written
            .lock()
            .expect("lock")
            .extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn start(disk: &Disk, sinks: usize, chunks: usize) -> (LogWriter, Vec<LogSink>) {
    let disk = disk.clone();
    LogWriter::start_with(move || Ok(disk.clone()), sinks, chunks).expect("starts")
}

#[test]
fn lines_of_two_cores_are_written_or_counted() {
    const LINES: u64 = 100_000;
    let disk = Disk::default();
    disk.stalled.store(true, Ordering::Relaxed);
    let parts = (0..200).map(|i| Answer::Part(i * 331 % 9_973));
    disk.script.lock().expect("lock").extend(parts);
    let (writer, sinks) = start(&disk, 2, 3);
    let totals = writer.totals();
    let produce = |core: u64, mut sink: LogSink| {
        let format = format();
        for number in 0..LINES {
            if number == LINES / 2 {
                disk.stalled.store(false, Ordering::Relaxed);
            }
            log(&mut sink, &format, core * LINES + number);
        }
        assert_eq!(sink.lines() + sink.lines_dropped(), LINES);
        sink.lines_dropped()
    };
    let dropped: u64 = thread::scope(|scope| {
        let cores: Vec<_> = (0..)
            .zip(sinks)
            .map(|(core, sink)| scope.spawn(move || produce(core, sink)))
            .collect();
        cores
            .into_iter()
            .map(|core| core.join().expect("core"))
            .sum()
    });
    assert!(writer.finish(5_000));
    let text = disk.text();
    let all = numbers(&text);
    let lines = totals.lines.load(Ordering::Relaxed);
    assert_eq!(all.len(), usize::try_from(lines).expect("small"));
    assert_eq!(lines + dropped, 2 * LINES);
    assert!(dropped > 0, "a stalled disk fills three chunks");
    assert_eq!(totals.bytes.load(Ordering::Relaxed), wide(text.len()));
    for core in 0..2 {
        let own: Vec<u64> = all.iter().copied().filter(|n| n / LINES == core).collect();
        assert!(
            own.is_sorted_by(|a, b| a < b),
            "a core's lines keep their order"
        );
    }
}

#[test]
fn rotation_loses_nothing() {
    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join("access.log");
    let file = |name: &str| fs::read(dir.path().join(name)).expect("readable");
    let (writer, mut sinks) =
        LogWriter::start(LogTarget::File(path.clone()), 1, 64).expect("starts");
    let totals = writer.totals();
    let format = format();
    let sink = &mut sinks[0];
    let mut next = 0;
    for turn in 0..5 {
        for _ in 0..2_000 {
            assert!(log(sink, &format, next));
            next += 1;
        }
        fs::rename(&path, dir.path().join(format!("access.log.{turn}"))).expect("renamed");
        writer.reopen();
        wait_until(|| totals.reopens.load(Ordering::Relaxed) == turn + 1);
    }
    assert!(log(sink, &format, next));
    sinks.clear();
    assert!(writer.finish(5_000));
    let mut all = Vec::new();
    for turn in 0..5 {
        all.extend(numbers(&file(&format!("access.log.{turn}"))));
    }
    let last = numbers(&file("access.log"));
    assert!(
        last.ends_with(&[next]),
        "the new file gets what comes after"
    );
    all.extend(last);
    assert_eq!(all, (0..=next).collect::<Vec<u64>>());
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o137, 0, "nobody else reads addresses");
}

#[test]
fn errors_are_counted_and_retried() {
    use Answer::{Fail, Part};
    let disk = Disk::default();
    disk.script.lock().expect("lock").extend([
        Fail(ErrorKind::Interrupted),
        Part(3),
        Fail(ErrorKind::StorageFull),
        Part(1),
        Part(0),
        Fail(ErrorKind::WouldBlock),
    ]);
    let (writer, mut sinks) = start(&disk, 1, 4);
    let totals = writer.totals();
    for number in 0..100 {
        assert!(log(&mut sinks[0], &format(), number));
    }
    sinks[0].flush();
    wait_until(|| totals.lines.load(Ordering::Relaxed) == 100);
    assert!(writer.finish(5_000));
    assert_eq!(numbers(&disk.text()), (0..100).collect::<Vec<u64>>());
    assert_eq!(totals.errors.load(Ordering::Relaxed), 3);
    assert!(
        totals
            .last_error()
            .expect("kept")
            .starts_with("write log: ")
    );
}

#[test]
fn a_reopen_in_the_middle_of_a_line_starts_that_line_again() {
    let disk = Disk::default();
    disk.script
        .lock()
        .expect("lock")
        .extend([Answer::Part(8), Answer::Break]);
    let fresh = Disk::default();
    let mut disks = VecDeque::from([disk.clone(), fresh.clone()]);
    let (writer, mut sinks) =
        LogWriter::start_with(move || Ok(disks.pop_front().expect("two opens")), 1, 2)
            .expect("starts");
    let totals = writer.totals();
    for number in 0..3 {
        assert!(log(&mut sinks[0], &format(), number)); // "0 dev\n" is six bytes
    }
    sinks[0].flush();
    wait_until(|| totals.errors.load(Ordering::Relaxed) > 0);
    writer.reopen();
    wait_until(|| totals.lines.load(Ordering::Relaxed) == 3);
    assert!(writer.finish(5_000));
    assert_eq!(disk.text(), b"0 dev\n1 ");
    assert_eq!(numbers(&fresh.text()), [1, 2]);
}

#[test]
fn a_target_that_cannot_be_reopened_keeps_the_old_file() {
    let disk = Disk::default();
    let (given, mut opens) = (disk.clone(), 0);
    let opener = move || {
        opens += 1;
        if opens == 2 {
            return Err(ErrorKind::PermissionDenied.into());
        }
        Ok(given.clone())
    };
    let (writer, mut sinks) = LogWriter::start_with(opener, 1, 2).expect("starts");
    let totals = writer.totals();
    writer.reopen();
    wait_until(|| totals.errors.load(Ordering::Relaxed) == 1);
    assert!(log(&mut sinks[0], &format(), 7));
    sinks[0].flush();
    wait_until(|| totals.lines.load(Ordering::Relaxed) == 1);
    assert_eq!(totals.reopens.load(Ordering::Relaxed), 1, "tried again");
    assert!(writer.finish(5_000));
    assert_eq!(numbers(&disk.text()), [7]);
}

#[test]
fn a_broken_disk_does_not_hold_up_the_end() {
    let disk = Disk::default();
    disk.broken.store(true, Ordering::Relaxed);
    let (writer, mut sinks) = start(&disk, 1, 2);
    let totals = writer.totals();
    let format = format();
    let dropped = (0..60_000)
        .filter(|n| !log(&mut sinks[0], &format, *n))
        .count();
    assert!(dropped > 0, "two chunks are full");
    sinks.clear();
    assert!(writer.finish(5_000));
    let lost = totals.lines_lost.load(Ordering::Relaxed);
    assert_eq!(
        totals.lines.load(Ordering::Relaxed) + lost + wide(dropped),
        60_000
    );
    assert!(lost > 0);
}

#[test]
fn a_line_waits_no_longer_than_the_flush_time() {
    let disk = Disk::default();
    let (writer, mut sinks) = start(&disk, 1, 2);
    let totals = writer.totals();
    let sink = &mut sinks[0];
    assert_eq!(sink.flush_at(), Mono::FAR);
    assert!(log(sink, &format(), 1));
    assert_eq!(sink.flush_at(), NOW.plus_ms(200));
    assert!(sink.log(&format(), &AccessRecord::default(), NOW.plus_ms(150)));
    sink.flush_due(NOW.plus_ms(199));
    assert_eq!(
        sink.flush_at(),
        NOW.plus_ms(200),
        "counted from the first line"
    );
    sink.flush_due(NOW.plus_ms(200));
    assert_eq!(sink.flush_at(), Mono::FAR);
    wait_until(|| totals.lines.load(Ordering::Relaxed) == 2);
    assert!(writer.finish(5_000));
    assert_eq!(disk.text(), b"1 dev\n- -\n");
}

#[test]
fn a_line_longer_than_a_chunk_is_cut_not_lost() {
    let disk = Disk::default();
    let (writer, mut sinks) = start(&disk, 1, 2);
    let text = "$context.requestId ".repeat(20);
    let format = LogFormat::compile(text.trim_end()).expect("compiles");
    let long = vec![b'x'; 8 * 1024];
    let record = AccessRecord {
        request_id: &long,
        ..AccessRecord::default()
    };
    assert!(sinks[0].log(&format, &record, NOW));
    assert!(sinks[0].log(&format, &record, NOW));
    sinks.clear();
    assert!(writer.finish(5_000));
    let text = disk.text();
    assert_eq!(text.len(), 2 * (20 * 257), "256 bytes a field");
}
