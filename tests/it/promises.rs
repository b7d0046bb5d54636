//! The table of scenarios in `docs/RELIABILITY.md` names a test for each promise: these tests are there.
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// So many scenarios are numbered, without a gap.
const SCENARIOS: usize = 70;

fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("the checkout") {
        let path = entry.expect("the checkout").path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).expect("the checkout");
            let names = text.split("fn ").skip(1).filter_map(|rest| rest.split_once('('));
            found.extend(names.map(|(name, _)| name.to_owned()));
        }
    }
}

#[test]
fn every_scenario_names_a_test_that_exists() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut known = BTreeSet::new();
    functions(&root.join("src"), &mut known);
    functions(&root.join("tests"), &mut known);
    let page = fs::read_to_string(root.join("docs/RELIABILITY.md")).expect("the checkout");
    let (_, table) = page.split_once("\n## Scenarios").expect("a section of scenarios");
    let mut next = 1;
    for line in table.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, number, _, _, tests, _] = cells.as_slice() else { continue };
        let Ok(number) = number.parse::<usize>() else { continue };
        assert_eq!(number, next, "scenarios in their order");
        let tests: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "scenario {number} names no test");
        for test in tests {
            assert!(known.contains(test), "scenario {number} names `{test}`, which is no test");
        }
        next += 1;
    }
    assert_eq!(next, SCENARIOS + 1);
}
