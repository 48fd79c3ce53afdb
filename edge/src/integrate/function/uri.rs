//! The URI of a function integration, taken apart.
//!
//! Shape: one pass over the text after stage variables were put in; parts are copied once, when an
//! API is compiled. Units: byte offsets from 0 in faults. Ranges: a function's name to 64 bytes,
//! an alias to 128. Errors: [`UriFault`] with the offset; nothing is repaired. Source: Amazon API
//! Gateway developer guide, "Lambda proxy integrations":
//! `arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{functionArn}/invocations`.

/// A function that an integration calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FunctionUri {
    /// Where the gateway calls it.
    pub region: Box<str>,
    /// Its whole name, with the alias.
    pub arn: Box<str>,
    /// Account of the function.
    pub account_id: Box<str>,
    /// Its short name.
    pub name: Box<str>,
    /// Alias or version.
    pub qualifier: Option<Box<str>>,
    /// Whether its answer comes as a stream.
    pub is_streamed: bool,
}

/// Why a URI names no function.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("byte {at}: {reason}")]
pub struct UriFault {
    /// Offset in the URI.
    pub at: usize,
    /// What should be there.
    pub reason: &'static str,
}

const NAME_BYTES_MAX: usize = 64;
const QUALIFIER_BYTES_MAX: usize = 128;

impl FunctionUri {
    /// Takes `uri` apart.
    ///
    /// # Errors
    /// The first part that is not as it must be.
    pub fn parse(uri: &str) -> Result<FunctionUri, UriFault> {
        let mut reader = Reader { uri, at: 0 };
        reader.partition()?;
        reader.word("apigateway:", "`apigateway` must follow")?;
        let region = reader.until(':', is_name_byte, "a region must follow")?;
        reader.word("lambda:path/", "`lambda:path/` must follow")?;
        let is_streamed = if reader.eat("2021-11-15/functions/") {
            true
        } else {
            reader.word(
                "2015-03-31/functions/",
                "`2015-03-31/functions/` must follow",
            )?;
            false
        };
        let start = reader.at;
        reader.partition()?;
        reader.word("lambda:", "the ARN of a function must follow")?;
        reader.until(':', is_name_byte, "the function's region must follow")?;
        let account = reader.until(':', |byte| byte.is_ascii_digit(), "an account must follow")?;
        reader.word("function:", "`function:` must follow")?;
        let at = reader.at;
        let name = reader.run(is_name_byte);
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            let reason = "a function's name has 1 to 64 letters, digits, `-` or `_`";
            return Err(UriFault { at, reason });
        }
        let qualifier = reader.qualifier()?;
        let arn = uri.get(start..reader.at).unwrap_or("");
        let end = if is_streamed {
            "/response-streaming-invocations"
        } else {
            "/invocations"
        };
        reader.word(end, "`/invocations` must follow")?;
        if !reader.rest().is_empty() {
            return Err(reader.fault("the URI must end here"));
        }
        Ok(FunctionUri {
            region: region.into(),
            arn: arn.into(),
            account_id: account.into(),
            name: name.into(),
            qualifier: qualifier.map(Into::into),
            is_streamed,
        })
    }

    /// The path of the call, as the service that runs functions knows it.
    #[must_use]
    pub fn path(&self) -> String {
        let arn = &self.arn;
        if self.is_streamed {
            format!("/2021-11-15/functions/{arn}/response-streaming-invocations")
        } else {
            format!("/2015-03-31/functions/{arn}/invocations")
        }
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

struct Reader<'u> {
    uri: &'u str,
    at: usize,
}

impl<'u> Reader<'u> {
    fn rest(&self) -> &'u str {
        self.uri.get(self.at..).unwrap_or("")
    }

    fn fault(&self, reason: &'static str) -> UriFault {
        let at = self.at;
        UriFault { at, reason }
    }

    fn eat(&mut self, word: &str) -> bool {
        let found = self.rest().starts_with(word);
        if found {
            self.at = self.at.saturating_add(word.len());
        }
        found
    }

    fn word(&mut self, word: &str, reason: &'static str) -> Result<(), UriFault> {
        if self.eat(word) {
            Ok(())
        } else {
            Err(self.fault(reason))
        }
    }

    /// `arn:aws:`, and the partitions of other clouds of the same maker.
    fn partition(&mut self) -> Result<(), UriFault> {
        self.word("arn:", "an ARN begins with `arn:`")?;
        let partition = self.until(':', is_name_byte, "a partition such as `aws` must follow")?;
        if partition.starts_with("aws") {
            Ok(())
        } else {
            Err(self.fault("the partition must be `aws` or one of its kin"))
        }
    }

    fn run(&mut self, accept: impl Fn(u8) -> bool) -> &'u str {
        let rest = self.rest();
        let end = rest.bytes().position(|byte| !accept(byte));
        let taken = rest.get(..end.unwrap_or(rest.len())).unwrap_or("");
        self.at = self.at.saturating_add(taken.len());
        taken
    }

    /// A part that is not empty, and the mark behind it.
    fn until(
        &mut self,
        mark: char,
        accept: impl Fn(u8) -> bool,
        reason: &'static str,
    ) -> Result<&'u str, UriFault> {
        let part = self.run(accept);
        if part.is_empty() || !self.rest().starts_with(mark) {
            return Err(self.fault(reason));
        }
        self.at = self.at.saturating_add(mark.len_utf8());
        Ok(part)
    }

    fn qualifier(&mut self) -> Result<Option<&'u str>, UriFault> {
        if !self.eat(":") {
            return Ok(None);
        }
        let at = self.at;
        let qualifier = self.run(|byte| is_name_byte(byte) || byte == b'$');
        if qualifier.is_empty() || qualifier.len() > QUALIFIER_BYTES_MAX {
            let reason = "an alias or a version must follow; the stage variable may be missing";
            return Err(UriFault { at, reason });
        }
        Ok(Some(qualifier))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/";

    #[test]
    fn uris_and_their_parts() {
        let arn = "arn:aws:lambda:us-east-1:111122223333:function:get-pets_2";
        for qualifier in [None, Some("DEV"), Some("$LATEST"), Some("42")] {
            let arn = match qualifier {
                Some(qualifier) => format!("{arn}:{qualifier}"),
                None => arn.to_owned(),
            };
            let found = FunctionUri::parse(&format!("{START}{arn}/invocations"));
            let found = found.expect("a function");
            assert_eq!(&*found.region, "eu-west-1");
            assert_eq!(*found.arn, arn);
            assert_eq!(&*found.account_id, "111122223333");
            assert_eq!(&*found.name, "get-pets_2");
            assert_eq!(found.qualifier.as_deref(), qualifier);
            assert_eq!(
                found.path(),
                format!("/2015-03-31/functions/{arn}/invocations")
            );
            assert!(!found.is_streamed);
        }
        let streamed = format!(
            "arn:aws-cn:apigateway:cn-north-1:lambda:path/2021-11-15/functions/{arn}\
             /response-streaming-invocations"
        );
        let found = FunctionUri::parse(&streamed).expect("a function");
        assert!(found.is_streamed);
        assert!(found.path().ends_with("/response-streaming-invocations"));
    }

    #[test]
    fn what_names_no_function_is_refused_where_it_fails() {
        let name = "a".repeat(65);
        let function = "arn:aws:lambda:us-east-1:111122223333:function";
        let rows = [
            (String::new(), 0),
            ("https://example.com/".to_owned(), 0),
            ("arn:azure:apigateway:x".to_owned(), 10),
            ("arn:aws:lambda:x".to_owned(), 8),
            ("arn:aws:apigateway::lambda:path/".to_owned(), 19),
            ("arn:aws:apigateway:x:sqs:path/".to_owned(), 21),
            (format!("{START}get-pets/invocations"), START.len()),
            (format!("{START}{function}:/invocations"), START.len() + 47),
            (
                format!("{START}{function}:{name}/invocations"),
                START.len() + 47,
            ),
            (
                format!("{START}{function}:f:/invocations"),
                START.len() + 49,
            ),
            (format!("{START}{function}:f"), START.len() + 48),
            (
                format!("{START}{function}:f/invocationsx"),
                START.len() + 60,
            ),
            (
                format!("{START}{function}:f/response-streaming-invocations"),
                START.len() + 48,
            ),
            (
                format!("{START}{function}:f\u{e9}/invocations"),
                START.len() + 48,
            ),
        ];
        for (uri, at) in rows {
            let fault = FunctionUri::parse(&uri).expect_err(&uri);
            assert_eq!(fault.at, at, "{uri}: {fault}");
        }
    }
}
