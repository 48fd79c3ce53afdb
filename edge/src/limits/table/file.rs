//! The table's file: made, found again, and grown.
//!
//! What: a file that is not exactly what this program writes, or was written before the host
//! started anew, is in doubt: it is left to whoever still has it, and a new one takes its name, in
//! which every bucket begins empty. So neither damage nor a restart fills a bucket. A file that
//! was never there begins full. Growing sets room aside first and counts it then, so no core
//! touches what is not there. Shape: words of the header, written once; the count of segments
//! alone changes. Units: bytes, ticks. Errors: [`TableFault`], at starts and on growing; cores see
//! none. Source: RELIABILITY sections 5 and 6.

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicUsize},
};

use super::{
    super::{names, rate::TICK_NS, sync::Ordering},
    HEADER_WORDS, SEGMENTS, SEGMENTS_MAX, Table, bytes_of,
};
use crate::base::{
    shm::{
        Region,
        file::{FileFault, Lock, SharedFile, boot_number},
        words::{WORD_BYTES, Words},
    },
    time::Mono,
};

/// What a table is made with.
#[derive(Clone, Debug)]
pub struct TableOptions {
    /// Where the file is.
    pub path: PathBuf,
    /// Slots of the first segment, a power of two from 64 on.
    pub first_slots: usize,
    /// For a new table; nobody outside may know them.
    pub seeds: [u64; 2],
    /// The clock that buckets go by.
    pub now: Mono,
}

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum TableFault {
    /// The file.
    #[error("{path}: {fault}")]
    File {
        /// Which.
        path: PathBuf,
        /// What about it.
        fault: FileFault,
    },
    /// As many slots as there can be are taken.
    #[error("the table of limits is full")]
    Full,
}

impl TableOptions {
    /// The usual table at `path`.
    #[must_use]
    pub fn new(path: &Path, seeds: [u64; 2], now: Mono) -> TableOptions {
        TableOptions {
            path: path.to_owned(),
            first_slots: FIRST_SLOTS,
            seeds,
            now,
        }
    }
}

impl Table {
    /// Opens the table at the path of `options`, or makes one.
    ///
    /// # Errors
    /// As [`TableFault`].
    pub fn open(options: &TableOptions) -> Result<Table, TableFault> {
        open(options).map_err(|fault| TableFault::File {
            path: options.path.clone(),
            fault,
        })
    }

    /// A table of this process alone; all its memory is committed only when it is touched.
    ///
    /// # Errors
    /// Of mmap(2).
    pub fn private(first_slots: usize, seeds: [u64; 2]) -> Result<Table, TableFault> {
        let map = Region::anonymous(bytes_of(first_slots, SEGMENTS_MAX));
        let map = map.map_err(|error| TableFault::File {
            path: PathBuf::new(),
            fault: FileFault::System(error),
        })?;
        let header = Header {
            first_slots,
            boot: 0,
            empty_since: 0,
            seeds,
        };
        let table = header.table(Words::new(map), None);
        table.words.word(SEGMENTS).store(1, Ordering::Release);
        Ok(table)
    }

    /// Adds a segment; for the control thread.
    ///
    /// # Errors
    /// As [`TableFault`].
    pub fn grow(&self) -> Result<(), TableFault> {
        let fault = |fault| TableFault::File {
            path: self
                .file
                .as_ref()
                .map(|file| file.path().to_owned())
                .unwrap_or_default(),
            fault,
        };
        let lock = self.file.as_ref();
        if let Some(file) = lock {
            file.lock_waiting(LOCK, Lock::Exclusive)
                .map_err(|error| fault(error.into()))?;
        }
        let grown = self.grow_locked();
        self.unlock();
        match grown {
            Ok(true) => Ok(()),
            Ok(false) => Err(TableFault::Full),
            Err(error) => Err(fault(error.into())),
        }
    }

    fn unlock(&self) {
        if let Some(file) = &self.file {
            let _ = file.unlock(LOCK); // else it ends with the file
        }
    }

    fn grow_locked(&self) -> io::Result<bool> {
        let segments = self.segments();
        if segments >= SEGMENTS_MAX {
            return Ok(false);
        }
        if let Some(file) = &self.file {
            file.extend_to(bytes_of(self.first_slots, segments + 1) as u64)?;
        }
        let count = segments as u64 + 1;
        self.words.word(SEGMENTS).store(count, Ordering::Release);
        Ok(true)
    }

    /// Somebody added a segment, or damaged the count: what is not set aside is not believed.
    #[cold]
    pub(super) fn follow(&self, known: usize) -> usize {
        let count = self.words.word(SEGMENTS).load(Ordering::Acquire);
        let Ok(count) = usize::try_from(count) else {
            return known;
        };
        if count <= known || count > SEGMENTS_MAX {
            return known;
        }
        let needed = bytes_of(self.first_slots, count) as u64;
        let is_there = match &self.file {
            Some(file) => file.bytes_len().is_ok_and(|bytes_len| bytes_len >= needed),
            None => true,
        };
        if !is_there {
            return known;
        }
        self.known.fetch_max(count, Ordering::AcqRel);
        let words = bytes_of(self.first_slots, count) / WORD_BYTES;
        self.known_words.fetch_max(words, Ordering::AcqRel);
        count
    }
}

fn open(options: &TableOptions) -> Result<Table, FileFault> {
    debug_assert!(options.first_slots.is_power_of_two() && options.first_slots >= 64);
    let mut in_doubt = false;
    for _ in 0..ROUNDS {
        let file = SharedFile::open_or_create(&options.path)?;
        file.lock_waiting(LOCK, Lock::Exclusive)?;
        if !file.is_named(&options.path) {
            continue; // it was in doubt, and somebody was quicker
        }
        let bytes_len = file.bytes_len()?;
        if bytes_len == 0 {
            let now = options.now.0 / TICK_NS;
            let header = Header {
                first_slots: options.first_slots,
                boot: boot_number(),
                empty_since: if in_doubt { now.max(1) } else { 0 },
                seeds: options.seeds,
            };
            return header.make(file);
        }
        if let Some(header) = Header::read(&file, bytes_len) {
            return header.attach(file);
        }
        in_doubt = true;
        file.unlink()?;
    }
    Err(FileFault::System(io::ErrorKind::ResourceBusy.into()))
}

/// What the first page says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Header {
    first_slots: usize,
    boot: u64,
    empty_since: u64,
    seeds: [u64; 2],
}

impl Header {
    fn to_words(self) -> [u64; WORDS] {
        let mut words = [
            MAGIC,
            VERSION << 32 | self.first_slots as u64,
            self.boot,
            self.empty_since,
            self.seeds[0],
            self.seeds[1],
            0,
        ];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        if let Some(last) = words.last_mut() {
            *last = names::hash(CHECK, &[&bytes]);
        }
        words
    }

    /// The header of a whole table of this boot.
    fn read(file: &SharedFile, bytes_len: u64) -> Option<Header> {
        let mut bytes = [0; (SEGMENTS + 1) * WORD_BYTES];
        file.read_at(&mut bytes, 0).ok()?;
        let word = |at: usize| {
            let bytes = bytes.get(at * WORD_BYTES..(at + 1) * WORD_BYTES)?;
            bytes.try_into().ok().map(u64::from_ne_bytes)
        };
        let header = Header {
            first_slots: usize::try_from(word(1)? & 0xffff_ffff).ok()?,
            boot: word(2)?,
            empty_since: word(3)?,
            seeds: [word(4)?, word(5)?],
        };
        let written = header.to_words();
        let is_ours = (0..WORDS).all(|at| word(at) == written.get(at).copied());
        let is_sized = header.first_slots.is_power_of_two()
            && (64..=FIRST_SLOTS_MAX).contains(&header.first_slots);
        if !is_ours || !is_sized || header.boot != boot_number() {
            return None;
        }
        let segments = usize::try_from(word(SEGMENTS)?).ok()?;
        let is_whole = (1..=SEGMENTS_MAX).contains(&segments)
            && bytes_len >= bytes_of(header.first_slots, segments) as u64;
        is_whole.then_some(header)
    }

    /// A new table in `file`, which is locked until others can read what it is.
    fn make(self, file: SharedFile) -> Result<Table, FileFault> {
        file.preallocate_anew(bytes_of(self.first_slots, 1) as u64)?;
        let table = self.map(file)?;
        table.words.word(SEGMENTS).store(1, Ordering::Release);
        // The first word comes last: without it nobody believes the others.
        for (at, word) in self.to_words().into_iter().enumerate().rev() {
            table.words.word(at).store(word, Ordering::Release);
        }
        table.unlock();
        Ok(table)
    }

    /// The table that `file`, which is locked, has.
    fn attach(self, file: SharedFile) -> Result<Table, FileFault> {
        let table = self.map(file)?;
        table.unlock();
        Ok(table)
    }

    fn map(self, file: SharedFile) -> Result<Table, FileFault> {
        let map = file.map(bytes_of(self.first_slots, SEGMENTS_MAX))?;
        Ok(self.table(Words::new(map), Some(file)))
    }

    fn table(self, words: Words, file: Option<SharedFile>) -> Table {
        Table {
            words,
            file,
            seeds: self.seeds,
            empty_since: self.empty_since,
            first_slots: self.first_slots,
            known: AtomicUsize::new(0),
            known_words: AtomicUsize::new(0),
            wants_room: AtomicBool::new(false),
        }
    }
}

/// Slots of the first segment: 640 KiB.
const FIRST_SLOTS: usize = 1 << 14;
const FIRST_SLOTS_MAX: usize = 1 << 24;
const WORDS: usize = 7;
const _: () = assert!(WORDS <= SEGMENTS && SEGMENTS < HEADER_WORDS);
/// "tidelimi", read as the host reads words.
const MAGIC: u64 = u64::from_le_bytes(*b"tidelimi");
/// Raised with every change of what slots mean.
const VERSION: u64 = 1;
/// The kind under which the header is hashed.
const CHECK: u8 = 3;
/// The lock's byte.
const LOCK: u32 = 0;
/// How often a file in doubt is replaced before giving up.
const ROUNDS: u32 = 100;
