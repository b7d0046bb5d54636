//! What a policy allows: as much of IAM's rules as the policies of this project use. What it does not know it fails on.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>
use serde_json::Value;

/// What somebody asks for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `logs:PutLogEvents`.
    pub action: String,
    /// The ARN, or `*` where the action knows none.
    pub resource: String,
    /// Keys of conditions and their values.
    pub context: Vec<(&'static str, String)>,
}

impl Asked {
    pub fn new(action: &str, resource: &str) -> Self {
        Self { action: action.to_owned(), resource: resource.to_owned(), context: vec![] }
    }

    pub fn with(mut self, key: &'static str, value: &str) -> Self {
        self.context.push((key, value.to_owned()));
        self
    }
}

/// The statements of a policy that allow it, by their names.
pub fn allowing(policy: &Value, asked: &Asked) -> Vec<String> {
    let statements = policy["Statement"].as_array().expect("statements");
    let allowing = statements.iter().filter(|statement| allows(statement, asked));
    allowing.map(|statement| statement["Sid"].as_str().expect("each has a name").to_owned()).collect()
}

/// Each statement of a policy with each of its actions.
pub fn promises(policy: &Value) -> Vec<(String, String)> {
    let statements = policy["Statement"].as_array().expect("statements");
    let promised = |statement: &Value| {
        let sid = statement["Sid"].as_str().expect("each has a name").to_owned();
        texts(&statement["Action"]).into_iter().map(move |action| (sid.clone(), action)).collect::<Vec<_>>()
    };
    statements.iter().flat_map(promised).collect()
}

fn allows(statement: &Value, asked: &Asked) -> bool {
    assert_eq!(statement["Effect"], "Allow", "nothing is denied here");
    let conditions = statement["Condition"].as_object().into_iter().flatten();
    let holds = |(operator, tests): (&String, &Value)| {
        tests.as_object().expect("keys and values").iter().all(|(key, values)| {
            let actual = asked.context.iter().find(|(name, _)| name == key);
            let Some((_, actual)) = actual else { return false };
            texts(values).iter().any(|value| match operator.as_str() {
                "StringEquals" => value == actual,
                "StringLike" => matches(value, actual),
                other => panic!("{other} is not known here"),
            })
        })
    };
    // The names of actions are compared whatever their case; ours are written as they are.
    texts(&statement["Action"]).contains(&asked.action)
        && texts(&statement["Resource"]).iter().any(|resource| matches(resource, &asked.resource))
        && conditions.into_iter().all(holds)
}

/// One text or several.
pub fn texts(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned();
    value.as_array().map_or_else(|| vec![text(value)], |all| all.iter().map(text).collect())
}

/// `*` is any text, `?` any character.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('*') => {
            let mut from = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            from.any(|at| matches(rest.as_str(), &text[at..]))
        }
        Some(c) => {
            let mut text = text.chars();
            text.next().is_some_and(|other| (c == '?' || c == other) && matches(rest.as_str(), text.as_str()))
        }
    }
}

#[test]
fn only_what_is_said_is_allowed() {
    let policy = serde_json::json!({ "Statement": [
        { "Sid": "A", "Effect": "Allow", "Action": ["s:One", "s:Two"], "Resource": "arn:x:/a/*:y" },
        { "Sid": "B", "Effect": "Allow", "Action": "s:Three", "Resource": "*",
          "Condition": { "StringLike": { "k": ["a*", "b"] }, "StringEquals": { "l": "c" } } },
    ] });
    let by = |asked: Asked| allowing(&policy, &asked);
    assert_eq!(by(Asked::new("s:Two", "arn:x:/a/b:c:y")), ["A"]);
    assert!(by(Asked::new("s:Two", "arn:x:/a/b:c")).is_empty());
    assert!(by(Asked::new("s:Three", "z")).is_empty());
    assert_eq!(by(Asked::new("s:Three", "z").with("k", "ab").with("l", "c")), ["B"]);
    assert!(by(Asked::new("s:Three", "z").with("k", "bb").with("l", "c")).is_empty());
    assert!(by(Asked::new("s:Three", "z").with("k", "ab").with("l", "c*")).is_empty());
    assert_eq!(promises(&policy).len(), 3);
}
