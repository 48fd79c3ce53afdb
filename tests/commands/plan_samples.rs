//! The sample configurations compile, and without a word of warning.

use std::path::{Path, PathBuf};

use tidegate::settings::Configuration;
use tidegate_edge::plan::compile_releases;

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("configs")
        .join(name)
}

#[test]
fn samples_become_plans() {
    let rows = [
        ("small.toml", Configuration::load(&sample("small.toml"))),
        ("full.toml", Configuration::load(&sample("full.toml"))),
        ("cache.toml", Configuration::load(&sample("cache.toml"))),
        ("apis.toml", Configuration::load(&sample("apis.toml"))),
        (
            "petstore.yaml",
            Configuration::for_api(&sample("openapi/petstore.yaml")),
        ),
        (
            "petstore.json",
            Configuration::for_api(&sample("openapi/petstore.json")),
        ),
        (
            "httpbin.yaml",
            Configuration::for_api(&sample("openapi/httpbin.yaml")),
        ),
    ];
    for (name, configuration) in rows {
        let report = &configuration.report;
        assert!(report.is_empty(), "{name}:\n{report}");
        let (settings, releases) = (&configuration.settings, &configuration.releases);
        let compiled = compile_releases(settings, &configuration.models(), releases, 1)
            .unwrap_or_else(|findings| panic!("{name}: {findings:#?}"));
        assert!(
            compiled.warnings.is_empty(),
            "{name}: {:#?}",
            compiled.warnings
        );
        assert!(!compiled.plan.routes.is_empty(), "{name}");
        for route in &compiled.plan.routes {
            assert!(
                compiled.plan.stage(route.stage).is_some(),
                "{name} {}",
                route.pointer
            );
        }
    }
}
