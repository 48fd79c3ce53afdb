//! Session tickets that every core can open: stateless, sealed with rotating keys.
//!
//! Shape: [`TicketKeys`] is a short list of keys behind one lock, newest first; a
//! [`Ticketer`] is what one TLS configuration sees of it, bound to that configuration's rules for
//! client certificates. A ticket is key id (16) | nonce (12) | sealed state | tag (16).
//! Units and ranges: wall time; a key seals for one period, of [`ROTATE_MS_DEFAULT`] unless the
//! settings say otherwise, and goes on opening for one more. A ticket thus lives for a period at
//! least, and that is what clients are told.
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
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};
use zeroize::Zeroizing;

/// The keys of one process, shared by its cores and handed to its successor.
pub struct TicketKeys {
    keys: RwLock<Vec<TicketKey>>,
    /// How long a key seals.
    rotate_ms: AtomicU64,
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
        Ok(TicketKeys::of(vec![TicketKey::fresh(now)?]))
    }

    fn of(keys: Vec<TicketKey>) -> Arc<TicketKeys> {
        Arc::new(TicketKeys {
            keys: RwLock::new(keys),
            rotate_ms: AtomicU64::new(ROTATE_MS_DEFAULT),
        })
    }

    /// Replaces keys of this age from now on, at most [`ROTATE_MS_MAX`]. The next
    /// [`TicketKeys::rotate`] judges those there are by it.
    pub fn set_rotate_ms(&self, rotate_ms: u64) {
        debug_assert!((1..=ROTATE_MS_MAX).contains(&rotate_ms));
        let rotate_ms = rotate_ms.clamp(1, ROTATE_MS_MAX);
        // Relaxed: a handshake that sees the old number tells a client the old one.
        self.rotate_ms.store(rotate_ms, Ordering::Relaxed);
    }

    fn rotate_ms(&self) -> u64 {
        self.rotate_ms.load(Ordering::Relaxed)
    }

    /// Makes a new key when the newest is due, and forgets those whose time is over. Call it
    /// every minute or so, from one place; true when something changed.
    ///
    /// A clock that was set back far makes the newest key due as well.
    ///
    /// # Errors
    /// Without randomness; the keys stay as they are.
    pub fn rotate(&self, now: Wall) -> Result<bool, TicketFault> {
        let rotate_ms = self.rotate_ms();
        let life_ms = rotate_ms.saturating_mul(KEYS_MAX as u64);
        let due = |key: &TicketKey| now.0.abs_diff(key.made.0) >= rotate_ms;
        let over = |key: &TicketKey| now.0.abs_diff(key.made.0) >= life_ms;
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
        Ok(TicketKeys::of(keys))
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
        // Sealed in its key's last moment, a ticket still has the period behind it.
        u32::try_from(self.keys.rotate_ms() / 1_000).unwrap_or(u32::MAX)
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

/// How long a key seals where the settings do not say.
pub const ROTATE_MS_DEFAULT: u64 = 12 * 3600 * 1000;
/// The most that settings may say: no TLS 1.3 ticket lives longer than that.
pub const ROTATE_MS_MAX: u64 = 7 * 24 * 3600 * 1000;
/// The one that seals, and the one before it.
const KEYS_MAX: usize = 2;
const ID_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;
const HEAD_BYTES: usize = ID_BYTES + NONCE_BYTES;
const OVERHEAD_BYTES: usize = HEAD_BYTES + 16;
const SECRET_BYTES: usize = 32;
const EXPORT_MAGIC: &[u8] = b"tidegate ticket keys 1\n";
const EXPORT_KEY_BYTES: usize = ID_BYTES + 8 + SECRET_BYTES;

const _: () = assert!(ROTATE_MS_DEFAULT <= ROTATE_MS_MAX);
const _: () = assert!(ROTATE_MS_MAX / 1000 <= u32::MAX as u64);

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    fn sealed(keys: &TicketKeys) -> Vec<u8> {
        keys.seal(b"state", b"a").expect("a ticket")
    }

    fn opens(keys: &TicketKeys, ticket: &[u8]) -> bool {
        keys.open(ticket, b"a").is_some()
    }

    #[test]
    fn a_key_seals_for_a_period_and_opens_for_one_more() {
        for period_ms in [HOUR_MS, ROTATE_MS_DEFAULT, ROTATE_MS_MAX] {
            let keys = TicketKeys::new(Wall(1)).expect("keys");
            keys.set_rotate_ms(period_ms);
            let first = sealed(&keys);
            assert_eq!(keys.open(&first, b"b"), None, "another context");
            let told_s = u64::from(Ticketer::new(Arc::clone(&keys), [0; 32]).lifetime());
            assert_eq!(told_s * 1_000, period_ms, "what clients are told");
            // when, did a key change, does the first ticket open, how many keys
            let rows = [
                (period_ms, false, true, 1),
                (period_ms + 1, true, true, 2),
                (period_ms + 2, false, true, 2),
                (2 * period_ms, false, true, 2),
                (2 * period_ms + 1, true, false, 2),
            ];
            for (now_ms, changed, opened, count) in rows {
                assert_eq!(
                    keys.rotate(Wall(now_ms)),
                    Ok(changed),
                    "{period_ms} {now_ms}"
                );
                assert_eq!(opens(&keys, &first), opened, "{period_ms} {now_ms}");
                assert_eq!(keys.len(), count, "{period_ms} {now_ms}");
            }
        }
    }

    #[test]
    fn a_new_period_counts_for_the_keys_there_are() {
        let keys = TicketKeys::new(Wall(1)).expect("keys");
        let first = sealed(&keys);
        // when, the period from then on, did a key change, does the first ticket open
        let rows = [
            (3 * HOUR_MS, 12 * HOUR_MS, false, true),
            (3 * HOUR_MS, 2 * HOUR_MS, true, true),
            (4 * HOUR_MS, 12 * HOUR_MS, false, true),
            (14 * HOUR_MS, 12 * HOUR_MS, false, true),
            (14 * HOUR_MS, HOUR_MS, true, false),
        ];
        for (now_ms, period_ms, changed, opened) in rows {
            keys.set_rotate_ms(period_ms);
            assert_eq!(
                keys.rotate(Wall(now_ms)),
                Ok(changed),
                "{now_ms} {period_ms}"
            );
            assert_eq!(opens(&keys, &first), opened, "{now_ms} {period_ms}");
        }
    }

    #[test]
    fn a_clock_set_back_or_asleep_forgets_keys_of_two_periods() {
        const MADE_MS: u64 = 10 * ROTATE_MS_DEFAULT;
        // when a key is looked at again, does its ticket open
        let rows = [
            (MADE_MS + 2 * ROTATE_MS_DEFAULT - 1, true),
            (MADE_MS + 2 * ROTATE_MS_DEFAULT, false),
            (MADE_MS - 2 * ROTATE_MS_DEFAULT + 1, true),
            (MADE_MS - 2 * ROTATE_MS_DEFAULT, false),
            (0, false),
        ];
        for (now_ms, opened) in rows {
            let keys = TicketKeys::new(Wall(MADE_MS)).expect("keys");
            let ticket = sealed(&keys);
            assert_eq!(keys.rotate(Wall(now_ms)), Ok(true), "{now_ms}");
            assert_eq!(opens(&keys, &ticket), opened, "{now_ms}");
            assert_eq!(keys.len(), 1 + usize::from(opened), "{now_ms}");
        }
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
        keys.rotate(Wall(ROTATE_MS_DEFAULT + 1))
            .expect("randomness");
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
