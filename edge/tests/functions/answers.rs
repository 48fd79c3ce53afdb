//! Outputs made of random pieces: what the fuzz target asserts, without a fuzzer.
//!
//! Shape: pieces of JSON and of answers in any order. Units: bytes. Errors: an output for which a
//! promise of the fuzz body does not hold is shrunk and printed. Source: as the fuzz body.

use proptest::prelude::*;

#[path = "../../fuzz/bodies/function_answer.rs"]
mod function_answer;

const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "null",
    "true",
    "false",
    "1",
    "-1.5e3",
    "200",
    " ",
    "\"statusCode\":",
    "\"headers\":",
    "\"multiValueHeaders\":",
    "\"body\":",
    "\"cookies\":",
    "\"isBase64Encoded\":",
    "\"x\":",
    "\"200\"",
    "\"v\"",
    "\"a b\"",
    "\"\\r\\n\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud800\"",
    "\"aGk=\"",
    "{}",
    "[]",
    "{\"k\":\"v\"}",
    "{\"k\":[\"v\",true]}",
    "\u{e9}",
    "\0",
];

/// Objects of members that are mostly right.
fn objects() -> impl Strategy<Value = String> {
    let member = (15..22_usize, 8..PIECES.len()).prop_map(|(name, value)| {
        let value = PIECES.get(value).copied().unwrap_or("1");
        format!("{}{value}", PIECES.get(name).copied().unwrap_or("\"x\":"))
    });
    proptest::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(",")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn random_pieces_keep_the_promises(at in proptest::collection::vec(0..PIECES.len(), 0..24)) {
        let output: String = at.iter().filter_map(|at| PIECES.get(*at).copied()).collect();
        function_answer::check(output.as_bytes());
    }

    #[test]
    fn random_members_keep_the_promises(output in objects()) {
        function_answer::check(output.as_bytes());
    }

    #[test]
    fn random_bytes_keep_the_promises(output in proptest::collection::vec(0_u8.., 0..64)) {
        function_answer::check(&output);
    }
}
