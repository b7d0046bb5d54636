//! Where else a key is known: for one that stands in the wrong part of the file.
use super::{
    keys,
    section::join,
    shape::{Others, Shape, Table},
};

/// More places than these say nothing.
const MOST: usize = 2;

/// The JSON paths at which a key of this name is run, seen from one at which it is not known.
pub fn of(name: &str, at: &str) -> Vec<String> {
    let mut all = Vec::new();
    within(&keys::ROOT, "", name, &mut all);
    all.dedup();
    if all.len() > MOST {
        let top = |path: &str| path.split(['.', '[']).next().map(str::to_owned);
        all.retain(|path| top(path) == top(at));
    }
    if all.len() > MOST { Vec::new() } else { all }
}

fn within(shape: &Shape, at: &str, name: &str, all: &mut Vec<String>) {
    match shape {
        Shape::Table(Table { keys, shared, others, .. }) => {
            for key in keys.iter().chain(*shared).filter(|key| !key.later) {
                let path = join(at, key.name);
                within(&key.shape, &path, name, all);
                if key.name == name {
                    all.push(path);
                }
            }
            if let Others::Each(shape) | Others::EachUnless(_, shape) = others {
                within(shape, &format!("{at}[...]"), name, all);
            }
        }
        Shape::List(list) => within(&list.of, &format!("{at}[]"), name, all),
        Shape::Either(shapes) => shapes.iter().for_each(|shape| within(shape, at, name, all)),
        Shape::Any
        | Shape::Null
        | Shape::Bool
        | Shape::Text(..)
        | Shape::Vital(..)
        | Shape::Group(..)
        | Shape::Verbatim(..)
        | Shape::Role
        | Shape::Secret
        | Shape::Word(_)
        | Shape::Int(..)
        | Shape::Retention => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_known_elsewhere_is_found_there() {
        assert_eq!(of("logs_collection_interval", "logs"), ["agent.logs_collection_interval"]);
        assert_eq!(of("files", "logs"), ["logs.logs_collected.files"]);
        assert_eq!(of("units", "logs.logs_collected.journal"), ["logs.logs_collected.journald.collect_list[].units"]);
    }

    #[test]
    fn a_key_that_is_known_nowhere_or_nearly_everywhere_has_no_place() {
        assert_eq!(of("typo", "logs"), [""; 0]);
        assert_eq!(of("filters", "logs"), [""; 0]);
    }
}
