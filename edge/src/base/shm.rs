//! Page-aligned memory that outlives no one: anonymous maps for buffer pools and rings.
//!
//! Shape: a fixed run of zeroed bytes, committed page by page at first touch. Units: bytes.
//! Ranges: 1 byte up to what the address space gives. Errors: the system's, at creation only.
//! Source: mmap(2).

use std::{io, ptr::NonNull};

use memmap2::MmapRaw;

/// One anonymous map, private to this process.
#[derive(Debug)]
pub struct Region {
    map: MmapRaw,
}

impl Region {
    /// Reserves `bytes_len` zeroed bytes. Nothing is committed before it is touched.
    ///
    /// # Errors
    /// The error of mmap(2), such as `ENOMEM`.
    pub fn anonymous(bytes_len: usize) -> io::Result<Region> {
        Ok(Region {
            map: MmapRaw::from(memmap2::MmapMut::map_anon(bytes_len)?),
        })
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
}
