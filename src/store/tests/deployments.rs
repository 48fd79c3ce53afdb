//! What is deployed: changes are whole, stages move as API Gateway's do, and texts are kept once.

use super::{
    super::deployments::{Change, Deployed, StageChange, Variables},
    NOON, Store, StoreError, again, fresh,
};

fn variables(text: &str) -> Variables {
    let pairs = text.split_whitespace();
    pairs
        .map(|pair| pair.split_once('=').expect("k=v"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn deploy(canary: Option<f64>, text: &str) -> Change {
    Change::Deploy {
        name: "a.yaml".to_owned(),
        description: None,
        variables: variables(text),
        canary,
    }
}

fn set(percent: Option<f64>, deployment: Option<&str>, text: &str) -> Change {
    Change::SetCanary {
        percent,
        deployment: deployment.map(str::to_owned),
        variables: variables(text),
        use_stage_cache: None,
    }
}

fn rollback(deployment: Option<&str>) -> Change {
    Change::Rollback {
        deployment: deployment.map(str::to_owned),
    }
}

/// The one way the rows below reach the store: the stage `api/prod` behind the change.
fn apply(store: &mut Store, change: Change, id: &str, text: &str) -> Result<String, StoreError> {
    let change = StageChange {
        api: "api".to_owned(),
        stage: "prod".to_owned(),
        change,
    };
    let before = store.deployed("api")?;
    let rehearsed = store.rehearse(&change, (id, text.as_bytes()), NOON)?;
    assert_eq!(
        store.deployed("api")?,
        before,
        "a rehearsal changes nothing"
    );
    store.change(&change, (id, text.as_bytes()), NOON)?;
    let after = store.deployed("api")?;
    assert_eq!(after, rehearsed, "and tells what comes");
    Ok(shown(&after))
}

fn shown(deployed: &Deployed) -> String {
    let [stage] = &deployed.stages[..] else {
        return format!("{} stages", deployed.stages.len());
    };
    let list = |variables: &Variables| {
        let pairs = variables
            .iter()
            .map(|(name, value)| format!(" {name}={value}"));
        pairs.collect::<String>()
    };
    let canary = stage.canary.as_ref().map(|canary| {
        let own = list(&canary.variables);
        format!(" | {} {} %{own}", canary.deployment, canary.percent)
    });
    let own = list(&stage.variables);
    format!("{}{own}{}", stage.deployment, canary.unwrap_or_default())
}

#[test]
fn stages_move_as_told() {
    let (_folder, mut store) = fresh();
    // change, id and text of what it deploys, the stage behind it or the refusal
    let rows: Vec<(Change, &str, &str, &str)> = vec![
        (
            rollback(None),
            "",
            "",
            "nothing is deployed to the stage `prod`",
        ),
        (
            deploy(Some(5.0), ""),
            "d0",
            "0",
            "nothing is deployed to the stage `prod`",
        ),
        (deploy(None, "a=1 b=2"), "d1", "one", "d1 a=1 b=2"),
        (rollback(None), "", "", "has served nothing before `d1`"),
        (deploy(None, "b= c=3"), "d2", "two", "d2 a=1 c=3"),
        (deploy(None, ""), "d3", "one", "d3 a=1 c=3"),
        (rollback(None), "", "", "d2 a=1 c=3"),
        (rollback(None), "", "", "d1 a=1 c=3"),
        (
            rollback(Some("d9")),
            "",
            "",
            "the API has no deployment `d9`",
        ),
        (rollback(Some("d3")), "", "", "d3 a=1 c=3"),
        (Change::PromoteCanary, "", "", "has no canary"),
        (Change::RemoveCanary, "", "", "has no canary"),
        (set(None, None, "a=x"), "", "", "d3 a=1 c=3 | d3 0 % a=x"),
        (
            set(Some(10.5), Some("d2"), "z=9"),
            "",
            "",
            "d3 a=1 c=3 | d2 10.5 % a=x z=9",
        ),
        (
            set(Some(100.5), None, ""),
            "",
            "",
            "cannot serve 100.5 percent",
        ),
        (
            set(None, Some("d9"), ""),
            "",
            "",
            "the API has no deployment `d9`",
        ),
        (
            set(None, None, "a-b=1"),
            "",
            "",
            "`a-b` is no stage variable",
        ),
        (
            deploy(Some(3.0), "z="),
            "d4",
            "four",
            "d3 a=1 c=3 | d4 3 % a=x",
        ),
        (Change::PromoteCanary, "", "", "d4 a=x c=3"),
        (rollback(None), "", "", "d3 a=x c=3"),
        (set(Some(1.0), None, ""), "", "", "d3 a=x c=3 | d3 1 %"),
        (Change::RemoveCanary, "", "", "d3 a=x c=3"),
    ];
    for (change, id, text, expected) in rows {
        let said = match apply(&mut store, change.clone(), id, text) {
            Ok(stage) => {
                assert_eq!(stage, expected, "{change:?}");
                continue;
            }
            Err(error) => error.to_string(),
        };
        assert!(said.contains(expected), "{change:?}: {said}");
    }
    let before = store.deployed("api").expect("readable");
    let folder = store.folder().to_owned();
    assert_eq!(
        Deployed::of_folder(&folder, "api").expect("readable"),
        before
    );
    let store = again(store);
    assert_eq!(store.deployed("api").expect("readable"), before);
    assert_eq!(Deployed::parse(&before.print().expect("JSON")), Ok(before));
    assert_eq!(
        store.deployed("other").expect("readable"),
        Deployed::default()
    );
}

#[test]
fn a_deployment_goes_only_when_nothing_uses_it() {
    let (_folder, mut store) = fresh();
    for (id, text) in [("d1", "one"), ("d2", "two"), ("d3", "one")] {
        apply(&mut store, deploy(None, ""), id, text).expect("deployed");
    }
    apply(&mut store, set(None, Some("d2"), ""), "", "").expect("a canary");
    let count = |store: &Store| -> i64 {
        let found = store
            .db
            .query_row("SELECT count(*) FROM documents", [], |row| row.get(0));
        found.expect("counted")
    };
    assert_eq!(count(&store), 2, "the same text is kept once");
    for id in ["d2", "d3"] {
        let said = store
            .delete_deployment("api", id)
            .map_err(|error| error.to_string());
        let recorded = "Active stages pointing to this deployment must be moved or deleted";
        assert_eq!(said, Err(recorded.to_owned()), "{id}");
    }
    store.delete_deployment("api", "d1").expect("unused");
    assert_eq!(count(&store), 2, "d3 has its text");
    let missing = store.delete_deployment("api", "d1");
    assert!(matches!(missing, Err(StoreError::Missing(_))));
    apply(&mut store, Change::RemoveCanary, "", "").expect("removed");
    store.delete_deployment("api", "d2").expect("unused");
    assert_eq!(count(&store), 1);
    let listed = store.deployments("api").expect("a list");
    assert_eq!(listed["items"][0]["id"], "d3");
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
    let said = apply(&mut store, rollback(None), "", "").map_err(|error| error.to_string());
    assert!(said.is_err_and(|said| said.contains("has served nothing before")));
}

#[test]
fn what_is_no_document_or_name_is_refused() {
    let (_folder, mut store) = fresh();
    let rows = [
        ("api", "prod", &b"\xff"[..], "text in UTF-8"),
        ("a b", "prod", b"x", "`a b` is no name of an API"),
        ("api", "", b"x", "`` is no name of a stage"),
    ];
    for (api, stage, text, expected) in rows {
        let change = StageChange {
            api: api.to_owned(),
            stage: stage.to_owned(),
            change: deploy(None, ""),
        };
        let said = store.change(&change, ("d1", text), NOON);
        let said = said
            .map_err(|error| error.to_string())
            .expect_err("refused");
        assert!(said.contains(expected), "{said}");
        assert_eq!(store.deployed(api).expect("readable"), Deployed::default());
    }
}
