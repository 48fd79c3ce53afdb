//! No template stalls a core or fills its memory, and none panics.
//!
//! Shape: rows of a template that reaches for more than it may have, then random templates and
//! payloads. Units: rounds, steps, bytes. Errors: the row whose fault differs. Source: the bounds
//! of mapping templates: 1,000 rounds a loop, 100,000 steps, 10 MiB of output.

use proptest::prelude::*;
use tidegate_edge::mapping::{
    Fault, Inputs, OUTPUT_BYTES_MAX, Output, ROUNDS_MAX, SOURCE_BYTES_MAX, STEPS_MAX, Template,
};

fn render(source: &str, body: &str) -> Result<usize, Fault> {
    let template = Template::compile(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    let inputs = Inputs {
        body,
        ..Inputs::default()
    };
    let mut output = Output::new();
    let rendered = template.render(&inputs, &mut output);
    assert!(output.steps() <= 2 * STEPS_MAX || rendered.is_err());
    match rendered {
        Ok(_) => Ok(output.text().len()),
        Err(error) => {
            assert_eq!(output.text(), "", "nothing of a failed render stays");
            Err(error.fault)
        }
    }
}

/// The kind of a fault, for a table.
fn kind(fault: &Fault) -> &'static str {
    match fault {
        Fault::Rounds { .. } => "rounds",
        Fault::Steps { .. } => "steps",
        Fault::Output { .. } => "output",
        Fault::Memory => "memory",
        Fault::Depth { .. } => "depth",
        _ => "other",
    }
}

#[test]
fn every_bound_is_met_and_named() {
    let hundred = "#foreach($i in [1..100])";
    let thousand = "#foreach($i in [1..1000])";
    let doubling = "#set($s=\"0123456789abcdef\")#foreach($i in [1..40])#set($s=\"$s$s\")#end";
    let rows: &[(&str, String, &str)] = &[
        ("1,000 rounds", format!("{thousand}x#end"), "1000"),
        ("1,001 rounds", "#foreach($i in [1..1001])x#end".into(), "rounds"),
        ("loops in loops", format!("{thousand}{thousand}#set($x=1)#end#end"), "steps"),
        ("a long range", "#set($r=[1..2000000000])".into(), "steps"),
        ("texts that double", doubling.into(), "memory or output"),
        (
            "lists that grow",
            format!("#set($l=[1..1000]){hundred}#set($z=$l.addAll($l))#end"),
            "memory or steps",
        ),
        (
            "output of doubled texts",
            "#set($s=\"0123456789abcdef\")#foreach($i in [1..18])#set($s=\"$s$s\")#end$s$s$s$s"
                .into(),
            "output",
        ),
        (
            "replacements that grow",
            "#set($s=\"aaaaaaaaaaaaaaaa\")#foreach($i in [1..9])#set($s=$s.replace(\"a\",$s))#end"
                .into(),
            "memory",
        ),
        (
            "expressions that grow",
            "#set($s=\"aaaaaaaaaaaaaaaa\")#foreach($i in [1..9])#set($s=$s.replaceAll(\"[a]\",$s))#end"
                .into(),
            "memory",
        ),
        (
            "long texts again and again",
            "#set($s=\"0123456789abcdef\")#foreach($i in [1..19])#set($s=\"$s$s\")#end\
             #foreach($i in [1..1000])#set($z=$s.contains(\"zz\"))#end"
                .into(),
            "steps",
        ),
        (
            "descent in descent",
            format!("{thousand}#set($x=$input.path('$..[?($..a)]..a'))#end"),
            "steps",
        ),
        ("macros in macros", "#macro(a)#a()#a()#end#a()".into(), "depth"),
        (
            "a list in itself",
            "#set($l=[])#set($z=$l.add($l))#set($m=[])#set($z=$m.add($m))#if($l==$m)x#end".into(),
            "depth",
        ),
        (
            "patterns made in a loop",
            "#foreach($i in [1..1000])#set($p=\"[a-z]+$i\")#set($s=\"x\")$s.matches($p)#end".into(),
            "steps",
        ),
    ];
    let body = r#"{"a":[{"a":1},{"a":2},{"a":{"a":[1,2,3]}}],"b":{"a":[{"a":1},{"a":2}]}}"#;
    for (name, source, expected) in rows {
        let found = match render(source, body) {
            Ok(bytes) => bytes.to_string(),
            Err(fault) => kind(&fault).to_owned(),
        };
        assert!(
            expected.split(" or ").any(|word| word == found),
            "{name}: {found}"
        );
    }
}

#[test]
fn what_is_stepped_over_in_a_payload_is_paid_for() {
    let members: Vec<String> = (0..10_000).map(|at| format!("\"k{at}\":[{at}]")).collect();
    let map = format!("{{{}}}", members.join(","));
    let list = format!("[{}]", vec!["[7]"; 10_000].join(","));
    let again =
        |what: &str| format!("#set($p=$input.path('$'))#foreach($i in [1..1000]){what}#end");
    let left_at_once = "#foreach($x in $p)#break#end".repeat(10);
    let rows = [
        (
            "a name that is missing",
            again("$p.none"),
            &map,
            Some("steps"),
        ),
        ("the last name", again("$p.k9999"), &map, Some("steps")),
        ("the first name", again("$p.k0"), &map, None),
        (
            "a path to the last name",
            again("$input.path('$.k9999')"),
            &map,
            Some("steps"),
        ),
        (
            "loops left at once",
            again(&left_at_once),
            &list,
            Some("steps"),
        ),
        ("the last item", again("$p[9999]"), &list, None),
        (
            "more rounds than may be",
            "#foreach($x in $input.path('$'))x#end".into(),
            &list,
            Some("rounds"),
        ),
    ];
    for (name, source, body, expected) in rows {
        let found = render(&source, body).err();
        assert_eq!(found.as_ref().map(kind), expected, "{name}");
    }
}

#[test]
fn the_largest_honest_work_fits() {
    // A payload as large as one may be passes through as JSON.
    let item = "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\",";
    let mut body = String::from("[");
    while body.len() + item.len() < OUTPUT_BYTES_MAX - 16 {
        body.push_str(item);
    }
    body.push_str("1]");
    assert_eq!(render("$input.json('$')", &body), Ok(body.len()));
    assert_eq!(render("$input.body", &body), Ok(body.len()));
}

#[test]
fn nesting_is_refused_before_the_stack_ends() {
    let deep = |open: &str, close: &str| {
        let depth = 10_000;
        format!("{}{}", open.repeat(depth), close.repeat(depth))
    };
    let rows = [
        deep("#if(true)", "#end"),
        format!("#set($x={})", deep("(", ")")),
        format!("#set($x={}true)", "!".repeat(10_000)),
        format!("#set($x={})", deep("[", "]")),
        format!("#set($x={})", deep("{\"a\":", "}")),
        format!("#set($x=1{})", "+1".repeat(10_000).replace("+1", "+ 1")),
        format!("#set($x={})", deep("$a.b(", ")")),
        deep("$a[", "]"),
    ];
    for source in rows {
        let shown: String = source.chars().take(40).collect();
        assert!(Template::compile(&source).is_err(), "{shown}");
    }
    let path = format!("$.a{}", "[?(@.b".repeat(1_000));
    assert!(tidegate_edge::mapping::check_path(&path).is_err());
    // Payloads that nest deeper are no JSON for a template.
    let body = deep("[", "]");
    assert_eq!(render("[$input.path('$')]", &body), Ok(2));
}

#[test]
fn a_template_has_a_largest_size() {
    let largest = "x".repeat(SOURCE_BYTES_MAX);
    assert!(Template::compile(&largest).is_ok());
    let error = Template::compile(&format!("{largest}x")).expect_err("too large");
    assert_eq!((error.line, error.column), (1, 1));
    assert_eq!(ROUNDS_MAX, 1_000);
}

#[test]
fn an_output_forgets_what_was_before() {
    let mut output = Output::new();
    let set = Template::compile("#set($x=[1])$x").expect("compiles");
    let get = Template::compile("[$x][$y]").expect("compiles");
    let fails = Template::compile("abc#set($s=\"x\")$s.charAt(9)").expect("compiles");
    let inputs = Inputs::default();
    for _ in 0..3 {
        set.render(&inputs, &mut output).expect("renders");
        assert_eq!(output.text(), "[1]");
        get.render(&inputs, &mut output).expect("renders");
        assert_eq!(output.text(), "[][]");
        assert!(fails.render(&inputs, &mut output).is_err());
        assert_eq!(output.text(), "");
    }
}

/// Pieces that make a random template likely to mean something.
const PIECES: &[&str] = &[
    "#set(",
    "#if(",
    "#elseif(",
    "#else",
    "#end",
    "#foreach(",
    "#macro(",
    "#define(",
    "#break",
    "#stop",
    "#[[",
    "]]#",
    "##",
    "#*",
    "*#",
    "\n",
    " ",
    "$",
    "${",
    "$!",
    "}",
    "{",
    "(",
    ")",
    "[",
    "]",
    "\"",
    "'",
    ",",
    ":",
    ".",
    "..",
    "=",
    "==",
    "!=",
    "<",
    "&&",
    "||",
    "!",
    "+",
    "-",
    "*",
    "/",
    "%",
    "$x",
    "$y",
    "$input",
    "$util",
    "$context",
    "$foreach",
    ".json('$..a')",
    ".path('$.a')",
    ".body",
    ".params()",
    ".keySet()",
    ".get(\"a\")",
    ".size()",
    ".add($x)",
    ".put(\"k\",$y)",
    ".substring(1)",
    ".substring(1,2)",
    ".replaceAll(\"[a-z]\",\"$0$0\")",
    ".split(\",\")",
    ".replace(\"\",$x)",
    ".length()",
    ".requestOverride.header.h",
    ".responseOverride.status",
    "in",
    "a",
    "1",
    "0",
    "-1",
    "9223372036854775807",
    "1.5",
    "true",
    "false",
    "é",
    "😀",
    "\\",
    "[1..5]",
    "{\"a\":[1]}",
    "#m(",
    "#@m(",
    "m",
];

const BODIES: &[&str] = &[
    "",
    "{\"a\":[1,{\"a\":\"é😀\"}],\"b\":null}",
    "[1,2",
    "\"x\"",
    "a,b",
];

fn check(source: &str, body: &str) {
    let Ok(template) = Template::compile(source) else {
        return;
    };
    let mut output = Output::new();
    let inputs = Inputs {
        body,
        ..Inputs::default()
    };
    let first = template.render(&inputs, &mut output);
    let text = output.text().to_owned();
    assert!(text.len() <= OUTPUT_BYTES_MAX);
    // The same again, over memory that was used.
    assert_eq!(template.render(&inputs, &mut output), first);
    assert_eq!(output.text(), text);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_pieces_never_panic(
        pieces in prop::collection::vec(0..PIECES.len(), 0..40),
        body in 0..BODIES.len(),
    ) {
        let source: String = pieces.iter().map(|at| PIECES[*at]).collect();
        check(&source, BODIES[body]);
    }

    #[test]
    fn random_text_never_panics(source in "[ -~\n$#é😀]{0,60}", body in "[ -~é😀]{0,40}") {
        check(&source, &body);
        let _ = tidegate_edge::mapping::check_path(&source);
    }

    #[test]
    fn text_without_marks_is_kept(source in "[^$#\\\\]{0,80}") {
        let template = Template::compile(&source).expect("plain text compiles");
        let mut output = Output::new();
        template.render(&Inputs::default(), &mut output).expect("renders");
        prop_assert_eq!(output.text(), source);
    }
}
