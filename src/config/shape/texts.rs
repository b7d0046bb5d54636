//! What a text may be: its length, the environment variables in it, and what it is with them.
use super::{Shape, Walk};
use crate::config::{
    section::Section,
    variables::{self, Filled, Form, Unset},
};

/// Parts of the names of variables whose values no finding repeats.
const SECRET: [&str; 7] = ["PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "PRIVATE", "KEY"];
/// Shorter values are found in any word.
const SHORTEST_SECRET: usize = 4;

impl Walk<'_> {
    /// A text in which variables may stand. Its limits are those of what is written, as the agent has them, and of what comes of it.
    pub(super) fn text(&self, shape: &Shape, section: &Section<'_>, text: &str, later: bool) {
        let (min, max) = match shape {
            Shape::Text(min, max) | Shape::Vital(min, max) | Shape::Group(min, max) | Shape::Verbatim(min, max) => {
                (*min, *max)
            }
            _ => (1, usize::MAX),
        };
        if !matches!(shape, Shape::Role) {
            length(section, text, min, max);
        }
        let is_filled = match shape {
            Shape::Verbatim(..) | Shape::Secret => false,
            _ => !later && self.fill(section, text, shape),
        };
        match section.text() {
            // Of a part that is not run the variables are unknown.
            Some(text) if matches!(shape, Shape::Role) && !(later && text.contains("${")) => self.role(section, text),
            Some("") if is_filled && min > 0 => {
                section.error("must not be empty, and the environment variable in it is")
            }
            Some(text) if is_filled && text.chars().count() > max => {
                section.error(format!(
                    "must have at most {max} characters, and has more with the environment variable in it"
                ));
            }
            _ => {}
        }
    }

    /// Puts the variables in; whether there was any. What is vital is nothing without them; anything else stays as it was written.
    fn fill(&self, section: &Section<'_>, text: &str, shape: &Shape) -> bool {
        let (is_vital, form) = match shape {
            Shape::Vital(..) | Shape::Role => (true, Form::Escaped),
            shape => (matches!(shape, Shape::Group(..)), if self.dialect.agent { Form::Bare } else { Form::Braces }),
        };
        let Filled { text, put_in, unset, changed } =
            variables::fill(text, form, |name| self.environment.variable(name));
        for (name, value) in put_in {
            let upper = name.to_ascii_uppercase();
            if value.len() >= SHORTEST_SECRET && SECRET.iter().any(|part| upper.contains(part)) {
                section.keep_secret(&name, &value);
            }
        }
        for name in &unset {
            let is_nothing = format!(
                "the environment variable `{name}` is not set, so this has no value: set it for the daemon, or write the value here"
            );
            match (self.unset, is_vital) {
                (Unset::Unknown, _) => {}
                (Unset::Fatal | Unset::Needed, true) => section.error(is_nothing),
                (Unset::Tolerated, true) => section.warning(is_nothing),
                (Unset::Fatal | Unset::Needed | Unset::Tolerated, false) => section.warning(format!(
                    "the environment variable `{name}` is not set; its name stays in the text as it is written"
                )),
            }
        }
        if changed {
            let is_known = unset.is_empty() || (!is_vital && self.unset != Unset::Unknown);
            section.node().inspect(|node| node.fill(is_known.then_some(text)));
        }
        changed
    }

    /// The agent takes any text and fails when it signs in; so its files run here, and say so.
    /// Length: <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
    ///
    /// What stands for any text in a policy is an error in those, too: nothing signs in with it, and `iam-policy` would allow it all.
    fn role(&self, section: &Section<'_>, text: &str) {
        if let Some(wild) = text.chars().find(|c| "*?".contains(*c)) {
            return section.error(format!(
                "must name one role, and found `{wild}`, which stands for any text in a policy: write the whole ARN, like arn:aws:iam::123456789012:role/NAME"
            ));
        }
        let fits = text.starts_with("arn:") && text.contains(":role/") && (20..=2048).contains(&text.chars().count());
        if !fits || text.contains('\0') {
            let why = "is no ARN of a role, like arn:aws:iam::123456789012:role/NAME";
            match self.dialect.agent {
                true => section.warning(format!("{why}: signing in with it will fail")),
                false => section.error(why),
            }
        }
    }
}

fn length(section: &Section<'_>, text: &str, min: usize, max: usize) {
    let characters = text.chars().count();
    if text.contains('\0') {
        // No path, argument or name in a request can hold one.
        section.error("must not have a zero character");
    } else if characters < min && characters == 0 {
        section.error("must not be empty");
    } else if characters < min || characters > max {
        let range = if max == usize::MAX { format!("{min} or more") } else { format!("from {min} to {max}") };
        section.error(format!("must have {range} characters, found {characters}"));
    }
}
