//! Names and secrets out of random numbers.
//!
//! Shape: text of one alphabet. Units: characters. Errors: [`StoreError::Randomness`]. Source: API
//! Gateway's ids have 10 lower-case letters and digits, its generated key values 40 of both cases.

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::StoreError;

/// A fresh id.
pub(super) fn id() -> Result<String, StoreError> {
    text(b"abcdefghijklmnopqrstuvwxyz0123456789", 10)
}

/// A fresh key value.
pub(super) fn value() -> Result<Zeroizing<String>, StoreError> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    text(LETTERS, 40).map(Zeroizing::new)
}

/// Every character as likely as any other: a byte beyond the last whole alphabet is drawn again.
fn text(alphabet: &[u8], chars: usize) -> Result<String, StoreError> {
    let fair = 256 - 256 % alphabet.len();
    let mut out = String::with_capacity(chars);
    while out.len() < chars {
        let mut bytes = Zeroizing::new([0; 64]);
        rand::fill(&mut *bytes).map_err(|_| StoreError::Randomness)?;
        let kept = bytes.iter().map(|byte| usize::from(*byte));
        let kept = kept.filter(|byte| *byte < fair).take(chars - out.len());
        out.extend(kept.filter_map(|byte| {
            let letter = alphabet.get(byte % alphabet.len())?;
            Some(char::from(*letter))
        }));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_values_have_their_alphabet_and_length() {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let (id, value) = (id().expect("random"), value().expect("random"));
            assert_eq!((id.len(), value.len()), (10, 40));
            assert!(
                id.bytes()
                    .all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
            );
            assert!(value.bytes().all(|byte| byte.is_ascii_alphanumeric()));
            assert!(seen.insert(id) && seen.insert(value.to_string()), "twice");
        }
        let letters: std::collections::BTreeSet<u8> =
            seen.iter().flat_map(|text| text.bytes()).collect();
        assert_eq!(letters.len(), 62, "every letter occurs");
    }
}
