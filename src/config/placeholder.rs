//! Placeholders of group and stream names, `{instance_id}` and its like: finding them, filling them, and what their values may contain.
//!
//! Whoever knows the values gives them to [`fill`]; a value is taken as it is and never searched for further placeholders.
//! `{aws_region}` is filled while decoding where `agent.region` names the region.
use crate::model::limits;
use std::{borrow::Cow, collections::BTreeSet};

/// What a template may name.
pub const KNOWN: [&str; 7] = [INSTANCE, "hostname", "local_hostname", "ip_address", "date", REGION, ACCOUNT];
/// Who the machine is.
pub const INSTANCE: &str = "instance_id";
/// The region that is published to.
pub const REGION: &str = "aws_region";
/// The account that is published to.
pub const ACCOUNT: &str = "account_id";

/// Left as it stands for the source, which knows the unit of each event.
pub const UNIT: &str = "unit";

/// A piece of a template.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Piece<'a> {
    Literal(&'a str),
    /// What stands between the braces: letters, digits, `_` and `.`, perhaps nothing.
    Placeholder(&'a str),
}

impl Piece<'_> {
    /// The least number of characters that it has when it is filled.
    pub fn least(&self) -> usize {
        match self {
            Self::Literal(text) => text.chars().count(),
            Self::Placeholder(_) => 1,
        }
    }
}

/// The pieces of a template in their order. Braces around anything else are literal.
pub fn pieces(template: &str) -> Vec<Piece<'_>> {
    let word = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
    let mut pieces = Vec::new();
    let (mut rest, mut searched) = (template, 0);
    while let Some(open) = rest[searched..].find('{').map(|at| searched + at) {
        match rest[open..].find('}').map(|length| open + length) {
            Some(close) if word(&rest[open + 1..close]) => {
                if open > 0 {
                    pieces.push(Piece::Literal(&rest[..open]));
                }
                pieces.push(Piece::Placeholder(&rest[open + 1..close]));
                (rest, searched) = (&rest[close + 1..], 0);
            }
            Some(_) => searched = open + 1,
            None => break,
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest));
    }
    pieces
}

/// The template with each placeholder replaced by its value; what else stands in braces stays as it is.
///
/// # Errors
/// The placeholders that have no value.
pub fn fill(template: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, BTreeSet<&'static str>> {
    let (mut filled, mut missing) = (String::with_capacity(template.len()), BTreeSet::new());
    for piece in pieces(template) {
        match piece {
            Piece::Literal(text) => filled.push_str(text),
            Piece::Placeholder(name) => match KNOWN.into_iter().find(|known| *known == name).map(|k| (k, value(k))) {
                Some((_, Some(value))) => filled.push_str(&value),
                Some((known, None)) => _ = missing.insert(known),
                None => filled.extend(["{", name, "}"]),
            },
        }
    }
    if missing.is_empty() { Ok(filled) } else { Err(missing) }
}

/// A value as it may stand in a group's name: what does not fit becomes `_`.
pub fn group_value(value: &str) -> Cow<'_, str> {
    sanitised(value, limits::fits_group)
}

/// A value as it may stand in a stream's name: what does not fit becomes `_`.
pub fn stream_value(value: &str) -> Cow<'_, str> {
    sanitised(value, limits::fits_stream)
}

fn sanitised(value: &str, fits: fn(char) -> bool) -> Cow<'_, str> {
    if value.chars().all(fits) {
        return Cow::Borrowed(value);
    }
    value.chars().map(|c| if fits(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str) -> Result<String, BTreeSet<&'static str>> {
        fill(template, |name| (name == "instance_id").then(|| "sys-{date}".to_owned()))
    }

    #[test]
    fn values_are_put_in_and_not_searched_again() {
        assert_eq!(filled("/a/{instance_id}/b{instance_id}").as_deref(), Ok("/a/sys-{date}/bsys-{date}"));
        assert_eq!(filled("plain").as_deref(), Ok("plain"));
        assert_eq!(filled("").as_deref(), Ok(""));
    }

    #[test]
    fn placeholders_without_a_value_are_named() {
        let missing = filled("/a/{date}/{account_id}{date}").expect_err("unknown");
        assert_eq!(missing.into_iter().collect::<Vec<_>>(), ["account_id", "date"]);
    }

    #[test]
    fn what_is_no_placeholder_stays_as_it_is() {
        assert_eq!(filled("{nobody}-{instance_id}").as_deref(), Ok("{nobody}-sys-{date}"));
    }

    #[test]
    fn braces_around_anything_but_a_word_are_literal() {
        assert_eq!(filled("{a b} {\"x\":{instance_id}} {").as_deref(), Ok("{a b} {\"x\":sys-{date}} {"));
        assert_eq!(pieces("{}"), [Piece::Placeholder("")]);
    }

    #[test]
    fn values_lose_what_their_name_may_not_hold() {
        assert_eq!(group_value("fe80::1%eth0"), "fe80__1_eth0");
        assert_eq!(group_value("host-1.lan"), "host-1.lan");
        assert_eq!(stream_value("a:b*c d"), "a_b_c d");
    }
}
