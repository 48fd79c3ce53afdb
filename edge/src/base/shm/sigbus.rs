//! The last words of a process whose mapped file was cut under it.
//!
//! What: touching a page beyond the end of a mapped file raises SIGBUS. The memory is gone and no
//! code can go on, so the handler names the file on standard error and aborts. Any other bus error
//! goes to the handler that was there before.
//! Shape: a fixed table of watched maps, filled by `Watch::new`, read by the handler with atomic
//! loads alone. Ranges: `WATCHES_MAX` maps, names cut at `NAME_BYTES_MAX`; a map beyond the
//! table is not named. Errors: sigaction(2)'s, at installation.
//! Source: signal-safety(7), mmap(2) "SIGBUS".

use std::{
    io,
    os::unix::ffi::OsStrExt,
    path::Path,
    ptr,
    sync::{
        OnceLock,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
};

/// Installs the handler for this process; later calls do nothing.
///
/// # Errors
/// Of sigaction(2).
pub fn install() -> io::Result<()> {
    if PREVIOUS.get().is_some() {
        return Ok(());
    }
    // SAFETY: `sigaction` is plain numbers and pointers, of which all-zero is a valid value.
    let (mut new, mut old): (libc::sigaction, libc::sigaction) = unsafe { std::mem::zeroed() };
    // SAFETY: asks for the present handler; `old` outlives the call.
    if unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), &raw mut old) } == -1 {
        return Err(io::Error::last_os_error());
    }
    if PREVIOUS.set(old).is_err() {
        return Ok(()); // another thread was first
    }
    let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = on_bus_error;
    new.sa_sigaction = handler as usize;
    new.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the handler has the signature that SA_SIGINFO asks for and only makes calls that
    // signal-safety(7) lists.
    if unsafe { libc::sigaction(libc::SIGBUS, &raw const new, ptr::null_mut()) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// One map in the table, until it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    index: Option<usize>,
}

impl Watch {
    /// Notes that `bytes_len` bytes from `start` are the file at `path`.
    pub(super) fn new(start: usize, bytes_len: usize, path: &Path) -> Watch {
        let index = TABLE.iter().position(|entry| {
            let claim =
                entry
                    .bytes_len
                    .compare_exchange(0, CLAIMED, Ordering::AcqRel, Ordering::Relaxed);
            claim.is_ok()
        });
        if let Some(entry) = index.and_then(|index| TABLE.get(index)) {
            let name = path.as_os_str().as_bytes();
            for (at, byte) in entry.name.iter().enumerate() {
                byte.store(name.get(at).copied().unwrap_or(0), Ordering::Relaxed);
            }
            entry.start.store(start, Ordering::Relaxed);
            entry.bytes_len.store(bytes_len, Ordering::Release);
        }
        Watch { index }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(entry) = self.index.and_then(|index| TABLE.get(index)) {
            entry.bytes_len.store(0, Ordering::Release);
        }
    }
}

struct Entry {
    start: AtomicUsize,
    /// 0: free. [`CLAIMED`]: being filled.
    bytes_len: AtomicUsize,
    name: [AtomicU8; NAME_BYTES_MAX],
}

impl Entry {
    fn holds(&self, address: usize) -> bool {
        let bytes_len = self.bytes_len.load(Ordering::Acquire);
        let start = self.start.load(Ordering::Relaxed);
        bytes_len != CLAIMED && address.wrapping_sub(start) < bytes_len
    }
}

/// A signal handler gets no argument of ours, so its table is the process's. Atomics only.
static TABLE: [Entry; WATCHES_MAX] = [const {
    Entry {
        start: AtomicUsize::new(0),
        bytes_len: AtomicUsize::new(0),
        name: [const { AtomicU8::new(0) }; NAME_BYTES_MAX],
    }
}; WATCHES_MAX];

/// Who handled the signal before us, such as the runtime's watch over stack overflows.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();

extern "C" fn on_bus_error(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid siginfo to a handler installed with SA_SIGINFO, and a bus
    // error's siginfo has an address.
    let address = unsafe { (*info).si_addr() }.addr();
    if let Some(entry) = TABLE.iter().find(|entry| entry.holds(address)) {
        say(b"tidegate: aborting: a mapped file was cut or lost its storage while in use: ");
        for byte in &entry.name {
            match byte.load(Ordering::Relaxed) {
                0 => break,
                byte => say(&[byte]),
            }
        }
        say(b"\n");
        // SAFETY: async-signal-safe, does not return.
        unsafe { libc::abort() };
    }
    let Some(previous) = PREVIOUS.get() else {
        return;
    };
    // SAFETY: async-signal-safe; back at the faulting instruction, the previous handler gets it.
    unsafe { libc::sigaction(libc::SIGBUS, previous, ptr::null_mut()) };
}

fn say(text: &[u8]) {
    // SAFETY: `text` is valid for its length; a failed write changes nothing.
    unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
}

/// Maps that can be told apart.
const WATCHES_MAX: usize = 16;
/// Bytes kept of a path.
const NAME_BYTES_MAX: usize = 512;
/// Marks an entry that is being filled.
const CLAIMED: usize = usize::MAX;

const _: () = assert!(NAME_BYTES_MAX > 255, "a whole file name fits");
