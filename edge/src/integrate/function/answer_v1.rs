//! Outputs of format 1.0.
//!
//! Shape: an object of five members, none of which must be there. Units: as [`super::answer`].
//! Errors: [`AnswerFault`]. Source: recorded rows: other members are refused; a name in both maps
//! has its many values first, then the single one, spelled as in `multiValueHeaders`. The guide: a
//! pair that is in both maps is sent once.

use super::answer::{self, AnswerFault, AnswerHeader, FunctionAnswer};
use crate::mapping::Node;

pub(super) fn read(root: Node<'_>) -> Result<FunctionAnswer<'_>, AnswerFault> {
    let mut answer = FunctionAnswer {
        status: 200,
        headers: Vec::new(),
        body: &[],
        is_base64: false,
    };
    let (mut single, mut multiple) = (None, None);
    for (name, value) in root.members().ok_or(AnswerFault::NotAnObject)? {
        match name {
            "statusCode" if value.is_null() => {}
            "statusCode" => answer.status = answer::status(value)?,
            "headers" => single = Some(value).filter(|value| !value.is_null()),
            "multiValueHeaders" => multiple = Some(value).filter(|value| !value.is_null()),
            "body" => answer.body = answer::body(value)?,
            "isBase64Encoded" => answer.is_base64 = answer::flag(value)?,
            other => {
                let name = other.chars().take(80).collect();
                return Err(AnswerFault::UnknownMember(name));
            }
        }
    }
    answer.headers = lines(single, multiple)?;
    Ok(answer)
}

/// The lines of `headers` and `multiValueHeaders`.
pub(super) fn lines<'a>(
    single: Option<Node<'a>>,
    multiple: Option<Node<'a>>,
) -> Result<Vec<AnswerHeader<'a>>, AnswerFault> {
    merge(singles(single)?, multiple)
}

/// The lines of `headers`.
fn singles(map: Option<Node<'_>>) -> Result<Vec<AnswerHeader<'_>>, AnswerFault> {
    let mut lines = Vec::new();
    if let Some(map) = map {
        let members = map.members().ok_or(AnswerFault::Member("headers"))?;
        for (name, value) in members {
            answer::add(&mut lines, name, value)?;
        }
    }
    Ok(lines)
}

/// The lines of `multiValueHeaders`, each name with its single value behind, then the others.
fn merge<'a>(
    mut singles: Vec<AnswerHeader<'a>>,
    multiple: Option<Node<'a>>,
) -> Result<Vec<AnswerHeader<'a>>, AnswerFault> {
    let Some(multiple) = multiple else {
        return Ok(singles);
    };
    let wrong = || AnswerFault::Member("multiValueHeaders");
    let mut lines: Vec<AnswerHeader<'a>> = Vec::new();
    for (position, (name, values)) in multiple.members().ok_or_else(wrong)?.enumerate() {
        // Names without values count too, as each is looked for among the single ones.
        if position >= answer::ANSWER_HEADERS_MAX {
            return Err(AnswerFault::TooManyHeaders);
        }
        if values.is_null() {
            continue;
        }
        let first = lines.len();
        for value in values.items().ok_or_else(wrong)? {
            answer::add(&mut lines, name, value)?;
        }
        let is_same = |line: &AnswerHeader<'_>| line.name.eq_ignore_ascii_case(name);
        if let Some(at) = singles.iter().position(is_same) {
            let single = singles.remove(at);
            let own = lines.get(first..).unwrap_or(&[]);
            if !own.iter().any(|line| line.value == single.value) {
                let value = single.value;
                lines.push(AnswerHeader { name, value });
            }
        }
    }
    lines.append(&mut singles);
    if lines.len() > answer::ANSWER_HEADERS_MAX {
        return Err(AnswerFault::TooManyHeaders);
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integrate::function::{AnswerFormat, AnswerReader, answer::shown};

    fn read(output: &str) -> Result<String, String> {
        shown(AnswerFormat::V1, output)
    }

    #[test]
    fn outputs_that_are_answers() {
        let rows = [
            ("{}", "200 [] "),
            (
                r#"{"isBase64Encoded":false,"statusCode":200,"headers":{"k":"v"},"multiValueHeaders":{"m":["v1","v2"]},"body":"b"}"#,
                "200 [m=v1; m=v2; k=v] b",
            ),
            (r#"{"statusCode":"201"}"#, "201 [] "),
            (r#"{"statusCode":null,"body":null}"#, "200 [] "),
            (r#"{"statusCode":599,"body":""}"#, "599 [] "),
            (r#"{"headers":null,"multiValueHeaders":null}"#, "200 [] "),
            (
                r#"{"headers":{"a":true,"b":false,"c":1,"d":-1.5}}"#,
                "200 [a=true; b=false; c=1; d=-1.5] ",
            ),
            (
                r#"{"headers":{"a":" v\t","b":null,"c":""}}"#,
                "200 [a=v; c=] ",
            ),
            (
                r#"{"headers":{"x-a":"single","Z":"z"},"multiValueHeaders":{"X-A":["m1","m2"]}}"#,
                "200 [X-A=m1; X-A=m2; X-A=single; Z=z] ",
            ),
            (
                r#"{"headers":{"a":"1"},"multiValueHeaders":{"a":["1","2"]}}"#,
                "200 [a=1; a=2] ",
            ),
            (
                r#"{"multiValueHeaders":{"Set-Cookie":["a=1","b=2"],"n":[],"t":[true,2],"z":null}}"#,
                "200 [Set-Cookie=a=1; Set-Cookie=b=2; t=true; t=2] ",
            ),
            (
                r#"{"isBase64Encoded":true,"body":"aGk="}"#,
                "200 [] aGk= base64",
            ),
            (
                r#"{"isBase64Encoded":"true","body":"aGk="}"#,
                "200 [] aGk= base64",
            ),
            (r#"{"isBase64Encoded":null}"#, "200 [] "),
            (
                r#"{"body":"caf\u00e9 \ud83d\ude00\n\"q\""}"#,
                "200 [] café \u{1f600}\n\"q\"",
            ),
            (r#" {"statusCode" : 204 } "#, "204 [] "),
            (r#"{"statusCode":200,"statusCode":404}"#, "404 [] "),
        ];
        for (output, expected) in rows {
            assert_eq!(read(output).as_deref(), Ok(expected), "{output}");
        }
    }

    #[test]
    fn outputs_that_are_none() {
        let long = format!(
            r#"{{"multiValueHeaders":{{"a":[{}"v"]}}}}"#,
            "\"v\",".repeat(256)
        );
        let empty: String = (0..256).map(|at| format!("\"n{at}\":[],")).collect();
        let empty = format!(r#"{{"multiValueHeaders":{{{empty}"n":[]}}}}"#);
        let deep = format!(r#"{{"headers":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        let rows = [
            (r#"{"statusCode":"test"}"#, "statusCode"),
            (r#"{"statusCode":""}"#, "statusCode"),
            (r#"{"statusCode":200.5}"#, "statusCode"),
            (r#"{"statusCode":true}"#, "statusCode"),
            (r#"{"statusCode":{}}"#, "statusCode"),
            (r#"{"statusCode":0}"#, "statusCode"),
            (r#"{"statusCode":101}"#, "statusCode"),
            (r#"{"statusCode":600}"#, "statusCode"),
            (r#"{"statusCode":99999999999999999999}"#, "statusCode"),
            (r#"{"statusCode":200,"cookies":[]}"#, "cookies"),
            (r#"{"statusCode":200,"statuscode":200}"#, "statuscode"),
            (r#"{"errorMessage":"e"}"#, "errorMessage"),
            (r#""text""#, "no object"),
            ("200", "no object"),
            ("[]", "no object"),
            ("null", "no object"),
            ("true", "no object"),
            (r#"{"headers":{"k":{}}}"#, "header `k`"),
            (r#"{"headers":{"k":["v"]}}"#, "header `k`"),
            (r#"{"headers":[]}"#, "headers"),
            (r#"{"headers":"k: v"}"#, "headers"),
            (r#"{"multiValueHeaders":{"k":"v"}}"#, "multiValueHeaders"),
            (r#"{"multiValueHeaders":{"k":[["v"]]}}"#, "header `k`"),
            (r#"{"multiValueHeaders":[]}"#, "multiValueHeaders"),
            (r#"{"body":{}}"#, "body"),
            (r#"{"body":1}"#, "body"),
            (r#"{"body":["b"]}"#, "body"),
            (r#"{"isBase64Encoded":1}"#, "isBase64Encoded"),
            (r#"{"headers":{"a\r\nb":"v"}}"#, "header `a"),
            (r#"{"headers":{"":"v"}}"#, "header ``"),
            (r#"{"headers":{"k":"a\r\nSet-Cookie: b"}}"#, "header `k`"),
            (r#"{"headers":{"k":"a\u0000"}}"#, "header `k`"),
            ("", "no JSON"),
            ("{", "no JSON"),
            ("{}x", "no JSON"),
            (&long, "more than 256"),
            (&empty, "more than 256"),
            (&deep, "no JSON"),
        ];
        for (output, words) in rows {
            let fault = read(output).expect_err(output);
            assert!(fault.contains(words), "{output}: {fault}");
        }
        let mut reader = AnswerReader::new();
        let fault = reader.read(AnswerFormat::V1, b"{\"body\":\"\xff\"}");
        assert_eq!(fault, Err(AnswerFault::NotJson));
    }
}
