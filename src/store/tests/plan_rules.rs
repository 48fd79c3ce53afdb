//! Plans and the rules between plans, keys and stages.

use super::*;

#[test]
fn a_key_is_not_in_two_plans_for_one_stage_nor_in_eleven() {
    let (_folder, mut store) = fresh();
    let id = key(&mut store, "n");
    let (one, two) = (
        plan(&mut store, &["a:dev", "a:prod"], None),
        plan(&mut store, &["b:dev", "a:prod"], None),
    );
    store.attach_key(&one, &id).expect("attached");
    assert_eq!(said(store.attach_key(&one, &id)).0, 409);
    let clash = format!("API Key {id} is in usage plan {one}, which contains API Stage a/prod too");
    assert_eq!(said(store.attach_key(&two, &id)), (409, clash.clone()));
    store
        .update_plan(&two, &[PlanChange::RemoveStage(stage("a:prod"))])
        .expect("removed");
    store.attach_key(&two, &id).expect("no stage in common");
    let add = [
        PlanChange::Name("new name".to_owned()),
        PlanChange::AddStage(stage("a:prod")),
    ];
    assert_eq!(said(store.update_plan(&two, &add)), (409, clash));
    assert_eq!(
        store.plan(&two).expect("there").name,
        "p",
        "all changes or none"
    );
    for _ in 0..8 {
        let plan = plan(&mut store, &[], None);
        store.attach_key(&plan, &id).expect("up to ten");
    }
    let eleventh = plan(&mut store, &[], None);
    assert_eq!(said(store.attach_key(&eleventh, &id)).0, 409);
    store.detach_key(&two, &id).expect("detached");
    store.attach_key(&eleventh, &id).expect("there is room");
    assert_eq!(
        said(store.attach_key("nobody", &id)),
        (404, "Invalid Usage Plan ID specified".to_owned())
    );
    assert_eq!(
        said(store.attach_key(&one, "nobody")),
        (404, "Invalid API Key identifier specified".to_owned())
    );
    assert_eq!(store.plans(Some(&id)).expect("a list").len(), 10);
    store.delete_plan(&one).expect("deleted");
    assert_eq!(store.plans(Some(&id)).expect("a list").len(), 9);
}

#[test]
fn every_change_of_a_plan_is_made_or_refused() {
    let (_folder, mut store) = fresh();
    let id = plan(&mut store, &["a:dev"], None);
    let quota = |limit, offset, period: Option<&str>| {
        PlanChange::Quota(QuotaChange {
            limit,
            offset,
            period: period.map(str::to_owned),
        })
    };
    let throttle = |rate, burst| PlanChange::Throttle { rate, burst };
    let method = |name: &str, rate, burst| PlanChange::Method {
        stage: stage("a:dev"),
        method: name.to_owned(),
        rate,
        burst,
    };
    let none = |name: &str| PlanChange::NoMethod {
        stage: stage("a:dev"),
        method: name.to_owned(),
    };
    let invalid = format!("Invalid API Stage {{api: x, stage: y}} specified for usageplan {id}");
    // Change, JSON pointer to look at, what stands there then; or the refusal.
    let rows: Vec<(PlanChange, &str, Result<&str, &str>)> = vec![
        (PlanChange::Name("gold".to_owned()), "/name", Ok("\"gold\"")),
        (
            PlanChange::Name(String::new()),
            "",
            Err("a usage plan's name has 1 to 1024 characters"),
        ),
        (
            PlanChange::Description("d".to_owned()),
            "/description",
            Ok("\"d\""),
        ),
        (
            PlanChange::Description(String::new()),
            "/description",
            Ok("null"),
        ),
        (
            PlanChange::ProductCode("c".to_owned()),
            "/productCode",
            Ok("\"c\""),
        ),
        (
            PlanChange::ProductCode(String::new()),
            "/productCode",
            Ok("absent"),
        ),
        (
            throttle(Some(5.5), None),
            "",
            Err("a throttle needs a rate and a burst"),
        ),
        (
            throttle(Some(5.5), Some(10)),
            "/throttle",
            Ok("{\"rateLimit\":5.5,\"burstLimit\":10}"),
        ),
        (
            throttle(None, Some(7)),
            "/throttle",
            Ok("{\"rateLimit\":5.5,\"burstLimit\":7}"),
        ),
        (
            throttle(Some(-1.0), None),
            "",
            Err("a rate is a number from 0 to 1000000"),
        ),
        (
            throttle(Some(f64::NAN), None),
            "",
            Err("a rate is a number from 0 to 1000000"),
        ),
        (PlanChange::NoThrottle, "/throttle", Ok("absent")),
        (
            quota(Some(5), None, None),
            "",
            Err("a quota needs a limit and a period"),
        ),
        (
            quota(Some(5), None, Some("YEAR")),
            "",
            Err("the period \"YEAR\" is none of DAY, WEEK, MONTH"),
        ),
        (
            quota(Some(5), None, Some("WEEK")),
            "/quota",
            Ok("{\"limit\":5,\"offset\":0,\"period\":\"WEEK\"}"),
        ),
        (quota(None, Some(6), None), "/quota/offset", Ok("6")),
        (
            quota(None, Some(7), None),
            "",
            Err("Usage Plan quota offset must be between 0 and 6 in the WEEK period"),
        ),
        (
            quota(Some(9), None, None),
            "/quota",
            Ok("{\"limit\":9,\"offset\":6,\"period\":\"WEEK\"}"),
        ),
        (
            quota(None, None, Some("DAY")),
            "/quota",
            Ok("{\"limit\":9,\"offset\":0,\"period\":\"DAY\"}"),
        ),
        (
            quota(None, Some(1), None),
            "",
            Err("Usage Plan quota offset must be zero in the DAY period"),
        ),
        (PlanChange::NoQuota, "/quota", Ok("absent")),
        (
            PlanChange::AddStage(stage("a:dev")),
            "",
            Err("contains API Stage a/dev already"),
        ),
        (
            PlanChange::AddStage(stage("b:dev")),
            "/apiStages/1",
            Ok("{\"apiId\":\"b\",\"stage\":\"dev\"}"),
        ),
        (
            PlanChange::RemoveStage(stage("b:dev")),
            "/apiStages/1",
            Ok("absent"),
        ),
        (PlanChange::RemoveStage(stage("x:y")), "", Err(&invalid)),
        (
            method("/pets/GET", Some(1.0), None),
            "",
            Err("a throttle needs a rate and a burst"),
        ),
        (
            method("/pets/GET", Some(1.0), Some(2)),
            "/apiStages/0/throttle/~1pets~1GET/burstLimit",
            Ok("2"),
        ),
        (
            method("/pets/GET", None, Some(3)),
            "/apiStages/0/throttle/~1pets~1GET",
            Ok("{\"rateLimit\":1.0,\"burstLimit\":3}"),
        ),
        (
            method("/pets/get", Some(1.0), Some(2)),
            "",
            Err("is no path with a method behind it"),
        ),
        (
            method("pets/GET", Some(1.0), Some(2)),
            "",
            Err("is no path with a method behind it"),
        ),
        (
            none("/other/GET"),
            "",
            Err("has no throttle of its own for /other/GET"),
        ),
        (none("/pets/GET"), "/apiStages/0/throttle", Ok("absent")),
        (
            PlanChange::Methods {
                stage: stage("a:dev"),
                throttles: [(
                    "/a/ANY".to_owned(),
                    Throttle {
                        rate_limit: 0.0,
                        burst_limit: 0,
                    },
                )]
                .into(),
            },
            "/apiStages/0/throttle",
            Ok("{\"/a/ANY\":{\"rateLimit\":0.0,\"burstLimit\":0}}"),
        ),
        (
            PlanChange::Methods {
                stage: stage("x:y"),
                throttles: [].into(),
            },
            "",
            Err(&invalid),
        ),
        (
            PlanChange::Tags([("a".to_owned(), "b".to_owned())].into()),
            "/tags",
            Ok("{\"a\":\"b\"}"),
        ),
    ];
    for (change, pointer, expected) in rows {
        let before = store.plan(&id).expect("there");
        let result = store.update_plan(&id, std::slice::from_ref(&change));
        match (result, expected) {
            (Ok(plan), Ok(expected)) => {
                let json = plan.json();
                let found = json
                    .pointer(pointer)
                    .map_or("absent".to_owned(), ToString::to_string);
                assert_eq!(found, expected, "{change:?}");
            }
            (Err(error), Err(expected)) => {
                assert!(error.to_string().contains(expected), "{change:?}: {error}");
                assert_eq!(store.plan(&id).expect("there"), before, "{change:?}");
            }
            (result, expected) => panic!("{change:?}: {result:?}, not {expected:?}"),
        }
    }
}
