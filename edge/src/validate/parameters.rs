//! Parameters that a request must have.
//!
//! Shape: names in the order in which the answer lists them: headers, then path, then query, each
//! in the document's order. Units: none. Errors: the list of what is missing; a blank value is
//! missing too. Source: Amazon API Gateway developer guide, "request validation".

use crate::model::api::Place;

/// The required parameters of a method.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RequiredParameters {
    names: Box<[(Place, Box<str>)]>,
}

impl RequiredParameters {
    /// Those of a method's parameters that are required; whoever calls knows whether its validator
    /// looks at parameters.
    pub fn compile<'p>(required: impl IntoIterator<Item = (Place, &'p str)>) -> RequiredParameters {
        let mut names: Vec<(Place, Box<str>)> = Vec::new();
        for (place, name) in required {
            names.push((place, name.into()));
        }
        names.sort_by_key(|(place, _)| match place {
            Place::Header => 0,
            Place::Path => 1,
            Place::Querystring => 2,
        });
        RequiredParameters {
            names: names.into(),
        }
    }

    /// Whether nothing is required.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Asks for each one; `value` gives what the request has, of a repeated one the last. When one
    /// is missing, the client's message is appended to `message`.
    ///
    /// # Errors
    /// [`ParametersMissing`], a `BAD_REQUEST_PARAMETERS`.
    pub fn check<V: AsRef<[u8]>>(
        &self,
        mut value: impl FnMut(Place, &str) -> Option<V>,
        message: &mut String,
    ) -> Result<(), ParametersMissing> {
        let mut result = Ok(());
        for (place, name) in &self.names {
            let is_given = value(*place, name)
                .is_some_and(|value| !value.as_ref().iter().all(u8::is_ascii_whitespace));
            if is_given {
                continue;
            }
            message.push_str(match result {
                Ok(()) => "Missing required request parameters: [",
                Err(ParametersMissing) => ", ",
            });
            message.push_str(name);
            result = Err(ParametersMissing);
        }
        if result.is_err() {
            message.push(']');
        }
        result
    }
}

/// A required parameter is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a required parameter is missing")]
pub struct ParametersMissing;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_parameters_are_listed() {
        let required = RequiredParameters::compile([
            (Place::Querystring, "qs1"),
            (Place::Path, "issuer"),
            (Place::Header, "x-header-param"),
            (Place::Querystring, "qs0"),
        ]);
        let all = "Missing required request parameters: [x-header-param, issuer, qs1, qs0]";
        let rows: &[(&[(Place, &str, &str)], &str)] = &[
            (&[], all),
            (&[(Place::Querystring, "issuer", "here")], all),
            (
                &[
                    (Place::Querystring, "qs1", ""),
                    (Place::Path, "issuer", " \t"),
                ],
                all,
            ),
            (
                &[
                    (Place::Querystring, "qs1", "1"),
                    (Place::Header, "x-header-param", " 0 "),
                ],
                "Missing required request parameters: [issuer, qs0]",
            ),
            (
                &[
                    (Place::Querystring, "qs0", "0"),
                    (Place::Querystring, "qs1", "1"),
                    (Place::Path, "issuer", "i"),
                ],
                "Missing required request parameters: [x-header-param]",
            ),
            (
                &[
                    (Place::Querystring, "qs0", "0"),
                    (Place::Querystring, "qs1", "1"),
                    (Place::Path, "issuer", "i"),
                    (Place::Header, "x-header-param", "h"),
                ],
                "",
            ),
        ];
        for (given, expected) in rows {
            let mut message = String::new();
            let value = |place: Place, name: &str| {
                let mut given = given.iter();
                given
                    .find(|row| (row.0, row.1) == (place, name))
                    .map(|row| row.2.as_bytes())
            };
            let result = required.check(value, &mut message);
            assert_eq!(
                (&*message, result.is_ok()),
                (*expected, expected.is_empty())
            );
        }
        assert!(RequiredParameters::default().is_empty() && !required.is_empty());
    }
}
