//! Metadata of streamed outputs.
//!
//! Shape: an object of four members, none of which must be there; the payload follows elsewhere.
//! Units: as [`super::answer`]. Errors: [`AnswerFault`]; the gateway answers 500. Source: Amazon
//! API Gateway developer guide, "Lambda proxy integration with payload response streaming": fields
//! as in outputs of format 1.0, cookies as in those of format 2.0.

use super::{
    answer::{self, AnswerFault, FunctionAnswer},
    answer_v1,
};
use crate::mapping::Node;

pub(super) fn read(root: Node<'_>) -> Result<FunctionAnswer<'_>, AnswerFault> {
    let mut answer = FunctionAnswer {
        status: 200,
        headers: Vec::new(),
        body: &[],
        is_base64: false,
    };
    let (mut single, mut multiple, mut cookies) = (None, None, None);
    for (name, value) in root.members().ok_or(AnswerFault::NotAnObject)? {
        match name {
            _ if value.is_null() => {}
            "statusCode" => answer.status = answer::status(value)?,
            "headers" => single = Some(value),
            "multiValueHeaders" => multiple = Some(value),
            "cookies" => cookies = Some(value),
            other => {
                let name = other.chars().take(80).collect();
                return Err(AnswerFault::UnknownMember(name));
            }
        }
    }
    answer.headers = answer_v1::lines(single, multiple)?;
    if let Some(cookies) = cookies {
        for cookie in cookies.items().ok_or(AnswerFault::Member("cookies"))? {
            answer::add(&mut answer.headers, "set-cookie", cookie)?;
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use crate::integrate::function::{AnswerFormat, answer::shown};

    #[test]
    fn metadata_and_what_is_none() {
        let rows = [
            ("{}", Ok("200 [] ")),
            (r#" {"statusCode":201} "#, Ok("201 [] ")),
            (r#"{"statusCode":"404"}"#, Ok("404 [] ")),
            (
                r#"{"headers":{"a":"1"},"multiValueHeaders":{"b":["2","3"]},"cookies":["c=4","d=5"]}"#,
                Ok("200 [b=2; b=3; a=1; set-cookie=c=4; set-cookie=d=5] "),
            ),
            (
                r#"{"statusCode":null,"headers":null,"multiValueHeaders":null,"cookies":null}"#,
                Ok("200 [] "),
            ),
            (r#"{"statusCode":99}"#, Err("statusCode")),
            (r#"{"body":"b"}"#, Err("`body` is no member")),
            (
                r#"{"isBase64Encoded":true}"#,
                Err("`isBase64Encoded` is no member"),
            ),
            (r#"{"cookies":"c=1"}"#, Err("cookies")),
            (r#"{"cookies":["a\nb"]}"#, Err("set-cookie")),
            (r#"{"headers":{"a":"\r\nb: c"}}"#, Err("`a`")),
            ("[]", Err("no object")),
            ("", Err("no JSON")),
            ("{", Err("no JSON")),
            ("hello", Err("no JSON")),
        ];
        for (metadata, expected) in rows {
            let found = shown(AnswerFormat::Streamed, metadata);
            match expected {
                Ok(expected) => assert_eq!(found.as_deref(), Ok(expected), "{metadata}"),
                Err(words) => {
                    let fault = found.expect_err(metadata);
                    assert!(fault.contains(words), "{metadata}: {fault}");
                }
            }
        }
    }
}
