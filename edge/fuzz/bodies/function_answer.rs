//! Fuzz body: the output of a function.
//!
//! Asserts: reading never panics, in any format; what is an answer can be sent as it is; an
//! output that another reader of JSON takes for an object of other members is refused; memory that
//! was used before changes nothing. Shape: the output. Units: bytes. Errors: a broken promise
//! panics. Source: the recorded rows of proxy answers.

use tidegate_edge::integrate::{
    content::Conversion,
    function::{ANSWER_HEADERS_MAX, AnswerFormat, AnswerReader, FunctionAnswer},
};

/// Checks all promises on `data`.
pub(crate) fn check(data: &[u8]) {
    let mut used = AnswerReader::new();
    let _ = used.read(
        AnswerFormat::V1,
        br#"{"headers":{"a":"\u00e9"},"body":"\n"}"#,
    );
    for format in [AnswerFormat::V1, AnswerFormat::V2, AnswerFormat::Streamed] {
        let mut fresh = AnswerReader::new();
        let answer = fresh.read(format, data);
        assert_eq!(answer, used.read(format, data));
        if let Ok(answer) = &answer {
            check_answer(answer);
        }
        check_with_other(format, data, answer.is_ok());
    }
}

fn check_answer(answer: &FunctionAnswer<'_>) {
    assert!((200..=599).contains(&answer.status), "{}", answer.status);
    assert!(answer.headers.len() <= ANSWER_HEADERS_MAX);
    for line in &answer.headers {
        let is_name = |byte: u8| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&byte);
        assert!(
            !line.name.is_empty() && line.name.bytes().all(is_name),
            "{:?}",
            line.name
        );
        let is_value = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        assert!(line.value.bytes().all(is_value), "{:?}", line.value);
    }
    let _ = Conversion::Decode.apply(answer.body);
}

/// Where the other reader understands the output, it must agree on what kind of answer it is.
fn check_with_other(format: AnswerFormat, data: &[u8], is_answer: bool) {
    const MEMBERS: [&str; 5] = [
        "statusCode",
        "headers",
        "multiValueHeaders",
        "body",
        "isBase64Encoded",
    ];
    let Ok(other) = serde_json::from_slice::<serde_json::Value>(data) else {
        return;
    };
    let object = other.as_object();
    match format {
        AnswerFormat::V1 => {
            let is_known = object
                .is_some_and(|object| (object.keys()).all(|name| MEMBERS.contains(&name.as_str())));
            assert!(is_known || !is_answer);
        }
        AnswerFormat::V2 => {
            let has_status = object.is_some_and(|object| object.contains_key("statusCode"));
            assert!(has_status || is_answer || data.len() > 1 << 20);
        }
        AnswerFormat::Streamed => {
            const MEMBERS: [&str; 4] = ["statusCode", "headers", "multiValueHeaders", "cookies"];
            let is_known = object.is_some_and(|object| {
                let mut rows = object.iter();
                rows.all(|(name, value)| value.is_null() || MEMBERS.contains(&name.as_str()))
            });
            assert!(is_known || !is_answer);
        }
    }
}
