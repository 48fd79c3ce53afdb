//! Random templates in two implementations: this one and Apache Velocity 1.7.
//!
//! What it is: templates put together from every directive, literal, operator and form of
//! reference, with blanks and line ends between them. Both say the same, or both refuse. Shape:
//! strategies of texts; a difference is made as small as it gets. What is known to differ is not
//! put together: positions out of range, integers that grow beyond 64 bits, lists and
//! maps that change while they are gone over, and what Velocity cannot always read: a bracket or
//! brace behind a directive or a reference, a lone mark before a directive, line comments behind a
//! member and `#set`.
//! Units: `TIDEGATE_TEMPLATES` is how many templates, others each time; without it few and always
//! the same. Errors: without Java or Velocity the test says so and passes.

use std::cell::RefCell;

use crate::{oracle::Oracle, templates};
use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};
use tidegate_edge::mapping::Output;

/// How many without a wish for more.
const TEMPLATES: u32 = 200;

/// What all of them begin with. No statement changes `$three`.
const BEFORE: &str = "#macro(m $a $b)<$a|$b>#end#macro(n)#set($v=7)#@o(1)in $v#end#end\
    #macro(o $p)$p$bodyContent$p#end#define($d)[$v]#end\
    #set($three=[\"x\",\"y\",\"z\"])#set($t={\"k\":\"v\",\"n\":2})#set($s=\"abcab\")";
const BODY: &str = r#"{"a":{"b":"c"},"l":[1,"two",{"k":null}],"n":2.50,"z":[]}"#;

fn words(words: &[&'static str]) -> BoxedStrategy<String> {
    select(words.to_vec()).prop_map(str::to_owned).boxed()
}

fn reference() -> BoxedStrategy<String> {
    words(&[
        "$v",
        "${v}",
        "$!v",
        "$!{v}",
        "$w",
        "$none",
        "$none.a.b()",
        "$d",
        "$t",
        "$t.k",
        "$t['n']",
        "$t.get(\"k\")",
        "$t.size()",
        "$t.keySet()",
        "$t.entrySet()",
        "$three",
        "$three[1]",
        "${three[0]}",
        "$three.size()",
        "$three.get(2)",
        "$three[-1]",
        "$s",
        "$s.length()",
        "$s.substring(1,3)",
        "$s.replaceAll(\"[ab]\",\"-\")",
        "$s.split('b')[1]",
        "$s.indexOf(\"b\")",
        "$s.toUpperCase().contains('AB')",
        "$v.length()",
        "$v.size()",
        "$v.k",
        "$input.path('$.a')",
        "$input.path('$.l')",
        "$input.path('$.n')",
        "$input.path('$.a.b')",
        "$input.json('$.l')",
        "$input.json('$.none')",
        "$input.params('id')",
        "$input.body",
        "$stageVariables.a",
        "$context.stage",
        "$context.identity",
        "$foreach.count",
        "$foreach.hasNext",
        "$foreach.index",
        "$foreach.parent.count",
        "$velocityCount",
        "$i",
        "$util.urlEncode(\"$v\")",
        "$input.path('$.z')",
        "$util.escapeJavaScript($s)",
    ])
}

/// What may stand in lists, maps and calls.
fn plain() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        3 => words(&["0", "1", "2", "7", "-3", "1.5", "2.0", "true", "false"]),
        2 => words(&[
            "\"a\"", "'b'", "\"\"", "''", "\"x$v y\"", "'$v'", "\"2\"", "\"a\"\"b\"", "\"$d!\"",
            "\"#if($v)y#end\"", "\"\\u0041\"", "\"${v}z\"",
        ]),
        4 => reference(),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            (inner.clone(), inner).prop_map(|(one, two)| format!("{{\"k\": {one}, \"n\":{two}}}")),
            words(&["[1..3]", "[3..1]", "[0..$three.size()]"]),
        ]
    })
    .boxed()
}

/// A sum stands by itself: where Velocity cannot add, it goes on with the words of the sum.
fn value() -> BoxedStrategy<String> {
    let sum = (plain(), plain()).prop_map(|(one, two)| format!("({one} + {two})"));
    prop_oneof![4 => plain(), 1 => sum]
        .prop_recursive(3, 8, 2, |inner| {
            let operator = words(&[
                " - ", " * ", " / ", " % ", "==", " != ", " < ", ">", " <= ", " >= ", " && ", "||",
                " and ", " or ", " eq ", " ne ", " lt ", " gt ", " le ", " ge ",
            ]);
            prop_oneof![
                4 => (inner.clone(), operator, inner.clone())
                    .prop_map(|(one, operator, two)| format!("{one}{operator}{two}")),
                2 => inner.clone().prop_map(|inner| format!("({inner})")),
                1 => inner.clone().prop_map(|inner| format!("!{inner}")),
                1 => inner.prop_map(|inner| format!("not {inner}")),
            ]
        })
        .boxed()
}

fn text() -> BoxedStrategy<String> {
    words(&[
        "a",
        " ",
        "  ",
        "\n",
        "\n\n",
        " \n",
        "\n  ",
        "\t",
        "\"",
        "'",
        ".",
        ",",
        ":",
        "-",
        "|",
        "$ a",
        "$5 a",
        "# a",
        "#1a",
        "é",
        "\\ ",
        "\\\\ ",
        "#fff;",
        "x#y ",
        "#* c\n *#",
        "#[[ $v #if ]]#",
        "\\$v",
        "\\\\$v",
        "\\$none",
        "\\#set($v=1)",
        "\\\\#set($v=1)",
        "#foo ",
        "#foo($v)",
        "#if",
        "<b>",
        "&amp;",
        "$$v",
    ])
}

fn template() -> BoxedStrategy<String> {
    let blank = || words(&["", "", "", " ", "\n", "  \n", "\n  "]);
    let leaf = prop_oneof![
        4 => text(),
        4 => reference(),
        1 => words(&["$d", "${d}", "$!d"]),
        2 => (words(&["v", "w"]), value()).prop_map(|(name, value)| format!("#set(${name} = {value})")),
        1 => (plain(), plain()).prop_map(|(one, two)| format!("#m({one} {two})")),
        1 => words(&["#n()", "#m(1)", "#@o($v)b#end", "#break", "#stop", "#n ",
            "#set($three[0] = $v)", "#define($w)$v-#end"]),
    ];
    let all = leaf.prop_recursive(4, 24, 4, move |inner| {
        let block = (blank(), prop::collection::vec(inner, 0..4), blank())
            .prop_map(|(before, parts, after)| format!("{before}{}{after}", parts.concat()));
        let over = prop_oneof![plain(), words(&["$three", "$t", "[1..3]", "$t.keySet()"])];
        prop_oneof![
            (value(), block.clone()).prop_map(|(value, then)| format!("#if({value}){then}#end")),
            (
                value(),
                value(),
                block.clone(),
                block.clone(),
                block.clone()
            )
                .prop_map(|(one, two, a, b, c)| format!(
                    "#if( {one} ){a}#elseif({two}){b}#{{else}}{c}#end"
                )),
            (value(), block.clone(), block.clone())
                .prop_map(|(one, a, b)| format!("#if ({one}){a}#else {b}#{{end}}")),
            (over, block.clone())
                .prop_map(|(over, each)| format!("#foreach($i in {over}){each}#end")),
            block,
        ]
    });
    prop::collection::vec(all, 1..6)
        .prop_map(|parts| format!("{BEFORE}{}.", parts.concat()))
        .boxed()
}

/// Whether both refuse, or say the same.
fn check(oracle: &mut Oracle, template: &str) -> Result<(), TestCaseError> {
    let (found, _) = templates::run(template, BODY, &mut Output::new());
    // What does not fit into 64 bits is a refusal here and goes on there, as does a block that
    // prints what it stands in.
    let differs = ["64 bits", "macros and blocks nested deeper"];
    if let Err(error) = &found
        && differs.iter().any(|words| error.contains(words))
    {
        return Ok(());
    }
    let expected = oracle.ask(template, BODY);
    match (&found, &expected) {
        (Ok(found), Ok(expected)) if found == expected => Ok(()),
        (Err(_), Err(_)) => Ok(()),
        _ => Err(TestCaseError::fail(format!(
            "{template:?}\n  found    {found:?}\n  Velocity {expected:?}"
        ))),
    }
}

#[test]
fn velocity_says_the_same_of_random_templates() {
    let oracle = match Oracle::start() {
        Ok(oracle) => RefCell::new(oracle),
        Err(missing) => {
            println!("SKIPPED: {missing}");
            return;
        }
    };
    let wished = std::env::var("TIDEGATE_TEMPLATES").ok();
    let wished = wished.map(|count| count.parse().expect("a number of templates"));
    let config = Config {
        cases: wished.unwrap_or(TEMPLATES),
        failure_persistence: None,
        max_shrink_iters: 4_000,
        ..Config::default()
    };
    let mut runner = match wished {
        Some(_) => TestRunner::new(config),
        None => {
            let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
            TestRunner::new_with_rng(config, rng)
        }
    };
    let checked = runner.run(&template(), |template| {
        check(&mut oracle.borrow_mut(), &template)
    });
    if let Err(difference) = checked {
        panic!("{difference}");
    }
}
