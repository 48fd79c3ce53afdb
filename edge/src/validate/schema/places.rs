//! Where a `$ref` leads.
//!
//! Shape: a reference and the model it stands in give a model and a JSON pointer. Units: none.
//! Errors: a reason, for what leads out of the API's models or nowhere: nothing is ever fetched.
//! Source: RFC 6901; Amazon API Gateway developer guide, "models": other models are
//! `https://apigateway.amazonaws.com/restapis/{apiId}/models/{Name}`, whatever the id.

use super::ModelSource;
use serde_json::Value as Json;

/// A schema in its model.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Place {
    /// Index of the model.
    pub(super) model: usize,
    /// Pointer in its schema.
    pub(super) pointer: String,
}

impl Place {
    /// The member `key` of it.
    pub(super) fn member(&self, key: &str) -> Place {
        let key = key.replace('~', "~0").replace('/', "~1");
        Place {
            model: self.model,
            pointer: format!("{}/{key}", self.pointer),
        }
    }

    /// The item `at` of its member `key`.
    pub(super) fn item(&self, key: &str, at: usize) -> Place {
        self.member(key).member(&at.to_string())
    }
}

/// Follows a reference that stands in the model at index `model`.
pub(super) fn follow<'s>(
    sources: &[ModelSource<'s>],
    model: usize,
    reference: &str,
) -> Result<(Place, &'s Json), String> {
    let (base, fragment) = reference.split_once('#').unwrap_or((reference, ""));
    let named = |name: &str| sources.iter().position(|source| source.name == name);
    let target = match base {
        "" => model,
        base => {
            let name = model_name(base)
                .ok_or_else(|| format!("`{reference}` leads out of the models of this API"))?;
            named(name).ok_or_else(|| format!("there is no model `{name}`"))?
        }
    };
    let pointer = decoded(fragment).ok_or_else(|| format!("`{reference}` is no reference"))?;
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return Err(format!(
            "`{reference}`: references by `id` are not followed"
        ));
    }
    let found = sources
        .get(target)
        .and_then(|source| source.schema.pointer(&pointer));
    if let Some(schema) = found {
        return Ok((
            Place {
                model: target,
                pointer,
            },
            schema,
        ));
    }
    // What a document calls its models, in a model that has no such part itself.
    let in_document = ["/definitions/", "/components/schemas/"]
        .into_iter()
        .find_map(|prefix| pointer.strip_prefix(prefix))
        .filter(|_| base.is_empty())
        .and_then(named);
    let model = in_document.ok_or_else(|| format!("`{reference}` leads nowhere"))?;
    let schema = sources.get(model).map(|source| source.schema);
    let pointer = String::new();
    let schema = schema.ok_or_else(|| format!("`{reference}` leads nowhere"))?;
    Ok((Place { model, pointer }, schema))
}

/// The name in the address of a model.
fn model_name(address: &str) -> Option<&str> {
    let rest = address.strip_prefix("https://apigateway.amazonaws.com/restapis/")?;
    let (id, rest) = rest.split_once('/')?;
    let name = rest.strip_prefix("models/")?;
    (!id.is_empty() && !name.is_empty() && !name.contains('/')).then_some(name)
}

/// A fragment without its percent-encoding.
fn decoded(fragment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let value = digit(rest.next()?)? << 4 | digit(rest.next()?)?;
        bytes.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(bytes).ok()
}
