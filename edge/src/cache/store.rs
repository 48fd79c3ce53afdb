//! A region in use: opened or made, checked, shared with whoever else has it open.
//!
//! Opening is settled among processes by locks that end with their holder. One lock byte says
//! "attached": every store holds it shared; who gets it alone is the first, and clears what a dead
//! process or a damaged file may have left: pins, locks, active segments. A file that this program
//! would not have written is replaced: the new one is made whole under a second name, which is the
//! creation lock as well, and renamed.
//! Shape: [`Store`], one a process. Units: bytes. Ranges: those of `geometry`.
//! Errors: [`StoreFault`]. Source: docs/architecture.md, "The cache"; RELIABILITY section 5.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU64 as LocalU64},
};

use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};

use super::{
    crash::{Crash, CrashPlan, CrashPoint},
    fault::StoreFault,
    geometry::{Geometry, LIVE_AT, OWNERS_MAX, Shape},
    header::{self, FileHeader},
    owner::Owner,
    region::Region,
    seal::Vault,
    segment::{Kind, Standing},
    slot::get,
    sync::{AtomicU64, Ordering},
    verified::Verified,
};
use crate::base::shm::{
    self,
    file::{FileFault, Lock, SharedFile, boot_number},
};

/// What to open, or to make.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The file: on tmpfs, hugetlbfs or disk. Beside it `PATH.new` must be free for our use.
    pub path: PathBuf,
    /// Size of the file, all tables included; rounded up to what the file system maps.
    pub capacity_bytes: u64,
    /// Key, meta and body of the largest object together.
    pub object_bytes_max: u32,
    /// What an object is expected to have on average: the index is made for that.
    pub object_bytes_mean: u32,
    /// Seals everything with AES-256-GCM. A region of another key is made anew.
    pub key: Option<[u8; 32]>,
    /// Randomness, fresh at each opening and unknown to clients: seeds the hash of a new region, and
    /// replaces counters that are damaged.
    pub seed: u64,
    /// For tests that kill the process at a chosen step.
    pub crash: Option<CrashPlan>,
}

impl StoreOptions {
    /// The usual limits for a region of `capacity_bytes` at `path`.
    #[must_use]
    pub fn new(path: &Path, capacity_bytes: u64, seed: u64) -> StoreOptions {
        StoreOptions {
            path: path.to_owned(),
            capacity_bytes,
            object_bytes_max: OBJECT_BYTES_MAX_DEFAULT,
            object_bytes_mean: OBJECT_BYTES_MEAN_DEFAULT,
            key: None,
            seed,
            crash: None,
        }
    }
}

/// One region, open in this process; its cores share it through [`Owner`]s.
#[derive(Debug)]
pub struct Store {
    pub(super) region: Region,
    pub(super) geometry: Geometry,
    pub(super) secrets: RapidSecrets,
    pub(super) verified: Verified,
    pub(super) vault: Option<Vault>,
    pub(super) file: SharedFile,
    /// Randomness of this opening.
    pub(super) fresh: u64,
    /// A bit for each owner's place that a thread of this process has or is looking at.
    pub(super) taken: [LocalU64; OWNERS_MAX as usize / 64],
    crash: Option<Crash>,
    was_made: bool,
}

impl Store {
    /// Opens the region, making it if there is none, or none that this program with these options
    /// would have made. May wait for another process that is making it.
    ///
    /// # Errors
    /// As [`StoreFault`].
    pub fn open(options: &StoreOptions) -> Result<Arc<Store>, StoreFault> {
        let vault = options.key.as_ref().map(Vault::new);
        let want = Wanted::new(options, vault.as_ref())?;
        for _ in 0..OPEN_ROUNDS {
            if let Some((file, header, geometry)) = existing(&options.path, Some(&want))? {
                return Store::attach(file, header, geometry, vault, options, false);
            }
            if let Some(file) = make(&options.path, &want)? {
                let (header, geometry) = (want.header, want.geometry);
                return Store::attach(file, header, geometry, vault, options, true);
            }
        }
        let busy = io::Error::from(io::ErrorKind::ResourceBusy);
        Err(file_fault(&options.path, FileFault::System(busy)))
    }

    /// Opens a region that exists, whatever the sizes that `options` has, to look at it or to flush
    /// it. Never makes or replaces one.
    ///
    /// # Errors
    /// As [`StoreFault`].
    pub fn open_existing(options: &StoreOptions) -> Result<Arc<Store>, StoreFault> {
        let vault = options.key.as_ref().map(Vault::new);
        let key_check = vault.as_ref().map_or([0; 2], Vault::key_check);
        match existing(&options.path, None)? {
            Some((file, header, geometry)) if header.key_check == key_check => {
                Store::attach(file, header, geometry, vault, options, false)
            }
            _ => Err(StoreFault::NotARegion {
                path: options.path.clone(),
            }),
        }
    }

    /// A region of this process alone, which no file system knows: it goes with its last handle, and
    /// takes memory where something was written. The path of `options` only stands in messages.
    ///
    /// # Errors
    /// As [`StoreFault`].
    pub fn unnamed(options: &StoreOptions) -> Result<Arc<Store>, StoreFault> {
        let vault = options.key.as_ref().map(Vault::new);
        let want = Wanted::new(options, vault.as_ref())?;
        let fault = |error| file_fault(&options.path, FileFault::System(error));
        let file = SharedFile::unnamed(&options.path).map_err(fault)?;
        let block = file.block_bytes().map_err(fault)?;
        let bytes_len = want.header.shape.capacity_bytes.next_multiple_of(block);
        file.stretch_to(bytes_len).map_err(fault)?;
        let region = Region::new(map_whole(&file, &want.geometry).map_err(fault)?);
        want.header.write(&want.geometry, &region);
        drop(region);
        Store::attach(file, want.header, want.geometry, vault, options, true)
    }

    /// Registers an owner: the handle that one core, or one thread of a tool, works with.
    ///
    /// # Errors
    /// When as many are alive as there can be, or without randomness for its encryption.
    pub fn owner(self: &Arc<Store>) -> Result<Owner, StoreFault> {
        Owner::register(self)
    }

    /// Moves the next `bytes_max` bytes of the map, from `at` on, into large pages, and `at` with
    /// it: look-ups in a region of gigabytes then take a third less. For a thread that may wait,
    /// while the region is in use. False at the end, or when the system cannot.
    pub fn enlarge_pages(&self, at: &mut u64, bytes_max: u64) -> bool {
        let from = usize::try_from(*at).unwrap_or(usize::MAX);
        let bytes_len = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let goes_on = match self.region.enlarge_pages(from, bytes_len) {
            Ok(()) => true,
            // Pages that somebody was just using stay small; others may grow.
            Err(error) => matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::ResourceBusy
            ),
        };
        *at = at.saturating_add(bytes_max);
        goes_on && *at < self.capacity_bytes()
    }

    /// True when this call of [`Store::open`] made the region, so that it began empty.
    #[must_use]
    pub fn was_made(&self) -> bool {
        self.was_made
    }

    /// Takes the file's name away, unless it leads to another one by now: who opens the region from
    /// now on makes it anew, who has it open keeps it.
    pub fn forget_file(&self) {
        if self.file.is_named(self.file.path()) {
            // Without the right to do it the next one to open the file finds it as it is.
            let _ = self.file.unlink();
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Key, meta and body of the largest object that fits.
    #[must_use]
    pub fn object_bytes_max(&self) -> u32 {
        self.geometry.shape.object_bytes_max
    }

    /// Size of the file.
    #[must_use]
    pub fn capacity_bytes(&self) -> u64 {
        self.geometry.shape.capacity_bytes
    }

    /// True when objects are encrypted.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.vault.is_some()
    }

    fn attach(
        file: SharedFile,
        header: FileHeader,
        geometry: Geometry,
        vault: Option<Vault>,
        options: &StoreOptions,
        was_made: bool,
    ) -> Result<Arc<Store>, StoreFault> {
        let path = file.path().to_owned();
        let system = |error| file_fault(&path, FileFault::System(error));
        let store = Store {
            region: Region::new(map_whole(&file, &geometry).map_err(system)?),
            verified: Verified::new(&geometry).map_err(system)?,
            geometry,
            secrets: RapidSecrets::seed(header.seed),
            vault,
            file,
            fresh: options.seed,
            taken: [const { LocalU64::new(0) }; OWNERS_MAX as usize / 64],
            crash: options.crash.map(Crash::new),
            was_made,
        };
        for _ in 0..OPEN_ROUNDS {
            let is_first = store
                .file
                .try_lock(ATTACHED, Lock::Exclusive)
                .map_err(system)?;
            if is_first {
                store.recover();
            }
            store
                .file
                .lock_waiting(ATTACHED, Lock::Shared)
                .map_err(system)?;
            if store.live_word(READY).load(Ordering::Acquire) == IS_READY {
                return Ok(Arc::new(store));
            }
            // Whoever recovered it died on the way. A process that is just being started may still
            // hold a copy of its handle, until it is the program that it will be.
            store.file.unlock(ATTACHED).map_err(system)?;
            store.file.wait_a_little();
        }
        Err(system(io::ErrorKind::ResourceBusy.into()))
    }

    /// Nobody else is attached: whatever depends on a living process is cleared, and no segment
    /// whose filling we have not seen is filled further.
    fn recover(&self) {
        self.live_word(READY).store(0, Ordering::Release);
        self.repair_namespaces();
        // What a host wrote before it went down may have reached the disk in any order.
        let boot = boot_number();
        let is_doubtful = boot == 0 || self.live_word(BOOT).load(Ordering::Relaxed) != boot;
        for segment in 0..self.geometry.segments() {
            let standing = match self.standing_left(segment) {
                Some(Standing {
                    kind: Kind::Active(queue) | Kind::Sealed(queue),
                    generation,
                }) if !is_doubtful => Standing {
                    kind: Kind::Sealed(queue),
                    generation,
                },
                Some(standing) => standing.turned(Kind::Free),
                // Its generation is lost: another one, far from every one of the past.
                None => Standing {
                    kind: Kind::Free,
                    generation: self.fresh_number(segment),
                },
            };
            self.restand(segment, standing);
        }
        self.clear_owners();
        for shard in 0..self.geometry.shards {
            self.clear_shard(shard);
        }
        self.live_word(BOOT).store(boot, Ordering::Relaxed);
        self.live_word(READY).store(IS_READY, Ordering::Release);
    }

    /// Differs for each opening and each `salt`.
    pub(super) fn fresh_number(&self, salt: u32) -> u32 {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&self.fresh.to_le_bytes());
        bytes[8..].copy_from_slice(&salt.to_le_bytes());
        get(rapidhash_v3_seeded(&bytes, &self.secrets), 0, 32)
    }

    /// One of the words that live as long as the file.
    pub(super) fn live_word(&self, index: usize) -> &AtomicU64 {
        self.region.word(LIVE_AT + index * 8)
    }

    /// Dies here if a test wants it.
    #[inline]
    pub(super) fn pass(&self, point: CrashPoint) {
        if let Some(crash) = &self.crash {
            crash.pass(point);
        }
    }
}

/// What the header must say.
struct Wanted {
    header: FileHeader,
    geometry: Geometry,
}

impl Wanted {
    fn new(options: &StoreOptions, vault: Option<&Vault>) -> Result<Wanted, StoreFault> {
        let shape = Shape {
            capacity_bytes: options.capacity_bytes,
            object_bytes_max: options.object_bytes_max,
            object_bytes_mean: options.object_bytes_mean,
        };
        Ok(Wanted {
            geometry: Geometry::new(shape)?,
            header: FileHeader {
                shape,
                seed: options.seed,
                key_check: vault.map_or([0; 2], Vault::key_check),
            },
        })
    }

    /// The seed is the file's own.
    fn accepts(&self, found: &FileHeader) -> bool {
        *found
            == FileHeader {
                seed: found.seed,
                ..self.header
            }
    }
}

/// The file at `path`, if it is a region, whole, and as wanted.
fn existing(
    path: &Path,
    want: Option<&Wanted>,
) -> Result<Option<(SharedFile, FileHeader, Geometry)>, StoreFault> {
    let file = match SharedFile::open(path) {
        Ok(file) => file,
        Err(FileFault::System(error)) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(fault) => return Err(file_fault(path, fault)),
    };
    let mut page = [0; header::BYTES];
    if file.read_at(&mut page, 0).is_err() {
        return Ok(None);
    }
    let Some((header, geometry)) = FileHeader::from_bytes(&page) else {
        return Ok(None);
    };
    let whole = file
        .block_bytes()
        .map(|block| header.shape.capacity_bytes.next_multiple_of(block));
    let is_whole = matches!((file.bytes_len(), whole), (Ok(is), Ok(whole)) if is == whole);
    if !is_whole || want.is_some_and(|want| !want.accepts(&header)) {
        return Ok(None);
    }
    let filled = file.fill_holes();
    filled.map_err(|error| no_room(path, header.shape.capacity_bytes, error))?;
    Ok(Some((file, header, geometry)))
}

/// Makes the region under its second name and renames it; `None` when another process was first.
fn make(path: &Path, want: &Wanted) -> Result<Option<SharedFile>, StoreFault> {
    let mut second = OsString::from(path);
    second.push(".new");
    let second = PathBuf::from(second);
    let fault = |error| file_fault(&second, FileFault::System(error));
    let mut file =
        SharedFile::open_or_create(&second).map_err(|fault| file_fault(&second, fault))?;
    file.lock_waiting(CREATING, Lock::Exclusive)
        .map_err(fault)?;
    if !file.is_named(&second) {
        return Ok(None); // the one that we waited for has renamed it
    }
    if existing(path, Some(want))?.is_some() {
        file.unlink().map_err(fault)?;
        return Ok(None);
    }
    let bytes_len = want.header.shape.capacity_bytes;
    let block = file.block_bytes().map_err(fault)?;
    if let Err(error) = file.preallocate_anew(bytes_len.next_multiple_of(block)) {
        let _ = file.unlink();
        return Err(no_room(path, bytes_len, error));
    }
    let region = Region::new(map_whole(&file, &want.geometry).map_err(fault)?);
    want.header.write(&want.geometry, &region);
    file.rename(path).map_err(fault)?;
    file.unlock(CREATING).map_err(fault)?;
    Ok(Some(file))
}

/// Maps the file in whole blocks, as hugetlbfs wants it.
fn map_whole(file: &SharedFile, geometry: &Geometry) -> io::Result<shm::Region> {
    let block = usize::try_from(file.block_bytes()?).unwrap_or(1);
    file.map(geometry.bytes_len.next_multiple_of(block))
}

fn file_fault(path: &Path, fault: FileFault) -> StoreFault {
    StoreFault::File {
        path: path.to_owned(),
        fault,
    }
}

fn no_room(path: &Path, bytes_len: u64, error: io::Error) -> StoreFault {
    StoreFault::NoRoom {
        path: path.to_owned(),
        bytes_len,
        error,
    }
}

/// A number below `below`, evenly by the high bits of `hash`.
#[inline]
pub(super) fn scale(hash: u64, below: usize) -> usize {
    let wide = u128::from(hash) * below as u128;
    usize::try_from(wide >> 64).unwrap_or(0)
}

/// The usual limit: a body of 1 MiB with 64 KiB of key and meta.
pub const OBJECT_BYTES_MAX_DEFAULT: u32 = (1 << 20) + (64 << 10);
/// The usual expectation.
pub const OBJECT_BYTES_MEAN_DEFAULT: u32 = 512;

/// Lock byte: shared by all that are attached.
const ATTACHED: u32 = 0;
/// Lock byte of the second name: who makes the file.
const CREATING: u32 = 1;
/// Lock bytes of the owners begin here.
pub(super) const OWNER_LOCKS: u32 = 16;
/// Live word: [`IS_READY`] from the end of a recovery to the beginning of the next.
const READY: usize = 0;
/// Live word: the boot that the content is of.
const BOOT: usize = 1;
/// Live word: counts registrations of owners.
pub(super) const EPOCHS: usize = 2;
/// Live words: the counters of owners that have left.
pub(super) const RETIRED: usize = 16;
const IS_READY: u64 = u64::from_le_bytes(*b"is ready");
/// Each round lost means that another process made or replaced the file meanwhile.
const OPEN_ROUNDS: u32 = 64;
