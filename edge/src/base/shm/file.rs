//! Files that several processes map: made whole before their name is seen, locked byte by byte.
//!
//! Shape: [`SharedFile`] is an open regular file of ours with its path. Its locks are those of an
//! open file description: they end with it, however the process ends, so a lock that is gone
//! proves a holder that is gone. They lie on bytes beyond any content. Two handles of one process
//! exclude each other like two processes; two calls through one handle do not. One without a name
//! ([`SharedFile::unnamed`]) is nobody else's, and goes with its process however that ends.
//! Units: bytes. Errors: the system's; [`FileFault`] for what is not a private regular file.
//! Source: fcntl(2) "Open file description locks", fallocate(2), rename(2), memfd_create(2).

use std::{
    ffi::CString,
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::{
            ffi::OsStrExt,
            fs::{FileExt, MetadataExt, OpenOptionsExt},
        },
    },
    path::{Path, PathBuf},
};

use super::Region;

/// An open file that is mapped by more than one process.
#[derive(Debug)]
pub struct SharedFile {
    file: File,
    path: PathBuf,
}

/// What is at the path is not for us.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// A directory, a link, a device or a pipe.
    #[error("is not a regular file")]
    NotRegular,
    /// Another user owns it or may write to it, so its content is theirs.
    #[error("belongs to, or can be written by, another user")]
    NotOurs,
    /// The system's answer.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// How a byte is locked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lock {
    /// By several at once.
    Shared,
    /// By one alone.
    Exclusive,
}

impl SharedFile {
    /// Opens the file at `path`, which must exist.
    ///
    /// # Errors
    /// As [`FileFault`]; a missing file is `System` with `NotFound`.
    pub fn open(path: &Path) -> Result<SharedFile, FileFault> {
        SharedFile::from_options(OpenOptions::new().read(true).write(true), path)
    }

    /// Opens the file at `path`, made empty with mode 0600 if it is missing.
    ///
    /// # Errors
    /// As [`FileFault`].
    pub fn open_or_create(path: &Path) -> Result<SharedFile, FileFault> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        SharedFile::from_options(options.mode(0o600), path)
    }

    /// An empty file in memory that has no name; `label` stands in messages where others have their
    /// path.
    ///
    /// # Errors
    /// Of memfd_create(2).
    pub fn unnamed(label: &Path) -> io::Result<SharedFile> {
        // SAFETY: the name ends with a zero byte and is only read.
        let fd = unsafe { libc::memfd_create(c"tidegate".as_ptr(), libc::MFD_CLOEXEC) };
        if fd == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has just made the descriptor, and nobody else knows it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(SharedFile {
            file: File::from(fd),
            path: label.to_owned(),
        })
    }

    fn from_options(options: &mut OpenOptions, path: &Path) -> Result<SharedFile, FileFault> {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC;
        let file = match options.custom_flags(flags).open(path) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::ELOOP | libc::EISDIR)) => {
                return Err(FileFault::NotRegular);
            }
            opened => opened?,
        };
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(FileFault::NotRegular);
        }
        let own = effective_user();
        let is_ours = about.uid() == own || own == ROOT;
        if !is_ours || about.mode() & OTHERS_MAY_WRITE != 0 {
            return Err(FileFault::NotOurs);
        }
        Ok(SharedFile {
            file,
            path: path.to_owned(),
        })
    }

    /// Where it was opened, or renamed to.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes in the file now.
    ///
    /// # Errors
    /// Of fstat(2).
    pub fn bytes_len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// The size that maps of this file are multiples of: large on hugetlbfs.
    ///
    /// # Errors
    /// Of fstat(2).
    pub fn block_bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.blksize().max(PAGE_BYTES))
    }

    /// Empties the file, then gives it `bytes_len` bytes that the file system has set aside, so
    /// that writing to a map of it cannot fail for want of room.
    ///
    /// # Errors
    /// Of ftruncate(2) and fallocate(2), such as `ENOSPC`; the file is then left empty.
    pub fn preallocate_anew(&self, bytes_len: u64) -> io::Result<()> {
        self.file.set_len(0)?;
        let set_aside = self.set_aside(bytes_len);
        if set_aside.is_err() {
            let _ = self.file.set_len(0);
        }
        set_aside
    }

    /// Gives the file `bytes_len` bytes, of which none takes memory before it is written: for files
    /// without a name, whose owner knows what it asks for.
    ///
    /// # Errors
    /// Of ftruncate(2).
    pub fn stretch_to(&self, bytes_len: u64) -> io::Result<()> {
        self.file.set_len(bytes_len)
    }

    /// Sets room aside for the parts of the file that have none, as after a sparse copy.
    ///
    /// # Errors
    /// Of fallocate(2), such as `ENOSPC`.
    pub fn fill_holes(&self) -> io::Result<()> {
        let about = self.file.metadata()?;
        if about.blocks().saturating_mul(STAT_BLOCK_BYTES) >= about.len() {
            return Ok(());
        }
        self.set_aside(about.len())
    }

    /// Sets room aside up to `bytes_len` bytes; what is there stays.
    ///
    /// # Errors
    /// Of fallocate(2), such as `ENOSPC`.
    pub fn extend_to(&self, bytes_len: u64) -> io::Result<()> {
        self.set_aside(bytes_len)
    }

    fn set_aside(&self, bytes_len: u64) -> io::Result<()> {
        let bytes_len =
            i64::try_from(bytes_len).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        // SAFETY: the descriptor is open; the call reads no memory of ours.
        match unsafe { libc::posix_fallocate(self.file.as_raw_fd(), 0, bytes_len) } {
            0 => Ok(()),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    /// Reads into all of `into` from byte `at`.
    ///
    /// # Errors
    /// Of pread(2); a shorter file is `UnexpectedEof`.
    pub fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        self.file.read_exact_at(into, at)
    }

    /// Maps its first `bytes_len` bytes.
    ///
    /// # Errors
    /// Of mmap(2).
    pub fn map(&self, bytes_len: usize) -> io::Result<Region> {
        Region::of_file(&self.file, bytes_len, &self.path)
    }

    /// True while `path` leads to this very file.
    #[must_use]
    pub fn is_named(&self, path: &Path) -> bool {
        let (Ok(named), Ok(own)) = (std::fs::symlink_metadata(path), self.file.metadata()) else {
            return false;
        };
        named.dev() == own.dev() && named.ino() == own.ino()
    }

    /// Gives the file its final name, over any file that had it.
    ///
    /// # Errors
    /// Of rename(2).
    pub fn rename(&mut self, to: &Path) -> io::Result<()> {
        std::fs::rename(&self.path, to)?;
        to.clone_into(&mut self.path);
        Ok(())
    }

    /// Takes the name away; the file lives until its last map is gone.
    ///
    /// # Errors
    /// Of unlink(2).
    pub fn unlink(&self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }

    /// Locks `byte`, or answers false at once when another handle's lock excludes it. A lock
    /// that this handle holds on the byte already is changed to `how` in one step.
    ///
    /// # Errors
    /// Of fcntl(2), such as a file system without locks.
    pub fn try_lock(&self, byte: u32, how: Lock) -> io::Result<bool> {
        match self.lock_call(libc::F_OFD_SETLK, byte, how.kind()) {
            Ok(_) => Ok(true),
            Err(error) if is_held(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Locks `byte`, waiting for whoever holds it; for start-up, never on a serving core.
    ///
    /// # Errors
    /// Of fcntl(2).
    pub fn lock_waiting(&self, byte: u32, how: Lock) -> io::Result<()> {
        loop {
            match self.lock_call(libc::F_OFD_SETLKW, byte, how.kind()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done.map(|_| ()),
            }
        }
    }

    /// Lets a few milliseconds pass; for start-up, never on a serving core.
    pub fn wait_a_little(&self) {
        // SAFETY: no descriptor is named, so nothing is read or written; it only takes its time.
        unsafe { libc::poll(std::ptr::null_mut(), 0, 5) };
    }

    /// Gives up this handle's lock on `byte`.
    ///
    /// # Errors
    /// Of fcntl(2).
    pub fn unlock(&self, byte: u32) -> io::Result<()> {
        self.lock_call(libc::F_OFD_SETLK, byte, libc::F_UNLCK)?;
        Ok(())
    }

    /// True when another handle, of this or another process, holds a lock on `byte`.
    ///
    /// # Errors
    /// Of fcntl(2).
    pub fn is_locked_elsewhere(&self, byte: u32) -> io::Result<bool> {
        let found = self.lock_call(libc::F_OFD_GETLK, byte, libc::F_WRLCK)?;
        Ok(i32::from(found.l_type) != libc::F_UNLCK)
    }

    fn lock_call(&self, command: i32, byte: u32, kind: i32) -> io::Result<libc::flock> {
        // SAFETY: `flock` is plain numbers, of which all-zero is a valid value.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = i16::try_from(kind).unwrap_or(0);
        lock.l_whence = i16::try_from(libc::SEEK_SET).unwrap_or(0);
        lock.l_start = LOCKS_AT + i64::from(byte);
        lock.l_len = 1;
        // SAFETY: the descriptor is open and `lock` outlives the call.
        if unsafe { libc::fcntl(self.file.as_raw_fd(), command, &raw mut lock) } == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(lock)
    }
}

impl Lock {
    fn kind(self) -> i32 {
        match self {
            Lock::Shared => libc::F_RDLCK,
            Lock::Exclusive => libc::F_WRLCK,
        }
    }
}

/// A number that changes when the host starts anew, and 0 when the system does not tell.
#[must_use]
pub fn boot_number() -> u64 {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.iter().fold(0, |number: u64, digit| {
        number.wrapping_mul(31).wrapping_add(u64::from(*digit))
    })
}

/// Bytes that files in `folder` may still take from its file system; `None` where the system does
/// not tell, or sets no limit.
#[must_use]
pub fn room_bytes(folder: &Path) -> Option<u64> {
    let path = CString::new(folder.as_os_str().as_bytes()).ok()?;
    // SAFETY: `statvfs` is plain numbers, of which all-zero is a valid value.
    let mut about: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: the path ends with a zero byte, and both outlive the call.
    if unsafe { libc::statvfs(path.as_ptr(), &raw mut about) } == -1 || about.f_blocks == 0 {
        return None;
    }
    about.f_bavail.checked_mul(about.f_frsize)
}

fn effective_user() -> u32 {
    // SAFETY: no arguments, no memory.
    unsafe { libc::geteuid() }
}

fn is_held(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES))
}

/// Lock bytes begin here, above every possible content.
const LOCKS_AT: i64 = 1 << 56;
/// The user that may read and repair everybody's files.
const ROOT: u32 = 0;
/// Write bits of group and others.
const OTHERS_MAY_WRITE: u32 = 0o022;
/// What `st_blocks` counts in.
const STAT_BLOCK_BYTES: u64 = 512;
/// The least size of a page.
const PAGE_BYTES: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_exclude_other_handles_and_end_with_theirs() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("locked");
        let one = SharedFile::open_or_create(&path).expect("made");
        let two = SharedFile::open(&path).expect("opened");
        assert!(one.try_lock(7, Lock::Exclusive).expect("locked"));
        assert!(!one.is_locked_elsewhere(7).expect("asked"), "its own lock");
        assert!(two.is_locked_elsewhere(7).expect("asked"));
        assert!(!two.is_locked_elsewhere(8).expect("asked"), "another byte");
        assert!(!two.try_lock(7, Lock::Shared).expect("refused"));
        assert!(one.try_lock(7, Lock::Shared).expect("changed"));
        assert!(two.try_lock(7, Lock::Shared).expect("both"));
        drop(one);
        assert!(two.try_lock(7, Lock::Exclusive).expect("alone"));
    }

    #[test]
    fn only_private_regular_files_are_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let link = folder.path().join("link");
        let file = SharedFile::open_or_create(&path).expect("made");
        std::os::unix::fs::symlink(&path, &link).expect("linked");
        let mode = |mode| {
            let rights = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(&path, rights).expect("rights");
            SharedFile::open(&path)
        };
        assert!(matches!(
            SharedFile::open(&link),
            Err(FileFault::NotRegular)
        ));
        let directory = SharedFile::open(folder.path());
        assert!(matches!(directory, Err(FileFault::NotRegular)));
        assert!(matches!(mode(0o660), Err(FileFault::NotOurs)));
        assert!(matches!(mode(0o602), Err(FileFault::NotOurs)));
        assert!(mode(0o640).is_ok());
        assert!(file.is_named(&path) && !file.is_named(&link));
    }

    #[test]
    fn a_file_without_a_name_is_nobody_elses_and_takes_what_is_written() {
        let label = Path::new("/nowhere/a-region");
        let file = SharedFile::unnamed(label).expect("made");
        assert!(!label.exists() && !file.is_named(label));
        file.stretch_to(1 << 20).expect("longer");
        let blocks = || file.file.metadata().expect("about").blocks() * STAT_BLOCK_BYTES;
        assert_eq!((file.bytes_len().expect("about"), blocks()), (1 << 20, 0));
        let region = file.map(1 << 20).expect("mapped");
        // SAFETY: the first byte of a map that nobody else has.
        unsafe { region.base().as_ptr().write(1) };
        let written = blocks();
        assert!(written > 0 && written <= 1 << 20, "{written}");
        assert!(file.try_lock(0, Lock::Exclusive).expect("locked"));
    }

    #[test]
    fn the_room_of_a_file_system_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(room_bytes(folder.path()).is_none_or(|bytes| bytes > 0));
        assert_eq!(room_bytes(&folder.path().join("nowhere")), None);
    }

    #[test]
    fn a_sparse_file_is_filled() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sparse");
        std::fs::write(&path, b"x").expect("written");
        let file = SharedFile::open(&path).expect("opened");
        file.file.set_len(1 << 20).expect("longer");
        let blocks = || file.file.metadata().expect("about").blocks() * STAT_BLOCK_BYTES;
        assert!(blocks() < 1 << 20);
        file.fill_holes().expect("filled");
        assert!(blocks() >= 1 << 20);
        file.preallocate_anew(1 << 16).expect("anew");
        assert_eq!(file.bytes_len().expect("about"), 1 << 16);
    }
}
