//! The properties of the library that are fuzzed (`fuzz/`), checked for a few thousand inputs that are the same in each
//! run, so that the targets cannot rot where no nightly compiler builds them. Those of private parts are checked beside
//! them.

#[path = "../../fuzz/src/mutation.rs"]
mod mutation;
use mutation::for_many;

use crate::fuzzed;

/// Asks the property of this name of its seeds and of changes of them.
macro_rules! holds {
    ($test:ident, $property:ident, $count:expr) => {
        #[test]
        fn $test() {
            let seeds = include_str!(concat!("../../fuzz/seeds/", stringify!($property), ".txt"));
            for_many(seeds, $count, fuzzed::$property::check);
        }
    };
}

holds!(a_configuration_never_panics_and_its_findings_have_places, configuration, 400);
holds!(globs_match_as_a_search_through_all_choices, glob, 20_000);
holds!(regular_expressions_match_as_a_search_through_all_choices, go_regex, 3_000);
holds!(a_policy_decides_as_its_rules_one_by_one, policy, 500);
holds!(paths_of_pages_lead_to_pages_and_nowhere_else, page_path, 20_000);
holds!(rule_04_rule_05_rule_06_routes_are_what_the_grammar_says, routing, 5_000);
holds!(scopes_are_what_the_grammar_says, scope, 10_000);
holds!(rule_13_no_token_passes_that_we_did_not_sign, token, 2_000);

#[test]
fn each_property_has_a_target_and_seeds() {
    let names = |directory: &str| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/").to_owned() + directory;
        let files = std::fs::read_dir(path).unwrap().map(|file| file.unwrap().path());
        let mut names: Vec<String> =
            files.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    let (targets, seeds) = (names("targets"), names("seeds"));
    assert!(targets.len() > 10 && targets == seeds, "{targets:?} {seeds:?}");
    let manifest = include_str!("../../fuzz/Cargo.toml");
    for target in targets {
        assert!(manifest.contains(&format!("name = \"{target}\"\n")), "{target} is not in fuzz/Cargo.toml");
    }
}
