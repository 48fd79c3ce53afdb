//! A piece of what is sent: bytes of a pool buffer, or of memory that somebody lends.
//!
//! What it is: what a send owns until its own last completion, so that the kernel (or the twin)
//! may read it all that time. Shape: a lent piece keeps its lender alive. Nobody in this process
//! reads lent memory through a reference, for others may write there: the kernel is told the
//! address, the twin asks the lender for a copy. Units: bytes. Errors: `None` for bytes that a
//! lender does not have; what the kernel cannot read fails the send (`EFAULT`).
//! Source: RELIABILITY section 7, rule 1.

use std::{ptr::NonNull, rc::Rc};

use super::buf::Buf;

/// Has memory outside the pool from which bytes can be sent.
pub trait Lender {
    /// Where the `bytes_len` bytes from `at` on are; `None` when it does not have them. As long as
    /// the lender lives they stay there, mapped.
    fn address(&self, at: usize, bytes_len: usize) -> Option<NonNull<u8>>;

    /// Copies the bytes from `at` on; how many were copied.
    fn copy(&self, at: usize, into: &mut [u8]) -> usize;
}

/// Bytes to be sent. Clones share them.
#[derive(Clone, Debug)]
pub enum Piece {
    /// Of a pool buffer.
    Own(Buf),
    /// Of a lender; boxed, since every socket has room for a piece and few are lent.
    Lent(Box<Lent>),
}

/// Bytes of a lender.
#[derive(Clone)]
pub struct Lent {
    lender: Rc<dyn Lender>,
    first: *const u8,
    at: usize,
    bytes_len: usize,
}

impl Piece {
    /// The `bytes_len` bytes of `lender` from `at` on; `None` when it does not have them.
    #[must_use]
    pub fn lent(lender: Rc<dyn Lender>, at: usize, bytes_len: usize) -> Option<Piece> {
        let first = lender.address(at, bytes_len)?.as_ptr();
        Some(Piece::Lent(Box::new(Lent {
            lender,
            first,
            at,
            bytes_len,
        })))
    }

    /// Bytes in it.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Piece::Own(buf) => buf.len(),
            Piece::Lent(lent) => lent.bytes_len,
        }
    }

    /// There is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets the first `count` bytes.
    pub fn advance(&mut self, count: usize) {
        match self {
            Piece::Own(buf) => buf.advance(count),
            Piece::Lent(lent) => {
                assert!(count <= lent.bytes_len, "advance stays inside the piece");
                lent.at += count;
                lent.bytes_len -= count;
                lent.first = lent.first.wrapping_add(count);
            }
        }
    }

    /// Where the kernel finds it.
    #[inline]
    pub(super) fn as_ptr(&self) -> *const u8 {
        match self {
            Piece::Own(buf) => buf.as_ptr(),
            Piece::Lent(lent) => lent.first,
        }
    }

    /// Appends its first `count` bytes to `out`, as the twin sends them.
    pub(super) fn copy_front(&self, count: usize, out: &mut Vec<u8>) {
        match self {
            Piece::Own(buf) => out.extend_from_slice(&buf[..count]),
            Piece::Lent(lent) => {
                let before = out.len();
                out.resize(before + count, 0);
                let copied = lent.lender.copy(lent.at, &mut out[before..]);
                assert_eq!(copied, count, "a lender has what it lent");
            }
        }
    }
}

impl From<Buf> for Piece {
    fn from(buf: Buf) -> Piece {
        Piece::Own(buf)
    }
}

impl std::fmt::Debug for Lent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lent[{}..+{}]", self.at, self.bytes_len)
    }
}

/// A piece is no larger than a buffer's handle: it lies in every idle socket.
const _: () = assert!(size_of::<Piece>() == size_of::<Buf>());
