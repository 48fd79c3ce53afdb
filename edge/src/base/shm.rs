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
        let map = MmapOptions::new().len(bytes_len).map_raw(file)?;
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
