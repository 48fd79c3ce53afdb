//! Encryption at rest: AES-256-GCM over a key's value, with the id of its record authenticated.
//!
//! ```text
//! nonce (12) | encrypted value | tag (16)
//! ```
//!
//! Shape: [`Vault`] is made from the 32 bytes of the key file. From them come, by HKDF, the key that
//! seals and the key of the hash by which a value is found without opening anything. Nonces are
//! random: 2^32 values under one key are the bound, and a store holds millions. Units: bytes.
//! Errors: [`StoreError::Key`], for what does not open. Source: NIST SP 800-38D section 8.2.2,
//! RFC 5869.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, KeyType, Salt},
    rand,
};
use tidegate_edge::{
    cache::key_file,
    limits::{KeyHasher, Tag},
};
use zeroize::Zeroizing;

use super::StoreError;

/// What the key file is good for.
pub(super) struct Vault {
    sealing: LessSafeKey,
    hasher: KeyHasher,
    check: [u8; CHECK_BYTES],
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

/// What opened: wiped when dropped.
pub(super) type Secret = Zeroizing<String>;

impl Vault {
    /// Of the bytes of a key file.
    pub(super) fn new(key: &[u8; KEY_BYTES]) -> Result<Vault, StoreError> {
        let unusable = |_| StoreError::Key("the key cannot be used".to_owned());
        let secret = Salt::new(HKDF_SHA256, b"tidegate store").extract(key);
        let sealing = secret
            .expand(&[b"api key values"], &AES_256_GCM)
            .map_err(unusable)?;
        let mut tagging = Zeroizing::new([0; TAG_KEY_BYTES]);
        secret
            .expand(&[b"api key tags"], Bytes(TAG_KEY_BYTES))
            .and_then(|derived| derived.fill(&mut *tagging))
            .map_err(unusable)?;
        let mut check = [0; CHECK_BYTES];
        secret
            .expand(&[b"which key is this"], Bytes(CHECK_BYTES))
            .and_then(|derived| derived.fill(&mut check))
            .map_err(unusable)?;
        Ok(Vault {
            sealing: LessSafeKey::new(UnboundKey::from(sealing)),
            hasher: KeyHasher::new(&tagging),
            check,
        })
    }

    /// Tells the key from others without telling the key.
    pub(super) fn check(&self) -> &[u8; CHECK_BYTES] {
        &self.check
    }

    /// By what request cores find values.
    pub(super) fn hasher(&self) -> &KeyHasher {
        &self.hasher
    }

    /// By what `value` is found: whoever has not the key learns nothing from it.
    pub(super) fn tag(&self, value: &str) -> Result<[u8; TAG_BYTES], StoreError> {
        let tag = self.hasher.tag(value.as_bytes()).map(Tag::to_bytes);
        tag.ok_or_else(|| StoreError::invalid("API Key exceeds maximum size of 128 characters"))
    }

    /// Encrypts the value of the key `id`.
    pub(super) fn seal(&self, id: &str, value: &str) -> Result<Vec<u8>, StoreError> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| StoreError::Randomness)?;
        let mut sealed = value.as_bytes().to_vec();
        let tag = self
            .sealing
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(id.as_bytes()),
                &mut sealed,
            )
            .map_err(|_| StoreError::Key("a value cannot be sealed".to_owned()))?;
        Ok([&nonce[..], &sealed, tag.as_ref()].concat())
    }

    /// The value of the key `id`.
    pub(super) fn open(&self, id: &str, sealed: &[u8]) -> Result<Secret, StoreError> {
        let fault = || StoreError::Key(format!("the value of API key {id} does not open"));
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(fault)?;
        let mut bytes = Zeroizing::new(rest.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self
            .sealing
            .open_in_place(nonce, Aad::from(id.as_bytes()), &mut bytes)
            .map_err(|_| fault())?;
        let text = std::str::from_utf8(opened).map_err(|_| fault())?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}

/// A length that HKDF is asked for.
struct Bytes(usize);

impl KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

/// The key of `file`; `None` where there is no file.
pub(super) fn read_key(file: &Path) -> Result<Option<Zeroizing<[u8; KEY_BYTES]>>, StoreError> {
    match fs::symlink_metadata(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        _ => key_file::read(file)
            .map(|key| Some(Zeroizing::new(key)))
            .map_err(StoreError::Key),
    }
}

/// Writes a fresh key to `file`, whole and on the disk, in place of whatever stood there.
pub(super) fn write_key(file: &Path) -> Result<Zeroizing<[u8; KEY_BYTES]>, StoreError> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    rand::fill(&mut *key).map_err(|_| StoreError::Randomness)?;
    let fault = |error| StoreError::of_io(file, &error);
    let fresh = file.with_extension(format!("new.{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options
        .open(&fresh)
        .and_then(|mut out| out.write_all(&*key).and_then(|()| out.sync_all()))
        .and_then(|()| fs::rename(&fresh, file));
    if let Err(error) = written {
        let _ = fs::remove_file(&fresh); // half a key is of no use to anybody
        return Err(fault(error));
    }
    sync_folder(file)?;
    Ok(key)
}

/// Brings the names in the folder of `file` to the disk.
pub(super) fn sync_folder(file: &Path) -> Result<(), StoreError> {
    let folder = file.parent().unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| StoreError::of_io(folder, &error))
}

/// AES-256.
pub(super) const KEY_BYTES: usize = 32;
/// Of the hash by which values are found.
pub(super) const TAG_BYTES: usize = 16;
const TAG_KEY_BYTES: usize = 16;
const CHECK_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_and_nothing_else_does() {
        let vault = Vault::new(&[7; KEY_BYTES]).expect("a vault");
        let sealed = vault.seal("k1", "a value").expect("sealed");
        assert_ne!(
            sealed,
            vault.seal("k1", "a value").expect("sealed"),
            "a nonce of its own"
        );
        assert_eq!(
            vault.open("k1", &sealed).expect("opened").as_str(),
            "a value"
        );
        assert!(vault.open("k2", &sealed).is_err(), "another record's value");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 4;
            assert!(vault.open("k1", &changed).is_err(), "byte {at}");
            assert!(vault.open("k1", &sealed[..at]).is_err(), "cut at {at}");
        }
        let other = Vault::new(&[8; KEY_BYTES]).expect("a vault");
        assert!(other.open("k1", &sealed).is_err(), "another key");
        assert_ne!(vault.check(), other.check());
        let tag = |vault: &Vault, value| vault.tag(value).expect("a tag");
        assert_ne!(tag(&vault, "x"), tag(&other, "x"), "tags are keyed");
        assert_eq!(tag(&vault, "x"), tag(&vault, "x"));
        assert_ne!(tag(&vault, "x"), tag(&vault, "y"));
    }

    #[test]
    fn a_key_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("k.key");
        assert!(read_key(&file).expect("none").is_none());
        let key = write_key(&file).expect("written");
        assert_eq!(read_key(&file).expect("read"), Some(key.clone()));
        let mode = fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_ne!(write_key(&file).expect("written"), key);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("a mode");
        let said = read_key(&file).expect_err("exposed").to_string();
        assert!(said.contains("can be read by others"), "{said}");
    }
}
