//! Fuzz body: a JSON Schema and a request body.
//!
//! Asserts: a schema compiles or is refused with its place; a body gets the same verdict however it
//! is laid out, words exactly when it is invalid, and no more of them than the bound.
//! Shape: schema and body, cut by the first NUL. Units: bytes. Errors: a broken promise panics.
//! Source: JSON Schema validation, draft 4.

use tidegate_edge::validate::{BodyFault, ModelSource, Models, WORDS_BYTES_MAX};

/// Checks all promises on `data`.
pub(crate) fn check(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let schema = parts.next().unwrap_or(&[]);
    let body = parts.next().unwrap_or(&[]);
    let Ok(schema) = serde_json::from_slice::<serde_json::Value>(schema) else {
        return;
    };
    let source = ModelSource {
        name: "M",
        schema: &schema,
    };
    let models = match Models::compile(&[source]) {
        Ok(models) => models,
        Err(faults) => {
            assert!(!faults.is_empty() && faults.len() <= 100);
            return assert!(faults.iter().all(|fault| fault.model == "M"));
        }
    };
    let _ = verdict(&models, body);
    if let Ok(read) = serde_json::from_slice::<serde_json::Value>(body) {
        let short = serde_json::to_vec(&read).expect("prints");
        let long = serde_json::to_vec_pretty(&read).expect("prints");
        assert_eq!(verdict(&models, &short), verdict(&models, &long));
    }
}

/// The verdict with its words.
fn verdict(models: &Models, body: &[u8]) -> (Result<(), BodyFault>, String) {
    let model = models.find("M").expect("was compiled");
    let mut words = String::new();
    let result = models.check(model, body, &mut words);
    match result {
        Err(BodyFault::Invalid) => {
            assert!(words.starts_with('[') && words.ends_with(']'), "{words}");
            assert!(words.len() > 2, "no words");
            assert!(words.len() <= WORDS_BYTES_MAX + "…]".len());
        }
        Ok(()) | Err(BodyFault::Unfinished) => assert_eq!(words, ""),
    }
    (result, words)
}
