//! Page-aligned memory: anonymous maps for pools and rings, maps of files for shared tables.
//!
//! Shape: a fixed run of bytes. An anonymous map is zeroed and committed page by page at first
//! touch; a map of a file is the file, for every process that maps it. `file` makes and locks
//! such files, [`sigbus`] names the one that was cut while in use. Units: bytes. Ranges: 1 byte
//! up to what the address space gives. Errors: the system's, at creation only. Source: mmap(2).

use std::{fs::File, io, path::Path, ptr::NonNull};

use memmap2::{Advice, MmapOptions, MmapRaw};

pub mod file;
pub mod sigbus;
pub mod words;

/// One map, private to this process or shared through a file.
#[derive(Debug)]
pub struct Region {
    map: MmapRaw,
    watch: Option<sigbus::Watch>,
}

impl Region {
    /// Reserves `bytes_len` zeroed bytes. Nothing is committed before it is touched.
    ///
    /// # Errors
    /// The error of mmap(2), such as `ENOMEM`.
    pub fn anonymous(bytes_len: usize) -> io::Result<Region> {
        Ok(Region {
            map: MmapRaw::from(memmap2::MmapMut::map_anon(bytes_len)?),
            watch: None,
        })
    }

    /// Maps the first `bytes_len` bytes of `file`, shared; `path` is what a bus error will name.
    fn of_file(file: &File, bytes_len: usize, path: &Path) -> io::Result<Region> {
        let map = map_aligned(file, bytes_len)?;
        let watch = sigbus::Watch::new(map.as_ptr().addr(), bytes_len, path);
        let region = Region {
            map,
            watch: Some(watch),
        };
        region.prefer_large_pages();
        Ok(region)
    }

    /// Asks for large pages, where the system has them: for maps that are read all over.
    pub fn prefer_large_pages(&self) {
        let _ = self.map.advise(Advice::HugePage); // without them it is as right, only slower
    }

    /// Moves the part of the map from byte `at`, up to `bytes_len` of it, into large pages now, where
    /// the system can: also on a tmpfs that was mounted without them. Takes a quarter of a
    /// millisecond for each 2 MiB and more, so it is for a thread that may wait.
    ///
    /// # Errors
    /// Of madvise(2), such as `EINVAL` for a file system without large pages.
    pub fn enlarge_pages(&self, at: usize, bytes_len: usize) -> io::Result<()> {
        let first = at.next_multiple_of(LARGE_PAGE_BYTES).min(self.map.len());
        let end = at.saturating_add(bytes_len).min(self.map.len());
        let whole = end.saturating_sub(first) / LARGE_PAGE_BYTES * LARGE_PAGE_BYTES;
        // SAFETY: `first` is in the map.
        let from = unsafe { self.map.as_mut_ptr().add(first) };
        // SAFETY: the range lies in the map, whose content the call does not change.
        if whole > 0 && unsafe { libc::madvise(from.cast(), whole, MADV_COLLAPSE) } == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// The first byte; valid as long as the region lives.
    #[must_use]
    pub fn base(&self) -> NonNull<u8> {
        NonNull::new(self.map.as_mut_ptr()).unwrap_or(NonNull::dangling())
    }

    /// Bytes in the region.
    #[must_use]
    pub fn bytes_len(&self) -> usize {
        self.map.len()
    }

    /// True for a map of a file.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.watch.is_some()
    }
}

/// Maps `file` where large pages can lie, if the address space allows it. The system places maps below
/// one another, so a spacer above brings the next one down to a multiple.
fn map_aligned(file: &File, bytes_len: usize) -> io::Result<MmapRaw> {
    let map = || MmapOptions::new().len(bytes_len).map_raw(file);
    let mut mapped = map()?;
    for _ in 0..ALIGN_TRIES {
        let beyond = mapped.as_ptr().addr() % LARGE_PAGE_BYTES;
        if beyond == 0 || bytes_len < LARGE_PAGE_BYTES {
            break;
        }
        drop(mapped);
        let spacer = memmap2::MmapMut::map_anon(beyond);
        mapped = map()?;
        drop(spacer);
    }
    Ok(mapped)
}

/// Another thread's map may come between.
const ALIGN_TRIES: u32 = 4;
/// Of the processors we know.
const LARGE_PAGE_BYTES: usize = 2 << 20;
/// Since Linux 6.1; the C library has no name for it yet.
const MADV_COLLAPSE: i32 = 25;
