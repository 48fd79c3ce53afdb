//! Encryption at rest: AES-256-GCM over key, meta and body, with the record's head authenticated.
//!
//! ```text
//! salt (16) | number (8) | encrypted key, meta, body | tag (16)
//! ```
//!
//! No two records share key and nonce, whatever happens to the file: an owner draws a random salt
//! when it registers, seals with a key derived from the store's key and that salt, and counts its
//! records in the nonce. A restored copy of an old file changes nothing about that.
//! Shape: [`Vault`] is the store's key, [`Sealing`] an owner's. Units: bytes. Ranges: 2^64 records
//! an owner. Errors: `None`; a record that does not open is a miss.
//! Source: RFC 5869 (derivation), NIST SP 800-38D section 8.2.1 (counted nonces).

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Salt},
    hmac, rand,
};
use std::fmt;
use zeroize::Zeroizing;

use super::record::{Header, SEAL_BYTES};

/// The key of a store.
pub(super) struct Vault {
    key: Zeroizing<[u8; 32]>,
}

/// An owner's way to seal and to open.
pub(super) struct Sealing {
    salt: [u8; SALT_BYTES],
    key: LessSafeKey,
    /// Records sealed so far.
    number: u64,
    /// Keys of other owners whose records were opened lately.
    others: Vec<([u8; SALT_BYTES], LessSafeKey)>,
    next_other: usize,
}

/// What stands before and behind the encrypted bytes.
pub(super) struct Wrapping {
    pub(super) front: [u8; FRONT_BYTES],
    pub(super) tag: [u8; TAG_BYTES],
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    pub(super) fn new(key: &[u8; 32]) -> Vault {
        Vault {
            key: Zeroizing::new(*key),
        }
    }

    /// Tells the key from others without telling the key.
    pub(super) fn key_check(&self) -> [u64; 2] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &*self.key);
        let tag = hmac::sign(&key, b"tidegate cache: which key is this");
        let mut words = tag
            .as_ref()
            .chunks_exact(8)
            .map(|bytes| bytes.try_into().map_or(0, u64::from_le_bytes));
        [words.next().unwrap_or(0), words.next().unwrap_or(0)]
    }

    /// A new owner's key; `None` without randomness.
    pub(super) fn sealing(&self) -> Option<Sealing> {
        let mut salt = [0; SALT_BYTES];
        rand::fill(&mut salt).ok()?;
        Some(Sealing {
            salt,
            key: self.derived(&salt)?,
            number: 0,
            others: Vec::new(),
            next_other: 0,
        })
    }

    fn derived(&self, salt: &[u8; SALT_BYTES]) -> Option<LessSafeKey> {
        let secret = Salt::new(HKDF_SHA256, salt).extract(&*self.key);
        let derived = secret
            .expand(&[b"tidegate cache: records"], &AES_256_GCM)
            .ok()?;
        Some(LessSafeKey::new(UnboundKey::from(derived)))
    }
}

impl Sealing {
    /// Encrypts `object`, which is key, meta and body of the record with `header`, in place.
    pub(super) fn seal(&mut self, header: &Header, object: &mut [u8]) -> Option<Wrapping> {
        self.number = self.number.checked_add(1)?;
        let aad = Aad::from(header.associated());
        let nonce = nonce_of(self.number);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, aad, object)
            .ok()?;
        let mut front = [0; FRONT_BYTES];
        front[..SALT_BYTES].copy_from_slice(&self.salt);
        front[SALT_BYTES..].copy_from_slice(&self.number.to_le_bytes());
        Some(Wrapping {
            front,
            tag: tag.as_ref().try_into().ok()?,
        })
    }

    /// Opens `payload` in place: all behind the header of a sealed record. The object is what
    /// follows [`FRONT_BYTES`].
    pub(super) fn open(
        &mut self,
        vault: &Vault,
        header: &Header,
        payload: &mut [u8],
    ) -> Option<()> {
        let (front, sealed) = payload.split_first_chunk_mut::<FRONT_BYTES>()?;
        let (salt, number) = front.split_first_chunk::<SALT_BYTES>()?;
        let number = u64::from_le_bytes(number.try_into().ok()?);
        let aad = Aad::from(header.associated());
        let key = self.key_of(vault, salt)?;
        key.open_in_place(nonce_of(number), aad, sealed).ok()?;
        Some(())
    }

    fn key_of(&mut self, vault: &Vault, salt: &[u8; SALT_BYTES]) -> Option<&LessSafeKey> {
        if *salt == self.salt {
            return Some(&self.key);
        }
        if let Some(at) = self.others.iter().position(|(other, _)| other == salt) {
            return self.others.get(at).map(|(_, key)| key);
        }
        let entry = (*salt, vault.derived(salt)?);
        let at = self.next_other;
        self.next_other = (at + 1) % OTHERS_MAX;
        match self.others.get_mut(at) {
            Some(old) => *old = entry,
            None => self.others.push(entry),
        }
        self.others.get(at).map(|(_, key)| key)
    }
}

fn nonce_of(number: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    for (to, from) in bytes.iter_mut().zip(number.to_le_bytes()) {
        *to = from;
    }
    Nonce::assume_unique_for_key(bytes)
}

/// Salt and number.
pub(super) const FRONT_BYTES: usize = SALT_BYTES + 8;
const SALT_BYTES: usize = 16;
/// Of GCM.
pub(super) const TAG_BYTES: usize = 16;
/// Owners whose keys are kept; more are derived again, about a microsecond each.
const OTHERS_MAX: usize = 64;

const _: () = assert!(SEAL_BYTES as usize == FRONT_BYTES + TAG_BYTES);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_and_nothing_else_does() {
        let vault = Vault::new(&[7; 32]);
        let mut writer = vault.sealing().expect("randomness");
        let mut reader = vault.sealing().expect("randomness");
        let header = Header {
            hash: 4,
            key_bytes: 3,
            body_bytes: 97,
            is_sealed: true,
            ..Header::default()
        };
        let object = [0x41; 100];
        let sealed = |writer: &mut Sealing| {
            let mut bytes = object;
            let wrapping = writer.seal(&header, &mut bytes).expect("sealed");
            [&wrapping.front[..], &bytes, &wrapping.tag].concat()
        };
        let record = sealed(&mut writer);
        assert_ne!(record, sealed(&mut writer), "a nonce of its own");
        let opens = |sealing: &mut Sealing, vault, header, record: &[u8]| {
            let mut bytes = record.to_vec();
            let opened = sealing.open(vault, header, &mut bytes).is_some();
            opened && bytes.get(FRONT_BYTES..FRONT_BYTES + 100) == Some(&object[..])
        };
        assert!(opens(&mut writer, &vault, &header, &record));
        assert!(opens(&mut reader, &vault, &header, &record));
        let other = Header {
            keep_until_s: 1,
            ..header
        };
        assert!(
            !opens(&mut reader, &vault, &other, &record),
            "a changed head"
        );
        for at in 0..record.len() {
            let mut changed = record.clone();
            changed[at] ^= 0x10;
            assert!(!opens(&mut reader, &vault, &header, &changed), "byte {at}");
        }
        let foreign = Vault::new(&[8; 32]);
        let mut stranger = foreign.sealing().expect("randomness");
        assert!(
            !opens(&mut stranger, &foreign, &header, &record),
            "another key"
        );
        assert_ne!(vault.key_check(), foreign.key_check());
    }
}
