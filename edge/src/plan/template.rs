//! Templates of a plan, and what of a request each of them can read.
//!
//! What it is: parameters and members of `$context` are put together for a template only as far as
//! its text names them. Shape: [`TemplatePlan`] is a compiled template with what was found in its
//! text; a reference that could mean anything means everything. Units: none. Errors: none. Source:
//! Amazon API Gateway developer guide, "mapping template reference"; Apache Velocity 1.7,
//! references.

use crate::mapping::Template;

/// One template, and what it names of a request.
#[derive(Debug)]
pub struct TemplatePlan {
    pub template: Template,
    pub params: ParamsRead,
    /// `None`: it does not name `$context`.
    pub context: Option<ContextRead>,
    /// It may read `$stageVariables`.
    pub reads_stage_variables: bool,
}

/// Which parameters a template may read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ParamsRead {
    /// Those of these names, wherever they stand.
    Named(Box<[Box<str>]>),
    /// Any.
    All,
}

/// Which members of `$context` a template may read, in the guide's order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContextRead {
    /// Rows of [`CONTEXT_NAMES`].
    pub names: Box<[&'static str]>,
    /// Rows of [`IDENTITY_NAMES`].
    pub identity: Box<[&'static str]>,
    /// `customDomain.basePathMatched`.
    pub base_path: bool,
}

/// Names of `$context` without a dot that templates can list, in the guide's order.
pub const CONTEXT_NAMES: &[&str] = &[
    "accountId",
    "apiId",
    "deploymentId",
    "domainName",
    "domainPrefix",
    "extendedRequestId",
    "httpMethod",
    "isCanaryRequest",
    "operationName",
    "path",
    "protocol",
    "requestId",
    "requestTime",
    "requestTimeEpoch",
    "resourceId",
    "resourcePath",
    "stage",
    "status",
    "xrayTraceId",
    "awsEndpointRequestId",
];

/// Names below `$context.identity` that are known without an authorizer.
pub const IDENTITY_NAMES: &[&str] = &[
    "identity.apiKey",
    "identity.apiKeyId",
    "identity.sourceIp",
    "identity.userAgent",
];

/// What stands before the dot of [`IDENTITY_NAMES`].
pub const IDENTITY: &str = "identity";

impl TemplatePlan {
    /// A compiled template; `source` is its text.
    #[must_use]
    pub fn new(template: Template, source: &str) -> TemplatePlan {
        // A reference has to spell its name: nothing in the language makes one of a text.
        TemplatePlan {
            template,
            params: params_read(source),
            context: context_read(source),
            reads_stage_variables: source.contains("stageVariables"),
        }
    }
}

impl ParamsRead {
    /// Whether no parameter is read.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        matches!(self, ParamsRead::Named(names) if names.is_empty())
    }

    /// Whether a parameter of this name may be read.
    #[must_use]
    pub fn wants(&self, name: &[u8]) -> bool {
        // What is no text is read as another one, which may be named.
        self.wants_text(name) || std::str::from_utf8(name).is_err()
    }

    /// The same for a name that is known to be text, as tokens are.
    #[must_use]
    pub fn wants_text(&self, name: &[u8]) -> bool {
        match self {
            ParamsRead::All => true,
            ParamsRead::Named(names) => names.iter().any(|known| known.as_bytes() == name),
        }
    }
}

impl ContextRead {
    fn all() -> ContextRead {
        ContextRead {
            names: CONTEXT_NAMES.into(),
            identity: IDENTITY_NAMES.into(),
            base_path: true,
        }
    }
}

/// What is behind each `.params` of a template: a name in quotes, or anything.
fn params_read(source: &str) -> ParamsRead {
    let mut names: Vec<Box<str>> = Vec::new();
    for rest in behind(source, ".params") {
        let Some(name) = quoted_argument(rest) else {
            return ParamsRead::All;
        };
        if !names.iter().any(|known| **known == *name) {
            names.push(name.into());
        }
    }
    ParamsRead::Named(names.into())
}

/// What is behind each `context` of a template: a member's name, or anything.
fn context_read(source: &str) -> Option<ContextRead> {
    let mut members: Vec<(&str, &str)> = Vec::new();
    let mut is_named = false;
    for mark in ["$context", "!context", "{context"] {
        for rest in behind(source, mark) {
            is_named = true;
            match member(rest) {
                Some(member) => members.push(member),
                None => return Some(ContextRead::all()),
            }
        }
    }
    // A member is read if a longer name begins with its own: where a name ends is the parser's.
    let names = |name: &&str| members.iter().any(|(own, _)| own.starts_with(name));
    let identity = |name: &&str| {
        let (_, short) = name.split_once('.').unwrap_or(("", name));
        let mut of_identity = members.iter().filter(|(own, _)| own.starts_with(IDENTITY));
        of_identity.any(|(_, after)| match member(after) {
            Some((own, _)) => own.starts_with(short),
            None => true,
        })
    };
    let base_path = members
        .iter()
        .any(|(own, _)| own.starts_with("customDomain"));
    is_named.then(|| ContextRead {
        names: CONTEXT_NAMES.iter().copied().filter(names).collect(),
        identity: IDENTITY_NAMES.iter().copied().filter(identity).collect(),
        base_path,
    })
}

/// What follows each place where `mark` stands.
fn behind<'s>(source: &'s str, mark: &'s str) -> impl Iterator<Item = &'s str> {
    let places = source.match_indices(mark);
    places.filter_map(|(at, mark)| source.get(at.saturating_add(mark.len())..))
}

/// `name` of `('name')`, if it says nothing but itself.
fn quoted_argument(rest: &str) -> Option<&str> {
    let inner = rest.strip_prefix('(')?.trim_start();
    let quote = inner
        .chars()
        .next()
        .filter(|mark| matches!(mark, '\'' | '"'))?;
    let (name, after) = inner.get(1..)?.split_once(quote)?;
    let is_plain = !name.contains(['$', '#', '\\', '\'', '"']);
    (is_plain && after.trim_start().starts_with(')')).then_some(name)
}

/// `name` of `.name` and what follows it, unless it is called, or it is read by an index.
fn member(rest: &str) -> Option<(&str, &str)> {
    let rest = rest.strip_prefix('.')?;
    let is_of_name = |mark: char| mark.is_ascii_alphanumeric() || matches!(mark, '_' | '-');
    let end = rest.find(|mark| !is_of_name(mark)).unwrap_or(rest.len());
    let (name, after) = rest.split_at_checked(end)?;
    let is_called = after.trim_start().starts_with('(');
    (!name.is_empty() && !is_called).then_some((name, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_those_that_the_text_names() {
        let rows: &[(&str, Option<&[&str]>)] = &[
            ("{}", Some(&[])),
            ("\"params\": 1 ## of params", Some(&[])),
            (
                "$input.params('a') ${input.params( \"b\" )}",
                Some(&["a", "b"]),
            ),
            ("$input.params('a')$input.params('a')", Some(&["a"])),
            (
                "#set($i = $input)$i.params('User-Agent')",
                Some(&["User-Agent"]),
            ),
            ("$input.params()", None),
            ("$input.params().header.get('a')", None),
            ("$input.params($name)", None),
            ("$input.params(\"$name\")", None),
            ("$input.params('it''s')", None),
            ("$input.params('a' )$input.params.header", None),
            ("$input.params('open", None),
        ];
        for (source, expected) in rows {
            let expected = match expected {
                None => ParamsRead::All,
                Some(names) => ParamsRead::Named(names.iter().map(|name| (*name).into()).collect()),
            };
            assert_eq!(params_read(source), expected, "{source}");
        }
        let named = params_read("$input.params('a')");
        assert!(named.wants(b"a") && named.wants(b"\xff") && !named.wants(b"A"));
        assert!(params_read("").is_nothing() && !ParamsRead::All.is_nothing());
    }

    #[test]
    fn members_of_context_are_those_that_the_text_names() {
        let rows = [
            ("$context.requestId", "requestId"),
            (
                "$!context.stage ${context.apiId} $!{context.path}",
                "apiId path stage",
            ),
            (
                "\"$context.requestTimeEpoch\"",
                "requestTime requestTimeEpoch",
            ),
            (
                "$context.stage-name $context.status.length()",
                "stage status",
            ),
            ("$context.identity.sourceIp", "identity.sourceIp"),
            (
                "$context.identity.apiKeyId",
                "identity.apiKey identity.apiKeyId",
            ),
            ("#set($context.responseOverride.status = 201)", ""),
            ("$context.authorizer.claims.sub", ""),
            ("$context.nothing", ""),
            ("$context.customDomain.basePathMatched", ""),
        ];
        for (source, expected) in rows {
            let read = context_read(source).unwrap_or_else(|| panic!("{source}"));
            let found: Vec<&str> = read.names.iter().chain(&read.identity).copied().collect();
            assert_eq!(found.join(" "), expected, "{source}");
            assert_eq!(read.base_path, source.contains("basePath"), "{source}");
        }
        for source in [
            "#set($c = $context)$c.stage",
            "$context['stage']",
            "$context.get('stage')",
            "$context.keySet ()",
            "#foreach($e in $context.entrySet())$e#end",
            "$context",
            "$context.stage#m($context)",
        ] {
            assert_eq!(context_read(source), Some(ContextRead::all()), "{source}");
        }
        for source in [
            "#set($i = $context.identity)$i.sourceIp",
            "$context.identity['sourceIp']",
            "$context.identity.get('sourceIp')",
        ] {
            let read = context_read(source).unwrap_or_else(|| panic!("{source}"));
            assert_eq!(*read.identity, *IDENTITY_NAMES, "{source}");
            assert_eq!(read.names.len(), 0, "{source}");
        }
        for source in ["", "\"context\": {}", "$mycontext.stage ## the context"] {
            assert_eq!(context_read(source), None, "{source}");
        }
    }
}
