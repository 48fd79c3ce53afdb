//! What can go wrong, in a few words for the log.
//!
//! Shape: [`StoreFault`] for opening, [`InsertFault`] for storing; reading has none, for any doubt
//! is a miss. Errors: these. Source: none.

use std::{io, path::PathBuf};

use super::geometry::GeometryFault;
use crate::base::shm::file::FileFault;

/// Why there is no store, or no owner in it.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// The sizes asked for cannot be.
    #[error(transparent)]
    Geometry(#[from] GeometryFault),
    /// The file, or the way to it, is not usable.
    #[error("{}: {fault}", path.display())]
    File {
        /// The file's path.
        path: PathBuf,
        /// What is wrong with it.
        fault: FileFault,
    },
    /// The file system has no room for the whole region.
    #[error("{}: no room for {bytes_len} bytes: {error}", path.display())]
    NoRoom {
        /// The file that was to be made.
        path: PathBuf,
        /// As asked for.
        bytes_len: u64,
        /// The system's answer.
        error: io::Error,
    },
    /// Only an existing region was asked for, and this is none, or one of another version, size or
    /// key.
    #[error("{}: is not a cache region that this program can read", path.display())]
    NotARegion {
        /// The file's path.
        path: PathBuf,
    },
    /// As many owners as a region can have are alive.
    #[error("all owners of the cache region are taken")]
    OwnersTaken,
    /// The system gave no randomness for the encryption.
    #[error("no randomness for the encryption of the cache")]
    NoRandomness,
}

/// Why an object was not stored. Whoever asked for it gets it all the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InsertFault {
    /// It is larger than the limit of this store.
    #[error("an object of {object_bytes} bytes is larger than the limit of {object_bytes_max}")]
    TooLarge {
        /// Key, meta and body together.
        object_bytes: u64,
        /// The limit.
        object_bytes_max: u32,
    },
    /// The key is empty or too long, or the meta is too long.
    #[error("the key or the meta has an impossible length")]
    Malformed,
    /// It would be dead on arrival: its time is over or its namespace was flushed since.
    #[error("the object is out of date already")]
    OutOfDate,
    /// Readers hold all that could be given up.
    #[error("no segment can be given up now")]
    Full,
    /// Another owner is at work where this one has to be.
    #[error("another owner is making room now")]
    Busy,
    /// The object could not be sealed.
    #[error("the object could not be encrypted")]
    Unsealed,
}
