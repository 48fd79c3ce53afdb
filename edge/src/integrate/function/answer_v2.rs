//! Outputs of format 2.0.
//!
//! Shape: an object with `statusCode`, or any other JSON, which is then the body itself. Units: as
//! [`super::answer`]. Errors: [`AnswerFault`]. Source: Amazon API Gateway developer guide,
//! "payload format version": a text is sent without its quotes, anything else as it was written,
//! with status 200 and type application/json; each cookie becomes a `set-cookie` line.

use super::answer::{self, AnswerFault, AnswerHeader, FunctionAnswer};
use crate::mapping::Node;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;

pub(super) fn read<'a>(
    root: Node<'a>,
    output: &'a [u8],
) -> Result<FunctionAnswer<'a>, AnswerFault> {
    let status = root
        .members()
        .and_then(|mut members| members.find(|(name, _)| *name == "statusCode"));
    let Some((_, status)) = status.filter(|(_, status)| !status.is_null()) else {
        return Ok(inferred(root.text().map_or(output, str::as_bytes)));
    };
    let mut answer = FunctionAnswer {
        status: answer::status(status)?,
        headers: Vec::new(),
        body: &[],
        is_base64: false,
    };
    let mut cookies = None;
    for (name, value) in root.members().ok_or(AnswerFault::NotAnObject)? {
        match name {
            "headers" if value.is_null() => {}
            "headers" => {
                let members = value.members().ok_or(AnswerFault::Member("headers"))?;
                for (name, value) in members {
                    answer::add(&mut answer.headers, name, value)?;
                }
            }
            "cookies" => cookies = Some(value).filter(|value| !value.is_null()),
            "body" => answer.body = answer::body(value)?,
            "isBase64Encoded" => answer.is_base64 = answer::flag(value)?,
            _ => {}
        }
    }
    if let Some(cookies) = cookies {
        for cookie in cookies.items().ok_or(AnswerFault::Member("cookies"))? {
            answer::add(&mut answer.headers, "set-cookie", cookie)?;
        }
    }
    Ok(answer)
}

/// Reads an output of more values than memory is given to: it can only be a body itself.
pub(super) fn read_whole(output: &[u8]) -> Result<FunctionAnswer<'_>, AnswerFault> {
    match serde_json::from_slice(output) {
        Ok(Shape::Body) => Ok(inferred(output)),
        Ok(Shape::Answer) => Err(AnswerFault::TooComplex),
        Err(_) => Err(AnswerFault::NotJson),
    }
}

/// What an output is, told without keeping any of it.
enum Shape {
    /// An object with `statusCode`.
    Answer,
    /// Any other object, or a list.
    Body,
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Shape, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Shape, A::Error> {
        let mut shape = Shape::Body;
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            members.next_value::<IgnoredAny>()?;
            if name == "statusCode" {
                shape = Shape::Answer;
            }
        }
        Ok(shape)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Shape::Body)
    }
}

/// The answer whose body is `body`, as it is.
fn inferred(body: &[u8]) -> FunctionAnswer<'_> {
    FunctionAnswer {
        status: 200,
        headers: vec![AnswerHeader {
            name: "content-type",
            value: Cow::Borrowed("application/json"),
        }],
        body,
        is_base64: false,
    }
}

#[cfg(test)]
mod tests {
    use crate::integrate::function::{AnswerFormat, AnswerReader, answer::shown};

    fn read(output: &str) -> Result<String, String> {
        shown(AnswerFormat::V2, output)
    }

    #[test]
    fn outputs_that_are_answers() {
        let rows = [
            (
                r#"{"statusCode":201,"headers":{"k":"v"},"cookies":["a=1; Path=/","b=2"],"body":"b","isBase64Encoded":false}"#,
                "201 [k=v; set-cookie=a=1; Path=/; set-cookie=b=2] b",
            ),
            (r#"{"statusCode":"404"}"#, "404 [] "),
            (r#"{"statusCode":200,"other":{}}"#, "200 [] "),
            (
                r#"{"statusCode":200,"cookies":null,"headers":null,"body":null}"#,
                "200 [] ",
            ),
            (
                r#"{"statusCode":200,"body":"aGk=","isBase64Encoded":true}"#,
                "200 [] aGk= base64",
            ),
            (
                r#"{ "message": "Hello" }"#,
                r#"200 [content-type=application/json] { "message": "Hello" }"#,
            ),
            (r#""Hello""#, "200 [content-type=application/json] Hello"),
            ("[1, 2]", "200 [content-type=application/json] [1, 2]"),
            ("7", "200 [content-type=application/json] 7"),
            ("null", "200 [content-type=application/json] null"),
            (
                r#"{"body":"b","headers":{}}"#,
                r#"200 [content-type=application/json] {"body":"b","headers":{}}"#,
            ),
        ];
        for (output, expected) in rows {
            assert_eq!(read(output).as_deref(), Ok(expected), "{output}");
        }
    }

    #[test]
    fn outputs_that_are_none() {
        let rows = [
            ("no JSON", "no JSON"),
            ("", "no JSON"),
            (r#"{"statusCode":"ok"}"#, "statusCode"),
            (r#"{"statusCode":100}"#, "statusCode"),
            (r#"{"statusCode":200,"body":{}}"#, "body"),
            (r#"{"statusCode":200,"headers":{"k":{}}}"#, "header `k`"),
            (r#"{"statusCode":200,"headers":[]}"#, "headers"),
            (r#"{"statusCode":200,"cookies":"a=1"}"#, "cookies"),
            (
                r#"{"statusCode":200,"cookies":["a\r\nb: c"]}"#,
                "set-cookie",
            ),
            (
                r#"{"statusCode":200,"isBase64Encoded":[]}"#,
                "isBase64Encoded",
            ),
        ];
        for (output, words) in rows {
            let fault = read(output).expect_err(output);
            assert!(fault.contains(words), "{output}: {fault}");
        }
    }

    #[test]
    fn outputs_of_very_many_values_pass_as_bodies() {
        let many = "[1,2],".repeat(600_000);
        let list = format!("[{many}0]");
        let object = format!(r#"{{"a":{list}}}"#);
        for output in [&list, &object] {
            let mut reader = AnswerReader::new();
            let answer = reader.read(AnswerFormat::V2, output.as_bytes());
            let answer = answer.expect("a body");
            assert_eq!((answer.status, answer.body.len()), (200, output.len()));
        }
        let rows = [
            (format!(r#"{{"a":{list},"statusCode":200}}"#), "more values"),
            (format!("[{many}"), "no JSON"),
            (format!(r#"{{"a":{list}"#), "no JSON"),
        ];
        for (output, words) in rows {
            let fault = read(&output).expect_err(words);
            assert!(fault.contains(words), "{fault}");
        }
        let mut reader = AnswerReader::new();
        let fault = reader.read(AnswerFormat::V1, object.as_bytes());
        assert_eq!(
            fault,
            Err(crate::integrate::function::AnswerFault::TooComplex)
        );
    }
}
