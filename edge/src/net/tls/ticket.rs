//! Session tickets that every core can open: stateless, sealed with rotating keys.
//!
//! Shape: [`TicketKeys`] is a short list of keys behind one lock, newest first; a
//! [`Ticketer`] is what one TLS configuration sees of it, bound to that configuration's rules for
//! client certificates. A ticket is key id (16) | nonce (12) | sealed state | tag (16).
//! Units and ranges: wall time; a key seals for [`ROTATE_MS`] and opens for [`LIFETIME_MS`].
//! Errors: a ticket that does not open is no error: the handshake is a full one. [`TicketFault`]
//! for exported bytes that are not ours.
//! Source: RFC 5077 section 4 (construction), RFC 8446 section 4.6.1 (at most 7 days).

use crate::base::time::Wall;
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    rand,
};
use rustls::server::ProducesTickets;
use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};
use zeroize::Zeroizing;

/// The keys of one process, shared by its cores and handed to its successor.
pub struct TicketKeys {
    keys: RwLock<Vec<TicketKey>>,
}

/// Why keys could not be made or read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TicketFault {
    /// The system gave no randomness.
    #[error("no randomness for ticket keys")]
    NoRandomness,
    /// Not an export of this version, or cut.
    #[error("exported ticket keys are malformed")]
    Malformed,
}

impl TicketKeys {
    /// One fresh key.
    ///
    /// # Errors
    /// Without randomness.
    pub fn new(now: Wall) -> Result<Arc<TicketKeys>, TicketFault> {
        Ok(Arc::new(TicketKeys {
            keys: RwLock::new(vec![TicketKey::fresh(now)?]),
        }))
    }

    /// Makes a new key when the newest is due, and forgets those whose time is over. Call it
    /// every minute or so, from one place; true when something changed.
    ///
    /// A clock that was set back far makes the newest key due as well.
    ///
    /// # Errors
    /// Without randomness; the keys stay as they are.
    pub fn rotate(&self, now: Wall) -> Result<bool, TicketFault> {
        let due = |key: &TicketKey| now.0.abs_diff(key.made.0) >= ROTATE_MS;
        let over = |key: &TicketKey| now.0.abs_diff(key.made.0) >= LIFETIME_MS;
        let (is_due, is_over) = {
            let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
            (keys.first().is_none_or(due), keys.iter().any(over))
        };
        if !is_due && !is_over {
            return Ok(false);
        }
        let fresh = if is_due {
            Some(TicketKey::fresh(now)?)
        } else {
            None
        };
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|key| !over(key));
        if let Some(fresh) = fresh {
            keys.insert(0, fresh);
        }
        keys.truncate(KEYS_MAX);
        Ok(true)
    }

    /// The keys as bytes, for the successor of an upgrade: pass them over a pipe or a sealed
    /// memory file, never through the file system. The bytes erase themselves.
    #[must_use]
    pub fn export(&self) -> Zeroizing<Vec<u8>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        // Sized at once: growing would leave copies of secrets behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(
            EXPORT_MAGIC.len() + keys.len().saturating_mul(EXPORT_KEY_BYTES),
        ));
        bytes.extend_from_slice(EXPORT_MAGIC);
        for key in keys.iter() {
            bytes.extend_from_slice(&key.id);
            bytes.extend_from_slice(&key.made.0.to_be_bytes());
            bytes.extend_from_slice(&key.secret[..]);
        }
        bytes
    }

    /// The keys that a predecessor exported; rotate them right after.
    ///
    /// # Errors
    /// Other bytes than [`TicketKeys::export`] wrote.
    pub fn import(bytes: &[u8]) -> Result<Arc<TicketKeys>, TicketFault> {
        let rows = bytes
            .strip_prefix(EXPORT_MAGIC)
            .ok_or(TicketFault::Malformed)?;
        let (rows, rest) = rows.as_chunks::<EXPORT_KEY_BYTES>();
        if !rest.is_empty() || rows.is_empty() || rows.len() > KEYS_MAX {
            return Err(TicketFault::Malformed);
        }
        let mut keys = Vec::with_capacity(KEYS_MAX);
        for row in rows {
            let (id, row) = row.split_first_chunk().ok_or(TicketFault::Malformed)?;
            let (made, secret) = row.split_first_chunk().ok_or(TicketFault::Malformed)?;
            let mut own = Zeroizing::new([0; SECRET_BYTES]);
            own.copy_from_slice(secret);
            keys.push(TicketKey::new(*id, own, Wall(u64::from_be_bytes(*made)))?);
        }
        Ok(Arc::new(TicketKeys {
            keys: RwLock::new(keys),
        }))
    }

    /// How many keys open tickets now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Never: there is always a key to seal with.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn seal(&self, state: &[u8], context: &[u8]) -> Option<Vec<u8>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let key = keys.first()?;
        let mut sealed = Vec::with_capacity(state.len().saturating_add(OVERHEAD_BYTES));
        sealed.extend_from_slice(&key.id);
        sealed.extend_from_slice(&[0; NONCE_BYTES]);
        sealed.extend_from_slice(state);
        let (head, body) = sealed.split_at_mut_checked(HEAD_BYTES)?;
        let (nonce, tag) = key
            .aead
            .seal_in_place_separate_tag(Aad::from(context), body)
            .ok()?;
        head.get_mut(ID_BYTES..)?.copy_from_slice(nonce.as_ref());
        sealed.extend_from_slice(tag.as_ref());
        Some(sealed)
    }

    fn open(&self, ticket: &[u8], context: &[u8]) -> Option<Vec<u8>> {
        let (id, rest) = ticket.split_first_chunk::<ID_BYTES>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        // The id is no secret: it stands in the ticket.
        let key = keys.iter().find(|key| key.id == *id)?;
        let mut state = sealed.to_vec();
        let nonce = Nonce::from(nonce);
        let length = key
            .aead
            .open_in_place(nonce, Aad::from(context), &mut state)
            .ok()?
            .len();
        state.truncate(length);
        Some(state)
    }
}

impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketKeys")
            .field("keys", &self.len())
            .finish()
    }
}

/// The ticket keys as one configuration uses them.
///
/// `context` goes into every seal: it names the rules for client certificates, so that a ticket
/// taken where none was asked for opens nothing where one is required.
#[derive(Debug)]
pub struct Ticketer {
    keys: Arc<TicketKeys>,
    context: [u8; 32],
}

impl Ticketer {
    /// Tickets bound to `context`.
    #[must_use]
    pub fn new(keys: Arc<TicketKeys>, context: [u8; 32]) -> Ticketer {
        Ticketer { keys, context }
    }
}

impl ProducesTickets for Ticketer {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        TICKET_LIFETIME_S
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.keys.seal(plain, &self.context)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.keys.open(cipher, &self.context)
    }
}

struct TicketKey {
    id: [u8; ID_BYTES],
    /// Kept beside the prepared key because the successor needs it.
    secret: Zeroizing<[u8; SECRET_BYTES]>,
    aead: RandomizedNonceKey,
    made: Wall,
}

impl TicketKey {
    fn fresh(now: Wall) -> Result<TicketKey, TicketFault> {
        let mut id = [0; ID_BYTES];
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        rand::fill(&mut id).map_err(|_| TicketFault::NoRandomness)?;
        rand::fill(&mut secret[..]).map_err(|_| TicketFault::NoRandomness)?;
        TicketKey::new(id, secret, now)
    }

    fn new(
        id: [u8; ID_BYTES],
        secret: Zeroizing<[u8; SECRET_BYTES]>,
        made: Wall,
    ) -> Result<TicketKey, TicketFault> {
        let aead = RandomizedNonceKey::new(&AES_256_GCM, &secret[..])
            .map_err(|_| TicketFault::Malformed)?;
        Ok(TicketKey {
            id,
            secret,
            aead,
            made,
        })
    }
}

/// How long a key seals.
pub const ROTATE_MS: u64 = 6 * 3600 * 1000;
/// How long a key opens: tickets live at least `LIFETIME_MS - ROTATE_MS`.
pub const LIFETIME_MS: u64 = 18 * 3600 * 1000;
/// What clients are told.
pub const TICKET_LIFETIME_S: u32 = 12 * 3600;
const KEYS_MAX: usize = 3;
const ID_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;
const HEAD_BYTES: usize = ID_BYTES + NONCE_BYTES;
const OVERHEAD_BYTES: usize = HEAD_BYTES + 16;
const SECRET_BYTES: usize = 32;
const EXPORT_MAGIC: &[u8] = b"tidegate ticket keys 1\n";
const EXPORT_KEY_BYTES: usize = ID_BYTES + 8 + SECRET_BYTES;

const _: () = assert!(LIFETIME_MS == ROTATE_MS * KEYS_MAX as u64);
const _: () = assert!(TICKET_LIFETIME_S as u64 * 1000 == LIFETIME_MS - ROTATE_MS);
const _: () = assert!(TICKET_LIFETIME_S <= 7 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_opens_until_its_key_is_over_and_only_in_its_context() {
        let keys = TicketKeys::new(Wall(1)).expect("keys");
        let ticket = keys.seal(b"state", b"a").expect("a ticket");
        assert_eq!(
            keys.open(&ticket, b"a").as_deref(),
            Some(b"state".as_slice())
        );
        assert_eq!(keys.open(&ticket, b"b"), None, "another context");
        let rows = [
            (ROTATE_MS - 1, false, true),
            (ROTATE_MS + 1, true, true),
            (2 * ROTATE_MS + 1, true, true),
            (3 * ROTATE_MS + 1, true, false),
        ];
        for (now_ms, changed, opens) in rows {
            assert_eq!(keys.rotate(Wall(now_ms)), Ok(changed), "{now_ms}");
            assert_eq!(keys.open(&ticket, b"a").is_some(), opens, "{now_ms}");
            assert!(keys.len() <= KEYS_MAX && !keys.is_empty());
        }
    }

    #[test]
    fn a_long_sleep_forgets_every_old_key() {
        let keys = TicketKeys::new(Wall(1)).expect("keys");
        let ticket = keys.seal(b"state", b"").expect("a ticket");
        assert_eq!(keys.rotate(Wall(10 * LIFETIME_MS)), Ok(true));
        assert_eq!((keys.len(), keys.open(&ticket, b"")), (1, None));
    }

    #[test]
    fn any_changed_or_cut_ticket_stays_shut() {
        let keys = TicketKeys::new(Wall(1)).expect("keys");
        let ticket = keys.seal(b"state", b"").expect("a ticket");
        assert_eq!(ticket.len(), 5 + OVERHEAD_BYTES);
        for at in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[at] ^= 0x40;
            assert_eq!(keys.open(&changed, b""), None, "byte {at}");
            assert_eq!(keys.open(&ticket[..at], b""), None, "cut {at}");
        }
        assert_ne!(
            ticket,
            keys.seal(b"state", b"").expect("a ticket"),
            "nonces differ"
        );
    }

    #[test]
    fn keys_survive_export_and_import() {
        let keys = TicketKeys::new(Wall(1)).expect("keys");
        let old = keys.seal(b"old", b"").expect("a ticket");
        keys.rotate(Wall(ROTATE_MS + 1)).expect("randomness");
        let new = keys.seal(b"new", b"").expect("a ticket");
        let bytes = keys.export();
        let heir = TicketKeys::import(&bytes).expect("our own bytes");
        assert_eq!(heir.open(&old, b"").as_deref(), Some(b"old".as_slice()));
        assert_eq!(heir.open(&new, b"").as_deref(), Some(b"new".as_slice()));
        assert_eq!(
            keys.open(&heir.seal(b"x", b"").expect("a ticket"), b""),
            Some(b"x".to_vec())
        );
        for bad in [
            &bytes[..0],
            &bytes[..5],
            &bytes[..EXPORT_MAGIC.len()],
            &bytes[..bytes.len() - 1],
        ] {
            assert_eq!(TicketKeys::import(bad).err(), Some(TicketFault::Malformed));
        }
        assert!(
            !format!("{keys:?}").contains("secret"),
            "secrets are not printed"
        );
    }
}
