//! One schema to one node: every keyword of draft 4, checked as it is read.
//!
//! Shape: keywords are looked for in the order of their names, which is the order of the checks.
//! Those that draft 4 does not know are left alone, and so is `format`, which says nothing about
//! validity here. Units: counts. Ranges: counts are whole and not negative. Errors: faults at the
//! keyword. Source: JSON Schema validation, draft 4, section 5.

use super::{Check, Items, Limit, Names, Node, NodeId, Types, compile::Compiler, places::Place};
use crate::validate::{document::Document, number::Number, pattern::Pattern};
use serde_json::{Map, Value as Json};

/// Keywords of one value or of all, in the order of Java's strings.
const KEYWORDS: &[&str] = &[
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "dependencies",
    "enum",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "oneOf",
    "pattern",
    "required",
    "type",
    "uniqueItems",
];

impl<'s> Compiler<'_, 's> {
    /// The node of a schema.
    pub(super) fn schema(&mut self, place: &Place, schema: &'s Json) -> Node {
        let Json::Object(object) = schema else {
            self.fault(place, "a schema is an object");
            return Node::default();
        };
        if let Some(Json::String(reference)) = object.get("$ref") {
            return Node {
                reference: self.reference(place, reference),
                ..Node::default()
            };
        }
        let mut node = Node::default();
        self.members(place, object, &mut node);
        node.items = self.items(place, object);
        let mut checks = Vec::new();
        for keyword in KEYWORDS {
            if let Some(value) = object.get(*keyword) {
                let at = place.member(keyword);
                checks.extend(self.keyword(keyword, &at, value, object));
            }
        }
        for (exclusive, limit) in [
            ("exclusiveMaximum", "maximum"),
            ("exclusiveMinimum", "minimum"),
        ] {
            if object.contains_key(exclusive) && !object.contains_key(limit) {
                self.fault(
                    &place.member(exclusive),
                    &format!("stands without `{limit}`"),
                );
            }
        }
        // Parts that are there to be referred to have to be schemas too.
        self.named(place, object, "definitions");
        node.checks = checks.into();
        node
    }

    fn keyword(
        &mut self,
        keyword: &str,
        at: &Place,
        value: &'s Json,
        object: &'s Map<String, Json>,
    ) -> Option<Check> {
        match keyword {
            "additionalItems" => match (value, object.get("items")) {
                (Json::Bool(false), Some(Json::Array(items))) => {
                    Some(Check::AdditionalItems(items.len()))
                }
                _ => None,
            },
            "additionalProperties" => {
                matches!(value, Json::Bool(false)).then_some(Check::AdditionalProperties)
            }
            "allOf" => self.schemas(at, value).map(Check::AllOf),
            "anyOf" => self.schemas(at, value).map(Check::AnyOf),
            "oneOf" => self.schemas(at, value).map(Check::OneOf),
            "not" => Some(Check::Not(self.node(at.clone(), value))),
            "dependencies" => self.dependencies(at, value),
            "enum" => self.options(at, value),
            "maxItems" => self.count(at, value).map(Check::MaxItems),
            "maxLength" => self.count(at, value).map(Check::MaxLength),
            "maxProperties" => self.count(at, value).map(Check::MaxProperties),
            "minItems" => self.count(at, value).map(Check::MinItems),
            "minLength" => self.count(at, value).map(Check::MinLength),
            "minProperties" => self.count(at, value).map(Check::MinProperties),
            "maximum" => self
                .limit(at, value, "exclusiveMaximum", object)
                .map(Check::Maximum),
            "minimum" => self
                .limit(at, value, "exclusiveMinimum", object)
                .map(Check::Minimum),
            "multipleOf" => self.divisor(at, value),
            "pattern" => match value {
                Json::String(source) => self.pattern(at, source).map(Check::Pattern),
                _ => self.no(at, "an expression is a string"),
            },
            "required" => self.names(at, value).map(Check::Required),
            "type" => self.types(at, value),
            "uniqueItems" => match value {
                Json::Bool(is_unique) => is_unique.then_some(Check::UniqueItems),
                _ => self.no(at, "true or false"),
            },
            _ => None,
        }
    }

    /// Notes a fault, and that there is no check.
    fn no<T>(&mut self, at: &Place, reason: &str) -> Option<T> {
        self.fault(at, reason);
        None
    }

    /// `properties`, `patternProperties` and `additionalProperties`.
    fn members(&mut self, place: &Place, object: &'s Map<String, Json>, node: &mut Node) {
        node.members.named = self.named(place, object, "properties");
        let matching = self.named(place, object, "patternProperties");
        let mut compiled: Vec<(Pattern, NodeId)> = Vec::new();
        for (source, id) in matching {
            let at = place.member("patternProperties").member(&source);
            compiled.extend(self.pattern(&at, &source).map(|pattern| (pattern, id)));
        }
        node.members.matching = compiled.into();
        let key = "additionalProperties";
        node.members.others = self.bool_or_schema(place, object, key);
    }

    /// A map of schemas, by name.
    fn named(
        &mut self,
        place: &Place,
        object: &'s Map<String, Json>,
        key: &str,
    ) -> Box<[(Box<str>, NodeId)]> {
        let at = place.member(key);
        let mut named: Vec<(Box<str>, NodeId)> = Vec::new();
        match object.get(key) {
            None => {}
            Some(Json::Object(schemas)) => {
                for (name, schema) in schemas {
                    let id = self.node(at.member(name), schema);
                    named.push((name.as_str().into(), id));
                }
            }
            Some(_) => self.fault(&at, "an object with a schema for each name"),
        }
        named.sort_by(|left, right| left.0.cmp(&right.0));
        named.into()
    }

    /// A schema that may also be true or false.
    fn bool_or_schema(
        &mut self,
        place: &Place,
        object: &'s Map<String, Json>,
        key: &str,
    ) -> Option<NodeId> {
        match object.get(key)? {
            Json::Bool(_) => None,
            schema @ Json::Object(_) => Some(self.node(place.member(key), schema)),
            _ => self.no(&place.member(key), "true, false or a schema"),
        }
    }

    fn items(&mut self, place: &Place, object: &'s Map<String, Json>) -> Items {
        let rest = self.bool_or_schema(place, object, "additionalItems");
        match object.get("items") {
            None => Items::Any,
            Some(Json::Array(schemas)) => {
                if schemas.is_empty() {
                    self.fault(&place.member("items"), "a list of schemas is not empty");
                }
                let mut first = Vec::with_capacity(schemas.len());
                for (at, schema) in schemas.iter().enumerate() {
                    first.push(self.node(place.item("items", at), schema));
                }
                Items::Tuple(first.into(), rest)
            }
            Some(schema) => Items::Each(self.node(place.member("items"), schema)),
        }
    }

    /// A list of schemas that are not named.
    fn schemas(&mut self, at: &Place, value: &'s Json) -> Option<Box<[NodeId]>> {
        let Json::Array(schemas) = value else {
            return self.no(at, "a list of schemas");
        };
        if schemas.is_empty() {
            return self.no(at, "a list of schemas is not empty");
        }
        let mut ids = Vec::with_capacity(schemas.len());
        for (index, schema) in schemas.iter().enumerate() {
            ids.push(self.node(at.member(&index.to_string()), schema));
        }
        Some(ids.into())
    }

    fn dependencies(&mut self, at: &Place, value: &'s Json) -> Option<Check> {
        let Json::Object(all) = value else {
            return self.no(at, "an object with names or a schema for each name");
        };
        let (mut names, mut schemas) = (Vec::new(), Vec::new());
        for (name, dependency) in all {
            let at = at.member(name);
            match dependency {
                Json::Array(_) => {
                    let needed = self.names(&at, dependency);
                    names.extend(needed.map(|needed| (name.as_str().into(), needed)));
                }
                schema => schemas.push((name.as_str().into(), self.node(at, schema))),
            }
        }
        let by_name = |left: &(Box<str>, NodeId), right: &(Box<str>, NodeId)| left.0.cmp(&right.0);
        schemas.sort_by(by_name);
        Some(Check::Dependencies {
            names: names.into(),
            schemas: schemas.into(),
        })
    }

    /// A list of different names, sorted as Java sorts.
    fn names(&mut self, at: &Place, value: &Json) -> Option<Names> {
        let reason = "a list of names, at least one, all different";
        let Json::Array(list) = value else {
            return self.no(at, reason);
        };
        let mut names: Vec<&str> = list.iter().filter_map(Json::as_str).collect();
        names.sort_by(|left, right| left.encode_utf16().cmp(right.encode_utf16()));
        names.dedup();
        if names.is_empty() || names.len() != list.len() {
            return self.no(at, reason);
        }
        Some(names.into_iter().map(Box::from).collect())
    }

    fn options(&mut self, at: &Place, value: &Json) -> Option<Check> {
        let is_list = value.as_array().is_some_and(|options| !options.is_empty());
        match Document::of(value) {
            Ok(options) if is_list => Some(Check::Enum(Box::new(options))),
            _ => self.no(at, "a list of values, at least one"),
        }
    }

    fn count(&mut self, at: &Place, value: &Json) -> Option<u64> {
        // `2.0` is as good as `2`.
        let whole = value.as_u64().or_else(|| {
            let number = Number::of(value.as_number()?);
            let mark = number.mark();
            (number.compare(Number::Unsigned(mark)).is_eq()).then_some(mark)
        });
        match whole {
            Some(count) => Some(count),
            None => self.no(at, "a whole number, not negative"),
        }
    }

    fn limit(
        &mut self,
        at: &Place,
        value: &Json,
        exclusive: &str,
        object: &Map<String, Json>,
    ) -> Option<Limit> {
        let is_exclusive = match object.get(exclusive) {
            None => false,
            Some(Json::Bool(is_exclusive)) => *is_exclusive,
            Some(_) => {
                let reason = format!("`{exclusive}` is true or false in draft 4");
                return self.no(at, &reason);
            }
        };
        match value.as_number() {
            Some(number) => Some(Limit {
                at: Number::of(number),
                is_exclusive,
            }),
            None => self.no(at, "a number"),
        }
    }

    fn divisor(&mut self, at: &Place, value: &Json) -> Option<Check> {
        let number = value.as_number().map(Number::of);
        match number {
            Some(number) if number.compare(Number::Unsigned(0)).is_gt() => {
                Some(Check::MultipleOf(number))
            }
            _ => self.no(at, "a number greater than 0"),
        }
    }

    fn types(&mut self, at: &Place, value: &Json) -> Option<Check> {
        let names: Vec<&Json> = match value {
            Json::String(_) => vec![value],
            Json::Array(names) => names.iter().collect(),
            _ => Vec::new(),
        };
        let mut types = Types::NONE;
        for name in &names {
            let Some(more) = name.as_str().and_then(|name| types.with(name)) else {
                let reason = format!("one or more of {}", Types::NAMES.join(", "));
                return self.no(at, &reason);
            };
            types = more;
        }
        match names.is_empty() {
            true => self.no(at, "a type, or a list of types"),
            false => Some(Check::Type(types)),
        }
    }
}
