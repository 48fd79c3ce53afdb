//! The file that holds the key of a sealed region.
//!
//! Shape: 32 bytes, for AES-256-GCM. Errors: as text, with the file's name. Read on the control
//! thread. Source: RELIABILITY section 9 (secrets).

use std::{fs, os::unix::fs::MetadataExt, path::Path};

/// The 32 bytes of `file`, which nobody else may read.
///
/// # Errors
/// Why there is no key, as text.
pub fn read(file: &Path) -> Result<[u8; 32], String> {
    let bytes = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mode = fs::metadata(file).map_or(0, |facts| facts.mode());
    if mode & 0o077 != 0 {
        let file = file.display();
        return Err(format!(
            "{file} can be read by others; set its mode to 0600"
        ));
    }
    let len = bytes.len();
    <[u8; 32]>::try_from(bytes).map_err(|_| format!("the key has {len} bytes, not 32"))
}
