//! Environment variables in the texts of a configuration: `${NAME}` and its other spellings. What is put in is not searched again.

/// Which spellings count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// `${NAME}` and `${env:NAME}`.
    Braces,
    /// The same, and `$NAME`: in collectors and logs of the agent's files.
    Bare,
    /// `${NAME}` and `${env:NAME}`, and `$$` for one `$`: what the agent gives to its exporters.
    Escaped,
}

/// What it means that a variable is not set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unset {
    /// It is to run and to reach AWS: what is vital for that must be known.
    Fatal,
    /// It is asked what it needs in AWS, wherever it sends: that cannot be told while something vital is unknown.
    Needed,
    /// It is to run, and not to reach AWS.
    Tolerated,
    /// Nothing is to run. Whoever asks may well have another environment than the daemon, so nothing is said, and the value is not known.
    Unknown,
}

/// A text with its variables put in.
#[derive(Default)]
pub struct Filled {
    /// A variable that is not set stays as it was written.
    pub text: String,
    /// Name and value of each that was put in.
    pub put_in: Vec<(String, String)>,
    /// The names of those that are not set.
    pub unset: Vec<String>,
    /// Whether there was anything to do.
    pub changed: bool,
}

/// Puts the values in.
pub fn fill(text: &str, form: Form, get: impl Fn(&str) -> Option<String>) -> Filled {
    let mut filled = Filled::default();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        filled.text.push_str(&rest[..at]);
        rest = &rest[at..];
        if form == Form::Escaped && rest.starts_with("$$") {
            (filled.changed, rest) = (true, &rest[2..]);
            filled.text.push('$');
            continue;
        }
        let Some((name, length)) = variable(rest, form) else {
            filled.text.push('$');
            rest = &rest[1..];
            continue;
        };
        filled.changed = true;
        match get(name) {
            Some(value) => {
                filled.text.push_str(&value);
                filled.put_in.push((name.to_owned(), value));
            }
            None => {
                filled.text.push_str(&rest[..length]);
                filled.unset.push(name.to_owned());
            }
        }
        rest = &rest[length..];
    }
    filled.text.push_str(rest);
    filled
}

/// The name of the variable that the text begins with, and how long it is written.
fn variable(text: &str, form: Form) -> Option<(&str, usize)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if let Some(inside) = text.strip_prefix("${") {
        let end = inside.find('}')?;
        // `aws:` and others are not of the environment.
        let name = inside[..end].strip_prefix("env:").unwrap_or(&inside[..end]);
        return (!name.is_empty() && name.chars().all(is_word)).then_some((name, end + 3));
    }
    let name = text.strip_prefix('$').filter(|_| form == Form::Bare)?;
    let name = &name[..name.find(|c| !is_word(c)).unwrap_or(name.len())];
    // No name begins with a digit: `$1` is of another language.
    name.starts_with(|c: char| !c.is_ascii_digit()).then_some((name, name.len() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, form: Form) -> (String, Vec<String>) {
        let get = |name: &str| match name {
            "HOST" => Some("web1".to_owned()),
            "AGAIN" => Some("${HOST}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let filled = fill(text, form, get);
        (filled.text, filled.unset)
    }

    #[test]
    fn values_are_put_in_and_not_searched_again() {
        for form in [Form::Braces, Form::Bare, Form::Escaped] {
            assert_eq!(filled("/a/${HOST}/${env:HOST}${EMPTY}.log", form), ("/a/web1/web1.log".into(), vec![]));
            assert_eq!(filled("${AGAIN}", form).0, "${HOST}");
        }
    }

    #[test]
    fn what_is_not_set_stays_and_is_named() {
        assert_eq!(filled("a${NOBODY}b${HOST}", Form::Braces), ("a${NOBODY}bweb1".into(), vec!["NOBODY".into()]));
        assert_eq!(filled("$NOBODY/x", Form::Bare), ("$NOBODY/x".into(), vec!["NOBODY".into()]));
    }

    #[test]
    fn only_environment_variables_are_variables() {
        for text in ["${aws:InstanceId}", "{instance_id}", "${", "${}", "${a b}", "$", "a$", "$1", "$-x", "${HOST"] {
            for form in [Form::Braces, Form::Bare, Form::Escaped] {
                let filled = fill(text, form, |_| Some("oops".to_owned()));
                assert!(!filled.changed && filled.text == text, "{text} {form:?}");
            }
        }
    }

    #[test]
    fn bare_names_and_doubled_signs_count_where_the_agent_has_them() {
        assert_eq!(filled("$HOST.log", Form::Bare).0, "web1.log");
        assert_eq!(filled("$HOST.log", Form::Braces).0, "$HOST.log");
        assert_eq!(filled("$HOST.log", Form::Escaped).0, "$HOST.log");
        assert_eq!(filled("$${HOST}$$", Form::Escaped).0, "${HOST}$");
        assert_eq!(filled("$${HOST}", Form::Braces).0, "$web1");
    }
}
